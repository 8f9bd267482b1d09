"""Quantised epitomes: codes in range, exact rebuilding, and clipping ranges that follow the uses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_epitome

from xbarsim.errors import ConfigError
from xbarsim.network import Epitome, EpitomeSampler, LayerEpitome, Network, make_conv2d, quantize_network
from xbarsim.network.quantize_epitome import METHODS, quantize_epitome

SAMPLER = Epitome(rows=6 * 9, channels=8).sample((12, 16, 3, 3))
CUTS = {"row_starts": [0, 20, 40, 54], "column_starts": [0, 3, 8]}


def make_epitome(seed=0, gain=False):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=SAMPLER.epitome_shape) * np.exp(rng.normal(size=(1, 6, 1, 1)))).astype(np.float32)
    return LayerEpitome(sampler=SAMPLER, values=values, gain=rng.uniform(0.5, 2, 12) if gain else None)


def squared_error(epitome, quantized, scale):
    codes = quantized.rebuild().astype(np.float64)
    return float(((epitome.rebuild() - codes * scale[:, None, None, None]) ** 2).sum())


@settings(max_examples=40)
@given(st.sampled_from(sorted(METHODS)), st.integers(2, 10), st.integers(0, 99), st.booleans())
def test_codes_fit_and_rebuild_to_the_weight(method, bits, seed, gain):
    epitome = make_epitome(seed, gain)
    quantized, scale = quantize_epitome(epitome, bits, quantization=method, **CUTS)
    assert np.abs(quantized.codes).max() <= 2 ** (bits - 1) - 1
    assert (quantized.shift >= 0).all()
    assert (quantized.shift.min(axis=0) == 0).all()
    blocks = np.repeat(quantized.shift, np.diff(CUTS["row_starts"]), axis=0)
    values = (quantized.codes * 2**blocks).T.reshape(SAMPLER.epitome_shape)
    np.testing.assert_array_equal(quantized.rebuild(), naive_epitome.rebuild(values, SAMPLER))
    largest = np.abs(epitome.rebuild()).max()
    assert np.abs(quantized.rebuild() * scale[:, None, None, None]).max() <= 2 * largest


@given(st.integers(0, 99))
@settings(max_examples=20)
def test_scales_by_uses_err_less_than_the_plain_range(seed):
    epitome = make_epitome(seed)
    errors = {
        method: squared_error(epitome, *quantize_epitome(epitome, 3, quantization=method, **CUTS)) for method in METHODS
    }
    assert errors["array"] < errors["min_max"]
    assert errors["column"] < errors["min_max"]


def test_one_scale_for_the_layer_is_its_largest_value_over_the_largest_code():
    epitome = make_epitome()
    _, scale = quantize_epitome(epitome, 4, quantization="min_max", **CUTS)
    np.testing.assert_allclose(scale, np.abs(epitome.values).max() / 7)


def test_scales_are_one_for_each_array():
    quantized, scale = quantize_epitome(make_epitome(), 4, quantization="array", **CUTS)
    first, second = scale[:3], scale[3:8]
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]
    np.testing.assert_array_equal(scale[8:], scale[:4])
    assert (quantized.shift[:, :3] == quantized.shift[:, :1]).all()
    assert (quantized.shift[:, 3:] == quantized.shift[:, 3:4]).all()


def test_often_used_elements_pull_the_range_towards_them():
    """Two channels, one of them sampled 15 times: the range follows the crowd."""
    starts = np.r_[np.zeros(15, int), 1]
    sampler = EpitomeSampler(
        weight_shape=(16, 1, 3, 3),
        epitome_shape=(2, 1, 3, 3),
        outputs=np.stack([np.arange(16), np.arange(1, 17), starts], axis=1),
        inputs=np.array([[0, 1, 0]]),
        places=np.zeros((16, 1, 2), int),
    )
    small, large = np.random.default_rng(0).normal(size=(2, 1, 3, 3)) * np.array([1, 3])[:, None, None, None]
    scales = [
        quantize_epitome(LayerEpitome(sampler=sampler, values=np.stack(pair)), 3, quantization="array")[1][0]
        for pair in ((small, large), (large, small))
    ]
    assert scales[0] < scales[1]


def test_elements_without_use_do_not_widen_the_range():
    sampler = Epitome(rows=18, channels=4).sample((3, 1, 3, 3))
    values = np.random.default_rng(0).normal(size=sampler.epitome_shape).astype(np.float32)
    wide = np.where(sampler.uses > 0, values, 100).astype(np.float32)
    for method in METHODS:
        results = [
            quantize_epitome(LayerEpitome(sampler=sampler, values=v), 4, quantization=method) for v in (values, wide)
        ]
        np.testing.assert_array_equal(results[0][1], results[1][1])
        assert not results[1][0].codes[9:].any()


def test_gains_scale_outputs_and_take_no_codes():
    plain, gained = make_epitome(), make_epitome(gain=True)
    for bits in (3, 8):
        one, other = (quantize_epitome(e, bits, quantization="min_max") for e in (plain, gained))
        np.testing.assert_array_equal(one[0].codes.any(), other[0].codes.any())
        np.testing.assert_allclose(other[1], one[1][0] * gained.gain)


def test_unknown_methods_are_named():
    with pytest.raises(ConfigError, match="'best' is not one of array, column, min_max"):
        quantize_epitome(make_epitome(), 4, quantization="best")


def test_networks_hand_settings_to_their_layers():
    rng = np.random.default_rng(0)
    node = make_conv2d("conv", 16, 12, 3, weight=rng.normal(size=(12, 16, 3, 3)))
    network = Network(name="one", nodes=(node,), input_shape=(16, 4, 4)).with_epitomes({"*": Epitome(54, 8)})
    images = rng.normal(size=(2, 16, 4, 4))
    given = {"conv": {"weight_bits": 3, "epitome": {"quantization": "array", **CUTS}}}
    layer = quantize_network(network, images, weight_bits=8, activation_bits=8, layers=given).layers["conv"]
    assert layer.epitome.shift.shape == (3, 8)
    assert np.abs(layer.epitome.codes).max() <= 3
    np.testing.assert_array_equal(layer.weight, layer.epitome.rebuild())
