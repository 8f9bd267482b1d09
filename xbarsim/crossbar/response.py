"""What an array answers to its inputs: a linear operator, and behind it a curve for each column.

The circuit of ohmic cells is linear, so that its curve is the identity. Circuits of nonlinear cells can be fitted by an
operator and a polynomial for each column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar.transfer import solve_transfer
from xbarsim.crossbar.wires import Wires
from xbarsim.errors import SolverError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Response:
    """Sensed currents of arrays as a function of their inputs."""

    operator: Floats
    """(..., rows, cols) what a column senses for each row's voltage [S]."""
    polynomial: Floats | None
    """(..., cols, terms) sensed current as c0 x + c1 x^2 + ..., x the operator's current [A]; None is the identity."""

    @property
    def linear(self) -> Floats:
        """(..., rows, cols) the operator, where it is all there is; else a SolverError [S]."""
        if self.polynomial is not None:
            raise SolverError("response: columns answer by a curve; no operator alone says what they sense")
        return self.operator

    def sense(self, v_in: ArrayLike) -> Floats:
        """Return the sensed currents of input vectors.

        Parameters
        ----------
        v_in : array_like, (vectors, rows)
            Voltages of the rows [V].

        Returns
        -------
        ndarray, (..., vectors, cols)
            Currents [A].
        """
        x = np.asarray(v_in, dtype=np.float64) @ self.operator
        if self.polynomial is None:
            return np.asarray(x)
        total = np.zeros_like(x)
        for term in reversed(range(self.polynomial.shape[-1])):
            total = (total + self.polynomial[..., np.newaxis, :, term]) * x
        return total


def solve_response(g: ArrayLike, wires: Wires, *, method: str, threads: int | None) -> Response:
    """Solve arrays of ohmic cells for their response.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    wires : Wires
        Resistances.
    method : str
        As in :func:`~xbarsim.crossbar.solve_transfer`.
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    Response
        The transfer operator, and the identity behind it.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`~xbarsim.crossbar.solve_transfer`.
    """
    t = solve_transfer(
        g,
        r_wl_ohm=wires.r_wl_ohm,
        r_bl_ohm=wires.r_bl_ohm,
        r_source_ohm=wires.r_source_ohm,
        r_sink_ohm=wires.r_sink_ohm,
        method=method,
        threads=threads,
    )
    return Response(operator=t, polynomial=None)
