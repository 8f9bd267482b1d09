"""Line relaxation of circuits of any topology and cell: blocks of vectors are shared out to threads.

See ``_relaxation`` for the method and ``line_plan`` for what it is told about an array.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xbarsim._aligned import aligned_zeros
from xbarsim.crossbar._line import WIDTH, LineSet
from xbarsim.crossbar._relaxation import DONE, relax_block
from xbarsim.crossbar.line_plan import ArrayPlan, Stage, make_plan, plan_stages
from xbarsim.crossbar.question import Question

Array = NDArray[np.float64]
Record = TypeVar("Record", bound="tuple[Any, ...]")
STEPS_PER_OCTAVE = 4
"""Steps in which the largest voltage of a vector is rounded up, for a factor of two [-]."""


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


def stride_rows(cols: int) -> int:
    """Return the nodes from row to row of a field: an odd number, and more than one, which would be that of columns."""
    return max(cols | 1, 3)


class Workspace:
    """What one thread writes to."""

    def __init__(self, rows: int, cols: int, keeps: bool, dtype: type[np.floating[Any]]) -> None:
        self.fields = aligned_zeros((4, rows * stride_rows(cols) * WIDTH), dtype)
        self.kept = aligned_zeros((WIDTH, 2, rows * stride_rows(cols) if keeps else 0), dtype)
        self.scratch = aligned_zeros((4, max(rows, cols) * WIDTH), dtype)
        self.state = aligned_zeros((10, WIDTH), dtype)
        self.sums = aligned_zeros((2, cols * WIDTH), dtype)
        self.totals = aligned_zeros((4, WIDTH), dtype)
        self.sensed = aligned_zeros(cols * WIDTH, dtype)
        self.found = aligned_zeros((5 + cols, WIDTH), dtype)


def relax_all(question: Question, tolerance: float, limit: int, threads: int, volt: Array | None = None) -> ReadReport:
    """Relax every array with every vector; those that do not converge again, with steps that cannot overshoot.

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
    volt : ndarray, (arrays, vectors, 2, rows, cols), optional
        Receives the voltages of the cells' nodes on first lines and bit lines [V].

    Returns
    -------
    ReadReport
        Currents, bounds, power and passes.
    """
    arrays, _, cols = question.g.shape
    found = np.zeros((5 + cols, arrays, question.vectors))
    for stage in plan_stages(question.iv, tolerance, limit):
        relax_rest(question, stage, threads, found, volt)
    return ReadReport(
        currents=np.ascontiguousarray(np.moveaxis(found[5:], 0, -1)),
        error_ampere=found[0],
        full_ampere=found[1],
        power_watt=found[2],
        driver_ampere=found[3],
        passes=found[4].astype(np.int64),
    )


def share_out(swings: Array, chosen: NDArray[np.int64]) -> list[tuple[float, NDArray[np.int64]]]:
    """Cut vectors into blocks for which the same voltage is the largest that a cell can see.

    Voltages are rounded up, so that blocks are few; a vector's voltage depends on no other vector.

    Parameters
    ----------
    swings : ndarray, (vectors,)
        Largest voltage that a cell can see [V].
    chosen : ndarray, (chosen,)
        Numbers of the vectors to share out.

    Returns
    -------
    list of tuple
        Rounded voltage [V], and the numbers of up to ``WIDTH`` vectors.
    """
    with np.errstate(divide="ignore"):
        steps = np.ceil(STEPS_PER_OCTAVE * np.log2(swings[chosen]))
    blocks = []
    for step in np.unique(steps):
        members = chosen[steps == step]
        swing = float(2.0 ** (step / STEPS_PER_OCTAVE))
        blocks += [(swing, members[start : start + WIDTH]) for start in range(0, len(members), WIDTH)]
    return blocks


def relax_rest(question: Question, stage: Stage, threads: int, found: Array, volt: Array | None) -> None:
    """Relax every array with the vectors that have taken no passes yet.

    Parameters
    ----------
    question, threads
        As in :func:`relax_all`.
    stage : Stage
        How to do it.
    found : ndarray, (5 + cols, arrays, vectors)
        Receives what was found, the passes in its fifth row.
    volt : ndarray, (arrays, vectors, 2, rows, cols), or None
        As in :func:`relax_all`.
    """
    arrays, rows, cols = question.g.shape
    jobs = [
        (array, *block)
        for array in range(arrays)
        for block in share_out(question.swings(array), np.flatnonzero(found[4, array] == 0))
    ]
    queue = iter(jobs)

    def work(space: Workspace) -> None:
        key, plan = None, None
        for array, swing, part in queue:
            if plan is None or key != (array, swing):
                key, plan = (array, swing), make_plan(question, array, swing, stage)
            relax_vectors(question, array, plan, part, space)
            found[:, array, part] = space.found[:, : len(part)]
            if volt is not None:  # lanes that are not done keep what another block left there
                done = np.flatnonzero(space.found[4, : len(part)])
                volt[array, part[done]] = space.kept[done].reshape(-1, 2, rows, stride_rows(cols))[..., :cols]

    workers = min(threads, len(jobs))
    with np.errstate(all="ignore"):
        if workers == 1:
            work(Workspace(rows, cols, volt is not None, stage.dtype))
        elif workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, [Workspace(rows, cols, volt is not None, stage.dtype) for _ in range(workers)]))


def shorten(record: Record, dtype: type[np.floating[Any]]) -> Record:
    """Return a named tuple with the arrays of another precision."""
    return type(record)(*(v.astype(dtype, copy=False) if isinstance(v, np.ndarray) else v for v in record))


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
    along, down = WIDTH, stride_rows(cols) * WIDTH
    is_row = layout.source_lines == "rows"
    x = opening.ravel()
    one = LineSet(
        1.0, is_gated, len(first.g), first.g.shape[1], first.g, x, (WIDTH, 0) if is_row else (0, WIDTH),
        first.ladder.ohm, first.ohm_step, *first.connect(driven, volt), (down, along) if is_row else (along, down),
        plan.access_ohm, plan.inner, plan.closed_ohm, plan.closed, plan.closed_slope,
    )  # fmt: skip
    two = LineSet(
        -1.0, is_gated, len(second.g), second.g.shape[1], second.g, x, (0, WIDTH), second.ladder.ohm, second.ohm_step,
        *second.connect(sensed, np.zeros((cols, WIDTH))), (along, down), plan.access_ohm, plan.inner,
        plan.closed_ohm, plan.closed, plan.closed_slope,
    )  # fmt: skip
    dtype = space.fields.dtype.type
    space.state[DONE] = 1.0
    space.state[DONE, :lanes] = 0.0
    relax_block(
        shorten(plan.law, dtype), shorten(one, dtype), shorten(two, dtype), plan.goal, space.fields, space.scratch,
        space.state, space.sums, space.totals, space.sensed, space.found, space.kept,
    )  # fmt: skip
