import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_network

import xbarsim as xs
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import Network, Node, load_network, make_conv2d, run_network
from xbarsim.network.convolve import convolve, pool_max, pool_mean


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    attributes = {
        "kernel": kernel, "dilation": dilation, "groups": groups,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(4)),
    }  # fmt: skip
    size = [d * (k - 1) + 1 + draw(st.integers(0, 4)) for d, k in zip(dilation, kernel, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    depth, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    x = rng.integers(-20, 20, (draw(st.integers(1, 2)), groups * depth, *size))
    weight = rng.integers(-9, 9, (groups * per_group, depth, *kernel))
    return x, weight, attributes


@given(convolutions(), st.sampled_from([0, 7]), st.sampled_from([np.float32, np.float64, np.int64]))
@settings(max_examples=60)
def test_convolution_equals_plain_loops(drawn, pad_value, kind):
    x, weight, attributes = drawn
    expected = naive_network.convolve(x, weight, attributes, pad_value)
    assert np.array_equal(convolve(x.astype(kind), weight.astype(kind), attributes, pad_value), expected)


def test_pooling_leaves_padding_out():
    x = np.full((1, 1, 4, 4), -2.0, np.float32)
    attributes = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}
    assert np.array_equal(pool_max(x, attributes), np.full((1, 1, 2, 2), -2.0))
    assert np.array_equal(pool_mean(x, attributes), np.full((1, 1, 2, 2), -2.0))
    counted = pool_mean(x, attributes | {"count_include_pad": True})
    assert np.allclose(counted, -2.0 * np.array([[4, 6], [6, 9]]) / 9)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenetv2"])
def test_bits_depend_on_neither_batch_nor_block_nor_threads(name):
    network = load_network(name, weights="random")
    count = 2 if name == "mobilenetv2" else 9
    images = np.random.default_rng(0).normal(size=(count, *network.input_shape)).astype(np.float32)
    whole = run_network(network, images, threads=1)
    assert np.array_equal(whole, run_network(network, images, threads=2, block=1))
    assert np.array_equal(whole, run_network(network, images, block=4))
    assert np.array_equal(whole[1:2], run_network(network, images[1:2]))


def test_a_layer_function_replaces_the_arithmetic_of_weight_layers():
    network = load_network("lenet5")
    seen = []

    def zeros(node, x):
        seen.append(node.name)
        return np.zeros((len(x), *node.shape), np.float32)

    observed, done = [], []
    y = run_network(
        network, np.ones((3, 1, 32, 32)), zeros, block=2,
        observe=lambda name, value: observed.append((name, len(value))), progress=lambda *each: done.append(each),
    )  # fmt: skip
    assert not y.any()
    assert seen == ["conv1", "conv2", "fc1", "fc2", "fc3"] * 2
    assert observed[0] == ("input", 2)
    assert observed[-1] == ("fc3", 1)
    assert done == [(2, 3), (3, 3)]


def test_a_value_is_dropped_after_its_last_reader():
    import weakref

    nodes = [Node(name=f"r{i}", kind="relu", inputs=(f"r{i - 1}" if i else "input",)) for i in range(6)]
    network = Network(name="chain", nodes=tuple(nodes), input_shape=(4,))
    alive: list[weakref.ref] = []

    def observe(name, value):
        alive.append(weakref.ref(value))
        assert sum(reference() is not None for reference in alive) <= 3, "more than a reader, its input and the images"

    run_network(network, np.ones((2, 4)), observe=observe)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 32, 32)), r"expected shape \(images, 1, 32, 32\) for network lenet5, given \(2, 3, 32, 32\)"),
        (np.zeros((1, 32, 32)), "expected shape"),
        (np.zeros((2, 1, 32, 32), np.uint8), "uint8 pixels"),
        (np.full((2, 1, 32, 32), np.nan), "NaN or infinite"),
        (np.full((2, 1, 32, 32), "a"), "expected numbers"),
        ((np.zeros((2, 1, 32, 32)), np.zeros(2)), "entries of different shapes; .* labels as an argument of their own"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(ShapeError, match=message):
        run_network(load_network("lenet5", weights="random"), images)


def test_calibration_images_that_do_not_fit_are_called_so():
    images = np.zeros((2, 1, 8, 8), np.float32)
    for wrong in (images[:, 0], images.astype(np.uint8), (images, images[0])):
        with pytest.raises(ShapeError, match=r"^calibration: "):
            xs.program("digits", "reference", calibration=wrong)
        with pytest.raises(ShapeError, match=r"^calibration: "):
            xs.simulate("digits", "reference", images, calibration=wrong)


def test_shapes_without_weights_are_not_run():
    with pytest.raises(ConfigError, match="shapes but no weights"):
        run_network(load_network("lenet5"), np.zeros((1, 1, 32, 32)))


def test_a_layer_output_of_the_wrong_shape_is_named():
    network = Network(name="one", nodes=(make_conv2d("c", 1, 2, 1),), input_shape=(1, 2, 2))
    with pytest.raises(ShapeError, match="layer c: output has shape"):
        run_network(network, np.zeros((1, 1, 2, 2)), lambda node, x: x)
