"""Columns of two rails, in closed form: no division per cell, several input vectors side by side.

A column of a gate-driven array is a source line and a bit line with cells ``x g`` across them (x: how far a gate is
open). Each segment of the two rails together carries the column's whole current I, so their voltages weighted by each
other's resistance fall by ``I r_sl r_bl / (r_sl + r_bl)`` a segment. What is left is one ladder of segments
``R = r_sl + r_bl`` with the cells to ground, into which I enters: shares ``alpha = r_sl / R`` and ``beta = 1 - alpha``
at the two ends where source line and bit line are connected at opposite ends, all of it at one end otherwise. Its
impedances are ratios of continuants, which a recurrence of positive terms yields without cancellation:

    D' = D + R N,  N' = N + x g D'      from D = 1, N = 0   (and K, M alike from K = -R, M = 1)
    I = V N / (N k + alpha^2 D + 2 alpha beta + beta^2 M)

with k the resistance of drivers, sensors and the common part. Continuants grow without bound, so that they are
scaled down together every few rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numba.core import config
from numba.extending import intrinsic

from xbarsim._numba import parallel_kernel
from xbarsim.crossbar._lanes import LANES_TYPE, WIDTH, load, multiply_add, scale, store, zero_lanes

LARGEST = 1e100
"""Continuants are brought back to 1 before they can grow by this factor [-]."""


def _add_product(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(*args[:2], flags=("contract",)), args[2], flags=("contract",))

    return LANES_TYPE(LANES_TYPE, LANES_TYPE, LANES_TYPE), generate


def _divide(typing_context: Any, x: Any, y: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fdiv(*args)

    return LANES_TYPE(LANES_TYPE, LANES_TYPE), generate


add_product: Any
divide: Any

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def add_product(x: Any, y: Any, z: Any) -> Any:
        return x * y + z

    def divide(x: Any, y: Any) -> Any:
        return x / y

else:
    add_product, divide = intrinsic(_add_product), intrinsic(_divide)


@parallel_kernel
def solve_ladders(alpha, ohm, fixed_ohm, every, g, share, volt, ones, out):
    """Write the column currents of blocks of ``WIDTH`` vectors to ``out`` (blocks, cols * WIDTH).

    ``g`` (cols, rows) its rows counted from the end away from the drivers, ``share`` (blocks, rows * WIDTH) opening of
    the gates, ``volt`` (blocks, WIDTH) read voltage of a vector, ``ohm`` both segments, ``fixed_ohm`` all else in
    series, ``every`` rows between two scalings, ``ones`` (WIDTH,).
    """
    blocks = len(share)
    cols, rows = g.shape
    beta = 1.0 - alpha
    for block in prange(blocks):
        x = share[block]
        v = load(volt[block], 0)
        one = load(ones, 0)
        start = scale(-ohm, one)
        j = 0
        while j < cols:
            other = min(j + 1, cols - 1)  # two columns side by side keep the arithmetic units busy
            d, n, k, m, s = one, zero_lanes(), start, one, one
            e, p, q, r, u = one, zero_lanes(), start, one, one
            i = 0
            while i < rows:
                stop = min(i + every, rows)
                while i < stop:
                    row = load(x, i * WIDTH)
                    left = scale(g[j, i], row)
                    right = scale(g[other, i], row)
                    d = multiply_add(ohm, n, d)
                    n = add_product(left, d, n)
                    k = multiply_add(ohm, m, k)
                    m = add_product(left, k, m)
                    e = multiply_add(ohm, p, e)
                    p = add_product(right, e, p)
                    q = multiply_add(ohm, r, q)
                    r = add_product(right, q, r)
                    i += 1
                if i < rows:
                    down = divide(one, d)
                    zero = zero_lanes()
                    d, n = add_product(down, d, zero), add_product(down, n, zero)
                    k, m = add_product(down, k, zero), add_product(down, m, zero)
                    s = add_product(down, s, zero)
                    down = divide(one, e)
                    e, p = add_product(down, e, zero), add_product(down, p, zero)
                    q, r = add_product(down, q, zero), add_product(down, r, zero)
                    u = add_product(down, u, zero)
            total = multiply_add(fixed_ohm, n, scale(alpha * alpha, d))
            total = multiply_add(beta * beta, m, multiply_add(2.0 * alpha * beta, s, total))
            store(out[block], j * WIDTH, divide(add_product(v, n, zero_lanes()), total))
            total = multiply_add(fixed_ohm, p, scale(alpha * alpha, e))
            total = multiply_add(beta * beta, r, multiply_add(2.0 * alpha * beta, u, total))
            store(out[block], other * WIDTH, divide(add_product(v, p, zero_lanes()), total))
            j += 2


def rows_between_scalings(ohm: float, g_max: float) -> int:
    """Return how many rows may pass before continuants grow by ``LARGEST``, for cells up to ``g_max`` [S]."""
    growth = 2.0 + ohm * g_max
    return max(1, int(np.log(LARGEST) / np.log(growth)))
