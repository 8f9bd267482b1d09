"""Kernels of certificates: arrays solved for random drives by relaxing word lines and bit lines in turn.

Drives stand side by side, ``DRIVES`` values a node. Lines of ohmic cells are eliminated once for all drives and passes:
a node's voltage is ``a`` times that of the node before it (on a word line; behind it on a bit line) plus ``b`` times
the current that flows in from all nodes further from the terminal. This code shares nothing with that of the operator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import address, larger, load, multiply_add, peek, scale, store, zeros

DRIVES = 8
"""Random drives of a certificate, side by side [-]."""
SIDE = 4
"""Word lines that are eliminated side by side. Measured: 3.5 ns a cell, 7.7 with one, 8 with eight at 256 x 256 [-]."""
SLOWEST = 0.6
"""Slowest eigenvalue of a pass, relative to its bound, that Chebyshev's steps are made for. Our choice: slower ones
converge as well, and are rare."""

ABOVE, BELOW = 1.05, 0.8
"""The same where an array of equal cells has more: relative to its slowest eigenvalue, or to what this lacks of 1 where
that is less. Measured: 22 passes for 256 x 256 random cells of 1 to 100 uS, 27 with 1.2 and 30 with 0.93 [-]."""
ROUNDING = 1e-16
"""Strays, relative to the conductance of all cells times the largest voltage, from which on no step goes beyond what
lines come to. Measured: with Chebyshev's steps, rounding leaves 0.1e-16 to 0.5e-16 for equal cells [-]."""
QUARTER = 0.25 * np.pi**2
"""Square of the phase along a quarter of a wave [-]."""

Floats = NDArray[np.float64]


@kernel
def eliminate_lines(
    g: Floats, r_wl: float, r_bl: float, r_source: float, r_sink: float, word: Floats, bit: Floats
) -> tuple[float, float]:
    """Eliminate word lines from their far ends and bit lines from row 0; return bounds.

    ``word`` and ``bit`` (2, rows, cols) receive the factors ``a`` and ``b`` of every node. If all bit lines rise by
    1 V, no word line rises by more than the first share, and the reverse: a pass leaves at most their product, the
    first bound. A single bit line raises word lines by at most ``R g / (1 + R g)`` of its voltage, ``R`` the
    resistance to the driver. If one sensor rises by 1 V, no word line rises by more than this over 1 minus the
    product, or than the first share; by reciprocity no larger part of a current into a word line reaches that sensor,
    the second bound.
    """
    rows, cols = g.shape
    most_word, most_bit, single = 0.0, 0.0, 0.0
    y, left = np.empty(SIDE), np.empty(SIDE)
    for first in range(0, rows, SIDE):  # several lines at a time, since divisions of one wait for one another
        y[:] = 0.0
        left[:] = 1.0
        for k in range(cols - 1, -1, -1):
            far = r_source + (k + 1) * r_wl
            r = r_wl + (r_source if k == 0 else 0.0)
            for i in range(first, min(first + SIDE, rows)):
                n = i - first
                y[n] += g[i, k]
                a = 1.0 / (1.0 + r * y[n])
                word[0, i, k] = a
                word[1, i, k] = r * a
                y[n] *= a
                left[n] *= a
                single = max(single, g[i, k] * far)
        for n in range(min(SIDE, rows - first)):
            most_word = max(most_word, 1.0 - left[n])
    load_of, left_of = np.zeros(cols), np.ones(cols)
    for i in range(rows):
        r = r_bl + (r_sink if i == rows - 1 else 0.0)
        for k in range(cols):
            y = load_of[k] + g[i, k]
            a = 1.0 / (1.0 + r * y)
            bit[0, i, k] = a
            bit[1, i, k] = r * a
            load_of[k] = y * a
            left_of[k] *= a
    for k in range(cols):
        most_bit = max(most_bit, 1.0 - left_of[k])
    most = most_word * most_bit
    picked = min(most_word, single / (1.0 + single) / (1.0 - most)) if most < 1.0 else most_word
    return most, picked


@kernel
def relax_drives(
    g: Floats, word: Floats, bit: Floats, step: float, momentum: float, v: Floats, now: Floats, before: Floats,
    pushed: Floats, line: Floats, flow: Floats, stray: Floats,
) -> None:  # fmt: skip
    """Make one pass: solve word lines at the bit-line voltages ``now``, then bit lines, and take a step beyond.

    ``v`` (rows * DRIVES,) holds the voltages of drivers, ``now`` and ``before`` (rows * cols * DRIVES,) those of bit
    lines in this pass and in the one before; ``before`` receives those of the next pass. ``flow`` (cols * DRIVES,)
    receives the sensed currents, ``stray`` (DRIVES,) the sum of what word lines take their cells to carry beside what
    bit lines do. ``pushed`` (rows * cols * DRIVES,) and ``line`` (cols * DRIVES,) are scratch.
    """
    rows, cols = g.shape
    zero = zeros(v, DRIVES)
    volt, cells = address(v), address(g)
    word_a, word_b, bit_a, bit_b = address(word[0]), address(word[1]), address(bit[0]), address(bit[1])
    mine, last, push, behind, into = address(now), address(before), address(pushed), address(line), address(flow)
    for k in range(cols):
        store(into, k * DRIVES, zero)
    for i in range(rows):
        at = i * cols
        x = zero
        for k in range(cols - 1, -1, -1):
            x = multiply_add(peek(cells, at + k), load(mine, (at + k) * DRIVES, zero), x)
            store(behind, k * DRIVES, scale(peek(word_b, at + k), x))
            x = scale(peek(word_a, at + k), x)
        u = load(volt, i * DRIVES, zero)
        for k in range(cols):
            u = multiply_add(peek(word_a, at + k), u, load(behind, k * DRIVES, zero))
            x = multiply_add(peek(cells, at + k), u, load(into, k * DRIVES, zero))
            store(push, (at + k) * DRIVES, scale(peek(bit_b, at + k), x))
            store(into, k * DRIVES, scale(peek(bit_a, at + k), x))
    for k in range(cols):
        store(behind, k * DRIVES, zero)
    total = zero
    for i in range(rows - 1, -1, -1):
        at = i * cols
        for k in range(cols):
            here = (at + k) * DRIVES
            w = multiply_add(peek(bit_a, at + k), load(behind, k * DRIVES, zero), load(push, here, zero))
            store(behind, k * DRIVES, w)
            old = load(mine, here, zero)
            move = multiply_add(-1.0, old, w)
            change = multiply_add(-1.0, load(last, here, zero), old)
            store(last, here, multiply_add(momentum, change, multiply_add(step, move, old)))
            total = multiply_add(peek(cells, at + k), larger(move, scale(-1.0, move)), total)
    store(stray, 0, total)


@kernel
def check_currents(
    g: Floats, ohms: Floats, v: Floats, claimed: Floats, enough: float, least: float, limit: int, factors: Floats,
    fields: Floats, lines: Floats, found: Floats,
) -> int:  # fmt: skip
    """Solve one array for the drives ``v`` (rows * DRIVES,) until their strays are small; return the passes, 0 if not.

    Strays are small when what of them can reach a sensor is ``enough`` times the largest difference from the currents
    ``claimed`` (cols * DRIVES,), or ``least`` [A]. ``ohms`` are segments of word lines and of bit lines, drivers and
    sensors. ``found`` (3,) receives the largest difference, what of strays can reach a sensor, and the largest
    current. ``factors`` (2, 2, rows, cols), ``fields`` (3, rows * cols * DRIVES) and ``lines`` (3, cols * DRIVES) are
    scratch.
    """
    most, picked = eliminate_lines(g, ohms[0], ohms[1], ohms[2], ohms[3], factors[0], factors[1])
    rows, cols = g.shape
    total, highest = 0.0, 0.0
    for i in range(rows):
        for k in range(cols):
            total += g[i, k]
    for k in range(len(v)):
        highest = max(highest, abs(v[k]))
    mean = total / g.size
    word, bit = mean * (ohms[0] * cols + 2.0 * ohms[2]) * cols, mean * (ohms[1] * rows + 2.0 * ohms[3]) * rows
    even = word / (word + QUARTER) * bit / (bit + QUARTER)  # the slowest mode of equal cells
    left = max(SLOWEST * most, min(ABOVE * even, 1.0 - BELOW * (1.0 - even), most))
    share, weight, step, momentum = left / (2.0 - left), 1.0, 2.0 / (2.0 - left), 0.0
    floor = max(8.0 * least, picked * ROUNDING * total * highest)
    fields[0] = 0.0
    fields[1] = 0.0
    stray, flow = lines[2], lines[1]
    now, is_near = 0, False
    for n in range(limit):
        if n > 0 and not is_near:
            weight = 1.0 / (1.0 - 0.25 * share * share * (2.0 if n == 1 else weight))
            step, momentum = weight * 2.0 / (2.0 - left), weight - 1.0
        relax_drives(
            g, factors[0], factors[1], step, momentum, v, fields[now], fields[1 - now], fields[2], lines[0], flow, stray
        )
        now = 1 - now
        found[:] = 0.0
        for m in range(DRIVES):
            found[1] = max(found[1], picked * stray[m])
        for k in range(len(claimed)):
            found[0] = max(found[0], abs(claimed[k] - flow[k]))
            found[2] = max(found[2], abs(flow[k]))
        if found[1] <= max(enough * found[0], least):
            return n + 1
        if found[1] <= floor:  # steps beyond would feed on rounding
            is_near, step, momentum = True, 1.0, 0.0
    return 0
