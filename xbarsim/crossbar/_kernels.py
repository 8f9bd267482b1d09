"""Line iteration for the transfer operator of passive arrays.

By reciprocity ``t[i, j]`` is the current that leaves word line ``i`` when bit line ``j`` alone is driven with 1 V at
its sensor. Word lines are independent ladders once the bit-line voltages are known, and the reverse. One pass solves
every word line and then every bit line, for ``LANES`` driven bit lines side by side (the contiguous axis); it applies
an operator ``s`` whose eigenvalues lie in [0, 1), and the answer is the sum over all passes of the driver currents.

* Ladders are eliminated as Norton equivalents (admittance, short-circuit current), which needs resistances and never
  their inverse: a wire of zero ohm is exact.
* A sweep walks the rows in one direction, finishes the bit-line solve of the pass before and starts its own, so that
  the field is read and written once per pass; the next sweep walks back.
* Only outputs are combined, never fields: the sum is cut after a few passes, and weights from a Chebyshev polynomial
  make up for the rest. The few slow, smooth eigenvectors are found once per array by subspace iteration (``modes``)
  and summed to infinity exactly; by reciprocity their share in a driven bit line is its sensor current, so that this
  costs O(rows cols) as well.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from xbarsim._numba import kernel, parallel_kernel
from xbarsim.crossbar._lanes import load, multiply_add, scale, store, zero_lanes

LANES = 16
"""Driven bit lines, or trial modes, that are worked on side by side [-]."""
STRONG = 0.9
"""Bound on the eigenvalues from which on modes are iterated three times as long [-]."""
MOST_PASSES = 24
SQUARE = LANES * LANES
CUTOFF = 1e-13
"""Modes whose part orthogonal to the modes before is smaller than this are left out, relative, squared [-]."""


@kernel
def clear(x):
    """Fill a flat array with zeros."""
    for n in range(len(x)):
        x[n] = 0.0


@kernel
def factor_lines(g, r_wl, r_bl, r_source, r_sink, word, down, up):
    """Eliminate every ladder of one array; return a bound on the eigenvalues of a pass.

    ``word``, ``down`` and ``up`` (2, rows, cols) receive, for each node, ``a = 1 / (1 + r y)`` and ``b = r a``, where
    ``y`` is the admittance looking away from the driver, from the sensor, and from the far end of the bit line, and
    ``r`` is the resistance of the step to the next node. The bound is the largest share of a voltage that word lines
    pick up from bit lines, times the same for bit lines.
    """
    rows, cols = g.shape
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
    y_line = np.empty(cols)
    clear(y_line)
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
def finish_bit_lines(i, old, field, w):
    """Advance the bit-line voltages ``w`` (cols, lanes) to row ``i``."""
    cols = old.shape[2]
    base = i * len(w)
    for k in range(cols):
        x = scale(old[1, i, k], load(field, base + k * LANES))
        store(w, k * LANES, multiply_add(old[0, i, k], load(w, k * LANES), x))


@kernel
def solve_word_line(i, first, end, g, word, w, current):
    """Eliminate word line ``i``: write its Norton currents, return the driver current.

    Bit lines outside ``first`` .. ``end - 1`` are known to be at zero volts.
    """
    c = zero_lanes()
    a = 0.0
    for k in range(end - 1, first - 1, -1):
        c = multiply_add(a, c, scale(g[i, k], load(w, k * LANES)))
        a = word[0, i, k]
        store(current, k * LANES, c)
    for k in range(first - 1, -1, -1):
        c = scale(a, c)
        a = word[0, i, k]
        store(current, k * LANES, c)
    return scale(a, c)


@kernel
def start_bit_lines(i, before, end, g, word, new, current, field):
    """Word-line voltages of row ``i`` from its Norton currents; eliminate the bit lines up to this row.

    ``before`` is the row eliminated just before, or negative at the first one. ``current`` is zero from ``end`` on.
    """
    cols = g.shape[1]
    base = i * len(current)
    last = before * len(current)
    u = zero_lanes()
    for k in range(cols):
        u = scale(word[0, i, k], u)
        if k < end:
            u = multiply_add(word[1, i, k], load(current, k * LANES), u)
        x = scale(g[i, k], u)
        if before >= 0:
            x = multiply_add(new[0, before, k], load(field, last + k * LANES), x)
        store(field, base + k * LANES, x)


@kernel
def sweep_first(first, g, word, down, up, field, w, current, out):
    """Drive the bit lines from ``first`` on, one a lane, and make the first pass, upwards."""
    rows, cols = g.shape
    end = min(first + LANES, cols)
    for k in range(first, end):
        store(w, k * LANES, zero_lanes())
        w[k * LANES + k - first] = 1.0
    for i in range(rows - 1, -1, -1):
        for k in range(first, end):
            w[k * LANES + k - first] *= down[0, i, k]
        store(out, i * LANES, solve_word_line(i, first, end, g, word, w, current))
        start_bit_lines(i, i + 1 if i + 1 < rows else -1, end, g, word, up, current, field)


@kernel
def sweep_next(upwards, g, word, old, new, field, w, current, out):
    """Make one pass; ``old`` and ``new`` are the bit-line eliminations of the pass before and of this one."""
    rows, cols = g.shape
    clear(w)
    for step in range(rows):
        i = rows - 1 - step if upwards else step
        before = -1 if step == 0 else (i + 1 if upwards else i - 1)
        finish_bit_lines(i, old, field, w)
        store(out, i * LANES, solve_word_line(i, 0, cols, g, word, w, current))
        start_bit_lines(i, before, cols, g, word, new, current, field)


@kernel
def sweep_last(upwards, g, word, old, field, w, current, out):
    """Make a pass that only the driver currents are wanted of."""
    rows, cols = g.shape
    clear(w)
    for step in range(rows):
        i = rows - 1 - step if upwards else step
        finish_bit_lines(i, old, field, w)
        store(out, i * LANES, solve_word_line(i, 0, cols, g, word, w, current))


@kernel
def add_products(x, f, gram):
    """Add ``x^T f`` to ``gram`` (modes, modes) for one row of cells; ``x`` and ``f`` (cols, modes); all flat."""
    for m in range(0, SQUARE, 4 * LANES):
        column = m // LANES
        c0 = load(gram, m)
        c1 = load(gram, m + LANES)
        c2 = load(gram, m + 2 * LANES)
        c3 = load(gram, m + 3 * LANES)
        for k in range(0, len(x), LANES):
            y = load(f, k)
            c0 = multiply_add(x[k + column], y, c0)
            c1 = multiply_add(x[k + column + 1], y, c1)
            c2 = multiply_add(x[k + column + 2], y, c2)
            c3 = multiply_add(x[k + column + 3], y, c3)
        store(gram, m, c0)
        store(gram, m + LANES, c1)
        store(gram, m + 2 * LANES, c2)
        store(gram, m + 3 * LANES, c3)


@kernel
def sweep_modes(g, word, up, field, w, current, known, out, gram, gram_next):
    """Make a downward pass over trial modes ``x`` and take the products that a Rayleigh-Ritz step needs.

    ``gram`` is ``x^T b x`` with ``b`` the matrix of the bit lines, ``gram_next`` is ``x^T b s x``. What the pass
    before injected into the bit lines, ``b x``, is recovered from its elimination, of which nothing is stored.
    """
    rows, cols = g.shape
    clear(w)
    clear(gram)
    clear(gram_next)
    for i in range(rows):
        base = i * cols * LANES
        for k in range(cols):
            x = load(field, base + k * LANES)
            if i + 1 < rows:
                beyond = load(field, base + (cols + k) * LANES)
                x = multiply_add(-up[0, i + 1, k], beyond, x)
            store(known, k * LANES, x)
        finish_bit_lines(i, up, field, w)
        add_products(w, known, gram)
        store(out, i * LANES, solve_word_line(i, 0, cols, g, word, w, current))
        u = zero_lanes()
        for k in range(cols):
            u = multiply_add(word[1, i, k], load(current, k * LANES), scale(word[0, i, k], u))
            store(known, k * LANES, scale(g[i, k], u))
        add_products(w, known, gram_next)


@kernel
def pick_modes(count, rows, cols, load_word, load_bit, picked):
    """Choose the ``count`` slowest products of half-wave sines of a uniform array; ``picked`` (count, 2) int64.

    ``load_word`` and ``load_bit`` are wire resistance times conductance of a whole line.
    """
    high = min(cols, 24)
    long = min(rows, 24)
    speed = np.empty(high * long)
    for n in range(high * long):
        x = math.pi * (n // long + 0.5)
        y = math.pi * (n % long + 0.5)
        speed[n] = load_word / (load_word + x * x) * load_bit / (load_bit + y * y)
    for n in range(count):
        best = 0
        for m in range(high * long):
            if speed[m] > speed[best]:
                best = m
        picked[n, 0] = best // long
        picked[n, 1] = best % long
        speed[best] = -1.0


@kernel
def seed_modes(g, load_word, load_bit, up, field, trial):
    """Inject currents shaped like the modes of a uniform array, and eliminate the bit lines upwards."""
    rows, cols = g.shape
    picked = np.empty((LANES, 2), np.int64)
    pick_modes(LANES, rows, cols, load_word, load_bit, picked)
    for k in range(cols):
        for m in range(LANES):
            trial[k * LANES + m] = math.sin((picked[m, 0] + 0.5) * math.pi * (k + 1) / (cols + 0.5))
    along = np.empty(LANES)
    for i in range(rows - 1, -1, -1):
        for m in range(LANES):
            along[m] = math.sin((picked[m, 1] + 0.5) * math.pi * (rows - i) / (rows + 0.5))
        for k in range(cols):
            for m in range(LANES):
                x = g[i, k] * along[m] * trial[k * LANES + m]
                if i + 1 < rows:
                    x += up[0, i + 1, k] * field[((i + 1) * cols + k) * LANES + m]
                field[(i * cols + k) * LANES + m] = x


@kernel
def multiply(count, a, b, c):
    """Write ``a b`` to ``c``; ``a`` (count, modes), ``b`` and ``c`` ``modes`` wide; all flat."""
    for r in range(count):
        y = zero_lanes()
        for m in range(LANES):
            y = multiply_add(a[r * LANES + m], load(b, m * LANES), y)
        store(c, r * LANES, y)


@kernel
def transpose(a, b):
    """Write the transposed of the flat square ``a`` to ``b``."""
    for m in range(LANES):
        for n in range(LANES):
            b[n * LANES + m] = a[m * LANES + n]


@kernel
def orthonormalise(gram, lower, rotation):
    """Write the rotation that makes modes with products ``gram`` orthonormal, in their order; all flat squares.

    Modes are scaled alike first, since slow ones have outgrown the others; one that hardly differs from those before
    it becomes a zero row.
    """
    clear(rotation)
    clear(lower)
    for m in range(LANES):
        size = gram[m * LANES + m]
        rotation[m * LANES + m] = 1.0 / math.sqrt(size) if size > 0.0 else 0.0
    for c in range(LANES):
        scale_c = rotation[c * LANES + c]
        for r in range(c, LANES):
            x = 0.5 * (gram[r * LANES + c] + gram[c * LANES + r]) * scale_c * rotation[r * LANES + r]
            for m in range(c):
                x -= lower[r * LANES + m] * lower[c * LANES + m]
            if r == c:
                lower[r * LANES + r] = math.sqrt(x) if x > CUTOFF else 0.0
            elif lower[c * LANES + c] > 0.0:
                lower[r * LANES + c] = x / lower[c * LANES + c]
    for r in range(LANES):
        y = load(rotation, r * LANES)
        for m in range(r):
            y = multiply_add(-lower[r * LANES + m], load(rotation, m * LANES), y)
        pivot = lower[r * LANES + r]
        store(rotation, r * LANES, scale(1.0 / pivot if pivot > 0.0 else 0.0, y))


@kernel
def find_modes(rounds, g, r_end, lines, load_word, load_bit, field, w, current, operator, driven, sensed):
    """Find the slow modes of one array; return the largest and (about) the smallest eigenvalue among them.

    Subspace iteration: each round makes four passes and takes the products of a Rayleigh-Ritz step; between rounds
    the modes are made orthonormal. ``operator`` (modes, modes) receives a pass restricted to the modes, in an
    orthonormal basis; ``driven`` (rows, modes) and ``sensed`` (cols, modes) the driver and sensor currents of that
    basis; all flat. Dropped modes are zero. ``r_end`` is the resistance from the last row to ground.
    """
    rows, cols = g.shape
    word, down, up = lines[0], lines[1], lines[2]
    out = np.empty(rows * LANES)
    known = np.empty(cols * LANES)
    gram = np.empty(SQUARE)
    product = np.empty(SQUARE)
    rotation = np.empty(SQUARE)
    turned = np.empty(SQUARE)
    seed_modes(g, load_word, load_bit, up, field, w)
    for done in range(rounds):
        for _ in range(2):
            sweep_next(False, g, word, up, down, field, w, current, out)
            sweep_next(True, g, word, down, up, field, w, current, out)
        sweep_modes(g, word, up, field, w, current, known, out, gram, product)
        orthonormalise(gram, operator, rotation)
        transpose(rotation, turned)
        if done + 1 < rounds:
            multiply(rows * cols, field, turned, field)
    multiply(LANES, rotation, product, gram)
    multiply(LANES, gram, turned, operator)
    multiply(rows, out, turned, driven)
    for n in range(cols * LANES):
        w[n] /= r_end
    multiply(cols, w, turned, sensed)
    slowest = 0.0
    fastest = 0.0
    vector = np.ones(LANES)
    image = np.empty(LANES)
    for _ in range(30):
        store(image, 0, zero_lanes())
        multiply(1, vector, operator, image)
        slowest = 0.0
        for m in range(LANES):
            slowest += image[m] * image[m]
        slowest = math.sqrt(slowest)
        if slowest == 0.0:
            break
        store(vector, 0, scale(1.0 / slowest, load(image, 0)))
    for m in range(LANES * 3 // 4, LANES):
        fastest = max(fastest, operator[m * LANES + m])
    return slowest, fastest


@kernel
def weigh_passes(count, highest, weights):
    """Write the weights of ``count`` passes; return how much the polynomial leaves of eigenvalues up to ``highest``.

    The polynomial ``p`` with ``p(1) = 1`` that is smallest on [0, highest] is Chebyshev's; the weighted sum of passes
    ``sum weights[k] s^k`` differs from ``1 / (1 - s)`` by ``p(s) / (1 - s)``.
    """
    if highest <= 0.0:
        for n in range(count):
            weights[n] = 1.0
        return 0.0
    p = np.empty(count + 1)
    clear(p)
    p[0] = 1.0
    left = 1.0
    for n in range(count):
        root = 0.5 * highest * (1.0 + math.cos(math.pi * (n + 0.5) / count))
        scale_root = 1.0 / (1.0 - root)
        for k in range(n + 1, -1, -1):
            p[k] = ((p[k - 1] if k > 0 else 0.0) - root * p[k]) * scale_root
        left *= root * scale_root
    total = 0.0
    for k in range(count):
        total += p[k]
        weights[k] = 1.0 - total  # (1 - p) / (1 - s) by synthetic division
    return left


@kernel
def plan_passes(highest, slowest, tolerance):
    """Return the passes after which even the estimate of :func:`solve_block` should stay below ``tolerance``."""
    weights = np.empty(MOST_PASSES)
    for count in range(2, MOST_PASSES):
        if weigh_passes(count - 1, highest, weights) * tail_ratio(slowest) <= 0.3 * tolerance:
            return count
    return MOST_PASSES


@kernel
def tail_ratio(slowest):
    """Return what is left after a change, relative to it, if everything decays like the slowest mode."""
    return min(slowest / max(1.0 - slowest, 1e-6), 1e3)


@kernel
def correct_modes(count, weights, operator, correction):
    """Write what ``count`` weighted passes miss of the modes: ``1 / (1 - s) - sum weights[k] s^k``; flat squares."""
    power = np.empty(SQUARE)
    inverse = np.empty(SQUARE)
    clear(power)
    clear(correction)
    for m in range(LANES):
        power[m * LANES + m] = weights[count - 1]
        correction[m * LANES + m] = 1.0
    for k in range(count - 2, -1, -1):
        multiply(LANES, operator, power, inverse)
        for m in range(LANES):
            store(power, m * LANES, load(inverse, m * LANES))
            power[m * LANES + m] += weights[k]
    for m in range(LANES):
        store(inverse, m * LANES, scale(-1.0, load(operator, m * LANES)))
        inverse[m * LANES + m] += 1.0
    for c in range(LANES):  # Gauss-Jordan; symmetric positive definite, so pivots need no search
        pivot = 1.0 / inverse[c * LANES + c]
        store(inverse, c * LANES, scale(pivot, load(inverse, c * LANES)))
        store(correction, c * LANES, scale(pivot, load(correction, c * LANES)))
        for r in range(LANES):
            if r != c:
                factor = -inverse[r * LANES + c]
                store(inverse, r * LANES, multiply_add(factor, load(inverse, c * LANES), load(inverse, r * LANES)))
                x = multiply_add(factor, load(correction, c * LANES), load(correction, r * LANES))
                store(correction, r * LANES, x)
    for m in range(LANES):
        x = multiply_add(-1.0, load(power, m * LANES), load(correction, m * LANES))
        store(correction, m * LANES, x)


@kernel
def prepare_array(tolerance, r_wl, r_bl, r_source, r_sink, g, lines, field, w, current, operator, driven, sensed, plan):
    """Eliminate the lines of one array, find its modes where that pays, and plan the passes.

    ``lines`` (3, 2, rows, cols); ``plan`` (4,) receives passes, the end of the polynomial's interval, the largest
    eigenvalue, and whether ``operator``, ``driven`` and ``sensed`` hold modes.
    """
    rows, cols = g.shape
    bound = factor_lines(g, r_wl, r_bl, r_source, r_sink, lines[0], lines[1], lines[2])
    plan[0] = plan_passes(bound, bound, tolerance)
    plan[1] = bound
    plan[2] = bound
    plan[3] = 0.0
    blocks = (cols + LANES - 1) // LANES
    if min(rows, cols) < LANES or (plan[0] - 4) * blocks <= 12:
        return
    mean = 0.0
    for i in range(rows):
        for k in range(cols):
            mean += g[i, k]
    mean /= rows * cols
    load_word = mean * (r_wl * cols + 2.0 * r_source) * cols
    load_bit = mean * (r_bl * rows + 2.0 * r_sink) * rows
    rounds = 1 if bound < STRONG else 3
    slowest, fastest = find_modes(
        rounds, g, r_bl + r_sink, lines, load_word, load_bit, field, w, current, operator, driven, sensed
    )
    plan[1] = min(bound, 1.15 * fastest)
    plan[2] = min(bound, 0.98 * slowest + 0.02)
    plan[0] = plan_passes(plan[1], plan[2], tolerance)
    plan[3] = 1.0


@kernel
def make_passes(count, first, g, lines, field, w, current, outs):
    """Drive the bit lines from ``first`` on and make ``count`` passes, at least two."""
    word, down, up = lines[0], lines[1], lines[2]
    sweep_first(first, g, word, down, up, field, w, current, outs[0])
    for n in range(1, count - 1):
        if n % 2 == 1:
            sweep_next(False, g, word, up, down, field, w, current, outs[n])
        else:
            sweep_next(True, g, word, down, up, field, w, current, outs[n])
    if count % 2 == 0:
        sweep_last(False, g, word, up, field, w, current, outs[count - 1])
    else:
        sweep_last(True, g, word, down, field, w, current, outs[count - 1])


@kernel
def sum_passes(count, first, operator, driven, sensed, plan, outs, t, report):
    """Combine the outputs of ``count`` passes, and estimate the error from what the last pass changed."""
    rows, cols = t.shape
    columns = min(LANES, cols - first)
    weights = np.empty(count)
    nearby = np.empty(count)
    weigh_passes(count, plan[1], weights)
    weigh_passes(count - 1, plan[1], nearby)
    nearby[count - 1] = 0.0
    shares = np.empty(2 * SQUARE)
    if plan[3] > 0.0:
        part = np.empty(SQUARE)
        clear(part)
        for k in range(columns):
            for m in range(LANES):
                part[m * LANES + k] = sensed[(first + k) * LANES + m]
        correction = np.empty(SQUARE)
        correct_modes(count, weights, operator, correction)
        multiply(LANES, correction, part, shares)
        correct_modes(count - 1, nearby, operator, correction)
        multiply(LANES, correction, part, shares[SQUARE:])
    largest = 0.0
    change = 0.0
    total = np.empty(LANES)
    other = np.empty(LANES)
    for i in range(rows):
        x = zero_lanes()
        y = zero_lanes()
        for n in range(count):
            z = load(outs[n], i * LANES)
            x = multiply_add(weights[n], z, x)
            y = multiply_add(nearby[n], z, y)
        if plan[3] > 0.0:
            for m in range(LANES):
                x = multiply_add(driven[i * LANES + m], load(shares, m * LANES), x)
                y = multiply_add(driven[i * LANES + m], load(shares, SQUARE + m * LANES), y)
        store(total, 0, x)
        store(other, 0, y)
        for lane in range(columns):
            t[i, first + lane] = total[lane]
            largest = max(largest, abs(total[lane]))
            change = max(change, abs(total[lane] - other[lane]))
    report[0] = count
    report[1] = 0.0
    for n in range(count):
        report[1] += 2e-16 * abs(weights[n])
    if change > 0.0:
        report[1] += change / largest * tail_ratio(plan[2])
    if not largest < np.inf:
        report[1] = np.inf


@kernel
def solve_block(tolerance, first, g, lines, operator, driven, sensed, plan, t, field, w, current, outs, report):
    """Solve the bit lines from ``first`` on; ``report`` (2,) receives passes and estimated relative error.

    Where the passes planned were not enough more are made, from the start, up to MOST_PASSES.
    """
    count = int(plan[0])
    while True:
        make_passes(count, first, g, lines, field, w, current, outs)
        sum_passes(count, first, operator, driven, sensed, plan, outs, t, report)
        if report[1] <= tolerance or count == MOST_PASSES:
            break
        count = min(count + 2, MOST_PASSES)


@kernel
def solve_share(
    worker, workers, prepare, blocks, tolerance, r_wl, r_bl, r_source, r_sink, g, t, report, lines, field, w, current,
    outs, operator, driven, sensed, plan,
):  # fmt: skip
    """Do one worker's share of :func:`solve_arrays`."""
    jobs = g.shape[0] if blocks == 0 or prepare == 1 else blocks
    for job in range(worker, jobs, workers):
        array = job if blocks == 0 else 0
        home = worker if blocks == 0 else 0
        if prepare == 1:
            prepare_array(
                tolerance, r_wl, r_bl, r_source, r_sink, g[array], lines[home], field[worker], w[worker],
                current[worker], operator[home], driven[home], sensed[home], plan[home],
            )  # fmt: skip
        first = 0 if blocks == 0 or prepare == 1 else job
        last = report.shape[1] if blocks == 0 else (first if prepare == 1 else job + 1)
        for block in range(first, last):
            solve_block(
                tolerance, block * LANES, g[array], lines[home], operator[home], driven[home], sensed[home],
                plan[home], t[array], field[worker], w[worker], current[worker], outs[worker], report[array, block],
            )  # fmt: skip


@parallel_kernel
def solve_arrays(
    prepare, blocks, tolerance, r_wl, r_bl, r_source, r_sink, g, t, report, lines, field, w, current, outs, operator,
    driven, sensed, plan,
):  # fmt: skip
    """Work through a stack; scratch has one entry a worker.

    Where ``blocks`` is zero whole arrays go side by side. Otherwise the stack is one array: it is prepared where
    ``prepare`` is one, or else its ``blocks`` blocks of bit lines are solved side by side.
    """
    for worker in prange(len(field)):
        solve_share(
            np.int64(worker), len(field), prepare, blocks, tolerance, r_wl, r_bl, r_source, r_sink, g, t, report,
            lines, field, w, current, outs, operator, driven, sensed, plan,
        )  # fmt: skip


@kernel
def closed_form(r_wl, r_bl, r_source, r_sink, g, t, share):
    """Write one array's closed form to ``t``; ``share`` (rows, cols) is scratch."""
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


@parallel_kernel
def closed_form_stack(r_wl, r_bl, r_source, r_sink, g, t):
    """Word line with grounded bit lines times bit line with given word lines, for every array of a stack.

    ``t[i, j]`` is ``g[i, j]`` times the share of the driver voltage that reaches the cell along its word line, times
    the share of the cell's current that leaves its bit line through the sensor.
    """
    for array in prange(g.shape[0]):
        closed_form(r_wl, r_bl, r_source, r_sink, g[array], t[array], np.empty(g.shape[1:]))
