"""The fused kernels behind arrays: tables or products, scratch memory, blocks of vectors, threads.

Vectors are processed in blocks, so memory does not grow with their number. Blocks (and, for few vectors, ranges of
outputs) are distributed to threads. Sums are exact on the grid of the cells, noise is drawn from counters, and the
computation after the converter uses integers: results do not depend on blocks, threads or the choice of kernel.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import LANES, WIDE
from xbarsim.converter import AdcRange, Streams
from xbarsim.mvm import _kernels, _records, _summed
from xbarsim.mvm._records import MOST_GROUPS, MOST_TABLE_BITS
from xbarsim.mvm.grid import Grid
from xbarsim.mvm.layout import split_columns
from xbarsim.mvm.packing import PackedInputs, pack_vectors
from xbarsim.mvm.program import ProgrammedMatrix
from xbarsim.mvm.recipe import Recipe
from xbarsim.mvm.scratch import borrow_room, make_scratch
from xbarsim.mvm.summed import make_own_scratch, take_whole
from xbarsim.target import has_wide_registers

TABLE_VECTORS = 1024
"""Vectors of a block that is read through tables, at least: enough that building them is a small part."""
LISTED_GROUPS = 1 << 21
"""Groups of rows that the reads of a block may list where it has more vectors: lists of 4 MiB, about [-]."""
PRODUCT_READS = 1024
"""Reads of a block that is multiplied plainly, twice as many where inputs have 16 bits: they stay in a core's
second-level cache."""
TABLE_CELLS = 1 << 19
"""Values of a table up to which ``WIDE`` columns are read at a time, ``LANES`` beyond."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FusedMatrix:
    """A programmed matrix as the kernels take it."""

    programmed: ProgrammedMatrix
    row_starts: NDArray[np.int64]
    streams: Streams
    adc: AdcRange
    fine: _records.Fine | None
    """Steps of streams and columns; None where all have that of ``adc``."""
    recipe: Recipe
    grid: Grid
    errors: _records.Errors | None
    solves: bool
    """Whether reads are solved one by one, which :meth:`sum_inputs` alone does."""

    @cached_property
    def shaped(self) -> _records.Fine | None:
        """What happens to sums before conversion; None where nothing does."""
        if self.programmed.bend is None:
            return self.fine
        fine = self.fine
        if fine is None:
            columns = self.programmed.matrix.shape[1]
            ones = np.ones(max(columns, len(self.streams)), dtype=np.float32)
            fine = _records.Fine(ones[: len(self.streams)], ones[:columns], False, None)
        return fine._replace(curves=self.programmed.bend.curves(self.grid.step))

    def sum_inputs(self, x: NDArray[np.float64], r: int) -> NDArray[np.float64]:
        """Return what the columns of a row block sense, (reads, columns) in float64, before errors [level units].

        Parameters
        ----------
        x : ndarray, (reads, rows)
            Inputs in steps of a driver.
        r : int
            Row block.
        """
        rows = slice(self.row_starts[r], self.row_starts[r + 1])
        if self.solves and self.programmed.solved is not None:
            return self.programmed.solved.sense(x, r)
        cells, bend = self.programmed.matrix[rows].astype(np.float64), self.programmed.bend
        return x @ cells if bend is None else bend.read(x, cells, rows, r).sums

    @cached_property
    def most_rows(self) -> int:
        """Rows of the largest row block."""
        return int(np.diff(self.row_starts).max())

    @cached_property
    def is_noisy(self) -> bool:
        """Whether cells add noise to reads."""
        return self.errors is not None and self.programmed.noise.size > 0

    @cached_property
    def is_paired(self) -> bool:
        """Whether cells and inputs are whole numbers of 16 bits, so that products of two rows are added at once.

        Sums are those of floats, which are exact as well.
        """
        if self.streams.sent is not None or self.programmed.bend is not None or self.streams.dac_bits > 15:
            return False
        return sys.byteorder == "little" and self.programmed.largest * self.grid.step <= 32767

    @cached_property
    def reads(self) -> _records.Reads:
        """Streams."""
        streams, weights = self.streams, self.streams.weights.astype(np.int32)
        firsts = np.arange(len(streams) + 1)
        return _records.Reads(streams.shifts, streams.widths, weights, streams.dac_bits, firsts)

    @cached_property
    def lists(self) -> _records.Reads:
        """Streams with a list of table rows for each, or for each bit, whose tables are smaller, where sums suffice."""
        streams, weights = self.streams, self.reads.weights
        if self.shaped is not None or self.is_noisy or not 1 < streams.dac_bits <= MOST_TABLE_BITS:
            return self.reads
        firsts = np.r_[0, np.cumsum(streams.widths)]
        bits = np.arange(firsts[-1]) - np.repeat(firsts[:-1] - streams.shifts, streams.widths)
        return _records.Reads(bits, np.ones_like(bits), weights, 1, firsts)

    @cached_property
    def short(self) -> _records.ShortRange | None:
        """Conversion in int16, where that gives the codes of floats; None elsewhere."""
        adc, weights = self.adc, self.streams.weights
        factor = 2**15 / (adc.lsb * self.grid.step)
        is_power = 1 <= factor <= 2**14 and math.frexp(factor)[0] == 0.5
        largest = max(-adc.lowest, adc.highest) * int(np.abs(weights).sum())
        if self.grid.kind != "short" or self.errors is not None or self.shaped is not None:
            return None
        if not is_power or largest >= 2**15:
            return None
        firsts = self.lists.firsts
        lists = np.concatenate([np.arange(end - 1, first - 1, -1) for first, end in pairwise(firsts)])
        ends = np.zeros(len(lists), dtype=np.int16)
        ends[firsts[1:] - 1] = weights
        return _records.ShortRange(np.int16(factor), np.int16(adc.lowest), np.int16(adc.highest), lists, ends)

    @cached_property
    def units(self) -> NDArray[np.int32] | None:
        """What bits of a stream count, in the lower and in the upper half of a word, where table rows of single bits
        are added in int16 before that; None where they are not."""
        if not self.grid.adds_short or self.errors is not None or self.lists is self.reads:
            return None
        factors = np.left_shift(1, np.arange(self.streams.dac_bits))
        return np.stack([factors, factors << 16], axis=1).ravel().astype(np.int32)

    @cached_property
    def groups(self) -> int:
        """Groups of rows of the largest row block."""
        return -(-self.most_rows // 8) * 8 // (8 // self.lists.dac_bits)

    @cached_property
    def entries(self) -> int:
        """Table rows of the largest row block."""
        return self.groups << (self.lists.dac_bits * (8 // self.lists.dac_bits))

    def finer(self, t: int) -> NDArray[np.float64]:
        """Return how many times finer than the layer's the step of every column is in stream t, (columns,)."""
        if self.fine is None:
            return np.ones(self.programmed.matrix.shape[1])
        factors: NDArray[np.float64] = self.fine.streams[t] * self.fine.columns.astype(np.float64)
        return factors

    def takes_tables(self, vectors: int) -> bool:
        """Whether tables beat the plain product, in additions of one column."""
        if self.streams.sent is not None or self.streams.dac_bits > MOST_TABLE_BITS or self.groups > MOST_GROUPS:
            return False
        if self.programmed.bend is not None and self.programmed.bend.amplitudes.size:
            return False  # sums of amplitudes are not exact, so that their order must be one
        rows = vectors * self.lists.shifts.size * self.groups
        return 1.5 * self.entries + 1.5 * rows < vectors * len(self.streams) * self.most_rows

    def encode(self, codes: NDArray[Any]) -> PackedInputs | NDArray[Any]:
        """Return vectors, (vectors, K), as bit planes for tables, or as what is sent of each input for products."""
        is_packed = self.takes_tables(len(codes))
        return pack_vectors(codes, self.row_starts, self.streams) if is_packed else self.streams.encode(codes)

    @cached_property
    def sum_type(self) -> type[Any]:
        """Type that holds every result: int32, or int64 where codes could add up to more."""
        recipe, adc, errors = self.recipe, self.adc, self.errors
        largest = max(-adc.lowest, adc.highest)
        if errors is not None and errors.levels.counts.size:
            largest = int(np.abs(errors.levels.counts).max())
        codes = largest * int(np.abs(self.streams.weights).sum())
        return np.int32 if codes * max(1, int(np.abs(recipe.columns).sum())) < 2**31 else np.int64

    @property
    def widest(self) -> int:
        """Columns that are read at a time through tables."""
        return WIDE if self.entries * WIDE <= TABLE_CELLS else LANES

    @property
    def widest_product(self) -> int:
        """Columns that are multiplied at a time: sums of four reads stay in registers."""
        return WIDE if has_wide_registers() else LANES


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What converters saw."""

    lowest: float
    """Smallest column sum, each times how much finer its step is than the layer's [level units]."""
    highest: float
    """Largest one, likewise [level units]."""
    counts: NDArray[np.int64]
    """(bins,) sums by magnitude; empty where they were not counted."""
    clipped: int
    """Sums beyond the range of the converter; counted with ``counts``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Work with outputs of its own."""

    vectors: slice
    blocks: NDArray[np.int64]


def multiply_fused(matrix: FusedMatrix, inputs: PackedInputs | NDArray[Any], threads: int | None) -> NDArray[Any]:
    """Multiply, convert and shift-add.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads, converters and shift-add.
    inputs : PackedInputs or ndarray of int, (vectors, K)
        Bit planes are read through tables, plain codes are multiplied.
    threads : int, optional
        Threads.

    Returns
    -------
    ndarray of int32 or int64, (vectors, outputs)
        Sums in units of the finest step; int32 where no result could be larger.
    """
    recipe = matrix.recipe
    vectors = len(inputs.bases) if isinstance(inputs, PackedInputs) else len(inputs)
    kind = matrix.sum_type
    result = np.zeros((vectors, recipe.padded), dtype=kind)
    units = recipe.unit_weights
    blocks = len(matrix.row_starts) - 1
    shared = np.zeros((vectors, recipe.outputs) if units.size else 0, dtype=np.int64)

    workers = threads or numba.get_num_threads()
    tasks = _share(matrix, inputs, vectors, workers)

    def work(task: Task) -> None:
        part = task.vectors
        unit_codes = np.zeros((blocks, part.stop - part.start, units.size), dtype=kind)
        _call(matrix, inputs, task, None, result[part], unit_codes)
        if units.size:
            shared[part] += recipe.combine_units(unit_codes)

    _run(work, tasks, workers)
    own = result[:, : recipe.outputs]
    return own + shared if units.size else own


def survey_fused(
    matrix: FusedMatrix, inputs: PackedInputs | NDArray[Any], bins: int, bins_per_unit: float, threads: int | None
) -> Seen:
    """Note what the converters see: sums times the gains of their columns, before offset and noise.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads and converters.
    inputs : PackedInputs or ndarray of int, (vectors, K)
        As in :func:`multiply_fused`.
    bins : int
        Bins of the histogram of magnitudes; 0 keeps the extremes only.
    bins_per_unit : float
        Bins to a level unit.
    threads : int, optional
        Threads.

    Returns
    -------
    Seen
        Extremes, counts and clipped sums.
    """
    vectors = len(inputs.bases) if isinstance(inputs, PackedInputs) else len(inputs)
    units = matrix.recipe.unit_weights
    surveys: list[_records.Survey] = []

    def work(task: Task) -> None:
        size = task.vectors.stop - task.vectors.start
        survey = _records.Survey(
            np.full(WIDE, np.inf, dtype=np.float32),
            np.full(WIDE, -np.inf, dtype=np.float32),
            np.zeros(bins, dtype=np.int64),
            np.float32(bins_per_unit / matrix.grid.step),
            np.zeros(1, dtype=np.int64),
        )
        out = np.zeros((size, matrix.recipe.padded), dtype=np.int32)
        unit_codes = np.zeros((len(matrix.row_starts) - 1, size, units.size), dtype=np.int32)
        _call(matrix, inputs, task, survey, out, unit_codes)
        surveys.append(survey)

    workers = threads or numba.get_num_threads()
    _run(work, _share(matrix, inputs, vectors, workers), workers)
    return Seen(
        lowest=min(float(survey.lowest.min()) for survey in surveys) / matrix.grid.step,
        highest=max(float(survey.highest.max()) for survey in surveys) / matrix.grid.step,
        counts=np.sum([survey.counts for survey in surveys], axis=0),
        clipped=sum(int(survey.clipped[0]) for survey in surveys),
    )


def _call(
    matrix: FusedMatrix,
    inputs: PackedInputs | NDArray[Any],
    task: Task,
    survey: _records.Survey | None,
    out: NDArray[Any],
    unit_codes: NDArray[Any],
) -> None:
    """Call the kernel of one task."""
    streams, programmed, grid = matrix.streams, matrix.programmed, matrix.grid
    scale = np.float32(1.0 / (matrix.adc.lsb * grid.step))
    adc = _records.Range(scale, np.float32(matrix.adc.lowest), np.float32(matrix.adc.highest))
    step = np.float32(grid.step)
    cells = _records.Cells(programmed.matrix, programmed.noise, programmed.shot, matrix.row_starts, step)
    recipe, part = matrix.recipe, task.vectors
    errors = matrix.errors
    if errors is not None:
        errors = errors._replace(first_vector=errors.first_vector + part.start)
    tail = (cells, adc, matrix.shaped, errors, survey, recipe.column_weights, task.blocks, recipe.unit_weights)
    is_table = isinstance(inputs, PackedInputs)
    with borrow_room() as room:
        units = matrix.units if survey is None else None
        scratch = make_scratch(matrix, _most_reads(matrix, inputs), is_table, room, is_short=units is not None)
        if streams.sent is not None:
            assert isinstance(inputs, np.ndarray)
            is_noisy = scratch.noise_cells.size > 0
            whole = take_whole(inputs[part], streams, is_noisy)
            own = make_own_scratch(whole, matrix.most_rows, is_noisy)
            _summed.multiply_sums(whole, *tail, scratch, own, out, unit_codes)
        elif isinstance(inputs, PackedInputs):
            planes = _records.Inputs(inputs.planes, inputs.bases[part], inputs.offsets, inputs.group_starts)
            takes_short = matrix.grid.kind == "short" and matrix.errors is None and matrix.shaped is None
            short = matrix.short or _records.NOT_SHORT if takes_short and survey is None else None
            _kernels.multiply_tables(matrix.lists, planes, short, units, *tail, scratch, out, unit_codes)
        else:
            _kernels.multiply_products(matrix.reads, inputs[part], *tail, scratch, out, unit_codes)


def _most_vectors(matrix: FusedMatrix, inputs: PackedInputs | NDArray[Any]) -> int:
    """Return how many vectors a task may hold."""
    if isinstance(inputs, PackedInputs):
        return max(TABLE_VECTORS, LISTED_GROUPS // (matrix.lists.shifts.size * matrix.groups))
    return max(16, (2 if matrix.is_paired else 1) * PRODUCT_READS // len(matrix.streams))


def _most_reads(matrix: FusedMatrix, inputs: PackedInputs | NDArray[Any]) -> int:
    """Return how many reads a task has, at most."""
    vectors = len(inputs.bases) if isinstance(inputs, PackedInputs) else len(inputs)
    return min(vectors, _most_vectors(matrix, inputs)) * len(matrix.streams)


def _share(matrix: FusedMatrix, inputs: PackedInputs | NDArray[Any], vectors: int, workers: int) -> list[Task]:
    """Cut the work into tasks: blocks of vectors, and ranges of outputs where those are few."""
    is_table = isinstance(inputs, PackedInputs)
    most = _most_vectors(matrix, inputs)
    widest = matrix.widest if is_table else matrix.widest_product
    recipe = matrix.recipe
    count = max(1, -(-vectors // most))
    if count % workers and vectors >= 128 * workers:
        count = -(-count // workers) * workers
    size = max(1, -(-vectors // count))
    parts = [slice(first, min(first + size, vectors)) for first in range(0, vectors, size)]
    ranges: list[range | None] = [None]
    # unit columns add to every output, so outputs are not shared out where there are any
    if len(parts) < workers and recipe.padded >= 2 * widest and not recipe.unit_weights.size:
        span = -(-recipe.padded // (workers * LANES)) * LANES
        ranges = [range(first, min(first + span, recipe.padded)) for first in range(0, recipe.padded, span)]
    return [
        Task(vectors=part, blocks=split_columns(recipe.planes, recipe.padded, widest, outputs))
        for part in parts
        for outputs in ranges
    ]


def _run(work: Callable[[Task], None], tasks: list[Task], workers: int) -> None:
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            work(task)
        return
    with ThreadPoolExecutor(min(workers, len(tasks))) as pool:
        for _ in pool.map(work, tasks):
            pass
