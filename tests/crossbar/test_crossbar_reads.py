"""Reads: power from the drivers, inputs of every array, and wires that differ from line to line."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs
from reference.spice import needs_ngspice, read_currents, run_ngspice
from scipy.optimize import brentq

from xbarsim.config.iv import Selector, Sinh, cell_current
from xbarsim.crossbar import solve_currents, solve_currents_report, solve_reads, write_netlist
from xbarsim.crossbar.line_plan import count_inner_steps
from xbarsim.errors import ConfigError, ShapeError, SolverError

TOPOLOGIES = ["passive", "passive_interleaved_both", "passive_floating", "1t1r_gate", "1t1r_gate_rows"]


def measure_power(deck, folder):
    """Return the power of all drivers of a deck as ngspice sees it [W]."""
    sources = re.findall(r"^V(d\d+) \S+ 0 DC (\S+)", deck, re.MULTILINE)
    wanted = "\n".join(f"print i(v{name})" for name, _ in sources)
    printed = run_ngspice(deck.replace("quit 0", f"{wanted}\nquit 0"), folder)
    currents = dict(re.findall(r"^i\(v(d\d+)\) = (\S+)", printed, re.MULTILINE))
    return -sum(float(volt) * float(currents[name]) for name, volt in sources)


@needs_ngspice
@pytest.mark.parametrize(("topology", "curve"), CASES[::2])
def test_power_equals_that_of_ngspice(topology, curve, tmp_path):
    g, v_in = sample_cells((12, 9), seed=6), sample_inputs(1, 12, seed=7)
    case = {"topology": topology, "iv": CURVES[curve], **WIRES}
    found = solve_reads(g, v_in, **case)
    assert found.power_watt[0] == pytest.approx(measure_power(write_netlist(g, v_in, **case), tmp_path), rel=1e-4)


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_reads_agree_with_nodal_analysis(topology, curve):
    g, v_in = sample_cells((9, 7)), sample_inputs(5, 9)
    case = {"topology": topology, "iv": CURVES[curve], **WIRES}
    found, report = solve_reads(g, v_in, **case), solve_currents_report(g, v_in, **case)
    np.testing.assert_allclose(found.currents, report.currents, rtol=0, atol=2e-9 * found.full_ampere.max())
    np.testing.assert_allclose(found.driver_ampere, report.driver_ampere, rtol=1e-7)


def test_rows_at_0_volt_take_some_of_the_power():
    g, v_in = np.full((8, 8), 1e-3), np.where(np.arange(8) < 4, 0.2, 0.0)
    found = solve_reads(g, v_in, r_wl_ohm=1.0, r_bl_ohm=50.0)
    sensed = found.currents.sum() * 0.2  # what an array with equal drivers would take for these currents
    assert found.power_watt > 1.02 * sensed


def test_nodal_analysis_gives_the_same_read(monkeypatch):
    g, v_in = sample_cells((9, 7)), sample_inputs(2, 9)
    case = {"iv": CURVES["sinh"], **WIRES}
    relaxed = solve_reads(g, v_in, **case)
    monkeypatch.setattr("xbarsim.crossbar.read.PASSES", 1)
    nodal = solve_reads(g, v_in, **case)
    assert relaxed.passes.min() > 0
    assert nodal.passes.max() == 0
    for name in ("currents", "full_ampere", "power_watt", "driver_ampere"):
        np.testing.assert_allclose(getattr(nodal, name), getattr(relaxed, name), rtol=1e-6)
    assert (nodal.error_ampere <= 1e-7 * nodal.full_ampere).all()


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_array_may_have_its_own_inputs(topology):
    g = np.stack([sample_cells((9, 7), seed) for seed in range(6)]).reshape(2, 3, 9, 7)
    v_in = sample_inputs(30, 9).reshape(2, 3, 5, 9)
    case = {"topology": topology, **WIRES}
    for solve in (solve_currents, lambda *given, **rest: solve_reads(*given, **rest).currents):
        whole = solve(g, v_in, **case)
        assert whole.shape == (2, 3, 5, 7)
        np.testing.assert_array_equal(whole[1, 2], solve(g[1, 2], v_in[1, 2], **case))
    report = solve_currents_report(g, v_in, **case)
    np.testing.assert_allclose(whole, report.currents, rtol=0, atol=2e-9 * report.currents.max())


@pytest.mark.parametrize("shape", [(2, 5, 9), (3, 2, 5, 9), (1, 1, 1, 5, 9)])
def test_inputs_of_other_stacks_are_refused(shape):
    g = np.full((2, 3, 9, 7), 1e-6)
    with pytest.raises(ShapeError, match=r"^v_in: shape .* is not \(2, 3, vectors, 9\)"):
        solve_currents(g, np.full(shape, 0.1))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_equal_resistances_by_line_or_segment_are_the_number(topology):
    g, v_in = sample_cells((9, 7)), sample_inputs(3, 9)
    by_column = topology == "1t1r_gate"
    first, nodes = (7, 9) if by_column else (9, 7)
    plain = solve_reads(g, v_in, topology=topology, **WIRES).currents
    by_line = {"r_wl_ohm": np.full(first, 2.5), "r_sl_ohm": np.full(first, 1.5), "r_bl_ohm": np.full(7, 3.5)}
    by_segment = {
        "r_wl_ohm": np.full((first, nodes + 1), 2.5), "r_sl_ohm": np.full((first, nodes + 1), 1.5),
        "r_bl_ohm": [[3.5] * 10] * 7,
    }  # fmt: skip
    ends = {"r_source_ohm": np.full(first, 100.0), "r_sink_ohm": np.full(7, 50.0)}
    for given in (by_line, by_segment):
        found = solve_currents(g, v_in, topology=topology, **given, **ends)
        np.testing.assert_allclose(found, plain, rtol=1e-12)


@needs_ngspice
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_wires_that_differ_by_segment_equal_ngspice(topology, tmp_path):
    g, v_in, rng = sample_cells((8, 6)), sample_inputs(1, 8), np.random.default_rng(8)
    by_column = topology == "1t1r_gate"
    first, nodes = (6, 8) if by_column else (8, 6)
    ohms = {
        "r_wl_ohm": rng.uniform(0, 9, (first, nodes + 1)), "r_sl_ohm": rng.uniform(0, 9, (first, nodes + 1)),
        "r_bl_ohm": rng.uniform(0, 9, (6, 9)), "r_source_ohm": rng.uniform(0, 90, first),
        "r_sink_ohm": rng.uniform(0, 90, 6),
    }  # fmt: skip
    expected = read_currents(run_ngspice(write_netlist(g, v_in, topology=topology, **ohms), tmp_path))
    np.testing.assert_allclose(solve_currents(g, v_in, topology=topology, **ohms)[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("r_wl_ohm", [1.0, 2.0, 3.0]), ("r_wl_ohm", np.ones((2, 3))), ("r_bl_ohm", np.ones((2, 4))),
        ("r_source_ohm", np.ones((2, 1))), ("r_sink_ohm", [1.0]), ("r_bl_ohm", [1.0, -1.0, 1.0]),
        ("r_wl_ohm", ["a", "b"]), ("r_wl_ohm", [np.nan, 1.0]),
    ],
)  # fmt: skip
def test_resistances_that_do_not_fit_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        solve_currents(np.full((2, 3), 1e-6), [0.1, 0.1], **{name: value})


@pytest.mark.parametrize(("topology", "curve"), [case for case in CASES if case[1] in ("sinh", "polynomial")][::3])
def test_curves_behind_transistors_are_relaxed(topology, curve):
    g, v_in = sample_cells((9, 7)), sample_inputs(3, 9)
    case = {"topology": topology, "iv": CURVES[curve], "r_access_ohm": 5e3, **WIRES}
    found, report = solve_reads(g, v_in, **case), solve_currents_report(g, v_in, **case)
    assert found.passes.min() > 0
    np.testing.assert_allclose(found.currents, report.currents, rtol=0, atol=2e-9 * found.full_ampere.max())


@pytest.mark.parametrize("iv", [CURVES["polynomial"], Sinh(scale_volt=0.03)])
@pytest.mark.parametrize("ratio", [0.01, 1.0, 8.0])
def test_inner_steps_find_the_voltage_across_a_cell_to_rounding(iv, ratio):
    v = np.linspace(0.0, 0.2, 41)
    w = v.copy()
    for _ in range(count_inner_steps(iv, 0.2, ratio)):
        f, s = cell_current(iv, w)
        w -= (w + ratio * f - v) / (1.0 + ratio * s)
    np.testing.assert_allclose(w + ratio * cell_current(iv, w)[0], v, rtol=0, atol=1e-13)


def test_a_sharp_selector_behind_a_transistor_is_left_to_nodal_analysis():
    assert count_inner_steps(Sinh(scale_volt=0.1), 0.2, 1.0) <= 9
    assert count_inner_steps(Selector(threshold_volt=0.1, width_volt=1e-3), 0.2, 1.0) is None
    case = {"topology": "1s1r", "iv": Selector(threshold_volt=0.1, width_volt=1e-3), "r_access_ohm": 1e4, **WIRES}
    found = solve_reads(sample_cells((5, 4)), sample_inputs(2, 5), **case)
    assert found.passes.max() == 0
    assert (found.error_ampere <= 1e-7 * found.full_ampere).all()


@pytest.mark.parametrize("seed", [108, 1137, 2374, 3500, 6472])
def test_sharp_selectors_behind_a_resistance_in_floating_lines_are_solved(seed):
    circuits = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "validation" / "circuits.py"))
    assert circuits["judge"](circuits["draw_circuit"](seed)) == "right"


@pytest.mark.parametrize("volt", [0.09995, 0.1, 0.1002])
def test_selectors_narrower_than_any_grid_of_voltages_are_solved_within_their_transition(volt):
    iv = Selector(threshold_volt=0.1, width_volt=3.65e-5, off_ratio=1e-6)
    g, access = 1.944e-6, 7071.0
    across = brentq(lambda w: w + access * g * float(cell_current(iv, w)[0]) - volt, 0.0, volt, xtol=1e-16)
    wires = {"r_wl_ohm": 1e-3, "r_bl_ohm": 1e-3}
    found = solve_reads(np.full((2, 2), g), np.array([[volt, 0.0]]), iv=iv, r_access_ohm=access, **wires)
    np.testing.assert_allclose(found.currents, g * float(cell_current(iv, across)[0]), rtol=1e-3)


def test_reads_whose_bound_exceeds_the_currents_are_refused():
    g, v_in = np.full((2, 3), 1e16), np.full(2, 0.2)
    with pytest.raises(SolverError, match=r"g: array 0, vector 0: the bound on the error, .* exceeds .*; check units"):
        solve_reads(g, v_in, r_wl_ohm=1.0, r_bl_ohm=1.0)
    near = solve_reads(g / 1e10, v_in, r_wl_ohm=1.0, r_bl_ohm=1.0)
    assert near.error_ampere < 1e-9 * near.full_ampere
