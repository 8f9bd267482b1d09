"""Kernels that solve all lines of one kind, ``WIDTH`` input vectors side by side.

Every word line (or source line, or bit line) is a ladder whose cells are replaced by their tangents while the cells'
other ends are held, and is solved exactly. Ladders are eliminated as Norton equivalents, which needs resistances and
never their inverse: a wire of zero ohm is exact. Fields of node voltages hold ``WIDTH`` values a node; rows of nodes
lie an odd number of nodes apart, so that the nodes of a column do not fall on one set of the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import (
    Vector,
    add,
    address,
    divide,
    larger,
    load,
    multiply,
    multiply_add,
    peek,
    point,
    scale,
    spread,
    store,
    zeros,
)  # fmt: skip
from xbarsim.crossbar._cell import bend

WIDTH = 16
"""Vectors side by side; one 512-bit register of float32 [-]."""
LEAST_STEP = 0.02
"""Share of a step that is always made [-]."""
FLOOR = 1e-36
"""Admittance that keeps a line without any conductance at 0 V [S]."""

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
    number: int
    """Number of lines."""
    nodes: int
    """Nodes of a line."""
    g: Floats
    """(lines, nodes) conductance of the cells [S]."""
    opening: Floats
    """(rows * WIDTH,) opening of the rows' gates [-]."""
    opening_step: tuple[int, int]
    """Steps in ``opening`` from line to line and from node to node."""
    ohm: Floats
    """(lines or 1, nodes + 1) resistance before every node and after the last; only those between nodes count [ohm]."""
    ohm_step: int
    """Step in ``ohm`` from line to line."""
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
    access_ohm: float
    """Resistance in series with each cell, which counts if ``inner`` is not 0 [ohm]."""
    inner: int
    """Newton steps that find the voltage across a cell behind this resistance; 0 where none is."""
    closed_ohm: float
    """Resistance in series with each cell while its gate is closed, which counts if ``closed`` is not 0 [ohm]."""
    closed: int
    """Newton steps that find the voltage across a cell behind a closed gate; 0 where closed gates do not conduct."""
    closed_slope: float
    """Slope of a cell of 1 S that they begin from [S]."""


@inlined
def draw(law: CellLaw, lines: LineSet, n: int, k: int, u: Vector, o: Vector) -> tuple[Vector, Vector]:
    """Return the current that leaves node ``k`` of line ``n`` through its cell, and its slope.

    Here and in what follows, ``law`` and ``lines`` hold pointers.
    """
    v = scale(lines.sign, multiply_add(-1.0, o, u))
    g = peek(lines.g, n * lines.nodes + k)
    f, s = bend(law.kind, law.coefs, v)
    if lines.inner > 0:
        ratio, one, w = lines.access_ohm * g, spread(1.0, v), v
        for _ in range(lines.inner):
            x = multiply_add(-1.0, v, multiply_add(ratio, f, w))
            w = multiply_add(-1.0, divide(x, multiply_add(ratio, s, one)), w)
            f, s = bend(law.kind, law.coefs, w)
        s = divide(s, multiply_add(ratio, s, one))
    f = scale(lines.sign * g, f)
    s = scale(g, s)
    if lines.is_gated:
        x = load(lines.opening, n * lines.opening_step[0] + k * lines.opening_step[1], s)
        f = multiply(x, f)
        s = multiply(x, s)
        if lines.closed > 0:
            ratio, one = lines.closed_ohm * g, spread(1.0, v)
            w = scale(1.0 / (1.0 + ratio * lines.closed_slope), v)
            h, t = bend(law.kind, law.coefs, w)
            for step in range(lines.closed):
                y = multiply_add(-1.0, v, multiply_add(ratio, h, w))
                y = divide(y, multiply_add(ratio, t, one))
                w = multiply_add(-1.0, y, w)
                if step < lines.closed - 1:
                    h, t = bend(law.kind, law.coefs, w)
                else:  # what is left of the last step is below rounding
                    h = multiply_add(-1.0, multiply(t, y), h)
            t = divide(t, multiply_add(ratio, t, one))
            rest = multiply_add(-1.0, x, one)
            f = add(multiply(rest, scale(lines.sign * g, h)), f)
            s = add(multiply(rest, scale(g, t)), s)
    return f, s


@inlined
def eliminate(
    law: CellLaw, lines: LineSet, n: int, own: Floats, other: Floats, span: int, scratch: Floats, one: Vector
) -> tuple[Vector, Vector]:
    """Eliminate line ``n`` from its far end; return admittance and Norton current of its first node.

    ``scratch`` (4 * span,) receives, node by node, the pushed current and the slope of the cell, and, from the second
    node on, what makes its voltage out of that of the node before: a factor and a summand. All arrays are pointers.
    """
    line_step, node_step = lines.step
    y = load(lines.far_siemens, n * WIDTH, one)
    c = multiply(y, load(lines.volt, n * WIDTH, one))
    for k in range(lines.nodes - 1, -1, -1):
        at = n * line_step + k * node_step
        u = load(own, at, one)
        f, s = draw(law, lines, n, k, u, load(other, at, one))
        q = multiply_add(-1.0, f, multiply(s, u))
        y = add(y, s)
        c = add(c, q)
        store(scratch, k * WIDTH, q)
        store(scratch, span + k * WIDTH, s)
        if k > 0:
            r = peek(lines.ohm, n * lines.ohm_step + k)
            a = divide(one, multiply_add(r, y, one))
            y = multiply(y, a)
            c = multiply(c, a)
            store(scratch, 2 * span + k * WIDTH, a)
            store(scratch, 3 * span + k * WIDTH, scale(r, c))
    return y, c


@inlined
def end_line(lines: LineSet, n: int, y: Vector, c: Vector) -> Vector:
    """Return the voltage of the first node of line ``n`` from its Norton equivalent."""
    d = load(lines.near_drive, n * WIDTH, y)
    e = load(lines.near_ohm, n * WIDTH, y)
    c = add(multiply(d, load(lines.volt, n * WIDTH, y)), multiply(e, c))
    return divide(c, add(add(multiply(e, y), d), spread(FLOOR, y)))


@kernel
def relax_lines(
    law: CellLaw, lines: LineSet, keeps: bool, omega: Floats, own: Floats, other: Floats, assumed: Floats,
    change: Floats, scratch: Floats,
) -> None:  # fmt: skip
    """Solve all lines of one kind with tangents, and move their voltages ``own`` by ``omega`` times the difference.

    ``other`` are the voltages at the cells' other ends, ``scratch`` (4, nodes * WIDTH). ``change`` (WIDTH,) receives
    the sum of all changes of cell currents, ``assumed`` the currents that lines took their cells to carry if ``keeps``.
    """
    zero = zeros(own, WIDTH)
    one = spread(1.0, zero)
    cell, line, span = point(law), point(lines), scratch.shape[1]
    mine, others, kept, work = address(own), address(other), address(assumed), address(scratch)
    line_step, node_step = line.step
    rate = load(omega, 0, zero)
    total = zero
    for n in range(line.number):
        y, c = eliminate(cell, line, n, mine, others, span, work, one)
        u = end_line(line, n, y, c)
        for k in range(line.nodes):
            if k > 0:
                a = load(work, 2 * span + k * WIDTH, zero)
                u = add(multiply(a, u), load(work, 3 * span + k * WIDTH, zero))
            at = n * line_step + k * node_step
            s = load(work, span + k * WIDTH, zero)
            old = load(mine, at, zero)
            move = multiply_add(-1.0, old, u)
            x = multiply(s, move)
            total = add(larger(x, scale(-1.0, x)), total)
            store(mine, at, add(multiply(rate, move), old))
            if keeps:
                x = multiply_add(-1.0, load(work, k * WIDTH, zero), multiply(s, u))
                store(kept, at, scale(line.sign, x))
    store(change, 0, total)


@kernel
def relax_carefully(
    law: CellLaw, lines: LineSet, omega: Floats, own: Floats, other: Floats, assumed: Floats, change: Floats,
    scratch: Floats,
) -> None:  # fmt: skip
    """Do what :func:`relax_lines` does with steps that cannot overshoot, for curves that bend sharply.

    The co-content of a line is a convex function of its voltages, whose slope along a step is known from stray
    currents. Where that slope has changed its sign at the end of a step, the step ends where a straight line between
    the two slopes is zero. ``assumed`` holds what the line took its cells to carry before, and afterwards; ``change``
    is the sum of its changes.
    """
    zero = zeros(own, WIDTH)
    one = spread(1.0, zero)
    cell, line, span = point(law), point(lines), scratch.shape[1]
    mine, others, kept, work = address(own), address(other), address(assumed), address(scratch)
    line_step, node_step = line.step
    rate = load(omega, 0, zero)
    total = zero
    for n in range(line.number):
        y, c = eliminate(cell, line, n, mine, others, span, work, one)
        u = end_line(line, n, y, c)
        before, after = zero, zero
        for k in range(line.nodes):
            if k > 0:
                a = load(work, 2 * span + k * WIDTH, zero)
                u = add(multiply(a, u), load(work, 3 * span + k * WIDTH, zero))
            at = n * line_step + k * node_step
            q, s, old = load(work, k * WIDTH, zero), load(work, span + k * WIDTH, zero), load(mine, at, zero)
            move = multiply_add(-1.0, old, u)
            held = scale(line.sign, load(kept, at, zero))
            taken = multiply_add(-1.0, q, multiply(s, u))
            f, _ = draw(cell, line, n, k, u, load(others, at, zero))
            x = multiply_add(-1.0, held, multiply_add(-1.0, q, multiply(s, old)))
            before = multiply_add(-1.0, multiply(x, move), before)
            after = add(multiply(multiply_add(-1.0, taken, f), move), after)
            x = multiply_add(-1.0, held, taken)
            total = add(larger(x, scale(-1.0, x)), total)
            store(work, 2 * span + k * WIDTH, move)
            store(work, 3 * span + k * WIDTH, scale(line.sign, x))
        before = larger(before, spread(FLOOR, zero))
        share = divide(before, add(before, larger(after, zero)))
        share = multiply(larger(share, spread(LEAST_STEP, zero)), rate)
        for k in range(line.nodes):
            at = n * line_step + k * node_step
            move, x = load(work, 2 * span + k * WIDTH, zero), load(work, 3 * span + k * WIDTH, zero)
            store(mine, at, add(multiply(share, move), load(mine, at, zero)))
            store(kept, at, add(multiply(share, x), load(kept, at, zero)))
    store(change, 0, total)
