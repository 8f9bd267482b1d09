"""Every topology against equations and SPICE decks that are written without the package's builder of circuits."""

import numpy as np
import pytest
from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs
from reference.branch_list import LAYOUTS, list_branches, solve_branches, write_deck
from reference.spice import needs_ngspice, read_currents, run_ngspice

from xbarsim.crossbar import TOPOLOGIES, solve_currents, solve_currents_report, solve_reads, write_netlist
from xbarsim.errors import ConfigError

FORMULAS = {
    "ohmic": None,
    "sinh": ("sinh", 0.1, 0.2),
    "polynomial": ("polynomial", 0.5, 20.0),
    "selector": ("selector", 0.1, 0.005, 1e-4),
}
"""The curves of ``circuit_samples``, as the oracle takes them."""
GATES = [name for name, layout in TOPOLOGIES.items() if layout.inputs == "gates"]
OHMS = (0.0, 2.5, 40.0, 1e3)


def draw_case(topology, seed):
    """Draw cells, inputs (two vectors, of which one drives few rows) and resistances of a small array."""
    rng = np.random.default_rng(seed)
    rows, cols = rng.integers(1, 7, 2)
    g, v = sample_cells((rows, cols), seed), sample_inputs(2, rows, seed)
    v[1] *= rng.random(rows) < 0.3
    case = {name: float(rng.choice(OHMS)) for name in WIRES}
    if topology == "passive_both":  # two sources at the ends of a perfect line share its current as they like
        case["r_source_ohm"] = 30.0
    layout = TOPOLOGIES[topology]
    if layout.has_transistor:
        case["r_access_ohm"] = float(rng.choice([0.0, 5e3]))
    if layout.inputs == "gates":
        case |= {"g_leak_siemens": float(rng.choice([0.0, 1e-9, 1e-6, 1e-4])), "read_volt": 0.2}
    if layout.floating:
        case["sensed"] = rng.random(cols) < 0.8
    return g, v, case


def test_the_oracle_knows_every_topology():
    assert set(LAYOUTS) == set(TOPOLOGIES)


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_currents_and_power_are_those_of_equations_written_independently(topology, curve):
    for seed in range(6):
        g, v, case = draw_case(topology, seed)
        found = solve_reads(g, v, topology=topology, iv=CURVES[curve], **case)
        currents = solve_currents(g, v, topology=topology, iv=CURVES[curve], **case)
        sensed = case.get("sensed", np.ones(g.shape[1], dtype=bool))
        for n, one in enumerate(v):
            expected, watt = solve_branches(list_branches(topology, g, one, **case), FORMULAS[curve])
            full = max(found.full_ampere[n], 1e-30)
            for each in (found.currents[n], currents[n]):
                np.testing.assert_allclose(each[sensed], expected[: sensed.sum()], rtol=0, atol=2e-9 * full)
            assert found.power_watt[n] == pytest.approx(watt, rel=1e-6, abs=1e-9 * full)


@needs_ngspice
@pytest.mark.parametrize(("topology", "curve"), CASES[::3])
def test_decks_written_independently_give_the_same_currents(topology, curve, tmp_path):
    g, v, case = draw_case(topology, 3)
    branches = list_branches(topology, g, v[0], **case)
    expected = read_currents(run_ngspice(write_deck(branches, FORMULAS[curve]), tmp_path))
    found = solve_currents(g, v[0], topology=topology, iv=CURVES[curve], **case)
    sensed = case.get("sensed", np.ones(g.shape[1], dtype=bool))
    np.testing.assert_allclose(found[sensed], expected, rtol=1e-4 if curve == "selector" else 1e-6, atol=1e-15)


# --- leakage of closed transistors ---------------------------------------------------------------------------------
@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("topology", GATES)
def test_every_solver_of_gate_driven_arrays_knows_leakage(topology, curve):
    g, v = sample_cells((7, 6)), np.vstack([sample_inputs(2, 7), np.zeros((1, 7))])
    case = {"topology": topology, "iv": CURVES[curve], "r_access_ohm": 1e3, "read_volt": 0.2, **WIRES}
    for leak in (1e-9, 1e-5):
        leaky = {**case, "g_leak_siemens": leak}
        nodal = solve_currents_report(g, v, **leaky).currents
        np.testing.assert_allclose(solve_currents(g, v, **leaky), nodal, rtol=2e-9)
        np.testing.assert_allclose(
            solve_reads(g, v, tol=1e-4, **leaky).currents, nodal, rtol=0, atol=1e-4 * nodal.max()
        )
        expected, _ = solve_branches(
            list_branches(topology, g, v[2], r_access_ohm=1e3, g_leak_siemens=leak, read_volt=0.2, **WIRES),
            FORMULAS[curve],
        )
        np.testing.assert_allclose(solve_currents(g, v, **leaky)[2], expected, rtol=1e-8)
        assert expected.min() > 0


@needs_ngspice
@pytest.mark.parametrize("curve", ["ohmic", "sinh"])
@pytest.mark.parametrize("topology", GATES)
def test_decks_of_leaking_arrays_run_in_ngspice(topology, curve, tmp_path):
    g, v = sample_cells((9, 8)), sample_inputs(1, 9)[0]
    case = {"topology": topology, "iv": CURVES[curve], "r_access_ohm": 1e3, "g_leak_siemens": 1e-6, **WIRES}
    expected = read_currents(run_ngspice(write_netlist(g, v, read_volt=0.2, **case), tmp_path))
    np.testing.assert_allclose(solve_currents(g, v, read_volt=0.2, **case), expected, rtol=1e-8)


def test_leakage_through_perfect_lines_adds_up_in_closed_form():
    g, x = np.random.default_rng(0).uniform(1e-6, 1e-4, (5, 4)), np.array([0.0, 1.0, 0.25, 0.0, 1.0])
    opened, closed = g / (1 + 2e3 * g), g * 1e-7 / (g + 1e-7)
    expected = 0.2 * (x @ opened + (1 - x) @ closed)
    for topology in GATES:
        found = solve_currents(
            g, 0.2 * x, topology=topology, r_access_ohm=2e3, g_leak_siemens=1e-7, read_volt=0.2, tol=1e-12
        )
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_gates_that_close_as_little_as_they_open_make_no_difference():
    g, v = sample_cells((6, 5)), sample_inputs(3, 6)
    case = {"topology": "1t1r_gate", "r_access_ohm": 1e4, "g_leak_siemens": 1e-4, "read_volt": 0.2, **WIRES}
    found = solve_currents(g, v, **case)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=1e-12)


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, "much"])
def test_leakage_that_is_no_conductance_is_refused(value):
    with pytest.raises(ConfigError, match=r"^g_leak_siemens: .* is not a finite conductance of zero or more"):
        solve_currents(np.ones((2, 2)), np.ones(2), topology="1t1r_gate", g_leak_siemens=value)


def test_leakage_is_refused_where_no_gate_closes_and_where_closed_ones_conduct_better():
    with pytest.raises(ConfigError, match="g_leak_siemens: not used in topology 1t1r, where no gate closes"):
        solve_currents(np.ones((2, 2)), np.ones(2), topology="1t1r", g_leak_siemens=1e-9)
    with pytest.raises(ConfigError, match=r"g_leak_siemens: .* lets closed transistors conduct better than"):
        solve_currents(np.ones((2, 2)), np.ones(2), topology="1t1r_gate", g_leak_siemens=1e-2, r_access_ohm=1e3)
