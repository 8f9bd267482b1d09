"""Currents of every topology and curve against ngspice: run where it is installed, and recorded in goldens."""

import re
from pathlib import Path

import numpy as np
import pytest
from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs
from golden.spice.make import SHAPE, write_deck
from reference.spice import needs_ngspice, read_currents, run_ngspice

from xbarsim.crossbar import TOPOLOGIES, solve_currents, write_netlist
from xbarsim.errors import ConfigError, ShapeError

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")
GOLDEN = Path(__file__).parents[1] / "golden" / "spice"


def tolerance(curve):
    return 1e-6 if curve == "ohmic" else 1e-4


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_currents_equal_what_ngspice_printed(topology, curve):
    expected = read_currents((GOLDEN / f"{topology}-{curve}.txt").read_text())
    g, v_in = sample_cells(SHAPE), sample_inputs(1, SHAPE[0])
    found = solve_currents(g, v_in, topology=topology, iv=CURVES[curve], **WIRES)[0]
    np.testing.assert_allclose(found, expected, rtol=tolerance(curve))


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_decks_are_the_ones_that_ngspice_ran(topology, curve):
    found, kept = write_deck(topology, curve), (GOLDEN / f"{topology}-{curve}.cir").read_text()
    assert NUMBER.sub("#", found) == NUMBER.sub("#", kept)
    numbers = [np.array(NUMBER.findall(text), dtype=float) for text in (found, kept)]
    np.testing.assert_allclose(*numbers, rtol=1e-12)  # a sinh may differ in its last digit between machines


@needs_ngspice
@pytest.mark.parametrize(("topology", "curve"), CASES[::3])
def test_currents_equal_ngspice_with_transistors(topology, curve, tmp_path):
    g, v_in = sample_cells((16, 12), seed=2), sample_inputs(1, 16, seed=3)
    case = {"topology": topology, "iv": CURVES[curve], "r_access_ohm": 1e3, **WIRES}
    expected = read_currents(run_ngspice(write_netlist(g, v_in, **case), tmp_path))
    np.testing.assert_allclose(solve_currents(g, v_in, **case)[0], expected, rtol=tolerance(curve))


@needs_ngspice
@pytest.mark.parametrize("topology", [name for name, item in TOPOLOGIES.items() if not item.has_selector])
def test_currents_of_32_by_32_equal_ngspice(topology, tmp_path):
    g, v_in = sample_cells((32, 32), seed=4), sample_inputs(1, 32, seed=5)
    expected = read_currents(run_ngspice(write_netlist(g, v_in, topology=topology, **WIRES), tmp_path))
    np.testing.assert_allclose(solve_currents(g, v_in, topology=topology, **WIRES)[0], expected, rtol=1e-6)


@needs_ngspice
@pytest.mark.parametrize("topology", ["passive", "passive_both", "1t1r_gate", "passive_floating"])
def test_perfect_lines_equal_ngspice(topology, tmp_path):
    g, v_in = sample_cells((8, 9)), sample_inputs(1, 8)
    for wires in ({}, {"r_bl_ohm": 2.0}, {"r_wl_ohm": 2.0, "r_sl_ohm": 2.0}, {"r_source_ohm": 9.0}):
        expected = read_currents(run_ngspice(write_netlist(g, v_in, topology=topology, **wires), tmp_path))
        np.testing.assert_allclose(solve_currents(g, v_in, topology=topology, **wires)[0], expected, rtol=1e-6)


@needs_ngspice
def test_columns_that_are_not_sensed_are_left_open(tmp_path):
    g, v_in = sample_cells((8, 8)), sample_inputs(1, 8)
    sensed = np.arange(8) == 3
    case = {"topology": "passive_floating", "sensed": sensed, **WIRES}
    expected = read_currents(run_ngspice(write_netlist(g, v_in, **case), tmp_path))
    found = solve_currents(g, v_in, **case)[0]
    np.testing.assert_allclose(found[sensed], expected, rtol=1e-6)
    assert not found[~sensed].any()


def test_a_deck_holds_one_array_and_one_vector():
    with pytest.raises(ShapeError, match=r"^v_in: "):
        write_netlist(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ShapeError, match=r"^g: "):
        write_netlist(np.ones((1, 2, 2)), np.ones(2))
    with pytest.raises(ConfigError, match=r"^r_wl_ohm: "):
        write_netlist(np.ones((2, 2)), np.ones(2), r_wl_ohm=-1)
