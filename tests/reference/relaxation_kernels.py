"""Kernels of line relaxation and their twins: NumPy's curves, and dense nodal analysis of every line."""

from __future__ import annotations

from functools import partial

import numpy as np
from reference.kernel_case import KernelCase, plain

from xbarsim._numba import kernel
from xbarsim._simd import address, load, point, spread, store, zeros
from xbarsim.crossbar import _cell, _line, _relaxation
from xbarsim.crossbar._line import WIDTH, CellLaw, LineSet
from xbarsim.crossbar._relaxation import DONE, Goal

ROWS, COLS = 6, 5
SINH = CellLaw(_cell.SINH, np.array([0.1, 1.0 / 0.4, 2.0]))
POLYNOMIAL = CellLaw(_cell.POLYNOMIAL, np.array([3.0, 1.0, 0.5, 20.0]))
SELECTOR = CellLaw(_cell.SELECTOR, np.array([0.1, 1.0 / 0.005, 1e-4]))
OHMIC = CellLaw(_cell.OHMIC, np.zeros(1))
GOAL = Goal(1e-9, 40, 1.05, 0.1, 0.5, 0.2, 0.1, 1e-14, False, 1.0)


# --- kernels around those that take lanes --------------------------------------------------------------------------
@kernel
def bend_sinh(coefs, v, out):
    f, s = _cell.bend_sinh(coefs, load(v, 0, zeros(v, WIDTH)))
    store(out, 0, f)
    store(out, WIDTH, s)


@kernel
def bend_polynomial(coefs, v, out):
    f, s = _cell.bend_polynomial(coefs, load(v, 0, zeros(v, WIDTH)))
    store(out, 0, f)
    store(out, WIDTH, s)


@kernel
def bend_selector(coefs, v, out):
    f, s = _cell.bend_selector(coefs, load(v, 0, zeros(v, WIDTH)))
    store(out, 0, f)
    store(out, WIDTH, s)


@kernel
def bend(kind, coefs, v, out):
    f, s = _cell.bend(kind, coefs, load(v, 0, zeros(v, WIDTH)))
    store(out, 0, f)
    store(out, WIDTH, s)


@kernel
def draw_lanes(law, lines, n, k, u, o, out):
    zero = zeros(u, WIDTH)
    f, s = _line.draw(point(law), point(lines), n, k, load(u, 0, zero), load(o, 0, zero))
    store(out, 0, f)
    store(out, WIDTH, s)


@kernel
def end_line_lanes(lines, n, y, c, out):
    zero = zeros(y, WIDTH)
    store(out, 0, _line.end_line(point(lines), n, load(y, 0, zero), load(c, 0, zero)))


@kernel
def eliminate_lanes(law, lines, n, own, other, scratch, out):
    one = spread(1.0, zeros(own, WIDTH))
    cell, line, span = point(law), point(lines), scratch.shape[1]
    y, c = _line.eliminate(cell, line, n, address(own), address(other), span, address(scratch), one)
    store(out, 0, y)
    store(out, WIDTH, c)


# --- twins ---------------------------------------------------------------------------------------------------------
def curve(kind, coefs, v):
    """Return current and slope of a cell of 1 S as NumPy works them out."""
    if kind == _cell.SINH:
        return coefs[0] * np.sinh(v / coefs[0]), np.cosh(v / coefs[0])
    if kind == _cell.POLYNOMIAL:
        terms = np.array([0.0, *coefs[1:]])
        return np.polynomial.polynomial.polyval(v, terms), np.polynomial.polynomial.polyval(
            v, terms[1:] * np.arange(1, len(terms))
        )
    if kind == _cell.SELECTOR:
        step = 1.0 / (1.0 + np.exp(-(np.abs(v) - coefs[0]) * coefs[1]))
        share = coefs[2] + (1.0 - coefs[2]) * step
        return v * share, share + np.abs(v) * (1.0 - coefs[2]) * step * (1.0 - step) * coefs[1]
    return v, np.ones_like(v)


def plain_curve(kind):
    """Return the twin of a kernel that evaluates one law."""

    def evaluate(coefs, v, out):
        out[:] = np.concatenate(curve(kind, coefs, v))

    return evaluate


def plain_bend(kind, coefs, v, out):
    """Evaluate any law."""
    out[:] = np.concatenate(curve(kind, coefs, v))


def places(lines, n):
    """Return where the nodes of line ``n`` lie in a field of (places, WIDTH)."""
    return (n * lines.step[0] + np.arange(lines.g.shape[1]) * lines.step[1]) // WIDTH


def openings(lines, n):
    """Return the opening at the nodes of line ``n``, (nodes, WIDTH)."""
    if not lines.is_gated:
        return np.ones((lines.g.shape[1], WIDTH))
    where = (n * lines.opening_step[0] + np.arange(lines.g.shape[1]) * lines.opening_step[1]) // WIDTH
    return lines.opening.reshape(-1, WIDTH)[where]


def solve_line(law, lines, n, m, u, o):
    """Solve one line of one vector densely; return voltages, and the currents that leave and their slopes at ``u``."""
    opening, ohm = openings(lines, n)[:, m], lines.ohm[n if len(lines.ohm) > 1 else 0]
    f, s = curve(law.kind, law.coefs, lines.sign * (u - o))
    f, s = lines.sign * f * lines.g[n] * opening, s * lines.g[n] * opening
    matrix, known = np.diag(s), s * u - f
    for k in range(1, len(u)):
        matrix[k - 1 : k + 1, k - 1 : k + 1] += np.array([[1.0, -1.0], [-1.0, 1.0]]) / ohm[k]
    end = n * WIDTH + m
    near = lines.near_drive[end] / lines.near_ohm[end]
    for k, siemens in ((0, near), (-1, lines.far_siemens[end])):
        matrix[k, k] += siemens
        known[k] += siemens * lines.volt[end]
    return np.linalg.solve(matrix, known), f, s


def relax_lines(law, lines, keeps, omega, own, other, assumed, change, scratch):
    """Solve every line of every vector as a dense matrix."""
    mine, others, kept = (field.reshape(-1, WIDTH) for field in (own, other, assumed))
    change[:] = 0.0
    for n in range(lines.number):
        at = places(lines, n)
        for m in range(WIDTH):
            u = mine[at, m].copy()
            solved, f, s = solve_line(law, lines, n, m, u, others[at, m])
            change[m] += np.abs(s * (solved - u)).sum()
            mine[at, m] += omega[m] * (solved - u)
            if keeps:
                kept[at, m] = lines.sign * (f + s * (solved - u))


def relax_carefully(law, lines, omega, own, other, assumed, change, scratch):
    """Shorten the steps of dense solutions where the slope of the co-content has changed its sign."""
    mine, others, kept = (field.reshape(-1, WIDTH) for field in (own, other, assumed))
    change[:] = 0.0
    for n in range(lines.number):
        at = places(lines, n)
        for m in range(WIDTH):
            u, o = mine[at, m].copy(), others[at, m]
            solved, f, s = solve_line(law, lines, n, m, u, o)
            move, taken, held = solved - u, f + s * (solved - u), lines.sign * kept[at, m]
            there, _ = curve(law.kind, law.coefs, lines.sign * (solved - o))
            there = lines.sign * there * lines.g[n] * openings(lines, n)[:, m]
            before, after = max((held - f) @ move, 1e-300), max((there - taken) @ move, 0.0)
            share = max(before / (before + after), _line.LEAST_STEP) * omega[m]
            change[m] += np.abs(taken - held).sum()
            mine[at, m] += share * move
            kept[at, m] += share * lines.sign * (taken - held)


def draw(law, lines, n, k, u, o, out):
    """Evaluate the cell at one node."""
    f, s = curve(law.kind, law.coefs, lines.sign * (u - o))
    factor = lines.g[n, k] * openings(lines, n)[k]
    out[:] = np.concatenate([lines.sign * f * factor, s * factor])


def draw_behind(law, lines, n, k, u, o, out):
    """Bisect for the voltage across the cell behind its resistance."""
    v, g = lines.sign * (u - o), lines.g[n, k]
    low, high = np.minimum(v, 0.0), np.maximum(v, 0.0)
    for _ in range(200):
        w = 0.5 * (low + high)
        above = w + lines.access_ohm * g * curve(law.kind, law.coefs, w)[0] > v
        low, high = np.where(above, low, w), np.where(above, w, high)
    f, s = curve(law.kind, law.coefs, w)
    factor = g * openings(lines, n)[k]
    out[:] = np.concatenate([lines.sign * f * factor, s / (1.0 + lines.access_ohm * g * s) * factor])


def draw_closed(law, lines, n, k, u, o, out):
    """Bisect for the voltage across the cell behind its open gate, and behind its closed one."""
    found, share = np.zeros(2 * WIDTH), openings(lines, n)[k]
    for ohm, part in ((lines.access_ohm, share), (lines.closed_ohm, 1.0 - share)):
        draw_behind(law, lines._replace(access_ohm=ohm, is_gated=False), n, k, u, o, out)
        found += np.tile(part, 2) * out
    out[:] = found


def end_line(lines, n, y, c, out):
    """Return the voltage of a node with a Norton equivalent and a terminal."""
    part = slice(n * WIDTH, (n + 1) * WIDTH)
    d, e = lines.near_drive[part], lines.near_ohm[part]
    out[:] = (d * lines.volt[part] + e * c) / (d + e * y)


def eliminate(law, lines, n, own, other, scratch, out):
    """Add up admittances and Norton currents from the far end."""
    at, part = places(lines, n), slice(n * WIDTH, (n + 1) * WIDTH)
    mine, others = (field.reshape(-1, WIDTH)[at] for field in (own, other))
    f, s = curve(law.kind, law.coefs, lines.sign * (mine - others))
    factor = lines.g[n][:, np.newaxis] * openings(lines, n)
    f, s = lines.sign * f * factor, s * factor
    y, c = lines.far_siemens[part], lines.far_siemens[part] * lines.volt[part]
    for k in range(lines.nodes - 1, -1, -1):
        y, c = y + s[k], c + s[k] * mine[k] - f[k]
        if k:
            a = 1.0 / (1.0 + lines.ohm[n, k] * y)
            y, c = y * a, c * a
    out[:] = np.concatenate([y, c])


def measure(law, first, goal, fields, sensed, sums, totals):
    """Sum over all cells with NumPy; here first lines are word lines."""
    where = np.array([places(first, n) for n in range(len(first.g))])
    opening = np.array([openings(first, n) for n in range(len(first.g))])
    u, o, i, j = (field.reshape(-1, WIDTH)[where] for field in fields)
    f = curve(law.kind, law.coefs, u - o)[0] * first.g[:, :, np.newaxis] * opening
    on_first, on_bit = np.abs(f - i), np.abs(f - j)
    sensed[:] = j.sum(axis=0).ravel()
    single = on_bit.sum(axis=0).max(axis=0) + goal.one_first * on_first.sum((0, 1)) + goal.one_bit * on_bit.sum((0, 1))
    totals[0] = np.minimum(single, goal.picked * on_first.sum((0, 1)) + on_bit.sum((0, 1)))
    totals[1] = np.abs(f).sum(axis=0).max(axis=0)
    totals[0] += goal.rounding * totals[1]
    totals[2] = (first.volt.reshape(-1, 1, WIDTH) * i).sum((0, 1))
    totals[3] = i.sum((0, 1))


def begin(law, first, fields, sums, full):
    """Fill fields with NumPy; here first lines are word lines."""
    where = np.array([places(first, n) for n in range(len(first.g))])
    opening = np.array([openings(first, n) for n in range(len(first.g))])
    volt = np.repeat(first.volt.reshape(-1, 1, WIDTH), first.g.shape[1], axis=1)
    fields[0].reshape(-1, WIDTH)[where] = volt
    for field in fields[1:]:
        field.reshape(-1, WIDTH)[where] = 0.0
    current = np.abs(curve(law.kind, law.coefs, volt)[0]) * first.g[:, :, np.newaxis] * opening
    full[:] = current.sum(axis=0).max(axis=0)


# --- inputs --------------------------------------------------------------------------------------------------------
def line_sets(is_gated=False):
    """Return word lines driven from both ends and bit lines sensed at one, resistances by segment."""
    rng = np.random.default_rng(0)
    g, x = rng.uniform(1e-5, 1e-3, (ROWS, COLS)), rng.uniform(0.1, 1.0, ROWS * WIDTH)
    ones, down = np.ones(ROWS * WIDTH), (COLS | 1) * WIDTH
    word = LineSet(
        1.0, is_gated, ROWS, COLS, g, x, (WIDTH, 0), rng.uniform(1.0, 9.0, (ROWS, COLS + 1)), COLS + 1,
        ones, 30.0 * ones, 0.02 * ones, rng.uniform(0.0, 0.2, ROWS * WIDTH), (down, WIDTH), 0.0, 0, 0.0, 0, 1.0,
    )  # fmt: skip
    ones = np.ones(COLS * WIDTH)
    bit = LineSet(
        -1.0, is_gated, COLS, ROWS, np.ascontiguousarray(g.T), x, (0, WIDTH), np.full((1, ROWS + 1), 5.0), 0,
        0.0 * ones, ones, 0.05 * ones, 0.0 * ones, (WIDTH, down), 0.0, 0, 0.0, 0, 1.0,
    )  # fmt: skip
    return word, bit


def field_stack():
    """Return voltages and currents of all fields."""
    rng = np.random.default_rng(1)
    size = ROWS * (COLS | 1) * WIDTH
    return rng.uniform(0.0, 1.0, (4, size)) * np.array([0.2, 0.05, 1e-4, 1e-4])[:, np.newaxis]


def scratch():
    return np.zeros((4, max(ROWS, COLS) * WIDTH))


def relax_inputs(law, which, is_gated):
    own, other, assumed, _ = field_stack()
    return (
        law, line_sets(is_gated)[which], True, np.linspace(0.9, 1.2, WIDTH), own, other, assumed, np.zeros(WIDTH),
        scratch(),
    )  # fmt: skip


def careful_inputs(law, which):
    own, other, assumed, _ = field_stack()
    return law, line_sets(True)[which], np.linspace(0.9, 1.2, WIDTH), own, other, assumed, np.zeros(WIDTH), scratch()


def cell_inputs():
    u, o = np.linspace(0.0, 0.2, WIDTH), np.linspace(0.1, 0.0, WIDTH)
    return POLYNOMIAL, line_sets(True)[1], 3, 2, u, o, np.zeros(2 * WIDTH)


def behind_inputs():
    law, lines, *rest = cell_inputs()
    return law, lines._replace(access_ohm=3e3, inner=8), *rest


def closed_inputs(closed_ohm):
    law, lines, *rest = cell_inputs()
    return law, lines._replace(access_ohm=3e3, inner=8, closed_ohm=closed_ohm, closed=12), *rest


def end_inputs():
    rng = np.random.default_rng(3)
    return line_sets()[0], 2, rng.uniform(1e-4, 1e-2, WIDTH), rng.uniform(1e-5, 1e-4, WIDTH), np.zeros(WIDTH)


def line_inputs():
    own, other, _, _ = field_stack()
    return SINH, line_sets(True)[0], 3, own, other, scratch(), np.zeros(2 * WIDTH)


def measure_inputs():
    word, _ = line_sets(True)
    sums, totals = np.zeros((2, COLS * WIDTH)), np.zeros((4, WIDTH))
    return SINH, word, GOAL, field_stack(), np.zeros(COLS * WIDTH), sums, totals


def begin_inputs():
    return POLYNOMIAL, line_sets(True)[0], field_stack(), np.zeros((2, COLS * WIDTH)), np.zeros(WIDTH)


def steer_inputs():
    rng = np.random.default_rng(2)
    state = rng.uniform(0.5, 1.5, (10, WIDTH))
    state[DONE], state[DONE, 2] = 0.0, 1.0
    state[_relaxation.CHANGE] *= np.geomspace(1e-12, 1.0, WIDTH)
    state[_relaxation.MIDDLE], state[_relaxation.REVIEW] = 7.0, np.where(np.arange(WIDTH) % 2, 13.0, 20.0)
    return 13, GOAL, 1.0, state


def block_inputs():
    word, bit = line_sets(True)
    state = np.zeros((10, WIDTH))
    state[DONE, -1] = 1.0
    return (
        SINH, word, bit, GOAL, np.zeros((4, ROWS * (COLS | 1) * WIDTH)), scratch(), state,
        np.zeros((2, COLS * WIDTH)), np.zeros((4, WIDTH)), np.zeros(COLS * WIDTH), np.zeros((5 + COLS, WIDTH)),
        np.zeros((WIDTH, 2, ROWS * (COLS | 1))),
    )  # fmt: skip


def case(kernel, call, twin, inputs, outputs, rtol):
    """Return the record of a kernel."""
    return KernelCase(kernel=kernel, call=call, twin=twin, inputs=inputs, outputs=outputs, rtol=rtol)


VOLTS = np.repeat([-0.2, -0.1, -1e-6, 0.0, 1e-3, 0.1, 0.15, 0.2], WIDTH // 8)
CURVES = (
    (_cell.bend_sinh, bend_sinh, SINH),
    (_cell.bend_polynomial, bend_polynomial, POLYNOMIAL),
    (_cell.bend_selector, bend_selector, SELECTOR),
)
RELAXATION = (
    *(
        case(k, call, plain_curve(law.kind), lambda law=law: (law.coefs, VOLTS, np.zeros(2 * WIDTH)), (2,), 1e-12)
        for k, call, law in CURVES
    ),
    *(
        case(_cell.bend, bend, plain_bend, lambda law=law: (*law, VOLTS, np.zeros(2 * WIDTH)), (3,), 1e-12)
        for law in (OHMIC, SELECTOR)
    ),
    *(
        case(
            _line.relax_lines, _line.relax_lines, relax_lines,
            lambda law=law, which=which, is_gated=is_gated: relax_inputs(law, which, is_gated), (4, 6, 7), 1e-9,
        )
        for law, which, is_gated in ((SINH, 0, False), (SELECTOR, 1, True), (OHMIC, 0, True))
    ),
    *(
        case(
            _line.relax_carefully, _line.relax_carefully, relax_carefully,
            lambda law=law, which=which: careful_inputs(law, which), (3, 5, 6), 1e-9,
        )
        for law, which in ((SELECTOR, 0), (SINH, 1))
    ),
    case(_line.draw, draw_lanes, draw, cell_inputs, (6,), 1e-12),
    case(_line.draw, draw_lanes, draw_behind, behind_inputs, (6,), 1e-12),
    *(
        case(_line.draw, draw_lanes, draw_closed, partial(closed_inputs, ohm), (6,), 1e-12)
        for ohm in (1e3, 1e6, 1e9)
    ),
    case(_line.end_line, end_line_lanes, end_line, end_inputs, (4,), 1e-12),
    case(_line.eliminate, eliminate_lanes, eliminate, line_inputs, (6,), 1e-10),
    case(_relaxation.measure, _relaxation.measure, measure, measure_inputs, (4, 6), 1e-9),
    case(_relaxation.begin, _relaxation.begin, begin, begin_inputs, (2, 4), 1e-12),
    case(_relaxation.steer, _relaxation.steer, plain(_relaxation.steer), steer_inputs, (3,), 1e-12),
    case(
        _relaxation.relax_block, _relaxation.relax_block, plain(_relaxation.relax_block), block_inputs, (10, 11), 1e-9,
    ),
)  # fmt: skip
