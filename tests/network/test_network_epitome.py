"""Epitomes: sampling, rebuilding, least squares, and networks that carry them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_epitome, naive_network

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import Epitome, EpitomeSampler, Network, load_network, make_conv2d, run_network
from xbarsim.network.compact import fit_gain

few = settings(max_examples=30)


@st.composite
def samplers(draw):
    """Draw samplers over kernels, epitomes larger and smaller than the layer, and overlapping patches."""
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    p, q = (k + draw(st.integers(0, 2)) for k in kernel)
    channels, depth = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    patch = (draw(st.integers(1, channels)), draw(st.integers(1, depth)))
    step = (draw(st.integers(1, patch[0])), draw(st.integers(1, patch[1])))
    extra = draw(st.integers(0, p * q - 1))
    epitome = Epitome(depth * p * q + extra, channels, height=p, width=q, patch=patch, step=step)
    return epitome.sample((draw(st.integers(1, 12)), draw(st.integers(1, 12)), *kernel))


def draw_integers(shape, seed, low=-8, high=8):
    return np.random.default_rng(seed).integers(low, high, shape)


@few
@given(samplers(), st.integers(0, 99))
def test_samples_are_what_a_loop_over_patches_copies(sampler, seed):
    values = draw_integers(sampler.epitome_shape, seed)
    np.testing.assert_array_equal(sampler.rebuild(values), naive_epitome.rebuild(values, sampler))


@few
@given(samplers(), st.integers(0, 99))
def test_patches_through_one_matrix_equal_the_rebuilt_convolution(sampler, seed):
    values = draw_integers(sampler.epitome_shape, seed)
    windows = draw_integers((5, *sampler.weight_shape[1:]), seed + 1, 0, 16)
    weight = sampler.rebuild(values)
    expected = windows.reshape(5, -1) @ weight.reshape(len(weight), -1).T
    np.testing.assert_array_equal(naive_epitome.multiply_by_patches(values, sampler, windows), expected)


@few
@given(samplers(), st.integers(0, 99))
def test_fit_is_the_least_squares_solution_over_all_uses(sampler, seed):
    weight = np.random.default_rng(seed).normal(size=sampler.weight_shape)
    size = int(np.prod(sampler.epitome_shape))
    design = np.zeros((weight.size, size))
    design[np.arange(weight.size), sampler.index.ravel()] = 1
    expected = np.linalg.lstsq(design, weight.ravel(), rcond=None)[0]
    np.testing.assert_allclose(sampler.fit(weight).ravel(), expected, atol=1e-12)


@few
@given(samplers(), st.integers(0, 99))
def test_an_epitome_comes_back_from_the_weight_it_stands_for(sampler, seed):
    values = np.random.default_rng(seed).normal(size=sampler.epitome_shape).astype(np.float32)
    found = sampler.fit(sampler.rebuild(values)).astype(np.float32)
    used = sampler.uses > 0
    np.testing.assert_array_equal(found[used], values[used])
    assert not found[~used].any()


@few
@given(samplers())
def test_uses_count_every_weight_once(sampler):
    assert sampler.uses.sum() == np.prod(sampler.weight_shape)


@few
@given(samplers())
def test_patches_named_the_same_sample_the_same_weights(sampler):
    weight = sampler.rebuild(np.arange(np.prod(sampler.epitome_shape)).reshape(sampler.epitome_shape))
    for patches, same, axis in ((sampler.outputs, sampler.same_outputs, 0), (sampler.inputs, sampler.same_inputs, 1)):
        for (first, end, _), other in zip(patches, same, strict=True):
            at = patches[other, 0]
            mine = np.take(weight, range(first, end), axis)
            np.testing.assert_array_equal(mine, np.take(weight, range(at, at + end - first), axis))


def test_tiling_filters_equals_tiling_results():
    tiled = Epitome(rows=4 * 9, channels=3).sample((6, 4, 3, 3))
    values = draw_integers(tiled.epitome_shape, 0)
    attributes = make_conv2d("conv", 4, 6, 3, padding=1).attributes
    x = draw_integers((2, 4, 5, 5), 1)
    once = naive_network.convolve(x, values, attributes)
    whole = naive_network.convolve(x, tiled.rebuild(values), attributes)
    np.testing.assert_array_equal(whole, np.concatenate([once, once], axis=1))
    assert tiled.same_outputs.tolist() == [0, 0]


def test_tiling_filter_depth_equals_summing_input_groups():
    tiled = Epitome(rows=2 * 9, channels=3).sample((3, 6, 3, 3))
    values = draw_integers(tiled.epitome_shape, 0)
    attributes = make_conv2d("conv", 6, 3, 3, padding=1).attributes
    x = draw_integers((2, 6, 5, 5), 1)
    summed = naive_network.convolve(x.reshape(2, 3, 2, 5, 5).sum(axis=1), values, attributes)
    np.testing.assert_array_equal(naive_network.convolve(x, tiled.rebuild(values), attributes), summed)
    assert tiled.same_inputs.tolist() == [0, 0, 0]


def test_default_patches_tile_channels_only():
    sampler = Epitome(rows=1024, channels=256).sample((512, 512, 3, 3))
    assert sampler.epitome_shape == (256, 113, 3, 3)
    assert (len(sampler.outputs), len(sampler.inputs)) == (2, 5)
    assert sampler.inputs[-1].tolist() == [452, 512, 0]


def test_epitome_larger_than_the_layer_is_cut():
    sampler = Epitome(rows=1024, channels=256).sample((64, 100, 1, 1))
    assert sampler.epitome_shape == (256, 1024, 1, 1)
    assert (len(sampler.outputs), len(sampler.inputs)) == (1, 1)


@pytest.mark.parametrize(
    ("epitome", "message"),
    [
        (Epitome(rows=8), "rows: 8 is too few for one 3 x 3 input channel; must be at least 9"),
        (Epitome(height=2), "height: 2 is smaller than the 3 x 3 kernel; must be at least 3"),
        (Epitome(width=1), "width: 1 is smaller than the 3 x 3 kernel; must be at least 3"),
        (Epitome(rows=90, patch=(8, 11)), "patch: 11 input channels exceed those of the epitome; must be at most 10"),
        (Epitome(patch=(8, 8), step=(9, 8)), "step: 9 output channels leave gaps between patches; must be at most 8"),
    ],
)
def test_epitome_that_does_not_serve_names_the_nearest_that_does(epitome, message):
    with pytest.raises(ConfigError, match=message):
        epitome.sample((32, 32, 3, 3))


@pytest.mark.parametrize("settings", [{"rows": 0}, {"channels": 2.5}, {"patch": 4}, {"step": (0, 1)}, {"height": True}])
def test_epitome_refuses_what_is_no_count(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Epitome(**settings)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([[0, 3, 0], [4, 8, 0]], "do not cover channels 3 to 3; must start at 3"),
        ([[0, 4, 0]], "do not cover channels 4 to 7; must end at 8"),
        ([[0, 4, 0], [3, 8, 0]], "does not follow channel 3"),
        ([[0, 4, 0], [4, 8, 2]], "exceeds the 5 channels"),
    ],
)
def test_given_patches_leave_no_holes_in_the_weight(outputs, message):
    with pytest.raises(ConfigError, match=message):
        EpitomeSampler(
            weight_shape=(8, 4, 3, 3),
            epitome_shape=(5, 4, 3, 3),
            outputs=np.array(outputs),
            inputs=np.array([[0, 4, 0]]),
            places=np.zeros((len(outputs), 1, 2), int),
        )


def test_values_of_the_wrong_shape_are_refused():
    sampler = Epitome(rows=18, channels=2).sample((4, 4, 3, 3))
    with pytest.raises(ShapeError, match=r"\(2, 2, 3, 3\)"):
        sampler.rebuild(np.zeros((2, 2, 3, 2)))
    with pytest.raises(ShapeError, match=r"\(4, 4, 3, 3\)"):
        sampler.fit(np.zeros((4, 4, 3, 2)))


def make_network(seed=0):
    rng = np.random.default_rng(seed)
    nodes = (
        make_conv2d("first", 3, 8, 3, padding=1, weight=rng.normal(size=(8, 3, 3, 3))),
        make_conv2d("second", 8, 8, 3, padding=1, inputs=("first",), weight=rng.normal(size=(8, 8, 3, 3))),
        make_conv2d("last", 8, 5, 1, inputs=("second",), weight=rng.normal(size=(5, 8, 1, 1)), bias=rng.normal(size=5)),
    )
    return Network(name="three", nodes=nodes, input_shape=(3, 6, 6))


def test_network_runs_with_the_rebuilt_weights():
    network = make_network()
    compact = network.with_epitomes({"*": Epitome(rows=40, channels=4), "last": None})
    node = compact.node("second")
    assert compact.node("last").epitome is None
    assert node.epitome.values.shape == (4, 4, 3, 3)
    np.testing.assert_array_equal(node.weight, naive_epitome.rebuild(node.epitome.values, node.epitome.sampler))
    plain = network.replace_nodes(
        {n: make_conv2d(n, *network.node(n).weight.shape[1::-1], 3, padding=1, inputs=network.node(n).inputs,
                        weight=compact.node(n).weight) for n in ("first", "second")}
    )  # fmt: skip
    images = np.random.default_rng(1).normal(size=(2, 3, 6, 6))
    np.testing.assert_array_equal(run_network(compact, images), run_network(plain, images))
    assert compact.hash != plain.hash != network.hash


def test_epitome_as_large_as_the_layer_changes_no_weight():
    network = make_network()
    compact = network.with_epitomes({"*": Epitome(rows=90, channels=8)})
    for node in network.layers:
        np.testing.assert_array_equal(compact.node(node.name).weight, node.weight)


def test_shapes_without_weights_take_epitomes_too():
    compact = load_network("resnet50").with_epitomes({"layer[34].*": Epitome()})
    sampled = [node for node in compact.nodes if node.epitome is not None]
    assert len(sampled) == 29
    assert all(node.epitome.values is None and node.name.startswith(("layer3.", "layer4.")) for node in sampled)


def test_unknown_layers_and_grouped_convolutions_are_named():
    with pytest.raises(ConfigError, match=r"epitomes\.secnd: no convolution has this name; did you mean second"):
        make_network().with_epitomes({"secnd": Epitome()})
    with pytest.raises(ConfigError, match=r"layer first: epitome: rows: 5 .* at least 9"):
        make_network().with_epitomes({"first": Epitome(rows=5)})
    node = make_conv2d("wide", 4, 4, 3, groups=4)
    with pytest.raises(ConfigError, match="layer wide: a convolution of 4 groups cannot use an epitome"):
        Network(name="grouped", nodes=(node,), input_shape=(4, 5, 5)).with_epitomes({"*": Epitome()})


def test_factors_folded_into_outputs_become_gains():
    sampler = Epitome(rows=36, channels=4).sample((8, 8, 3, 3))
    rng = np.random.default_rng(3)
    values = rng.normal(size=sampler.epitome_shape).astype(np.float32)
    factors = rng.uniform(0.5, 2, 8)
    folded = (sampler.rebuild(values) * factors[:, None, None, None]).astype(np.float32)
    node = fit_gain(make_conv2d("conv", 8, 8, 3, weight=folded), sampler, values)
    np.testing.assert_allclose(node.epitome.gain, factors, rtol=1e-6)
    np.testing.assert_allclose(node.weight, folded, rtol=1e-6)
    np.testing.assert_allclose(sampler.fit(folded, factors), values, rtol=1e-5)


@pytest.mark.parametrize(
    "epitome",
    [Epitome(rows=36, channels=4), Epitome(rows=64, channels=6, height=4, width=4, patch=(4, 3)), Epitome(27, 9)],
)
def test_a_sampled_weight_is_recognised_behind_folded_factors(epitome):
    rng = np.random.default_rng(0)
    node = make_conv2d("conv", 8, 12, 3, padding=1)
    sampler = epitome.sample((12, 8, 3, 3))
    values = rng.normal(size=sampler.epitome_shape)
    gain = rng.normal(size=12)
    weight = (sampler.rebuild(values) * gain[:, None, None, None]).astype(np.float32)
    network = Network(name="one", nodes=(dataclasses.replace(node, weight=weight),), input_shape=(8, 6, 6))
    found = network.with_epitomes({"conv": epitome}).node("conv")
    np.testing.assert_allclose(found.weight, weight, rtol=1e-5, atol=1e-6)
    assert found.epitome.gain is not None
    other = dataclasses.replace(node, weight=rng.normal(size=weight.shape).astype(np.float32))
    plain = Network(name="one", nodes=(other,), input_shape=(8, 6, 6)).with_epitomes({"conv": epitome}).node("conv")
    assert plain.epitome.gain is None, "what was not sampled takes the mean of all places, as before"
    np.testing.assert_array_equal(plain.epitome.values, sampler.fit(other.weight).astype(np.float32))


def test_a_weight_that_the_epitome_does_not_rebuild_is_refused():
    network = make_network().with_epitomes({"second": Epitome(rows=36, channels=4)})
    node = network.node("second")
    with pytest.raises(ConfigError, match="layer second: its weight differs from the one rebuilt from its epitome"):
        network.replace_nodes({"second": dataclasses.replace(node, weight=node.weight * 2)})
