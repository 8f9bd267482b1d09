"""Kernels of line relaxation: circuits of any cells, ``WIDTH`` input vectors side by side.

Every word line (or source line) is a ladder whose cells are replaced by their tangents while the bit lines are held,
and is solved exactly; then every bit line alike. Ladders are eliminated as Norton equivalents, which needs resistances
and never their inverse: a wire of zero ohm is exact. Fields of node voltages hold ``WIDTH`` values a node; rows of
nodes lie an odd number of nodes apart, so that the nodes of a column do not fall on one set of the cache.

What a ladder takes its cells to carry fulfils Kirchhoff's law on that line. The currents that the cells really carry
differ from it; these differences are stray currents. Since the current of a cell rises with its voltage, strays reach
sensors through a network of positive conductances, so that no sensed current is further off than the sum of all strays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import add, divide, larger, load, multiply, multiply_add, scale, smaller, spread, store, zeros
from xbarsim.crossbar._cell import bend

WIDTH = 8
"""Vectors side by side; one 512-bit register of float64 [-]."""
FLOOR = 1e-300
"""Admittance that keeps a line without any conductance at 0 V [S]."""

MOST_RHO = 0.99999
"""Eigenvalue of a pass above which factors grow no further [-]."""
OMEGA, USED, CHANGE, BEFORE, DONE, FULL, ASKS, MIDDLE, REVIEW, MARK = range(10)
"""Rows of a block's state: factor on changes of voltages, the factor of this pass, change of cell currents in this pass
and in the one before, whether the vector is done, its full scale, whether it asks for stock to be taken, the passes
at which its change is noted and its factor is looked at, and the change noted."""

Floats = NDArray[np.float64]


class CellLaw(NamedTuple):
    """Curve of the cells; see ``_cell``."""

    kind: int
    coefs: Floats


class LineSet(NamedTuple):
    """All lines of one kind. A terminal ``near`` stands before node 0, one ``far`` after the last node."""

    sign: float
    """1 where currents leave through the cells, -1 where they arrive."""
    is_gated: bool
    """Whether conductances are multiplied by an opening."""
    g: Floats
    """(lines, nodes) conductance of the cells [S]."""
    opening: Floats
    """(rows * WIDTH,) opening of the rows' gates [-]."""
    opening_step: tuple[int, int]
    """Steps in ``opening`` from line to line and from node to node."""
    ohm: Floats
    """(lines or 1, nodes + 1) resistance before every node and after the last; only those between nodes count [ohm]."""
    near_drive: Floats
    """(lines * WIDTH,) 1 where a terminal is connected, else 0."""
    near_ohm: Floats
    """(lines * WIDTH,) resistance to the terminal, 1 where none is connected [ohm]."""
    far_siemens: Floats
    """(lines * WIDTH,) conductance to the terminal, 0 where none is connected [S]."""
    volt: Floats
    """(lines * WIDTH,) voltage of the line's terminals [V]."""
    step: tuple[int, int]
    """Steps in a field from line to line and from node to node."""


@kernel
def relax_lines(
    law: CellLaw, lines: LineSet, keeps: bool, omega: Floats, own: Floats, other: Floats, assumed: Floats,
    change: Floats, scratch: Floats,
) -> None:  # fmt: skip
    """Solve all lines of one kind with tangents, and move their voltages ``own`` by ``omega`` times the difference.

    ``other`` are the voltages at the cells' other ends, ``scratch`` (4, nodes * WIDTH). ``change`` (WIDTH,) receives
    the sum of all changes of cell currents, ``assumed`` the currents that lines took their cells to carry if ``keeps``.
    """
    count, nodes = lines.g.shape
    zero = zeros(own, WIDTH)
    one = spread(1.0, zero)
    push, slopes, ratio, shift = scratch[0], scratch[1], scratch[2], scratch[3]
    ohm_step = 1 if len(lines.ohm) > 1 else 0
    line_step, node_step = lines.step
    rate = load(omega, 0, zero)
    total = zero
    for n in range(count):
        y = load(lines.far_siemens, n * WIDTH, zero)
        c = multiply(y, load(lines.volt, n * WIDTH, zero))
        for k in range(nodes - 1, -1, -1):
            at = n * line_step + k * node_step
            u = load(own, at, zero)
            v = scale(lines.sign, multiply_add(-1.0, load(other, at, zero), u))
            f, s = bend(law.kind, law.coefs, v)
            if lines.is_gated:
                x = load(lines.opening, n * lines.opening_step[0] + k * lines.opening_step[1], zero)
                f = multiply(x, f)
                s = multiply(x, s)
            s = scale(lines.g[n, k], s)
            q = add(multiply(s, u), scale(-lines.sign * lines.g[n, k], f))
            y = add(y, s)
            c = add(c, q)
            store(push, k * WIDTH, q)
            store(slopes, k * WIDTH, s)
            if k > 0:
                r = lines.ohm[n * ohm_step, k]
                a = divide(one, multiply_add(r, y, one))
                y = multiply(y, a)
                c = multiply(c, a)
                store(ratio, k * WIDTH, a)
                store(shift, k * WIDTH, scale(r, c))
        d = load(lines.near_drive, n * WIDTH, zero)
        e = load(lines.near_ohm, n * WIDTH, zero)
        c = add(multiply(d, load(lines.volt, n * WIDTH, zero)), multiply(e, c))
        u = divide(c, add(add(multiply(e, y), d), spread(FLOOR, zero)))
        for k in range(nodes):
            if k > 0:
                u = add(multiply(load(ratio, k * WIDTH, zero), u), load(shift, k * WIDTH, zero))
            at = n * line_step + k * node_step
            s = load(slopes, k * WIDTH, zero)
            old = load(own, at, zero)
            move = multiply_add(-1.0, old, u)
            x = multiply(s, move)
            total = add(larger(x, scale(-1.0, x)), total)
            store(own, at, add(multiply(rate, move), old))
            if keeps:
                x = multiply_add(-1.0, load(push, k * WIDTH, zero), multiply(s, u))
                store(assumed, at, scale(lines.sign, x))
    store(change, 0, total)


class Goal(NamedTuple):
    """When vectors are done, and how strays reach sensors; see ``relaxation``."""

    tolerance: float
    """Largest error of a sensed current, relative to the largest sum of the sizes of a column's currents [-]."""
    limit: int
    """Passes after which vectors are given up."""
    overshoot: float
    """Factor on the changes of voltages to begin with [-]."""
    decay: float
    """Change of a pass relative to that of the pass before that is expected to begin with [-]."""
    picked: float
    """Largest share of a stray on a first line that all sensors together can see [-]."""
    one_first: float
    """Largest share of a stray on a first line that a single sensor can see [-]."""
    one_bit: float
    """The same of a stray on the bit line of another column [-]."""


@kernel
def measure(
    law: CellLaw, first: LineSet, goal: Goal, fields: Floats, sensed: Floats, sums: Floats, totals: Floats
) -> None:
    """Take stock of voltages and of the currents that lines assumed, ``fields`` (4, nodes * WIDTH).

    The fields are voltages of first lines and of bit lines, and then currents in the same order. ``sensed``
    (cols * WIDTH,) receives the currents of bit lines, ``totals`` (4, WIDTH) a bound on the error of each of them [A],
    the largest sum of the sizes of a column's currents [A], the power from the drivers [W], and their current [A].
    ``sums`` (2, cols * WIDTH) is scratch.
    """
    zero = zeros(fields[0], WIDTH)
    on_first, on_bit, power, driven = zero, zero, zero, zero
    count, nodes = first.g.shape
    line_step, node_step = first.step
    along = line_step > node_step  # first lines are word lines
    cols = nodes if along else count
    for k in range(cols):
        store(sensed, k * WIDTH, zero)
        store(sums[0], k * WIDTH, zero)
        store(sums[1], k * WIDTH, zero)
    for n in range(count):
        volt = load(first.volt, n * WIDTH, zero)
        drawn = zero
        for k in range(nodes):
            at = n * line_step + k * node_step
            v = multiply_add(-1.0, load(fields[1], at, zero), load(fields[0], at, zero))
            f, _ = bend(law.kind, law.coefs, v)
            f = scale(first.g[n, k], f)
            if first.is_gated:
                f = multiply(f, load(first.opening, n * first.opening_step[0] + k * first.opening_step[1], zero))
            i, j = load(fields[2], at, zero), load(fields[3], at, zero)
            x, y = multiply_add(-1.0, i, f), multiply_add(-1.0, j, f)
            x, y = larger(x, scale(-1.0, x)), larger(y, scale(-1.0, y))
            on_first = add(x, on_first)
            on_bit = add(y, on_bit)
            drawn = add(i, drawn)
            place = (k if along else n) * WIDTH
            store(sensed, place, add(j, load(sensed, place, zero)))
            store(sums[0], place, add(larger(f, scale(-1.0, f)), load(sums[0], place, zero)))
            if not along:
                y = add(x, y)
            store(sums[1], place, add(y, load(sums[1], place, zero)))
        driven = add(drawn, driven)
        power = add(multiply(volt, drawn), power)
    largest, single = zero, zero
    for k in range(cols):
        largest = larger(load(sums[0], k * WIDTH, zero), largest)
        single = larger(load(sums[1], k * WIDTH, zero), single)
    single = multiply_add(goal.one_first, on_first, multiply_add(goal.one_bit, on_bit, single))
    store(totals[0], 0, smaller(single, multiply_add(goal.picked, on_first, on_bit)))
    store(totals[1], 0, largest)
    store(totals[2], 0, power)
    store(totals[3], 0, driven)


@kernel
def begin(law: CellLaw, first: LineSet, fields: Floats, sums: Floats, full: Floats) -> None:
    """Set first lines to the voltage of their terminals and bit lines to 0 V.

    ``full`` (WIDTH,) receives the largest sum of the sizes of a column's currents at these voltages [A].
    """
    zero = zeros(fields[0], WIDTH)
    count, nodes = first.g.shape
    line_step, node_step = first.step
    along = line_step > node_step
    cols = nodes if along else count
    for k in range(cols):
        store(sums[0], k * WIDTH, zero)
    for n in range(count):
        volt = load(first.volt, n * WIDTH, zero)
        f, _ = bend(law.kind, law.coefs, volt)
        f = larger(f, scale(-1.0, f))
        for k in range(nodes):
            at = n * line_step + k * node_step
            store(fields[0], at, volt)
            store(fields[1], at, zero)
            x = scale(first.g[n, k], f)
            if first.is_gated:
                x = multiply(x, load(first.opening, n * first.opening_step[0] + k * first.opening_step[1], zero))
            place = (k if along else n) * WIDTH
            store(sums[0], place, add(x, load(sums[0], place, zero)))
    largest = zero
    for k in range(cols):
        largest = larger(load(sums[0], k * WIDTH, zero), largest)
    store(full, 0, largest)


@kernel
def steer(n: int, goal: Goal, state: Floats) -> bool:
    """Decide what pass ``n`` does for each vector; return whether any asks for stock to be taken.

    A vector asks when the change that it expects promises success. Its factor is looked at once in a while, as in
    successive over-relaxation of two blocks: an eigenvalue ``rho`` of plain passes calls for the factor
    ``2 / (1 + sqrt(1 - rho))``; where changes do not shrink it is made smaller.
    """
    share = min(goal.picked, goal.one_first)
    any_asks = False
    for m in range(WIDTH):
        change, before, omega = state[CHANGE, m], state[BEFORE, m], state[OMEGA, m]
        ratio = goal.decay if n <= 2 else min(1.0, change / before) if before > 0.0 else 0.0
        asks = state[DONE, m] == 0.0 and n > 1 and ratio * change * share <= goal.tolerance * state[FULL, m]
        if n == state[MIDDLE, m]:
            state[MARK, m] = change
        elif n == state[REVIEW, m] and change > 0.0:
            decay = (change / state[MARK, m]) ** (1.0 / (n - state[MIDDLE, m]))
            if decay < 1.0:
                rho = min((decay + omega - 1.0) ** 2 / (decay * omega * omega), MOST_RHO)
                omega = max(min(omega, 1.0), 2.0 / (1.0 + math.sqrt(1.0 - rho))) if omega >= 1.0 else omega
            else:
                omega = 1.0 if omega > 1.5 else 0.7 * omega
            state[OMEGA, m] = omega
            state[MIDDLE, m] = n + math.ceil(4.0 + 2.0 / (2.0 - omega))
            state[REVIEW, m] = 2.0 * state[MIDDLE, m] - n
        any_asks = any_asks or asks
        state[ASKS, m] = 1.0 if asks else 0.0
        state[USED, m] = min(omega, 1.0) if asks else omega
        state[BEFORE, m] = change
    return any_asks


@kernel
def relax_block(
    law: CellLaw, first: LineSet, second: LineSet, goal: Goal, fields: Floats, scratch: Floats, state: Floats,
    sums: Floats, totals: Floats, sensed: Floats, found: Floats,
) -> None:  # fmt: skip
    """Relax lines in turn until the vectors of a block are done or given up.

    A vector is done when the bound on its errors keeps the tolerance. What was found then stays, so that its bits do
    not depend on its neighbours. ``state`` (10, WIDTH), by the names of this module, has ``DONE`` at 1 for lanes of no
    vector and at 0 for the others. ``found`` (5 + cols, WIDTH) receives the rows of :func:`measure`'s totals, the
    passes (0 where none sufficed), and sensed currents. The other arrays are scratch of the other kernels.
    """
    begin(law, first, fields, sums, state[FULL])
    for m in range(WIDTH):
        state[OMEGA, m] = goal.overshoot
        state[MIDDLE, m] = 7.0
        state[REVIEW, m] = 13.0
        state[ASKS, m] = 0.0
        state[CHANGE, m] = 0.0
        found[4, m] = 0.0
    cols = len(sensed) // WIDTH
    for n in range(1, goal.limit + 1):
        left = False
        for m in range(WIDTH):
            left = left or state[DONE, m] == 0.0
        if not left:
            break
        asked = steer(n, goal, state)
        relax_lines(law, first, asked, state[USED], fields[0], fields[1], fields[2], state[CHANGE], scratch)
        relax_lines(law, second, asked, state[USED], fields[1], fields[0], fields[3], state[CHANGE], scratch)
        if not asked:
            continue
        measure(law, first, goal, fields, sensed, sums, totals)
        for m in range(WIDTH):
            if state[ASKS, m] == 0.0:
                continue
            state[FULL, m] = totals[1, m]
            if totals[0, m] <= goal.tolerance * totals[1, m]:
                state[DONE, m] = 1.0
                found[4, m] = n
                for row in range(4):
                    found[row, m] = totals[row, m]
                for k in range(cols):
                    found[5 + k, m] = sensed[k * WIDTH + m]
