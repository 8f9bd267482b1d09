"""The transfer operator of passive arrays with ohmic cells: ``i = v_in @ t``.

Circuit: driver - ``r_source`` - one word-line segment - node (i, 0) - segment - node (i, 1) ...; bit line: node (0, j)
- segment - ... - node (rows-1, j) - one segment - ``r_sink`` - 0 V. Cell ``g[i, j]`` joins the two nodes (i, j). The
circuit is linear, so one matrix for each programmed array determines the sensed currents for all inputs.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim._simd import LANES
from xbarsim.crossbar import _kernels
from xbarsim.crossbar._direct import solve_directly
from xbarsim.crossbar._iteration import iterate_stack
from xbarsim.crossbar._quick import solve_quickly
from xbarsim.crossbar._quick_kernels import SIDE
from xbarsim.crossbar.argument import ARRAYS, COUNT, check_number, tolerance
from xbarsim.crossbar.certificate import Certificate, certify, estimate_error, warn_loose
from xbarsim.crossbar.wires import Wires, check_conductance
from xbarsim.errors import ConfigError, SolverError
from xbarsim.limits import check_memory

METHODS = ("auto", "exact", "closed_form", "ideal")
TOLERANCE = 5e-10
"""Error estimate that the exact operator has to reach, relative to its largest entry [-]."""
EXACT = 1e-9
"""Error of an entry, relative to the largest, above which an operator is not considered exact [-]."""
COARSE = 1e-8
"""Tolerance from which on passes behind the first are made in float32 where wires are weak [-]."""
SPREAD = 0.7
"""What certificates see of an error that entries have by chance, relative to the largest entry's, over the root of the
rows. Measured: 0.5 to 0.9 [-]."""
MOST_OPERATIONS = 1e13
"""Operations of a block elimination above which an array is refused: some minutes, at 1300 x 1300. Our choice [-]."""
RATE_HZ = 2e10
"""Operations of LAPACK in a second, for the time that messages name: one core with AVX-512. Our choice [Hz]."""
CELL_BYTES = 16 + 8 * (3 * 2 + LANES + 5 + SIDE)
"""Memory for a cell: conductance, operator, eliminated and scaled lines, and two fields of one worker [bytes]."""
LARGEST = 1e100
"""Largest product of the conductance of a line and a resistance; arrays above it are refused [-]."""
SHARED = 1 << 16
"""Number of cells from which the closed form of a stack uses several threads [-]."""
DOUBTFUL = 30 * TOLERANCE
"""Bound on the error of an entry, relative to the largest, above which an array is solved again [-]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """A transfer operator and its accuracy; for a stack, that of the worst array."""

    t: Floats
    """Transfer operator, (..., rows, cols) [S]."""
    method: str
    """Method used: ``line_iteration``, ``block_elimination`` (for some array), ``closed_form`` or ``ideal``."""
    residual: float
    """Certificate: 8 random input vectors of +1 V and -1 V are solved by other code; this is the largest difference
    between ``v_in @ t`` and a sensed current, what their Kirchhoff's laws leave open added, relative to the largest
    current of these vectors [-]."""
    error_estimate: float
    """Bound on the error of an entry, relative to the largest entry; an estimate where an approximate method was asked
    for [-]."""
    errors: Floats
    """(...) the same, array by array [-]."""
    iterations: int
    """Largest number of passes over a block of bit lines."""


def solve_transfer(
    g: ArrayLike,
    *,
    r_wl_ohm: float = 0.0,
    r_bl_ohm: float = 0.0,
    r_source_ohm: float = 0.0,
    r_sink_ohm: float = 0.0,
    method: str = "auto",
    threads: int | None = None,
    checked: int | None = None,
    tol: float = TOLERANCE,
) -> NDArray[np.float64]:
    """Compute the transfer operator of arrays of ohmic cells with resistive wires.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm : float
        Resistances of a word-line segment, a bit-line segment, a driver and a sensor [ohm].
    method : {"auto", "exact", "closed_form", "ideal"}
        ``auto`` is the fastest exact method; ``closed_form`` solves each line once; ``ideal`` neglects the wires.
    threads : int, optional
        Number of threads; all by default. The result does not depend on it.
    checked : int, optional
        Number of arrays, from the first one on, whose exact operator is checked by its certificate, and solved again by
        block elimination where that proves it wrong; all by default.
    tol : float
        Largest error of an entry, relative to the largest entry [-]. From 1e-8 on, weak wires are solved in a third of
        the time, and a checked array whose bound is above it is solved again.

    Returns
    -------
    ndarray, (..., rows, cols)
        ``t``: sensed currents are ``v_in @ t`` [S].

    Raises
    ------
    ShapeError
        If ``g`` is not real, finite, zero or more and (..., rows, cols).
    ConfigError
        If a resistance is negative or not finite, the method is unknown, or ``tol`` is not from 5e-10 to below
        1; or if an array does not fit the memory of this machine.
    SolverError
        If neither iteration nor elimination gives a physically possible result, or one that its certificate accepts,
        or elimination of a large array would take more than minutes.

    Warns
    -----
    ModelRangeWarning
        If the certificate of a result proves less than 1e-6 of the largest entry.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    stack = _check(g, method, threads)
    if checked is not None:
        check_number("checked", checked, ARRAYS)
    check_number("tol", tol, tolerance(TOLERANCE))
    count = len(stack) if checked is None else min(int(checked), len(stack))
    return _solve(stack, wires, method, threads or numba.get_num_threads(), count, float(tol)).t.reshape(np.shape(g))


def solve_transfer_report(
    g: ArrayLike,
    *,
    r_wl_ohm: float = 0.0,
    r_bl_ohm: float = 0.0,
    r_source_ohm: float = 0.0,
    r_sink_ohm: float = 0.0,
    method: str = "auto",
    threads: int | None = None,
) -> TransferReport:
    """Compute the transfer operator as :func:`solve_transfer` does, and report the method and the accuracy.

    The accuracy check takes 0.15 to 0.35 of the time of the solution (64 to 256 rows, segments of 2.5 ohm).

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm : float
        Resistances of a word-line segment, a bit-line segment, a driver and a sensor [ohm].
    method, threads
        As in :func:`solve_transfer`.

    Returns
    -------
    TransferReport
        Operator, method, certificate, error estimate and iterations.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`solve_transfer`.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    stack = _check(g, method, threads)
    shape = np.shape(g)
    threads = threads or numba.get_num_threads()
    t, used, certificate, passes = _solve(stack, wires, method, threads, len(stack), TOLERANCE)
    certificate = certify(stack, wires, t, threads) if certificate is None else certificate
    errors = certificate.bound
    if used == "ideal" or (used == "closed_form" and wires.has_word_lines and wires.has_bit_lines):
        errors = estimate_error(stack, wires, t)
    return TransferReport(
        t=t.reshape(shape),
        method=used,
        residual=float(certificate.residual.max(initial=0.0)),
        error_estimate=float(errors.max(initial=0.0)),
        errors=errors.reshape(shape[:-2]),
        iterations=passes,
    )


def _check(g: ArrayLike, method: str, threads: int | None) -> Floats:
    if not isinstance(method, str) or method not in METHODS:
        raise ConfigError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    if threads is not None:
        check_number("threads", threads, COUNT)
    return check_conductance(g)


class _Solved(NamedTuple):
    """Operators of a stack and how they were found."""

    t: Floats
    """(arrays, rows, cols) operators [S]."""
    method: str
    """As in :class:`TransferReport`."""
    certificate: Certificate | None
    """Of the arrays that were checked; None without an exact method for lines along both axes."""
    passes: int
    """Largest number of passes."""


def _solve(g: Floats, wires: Wires, method: str, threads: int, checked: int, tol: float) -> _Solved:
    """Solve a stack, and check the first ``checked`` arrays; those that fail are solved again by a more exact way."""
    if method == "ideal":
        return _Solved(g.copy(), "ideal", None, 0)
    ohm = max(wires.r_wl_ohm + wires.r_source_ohm, wires.r_bl_ohm + wires.r_sink_ohm)
    if not float(g.max(initial=0.0)) * max(g.shape[1:]) * max(ohm, 1.0) < LARGEST:
        raise SolverError(
            f"g: cells of {g.max():.1e} S with wires of {ohm:.1e} ohm exceed the numerical range; check units"
        )
    if method == "closed_form" or not (wires.has_word_lines and wires.has_bit_lines):
        return _Solved(_solve_closed_form(g, wires, threads), "closed_form", None, 0)
    rows, cols = g.shape[1:]
    check_memory(
        rows * cols * CELL_BYTES, f"g: the operator of {rows} x {cols} cells",
        "give smaller arrays, or method='closed_form', whose error solve_transfer_report estimates",
    )  # fmt: skip
    t = np.empty_like(g)
    if tol < COARSE:
        return _iterate(g, wires, threads, checked, t)
    each = tol / max(SPREAD * math.sqrt(g.shape[1]), 1.0)
    passes, error = solve_quickly(g, wires, each, threads, t)
    good = (error <= each) & _is_passive(g, t)
    chosen = np.flatnonzero(good[:checked])  # of the others, t may hold anything
    certificate = certify(g[chosen], wires, t[chosen], threads)
    good[chosen] &= certificate.bound <= tol
    rest = np.flatnonzero(~good)
    if not len(rest):
        return _Solved(t, "line_iteration", certificate, int(passes.max(initial=0)))
    again = _iterate(g[rest], wires, threads, int(np.count_nonzero(rest < checked)), np.empty_like(g[rest]))
    t[rest] = again.t
    return _Solved(t, again.method, certify(g[:checked], wires, t[:checked], threads), again.passes)


def _iterate(g: Floats, wires: Wires, threads: int, checked: int, t: Floats) -> _Solved:
    """Solve a stack by line iteration to ``TOLERANCE``, and by block elimination where that fails."""
    passes, error = iterate_stack(g, wires, TOLERANCE, threads, t)
    failed = np.flatnonzero(~((error <= TOLERANCE) & _is_passive(g, t))).tolist()
    _eliminate(g, failed, wires, threads, t, error)
    certificate = certify(g[:checked], wires, t[:checked], threads)
    doubtful = np.flatnonzero(~(certificate.bound <= DOUBTFUL)).tolist()
    if doubtful:
        _eliminate(g, [array for array in doubtful if array not in failed], wires, threads, t, error)
        certificate = certify(g[:checked], wires, t[:checked], threads)
        for array in np.flatnonzero(certificate.proven > EXACT).tolist():
            raise SolverError(
                f"g: array {array}: line iteration and block elimination failed: an entry is wrong by "
                f"{certificate.proven[array]:.1e} of the largest or more"
            )
        warn_loose(certificate.bound, "entries of the operator, relative to the largest,")
    used = "block_elimination" if failed or doubtful else "line_iteration"
    return _Solved(t, used, certificate, int(passes.max(initial=0)))


def _eliminate(g: Floats, chosen: list[int], wires: Wires, threads: int, t: Floats, error: Floats) -> None:
    """Solve the ``chosen`` arrays by block elimination; ``error`` (arrays,) is what line iteration came to [-]."""
    if not chosen:
        return
    short, long = sorted(g.shape[1:])
    operations = long * short**2 * (7 / 3 * short + long)
    if operations > MOST_OPERATIONS:
        minutes, gigabytes = operations / RATE_HZ / 60, 40 * g[0].size / 1e9
        raise SolverError(
            f"g: array {chosen[0]}: line iteration ended at an error of {error[chosen[0]]:.0e} of the largest entry, "
            f"and block elimination of {short} x {long} cells would take about {minutes:,.0f} minutes and "
            f"{gigabytes:.1f} GB; "
            "give arrays of up to 1300 x 1300, lower resistances, or method='closed_form'"
        )
    solve_directly(g, chosen, wires, threads, t)
    for array, good in zip(chosen, _is_passive(g[chosen], t[chosen]), strict=True):
        if not good:
            raise SolverError(
                f"g: array {array}: line iteration ended at an error of {error[array]:.1e} of the largest entry, "
                "and block elimination lost all digits"
            )


def _is_passive(g: Floats, t: Floats) -> NDArray[np.bool_]:
    """Check what holds in every network of resistors: finite, not negative, no line gives more than its cells."""
    with np.errstate(all="ignore"):
        room = EXACT * t.max(axis=(1, 2))
        good = np.isfinite(t.sum(axis=(1, 2))) & (t.min(axis=(1, 2)) >= -room)
        for axis in (1, 2):
            good &= (t.sum(axis=axis) - g.sum(axis=axis)).max(axis=1) <= room * np.sqrt(g.shape[axis])
    return np.asarray(good)


def _solve_closed_form(g: Floats, wires: Wires, threads: int) -> Floats:
    t = np.empty_like(g)
    values = wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm
    workers = threads if g.size >= SHARED else 1

    def solve_share(worker: int) -> None:
        for array in range(worker, len(g), workers):
            _kernels.closed_form(*values, g[array], t[array])

    if workers == 1:
        solve_share(0)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(solve_share, range(workers)))
    return t
