"""Sensed currents of any topology and any cell, input vector by input vector.

The record of a topology says how ohmic cells are solved: by the transfer operator, column by column in closed form
where inputs open gates and columns decouple, or by relaxing lines in turn, which serves any topology and any cells.
Vectors whose relaxation does not converge are solved by nodal analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim._numba import limit_threads
from xbarsim._simd import LANES
from xbarsim.config.iv import Curve
from xbarsim.crossbar import _ladder
from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.nodal import solve_nodes
from xbarsim.crossbar.question import Question, arrange, check_question, check_steps, check_tolerance
from xbarsim.crossbar.relaxation import relax_all
from xbarsim.crossbar.topology import Topology
from xbarsim.crossbar.transfer import solve_transfer
from xbarsim.crossbar.wires import Wires, check_threads
from xbarsim.errors import SolverError

Array = NDArray[np.float64]
VECTOR_BLOCK = 64
"""Vectors of one matrix product: a fixed number, so that bits do not depend on how many are given [-]."""
STEPS = 100
"""Newton steps after which a vector is given up, unless told otherwise [-]."""
PASSES = 300
"""Passes over all lines after which a vector is left to nodal analysis, unless told otherwise [-]."""
TOLERANCE = 1e-9
"""Error of a sensed current, relative to full scale, unless told otherwise [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CurrentReport:
    """Sensed currents and how well the circuit's laws hold."""

    currents: Array
    """(..., vectors, cols) sensed currents; 0 for columns that are not sensed [A]."""
    residual: Array
    """(..., vectors) largest violation of Kirchhoff's current law, relative to the largest current of a line [-]."""
    driver_ampere: Array
    """(..., vectors) current that all drivers push into the array together [A]."""
    iterations: NDArray[np.int64]
    """(..., vectors) Newton steps; 1 where cells are ohmic."""
    v_wl: Array
    """(..., vectors, rows, cols) voltage of each cell's node on its first line (word or source line) [V]."""
    v_bl: Array
    """(..., vectors, rows, cols) voltage of each cell's node on its bit line [V]."""


def solve_currents(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    r_wl_ohm: float = 0.0,
    r_bl_ohm: float = 0.0,
    r_source_ohm: float = 0.0,
    r_sink_ohm: float = 0.0,
    r_sl_ohm: float = 0.0,
    r_access_ohm: float = 0.0,
    topology: str | Topology = "passive",
    iv: Curve | None = None,
    read_volt: float | None = None,
    sensed: ArrayLike | None = None,
    tol: float = TOLERANCE,
    max_iterations: int | None = None,
    threads: int | None = None,
) -> Array:
    """Solve a circuit for the currents that its sensors see.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (vectors, rows) or (rows,)
        Inputs: voltage of the rows' drivers; or, where inputs open gates, ``read_volt`` times the opening [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm : float
        Word-line segment (any line along the rows that inputs drive), bit-line segment, driver and sensor [ohm].
    r_sl_ohm : float
        Source-line segment of a gate-driven array [ohm].
    r_access_ohm : float
        Open transistor in series with each cell [ohm].
    topology : str or Topology
        Name in :data:`TOPOLOGIES`.
    iv : Sinh, Polynomial or Selector, optional
        Curve of the cells; None is ohmic.
    read_volt : float, optional
        Voltage of the source lines where inputs open gates; by default each vector's largest input, which is right
        for gates that are either open or closed [V].
    sensed : array_like of bool, (cols,), optional
        Columns that are sensed; all by default. The others are open in a floating topology and grounded through
        their sensors otherwise.
    tol : float
        Largest error of a sensed current where lines are relaxed, relative to full scale: the largest sum of the
        sizes of the currents of one column's cells, vector by vector [-].
    max_iterations : int, optional
        Passes over all lines, and then Newton steps, after which a vector is given up; 300 and 100 by default.
    threads : int, optional
        Threads to use; all by default. The result does not depend on it.

    Returns
    -------
    ndarray, (..., vectors, cols) or (..., cols)
        Sensed currents [A].

    Raises
    ------
    ShapeError
        If an array is not real, finite and of a fitting shape, or an input does not lie between 0 and ``read_volt``
        where inputs open gates.
    ConfigError
        If a resistance, curve or name is wrong.
    SolverError
        If Newton does not converge, with the vector and how far it came; or if a current overflows.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    lines = Lines(wires=wires, r_sl_ohm=r_sl_ohm, r_access_ohm=r_access_ohm)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    if max_iterations is not None:
        check_steps(max_iterations)
    check_tolerance(tol)
    check_threads(threads)
    layout = question.topology
    with np.errstate(over="ignore", invalid="ignore"):
        if iv is None and layout.solver == "operator":
            currents = _multiply_transfer(question, threads)
        elif iv is None and layout.solver == "columns":
            currents = _solve_columns(question, threads)
        else:
            currents = _relax(question, tol, max_iterations, threads)
    return question.shape(_check_finite(currents))


def solve_currents_report(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    r_wl_ohm: float = 0.0,
    r_bl_ohm: float = 0.0,
    r_source_ohm: float = 0.0,
    r_sink_ohm: float = 0.0,
    r_sl_ohm: float = 0.0,
    r_access_ohm: float = 0.0,
    topology: str | Topology = "passive",
    iv: Curve | None = None,
    read_volt: float | None = None,
    sensed: ArrayLike | None = None,
    max_iterations: int = STEPS,
) -> CurrentReport:
    """Solve like :func:`solve_currents`, always by nodal analysis, and give voltages and certificate as well.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (vectors, rows) or (rows,)
        Inputs [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm : float
        Resistances as in :func:`solve_currents` [ohm].
    topology, iv, max_iterations
        As in :func:`solve_currents`.
    read_volt : float, optional
        Voltage of the source lines where inputs drive gates; the largest input of each vector by default [V].
    sensed : array_like of bool, (cols,), optional
        Columns that are sensed; all by default.

    Returns
    -------
    CurrentReport
        Currents, node voltages, Kirchhoff residual and iterations; without the axis of vectors where one was given.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`solve_currents`.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    lines = Lines(wires=wires, r_sl_ohm=r_sl_ohm, r_access_ohm=r_access_ohm)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    check_steps(max_iterations)
    with np.errstate(over="ignore", invalid="ignore"):
        found = vars(_solve_all(question, max_iterations))
    _check_finite(found["currents"])
    return CurrentReport(**{name: question.shape(values) for name, values in found.items()})


def _check_finite(currents: Array) -> Array:
    """Raise SolverError if a current overflowed."""
    if not np.isfinite(currents).all():
        _, vector, col = np.argwhere(~np.isfinite(currents))[0]
        raise SolverError(f"v_in: vector {vector}: the current of column {col} overflowed")
    return currents


def _multiply_transfer(question: Question, threads: int | None) -> Array:
    """Linear passive array: one operator per array; blocks of vectors have a fixed size."""
    layout, wires, access = question.topology, question.lines.wires, question.lines.r_access_ohm
    turn = (
        slice(None),
        slice(None, None, -1 if layout.sense == "near" else 1),
        slice(None, None, -1 if layout.drive == "far" else 1),
    )
    g = question.g[turn] / (1.0 + access * question.g[turn])
    t = solve_transfer(
        g,
        r_wl_ohm=wires.r_wl_ohm,
        r_bl_ohm=wires.r_bl_ohm,
        r_source_ohm=wires.r_source_ohm,
        r_sink_ohm=wires.r_sink_ohm,
        threads=threads,
    )[turn]
    vectors = len(question.v_in)
    padded = np.zeros((-(-vectors // VECTOR_BLOCK) * VECTOR_BLOCK, t.shape[1]))
    padded[:vectors] = question.v_in
    out = np.empty((len(t), len(padded), t.shape[2]))
    for array, operator in enumerate(np.ascontiguousarray(t)):
        for first in range(0, len(padded), VECTOR_BLOCK):
            part = slice(first, first + VECTOR_BLOCK)
            np.matmul(padded[part], operator, out=out[array, part])
    currents = out[:, :vectors]
    return np.where(question.sensed, currents, 0.0)


def _solve_columns(question: Question, threads: int | None) -> Array:
    """Gate-driven array whose columns decouple: closed form, blocks of vectors side by side."""
    layout, lines, width = question.topology, question.lines, LANES
    wires = lines.wires
    g = question.g / (1.0 + lines.r_access_ohm * question.g)
    rows, cols = g.shape[1:]
    vectors = len(question.v_in)
    blocks = -(-vectors // width)
    away = slice(None, None, -1 if layout.drive == "near" else 1)
    share = np.zeros((blocks * width, rows))
    share[:vectors] = question.share[:, away]
    share = np.ascontiguousarray(share.reshape(blocks, width, rows).transpose(0, 2, 1)).reshape(blocks, rows * width)
    volt = np.zeros(blocks * width)
    volt[:vectors] = question.read_volt
    ohm = lines.r_sl_ohm + wires.r_bl_ohm
    fixed = wires.r_source_ohm + wires.r_sink_ohm + ohm
    alpha = 1.0
    if layout.drive != layout.sense and ohm > 0:
        alpha = lines.r_sl_ohm / ohm
        fixed += (rows - 1) * alpha * wires.r_bl_ohm
    every = _ladder.rows_between_scalings(ohm, float(g.max(initial=0.0)))
    out = np.empty((len(g), blocks, cols * width))
    with limit_threads(threads):
        for array in range(len(g)):
            down = np.ascontiguousarray(g[array, away].T)
            _ladder.solve_ladders(
                alpha, ohm, fixed, every, down, share, volt.reshape(blocks, width), np.ones(width), out[array]
            )
    out = out.reshape(len(g), blocks, cols, width).transpose(0, 1, 3, 2).reshape(len(g), blocks * width, cols)
    return np.where(question.sensed, out[:, :vectors], 0.0)


def _relax(question: Question, tol: float, max_iterations: int | None, threads: int | None) -> Array:
    """Relax lines; solve what does not converge by nodal analysis."""
    found = np.zeros((len(question.g), len(question.v_in), question.g.shape[2]))
    rest = np.ones(found.shape[:2], dtype=bool)
    if question.iv is None or question.lines.r_access_ohm == 0:
        relaxed = relax_all(question, tol, max_iterations or PASSES, threads or numba.get_num_threads())
        rest = relaxed.passes == 0
        found[~rest] = np.where(question.sensed, relaxed.currents[~rest], 0.0)
    for array, vector in np.argwhere(rest).tolist():
        circuit, g, volt = arrange(question, array, vector)
        solution = solve_nodes(circuit, g, volt[np.newaxis], question.iv, max_iterations or STEPS, [vector])
        found[array, vector] = np.where(question.sensed, solution.cell_ampere[0].sum(axis=0), 0.0)
    return found


def _solve_all(question: Question, max_iterations: int) -> CurrentReport:
    """Solve every array by nodal analysis; vectors of one circuit share its factorisation."""
    arrays, rows, cols = question.g.shape
    vectors = len(question.v_in)
    layout = question.topology
    if layout.inputs == "gates":
        groups = [np.array([n]) for n in range(vectors)]
    elif layout.floating:
        patterns = np.unique(question.v_in != 0, axis=0, return_inverse=True)[1].ravel()
        groups = [np.flatnonzero(patterns == k) for k in range(patterns.max(initial=-1) + 1)]
    else:
        groups = [np.arange(vectors)] if vectors else []
    report = CurrentReport(
        currents=np.zeros((arrays, vectors, cols)),
        residual=np.zeros((arrays, vectors)),
        driver_ampere=np.zeros((arrays, vectors)),
        iterations=np.zeros((arrays, vectors), dtype=np.int64),
        v_wl=np.zeros((arrays, vectors, rows, cols)),
        v_bl=np.zeros((arrays, vectors, rows, cols)),
    )
    for array in range(arrays):
        for members in groups:
            circuit, g, volt = arrange(question, array, int(members[0]))
            each = question.v_in[members] if layout.inputs == "rows" else volt[np.newaxis]
            found = solve_nodes(circuit, g, each, question.iv, max_iterations, members.tolist())
            report.currents[array, members] = np.where(question.sensed, found.cell_ampere.sum(axis=1), 0.0)
            report.residual[array, members] = found.residual
            report.driver_ampere[array, members] = found.driver_ampere
            report.iterations[array, members] = found.iterations
            pair = found.node_volt[:, : 2 * rows * cols].reshape(-1, 2, rows, cols)
            report.v_wl[array, members], report.v_bl[array, members] = pair[:, 0], pair[:, 1]
    return report
