"""The operator of arrays with weak wires to an error of about 1e-9: a few passes, most of them in float32.

Line iteration (``_iteration``) adds up passes whose share falls like the powers of a bound on what a pass leaves. Where
that is small, rounding to float32 matters little: pass 0 is a product of factors, in float64, pass 1 is at most the
bound times as large, and the following ones at most its square. Pass 1 is made in float64 where the bound asks for it.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from xbarsim._aligned import aligned_zeros
from xbarsim.crossbar import _kernels, _quick_kernels
from xbarsim.crossbar._iteration import MOST_PASSES, plan_passes, tail_ratio
from xbarsim.crossbar._quick_kernels import SIDE
from xbarsim.crossbar.wires import Wires

SMALLEST = 1e-6
"""Share of a voltage that a ladder passes on below which scaled values leave the range of float32 [-]."""
ROUNDING = 6.5e-8
"""Error of what passes in float32 add to an entry, relative to the largest such addition, over the root of the nodes
of a line. Measured: 5e-8 to 7e-8 for 32 to 256 nodes [-]."""
ROUNDED = 0.85
"""Part of the tolerance that is left to rounding [-]."""

Floats = NDArray[np.float64]


class QuickScratch:
    """What one worker writes to."""

    def __init__(self, rows: int, cols: int) -> None:
        high, wide = rows + rows % 2, -(-cols // SIDE) * SIDE
        self.lines = aligned_zeros((3, 2, rows, cols))
        self.scaled = aligned_zeros((5, high, wide))
        self.rounded = aligned_zeros((5, high, wide), np.float32)
        self.exact = aligned_zeros((high + 2) * wide * SIDE)
        self.field = aligned_zeros((high + 2) * wide * SIDE, np.float32)
        self.wide = aligned_zeros((3 * wide + high) * SIDE)
        self.light = aligned_zeros(3 * wide * SIDE, np.float32)
        self.outs = aligned_zeros((MOST_PASSES, high * SIDE), np.float32)


def solve_quickly(
    g: Floats, wires: Wires, tolerance: float, threads: int, t: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Solve the arrays of a stack, each on one thread.

    Parameters
    ----------
    g, wires, threads, t
        As in :func:`~xbarsim.crossbar._iteration.iterate_stack`.
    tolerance : float
        Error estimate to reach, relative to the largest entry [-].

    Returns
    -------
    passes, error : ndarray, (arrays,)
        Passes, and the error estimate, infinite for arrays that are left to line iteration.
    """
    arrays, rows, cols = g.shape
    passes, error = np.zeros(arrays, dtype=np.int64), np.full(arrays, np.inf)
    workers = max(1, min(threads, arrays))
    queue = iter(range(arrays))

    def work(_: int) -> None:
        scratch = QuickScratch(rows, cols)
        for array in queue:
            passes[array], error[array] = _solve_array(g[array], wires, tolerance, scratch, t[array])

    if workers == 1:
        work(0)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
    return passes, error


def _solve_array(g: Floats, wires: Wires, tolerance: float, scratch: QuickScratch, t: Floats) -> tuple[int, float]:
    """Solve one array; return its passes and its error estimate."""
    values = wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm
    bound: float = _kernels.factor_lines(g, *values, scratch.lines)
    rounding = ROUNDING * math.sqrt(max(g.shape))
    if not rounding * bound * bound <= tolerance:
        return 0, math.inf
    if not _quick_kernels.scale_lines(g, scratch.lines, scratch.scaled) >= SMALLEST:
        return 0, math.inf
    count = plan_passes(bound, bound, tolerance)
    weights = np.zeros((2, count))
    _kernels.weigh_passes(bound, weights[0])
    _kernels.weigh_passes(bound, weights[1, :-1])
    found = np.zeros(3)
    allowed = ROUNDED * tolerance / rounding * scratch.scaled[3].max()
    _quick_kernels.solve_blocks(
        allowed, weights, scratch.scaled, scratch.rounded, scratch.exact, scratch.field, scratch.wide, scratch.light,
        scratch.outs, found, t,
    )  # fmt: skip
    largest, change, light = found.tolist()
    if not (largest < math.inf and change < math.inf):  # NaN too
        return count, math.inf
    return count, (change * tail_ratio(bound) + rounding * light) / largest if largest > 0.0 else 0.0
