"""The transfer operator of passive arrays with ohmic cells: ``i = v_in @ t``.

Circuit: driver - ``r_source`` - one word-line segment - node (i, 0) - segment - node (i, 1) ...; bit line: node (0, j)
- segment - ... - node (rows-1, j) - one segment - ``r_sink`` - 0 V. Cell ``g[i, j]`` joins the two nodes (i, j). The
circuit is linear, so one matrix per programmed array says everything that its sensors ever see.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar import _direct, _kernels
from xbarsim.crossbar._iteration import iterate_stack
from xbarsim.crossbar.wires import Wires, check_conductance, check_threads
from xbarsim.errors import ConfigError, SolverError

METHODS = ("auto", "exact", "closed_form", "ideal")
TOLERANCE = 5e-10
"""Error estimate that the exact operator has to reach, relative to its largest entry [-]."""

DIRECT_ERROR = 1e-12
"""What block elimination keeps by a wide margin: tests compare it with a nodal solve [-]."""


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """A transfer operator and what is known about its accuracy."""

    t: NDArray[np.float64]
    """Transfer operator, (..., rows, cols) [S]."""
    method: str
    """What was used: ``line_iteration``, ``block_elimination``, ``closed_form`` or ``ideal``."""
    error_estimate: float
    """Estimated error relative to the largest entry [-]."""
    iterations: int
    """Most passes that any block of bit lines took."""


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
    """Solve arrays of ohmic cells and resistive wires for their transfer operator.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm : float
        Word-line segment, bit-line segment, driver and sensor [ohm].
    method : {"auto", "exact", "closed_form", "ideal"}
        ``auto`` is exact by the cheapest way; ``closed_form`` solves each line once; ``ideal`` leaves the wires out.
    threads : int, optional
        Threads to use; all by default. The result does not depend on it.

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
        If neither iteration nor elimination gives a finite answer.
    """
    return solve_transfer_report(
        g, r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm, method=method,
        threads=threads,
    ).t  # fmt: skip


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
    """Solve like :func:`solve_transfer` and say how, and how accurately.

    Parameters
    ----------
    g, r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, method, threads
        As in :func:`solve_transfer`.

    Returns
    -------
    TransferReport
        Operator, method, error estimate and iterations.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`solve_transfer`.
    """
    wires = Wires(r_wl_ohm=r_wl_ohm, r_bl_ohm=r_bl_ohm, r_source_ohm=r_source_ohm, r_sink_ohm=r_sink_ohm)
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    check_threads(threads)
    stack = check_conductance(g)
    shape = np.shape(g)
    if method == "ideal":
        return TransferReport(t=stack.reshape(shape).copy(), method="ideal", error_estimate=0.0, iterations=0)
    workers = threads or numba.get_num_threads()
    if method == "closed_form" or not (wires.has_word_lines and wires.has_bit_lines):
        t, error, passes, used = *_solve_closed_form(stack, wires, workers), "closed_form"
    else:
        t, error, passes, used = _solve_exact(stack, wires, workers)
    return TransferReport(t=t.reshape(shape), method=used, error_estimate=error, iterations=passes)


def _solve_closed_form(g: NDArray[np.float64], wires: Wires, threads: int) -> tuple[NDArray[np.float64], float, int]:
    t = np.empty_like(g)
    values = wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm

    def solve_share(worker: int) -> None:
        for array in range(worker, len(g), threads):
            _kernels.closed_form(*values, g[array], t[array])

    if threads == 1 or g.size < 1 << 16:
        threads = 1
        solve_share(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve_share, range(threads)))
    return t, 0.0, 0


def _solve_exact(
    g: NDArray[np.float64], wires: Wires, threads: int
) -> tuple[NDArray[np.float64], float, int, str]:
    """Solve a stack by line iteration, and by block elimination where that does not converge."""
    t = np.empty_like(g)
    values = wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm
    passes, error = iterate_stack(g, wires, TOLERANCE, threads, t)
    used = "line_iteration"
    for array in np.flatnonzero(~(error <= TOLERANCE)).tolist():
        _direct.solve_direct(*values, g[array], t[array])
        if not np.isfinite(t[array]).all():
            raise SolverError(
                f"g: array {array}: line iteration came to {error[array]:.1e} of the largest entry, "
                "and block elimination overflowed"
            )
        error[array] = DIRECT_ERROR
        used = "block_elimination"
    return t, float(error.max(initial=0.0)), int(passes.max(initial=0)), used
