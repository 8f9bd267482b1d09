"""The transfer operator of passive arrays with ohmic cells: ``i = v_in @ t``.

Circuit: driver - ``r_source`` - one word-line segment - node (i, 0) - segment - node (i, 1) ...; bit line: node (0, j)
- segment - ... - node (rows-1, j) - one segment - ``r_sink`` - 0 V. Cell ``g[i, j]`` joins the two nodes (i, j). The
circuit is linear, so one matrix for each programmed array determines the sensed currents for all inputs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar import _kernels
from xbarsim.crossbar._direct import solve_directly
from xbarsim.crossbar._iteration import iterate_stack
from xbarsim.crossbar.certificate import certify, estimate_error
from xbarsim.crossbar.wires import Wires, check_conductance, check_threads
from xbarsim.errors import ConfigError, SolverError

METHODS = ("auto", "exact", "closed_form", "ideal")
TOLERANCE = 5e-10
"""Error estimate that the exact operator has to reach, relative to its largest entry [-]."""
EXACT = 1e-9
"""Error of an entry, relative to the largest, above which an operator is not considered exact [-]."""
LARGEST = 1e100
"""Largest product of the conductance of a line and a resistance; arrays above it are refused [-]."""
SHARED = 1 << 16
"""Number of cells from which the closed form of a stack uses several threads [-]."""
DIRECT_ERROR = 1e-12
"""Upper bound on the error of block elimination, with a wide margin; tests compare it with a nodal solution [-]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """A transfer operator and its accuracy; for a stack, that of the worst array."""

    t: Floats
    """Transfer operator, (..., rows, cols) [S]."""
    method: str
    """Method used: ``line_iteration``, ``block_elimination`` (for some array), ``closed_form`` or ``ideal``."""
    residual: float
    """Certificate: 16 random input vectors of +1 V and -1 V are solved by other code; this is the largest difference
    between ``v_in @ t`` and a sensed current, what their Kirchhoff's laws leave open added, relative to the largest
    current of these vectors [-]."""
    error_estimate: float
    """Estimated error of an entry relative to the largest entry [-]."""
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

    Returns
    -------
    ndarray, (..., rows, cols)
        ``t``: sensed currents are ``v_in @ t`` [S].

    Raises
    ------
    ShapeError
        If ``g`` is not real, finite, zero or more and (..., rows, cols).
    ConfigError
        If a resistance is negative or not finite, or the method is unknown.
    SolverError
        If neither iteration nor elimination gives a physically possible result.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    stack = _check(g, method, threads)
    return _solve(stack, wires, method, threads or numba.get_num_threads())[0].reshape(np.shape(g))


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

    The accuracy check takes about as long as the solution, and longer for large arrays.

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
        As in :func:`solve_transfer`; also where the certificate proves that an exact operator is wrong.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    stack = _check(g, method, threads)
    shape = np.shape(g)
    t, used, error, passes = _solve(stack, wires, method, threads or numba.get_num_threads())
    certificate = certify(stack, wires, t)
    if used in ("line_iteration", "block_elimination"):
        wrong = certificate.proven > EXACT
        if wrong.any():
            array = int(np.argmax(certificate.proven))
            raise SolverError(
                f"g: array {array}: {used.replace('_', ' ')} misses sensed currents: some entry is off by "
                f"{certificate.proven[array]:.1e} of the largest or more"
            )
    else:
        error = float(estimate_error(stack, wires, t).max(initial=0.0))
    residual = float(certificate.residual.max(initial=0.0))
    return TransferReport(t=t.reshape(shape), method=used, residual=residual, error_estimate=error, iterations=passes)


def _check(g: ArrayLike, method: str, threads: int | None) -> Floats:
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    check_threads(threads)
    return check_conductance(g)


def _solve(g: Floats, wires: Wires, method: str, threads: int) -> tuple[Floats, str, float, int]:
    """Return operator, what was used, estimated error of an exact method, and passes."""
    if method == "ideal":
        return g.copy(), "ideal", 0.0, 0
    ohm = max(wires.r_wl_ohm + wires.r_source_ohm, wires.r_bl_ohm + wires.r_sink_ohm)
    if not float(g.max(initial=0.0)) * max(g.shape[1:]) * max(ohm, 1.0) < LARGEST:
        raise SolverError(
            f"g: cells of {g.max():.1e} S with wires of {ohm:.1e} ohm exceed the numerical range; check units"
        )
    if method == "closed_form" or not (wires.has_word_lines and wires.has_bit_lines):
        return _solve_closed_form(g, wires, threads), "closed_form", 0.0, 0
    t = np.empty_like(g)
    passes, error = iterate_stack(g, wires, TOLERANCE, threads, t)
    failed = np.flatnonzero(~((error <= TOLERANCE) & _is_passive(g, t))).tolist()
    if failed:
        solve_directly(g, failed, wires, threads, t)
        for array, good in zip(failed, _is_passive(g[failed], t[failed]), strict=True):
            if not good:
                raise SolverError(
                    f"g: array {array}: line iteration came to {error[array]:.1e} of the largest entry, "
                    "and block elimination lost all digits"
                )
        error[failed] = DIRECT_ERROR
    used = "block_elimination" if failed else "line_iteration"
    return t, used, float(error.max(initial=0.0)), int(passes.max(initial=0))


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
