"""Weights of one bit, cells that hold signed weights, carry columns: integers, arrays, and what is refused."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.cost import rate_tile
from xbarsim.errors import ConfigError
from xbarsim.mvm import decode_weights, encode_weights
from xbarsim.mvm.layout import layout_columns
from xbarsim.network.quantize import quantize_weights

IDEAL = {
    "adc.bits": "ideal", "device.programming.sigma": 0, "crossbar.r_wl_ohm": 0, "crossbar.r_bl_ohm": 0,
    "device.cell_bits": 4,
}  # fmt: skip


def hardware(changes):
    return load_hardware("reference", {**IDEAL, **changes})


@pytest.fixture(scope="module")
def network():
    return xs.load_network("lenet5", weights="random", seed=1)


@pytest.fixture(scope="module")
def images(network):
    return np.random.default_rng(0).random((4, *network.input_shape)).astype(np.float32)


CASES = [
    {"weight_bits": 1},
    {"weight_bits": 1, "encoding": "offset", "adc.bits": "auto"},
    {"weight_bits": 1, "encoding": "flip"},
    {"weight_bits": 4, "encoding": "signed"},
    {"weight_bits": 3, "encoding": "signed", "adc.bits": "auto", "device.cell_bits": 6},
    {"weight_bits": 5, "mapping.carry_columns": "auto", "encoding": "twos_complement"},
    {"weight_bits": 1, "mapping.carry_columns": 3, "encoding": "offset"},
]


@pytest.mark.parametrize("changes", CASES, ids=str)
@pytest.mark.filterwarnings("ignore:components.adc")
def test_ideal_macros_give_the_integers(network, images, changes):
    report = xs.simulate(network, hardware(changes), images)
    plain = {"weight_bits": changes["weight_bits"], "encoding": "differential"}
    assert np.array_equal(report.outputs, xs.simulate(network, hardware(plain), images).outputs)
    assert len(np.unique(report.outputs)) > 10


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip"])
def test_signs_survive_encoding(encoding):
    weights = np.where(np.random.default_rng(1).random((30, 7)) < 0.5, -1, 1)
    encoded = encode_weights(weights, encoding, weight_bits=1, cell_bits=1)
    assert np.array_equal(decode_weights(encoded, 1), weights)
    assert encoded.digits.max() == 1


def test_weights_of_one_bit_are_signs_times_the_mean_magnitude():
    weight = np.random.default_rng(2).normal(size=(5, 40))
    codes, scale = quantize_weights(weight, 1)
    assert np.array_equal(codes, np.where(weight < 0, -1, 1))
    for other in (0.9, 1.1):  # no other scale has a smaller squared error
        errors = [((weight - codes * (scale * f)[:, None]) ** 2).sum() for f in (1.0, other)]
        assert errors[0] < errors[1]


def test_signed_cells_take_one_array_and_one_column_and_see_both_signs():
    one = hardware({"weight_bits": 4, "encoding": "signed", "adc.bits": "auto"})
    pair = hardware({"weight_bits": 4, "adc.bits": "auto"})
    assert (one.arrays_per_crossbar, one.has_signed_sums, layout_columns(10, one).slices) == (1, True, 1)
    assert rate_tile(one).tops == pytest.approx(2 * rate_tile(pair).tops)
    assert one.adc_bits == int(np.ceil(np.log2(one.crossbar.rows * 8 + 1))) + 1


def test_carry_columns_are_taken_from_the_array_and_no_weight_straddles():
    macro = hardware({"weight_bits": 8, "encoding": "twos_complement", "device.cell_bits": 1,
                      "mapping.carry_columns": "auto"})  # fmt: skip
    layout = layout_columns(20, macro)
    assert layout.cols == 128 // (8 + 7) * 8
    assert (layout.held[:, :20].max(axis=0) == 8).all()  # every weight lies in one block
    assert rate_tile(macro).tops == pytest.approx(rate_tile(macro.override({"mapping.carry_columns": 0})).tops * 8 / 16)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weight_bits": 5, "encoding": "signed"}, "weight_bits: 5 bits do not fit a cell of device.cell_bits: 4"),
        ({"weight_bits": 1, "encoding": "twos_complement"}, "weight_bits: 1 contradicts encoding: twos_complement"),
        ({"weight_bits": 4, "encoding": "signed", "adc.subtract": "digital"}, "adc.subtract: digital contradicts"),
        ({"mapping.carry_columns": 3, "mapping.slices": "separate"}, "carry_columns: not with mapping.slices"),
        ({"mapping.carry_columns": -1}, "mapping.carry_columns"),
    ],
)
def test_macros_that_contradict_themselves_are_refused(changes, named):
    with pytest.raises(ConfigError, match=named) as caught:
        hardware(changes)
    assert len(str(caught.value)) <= 400


def test_an_array_too_narrow_for_a_weight_with_its_carries_is_refused():
    with pytest.raises(ConfigError, match=r"mapping\.carry_columns: a weight of 2 columns and 64 carry columns"):
        xs.estimate("lenet5", hardware({"crossbar.cols": 32, "mapping.carry_columns": 64}))
