"""What an array answers to its inputs: a linear operator, and behind it a curve for each column.

The circuit of ohmic cells is linear, so that its curve is the identity. Circuits of nonlinear cells can be fitted by an
operator and a polynomial for each column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.currents import solve_currents
from xbarsim.crossbar.topology import Topology, find_topology
from xbarsim.crossbar.transfer import solve_transfer
from xbarsim.errors import ConfigError, SolverError

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


def solve_response(
    g: ArrayLike, lines: Lines, *, topology: str | Topology, method: str, threads: int | None
) -> Response:
    """Solve arrays of ohmic cells for their response.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    lines : Lines
        Resistances.
    topology : str or Topology
        Layout, one whose circuit is the same for all inputs.
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
        As in :func:`~xbarsim.crossbar.solve_transfer`; also where the circuit depends on its inputs.
    """
    return Response(
        operator=solve_operator(g, lines, topology=topology, method=method, threads=threads), polynomial=None
    )


def solve_operator(g: ArrayLike, lines: Lines, *, topology: str | Topology, method: str, threads: int | None) -> Floats:
    """Solve arrays of ohmic cells for the operator of any topology that has one.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    lines, topology, method, threads
        As in :func:`solve_response`.

    Returns
    -------
    ndarray, (..., rows, cols)
        What a column senses for each row's voltage [S].

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`solve_response`.
    """
    layout = find_topology(topology)
    cells = np.asarray(g, dtype=np.float64)
    if lines.r_access_ohm:
        cells = cells / (1.0 + lines.r_access_ohm * cells)
    if layout.solver == "operator":
        turn = (
            ...,
            slice(None, None, -1 if layout.sense == "near" else 1),
            slice(None, None, -1 if layout.drive == "far" else 1),
        )
        return solve_transfer(cells[turn], **vars(lines.wires), method=method, threads=threads)[turn]
    if not layout.is_linear:
        raise ConfigError(f"topology: {layout.name} depends on its inputs; no operator holds for all of them")
    if method == "closed_form":
        raise ConfigError(f"method: closed_form does not hold for the lines of topology {layout.name}")
    if method == "ideal":
        return cells
    stack = cells.reshape(-1, *cells.shape[-2:])
    unit, wires = np.eye(stack.shape[1]), vars(lines.wires)
    found = [solve_currents(array, unit, **wires, topology=layout, threads=threads) for array in stack]
    return np.array(found).reshape(cells.shape)
