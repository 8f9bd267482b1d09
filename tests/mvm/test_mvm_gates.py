"""Gate-driven arrays in networks: closed transistors that leak, and lines without resistance."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.crossbar import TOPOLOGIES, solve_currents
from xbarsim.errors import ConfigError
from xbarsim.mvm import encode_weights, program_matrix

SMALL = {
    "crossbar.rows": 16, "crossbar.cols": 16, "device.programming.sigma": 0.0, "adc.bits": "ideal",
    "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0,
}  # fmt: skip
LEAKY = {"crossbar.topology": "1t1r_gate", "crossbar.r_access_ohm": 1e4, "crossbar.g_leak_siemens": 1e-6}
SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
LINES = {"crossbar.r_sl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0}


def program(changes, codes=None):
    weights = np.random.default_rng(4).integers(-127, 128, (40, 4))
    hardware = load_hardware("reference", {**SMALL, **changes})
    return weights, program_matrix(weights, hardware, weight_bits=8, activation_bits=8, codes=codes)


def inputs(vectors):
    rng = np.random.default_rng(5)
    return (rng.integers(0, 256, (vectors, 40)) * (rng.random((vectors, 40)) < 0.4)).astype(np.uint8)


def solve_by_hand(engine, weights, codes, topology="1t1r_gate"):
    """Solve every array for every bit and without input, and take the latter off, as a zeroed converter does."""
    device, crossbar = engine.hardware.device, engine.hardware.crossbar
    digits = encode_weights(weights, "differential", weight_bits=8, cell_bits=2).digits
    levels, x = np.zeros((2, 48, 16)), np.zeros((len(codes) + 1, 48), dtype=int)
    levels[:, :40], x[:-1, :40] = digits.transpose(0, 2, 3, 1).reshape(2, 40, 16), codes
    g = device.g_off_siemens + levels.reshape(2, 3, 16, 16) * device.g_step_siemens
    names = ("r_bl_ohm", "r_sl_ohm", "r_access_ohm", "g_leak_siemens")
    circuit = {"topology": topology, "iv": device.iv, "read_volt": device.read_volt if "gate" in topology else None}
    total = np.zeros((len(codes), 4))
    for bit, r in np.ndindex(8, 3):
        volt = ((x[:, 16 * r : 16 * r + 16] >> bit) & 1) * device.read_volt
        i = [
            solve_currents(g[p, r], volt, **circuit, **{name: getattr(crossbar, name) for name in names})
            for p in (0, 1)
        ]
        sums = (i[0] - i[1]) / (device.g_step_siemens * device.read_volt * device.secant)
        total += 2**bit * ((sums[:-1] - sums[-1]).reshape(len(codes), 4, -1) @ np.array([1, 4, 16, 64]))
    return total


@pytest.mark.parametrize("curve", [{}, SINH])
@pytest.mark.parametrize("method", ["exact", "fitted"])
def test_leakage_reaches_the_results_of_networks(curve, method):
    codes = inputs(160)
    weights, engine = program({**LEAKY, **curve, **LINES, "crossbar.method": method}, codes[:150])
    truth = solve_by_hand(engine, weights, codes[150:])
    found = engine.multiply(codes[150:], method="solved" if method == "exact" else "auto")
    closed = program({**LEAKY, **curve, **LINES, "crossbar.g_leak_siemens": 0.0}, codes[:150])[1].multiply(codes[150:])
    moved = np.abs(closed - truth).max()
    assert np.abs(found - truth).max() < (1e-3 if method == "exact" else 0.1) * moved


@pytest.mark.parametrize(
    "topology", [name for name, layout in TOPOLOGIES.items() if not layout.is_linear and "1s" not in name]
)
@pytest.mark.parametrize("method", ["auto", "exact", "ideal"])
def test_lines_without_resistance_leave_an_operator(topology, method):
    gates = {name: value for name, value in LEAKY.items() if "gate" in topology}
    codes = inputs(10)
    weights, engine = program({**gates, "crossbar.topology": topology, "crossbar.method": method})
    assert engine.programmed.bend is None
    truth = solve_by_hand(engine, weights, codes, topology)
    np.testing.assert_allclose(engine.multiply(codes), truth, rtol=1e-5, atol=1e-5 * np.abs(truth).max())


def test_keys_that_contradict_leakage_are_refused():
    with pytest.raises(ConfigError, match=r"g_leak_siemens: 1e-09 is not used with .*choose 1t1r_gate, "):
        load_hardware("reference", {"crossbar.g_leak_siemens": 1e-9})
    with pytest.raises(
        ConfigError, match=r"g_leak_siemens: 0\.001 lets closed transistors .* give at most 1 / r_access_ohm, 0\.0001"
    ):
        load_hardware("reference", {**LEAKY, "crossbar.g_leak_siemens": 1e-3})
    with pytest.raises(ConfigError, match=r"crossbar\.g_leak_siemens: -1e-09"):
        load_hardware("reference", {**LEAKY, "crossbar.g_leak_siemens": -1e-9})
