"""What line relaxation is told about an array: its lines, its cells' curve, and when vectors are done.

The share of stray currents that a single sensor can see is bounded here, from the loads of lines alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.iv import CLOSED, Curve, Polynomial, Selector, Sinh, cell_current, curve_shape
from xbarsim.crossbar import _cell
from xbarsim.crossbar._line import CellLaw
from xbarsim.crossbar._relaxation import Goal
from xbarsim.crossbar.circuit import Ladder, find_ends
from xbarsim.crossbar.question import Question

Array = NDArray[np.float64]
MARGIN = 1.05
"""Voltages of approximate solutions may leave the range of the sources by this factor [-]."""
SOFTEST = 0.25
"""Width of a softened selector's step to begin with, relative to its threshold [-]."""
MOST_INNER = 16
"""Newton steps for the voltage across a cell behind a resistance beyond which nodal analysis is left with it [-]."""
OCTAVES = 23
"""Octaves of products of resistance and conductance below the largest one that these steps serve [-]."""
INNER_CHANGE = 1e-8
"""Last step by which that voltage may change, relative to the swing; what is left is about its square [-]."""
GATE_CHANGE = 1e-7
"""The same of a closed gate, for equal resistances; a cell of less resistance counts less in the current [-]."""
SHORT = 5e-5
"""Tolerance from which on float32 serves [-]."""
MOST_SHORT = 8.0
"""Largest ratio of voltage to ``scale_volt`` of a sinh that float32 serves [-]."""
MOST_SERIES = 0.5
"""Largest argument of the series of a sinh; what the series leave there is below rounding [-]."""
MOST_SHORT_SERIES = 1.5
"""The same in float32 [-]."""
PINNED = 1e18
"""Conductance to a terminal without resistance, relative to the largest cell [-]."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How vectors are relaxed that have not converged so far."""

    tolerance: float
    """Largest error of a sensed current, relative to the largest sum of the sizes of a column's currents [-]."""
    limit: int
    """Passes after which a vector is given up."""
    is_short: bool
    """Whether float32 serves."""
    is_careful: bool
    """Whether steps are shortened so that they cannot overshoot."""

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Type of the numbers."""
        return np.float32 if self.is_short else np.float64


def plan_stages(iv: Curve | None, tolerance: float, limit: int) -> tuple[Stage, ...]:
    """List the stages in turn.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells.
    tolerance : float
        As in :class:`Stage` [-].
    limit : int
        As in :class:`Stage`.

    Returns
    -------
    tuple of Stage
        float32 first where the tolerance and the curve allow it, and careful steps last.
    """
    short = [True] if tolerance >= SHORT and not isinstance(iv, Selector) else []
    stages = [(is_short, False) for is_short in (*short, False)] + [(False, True)]
    return tuple(
        Stage(tolerance=tolerance, limit=limit, is_short=is_short, is_careful=is_careful)
        for is_short, is_careful in stages
    )


def describe_law(iv: Curve | None, swing: float, is_short: bool = False) -> tuple[CellLaw, float, float]:
    """Return the law for kernels, the factor on conductances that it asks for, and its largest slope.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells; None is ohmic.
    swing : float
        Largest voltage that a cell can see [V].
    is_short : bool
        Whether kernels evaluate it in float32.

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
        most = MOST_SHORT_SERIES if is_short else MOST_SERIES
        doublings = math.ceil(math.log2(max(reach / (most * iv.scale_volt), 1.0)))
        coefs = np.array([iv.scale_volt, 1.0 / (iv.scale_volt * 2.0**doublings), doublings])
        return CellLaw(_cell.SINH, coefs), factor, math.cosh(reach / iv.scale_volt)
    if isinstance(iv, Polynomial):
        terms = (1.0, *iv.coefficients)
        steepest = math.fsum((n + 1) * abs(c) * reach**n for n, c in enumerate(terms))
        return CellLaw(_cell.POLYNOMIAL, np.array([len(terms), *terms])), factor, steepest
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

    @property
    def ohm_step(self) -> int:
        """Step from line to line in the resistances."""
        return self.ladder.ohm.shape[1] if len(self.ladder.ohm) > 1 else 0

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
    question: Question,
    first: LineKind,
    second: LineKind,
    steepest: float,
    slope: float,
    stage: Stage,
    limit: int,
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
    softness = 1.0
    if stage.is_careful and isinstance(question.iv, Selector):
        softness = max(1.0, SOFTEST * question.iv.threshold_volt / question.iv.width_volt)
    return Goal(
        stage.tolerance, limit, 1.0 if stage.is_careful else overshoot, max(rho, 1e-3), picked, one_first, one_bit,
        float(np.finfo(stage.dtype).eps) * (16.0 + 0.25 * max(first.g.shape)), stage.is_careful, softness,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def count_inner_steps(iv: Curve, swing: float, ratio: float, slope: float = 0.0, octaves: int = OCTAVES) -> int | None:
    """Return how many Newton steps find the voltage across a cell behind a resistance.

    Parameters
    ----------
    iv : Sinh, Polynomial or Selector
        Curve of the cell.
    swing : float
        Largest voltage across both [V].
    ratio : float
        Largest product of resistance and conductance [-].
    slope : float
        Slope of a cell of 1 S that steps begin from; 0: the whole voltage is across the cell [S].
    octaves : int
        Octaves of smaller products that steps have to serve [-].

    Returns
    -------
    int or None
        Steps that serve every smaller voltage, and every product; None if ``MOST_INNER`` do not.
    """
    largest = MARGIN * swing
    products = ratio * 2.0 ** -np.arange(octaves + 1.0)[:, np.newaxis]
    v = np.broadcast_to(np.linspace(-largest, largest, 129), (len(products), 129))
    if isinstance(iv, Selector):  # even voltages step over a narrow transition: take those with the cell inside it
        inside = iv.threshold_volt + iv.width_volt * np.linspace(-CLOSED, CLOSED, 161)
        inside = np.concatenate((-inside, inside))
        v = np.hstack((v, np.clip(inside + products * curve_shape(iv, inside)[0], -largest, largest)))
    w = v / (1.0 + products * slope)
    for steps in range(MOST_INNER + 1):
        f, s = curve_shape(iv, w)
        move = (w + products * f - v) / (1.0 + products * s)
        w -= move
        if not np.isfinite(w).all():
            return None
        allowed = GATE_CHANGE * np.sqrt(np.maximum(products, 1.0)) if slope else INNER_CHANGE
        if (np.abs(move) <= allowed * swing).all():
            return steps + 1
    return None


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
    access_ohm: float
    """Resistance in series with each cell that its conductance does not hold [ohm]."""
    inner: int
    """Newton steps that it takes to find the voltage across a cell; 0 without such a resistance."""
    closed_ohm: float
    """Resistance in series with each cell while its gate is closed [ohm]."""
    closed: int
    """Newton steps that find the voltage across a cell behind it; 0 where closed gates do not conduct."""
    closed_slope: float
    """Slope of a cell of 1 S at 0 V, from which these steps begin [S]."""


def make_plan(question: Question, array: int, swing: float, stage: Stage) -> ArrayPlan:
    """Describe one array for vectors of which no cell can see more than ``swing`` [V]."""
    law, factor, steepest = describe_law(question.iv, swing, stage.is_short)
    slope_at_zero = 1.0 if question.iv is None else float(curve_shape(question.iv, np.float64(0.0))[1])
    access, leak, limit = question.lines.r_access_ohm, question.lines.g_leak_siemens, stage.limit
    inner, closed_ohm, closed = 0, 1.0 / leak if leak else 0.0, 0
    if stage.is_short and isinstance(question.iv, Sinh) and swing > MOST_SHORT * question.iv.scale_volt:
        limit = 0  # left to the next stage
    if question.iv is None:
        g = question.lines.open_cells(question.g[array])
        if leak:
            closed_ohm, closed = max(closed_ohm - access, 0.0), 1
        access = 0.0
    else:
        g = question.g[array] * factor
        steps = [0, 0]
        for k, (ohm, begin) in enumerate(((access, 0.0), (closed_ohm, slope_at_zero))):
            if ohm > 0 and swing > 0:
                ratio = 2.0 ** math.ceil(math.log2(max(ohm * float(g.max()), 1e-12)))
                least = max(float(np.min(g, where=g > 0, initial=g.max())), ratio / ohm * 2.0**-OCTAVES)
                octaves = OCTAVES if begin == 0.0 else math.ceil(math.log2(ratio / (ohm * least)))
                found = count_inner_steps(question.iv, swing, ratio, begin, octaves)
                steps[k], limit = (0, 0) if found is None else (found, limit)  # left to nodal analysis
        inner, closed = steps
    first, second = lay_lines(question, g)
    slope = float(cell_current(question.iv, swing)[1]) / factor
    goal = plan_goal(question, first, second, steepest, slope, stage, limit)
    return ArrayPlan(
        law=law, first=first, second=second, goal=goal, access_ohm=access, inner=inner, closed_ohm=closed_ohm,
        closed=closed, closed_slope=slope_at_zero,
    )  # fmt: skip
