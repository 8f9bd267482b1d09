"""What is asked of a circuit: the arguments of callers, checked and brought into one form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.iv import Curve
from xbarsim.crossbar.circuit import Circuit, Lines, build_circuit
from xbarsim.crossbar.topology import Topology, find_topology
from xbarsim.crossbar.wires import check_conductance
from xbarsim.device.iv import check_curve
from xbarsim.errors import ConfigError, ShapeError

Array = NDArray[np.float64]
LEAST_TOLERANCE = 1e-12
"""Smallest tolerance that rounding leaves room for [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Checked arguments: what is asked of one circuit."""

    g: Array
    """(arrays, rows, cols) [S]."""
    v_in: Array
    """(vectors, rows) [V]."""
    topology: Topology
    """Layout."""
    lines: Lines
    """Resistances."""
    iv: Curve | None
    """Curve of the cells."""
    read_volt: Array
    """(vectors,) voltage of source lines where inputs open gates [V]."""
    sensed: NDArray[np.bool_]
    """(cols,) columns that are sensed."""
    leading: tuple[int, ...]
    """Shape of the stack of arrays."""
    single: bool
    """Whether one vector was given without an axis for it."""

    @property
    def swings(self) -> Array:
        """Largest voltage that a cell can see, (vectors,) [V]."""
        if self.topology.inputs == "gates":
            return self.read_volt
        high, low = self.v_in.max(axis=1, initial=0.0), self.v_in.min(axis=1, initial=0.0)
        return np.asarray(high - low)

    @property
    def share(self) -> Array:
        """Opening of the gates, (vectors, rows) [-]."""
        volt = self.read_volt[:, np.newaxis]
        return np.divide(self.v_in, volt, out=np.zeros_like(self.v_in), where=volt > 0)

    def shape(self, values: NDArray[Any]) -> NDArray[Any]:
        """Bring (arrays, vectors, ...) to the shape that the caller's arguments call for."""
        values = values.reshape(*self.leading, *values.shape[1:])
        return values[(slice(None),) * len(self.leading) + (0,)] if self.single else values


def check_question(
    g: ArrayLike,
    v_in: ArrayLike,
    lines: Lines,
    topology: str | Topology,
    iv: Curve | None,
    read_volt: float | None,
    sensed: ArrayLike | None,
) -> Question:
    """Check what a caller hands in and bring it into one form.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (vectors, rows) or (rows,)
        Inputs [V].
    topology, iv
        As in :func:`~xbarsim.crossbar.solve_currents`.
    read_volt : float or None
        Voltage of the source lines where inputs drive gates; None takes the largest input of each vector [V].
    sensed : array_like of bool, (cols,), or None
        Columns that are sensed; None is all.
    lines : Lines
        Resistances.

    Returns
    -------
    Question
        The same, checked.

    Raises
    ------
    ShapeError, ConfigError
        As in :func:`~xbarsim.crossbar.solve_currents`.
    """
    layout = find_topology(topology)
    stack = check_conductance(g)
    rows, cols = stack.shape[1:]
    volt = _check_inputs(v_in, rows)
    vectors = np.atleast_2d(volt)
    if layout.has_selector and iv is None:
        raise ConfigError(f"iv: missing; topology {layout.name} needs the curve of its selector")
    if iv is not None and not isinstance(iv, Curve):
        raise ConfigError(f"iv: {iv!r} is not a Sinh, Polynomial or Selector")
    largest = vectors.max(axis=1, initial=0.0)
    if layout.inputs == "gates":
        if vectors.size and vectors.min() < 0:
            raise ShapeError(f"v_in: {vectors.min():g} V is negative, but inputs of {layout.name} open gates")
        if read_volt is not None:
            if not (isinstance(read_volt, (int, float, np.number)) and 0 < read_volt < math.inf):
                raise ConfigError(f"read_volt: {read_volt!r} is not a finite voltage of more than zero")
            if largest.max(initial=0.0) > read_volt:
                raise ShapeError(f"v_in: {largest.max():g} V is more than read_volt {read_volt:g} V")
            largest = np.full(len(vectors), float(read_volt))
        swing = float(largest.max(initial=0.0))
    else:
        if read_volt is not None:
            raise ConfigError(f"read_volt: means nothing in topology {layout.name}, whose inputs drive the rows")
        swing = float(max(vectors.max(initial=0.0), 0.0) - min(vectors.min(initial=0.0), 0.0))
    check_curve(iv, swing)
    return Question(
        g=stack,
        v_in=vectors,
        topology=layout,
        lines=lines,
        iv=iv,
        read_volt=largest,
        sensed=_check_sensed(sensed, cols),
        leading=np.shape(g)[:-2],
        single=volt.ndim == 1,
    )


def check_steps(max_iterations: int) -> None:
    """Raise ConfigError unless ``max_iterations`` is a whole number of at least one."""
    if not (isinstance(max_iterations, (int, np.integer)) and max_iterations >= 1):
        raise ConfigError(f"max_iterations: {max_iterations!r} is not a whole number of at least 1")


def check_tolerance(tol: float) -> None:
    """Raise ConfigError unless ``tol`` is a number from ``LEAST_TOLERANCE`` to below 1."""
    if not (isinstance(tol, (int, float, np.number)) and LEAST_TOLERANCE <= tol < 1):
        raise ConfigError(f"tol: {tol!r} is not between {LEAST_TOLERANCE:g} and 1")


def arrange(question: Question, array: int, vector: int) -> tuple[Circuit, Array, Array]:
    """Return circuit, effective conductances (rows, cols) and driver voltages of one array and vector."""
    layout = question.topology
    g, v = question.g[array], question.v_in[vector]
    driven = (v != 0) if layout.floating else None
    sensed = question.sensed if layout.floating else None
    if layout.inputs == "rows":
        return build_circuit(layout, g.shape, question.lines, driven, sensed), g, v
    opening = question.share[vector]
    circuit = build_circuit(layout, g.shape, question.lines, opening=opening)
    lines = g.shape[0 if layout.source_lines == "rows" else 1]
    return circuit, g * opening[:, np.newaxis], np.full(lines, question.read_volt[vector])


def _check_inputs(v_in: ArrayLike, rows: int) -> Array:
    try:
        values = np.asarray(v_in)
    except ValueError as error:
        raise ShapeError(f"v_in: {error}") from None
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"v_in: {values.dtype} is not a real number type")
    if values.ndim not in (1, 2) or values.shape[-1] != rows:
        raise ShapeError(f"v_in: shape {values.shape} is not (vectors, {rows}) or ({rows},)")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(np.atleast_2d(values)))[0]
        raise ShapeError(f"v_in: vector {bad[0]}, row {bad[1]} is not a finite voltage")
    return values


def _check_sensed(sensed: ArrayLike | None, cols: int) -> NDArray[np.bool_]:
    if sensed is None:
        return np.ones(cols, dtype=bool)
    values = np.asarray(sensed)
    if values.dtype.kind != "b" or values.shape != (cols,):
        raise ShapeError(f"sensed: {values.dtype} of shape {values.shape} is not ({cols},) of truth values")
    return values
