"""What arrays answer: the operator of linear circuits, and a polynomial for each column behind it."""

import numpy as np
import pytest
from circuit_samples import WIRES, sample_cells, sample_inputs

from xbarsim.crossbar import Response, Wires, solve_response, solve_transfer
from xbarsim.errors import SolverError

OHMS = {name: ohm for name, ohm in WIRES.items() if name != "r_sl_ohm"}


def test_ohmic_arrays_answer_with_their_operator_alone():
    g, v = sample_cells((2, 9, 7)), sample_inputs(3, 9)
    found = solve_response(g, Wires(**OHMS), method="auto", threads=None)
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
