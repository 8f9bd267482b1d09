"""What arrays answer: operators of linear circuits, operators at an operating point, and single reads."""

from dataclasses import replace

import numpy as np
import pytest
from circuit_samples import WIRES, sample_cells, sample_inputs

from xbarsim.config.iv import Sinh, cell_current
from xbarsim.crossbar import (
    TOPOLOGIES,
    Lines,
    Wires,
    solve_currents,
    solve_operating_point,
    solve_operator,
    solve_patterns,
    solve_transfer,
)
from xbarsim.errors import ConfigError

OHMS = {name: ohm for name, ohm in WIRES.items() if name != "r_sl_ohm"}


def test_the_operator_of_a_passive_array_is_its_transfer_operator():
    g = sample_cells((2, 9, 7))
    found = solve_operator(g, Lines(wires=Wires(**OHMS)), topology="passive", method="auto", threads=None)
    np.testing.assert_array_equal(found, solve_transfer(g, **OHMS, tol=1e-8))


@pytest.mark.parametrize("topology", [name for name, each in TOPOLOGIES.items() if each.response == "operator"])
def test_the_operator_of_a_topology_gives_the_currents_of_its_circuit(topology):
    layout, access = TOPOLOGIES[topology], 5000.0 if TOPOLOGIES[topology].has_transistor else 0.0
    bare = replace(layout, has_selector=False, solver="nodes")
    g, v = sample_cells((2, 9, 7)), sample_inputs(3, 9)
    lines = Lines(wires=Wires(**OHMS), r_access_ohm=access)
    found = solve_operator(g, lines, topology=layout, method="auto", threads=1)
    expected = solve_currents(g, v, **OHMS, r_access_ohm=access, topology=bare)
    np.testing.assert_allclose(v @ found, expected, rtol=1e-8, atol=1e-16)


def test_a_topology_that_depends_on_its_inputs_has_no_operator():
    with pytest.raises(ConfigError, match="topology: 1t1r_gate_rows depends on its inputs"):
        solve_operator(
            sample_cells((2, 2)), Lines(wires=Wires(**OHMS)), topology="1t1r_gate_rows", method="auto", threads=1
        )


def test_lines_without_resistance_give_every_topology_an_operator():
    g, gates = sample_cells((4, 3)), Lines(wires=Wires(), r_access_ohm=1e4, g_leak_siemens=1e-6)
    found = solve_operator(g, gates, topology="1t1r_gate_rows", method="auto", threads=1)
    np.testing.assert_allclose(found, g / (1 + 1e4 * g) - g * 1e-6 / (g + 1e-6), rtol=1e-12)
    np.testing.assert_array_equal(
        solve_operator(g, Lines(wires=Wires()), topology="passive_floating", method="auto", threads=1), g
    )


def test_lines_with_several_driven_ends_have_no_closed_form_and_leave_out_wires_as_told():
    g, lines = sample_cells((4, 3)), Lines(wires=Wires(**OHMS))
    with pytest.raises(ConfigError, match="method: closed_form does not hold"):
        solve_operator(g, lines, topology="passive_both", method="closed_form", threads=1)
    np.testing.assert_array_equal(solve_operator(g, lines, topology="passive_both", method="ideal", threads=1), g)


@pytest.mark.parametrize(
    ("topology", "leak"), [*((name, 0.0) for name in TOPOLOGIES), ("1t1r_gate", 1e-6), ("1t1r_gate_rows", 1e-6)]
)
def test_the_operator_at_an_operating_point_is_near_the_currents_of_reads(topology, leak):
    layout, iv = TOPOLOGIES[topology], Sinh(scale_volt=0.1)
    rng = np.random.default_rng(0)
    g, inputs = rng.uniform(1e-6, 1e-5, (2, 24, 20)), (rng.random((40, 24)) < 0.3).astype(float)
    wires = Wires(r_wl_ohm=5.0, r_bl_ohm=5.0, r_source_ohm=100.0, r_sink_ohm=50.0)
    lines = Lines(
        wires=wires,
        r_sl_ohm=5.0 if layout.inputs == "gates" else 0.0,
        r_access_ohm=5e3 if layout.has_transistor else 0.0,
        g_leak_siemens=leak,
    )
    at = {"topology": layout, "iv": iv, "read_volt": 0.2}
    operator = solve_operating_point(g, lines, **at, drive=np.full(24, 0.3))
    sensed = solve_patterns(g, lines, inputs, **at, pulses=1, tol=1e-7)
    sensed -= solve_patterns(g, lines, np.zeros((1, 24)), **at, pulses=1, tol=1e-7)
    error = np.linalg.norm(inputs * 0.2 @ operator - sensed) / np.linalg.norm(sensed)
    lost = np.linalg.norm(inputs @ g * cell_current(iv, 0.2)[0] - sensed) / np.linalg.norm(sensed)
    assert error < 0.2 * lost


def test_pulses_of_a_read_are_solved_one_after_the_other():
    g, at = sample_cells((9, 7)), {"topology": TOPOLOGIES["passive"], "iv": Sinh(scale_volt=0.1), "read_volt": 0.2}
    lines, rng = Lines(wires=Wires(r_bl_ohm=20.0)), np.random.default_rng(0)
    digits = rng.integers(0, 4, (5, 9))
    found = solve_patterns(g, lines, digits / 3, **at, pulses=3, tol=1e-9)
    single = [solve_patterns(g, lines, (digits > k) * 1.0, **at, pulses=1, tol=1e-9) for k in range(3)]
    np.testing.assert_allclose(found, sum(single) / 3, rtol=1e-9)


def test_lines_with_alternate_ends_are_at_the_operating_point_of_their_own_ends():
    g = sample_cells((9, 6)) * 50
    lines = Lines(wires=Wires(r_bl_ohm=200.0, r_sink_ohm=50.0))  # rows without wires: their ends do not matter
    at = {"iv": Sinh(scale_volt=0.1), "read_volt": 0.2, "drive": np.full(9, 0.3)}
    found = solve_operating_point(g, lines, topology=TOPOLOGIES["passive_interleaved_both"], **at)
    far, near = (solve_operating_point(g, lines, topology=TOPOLOGIES[n], **at) for n in ("passive", "passive_near"))
    np.testing.assert_allclose(found[:, ::2], far[:, ::2], rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(found[:, 1::2], near[:, 1::2], rtol=1e-6, atol=1e-15)


def test_reads_count_resistances_that_are_given_line_by_line():
    g, opening = sample_cells((9, 6)) * 50, np.ones((2, 9))
    at = {"topology": TOPOLOGIES["1t1r_gate"], "iv": None, "read_volt": 0.2}
    even = Lines(wires=Wires(r_bl_ohm=500.0))
    uneven = Lines(wires=Wires(), uneven={"r_bl_ohm": np.full(6, 500.0)})
    expected, found = (solve_patterns(g, lines, opening, **at, pulses=1, tol=1e-9) for lines in (even, uneven))
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    with pytest.raises(ConfigError, match="r_bl_ohm: one number for all lines is needed"):
        solve_operating_point(g, uneven, **at, drive=np.full(9, 0.3))
