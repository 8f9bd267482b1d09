"""Columns of two rails, in closed form: no division per cell, several input vectors side by side.

A column of a gate-driven array is a source line and a bit line with cells across them: ``x g`` (x: how far a gate is
open), and what closed gates let pass. Each segment of the two rails together carries the column's whole current I, so
their voltages weighted by each other's resistance fall by ``I r_sl r_bl / (r_sl + r_bl)`` a segment. What is left is
one ladder of segments
``R = r_sl + r_bl`` with the cells to ground, into which I enters: shares ``alpha = r_sl / R`` and ``beta = 1 - alpha``
at the two ends where source line and bit line are connected at opposite ends, all of it at one end otherwise. Its
impedances are ratios of continuants, which a recurrence of positive terms yields without cancellation:

    D' = D + N,  N' = N + R x g D'      from D = 1, N = 0   (and K, M alike from K = -R, M = R)
    I = V N / (N k + R (alpha^2 D + 2 alpha beta) + beta^2 M)

with k the resistance of drivers, sensors and the common part; R is a factor of N and M, so that a sum in each pair of
steps needs no product. Continuants grow without bound, so that they are
scaled down together every few rows.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from xbarsim._numba import parallel_kernel
from xbarsim._simd import LANES, add, divide, load, multiply, multiply_add, scale, spread, store, zeros

Floats = NDArray[np.float64]

LARGEST = 1e100
"""Continuants are brought back to 1 before they can grow by this factor [-]."""


@parallel_kernel
def solve_ladders(
    alpha: float, ohm: float, fixed_ohm: float, every: int, g: Floats, leak: Floats, share: Floats, volt: Floats,
    ones: Floats, out: Floats,
) -> None:  # fmt: skip
    """Write the column currents of blocks of ``LANES`` vectors to ``out`` (blocks, cols * LANES).

    ``g`` (cols, rows) what an open gate adds, its rows counted from the end away from the drivers, ``leak`` (cols,
    rows) what cells conduct behind closed gates (0, 0 where nothing), both times ``ohm``, the resistance of both
    segments, more than zero; ``share`` (blocks, rows * LANES) opening of the gates, ``volt`` (blocks, LANES) read
    voltage of a vector, ``fixed_ohm`` all else in series, ``every`` rows between two scalings, ``ones`` (LANES,).
    """
    blocks = len(share)
    cols, rows = g.shape
    beta = 1.0 - alpha
    leaks = leak.size > 0
    for block in prange(blocks):
        x = share[block]
        zero = zeros(ones, LANES)
        v = load(volt[block], 0, zero)
        one = load(ones, 0, zero)
        start, end = scale(-ohm, one), scale(ohm, one)
        j = 0
        while j < cols:
            other = min(j + 1, cols - 1)  # two columns side by side keep the arithmetic units busy
            d, n, k, m, s = one, zero, start, end, one
            e, p, q, r, u = one, zero, start, end, one
            i = 0
            while i < rows:
                stop = min(i + every, rows)
                while i < stop:
                    row = load(x, i * LANES, zero)
                    left = scale(g[j, i], row)
                    right = scale(g[other, i], row)
                    if leaks:
                        left = add(left, spread(leak[j, i], one))
                        right = add(right, spread(leak[other, i], one))
                    d = add(n, d)
                    n = add(multiply(left, d), n)
                    k = add(m, k)
                    m = add(multiply(left, k), m)
                    e = add(p, e)
                    p = add(multiply(right, e), p)
                    q = add(r, q)
                    r = add(multiply(right, q), r)
                    i += 1
                if i < rows:
                    down = divide(one, d)
                    d, n = add(multiply(down, d), zero), add(multiply(down, n), zero)
                    k, m = add(multiply(down, k), zero), add(multiply(down, m), zero)
                    s = add(multiply(down, s), zero)
                    down = divide(one, e)
                    e, p = add(multiply(down, e), zero), add(multiply(down, p), zero)
                    q, r = add(multiply(down, q), zero), add(multiply(down, r), zero)
                    u = add(multiply(down, u), zero)
            total = multiply_add(fixed_ohm, n, scale(ohm * alpha * alpha, d))
            total = multiply_add(beta * beta, m, multiply_add(2.0 * ohm * alpha * beta, s, total))
            store(out[block], j * LANES, divide(add(multiply(v, n), zero), total))
            total = multiply_add(fixed_ohm, p, scale(ohm * alpha * alpha, e))
            total = multiply_add(beta * beta, r, multiply_add(2.0 * ohm * alpha * beta, u, total))
            store(out[block], other * LANES, divide(add(multiply(v, p), zero), total))
            j += 2


def rows_between_scalings(ohm: float, g_max: float) -> int:
    """Return how many rows may pass before continuants grow by ``LARGEST``, for cells up to ``g_max`` [S]."""
    growth = 2.0 + ohm * g_max
    return max(1, int(np.log(LARGEST) / np.log(growth)))
