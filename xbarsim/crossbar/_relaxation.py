"""Kernels of line relaxation: lines are solved in turn until stray currents are small enough.

What a line takes its cells to carry fulfils Kirchhoff's law on that line. The currents that the cells really carry
differ from it; these differences are stray currents. Since the current of a cell rises with its voltage, strays reach
sensors through a network of positive conductances, so that no sensed current is further off than the sum of all strays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import (
    add,
    address,
    larger,
    load,
    multiply,
    multiply_add,
    point,
    scale,
    smaller,
    store,
    zeros,
)  # fmt: skip
from xbarsim.crossbar._line import WIDTH, CellLaw, LineSet, draw, relax_carefully, relax_lines

SHARPENING = 0.8
"""Factor by which a softened selector narrows from pass to pass [-]."""
MOST_RHO = 0.99999
"""Eigenvalue of a pass above which factors grow no further [-]."""
OMEGA, USED, CHANGE, BEFORE, DONE, FULL, ASKS, MIDDLE, REVIEW, MARK = range(10)
"""Rows of a block's state: factor on changes of voltages, the factor of this pass, change of cell currents in this pass
and in the one before, whether the vector is done, its full scale, whether it asks for stock to be taken, the passes
at which its change is noted and its factor is looked at, and the change noted."""

Floats = NDArray[np.float64]


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
    rounding: float
    """What rounding adds to the bound on errors, relative to full scale [-]."""
    is_careful: bool
    """Whether steps are shortened so that they cannot overshoot."""
    soften: float
    """Factor on the width of a selector's step to begin with; it shrinks to 1 pass by pass [-]."""


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
    zero = zeros(fields, WIDTH)
    cell, line = point(law), point(first)
    size, field = fields.shape[1], address(fields)
    on_first, on_bit, power, driven = zero, zero, zero, zero
    line_step, node_step = line.step
    along = line_step > node_step  # first lines are word lines
    cols = line.nodes if along else line.number
    for k in range(cols):
        store(sensed, k * WIDTH, zero)
        store(sums[0], k * WIDTH, zero)
        store(sums[1], k * WIDTH, zero)
    for n in range(line.number):
        drawn = zero
        for k in range(line.nodes):
            at = n * line_step + k * node_step
            f, _ = draw(cell, line, n, k, load(field, at, zero), load(field, size + at, zero))
            i, j = load(field, 2 * size + at, zero), load(field, 3 * size + at, zero)
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
        power = add(multiply(load(line.volt, n * WIDTH, zero), drawn), power)
    largest, single = zero, zero
    for k in range(cols):
        largest = larger(load(sums[0], k * WIDTH, zero), largest)
        single = larger(load(sums[1], k * WIDTH, zero), single)
    single = multiply_add(goal.one_first, on_first, multiply_add(goal.one_bit, on_bit, single))
    bound = smaller(single, multiply_add(goal.picked, on_first, on_bit))
    store(totals[0], 0, multiply_add(goal.rounding, largest, bound))
    store(totals[1], 0, largest)
    store(totals[2], 0, power)
    store(totals[3], 0, driven)


@kernel
def begin(law: CellLaw, first: LineSet, fields: Floats, sums: Floats, full: Floats) -> None:
    """Set first lines to the voltage of their terminals, bit lines to 0 V, and what they carry to nothing.

    ``full`` (WIDTH,) receives the largest sum of the sizes of a column's currents at these voltages [A].
    """
    zero = zeros(fields, WIDTH)
    cell, line = point(law), point(first)
    line_step, node_step = line.step
    along = line_step > node_step
    cols = line.nodes if along else line.number
    for k in range(cols):
        store(sums[0], k * WIDTH, zero)
    for n in range(line.number):
        volt = load(line.volt, n * WIDTH, zero)
        for k in range(line.nodes):
            at = n * line_step + k * node_step
            store(fields[0], at, volt)
            for other in range(1, 4):
                store(fields[other], at, zero)
            x, _ = draw(cell, line, n, k, volt, zero)
            place = (k if along else n) * WIDTH
            store(sums[0], place, add(larger(x, scale(-1.0, x)), load(sums[0], place, zero)))
    largest = zero
    for k in range(cols):
        largest = larger(load(sums[0], k * WIDTH, zero), largest)
    store(full, 0, largest)


@kernel
def steer(n: int, goal: Goal, soft: float, state: Floats) -> bool:
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
        asks = (
            state[DONE, m] == 0.0
            and soft == 1.0
            and n > 1
            and ratio * change * share <= goal.tolerance * state[FULL, m]
        )
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
        state[USED, m] = 1.0 if asks else omega  # the bound needs voltages that belong to the currents of lines
        state[BEFORE, m] = change
    return any_asks


@kernel
def relax_block(
    law: CellLaw, first: LineSet, second: LineSet, goal: Goal, fields: Floats, scratch: Floats, state: Floats,
    sums: Floats, totals: Floats, sensed: Floats, found: Floats, kept: Floats,
) -> None:  # fmt: skip
    """Relax lines in turn until the vectors of a block are done or given up.

    A vector is done when the bound on its errors keeps the tolerance. What was found then stays, so that its bits do
    not depend on its neighbours. ``state`` (10, WIDTH), by the names of this module, has ``DONE`` at 1 for lanes of no
    vector and at 0 for the others. ``found`` (5 + cols, WIDTH) receives the rows of :func:`measure`'s totals, the
    passes (0 where none sufficed), and sensed currents; ``kept`` (WIDTH, 2, places) the voltages, unless it is empty.
    The other arrays are scratch of the other kernels.
    """
    begin(law, first, fields, sums, state[FULL])
    sharp = law.coefs[1 if goal.soften > 1.0 else 0]
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
        soft = max(1.0, goal.soften * SHARPENING**n)
        if goal.soften > 1.0:
            law.coefs[1] = sharp / soft
        asked = steer(n, goal, soft, state)
        if goal.is_careful:
            relax_carefully(law, first, state[USED], fields[0], fields[1], fields[2], state[CHANGE], scratch)
            relax_carefully(law, second, state[USED], fields[1], fields[0], fields[3], state[CHANGE], scratch)
        else:
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
                for place in range(kept.shape[2]):
                    kept[m, 0, place] = fields[0, place * WIDTH + m]
                    kept[m, 1, place] = fields[1, place * WIDTH + m]
    if goal.soften > 1.0:
        law.coefs[1] = sharp
