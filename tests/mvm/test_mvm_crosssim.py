"""The setting in which layers were compared with CrossSim 3.2, on random integers and without its files.

Weights of 8 bits in four slices of two bits, differential pairs subtracted as currents on 128 rows, inputs bit by bit,
cells with 5 % variation and no wires; see benchmarks/validation/crosssim.py. Every conversion is done once more in
plain loops over the same cells.
"""

import numpy as np
import pytest
from reference.mvm_loops import multiply_differential

from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix

ROWS, OUTPUTS, VECTORS = 144, 16, 60
# found by this test on 2026-11-27 [dB]
GOLDEN = {"ideal": 22.705, "8 calibrated": 28.493, "6 calibrated": 14.376, "6 whole": 4.051}
SETTINGS = {
    "ideal": {"adc.bits": "ideal"},
    "8 calibrated": {"adc.bits": 8, "adc.quantile": 1.0},
    "6 calibrated": {"adc.bits": 6, "adc.quantile": 1.0},
    "6 whole": {"adc.bits": 6, "adc.full_scale": "whole"},
}


def draw():
    """Weights and inputs like those of a trained layer: bell-shaped, and half of the inputs zero."""
    rng = np.random.default_rng(7)
    weights = np.clip(np.rint(rng.normal(0, 28, (ROWS, OUTPUTS))), -127, 127).astype(int)
    codes = np.clip(np.rint(rng.normal(0, 60, (VECTORS, ROWS))), 0, 255).astype(int)
    return weights, codes


def program(name):
    weights, codes = draw()
    keys = {"crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, **SETTINGS[name]}
    engine = program_matrix(weights, load_hardware("reference", keys), weight_bits=8, activation_bits=8, layer="conv")
    return engine.calibrate(codes), weights, codes


@pytest.mark.parametrize("name", SETTINGS)
def test_ratios_of_a_layer_stay_where_they_were(name):
    engine, weights, codes = program(name)
    exact = codes @ weights
    error = engine.multiply(codes) * engine.lsb - exact
    found = 10 * np.log10(np.sum(exact.astype(float) ** 2) / np.sum(error**2))
    assert found == pytest.approx(GOLDEN[name], abs=0.05)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "ideal"])
def test_every_conversion_is_that_of_plain_loops_over_the_same_cells(name):
    engine, _, codes = program(name)
    cells = engine.programmed.matrix.reshape(ROWS, 4, -1)[:, :, :OUTPUTS].transpose(1, 0, 2)
    adc = engine.adc.lsb, engine.adc.lowest, engine.adc.highest
    for vector in codes[:3]:
        expected = multiply_differential(cells, vector, engine.row_starts, 8, 1, 4, 2, adc)
        np.testing.assert_array_equal(engine.multiply(vector[np.newaxis], method="product")[0], expected)
