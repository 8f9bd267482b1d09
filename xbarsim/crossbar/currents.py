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
from xbarsim.crossbar.argument import COUNT, check_number
from xbarsim.crossbar.certificate import warn_loose
from xbarsim.crossbar.circuit import Lines, Ohms, gather_lines
from xbarsim.crossbar.nodal import check_nodal_memory, solve_nodes
from xbarsim.crossbar.question import RELATIVE, Question, arrange, check_question
from xbarsim.crossbar.read import PASSES, STEPS, TOLERANCE, check_finite, read_question
from xbarsim.crossbar.relaxation import relax_all
from xbarsim.crossbar.topology import Topology
from xbarsim.crossbar.transfer import solve_transfer

Array = NDArray[np.float64]
LEAST_OHM = 1e-30
"""What stands for segments of 0 ohm in continuants, which are multiples of it: below rounding for any cells [ohm]."""
VECTOR_BLOCK = 64
"""Vectors of one matrix product: a fixed number, so that bits do not depend on how many are given [-]."""


START_TOLERANCE = 1e-11
"""Error of the voltages that Newton's steps begin from, as of sensed currents relative to full scale [-]."""


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
    """(..., vectors) Newton steps from what line relaxation found; 1 where cells are ohmic."""
    v_wl: Array
    """(..., vectors, rows, cols) voltage of each cell's node on its first line (word or source line) [V]."""
    v_bl: Array
    """(..., vectors, rows, cols) voltage of each cell's node on its bit line [V]."""


def solve_currents(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    r_wl_ohm: Ohms = 0.0,
    r_bl_ohm: Ohms = 0.0,
    r_source_ohm: Ohms = 0.0,
    r_sink_ohm: Ohms = 0.0,
    r_sl_ohm: Ohms = 0.0,
    r_access_ohm: float = 0.0,
    g_leak_siemens: float = 0.0,
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
    v_in : array_like, (..., vectors, rows), (vectors, rows) or (rows,)
        Inputs of every array, or of all of them: voltage of the rows' drivers; or, where inputs open gates,
        ``read_volt`` times the opening [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm : float or array_like
        Word-line segment (any line along the rows that inputs drive), bit-line segment, driver and sensor: one for
        all; (lines,), one a line; or, for segments, (lines, nodes + 1), before every cell of a line and after its last
        [ohm].
    r_sl_ohm : float or array_like
        Source-line segment of a gate-driven array, given alike [ohm].
    r_access_ohm : float
        Open transistor in series with each cell [ohm].
    g_leak_siemens : float
        Closed transistor in series with each cell, where inputs open gates [S].
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

    Warns
    -----
    ModelRangeWarning
        If the error of a current may be above 1e-6 of full scale and ``tol``, since cells and wires are too many orders
        apart.
    """
    lines = gather_lines(r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm, g_leak_siemens)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    if max_iterations is not None:
        check_number("max_iterations", max_iterations, COUNT)
    check_number("tol", tol, RELATIVE)
    if threads is not None:
        check_number("threads", threads, COUNT)
    layout = question.topology
    with np.errstate(over="ignore", invalid="ignore"):
        is_plain = iv is None and not lines.uneven
        if is_plain and layout.solver == "operator":
            currents = _multiply_transfer(question, threads)
        elif is_plain and layout.solver == "columns":
            currents = _solve_columns(question, threads)
        else:
            found = read_question(question, tol, max_iterations, threads)
            currents, full = found.currents, found.full_ampere
            is_beyond = found.error_ampere > tol * full  # of vectors that nodal analysis solved
            share = np.divide(found.error_ampere, full, out=np.zeros_like(full), where=is_beyond & (full > 0))
            warn_loose(share, "sensed currents, relative to full scale,")
    check_finite(currents)
    return question.shape(currents)


def solve_currents_report(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    r_wl_ohm: Ohms = 0.0,
    r_bl_ohm: Ohms = 0.0,
    r_source_ohm: Ohms = 0.0,
    r_sink_ohm: Ohms = 0.0,
    r_sl_ohm: Ohms = 0.0,
    r_access_ohm: float = 0.0,
    g_leak_siemens: float = 0.0,
    topology: str | Topology = "passive",
    iv: Curve | None = None,
    read_volt: float | None = None,
    sensed: ArrayLike | None = None,
    max_iterations: int = STEPS,
) -> CurrentReport:
    """Solve like :func:`solve_currents`, always by nodal analysis, and give voltages and certificate as well.

    Newton's steps for nonlinear cells begin from what line relaxation found.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (vectors, rows) or (rows,)
        Inputs [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm : float
        Resistances as in :func:`solve_currents` [ohm].
    g_leak_siemens : float
        Closed transistors, as in :func:`~xbarsim.crossbar.solve_currents` [S].
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
    lines = gather_lines(r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm, g_leak_siemens)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    check_nodal_memory(*question.g.shape[1:])
    check_number("max_iterations", max_iterations, COUNT)
    with np.errstate(over="ignore", invalid="ignore"):
        start = np.zeros((*question.g.shape[:1], question.vectors, 2, *question.g.shape[1:]))
        if iv is not None:
            relax_all(question, START_TOLERANCE, PASSES, numba.get_num_threads(), start)
        found = vars(_solve_all(question, max_iterations, start))
    check_finite(found["currents"])
    return CurrentReport(**{name: question.shape(values) for name, values in found.items()})


def solve_turned(cells: Array, lines: Lines, layout: Topology, method: str, threads: int | None, tol: float) -> Array:
    """Return the operator of an array driven at one end and sensed at one end: that of a passive array, turned.

    Parameters
    ----------
    cells : ndarray, (..., rows, cols)
        Conductance of the cells with their transistors [S].
    lines : Lines
        Resistances, even ones.
    layout : Topology
        One with the solver ``operator``.
    method, threads, tol
        As in :func:`~xbarsim.crossbar.solve_transfer`.

    Returns
    -------
    ndarray, (..., rows, cols)
        Transfer operator [S].
    """
    turn = (
        ...,
        slice(None, None, -1 if layout.sense == "near" else 1),
        slice(None, None, -1 if layout.drive == "far" else 1),
    )
    wires = vars(lines.wires)
    found: Array = solve_transfer(cells[turn], **wires, method=method, threads=threads, checked=1, tol=tol)[turn]
    return found


def _multiply_transfer(question: Question, threads: int | None) -> Array:
    """Linear passive array: one operator per array; blocks of vectors have a fixed size."""
    g, lines = question.g, question.lines
    t = solve_turned(lines.open_cells(g), lines, question.topology, "auto", threads, TOLERANCE)
    vectors = question.vectors
    padded = np.zeros((-(-vectors // VECTOR_BLOCK) * VECTOR_BLOCK, t.shape[1]))
    out = np.empty((len(t), len(padded), t.shape[2]))
    for array, operator in enumerate(np.ascontiguousarray(t)):
        padded[:vectors] = question.inputs(array)
        for first in range(0, len(padded), VECTOR_BLOCK):
            part = slice(first, first + VECTOR_BLOCK)
            np.matmul(padded[part], operator, out=out[array, part])
    currents = out[:, :vectors]
    return np.where(question.sensed, currents, 0.0)


def _solve_columns(question: Question, threads: int | None) -> Array:
    """Gate-driven array whose columns decouple: closed form, blocks of vectors side by side."""
    layout, lines, width = question.topology, question.lines, LANES
    wires = lines.wires
    g = lines.open_cells(question.g)
    rows, cols = g.shape[1:]
    vectors = question.vectors
    blocks = -(-vectors // width)
    away = slice(None, None, -1 if layout.drive == "near" else 1)
    ohm = lines.r_sl_ohm + wires.r_bl_ohm
    fixed = wires.r_source_ohm + wires.r_sink_ohm + ohm
    alpha = 1.0
    if layout.drive != layout.sense and ohm > 0:
        alpha = lines.r_sl_ohm / ohm
        fixed += (rows - 1) * alpha * wires.r_bl_ohm
    every = _ladder.rows_between_scalings(ohm, float(g.max(initial=0.0)))
    ohm = max(ohm, LEAST_OHM)
    out = np.empty((len(g), blocks, cols * width))
    with limit_threads(threads):
        for array in range(len(g)):
            if array == 0 or len(question.v_in) > 1:
                share, volt = _place_gates(question, array, away, blocks)
            down, closed = np.multiply(g[array, away].T, ohm, order="C"), np.zeros((0, 0))
            if lines.g_leak_siemens:
                closed = np.multiply(lines.closed_cells(question.g[array, away]).T, ohm, order="C")
                down -= closed
            _ladder.solve_ladders(alpha, ohm, fixed, every, down, closed, share, volt, np.ones(width), out[array])
    out = out.reshape(len(g), blocks, cols, width).transpose(0, 1, 3, 2).reshape(len(g), blocks * width, cols)
    return out[:, :vectors] if question.sensed.all() else np.where(question.sensed, out[:, :vectors], 0.0)


def _place_gates(question: Question, array: int, away: slice, blocks: int) -> tuple[Array, Array]:
    """Lay the gates' openings and the read voltages of one array's vectors side by side, in blocks of ``LANES``."""
    rows, vectors = question.g.shape[1], question.vectors
    share = np.zeros((blocks * LANES, rows))
    share[:vectors] = question.share(array)[:, away]
    volt = np.zeros(blocks * LANES)
    volt[:vectors] = question.supply(array)
    share = np.ascontiguousarray(share.reshape(blocks, LANES, rows).transpose(0, 2, 1))
    return share.reshape(blocks, rows * LANES), volt.reshape(blocks, LANES)


def _solve_all(question: Question, max_iterations: int, start: Array) -> CurrentReport:
    """Solve every array by nodal analysis; vectors of one circuit share its factorisation."""
    arrays, rows, cols = question.g.shape
    vectors = question.vectors
    report = CurrentReport(
        currents=np.zeros((arrays, vectors, cols)),
        residual=np.zeros((arrays, vectors)),
        driver_ampere=np.zeros((arrays, vectors)),
        iterations=np.zeros((arrays, vectors), dtype=np.int64),
        v_wl=np.zeros((arrays, vectors, rows, cols)),
        v_bl=np.zeros((arrays, vectors, rows, cols)),
    )
    for array in range(arrays):
        v_in, layout = question.inputs(array), question.topology
        for members in _group_circuits(question, array):
            circuit, g, volt = arrange(question, array, int(members[0]))
            each = v_in[members] if layout.inputs == "rows" else volt[np.newaxis]
            found = solve_nodes(circuit, g, each, question.iv, max_iterations, members.tolist(), start[array, members])
            report.currents[array, members] = np.where(question.sensed, found.cell_ampere.sum(axis=1), 0.0)
            report.residual[array, members] = found.residual
            report.driver_ampere[array, members] = found.driver_ampere
            report.iterations[array, members] = found.iterations
            pair = found.node_volt[:, : 2 * rows * cols].reshape(-1, 2, rows, cols)
            report.v_wl[array, members], report.v_bl[array, members] = pair[:, 0], pair[:, 1]
    return report


def _group_circuits(question: Question, array: int) -> list[NDArray[np.int64]]:
    """Group the vectors of one array by circuit."""
    vectors = question.vectors
    if question.topology.inputs == "gates":
        return [np.array([n]) for n in range(vectors)]
    if question.topology.floating:
        patterns = np.unique(question.inputs(array) != 0, axis=0, return_inverse=True)[1].ravel()
        return [np.flatnonzero(patterns == k) for k in range(patterns.max(initial=-1) + 1)]
    return [np.arange(vectors)] if vectors else []
