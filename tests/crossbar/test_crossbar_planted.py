"""A topology planted through the table of topologies works everywhere with that one record."""

import dataclasses

import numpy as np
import pytest
from circuit_samples import WIRES, sample_cells, sample_inputs

from xbarsim.crossbar import TOPOLOGIES, Topology, solve_currents, solve_currents_report, write_netlist
from xbarsim.errors import ConfigError

FIELDS = {
    "name": "1t1r_gate_far",
    "covers": "1T1R array, inputs open gates, source lines along the columns driven past the last row",
    "inputs": "gates",
    "source_lines": "columns",
    "drive": "far",
    "sense": "far",
    "floating": False,
    "has_selector": False,
    "has_transistor": True,
    "solver": "columns",
}
CASE = {"topology": "1t1r_gate_far", "r_sl_ohm": 3.0, **WIRES}


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setitem(TOPOLOGIES, FIELDS["name"], Topology(**FIELDS))


def test_perfect_wires_give_the_product_of_inputs_and_cells(planted):
    g, v = sample_cells((9, 7)), sample_inputs(3, 9)
    v = np.abs(v)
    np.testing.assert_allclose(solve_currents(g, v, topology="1t1r_gate_far"), v @ g, rtol=1e-12)


def test_both_ways_of_solving_agree_and_mirror_the_topology_that_ships(planted):
    g, v = sample_cells((9, 7)), np.abs(sample_inputs(3, 9))
    found = solve_currents(g, v, **CASE)
    np.testing.assert_allclose(solve_currents_report(g, v, **CASE).currents, found, rtol=1e-8)
    turned = solve_currents(g[::-1], v[:, ::-1], **{**CASE, "topology": "1t1r_gate_near"})
    np.testing.assert_allclose(found, turned, rtol=1e-9)


def test_the_netlist_names_it(planted):
    deck = write_netlist(sample_cells((3, 2)), [0.1, 0.0, 0.2], **CASE)
    assert f"{FIELDS['name']}: {FIELDS['covers']}" in deck


@pytest.mark.parametrize("field", FIELDS)
def test_leaving_out_a_field_is_an_error_that_names_it(field):
    assert {each.name for each in dataclasses.fields(Topology)} == set(FIELDS)
    with pytest.raises(TypeError, match=field):
        Topology(**{key: value for key, value in FIELDS.items() if key != field})


@pytest.mark.parametrize(
    "changes", [{"solver": "operator"}, {"drive": "both"}, {"floating": True}, {"solver": "guess"}]
)
def test_a_way_of_solving_that_does_not_hold_is_refused(changes):
    with pytest.raises(ConfigError, match="topology 1t1r_gate_far: solver: "):
        Topology(**{**FIELDS, **changes})


def test_an_operator_exists_where_the_circuit_does_not_depend_on_inputs():
    assert {name for name, each in TOPOLOGIES.items() if not each.is_linear} == {
        "passive_floating", "1t1r_gate", "1t1r_gate_near", "1t1r_gate_rows", "1s1r_floating",
    }  # fmt: skip
