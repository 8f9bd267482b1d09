"""What arrays answer: the operator of linear circuits, and a polynomial for each column behind it."""

from dataclasses import replace

import numpy as np
import pytest
from circuit_samples import WIRES, sample_cells, sample_inputs

from xbarsim.crossbar import TOPOLOGIES, Lines, Response, Wires, solve_currents, solve_response, solve_transfer
from xbarsim.errors import ConfigError, SolverError

OHMS = {name: ohm for name, ohm in WIRES.items() if name != "r_sl_ohm"}


def test_ohmic_arrays_answer_with_their_operator_alone():
    g, v = sample_cells((2, 9, 7)), sample_inputs(3, 9)
    found = solve_response(g, Lines(wires=Wires(**OHMS)), topology="passive", method="auto", threads=None)
    np.testing.assert_array_equal(found.linear, solve_transfer(g, **OHMS))
    np.testing.assert_array_equal(found.sense(v), v @ found.operator)


def test_a_polynomial_bends_each_column_by_its_own_coefficients():
    operator, v = np.array([[2.0, 3.0]]), np.array([[0.5], [1.0]])
    bent = Response(operator=operator, polynomial=np.array([[1.0, 0.0, -0.1], [2.0, 0.5, 0.0]]))
    x = v @ operator
    expected = np.stack([x[:, 0] - 0.1 * x[:, 0] ** 3, 2 * x[:, 1] + 0.5 * x[:, 1] ** 2], axis=1)
    np.testing.assert_allclose(bent.sense(v), expected, rtol=1e-14)
    with pytest.raises(SolverError, match="columns answer by a curve"):
        _ = bent.linear


@pytest.mark.parametrize("topology", [name for name, each in TOPOLOGIES.items() if each.response == "operator"])
def test_the_operator_of_a_topology_gives_the_currents_of_its_circuit(topology):
    layout, access = TOPOLOGIES[topology], 5000.0 if TOPOLOGIES[topology].has_transistor else 0.0
    bare = replace(layout, has_selector=False, solver="nodes")
    g, v = sample_cells((2, 9, 7)), sample_inputs(3, 9)
    lines = Lines(wires=Wires(**OHMS), r_access_ohm=access)
    found = solve_response(g, lines, topology=layout, method="auto", threads=1)
    expected = solve_currents(g, v, **OHMS, r_access_ohm=access, topology=bare)
    np.testing.assert_allclose(found.sense(v), expected, rtol=1e-8, atol=1e-16)


def test_a_topology_that_depends_on_its_inputs_has_no_operator():
    with pytest.raises(ConfigError, match="topology: 1t1r_gate_rows depends on its inputs"):
        solve_response(sample_cells((2, 2)), Lines(wires=Wires()), topology="1t1r_gate_rows", method="auto", threads=1)


def test_lines_with_several_driven_ends_have_no_closed_form_and_leave_out_wires_as_told():
    g, lines = sample_cells((4, 3)), Lines(wires=Wires(**OHMS))
    with pytest.raises(ConfigError, match="method: closed_form does not hold"):
        solve_response(g, lines, topology="passive_both", method="closed_form", threads=1)
    np.testing.assert_array_equal(
        solve_response(g, lines, topology="passive_both", method="ideal", threads=1).linear, g
    )
