"""Kernels of line iteration on scaled lines: in float64 (``_iteration``), or float32 from some pass on (``_quick``).

Voltages and currents of a line are scaled by what its ladder passes on from its terminal, so that a node costs two
multiply-adds: from the far end, the scaled current ``C += m w``, and from the terminal the scaled voltage ``U += h C``.
Two rows are worked on at a time, ``SIDE`` driven bit lines (the lanes) side by side. Rows and columns that are missing
to a whole number of pairs and of lanes have coefficients of zero, with which they pass on what they are given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import LANES, address, load, multiply, multiply_add, peek, store, zeros

SIDE = 8
"""Driven bit lines that are worked on side by side: with more, their fields leave the cache. Our choice [-]."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@kernel
def scale_lines(g: Floats, lines: Floats, scaled: Floats) -> float:
    """Scale eliminated ladders, ``lines`` as of ``factor_lines``; return the smallest share that any ladder passes on.

    ``scaled`` (5, rows, cols), padded with zeros, receives, of every node: the voltage that a scaled current makes, on
    word lines and on bit lines eliminated downwards and upwards, and what of a scaled bit-line voltage in these two
    its cell takes to the word line, as of a scaled word-line voltage to the bit line.
    """
    rows, cols = g.shape
    word, down, up = lines[0], lines[1], lines[2]
    least = 1.0
    share = np.ones(cols)
    for i in range(rows - 1, -1, -1):
        across = 1.0
        for k in range(cols):
            share[k] *= down[0, i, k]
            across *= word[0, i, k]
            scaled[0, i, k] = word[1, i, k] / (across * across)
            scaled[1, i, k] = down[1, i, k] / (share[k] * share[k])
            scaled[3, i, k] = share[k] * g[i, k] * across
            scaled[4, i, k] = g[i, k] * across
            least = min(least, min(share[k], across))
    share[:] = 1.0
    for i in range(rows):
        for k in range(cols):
            if i > 0:
                share[k] *= up[0, i, k]
            scaled[2, i, k] = up[1, i, k] / (share[k] * share[k])
            scaled[4, i, k] *= share[k]
            least = min(least, share[k])
    return least


@kernel
def start_block(first: int, reached: Floats | Singles, scaled: Floats | Singles, field: Floats | Singles) -> None:
    """Drive the bit lines from ``first`` on with 1 V, solve word lines, and start bit lines, upwards: pass 0.

    ``reached`` (lanes, lanes), flat, is 1 where a current into the bit line of a lane (the contiguous axis) flows past
    the node of another. ``field`` (rows + 2, cols, lanes), flat, receives scaled currents of bit lines between two
    rows of zeros.
    """
    rows, cols = scaled.shape[1:]
    width = cols * SIDE
    zero = zeros(field, SIDE)
    h, source, m = address(scaled[0]), address(scaled[3]), address(scaled[4])
    kept, part = address(field), address(reached)
    for i in range(rows - 1, -1, -2):
        at, before, here = i * cols, (i - 1) * cols, (i + 1) * width
        c, d = load(source, at + first, zero), load(source, before + first, zero)
        u, v = zero, zero
        for k in range(first):
            u = multiply_add(peek(h, at + k), c, u)
            v = multiply_add(peek(h, before + k), d, v)
            x = multiply_add(peek(m, at + k), u, load(kept, here + width + k * SIDE, zero))
            store(kept, here + k * SIDE, x)
            store(kept, here - width + k * SIDE, multiply_add(peek(m, before + k), v, x))
        for k in range(first, first + SIDE):
            share = load(part, (k - first) * SIDE, zero)
            u = multiply_add(peek(h, at + k), multiply(share, c), u)
            v = multiply_add(peek(h, before + k), multiply(share, d), v)
            x = multiply_add(peek(m, at + k), u, load(kept, here + width + k * SIDE, zero))
            store(kept, here + k * SIDE, x)
            store(kept, here - width + k * SIDE, multiply_add(peek(m, before + k), v, x))
        for k in range(first + SIDE, cols):
            x = multiply_add(peek(m, at + k), u, load(kept, here + width + k * SIDE, zero))
            store(kept, here + k * SIDE, x)
            store(kept, here - width + k * SIDE, multiply_add(peek(m, before + k), v, x))


@kernel
def turn_block(
    scaled: Floats, rounded: Singles, exact: Floats, w: Floats, current: Floats, field: Singles, light: Singles,
    out: Floats,
) -> None:  # fmt: skip
    """Finish pass 0 in float64, and make pass 1, downwards: driver currents in float64, the field in float32.

    ``exact`` (rows + 2, cols, lanes) is the field of :func:`start_block`, ``field`` receives that of this pass;
    ``rounded`` is ``scaled`` in float32; ``out`` (rows, lanes) receives the currents of drivers, relative to 1 V. ``w``
    (cols, lanes), ``current`` and ``light`` (cols, 2, lanes) are scratch; all are flat but the coefficients.
    """
    rows, cols = scaled.shape[1:]
    width = cols * SIDE
    zero, none = zeros(exact, SIDE), zeros(field, SIDE)
    h_bit, m_bit = address(scaled[2]), address(scaled[4])
    h_word, m_word = address(rounded[0]), address(rounded[3])
    old, kept, volt, flow, driver = address(exact), address(field), address(w), address(current), address(out)
    pushed = address(light)
    for k in range(cols):
        store(volt, k * SIDE, zero)
    for i in range(0, rows, 2):
        at, after, here = i * cols, (i + 1) * cols, (i + 1) * width
        c, d = zero, zero
        for k in range(cols - 1, -1, -1):
            y = multiply_add(peek(h_bit, at + k), load(old, here + k * SIDE, zero), load(volt, k * SIDE, zero))
            c = multiply_add(peek(m_bit, at + k), y, c)
            y = multiply_add(peek(h_bit, after + k), load(old, here + width + k * SIDE, zero), y)
            d = multiply_add(peek(m_bit, after + k), y, d)
            store(volt, k * SIDE, y)
            store(flow, 2 * k * SIDE, c)
            store(flow, (2 * k + 1) * SIDE, d)
        store(driver, i * SIDE, c)
        store(driver, (i + 1) * SIDE, d)
        for n in range(2 * width):
            light[n] = current[n]
        u, v = none, none
        for k in range(cols):
            u = multiply_add(peek(h_word, at + k), load(pushed, 2 * k * SIDE, none), u)
            v = multiply_add(peek(h_word, after + k), load(pushed, (2 * k + 1) * SIDE, none), v)
            x = multiply_add(peek(m_word, at + k), u, load(kept, here - width + k * SIDE, none))
            store(kept, here + k * SIDE, x)
            store(kept, here + width + k * SIDE, multiply_add(peek(m_word, after + k), v, x))


@kernel
def sweep_pairs(
    upwards: bool, is_last: bool, apart: int, scaled: Floats | Singles, w: Floats | Singles, field: Floats | Singles,
    current: Floats | Singles, out: Floats | Singles,
) -> None:  # fmt: skip
    """Make one pass: finish the bit lines of the pass before, solve word lines, start bit lines.

    The arguments are those of :func:`turn_block`, of one type; rows of ``out`` lie ``apart`` values from one another.
    The last pass is wanted for the currents of drivers.
    """
    rows, cols = scaled.shape[1:]
    width, way = cols * SIDE, -1 if upwards else 1
    ahead, along = way * width, way * cols
    zero = zeros(field, SIDE)
    h_word, h_bit = address(scaled[0]), address(scaled[1 if upwards else 2])
    m_bit, m_word = address(scaled[3 if upwards else 4]), address(scaled[4 if upwards else 3])
    kept, volt, flow, driver = address(field), address(w), address(current), address(out)
    for k in range(cols):
        store(volt, k * SIDE, zero)
    for step in range(0, rows, 2):
        i = rows - 1 - step if upwards else step
        at, here = i * cols, (i + 1) * width
        c, d = zero, zero
        for k in range(cols - 1, -1, -1):
            y = multiply_add(peek(h_bit, at + k), load(kept, here + k * SIDE, zero), load(volt, k * SIDE, zero))
            c = multiply_add(peek(m_bit, at + k), y, c)
            y = multiply_add(peek(h_bit, at + along + k), load(kept, here + ahead + k * SIDE, zero), y)
            d = multiply_add(peek(m_bit, at + along + k), y, d)
            store(volt, k * SIDE, y)
            store(flow, 2 * k * SIDE, c)
            store(flow, (2 * k + 1) * SIDE, d)
        store(driver, i * apart, c)
        store(driver, (i + way) * apart, d)
        if is_last:
            continue
        u, v = zero, zero
        for k in range(cols):
            u = multiply_add(peek(h_word, at + k), load(flow, 2 * k * SIDE, zero), u)
            v = multiply_add(peek(h_word, at + along + k), load(flow, (2 * k + 1) * SIDE, zero), v)
            x = multiply_add(peek(m_word, at + k), u, load(kept, here - ahead + k * SIDE, zero))
            store(kept, here + k * SIDE, x)
            store(kept, here + ahead + k * SIDE, multiply_add(peek(m_word, at + along + k), v, x))


@kernel
def make_pairs(
    count: int, first: int, reached: Floats, scaled: Floats, field: Floats, w: Floats, current: Floats, outs: Floats
) -> None:
    """Make ``count`` passes in float64 for LANES bit lines from ``first`` on, SIDE after SIDE.

    ``outs[n]`` (rows, LANES) receives the driver currents of pass ``n``; the other arguments are those of
    :func:`start_block` and :func:`sweep_pairs`.
    """
    rows, cols = scaled.shape[1:]
    for part in range(0, min(LANES, cols - first), SIDE):
        start_block(first + part, reached, scaled, field)
        for i in range(rows):
            for lane in range(SIDE):
                outs[0, i * LANES + part + lane] = scaled[3, i, first + part + lane]
        for n in range(1, count):
            sweep_pairs(n % 2 == 0, n == count - 1, LANES, scaled, w, field, current, outs[n, part:])


@kernel
def add_passes(
    first: int, rounded_from: int, weights: Floats, scaled: Floats, second: Floats, others: Singles, found: Floats,
    t: Floats,
) -> None:  # fmt: skip
    """Write the operator for the bit lines from ``first`` on.

    ``weights`` (2, passes) are those of all passes and of one pass fewer; pass 0 is in ``scaled``, pass 1 is
    ``second`` (rows, lanes), flat, where passes are rounded from 2 on, and ``others`` (passes - 1, rows * lanes) are
    the passes from 1 on. ``found`` (3,) is raised to the largest entry, the last change, and what rounded passes add
    to an entry, where these are larger.
    """
    rows, cols = t.shape
    passes = weights.shape[1]
    for i in range(rows):
        for k in range(first, min(first + SIDE, cols)):
            lane = i * SIDE + k - first
            value, shorter = weights[0, 0] * scaled[3, i, k], weights[1, 0] * scaled[3, i, k]
            if rounded_from == 2:
                value += weights[0, 1] * second[lane]
                shorter += weights[1, 1] * second[lane]
            light = 0.0
            for n in range(rounded_from, passes):
                light += weights[0, n] * others[n - 1, lane]
                shorter += weights[1, n] * others[n - 1, lane]
            value += light
            t[i, k] = value
            found[0] = max(found[0], abs(value))
            found[1] = max(found[1], abs(value - shorter))
            found[2] = max(found[2], abs(light))


@kernel
def solve_blocks(
    allowed: float, weights: Floats, scaled: Floats, rounded: Singles, exact: Floats, field: Singles, lines: Floats,
    light: Singles, outs: Singles, found: Floats, t: Floats,
) -> None:  # fmt: skip
    """Solve one array, one block of bit lines after the other, in float32 from pass 1 on, or from pass 2 on.

    Passes are rounded from 2 on as soon as rounded ones add more than ``allowed`` to an entry. ``weights``,
    ``scaled``, ``found`` and ``t`` are those of :func:`add_passes`, of two passes at least; ``exact`` and ``field``
    (rows + 2, cols, lanes), flat, hold the fields between rows of zeros; ``lines`` ((rows + 3 cols) lanes,), ``light``
    (3 cols lanes,) and ``outs`` (passes - 1 or more, rows * lanes) are scratch.
    """
    rows, cols = scaled.shape[1:]
    passes = weights.shape[1]
    width = cols * SIDE
    for n in range(len(scaled)):
        for i in range(rows):
            for k in range(cols):
                rounded[n, i, k] = scaled[n, i, k]
    reached, reached_light = np.zeros(SIDE * SIDE), np.zeros(SIDE * SIDE, dtype=np.float32)
    for k in range(SIDE):
        for lane in range(k, SIDE):
            reached[k * SIDE + lane] = reached_light[k * SIDE + lane] = 1.0
    rounded_from = 1
    first = 0
    while first < cols:
        if rounded_from == 2:
            start_block(first, reached, scaled, exact)
            turn_block(
                scaled, rounded, exact, lines[:width], lines[width : 3 * width], field, light, lines[3 * width :]
            )
        else:
            start_block(first, reached_light, rounded, field)
        for n in range(rounded_from, passes):
            sweep_pairs(
                n % 2 == 0, n == passes - 1, SIDE, rounded, light[2 * width :], field, light[: 2 * width], outs[n - 1]
            )
        before = found[2]
        add_passes(first, rounded_from, weights, scaled, lines[3 * width :], outs, found, t)
        if rounded_from == 1 and found[2] > allowed:
            rounded_from, found[2] = 2, before
        else:
            first += SIDE
