"""Line relaxation of circuits of any topology and cell: blocks of vectors, their goal, and what was found.

See ``_relaxation`` for the method. Here the lines of a topology are described, the share of stray currents that
sensors can see is bounded, and blocks are shared out to threads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.iv import Curve, Polynomial, Sinh, cell_current, curve_shape
from xbarsim.crossbar import _cell
from xbarsim.crossbar._relaxation import DONE, WIDTH, CellLaw, Goal, LineSet, relax_block
from xbarsim.crossbar.circuit import Ladder, find_ends
from xbarsim.crossbar.question import Question

Array = NDArray[np.float64]
MARGIN = 1.05
"""Voltages of approximate solutions may leave the range of the sources by this factor [-]."""
STEPS_PER_OCTAVE = 4
"""Steps in which the largest voltage of a vector is rounded up, for a factor of two [-]."""
PINNED = 1e18
"""Conductance to a terminal without resistance, relative to the largest cell [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadReport:
    """Reads, one for every array and vector."""

    currents: Array
    """(..., vectors, cols) sensed currents; 0 for columns that are not sensed [A]."""
    error_ampere: Array
    """(..., vectors) bound on the error of each sensed current, from stray currents [A]."""
    full_ampere: Array
    """(..., vectors) full scale: the largest sum of the sizes of the currents of one column's cells [A]."""
    power_watt: Array
    """(..., vectors) power that the drivers give; rows at 0 V take current and no power [W]."""
    driver_ampere: Array
    """(..., vectors) current that all drivers push into the array together [A]."""
    passes: NDArray[np.int64]
    """(..., vectors) passes over all lines; 0 where nodal analysis found the answer."""


def describe_law(iv: Curve | None, swing: float) -> tuple[CellLaw, float, float]:
    """Return the law for kernels, the factor on conductances that it asks for, and its largest slope.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells; None is ohmic.
    swing : float
        Largest voltage that a cell can see [V].

    Returns
    -------
    tuple
        CellLaw; factor that makes cells reach their conductance at the reference voltage [-]; bound on the slope within
        the swing, before that factor [-].
    """
    factor = 1.0
    if iv is not None and iv.reference_volt > 0:
        factor = iv.reference_volt / float(curve_shape(iv, np.float64(iv.reference_volt))[0])
    reach = MARGIN * swing
    if iv is None:
        return CellLaw(_cell.OHMIC, np.zeros(1)), factor, 1.0
    if isinstance(iv, Sinh):
        doublings = max(0, math.ceil(math.log2(max(2.0 * reach / iv.scale_volt, 1.0))))
        coefs = np.array([iv.scale_volt, 1.0 / (iv.scale_volt * 2.0**doublings), doublings])
        return CellLaw(_cell.SINH, coefs), factor, math.cosh(reach / iv.scale_volt)
    if isinstance(iv, Polynomial):
        coefs = np.array([1.0, *iv.coefficients])
        steepest = sum((n + 1) * abs(c) * reach**n for n, c in enumerate(coefs.tolist()))
        return CellLaw(_cell.POLYNOMIAL, coefs), factor, steepest
    coefs = np.array([iv.threshold_volt, 1.0 / iv.width_volt, iv.off_ratio])
    return CellLaw(_cell.SELECTOR, coefs), factor, 1.0 + 0.25 * reach / iv.width_volt


@dataclass(frozen=True, kw_only=True, eq=False)
class LineKind:
    """All lines of one kind, before any vector is looked at."""

    g: Array
    """(lines, nodes) largest conductance of the cells [S]."""
    ladder: Ladder
    """Resistances."""
    near: NDArray[np.bool_]
    """(lines,) lines with a terminal before their first node."""
    far: NDArray[np.bool_]
    """(lines,) lines with a terminal after their last node."""

    def bound_load(self, steepest: float) -> tuple[float, float]:
        """Return the largest sum of cells times resistances on a line, and the largest of these products."""
        before = np.cumsum(self.ladder.ohm[:, :-1], axis=1) + self.ladder.terminal_ohm[:, np.newaxis]
        after = np.cumsum(self.ladder.ohm[:, :0:-1], axis=1)[:, ::-1] + self.ladder.terminal_ohm[:, np.newaxis]
        paths = [np.where(on[:, np.newaxis], r, np.inf) for on, r in ((self.near, before), (self.far, after))]
        with np.errstate(invalid="ignore"):
            products = [np.where(self.g > 0, steepest * self.g * r, 0.0) for r in paths]
        totals = np.minimum(products[0].sum(axis=1), products[1].sum(axis=1))
        return float(totals.max()), float(np.minimum(*products).max())

    def guess_load(self, slope: float) -> float:
        """Return the share of a smooth voltage at the cells' other ends that an average line takes on."""
        nodes = self.g.shape[1]
        total = float(self.ladder.ohm.mean()) * (nodes + 1) + 2.0 * float(self.ladder.terminal_ohm.mean())
        load = slope * float(self.g.mean()) * total * nodes
        if (self.near & self.far).all():
            load *= 0.25
        return load / (load + 0.25 * math.pi**2) if (self.near | self.far).all() else 1.0

    def connect(self, connected: NDArray[np.bool_] | None, volt: Array) -> tuple[Array, Array, Array, Array]:
        """Return the flat arrays of ends that kernels take, (lines * WIDTH,) each.

        ``connected`` and ``volt`` (lines, WIDTH): lines that have their terminals, and the voltage of these.
        """
        shape = volt.shape
        least = 1.0 / (PINNED * max(float(self.g.max()), np.finfo(np.float64).tiny * PINNED))
        near = np.broadcast_to(self.near[:, np.newaxis], shape)
        far = np.broadcast_to(self.far[:, np.newaxis], shape)
        if connected is not None:
            near, far = near & connected, far & connected
        first = np.broadcast_to((self.ladder.ohm[:, 0] + self.ladder.terminal_ohm)[:, np.newaxis], shape)
        last = np.broadcast_to((self.ladder.ohm[:, -1] + self.ladder.terminal_ohm)[:, np.newaxis], shape)
        return (
            near.astype(np.float64).ravel(),
            np.where(near, first, 1.0).ravel(),
            np.where(far, 1.0 / np.maximum(last, least), 0.0).ravel(),
            np.ascontiguousarray(volt, dtype=np.float64).ravel(),
        )


def lay_lines(question: Question, g: Array) -> tuple[LineKind, LineKind]:
    """Describe the lines of an array.

    Parameters
    ----------
    question : Question
        Topology and resistances.
    g : ndarray, (rows, cols)
        Conductance of the cells, all gates open [S].

    Returns
    -------
    tuple of LineKind
        First lines and bit lines.
    """
    layout, lines = question.topology, question.lines
    own = g if layout.source_lines == "rows" else g.T
    made = []
    for cells, ladder, ends, even in (
        (own, lines.lay_first(layout, g.shape), layout.drive, "near"),
        (g.T, lines.lay_second(g.shape), layout.sense, "far"),
    ):
        near, far = find_ends(ends, len(cells), even)
        made.append(LineKind(g=np.ascontiguousarray(cells), ladder=ladder, near=near, far=far))
    return made[0], made[1]


def plan_goal(
    question: Question, first: LineKind, second: LineKind, steepest: float, slope: float, tolerance: float, limit: int
) -> Goal:
    """Bound what sensors can see of stray currents, and guess how fast an array converges.

    A ladder of cells ``y`` behind resistances ``R`` to a terminal takes at most ``1 - exp(-sum(R y))`` of its voltages
    from the other ends of its cells, and at most ``R y / (1 + R y)`` from that of a single one. A voltage of one
    column's sensor therefore makes no first line rise by more than ``one / (1 - W B)`` of it, where ``W`` and ``B`` are
    these shares of first lines and bit lines, and ``one`` that of a single cell; and by reciprocity no larger share of
    a stray current on a first line reaches that sensor.
    """
    layout = question.topology
    rho = first.guess_load(slope) * second.guess_load(slope)
    picked, one_first, one_bit = 1.0, 1.0, 1.0
    if layout.source_lines == "columns":
        one_first = one_bit = 0.0
    elif not layout.floating:
        total, single = first.bound_load(steepest)
        picked = -math.expm1(-total)
        taken = -math.expm1(-second.bound_load(steepest)[0])
        if picked * taken < 1.0:
            one_first = min(1.0, single / (1.0 + single) / (1.0 - picked * taken))
        one_bit = taken * one_first
    overshoot = 2.0 / (1.0 + math.sqrt(1.0 - min(rho, 0.9)))
    return Goal(tolerance, limit, overshoot, max(rho, 1e-3), picked, one_first, one_bit)


class Workspace:
    """What one thread writes to."""

    def __init__(self, rows: int, cols: int) -> None:
        self.fields = np.zeros((4, rows * (cols | 1) * WIDTH))
        self.scratch = np.empty((4, max(rows, cols) * WIDTH))
        self.state = np.zeros((10, WIDTH))
        self.sums = np.empty((2, cols * WIDTH))
        self.totals = np.empty((4, WIDTH))
        self.sensed = np.empty(cols * WIDTH)
        self.found = np.empty((5 + cols, WIDTH))


def relax_all(question: Question, tolerance: float, limit: int, threads: int) -> ReadReport:
    """Relax every array with every vector.

    Parameters
    ----------
    question : Question
        What is asked.
    tolerance : float
        Largest error of a sensed current, relative to the largest sum of the sizes of a column's currents [-].
    limit : int
        Passes after which a vector is given up.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    ReadReport
        Currents, bounds, power and passes.
    """
    arrays, rows, cols = question.g.shape
    if question.iv is not None and question.lines.r_access_ohm > 0:
        limit = 0  # a curve behind a resistance is left to nodal analysis
    found = np.zeros((5 + cols, arrays, question.vectors))
    jobs = [(array, *block) for array in range(arrays) for block in share_out(question.swings(array))]
    queue = iter(jobs)

    def work(space: Workspace) -> None:
        key, plan = None, None
        for array, swing, part in queue:
            if plan is None or key != (array, swing):
                key, plan = (array, swing), make_plan(question, array, swing, tolerance, limit)
            relax_vectors(question, array, plan, part, space)
            found[:, array, part] = space.found[:, : len(part)]

    workers = max(1, min(threads, len(jobs)))
    with np.errstate(all="ignore"):
        if workers == 1:
            work(Workspace(rows, cols))
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, [Workspace(rows, cols) for _ in range(workers)]))
    return ReadReport(
        currents=np.ascontiguousarray(np.moveaxis(found[5:], 0, -1)),
        error_ampere=found[0],
        full_ampere=found[1],
        power_watt=found[2],
        driver_ampere=found[3],
        passes=found[4].astype(np.int64),
    )


def share_out(swings: Array) -> list[tuple[float, NDArray[np.int64]]]:
    """Cut vectors into blocks for which the same voltage is the largest that a cell can see.

    Voltages are rounded up, so that blocks are few; a vector's voltage depends on no other vector.

    Parameters
    ----------
    swings : ndarray, (vectors,)
        Largest voltage that a cell can see [V].

    Returns
    -------
    list of tuple
        Rounded voltage [V], and the numbers of up to ``WIDTH`` vectors.
    """
    with np.errstate(divide="ignore"):
        steps = np.ceil(STEPS_PER_OCTAVE * np.log2(swings))
    blocks = []
    for step in np.unique(steps):
        members = np.flatnonzero(steps == step)
        swing = float(2.0 ** (step / STEPS_PER_OCTAVE))
        blocks += [(swing, members[start : start + WIDTH]) for start in range(0, len(members), WIDTH)]
    return blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayPlan:
    """One array, ready for vectors of one largest voltage."""

    law: CellLaw
    """Curve of the cells."""
    first: LineKind
    """Word lines or source lines."""
    second: LineKind
    """Bit lines."""
    goal: Goal
    """When vectors are done."""


def make_plan(question: Question, array: int, swing: float, tolerance: float, limit: int) -> ArrayPlan:
    """Describe one array for vectors of which no cell can see more than ``swing`` [V]."""
    law, factor, steepest = describe_law(question.iv, swing)
    g = question.g[array] / (1.0 + question.lines.r_access_ohm * question.g[array]) * factor
    first, second = lay_lines(question, g)
    slope = float(cell_current(question.iv, swing)[1]) / factor
    goal = plan_goal(question, first, second, steepest, slope, tolerance, limit)
    return ArrayPlan(law=law, first=first, second=second, goal=goal)


def relax_vectors(question: Question, array: int, plan: ArrayPlan, part: NDArray[np.int64], space: Workspace) -> None:
    """Relax one block of vectors.

    Parameters
    ----------
    question : Question
        What is asked.
    array : int
        Number of the array.
    plan : ArrayPlan
        The same, described.
    part : ndarray, (lanes,)
        Numbers of the vectors.
    space : Workspace
        Its ``found`` receives what was found.
    """
    layout, first, second = question.topology, plan.first, plan.second
    (cols, rows), lanes = second.g.shape, len(part)
    inputs = np.zeros((rows, WIDTH))
    inputs[:, :lanes] = question.inputs(array)[part].T
    volt, opening, driven, sensed = inputs, np.ones((rows, WIDTH)), None, None
    is_gated = layout.inputs == "gates"
    if is_gated:
        read = np.zeros(WIDTH)
        read[:lanes] = question.supply(array)[part]
        opening = np.zeros((rows, WIDTH))
        opening[:, :lanes] = question.share(array)[part].T
        volt = np.broadcast_to(read, (len(first.g), WIDTH))
    if layout.floating:
        driven = inputs != 0
        sensed = np.broadcast_to(question.sensed[:, np.newaxis], (cols, WIDTH))
    along, down = WIDTH, (cols | 1) * WIDTH
    is_row = layout.source_lines == "rows"
    lay = (is_gated, opening.ravel())
    one = LineSet(
        1.0, lay[0], first.g, lay[1], (WIDTH, 0) if is_row else (0, WIDTH), first.ladder.ohm,
        *first.connect(driven, volt), (down, along) if is_row else (along, down),
    )  # fmt: skip
    two = LineSet(
        -1.0, lay[0], second.g, lay[1], (0, WIDTH), second.ladder.ohm,
        *second.connect(sensed, np.zeros((cols, WIDTH))), (along, down),
    )  # fmt: skip
    space.state[DONE] = 1.0
    space.state[DONE, :lanes] = 0.0
    relax_block(
        plan.law, one, two, plan.goal, space.fields, space.scratch, space.state, space.sums, space.totals, space.sensed,
        space.found,
    )  # fmt: skip
