"""Kernels of the crossbar room and their twins: dense linear algebra in the place of ladders."""

from __future__ import annotations

import numpy as np
from reference.kernel_case import KernelCase, plain
from reference.two_rails import solve_column

from xbarsim.crossbar import _kernels, _ladder, _quick_kernels

ROWS, COLS, LANES = 18, 20, 16
R_WL, R_BL, R_SOURCE, R_SINK = 2.5, 1.5, 10.0, 5.0
RTOL = 1e-9


def cells():
    """Conductances of a small array that is a little wider than one block of bit lines [S]."""
    return np.random.default_rng(0).uniform(1e-6, 1e-3, (ROWS, COLS))


def normal(*shape):
    """Standard normals."""
    return np.random.default_rng(1).standard_normal(shape)


def lines():
    """Eliminated ladders."""
    found = np.zeros((3, 2, ROWS, COLS))
    _kernels.factor_lines(cells(), R_WL, R_BL, R_SOURCE, R_SINK, found)
    return found


def scratch():
    """Field, bit-line voltages and currents, all at zero."""
    return np.zeros((ROWS + 2) * COLS * LANES), np.zeros(COLS * LANES), np.zeros(COLS * LANES)


def ladder(g, r, r_end, end):
    """Return the nodal matrix of a line with cells to ground and a resistance ``r + r_end`` at node ``end``."""
    n = len(g)
    matrix = np.diag(g)
    for a in range(n - 1):
        matrix[a : a + 2, a : a + 2] += np.array([[1.0, -1.0], [-1.0, 1.0]]) / r
    matrix[end, end] += 1.0 / (r + r_end)
    return matrix


def word_lines(g):
    """Return the nodal matrices of the word lines."""
    return [ladder(g[i], R_WL, R_SOURCE, 0) for i in range(len(g))]


def bit_lines(g):
    """Return the nodal matrices of the bit lines."""
    return [ladder(g[:, k], R_BL, R_SINK, len(g) - 1) for k in range(g.shape[1])]


def make_passes(start, count, columns, is_last, g, lines, field, w, current, outs):
    """Solve word lines for given bit lines and the reverse, densely, one driven bit line after the other."""
    rows, cols = g.shape
    words, bits = word_lines(g), bit_lines(g)
    for lane, driven in enumerate(range(columns, min(columns + LANES, cols))):
        v = np.zeros((rows, cols))
        push = np.zeros(rows)
        push[-1] = 1.0 / (R_BL + R_SINK)
        v[:, driven] = np.linalg.solve(bits[driven], push)
        for n in range(start, count):
            u = np.array([np.linalg.solve(words[i], g[i] * v[i]) for i in range(rows)])
            outs.reshape(len(outs), rows, LANES)[n, :, lane] = u[:, 0] / (R_WL + R_SOURCE)
            v = np.array([np.linalg.solve(bits[k], g[:, k] * u[:, k]) for k in range(cols)]).T


def closed_form(r_wl, r_bl, r_source, r_sink, g, t):
    """Solve every word line with grounded bit lines, and every bit line for a current into each node."""
    rows, cols = g.shape
    words, bits = word_lines(g), bit_lines(g)
    for i in range(rows):
        drive = np.zeros(cols)
        drive[0] = 1.0 / (r_wl + r_source)
        t[i] = g[i] * np.linalg.solve(words[i], drive)
    for k in range(cols):
        t[:, k] *= np.linalg.inv(bits[k])[-1] / (r_bl + r_sink)


def clear(x, first, end):
    """Set a slice."""
    x[first:end] = 0.0


def add_products(x, f, gram):
    """Use matrix products."""
    gram += (x.reshape(-1, LANES).T @ f.reshape(-1, LANES)).ravel()


def multiply_square(a, b, c):
    """Use matrix products."""
    c[:] = (a.reshape(-1, LANES) @ b.reshape(LANES, LANES)).ravel()


def weigh_passes(highest, weights):
    """Divide ``1 - p(s)``, p from its roots, by ``1 - s``."""
    count = len(weights)
    p = np.poly(0.5 * highest * (1.0 + np.cos(np.pi * (np.arange(count) + 0.5) / count)))
    p /= p.sum()
    rest = np.append(-p[:-1], 1.0 - p[-1])
    quotient, _ = np.polydiv(rest, [-1.0, 1.0])
    weights[:] = quotient[::-1]


def sum_passes(count, columns, weights, corrections, driven, sensed, outs, t):
    """Add up passes and modes as matrix products."""
    rows, cols = t.shape
    end = min(columns + LANES, cols)
    passes = outs.reshape(len(outs), rows, LANES)[:count, :, : end - columns]
    modes = driven.reshape(rows, LANES)
    both = [np.tensordot(weights[n], passes, 1) + (modes * corrections[n]) @ sensed[columns:end].T for n in range(2)]
    t[:, columns:end] = both[0]
    return np.abs(both[0]).max(), np.abs(both[0] - both[1]).max()


def solve_ladders(alpha, ohm, fixed_ohm, every, g, leak, share, volt, ones, out):
    """Solve every column as two rails, node by node."""
    cols, rows = g.shape
    r_sl, r_bl = alpha * ohm, (1.0 - alpha) * ohm
    ends = fixed_ohm - ohm - (rows - 1) * alpha * r_bl
    for block in range(len(share)):
        for lane in range(LANES):
            opening = share[block].reshape(rows, LANES)[:, lane]
            for k in range(cols):
                column = (opening * g[k] + leak[k])[::-1] / ohm
                out[block, k * LANES + lane] = solve_column(column, volt[block, lane], r_sl, r_bl, ends, 0.0)


def passes_inputs():
    return 0, 3, 2, True, cells(), lines(), *scratch(), np.zeros((3, ROWS * LANES))


def sweep_inputs():
    word, down, up = lines()
    _, w, current = scratch()
    field = normal((ROWS + 2) * COLS * LANES)
    field[: COLS * LANES] = field[-COLS * LANES :] = 0.0
    return False, False, 0, COLS, cells(), word, up, down, field, w, current, np.zeros(ROWS * LANES)


def modes_inputs():
    word, _, up = lines()
    _, w, current = scratch()
    field = normal((ROWS + 2) * COLS * LANES)
    field[: COLS * LANES] = field[-COLS * LANES :] = 0.0
    known, out = np.zeros(COLS * LANES), np.zeros(ROWS * LANES)
    return cells(), word, up, field, w, current, known, out, np.zeros((2, LANES * LANES))


def seed_inputs():
    field = np.zeros((ROWS + 2) * COLS * LANES)
    return cells(), lines()[2], normal(COLS * LANES), normal(ROWS * LANES), field


def sum_inputs():
    outs, t = normal(4, ROWS * LANES), np.zeros((ROWS, COLS))
    return 3, 16, normal(2, 3), normal(2, LANES), normal(ROWS * LANES), normal(COLS, LANES), outs, t


def ladder_inputs():
    rows, blocks, r_sl, r_bl = 7, 2, 1.0, 2.0
    alpha = r_sl / (r_sl + r_bl)
    fixed = 7.0 + r_sl + r_bl + (rows - 1) * alpha * r_bl
    rng = np.random.default_rng(2)
    g, share = 3.0 * rng.uniform(1e-5, 1e-3, (3, rows)), rng.uniform(0.0, 1.0, (blocks, rows * LANES))
    volt = rng.uniform(0.1, 1.0, (blocks, LANES))
    leak = 3.0 * rng.uniform(1e-6, 1e-5, (3, rows))
    return alpha, r_sl + r_bl, fixed, 3, g, leak, share, volt, np.ones(LANES), np.zeros((blocks, 3 * LANES))


def closed_inputs():
    return R_WL, R_BL, R_SOURCE, R_SINK, cells(), np.zeros((ROWS, COLS))


def factor_inputs():
    return cells(), R_WL, R_BL, R_SOURCE, R_SINK, np.zeros((3, 2, ROWS, COLS))


HIGH, WIDE, SIDE = ROWS, 24, _quick_kernels.SIDE


def scaled_lines():
    """Scaled ladders, padded to whole blocks of bit lines."""
    scaled = np.zeros((5, HIGH, WIDE))
    _quick_kernels.scale_lines(cells(), lines(), scaled)
    return scaled


def scale_lines(g, found, scaled):
    """Solve lines with 1 V at their terminals for what they pass on; scaled values follow."""
    rows, cols = g.shape
    ends = np.zeros(rows), np.zeros(rows)
    ends[1][-1] = 1.0 / (R_BL + R_SINK)
    across = np.array([np.linalg.solve(line, np.eye(cols)[0] / (R_WL + R_SOURCE)) for line in word_lines(g)])
    down = np.array([np.linalg.solve(line, ends[1]) for line in bit_lines(g)]).T
    up = np.cumprod(np.vstack([np.ones(cols), found[2, 0, 1:]]), axis=0)
    values = found[0, 1] / across**2, found[1, 1] / down**2, found[2, 1] / up**2, down * g * across, up * g * across
    for place, value in enumerate(values):
        scaled[place, :rows, :cols] = value
    return min(across.min(), down.min(), up.min())


def solve_blocks(allowed, weights, scaled, rounded, exact, field, lines_of, light, outs, found, t):
    """Make the passes of all bit lines with dense matrices, and weigh them."""
    passes, rounded_from = weights.shape[1], 1 if allowed > 0.0 else 2
    currents = np.zeros((passes, ROWS, WIDE))
    for first in range(0, COLS, LANES):
        part = np.zeros((passes, ROWS * LANES))
        make_passes(0, passes, first, True, cells(), None, None, None, None, part)
        end = min(first + LANES, COLS)
        currents[:, :, first:end] = part.reshape(passes, ROWS, LANES)[:, :, : end - first]
    both = np.tensordot(weights, currents[:, :, :COLS], 1)
    t[:] = both[0]
    light_part = np.tensordot(weights[0, rounded_from:], currents[rounded_from:, :, :COLS], 1)
    found[:] = np.abs(both[0]).max(), np.abs(both[0] - both[1]).max(), np.abs(light_part).max()


def quick_fields():
    """Coefficients, in float32 too, and the fields of both types."""
    scaled = scaled_lines()
    exact = np.zeros((HIGH + 2) * WIDE * SIDE)
    exact[WIDE * SIDE : -WIDE * SIDE] = np.abs(normal(HIGH * WIDE * SIDE))
    return scaled, scaled.astype(np.float32), exact, exact.astype(np.float32)


def start_inputs():
    return 8, np.triu(np.ones((SIDE, SIDE))).ravel(), scaled_lines(), np.zeros((HIGH + 2) * WIDE * SIDE)


def turn_inputs():
    scaled, rounded, exact, field = quick_fields()
    current = np.zeros(2 * WIDE * SIDE)
    out = np.zeros(HIGH * SIDE)
    return scaled, rounded, exact, np.zeros(WIDE * SIDE), current, 0 * field, current.astype(np.float32), out


def pairs_inputs():
    _, rounded, _, field = quick_fields()
    w, current, out = (np.zeros(count * SIDE, dtype=np.float32) for count in (WIDE, 2 * WIDE, HIGH))
    return True, False, SIDE, rounded, w, field, current, out


def exact_pairs_inputs():
    scaled, _, field, _ = quick_fields()
    return False, False, LANES, scaled, np.zeros(WIDE * SIDE), field, np.zeros(2 * WIDE * SIDE), np.zeros(HIGH * LANES)


def make_pairs(count, first, reached, scaled, field, w, current, outs):
    """Make the passes with dense matrices."""
    make_passes(0, count, first, True, cells(), None, None, None, None, outs)


def make_pairs_inputs(first):
    field, w, current = (np.zeros(rows * WIDE * SIDE) for rows in (HIGH + 2, 1, 2))
    return (
        3,
        first,
        np.triu(np.ones((SIDE, SIDE))).ravel(),
        scaled_lines(),
        field,
        w,
        current,
        np.zeros((3, HIGH * LANES)),
    )


def passes_sum_inputs():
    others = normal(3, HIGH * SIDE).astype(np.float32)
    return 16, 2, normal(2, 4), normal(5, HIGH, WIDE), normal(HIGH * SIDE), others, np.zeros(3), np.zeros((ROWS, COLS))


def blocks_inputs(allowed=0.0):
    weights = np.zeros((2, 4))
    weights[0] = 1.0, 1.01, 1.02, 0.9
    weights[1, :3] = 1.0, 1.02, 0.8
    scaled, rounded, exact, field = quick_fields()
    room = (HIGH + 3 * WIDE) * SIDE
    light = np.zeros(3 * WIDE * SIDE, dtype=np.float32)
    outs = np.zeros((3, HIGH * SIDE), dtype=np.float32)
    return (
        allowed,
        weights,
        scaled,
        rounded,
        0 * exact,
        0 * field,
        np.zeros(room),
        light,
        outs,
        np.zeros(3),
        np.zeros((ROWS, COLS)),
    )


def case(kernel, twin, inputs, outputs, rtol=RTOL):
    """Return the record of a kernel that Python can call."""
    return KernelCase(kernel=kernel, call=kernel, twin=twin, inputs=inputs, outputs=outputs, rtol=rtol)


CROSSBAR = (
    case(_kernels.factor_lines, plain(_kernels.factor_lines), factor_inputs, (5,)),
    case(_kernels.clear, clear, lambda: (normal(9), 2, 7), (0,), 0.0),
    case(_kernels.sweep, plain(_kernels.sweep), sweep_inputs, (8, 9, 10, 11)),
    case(_kernels.make_passes, make_passes, passes_inputs, (9,)),
    case(_kernels.seed_modes, plain(_kernels.seed_modes), seed_inputs, (4,)),
    case(_kernels.add_products, add_products, lambda: (normal(80), normal(80), normal(256)), (2,)),
    case(_kernels.sweep_modes, plain(_kernels.sweep_modes), modes_inputs, (4, 7, 8)),
    case(_kernels.multiply_square, multiply_square, lambda: (normal(48), normal(256), np.zeros(48)), (2,)),
    case(_kernels.weigh_passes, weigh_passes, lambda: (0.7, np.zeros(6)), (1,)),
    case(_kernels.sum_passes, sum_passes, sum_inputs, (7,)),
    case(_kernels.closed_form, closed_form, closed_inputs, (5,)),
    case(_quick_kernels.scale_lines, scale_lines, lambda: (cells(), lines(), np.zeros((5, HIGH, WIDE))), (2,)),
    case(_quick_kernels.start_block, plain(_quick_kernels.start_block), start_inputs, (3,)),
    case(_quick_kernels.turn_block, plain(_quick_kernels.turn_block), turn_inputs, (5, 7), 1e-6),
    case(_quick_kernels.sweep_pairs, plain(_quick_kernels.sweep_pairs), pairs_inputs, (5, 7), 1e-6),
    case(_quick_kernels.sweep_pairs, plain(_quick_kernels.sweep_pairs), exact_pairs_inputs, (5, 7)),
    case(_quick_kernels.make_pairs, make_pairs, lambda: make_pairs_inputs(0), (7,)),
    case(_quick_kernels.make_pairs, make_pairs, lambda: make_pairs_inputs(16), (7,)),
    case(_quick_kernels.add_passes, plain(_quick_kernels.add_passes), passes_sum_inputs, (6, 7)),
    case(_quick_kernels.solve_blocks, solve_blocks, blocks_inputs, (9, 10), 1e-6),
    case(_quick_kernels.solve_blocks, solve_blocks, lambda: blocks_inputs(1.0), (9, 10), 1e-6),
    case(_ladder.solve_ladders, solve_ladders, ladder_inputs, (9,)),
)
