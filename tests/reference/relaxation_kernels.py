"""Kernels of line relaxation and their twins: NumPy's curves, and dense nodal analysis of every line."""

from __future__ import annotations

import numpy as np
from reference.kernel_case import KernelCase, plain

from xbarsim._numba import kernel
from xbarsim._simd import load, store, zeros
from xbarsim.crossbar import _cell, _relaxation
from xbarsim.crossbar._relaxation import DONE, WIDTH, CellLaw, Goal, LineSet

ROWS, COLS = 6, 5
SINH = CellLaw(_cell.SINH, np.array([0.1, 1.0 / 0.4, 2.0]))
POLYNOMIAL = CellLaw(_cell.POLYNOMIAL, np.array([1.0, 0.5, 20.0]))
SELECTOR = CellLaw(_cell.SELECTOR, np.array([0.1, 1.0 / 0.005, 1e-4]))
OHMIC = CellLaw(_cell.OHMIC, np.zeros(1))
GOAL = Goal(1e-9, 40, 1.05, 0.1, 0.5, 0.2, 0.1)


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


# --- twins ---------------------------------------------------------------------------------------------------------
def curve(kind, coefs, v):
    """Return current and slope of a cell of 1 S as NumPy works them out."""
    if kind == _cell.SINH:
        return coefs[0] * np.sinh(v / coefs[0]), np.cosh(v / coefs[0])
    if kind == _cell.POLYNOMIAL:
        terms = np.array([0.0, *coefs])
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


def relax_lines(law, lines, keeps, omega, own, other, assumed, change, scratch):
    """Solve every line of every vector as a dense matrix."""
    mine, others, kept = (field.reshape(-1, WIDTH) for field in (own, other, assumed))
    change[:] = 0.0
    for n in range(len(lines.g)):
        at, opening = places(lines, n), openings(lines, n)
        ohm = lines.ohm[n if len(lines.ohm) > 1 else 0]
        for m in range(WIDTH):
            u, o = mine[at, m].copy(), others[at, m]
            f, s = curve(law.kind, law.coefs, lines.sign * (u - o))
            f, s = lines.sign * f * lines.g[n] * opening[:, m], s * lines.g[n] * opening[:, m]
            matrix, known = np.diag(s), s * u - f
            for k in range(1, len(u)):
                matrix[k - 1 : k + 1, k - 1 : k + 1] += np.array([[1.0, -1.0], [-1.0, 1.0]]) / ohm[k]
            end = n * WIDTH + m
            near = lines.near_drive[end] / lines.near_ohm[end]
            for k, siemens in ((0, near), (-1, lines.far_siemens[end])):
                matrix[k, k] += siemens
                known[k] += siemens * lines.volt[end]
            solved = np.linalg.solve(matrix, known)
            change[m] += np.abs(s * (solved - u)).sum()
            mine[at, m] += omega[m] * (solved - u)
            if keeps:
                kept[at, m] = lines.sign * (f + s * (solved - u))


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
    totals[2] = (first.volt.reshape(-1, 1, WIDTH) * i).sum((0, 1))
    totals[3] = i.sum((0, 1))


def begin(law, first, fields, sums, full):
    """Fill fields with NumPy; here first lines are word lines."""
    where = np.array([places(first, n) for n in range(len(first.g))])
    opening = np.array([openings(first, n) for n in range(len(first.g))])
    volt = np.repeat(first.volt.reshape(-1, 1, WIDTH), first.g.shape[1], axis=1)
    fields[0].reshape(-1, WIDTH)[where] = volt
    fields[1].reshape(-1, WIDTH)[where] = 0.0
    current = np.abs(curve(law.kind, law.coefs, volt)[0]) * first.g[:, :, np.newaxis] * opening
    full[:] = current.sum(axis=0).max(axis=0)


# --- inputs --------------------------------------------------------------------------------------------------------
def line_sets(is_gated=False):
    """Return word lines driven from both ends and bit lines sensed at one, resistances by segment."""
    rng = np.random.default_rng(0)
    g, x = rng.uniform(1e-5, 1e-3, (ROWS, COLS)), rng.uniform(0.1, 1.0, ROWS * WIDTH)
    ones, down = np.ones(ROWS * WIDTH), (COLS | 1) * WIDTH
    word = LineSet(
        1.0, is_gated, g, x, (WIDTH, 0), rng.uniform(1.0, 9.0, (ROWS, COLS + 1)), ones, 30.0 * ones, 0.02 * ones,
        rng.uniform(0.0, 0.2, ROWS * WIDTH), (down, WIDTH),
    )  # fmt: skip
    ones = np.ones(COLS * WIDTH)
    bit = LineSet(
        -1.0, is_gated, np.ascontiguousarray(g.T), x, (0, WIDTH), np.full((1, ROWS + 1), 5.0), 0.0 * ones, ones,
        0.05 * ones, 0.0 * ones, (WIDTH, down),
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
    return 13, GOAL, state


def block_inputs():
    word, bit = line_sets(True)
    state = np.zeros((10, WIDTH))
    state[DONE, -1] = 1.0
    return (
        SINH, word, bit, GOAL, np.zeros((4, ROWS * (COLS | 1) * WIDTH)), scratch(), state,
        np.zeros((2, COLS * WIDTH)), np.zeros((4, WIDTH)), np.zeros(COLS * WIDTH), np.zeros((5 + COLS, WIDTH)),
    )  # fmt: skip


def case(kernel, call, twin, inputs, outputs, rtol):
    """Return the record of a kernel."""
    return KernelCase(kernel=kernel, call=call, twin=twin, inputs=inputs, outputs=outputs, rtol=rtol)


VOLTS = np.array([-0.2, -0.1, -1e-6, 0.0, 1e-3, 0.1, 0.15, 0.2])
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
            _relaxation.relax_lines, _relaxation.relax_lines, relax_lines,
            lambda law=law, which=which, is_gated=is_gated: relax_inputs(law, which, is_gated), (4, 6, 7), 1e-9,
        )
        for law, which, is_gated in ((SINH, 0, False), (SELECTOR, 1, True), (OHMIC, 0, True))
    ),
    case(_relaxation.measure, _relaxation.measure, measure, measure_inputs, (4, 6), 1e-9),
    case(_relaxation.begin, _relaxation.begin, begin, begin_inputs, (2, 4), 1e-12),
    case(_relaxation.steer, _relaxation.steer, plain(_relaxation.steer), steer_inputs, (2,), 1e-12),
    case(_relaxation.relax_block, _relaxation.relax_block, plain(_relaxation.relax_block), block_inputs, (10,), 1e-9),
)  # fmt: skip
