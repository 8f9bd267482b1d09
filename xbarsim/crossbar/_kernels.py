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
from xbarsim.crossbar._lanes import load, multiply_add, scale, store, zeros16, zeros32

LANES = 32
MODES = 32
"""Most eigenvectors that are searched for; half as many where wires are moderate [-]."""
STRONG = 0.9
"""Bound on the eigenvalues from which on the search is wider and longer [-]."""
MOST_PASSES = 24
CUTOFF = 1e-13
"""Modes whose part orthogonal to the modes before is smaller than this are left out, relative, squared [-]."""


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
def finish_bit_lines(zero, i, old, field, w):
    """Advance the bit-line voltages ``w`` (cols, lanes) to row ``i``."""
    cols = old.shape[2]
    width = len(w) // cols
    base = i * len(w)
    for k in range(cols):
        x = scale(old[1, i, k], load(field, base + k * width, zero))
        store(w, k * width, multiply_add(old[0, i, k], load(w, k * width, zero), x))


@kernel
def solve_word_line(zero, i, first, end, g, word, w, current):
    """Eliminate word line ``i``: write its Norton currents, return the driver current.

    Bit lines outside ``first`` .. ``end - 1`` are known to be at zero volts.
    """
    width = len(w) // g.shape[1]
    c = zero
    a = 0.0
    for k in range(end - 1, first - 1, -1):
        c = multiply_add(a, c, scale(g[i, k], load(w, k * width, zero)))
        a = word[0, i, k]
        store(current, k * width, c)
    for k in range(first - 1, -1, -1):
        c = scale(a, c)
        a = word[0, i, k]
        store(current, k * width, c)
    return scale(a, c)


@kernel
def start_bit_lines(zero, i, before, end, g, word, new, current, field):
    """Word-line voltages of row ``i`` from its Norton currents; eliminate the bit lines up to this row.

    ``before`` is the row eliminated just before, or negative at the first one. ``current`` is zero from ``end`` on.
    """
    cols = g.shape[1]
    width = len(current) // cols
    base = i * len(current)
    last = before * len(current)
    u = zero
    for k in range(cols):
        u = scale(word[0, i, k], u)
        if k < end:
            u = multiply_add(word[1, i, k], load(current, k * width, zero), u)
        x = scale(g[i, k], u)
        if before >= 0:
            x = multiply_add(new[0, before, k], load(field, last + k * width, zero), x)
        store(field, base + k * width, x)


@kernel
def sweep_first(zero, first, g, word, down, up, field, w, current, out):
    """Drive the bit lines from ``first`` on, one a lane, and make the first pass, upwards."""
    rows, cols = g.shape
    width = len(w) // cols
    end = min(first + width, cols)
    w[first * width : end * width] = 0.0
    for k in range(first, end):
        w[k * width + k - first] = 1.0
    for i in range(rows - 1, -1, -1):
        for k in range(first, end):
            w[k * width + k - first] *= down[0, i, k]
        store(out, i * width, solve_word_line(zero, i, first, end, g, word, w, current))
        start_bit_lines(zero, i, i + 1 if i + 1 < rows else -1, end, g, word, up, current, field)


@kernel
def sweep_next(zero, upwards, g, word, old, new, field, w, current, out):
    """Make one pass; ``old`` and ``new`` are the bit-line eliminations of the pass before and of this one."""
    rows, cols = g.shape
    width = len(w) // cols
    w[:] = 0.0
    for step in range(rows):
        i = rows - 1 - step if upwards else step
        before = -1 if step == 0 else (i + 1 if upwards else i - 1)
        finish_bit_lines(zero, i, old, field, w)
        store(out, i * width, solve_word_line(zero, i, 0, cols, g, word, w, current))
        start_bit_lines(zero, i, before, cols, g, word, new, current, field)


@kernel
def sweep_last(zero, upwards, g, word, old, field, w, current, out):
    """Make a pass that only the driver currents are wanted of."""
    rows, cols = g.shape
    width = len(w) // cols
    w[:] = 0.0
    for step in range(rows):
        i = rows - 1 - step if upwards else step
        finish_bit_lines(zero, i, old, field, w)
        store(out, i * width, solve_word_line(zero, i, 0, cols, g, word, w, current))


@kernel
def add_products(zero, x, f, gram):
    """Add ``x^T f`` to ``gram`` (modes, modes) for one row of cells; ``x`` and ``f`` (cols, modes), flat."""
    width = gram.shape[0]
    flat = gram.ravel()
    for m in range(0, width, 4):
        c0 = load(flat, m * width, zero)
        c1 = load(flat, (m + 1) * width, zero)
        c2 = load(flat, (m + 2) * width, zero)
        c3 = load(flat, (m + 3) * width, zero)
        for k in range(0, len(x), width):
            y = load(f, k, zero)
            c0 = multiply_add(x[k + m], y, c0)
            c1 = multiply_add(x[k + m + 1], y, c1)
            c2 = multiply_add(x[k + m + 2], y, c2)
            c3 = multiply_add(x[k + m + 3], y, c3)
        store(flat, m * width, c0)
        store(flat, (m + 1) * width, c1)
        store(flat, (m + 2) * width, c2)
        store(flat, (m + 3) * width, c3)


@kernel
def sweep_modes(zero, g, word, up, field, w, current, known, out, gram, gram_next):
    """Make a downward pass over trial modes ``x`` and take the products that a Rayleigh-Ritz step needs.

    ``gram`` is ``x^T b x`` with ``b`` the matrix of the bit lines, ``gram_next`` is ``x^T b s x``. What the pass
    before injected into the bit lines, ``b x``, is recovered from its elimination, of which nothing is stored.
    """
    rows, cols = g.shape
    width = len(w) // cols
    w[:] = 0.0
    gram[:] = 0.0
    gram_next[:] = 0.0
    for i in range(rows):
        base = i * cols * width
        for k in range(cols):
            x = load(field, base + k * width, zero)
            if i + 1 < rows:
                beyond = load(field, base + (cols + k) * width, zero)
                x = multiply_add(-up[0, i + 1, k], beyond, x)
            store(known, k * width, x)
        finish_bit_lines(zero, i, up, field, w)
        add_products(zero, w, known, gram)
        store(out, i * width, solve_word_line(zero, i, 0, cols, g, word, w, current))
        u = zero
        for k in range(cols):
            u = multiply_add(word[1, i, k], load(current, k * width, zero), scale(word[0, i, k], u))
            store(known, k * width, scale(g[i, k], u))
        add_products(zero, w, known, gram_next)


@kernel
def pick_modes(count, rows, cols, load_word, load_bit, picked):
    """Choose the ``count`` slowest products of half-wave sines of a uniform array; ``picked`` (count, 2) int64.

    ``load_word`` and ``load_bit`` are wire resistance times conductance of a whole line.
    """
    high = min(cols, 24)
    long = min(rows, 24)
    speed = np.full((high, long), -1.0)
    for p in range(high):
        for q in range(long):
            x = math.pi * (p + 0.5)
            y = math.pi * (q + 0.5)
            speed[p, q] = load_word / (load_word + x * x) * load_bit / (load_bit + y * y)
    for n in range(count):
        best = np.argmax(speed)
        picked[n, 0] = best // long
        picked[n, 1] = best % long
        speed[best // long, best % long] = -2.0


@kernel
def seed_modes(zero, g, load_word, load_bit, up, field, trial):
    """Inject currents shaped like the modes of a uniform array, and eliminate the bit lines upwards."""
    rows, cols = g.shape
    width = len(trial) // cols
    picked = np.empty((width, 2), np.int64)
    pick_modes(min(width, rows * cols), rows, cols, load_word, load_bit, picked)
    for k in range(cols):
        for m in range(width):
            trial[k * width + m] = math.sin((picked[m, 0] + 0.5) * math.pi * (k + 1) / (cols + 0.5))
    along = np.empty(width)
    for i in range(rows - 1, -1, -1):
        for m in range(width):
            along[m] = math.sin((picked[m, 1] + 0.5) * math.pi * (rows - i) / (rows + 0.5))
        for k in range(cols):
            for m in range(width):
                x = g[i, k] * along[m] * trial[k * width + m]
                if i + 1 < rows:
                    x += up[0, i + 1, k] * field[((i + 1) * cols + k) * width + m]
                field[(i * cols + k) * width + m] = x


@kernel
def cholesky_modes(gram, lower):
    """Factor ``gram``; a mode that hardly differs from those before it becomes a zero row."""
    n = gram.shape[0]
    lower[:] = 0.0
    for c in range(n):
        pivot = gram[c, c]
        for m in range(c):
            pivot -= lower[c, m] * lower[c, m]
        if pivot <= CUTOFF * gram[c, c]:
            for r in range(c, n):
                lower[r, c] = 0.0
            continue
        root = math.sqrt(pivot)
        lower[c, c] = root
        for r in range(c + 1, n):
            s = 0.5 * (gram[r, c] + gram[c, r])
            for m in range(c):
                s -= lower[r, m] * lower[c, m]
            lower[r, c] = s / root


@kernel
def solve_lower(lower, b):
    """Replace ``b`` by the solution of ``lower x = b``; rows of dropped modes become zero."""
    n = lower.shape[0]
    for r in range(n):
        if lower[r, r] == 0.0:
            b[r] = 0.0
            continue
        for m in range(r):
            b[r] -= lower[r, m] * b[m]
        b[r] /= lower[r, r]


@kernel
def rotate_modes(zero, rotation, field):
    """Replace the modes of every cell by ``rotation`` (modes, modes) times them."""
    modes = rotation.shape[0]
    columns = np.ascontiguousarray(rotation.T).ravel()
    for cell in range(0, len(field), modes):
        y = zero
        for m in range(modes):
            y = multiply_add(field[cell + m], load(columns, m * modes, zero), y)
        store(field, cell, y)


@kernel
def find_modes(
    zero, rounds, g, r_bl, r_sink, lines, load_word, load_bit, field, w, current, operator, driven, sensed
):
    """Find the slow modes of one array; return the largest and (about) the smallest eigenvalue among them.

    Subspace iteration: each round makes four passes and takes the products of a Rayleigh-Ritz step; between rounds
    the modes are made orthonormal, since slow ones outgrow the others. ``operator`` (modes, modes) receives a pass
    restricted to the modes, in an orthonormal basis; ``driven`` (rows, modes) and ``sensed`` (modes, cols) the driver
    and sensor currents of that basis. Dropped modes are zero.
    """
    rows, cols = g.shape
    modes = operator.shape[0]
    word, down, up = lines[0], lines[1], lines[2]
    field = field[: rows * cols * modes]
    w = w[: cols * modes]
    current = current[: cols * modes]
    out = np.empty(rows * modes)
    known = np.empty(cols * modes)
    gram = np.empty((modes, modes))
    product = np.empty((modes, modes))
    rotation = np.empty((modes, modes))
    seed_modes(zero, g, load_word, load_bit, up, field, w)
    for done in range(rounds):
        for _ in range(2):
            sweep_next(zero, False, g, word, up, down, field, w, current, out)
            sweep_next(zero, True, g, word, down, up, field, w, current, out)
        sweep_modes(zero, g, word, up, field, w, current, known, out, gram, product)
        rotation[:] = 0.0
        for m in range(modes):
            rotation[m, m] = 1.0 / math.sqrt(gram[m, m]) if gram[m, m] > 0.0 else 0.0
        for m in range(modes):
            for n in range(modes):
                gram[m, n] *= rotation[m, m] * rotation[n, n]
        cholesky_modes(gram, operator)
        solve_lower(operator, rotation)
        if done + 1 < rounds:
            rotate_modes(zero, rotation, field)
    product[:] = 0.5 * (product + product.T)
    operator[:] = matrix_product(matrix_product(rotation, product), np.ascontiguousarray(rotation.T))
    for m in range(modes):
        for i in range(rows):
            driven[i, m] = 0.0
            for n in range(m + 1):
                driven[i, m] += rotation[m, n] * out[i * modes + n]
        for k in range(cols):
            sensed[m, k] = 0.0
            for n in range(m + 1):
                sensed[m, k] += rotation[m, n] * w[k * modes + n] / (r_bl + r_sink)
    slowest = 0.0
    vector = np.ones(modes)
    for _ in range(30):
        vector = matrix_vector(operator, vector)
        slowest = math.sqrt(np.sum(vector * vector))
        if slowest == 0.0:
            break
        vector /= slowest
    fastest = 0.0
    for m in range(3 * modes // 4, modes):
        fastest = max(fastest, operator[m, m])
    return slowest, fastest


@kernel
def matrix_vector(a, x):
    """Return ``a x`` by plain loops, so that no library decides the order of the sums."""
    y = np.zeros(a.shape[0])
    for m in range(a.shape[0]):
        for n in range(a.shape[1]):
            y[m] += a[m, n] * x[n]
    return y


@kernel
def matrix_product(a, b):
    """Return ``a b`` by plain loops."""
    c = np.zeros((a.shape[0], b.shape[1]))
    for m in range(a.shape[0]):
        for n in range(a.shape[1]):
            for k in range(b.shape[1]):
                c[m, k] += a[m, n] * b[n, k]
    return c


@kernel
def weigh_passes(count, highest, weights):
    """Write the weights of ``count`` passes; return how much the polynomial leaves of eigenvalues up to ``highest``.

    The polynomial ``p`` with ``p(1) = 1`` that is smallest on [0, highest] is Chebyshev's; the weighted sum of passes
    ``sum weights[k] s^k`` differs from ``1 / (1 - s)`` by ``p(s) / (1 - s)``.
    """
    if highest <= 0.0:
        weights[:count] = 1.0
        return 0.0
    p = np.zeros(count + 1)
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
    """Write what ``count`` weighted passes miss of the modes: ``1 / (1 - s) - sum weights[k] s^k``, restricted."""
    n = operator.shape[0]
    identity = np.eye(n)
    polynomial = weights[count - 1] * identity
    for k in range(count - 2, -1, -1):
        polynomial = matrix_product(operator, polynomial) + weights[k] * identity
    inverse = identity - operator  # Gauss-Jordan; symmetric positive definite, so pivots need no search
    solved = identity.copy()
    for c in range(n):
        pivot = 1.0 / inverse[c, c]
        inverse[c] *= pivot
        solved[c] *= pivot
        for r in range(n):
            if r != c:
                factor = inverse[r, c]
                inverse[r] -= factor * inverse[c]
                solved[r] -= factor * solved[c]
    correction[:] = solved - polynomial


@kernel
def prepare_array(tolerance, r_wl, r_bl, r_source, r_sink, g, lines, field, w, current, operator, driven, sensed, plan):
    """Eliminate the lines of one array, find its modes where that pays, and plan the passes.

    ``lines`` (3, 2, rows, cols); ``plan`` (4,) receives passes, the end of the polynomial's interval, the largest
    eigenvalue, and how many modes ``operator``, ``driven`` and ``sensed`` hold.
    """
    rows, cols = g.shape
    bound = factor_lines(g, r_wl, r_bl, r_source, r_sink, lines[0], lines[1], lines[2])
    plan[0] = plan_passes(bound, bound, tolerance)
    plan[1] = bound
    plan[2] = bound
    plan[3] = 0
    blocks = (cols + LANES - 1) // LANES
    if min(rows, cols) < 16 or (plan[0] - 4) * blocks <= 6:
        return
    mean = 0.0
    for i in range(rows):
        for k in range(cols):
            mean += g[i, k]
    mean /= rows * cols
    load_word = mean * (r_wl * cols + 2.0 * r_source) * cols
    load_bit = mean * (r_bl * rows + 2.0 * r_sink) * rows
    if bound < STRONG:
        modes = 16
        slowest, fastest = find_modes(
            zeros16(), 1, g, r_bl, r_sink, lines, load_word, load_bit, field, w, current,
            operator[:modes, :modes], driven[:, :modes], sensed[:modes],
        )  # fmt: skip
    else:
        modes = MODES
        slowest, fastest = find_modes(
            zeros32(), 3, g, r_bl, r_sink, lines, load_word, load_bit, field, w, current, operator, driven, sensed
        )
    plan[1] = min(bound, 1.15 * fastest)
    plan[2] = min(bound, 0.98 * slowest + 0.02)
    plan[0] = plan_passes(plan[1], plan[2], tolerance)
    plan[3] = modes


@kernel
def combine_block(count, weights, nearby, columns, driven, shares, shares_nearby, outs, t):
    """Sum weighted passes and modes into ``t`` (rows, columns); return size and change against one pass less."""
    rows = driven.shape[0]
    largest = 0.0
    change = 0.0
    total = np.empty(LANES)
    other = np.empty(LANES)
    for i in range(rows):
        total[:] = 0.0
        other[:] = 0.0
        for n in range(count):
            for lane in range(LANES):
                x = outs[n, i * LANES + lane]
                total[lane] += weights[n] * x
                other[lane] += nearby[n] * x
        for m in range(shares.shape[0]):
            for lane in range(LANES):
                total[lane] += driven[i, m] * shares[m, lane]
                other[lane] += driven[i, m] * shares_nearby[m, lane]
        for lane in range(columns):
            t[i, lane] = total[lane]
            largest = max(largest, abs(total[lane]))
            change = max(change, abs(total[lane] - other[lane]))
    return largest, change


@kernel
def make_passes(zero, count, first, g, lines, field, w, current, outs):
    """Drive the bit lines from ``first`` on and make ``count`` passes, at least two."""
    word, down, up = lines[0], lines[1], lines[2]
    sweep_first(zero, first, g, word, down, up, field, w, current, outs[0])
    for n in range(1, count - 1):
        if n % 2 == 1:
            sweep_next(zero, False, g, word, up, down, field, w, current, outs[n])
        else:
            sweep_next(zero, True, g, word, down, up, field, w, current, outs[n])
    if count % 2 == 0:
        sweep_last(zero, False, g, word, up, field, w, current, outs[count - 1])
    else:
        sweep_last(zero, True, g, word, down, field, w, current, outs[count - 1])


@kernel
def sum_passes(count, first, operator, driven, sensed, plan, outs, t, report):
    """Combine the outputs of ``count`` passes, and estimate the error from what the last pass changed."""
    weights = np.zeros(count)
    nearby = np.zeros(count)
    weigh_passes(count, plan[1], weights)
    weigh_passes(count - 1, plan[1], nearby)
    columns = min(LANES, t.shape[1] - first)
    modes = int(plan[3])
    operator = operator[:modes, :modes]
    shares = np.zeros((modes, LANES))
    shares_nearby = np.zeros((modes, LANES))
    if modes > 0:
        correction = np.empty((modes, modes))
        part = np.ascontiguousarray(sensed[:modes, first : first + columns])
        correct_modes(count, weights, operator, correction)
        shares[:, :columns] = matrix_product(correction, part)
        correct_modes(count - 1, nearby, operator, correction)
        shares_nearby[:, :columns] = matrix_product(correction, part)
    largest, change = combine_block(
        count, weights, nearby, columns, driven, shares, shares_nearby, outs, t[:, first : first + columns]
    )
    report[0] = count
    report[1] = 2e-16 * np.sum(np.abs(weights))
    if change > 0.0:
        report[1] += change / largest * tail_ratio(plan[2])
    if not np.isfinite(largest):
        report[1] = np.inf


@kernel
def solve_block(tolerance, first, g, lines, operator, driven, sensed, plan, t, field, w, current, outs, report):
    """Solve the bit lines from ``first`` on; ``report`` (2,) receives passes and estimated relative error.

    Where the passes planned were not enough more are made, from the start, up to MOST_PASSES.
    """
    count = int(plan[0])
    while True:
        make_passes(zeros32(), count, first, g, lines, field, w, current, outs)
        sum_passes(count, first, operator, driven, sensed, plan, outs, t, report)
        if report[1] <= tolerance or count == MOST_PASSES:
            break
        count = min(count + 2, MOST_PASSES)


@parallel_kernel
def solve_arrays(tolerance, r_wl, r_bl, r_source, r_sink, g, t, report, lines, field, w, current, outs):
    """Solve every array of a stack, whole arrays side by side. Scratch has one entry a worker."""
    arrays, rows, cols = g.shape
    workers = len(lines)
    for worker in prange(workers):
        operator = np.empty((MODES, MODES))
        driven = np.empty((rows, MODES))
        sensed = np.empty((MODES, cols))
        plan = np.empty(4)
        for array in range(worker, arrays, workers):
            prepare_array(
                tolerance, r_wl, r_bl, r_source, r_sink, g[array], lines[worker], field[worker], w[worker],
                current[worker], operator, driven, sensed, plan,
            )  # fmt: skip
            for first in range(0, cols, LANES):
                solve_block(
                    tolerance, first, g[array], lines[worker], operator, driven, sensed, plan, t[array], field[worker], w[worker],
                    current[worker], outs[worker], report[array, first // LANES],
                )  # fmt: skip


@parallel_kernel
def solve_blocks(tolerance, r_wl, r_bl, r_source, r_sink, g, t, report, lines, field, w, current, outs):
    """Solve one array, blocks of its bit lines side by side. Scratch has one entry a worker."""
    rows, cols = g.shape
    workers = len(field)
    operator = np.empty((MODES, MODES))
    driven = np.empty((rows, MODES))
    sensed = np.empty((MODES, cols))
    plan = np.empty(4)
    prepare_array(
        tolerance, r_wl, r_bl, r_source, r_sink, g, lines[0], field[0], w[0], current[0], operator, driven, sensed, plan
    )
    for worker in prange(workers):
        for first in range(worker * LANES, cols, workers * LANES):
            solve_block(
                tolerance, first, g, lines[0], operator, driven, sensed, plan, t, field[worker], w[worker], current[worker],
                outs[worker], report[first // LANES],
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
