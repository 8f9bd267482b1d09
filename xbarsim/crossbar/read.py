"""Reads of any topology and any cell: sensed currents, a bound on their errors, and what drivers give.

Lines are relaxed in turn (``relaxation``); vectors that do not converge are solved by nodal analysis (``nodal``).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.iv import Curve
from xbarsim.crossbar.argument import COUNT, check_number
from xbarsim.crossbar.circuit import Ohms, gather_lines
from xbarsim.crossbar.nodal import solve_nodes
from xbarsim.crossbar.question import RELATIVE, Question, arrange, check_question
from xbarsim.crossbar.relaxation import ReadReport, relax_all
from xbarsim.crossbar.topology import Topology
from xbarsim.errors import SolverError

Array = NDArray[np.float64]
STEPS = 100
"""Newton steps after which a vector is given up, unless told otherwise [-]."""
PASSES = 300
"""Passes over all lines after which a vector is left to nodal analysis, unless told otherwise [-]."""
TOLERANCE = 1e-9
"""Error of a sensed current, relative to full scale, unless told otherwise [-]."""


def solve_reads(
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
) -> ReadReport:
    """Solve a circuit for what its sensors see and its drivers give, always by relaxing lines in turn.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (..., vectors, rows), (vectors, rows) or (rows,)
        Inputs of every array, or of all of them [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm : float or array_like
        Resistances as in :func:`~xbarsim.crossbar.solve_currents` [ohm].
    g_leak_siemens : float
        Closed transistors, as in :func:`~xbarsim.crossbar.solve_currents` [S].
    topology, iv, read_volt, tol, max_iterations, threads
        As in :func:`~xbarsim.crossbar.solve_currents`.
    sensed : array_like of bool, (cols,), optional
        Columns that are sensed; all by default.

    Returns
    -------
    ReadReport
        Currents, error bounds, power and passes; without the axis of vectors where one was given.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`~xbarsim.crossbar.solve_currents`.
    """
    lines = gather_lines(r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm, g_leak_siemens)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    if max_iterations is not None:
        check_number("max_iterations", max_iterations, COUNT)
    check_number("tol", tol, RELATIVE)
    if threads is not None:
        check_number("threads", threads, COUNT)
    with np.errstate(over="ignore", invalid="ignore"):
        found = read_question(question, tol, max_iterations, threads)
    check_finite(found.currents)
    return ReadReport(**{name: question.shape(values) for name, values in vars(found).items()})


def read_question(question: Question, tol: float, max_iterations: int | None, threads: int | None) -> ReadReport:
    """Relax lines, and solve what does not converge by nodal analysis; (arrays, vectors, ...) throughout."""
    found = relax_all(question, tol, max_iterations or PASSES, threads or numba.get_num_threads())
    for array, vector in np.argwhere(found.passes == 0).tolist():
        _read_nodes(question, array, vector, max_iterations or STEPS, found)
    found.currents[..., ~question.sensed] = 0.0
    return found


def _read_nodes(question: Question, array: int, vector: int, steps: int, found: ReadReport) -> None:
    """Solve one vector by nodal analysis, and write it to ``found``."""
    circuit, g, volt = arrange(question, array, vector)
    solution = solve_nodes(circuit, g, volt[np.newaxis], question.iv, steps, [vector])
    cells, at = solution.cell_ampere[0], (array, vector)
    drawn = cells.sum(axis=1 if question.topology.source_lines == "rows" else 0)
    full, stray = float(np.abs(cells).sum(axis=0).max()), float(solution.stray_ampere[0])
    if question.iv is None and stray >= full > 0:
        raise SolverError(
            f"g: array {array}, vector {vector}: the bound on the error, {stray:.2g} A, exceeds the currents "
            f"themselves, {full:.2g} A; cells of up to {g.max():.2g} S and wires are too many orders apart; check units"
        )
    found.currents[at] = cells.sum(axis=0)
    found.error_ampere[at] = stray
    found.full_ampere[at] = full
    found.power_watt[at] = (volt * drawn).sum()
    found.driver_ampere[at] = drawn.sum()


def check_finite(currents: Array) -> None:
    """Raise SolverError if a current overflowed.

    Parameters
    ----------
    currents : ndarray, (arrays, vectors, cols)
        Sensed currents [A].
    """
    with np.errstate(all="ignore"):
        total = currents.sum()  # quicker than to look at all of them
    if not math.isfinite(total) and not np.isfinite(currents).all():
        _, vector, col = np.argwhere(~np.isfinite(currents))[0]
        raise SolverError(f"v_in: vector {vector}: the current of column {col} overflowed")
