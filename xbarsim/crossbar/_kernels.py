"""Kernels of the line iteration (see ``_iteration``) and of the closed form, for passive arrays.

Ladders are eliminated as Norton equivalents (admittance, short-circuit current), which needs resistances and never
their inverse: a wire of zero ohm is exact. Kernels call each other one level deep at most, since a compiler goes over
whatever is called again with every caller; Python calls them in turn, and none holds the interpreter lock.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import LANES, load, multiply, multiply_add, scale, store, zeros

# LANES is the number of driven bit lines, or of trial modes, that are worked on side by side
SQUARE = LANES * LANES

Floats = NDArray[np.float64]


@kernel
def factor_lines(g: Floats, r_wl: float, r_bl: float, r_source: float, r_sink: float, lines: Floats) -> float:
    """Eliminate every ladder of one array; return a bound on the eigenvalues of a pass.

    ``lines`` (3, 2, rows, cols) receives, for word lines and for bit lines downwards and upwards, at each node,
    ``a = 1 / (1 + r y)`` and ``b = r a``, where ``y`` is the admittance looking away from the driver, from the sensor,
    and from the far end of the bit line, and ``r`` is the resistance of the step to the next node. The bound is the
    largest share of a voltage that word lines pick up from bit lines, times the same for bit lines.
    """
    rows, cols = g.shape
    word, down, up = lines[0], lines[1], lines[2]
    reached_word = 1.0
    for i in range(rows):
        y = 0.0
        reached = 1.0
        for k in range(cols - 1, -1, -1):
            y += g[i, k]
            r = r_wl if k > 0 else r_wl + r_source
            a = 1.0 / (1.0 + r * y)
            word[0, i, k] = a
            word[1, i, k] = r * a
            y *= a
            reached *= a
        reached_word = min(reached_word, reached)
    y_line = np.zeros(cols)
    for i in range(rows):
        r = r_bl if i < rows - 1 else r_bl + r_sink
        for k in range(cols):
            y = y_line[k] + g[i, k]
            a = 1.0 / (1.0 + r * y)
            down[0, i, k] = a
            down[1, i, k] = r * a
            y_line[k] = y * a
    reached_bit = 1.0
    for k in range(cols):
        reached = 1.0
        for i in range(rows):
            reached *= down[0, i, k]
        reached_bit = min(reached_bit, reached)
        y_line[k] = 1.0 / (r_bl + r_sink)
    for i in range(rows - 1, -1, -1):
        for k in range(cols):
            y = y_line[k] + g[i, k]
            # the far end has nothing beyond it: there b = 1 / y turns the Norton current into a voltage
            a = 1.0 / (1.0 + r_bl * y) if i > 0 else 0.0
            up[0, i, k] = a
            up[1, i, k] = r_bl * a if i > 0 else 1.0 / y
            y_line[k] = y * a
    return (1.0 - reached_word) * (1.0 - reached_bit)


@kernel
def clear(x: Floats, first: int, end: int) -> None:
    """Fill a part of a flat array with zeros."""
    for n in range(first, end):
        x[n] = 0.0


@kernel
def sweep(
    upwards: bool, is_last: bool, first: int, end: int, g: Floats, word: Floats, old: Floats, new: Floats,
    field: Floats, w: Floats, current: Floats, out: Floats,
) -> None:  # fmt: skip
    """Make one pass: finish the bit lines of the pass before, solve the word lines, start the bit lines of this pass.

    ``field`` (rows + 2, cols, lanes) holds, between two rows of zeros, the currents that bit lines carry in their
    elimination; ``old`` and ``new`` are the eliminations of the pass before and of this one; ``w`` and ``current``
    (cols, lanes) are the bit-line voltages and Norton currents of one row; all but the eliminations are flat. Bit
    lines outside ``first`` .. ``end - 1`` are known to be at zero volts. The last pass is wanted for its driver
    currents ``out`` (rows, lanes) alone.
    """
    rows, cols = g.shape
    zero = zeros(field, LANES)
    for step in range(rows):
        i = rows - 1 - step if upwards else step
        base = (i + 1) * len(w)
        last = base + len(w) if upwards else base - len(w)
        before = min(i + 1, rows - 1) if upwards else max(i - 1, 0)
        c = zero
        a = 0.0
        for k in range(end - 1, first - 1, -1):
            y = scale(old[1, i, k], load(field, base + k * LANES, zero))
            y = multiply_add(old[0, i, k], load(w, k * LANES, zero), y)
            store(w, k * LANES, y)
            c = multiply_add(a, c, scale(g[i, k], y))
            a = word[0, i, k]
            store(current, k * LANES, c)
        for k in range(first - 1, -1, -1):
            c = scale(a, c)
            a = word[0, i, k]
            store(current, k * LANES, c)
        store(out, i * LANES, scale(a, c))
        if is_last:
            continue
        u = zero
        for k in range(cols):
            u = multiply_add(word[1, i, k], load(current, k * LANES, zero), scale(word[0, i, k], u))
            x = multiply_add(new[0, before, k], load(field, last + k * LANES, zero), scale(g[i, k], u))
            store(field, base + k * LANES, x)


@kernel
def make_passes(
    start: int, count: int, columns: int, is_last: bool, g: Floats, lines: Floats, field: Floats, w: Floats,
    current: Floats, outs: Floats,
) -> None:  # fmt: skip
    """Make the passes ``start`` .. ``count - 1``; even ones go up the rows, odd ones down.

    Pass 0 drives the bit lines from ``columns[0]`` on, one a lane. ``outs[n]`` receives the driver currents of pass
    ``n``; with ``is_last`` the last one stores nothing else.
    """
    rows, cols = g.shape
    for n in range(start, count):
        first, end = 0, cols
        clear(w, 0, len(w))
        if n == 0:
            first = columns
            end = min(columns + LANES, cols)
            clear(current, 0, len(current))
            for i in range(1, rows + 1):
                clear(field, i * len(w) + first * LANES, i * len(w) + end * LANES)
            for k in range(first, end):
                w[k * LANES + k - first] = 1.0
        upwards = n % 2 == 0
        old = lines[1] if upwards else lines[2]
        new = lines[2] if upwards else lines[1]
        sweep(upwards, is_last and n == count - 1, first, end, g, lines[0], old, new, field, w, current, outs[n])


@kernel
def seed_modes(g: Floats, up: Floats, across: Floats, along: Floats, field: Floats) -> None:
    """Inject the currents ``g across along`` and eliminate the bit lines upwards.

    ``across`` (cols * modes) and ``along`` (rows * modes), flat, are the shapes of the trial modes.
    """
    rows, cols = g.shape
    zero = zeros(field, LANES)
    for i in range(rows - 1, -1, -1):
        before = min(i + 1, rows - 1)
        shape = load(along, i * LANES, zero)
        for k in range(cols):
            base = ((i + 1) * cols + k) * LANES
            x = scale(g[i, k], multiply(shape, load(across, k * LANES, zero)))
            store(field, base, multiply_add(up[0, before, k], load(field, base + cols * LANES, zero), x))


@kernel
def add_products(x: Floats, f: Floats, gram: Floats) -> None:
    """Add ``x^T f`` to ``gram`` (modes, modes) for one row of cells; ``x`` and ``f`` (cols, modes); all flat."""
    zero = zeros(gram, LANES)
    for column in range(0, LANES, 4):
        m = column * LANES
        c0 = load(gram, m, zero)
        c1 = load(gram, m + LANES, zero)
        c2 = load(gram, m + 2 * LANES, zero)
        c3 = load(gram, m + 3 * LANES, zero)
        for k in range(0, len(x), LANES):
            y = load(f, k, zero)
            c0 = multiply_add(x[k + column], y, c0)
            c1 = multiply_add(x[k + column + 1], y, c1)
            c2 = multiply_add(x[k + column + 2], y, c2)
            c3 = multiply_add(x[k + column + 3], y, c3)
        store(gram, m, c0)
        store(gram, m + LANES, c1)
        store(gram, m + 2 * LANES, c2)
        store(gram, m + 3 * LANES, c3)


@kernel
def sweep_modes(
    g: Floats, word: Floats, up: Floats, field: Floats, w: Floats, current: Floats, known: Floats, out: Floats,
    grams: Floats,
) -> None:  # fmt: skip
    """Make a downward pass over trial modes ``x`` and take the products that a Rayleigh-Ritz step needs.

    ``grams`` (2, modes * modes) receives ``x^T b x`` with ``b`` the matrix of the bit lines, and ``x^T b s x``. What
    the pass before injected into the bit lines, ``b x``, is recovered from its elimination, of which nothing is
    stored. ``known`` (cols, modes) is scratch; the other arguments are those of :func:`sweep`.
    """
    rows, cols = g.shape
    zero = zeros(field, LANES)
    clear(w, 0, len(w))
    clear(grams[0], 0, SQUARE)
    clear(grams[1], 0, SQUARE)
    for i in range(rows):
        base = (i + 1) * len(w)
        before = min(i + 1, rows - 1)
        c = zero
        a = 0.0
        for k in range(cols - 1, -1, -1):
            x = load(field, base + k * LANES, zero)
            store(known, k * LANES, multiply_add(-up[0, before, k], load(field, base + len(w) + k * LANES, zero), x))
            y = multiply_add(up[0, i, k], load(w, k * LANES, zero), scale(up[1, i, k], x))
            store(w, k * LANES, y)
            c = multiply_add(a, c, scale(g[i, k], y))
            a = word[0, i, k]
            store(current, k * LANES, c)
        store(out, i * LANES, scale(a, c))
        add_products(w, known, grams[0])
        u = zero
        for k in range(cols):
            u = multiply_add(word[1, i, k], load(current, k * LANES, zero), scale(word[0, i, k], u))
            store(known, k * LANES, scale(g[i, k], u))
        add_products(w, known, grams[1])


@kernel
def multiply_square(a: Floats, b: Floats, c: Floats) -> None:
    """Write ``a b`` to ``c``; ``b`` is square, all are flat and LANES wide; ``c`` may be ``a``."""
    zero = zeros(c, LANES)
    for r in range(0, len(a), LANES):
        y = zero
        for m in range(LANES):
            y = multiply_add(a[r + m], load(b, m * LANES, zero), y)
        store(c, r, y)


@kernel
def weigh_passes(highest: float, weights: Floats) -> None:
    """Write the weights of as many passes as there is room for.

    The polynomial ``p`` with ``p(1) = 1`` that is smallest on [0, highest] is Chebyshev's; the weighted sum of passes
    ``sum weights[k] s^k`` differs from ``1 / (1 - s)`` by ``p(s) / (1 - s)``.
    """
    count = len(weights)
    p = np.zeros(count + 1)
    p[0] = 1.0
    for n in range(count):
        root = 0.5 * highest * (1.0 + math.cos(math.pi * (n + 0.5) / count))
        for k in range(n + 1, 0, -1):
            p[k] = (p[k - 1] - root * p[k]) / (1.0 - root)
        p[0] *= -root / (1.0 - root)
    total = 0.0
    for k in range(count):
        total += p[k]
        weights[k] = 1.0 - total  # (1 - p) / (1 - s) by synthetic division


@kernel
def sum_passes(
    count: int, columns: int, weights: Floats, corrections: Floats, driven: Floats, sensed: Floats, outs: Floats,
    t: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Write the operator for the bit lines from ``columns`` on; return its largest entry and the last change.

    ``weights`` (2, passes) are those of ``count`` passes and of one pass fewer, ``corrections`` (2, modes) what each
    of the two sums misses of the modes, ``driven`` (rows * modes) and ``sensed`` (cols, modes) the modes' currents.
    """
    rows, cols = t.shape
    zero = zeros(driven, LANES)
    end = min(columns + LANES, cols)
    shares = np.zeros(2 * SQUARE)
    for k in range(columns, end):
        for m in range(LANES):
            shares[m * LANES + k - columns] = corrections[0, m] * sensed[k, m]
            shares[SQUARE + m * LANES + k - columns] = corrections[1, m] * sensed[k, m]
    largest = 0.0
    change = 0.0
    both = np.empty(2 * LANES)
    for i in range(rows):
        x = zero
        y = zero
        for n in range(count):
            z = load(outs[n], i * LANES, zero)
            x = multiply_add(weights[0, n], z, x)
            y = multiply_add(weights[1, n], z, y)
        for m in range(LANES):
            s = driven[i * LANES + m]
            x = multiply_add(s, load(shares, m * LANES, zero), x)
            y = multiply_add(s, load(shares, SQUARE + m * LANES, zero), y)
        store(both, 0, x)
        store(both, LANES, y)
        for k in range(columns, end):
            value = both[k - columns]
            t[i, k] = value
            largest = max(largest, abs(value))
            change = max(change, abs(value - both[LANES + k - columns]))
    return largest, change


@kernel
def closed_form(r_wl: float, r_bl: float, r_source: float, r_sink: float, g: Floats, t: Floats) -> None:
    """Write one array's closed form to ``t``: word line with grounded bit lines times bit line with given word lines.

    ``t[i, j]`` is ``g[i, j]`` times the share of the driver voltage that reaches the cell along its word line, times
    the share of the cell's current that leaves its bit line through the sensor.
    """
    share = np.empty(g.shape)
    rows, cols = g.shape
    for i in range(rows):
        y = 0.0
        for k in range(cols - 1, -1, -1):
            y += g[i, k]
            t[i, k] = 1.0 / (1.0 + (r_wl if k > 0 else r_wl + r_source) * y)
            y *= t[i, k]
        for k in range(1, cols):
            t[i, k] *= t[i, k - 1]
    for k in range(cols):
        share[0, k] = 0.0  # admittance of the line above the first row
    for i in range(rows):
        r = r_bl if i < rows - 1 else r_bl + r_sink
        for k in range(cols):
            y = share[i, k] + g[i, k]
            a = 1.0 / (1.0 + r * y)
            share[i, k] = a
            if i < rows - 1:
                share[i + 1, k] = y * a
    for i in range(rows - 1, -1, -1):
        for k in range(cols):
            if i < rows - 1:
                share[i, k] *= share[i + 1, k]
            t[i, k] *= g[i, k] * share[i, k]
