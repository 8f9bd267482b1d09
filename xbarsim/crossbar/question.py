"""Arguments of the circuit solvers, checked and normalised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.iv import Curve
from xbarsim.crossbar.argument import VOLTAGE, check_number, check_numbers, tolerance
from xbarsim.crossbar.circuit import Circuit, Lines, build_circuit
from xbarsim.crossbar.topology import Topology, find_topology
from xbarsim.crossbar.wires import check_conductance
from xbarsim.device.iv import check_curve
from xbarsim.errors import ConfigError, ShapeError

Array = NDArray[np.float64]
LEAST_TOLERANCE = 1e-12
"""Smallest tolerance above rounding errors [-]."""
RELATIVE = tolerance(LEAST_TOLERANCE)
"""What the tolerance of a solver may be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Checked arguments of a circuit solver."""

    g: Array
    """(arrays, rows, cols) [S]."""
    v_in: Array
    """(arrays or 1, vectors, rows) [V]."""
    topology: Topology
    """Layout."""
    lines: Lines
    """Resistances."""
    iv: Curve | None
    """Curve of the cells."""
    read_volt: Array
    """(arrays or 1, vectors) voltage of source lines where inputs open gates [V]."""
    sensed: NDArray[np.bool_]
    """(cols,) columns that are sensed."""
    leading: tuple[int, ...]
    """Shape of the stack of arrays."""
    single: bool
    """Whether one vector was given without an axis for it."""

    @property
    def vectors(self) -> int:
        """Number of vectors."""
        return int(self.v_in.shape[1])

    def inputs(self, array: int) -> Array:
        """Return the inputs of one array, (vectors, rows) [V]."""
        one: Array = self.v_in[array if len(self.v_in) > 1 else 0]
        return one

    def supply(self, array: int) -> Array:
        """Return the voltage of the source lines of one array where inputs open gates, (vectors,) [V]."""
        one: Array = self.read_volt[array if len(self.v_in) > 1 else 0]
        return one

    def swings(self, array: int) -> Array:
        """Return the largest voltage that a cell of one array can see, (vectors,) [V]."""
        if self.topology.inputs == "gates":
            return self.supply(array)
        v = self.inputs(array)
        return np.asarray(v.max(axis=1, initial=0.0) - v.min(axis=1, initial=0.0))

    def share(self, array: int) -> Array:
        """Return the opening of one array's gates, (vectors, rows) [-]."""
        volt, v = self.supply(array)[:, np.newaxis], self.inputs(array)
        return np.divide(v, volt, out=np.zeros_like(v), where=volt > 0)

    def shape(self, values: NDArray[Any]) -> NDArray[Any]:
        """Reshape (arrays, vectors, ...) to match the shape of the caller's arguments."""
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
    """Check and normalise the arguments of a circuit solver.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (..., vectors, rows), (vectors, rows) or (rows,)
        Inputs of every array, or of all of them [V].
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
    leading = np.shape(g)[:-2]
    volt = _check_inputs(v_in, rows, leading)
    stacks = math.prod(leading) if volt.ndim > 2 else 1
    vectors = volt.reshape(stacks, 1 if volt.ndim == 1 else volt.shape[-2], rows)
    if layout.has_selector and iv is None:
        raise ConfigError(f"iv: missing; topology {layout.name} needs the curve of its selector")
    if lines.g_leak_siemens and layout.inputs != "gates":
        raise ConfigError(f"g_leak_siemens: not used in topology {layout.name}, where no gate closes; leave it out")
    if iv is not None and not isinstance(iv, Curve):
        raise ConfigError(f"iv: {iv!r} is not a Sinh, Polynomial or Selector")
    largest = vectors.max(axis=2, initial=0.0)
    if layout.inputs == "gates":
        if vectors.size and vectors.min() < 0:
            raise ShapeError(f"v_in: {vectors.min():g} V is negative, but inputs of {layout.name} open gates")
        if read_volt is not None:
            check_number("read_volt", read_volt, VOLTAGE)
            if largest.max(initial=0.0) > read_volt:
                raise ShapeError(f"v_in: {largest.max():g} V is more than read_volt {read_volt:g} V")
            largest = np.full(vectors.shape[:2], float(read_volt))
        swing = float(largest.max(initial=0.0))
    else:
        if read_volt is not None:
            raise ConfigError(f"read_volt: not used in topology {layout.name}, whose inputs drive the rows")
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
        leading=leading,
        single=volt.ndim == 1,
    )


def arrange(question: Question, array: int, vector: int) -> tuple[Circuit, Array, Array]:
    """Return circuit, conductances of its cells (rows or 2 rows, cols), and driver voltages of one array and vector."""
    layout = question.topology
    g, v = question.g[array], question.inputs(array)[vector]
    driven = (v != 0) if layout.floating else None
    sensed = question.sensed if layout.floating else None
    if layout.inputs == "rows":
        return build_circuit(layout, g.shape, question.lines, driven, sensed), g, v
    opening = question.share(array)[vector]
    circuit = build_circuit(layout, g.shape, question.lines, opening=opening)
    lines = g.shape[0 if layout.source_lines == "rows" else 1]
    held = g * opening[:, np.newaxis]
    if question.lines.g_leak_siemens:
        held = np.concatenate([held, g * (1.0 - opening)[:, np.newaxis]])
    return circuit, held, np.full(lines, question.supply(array)[vector])


def _check_inputs(v_in: ArrayLike, rows: int, leading: tuple[int, ...]) -> Array:
    values = check_numbers("v_in", v_in)
    fits = values.ndim in (1, 2) or (values.ndim > 2 and values.shape[:-2] == leading)
    if not fits or values.shape[-1] != rows:
        stacked = f"({', '.join(map(str, leading))}, vectors, {rows}), " if leading else ""
        raise ShapeError(f"v_in: shape {values.shape} is not {stacked}(vectors, {rows}) or ({rows},)")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(np.atleast_2d(values)))[0]
        raise ShapeError(f"v_in: vector {bad[-2]}, row {bad[-1]} is not a finite voltage")
    return values


def _check_sensed(sensed: ArrayLike | None, cols: int) -> NDArray[np.bool_]:
    if sensed is None:
        return np.ones(cols, dtype=bool)
    try:
        values = np.asarray(sensed)
    except ValueError as error:
        raise ShapeError(f"sensed: {error}") from None
    if values.dtype.kind != "b" or values.shape != (cols,):
        raise ShapeError(f"sensed: {values.dtype} of shape {values.shape} is not ({cols},) of truth values")
    return values
