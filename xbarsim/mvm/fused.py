"""The fused kernels behind arrays: choice of tables, scratch memory, blocks of vectors, threads.

Vectors go through in blocks, so memory does not grow with their number; blocks (and, where there are few vectors,
ranges of outputs) are shared out to threads. Everything after the converter is integer, and what comes before it
depends on one vector alone, so neither the blocks nor the threads change a bit.

Fixed-point tables hold cells in units of 2**-k level steps, the finest for which the sum of a group fits 16 bits.
Rounding a cell to that grid moves a column sum by at most ``rows * highest input * 2**-(k+1)``, by
``highest input * sqrt(rows / 12) * 2**-k`` in the root mean square; fixed point is taken where that is at most
``FIXED_ERROR`` of an lsb, and is exact where cells are whole levels. Else tables are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import AdcRange, Streams
from xbarsim.mvm import _kernels
from xbarsim.mvm.layout import LANES
from xbarsim.mvm.recipe import Recipe
from xbarsim.mvm.window import Geometry

FIXED_ERROR = 0.02
"""Largest rounding error of a column sum that fixed-point tables may cause, root mean square [lsb]."""
VECTORS = 1024
"""Vectors of a block: enough that building tables is a small part."""
TABLE_CELLS = 1 << 18
"""Values of a table that stay in a core's second-level cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedInputs:
    """Inputs as bit planes; the q-th byte (eight rows) of bit b of vector v is
    ``planes[bases[v] + offsets[q] + stride * b]``."""

    planes: NDArray[np.uint8]
    bases: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stride: int
    byte_starts: NDArray[np.int64]
    """(row blocks + 1,) which bytes belong to which row block."""


def count_bytes(row_starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the bytes of each row block begin when every block starts a byte of its own."""
    return np.r_[0, np.cumsum(-(-np.diff(row_starts) // 8))].astype(np.int64)


def _as_raw(codes: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return codes as unsigned bits of one or two bytes; two's complement keeps its bits."""
    kind = np.uint8 if bits <= 8 else np.uint16
    if codes.dtype.itemsize == np.dtype(kind).itemsize:
        return codes.view(kind)
    return codes.astype(kind)


def pack_vectors(codes: NDArray[Any], row_starts: NDArray[np.int64], streams: Streams) -> PackedInputs:
    """Pack vectors, (vectors, K) integers."""
    byte_starts = count_bytes(row_starts)
    count = int(byte_starts[-1])
    planes = np.empty((codes.shape[0], streams.bits, count), dtype=np.uint8)
    _kernels.pack_vectors(streams.bits, row_starts, byte_starts, _as_raw(codes, streams.bits), planes)
    return PackedInputs(
        planes=planes.ravel(),
        bases=np.arange(codes.shape[0], dtype=np.int64) * (streams.bits * count),
        offsets=np.arange(count, dtype=np.int64),
        stride=count,
        byte_starts=byte_starts,
    )


def can_pack_pixels(geometry: Geometry, row_starts: NDArray[np.int64]) -> bool:
    """Whether windows can share packed pixels: whole bytes of channels, and arrays that begin with a byte."""
    return geometry.channels % 8 == 0 and not np.any(row_starts % 8)


def pack_pixels(
    codes: NDArray[Any], geometry: Geometry, row_starts: NDArray[np.int64], streams: Streams, pad_code: int
) -> PackedInputs:
    """Pack images, (images, channels, height, width), once per pixel; windows point into them."""
    top, left, bottom, right = geometry.padding
    images, channels = codes.shape[:2]
    height, width, count = codes.shape[2] + top + bottom, codes.shape[3] + left + right, channels // 8
    planes = np.zeros((images, height, width, streams.bits, count), dtype=np.uint8)
    if pad_code:
        ones = (int(pad_code) >> np.arange(streams.bits)) & 1
        planes[:] = (255 * ones).astype(np.uint8)[:, np.newaxis]
    _kernels.pack_pixels(streams.bits, top, left, np.ascontiguousarray(_as_raw(codes, streams.bits)), planes)
    pixel = streams.bits * count
    b, y, x = np.ix_(np.arange(images), np.arange(geometry.out_height), np.arange(geometry.out_width))
    bases = ((b * height + y * geometry.stride[0]) * width + x * geometry.stride[1]) * pixel
    y, x, q = np.ix_(np.arange(geometry.kernel[0]), np.arange(geometry.kernel[1]), np.arange(count))
    offsets = (y * geometry.dilation[0] * width + x * geometry.dilation[1]) * pixel + q
    return PackedInputs(
        planes=planes.ravel(),
        bases=bases.astype(np.int64).ravel(),
        offsets=offsets.astype(np.int64).ravel(),
        stride=count,
        byte_starts=row_starts // 8,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """How the tables of a layer are held."""

    step: float
    """What 1 level step counts in a fixed-point table; 1 for float32."""
    is_fixed: bool
    rms_error: float
    """Bound on the root-mean-square error of a column sum [level units]; 0 where cells are whole numbers of steps."""


FLOAT_TABLES = Tables(step=1.0, is_fixed=False, rms_error=0.0)


def choose_tables(matrix: NDArray[np.float32], row_starts: NDArray[np.int64], dac_bits: int) -> Tables:
    """Return the finest fixed-point grid on which every group of rows fits 16 bits."""
    members = 8 // dac_bits
    highest = (1 << dac_bits) - 1
    largest = 0.0
    is_whole = True
    for begin, end in pairwise(row_starts):
        block = matrix[begin:end]
        groups = np.arange(0, end - begin, members)
        for part in (np.maximum(block, 0), np.minimum(block, 0)):
            largest = max(largest, float(np.abs(np.add.reduceat(part, groups, axis=0)).max()) * highest)
        is_whole = is_whole and bool(np.all(block == np.rint(block)))
    room = 32767 - members * highest
    bits = math.floor(math.log2(room / largest)) if largest > 0 else 0
    rows = int(np.diff(row_starts).max())
    is_exact = is_whole and bits >= 0
    rms = 0.0 if is_exact else highest * math.sqrt(rows / 12) * 2.0**-bits
    return Tables(step=2.0**bits, is_fixed=True, rms_error=rms)


def split_columns(columns: int, padded: int, widest: int, outputs: range | None = None) -> NDArray[np.int64]:
    """Cut columns into blocks of ``widest`` and 16, for a range of outputs of every plane (all by default)."""
    spans = [(0, columns)] if outputs is None else [
        (plane * padded + outputs.start, plane * padded + outputs.stop) for plane in range(columns // padded)
    ]  # fmt: skip
    blocks: list[tuple[int, int]] = []
    for begin, end in spans:
        while begin < end:
            width = widest if end - begin >= widest else LANES
            blocks.append((begin, width))
            begin += width
    return np.array(blocks, dtype=np.int64).reshape(-1, 2)


def multiply_fused(
    inputs: PackedInputs,
    matrix: NDArray[np.float32],
    row_starts: NDArray[np.int64],
    streams: Streams,
    adc: AdcRange,
    recipe: Recipe,
    tables: Tables,
    threads: int | None = None,
) -> NDArray[np.int64]:
    """Multiply, convert and shift-add with the fused kernels.

    Parameters
    ----------
    inputs : PackedInputs
        Vectors or images.
    matrix : ndarray of float32, (K, columns)
        Effective matrix in level units.
    row_starts : ndarray of int, (row blocks + 1,)
        Where arrays begin.
    streams, adc, recipe
        Reads, conversion and shift-add.
    tables : Tables
        Fixed point or float32.
    threads : int, optional
        Threads.

    Returns
    -------
    ndarray of int64, (vectors, outputs)
        Sums in units of ``adc.lsb``.
    """
    groups = int(np.diff(inputs.byte_starts).max()) * 8 // (8 // streams.dac_bits)
    entries = groups << (streams.dac_bits * (8 // streams.dac_bits))
    widest = 64 if entries * 64 <= 2 * TABLE_CELLS else LANES
    kind = np.int16 if tables.is_fixed else np.float32
    columns, padded = recipe.planes * recipe.padded, recipe.padded
    most_rows = int(np.diff(row_starts).max())
    scale = np.float32(1.0 / (adc.lsb * tables.step))
    weights = streams.weights.astype(np.int32)
    unit_weights = np.ones(matrix.shape[1] - columns, dtype=np.int32)
    result = np.zeros((len(inputs.bases), padded), dtype=np.int64)

    def work(task: Task) -> None:
        part = task.vectors
        bases = inputs.bases[part]
        reads = len(bases) * len(streams)
        ones = unit_weights if task.has_units else unit_weights[:0]
        unit_codes = np.zeros((len(row_starts) - 1, len(bases), ones.size), dtype=np.int64)
        _kernels.multiply_block(
            streams.shifts, streams.widths, weights, streams.dac_bits, scale, np.float32(adc.lowest),
            np.float32(adc.highest), np.float32(tables.step), tables.is_fixed, row_starts, inputs.byte_starts, matrix,
            recipe.column_weights, task.blocks, columns, ones, inputs.stride, inputs.planes, bases, inputs.offsets,
            np.empty(reads + 1, dtype=np.int64), np.empty(reads * groups + 1, dtype=np.int32),
            np.empty(most_rows * 64, dtype=kind), np.empty(entries * widest, dtype=kind), np.empty(64, dtype=np.int32),
            result[part], unit_codes,
        )  # fmt: skip
        if ones.size:
            result[part, : recipe.outputs] += recipe.combine_units(unit_codes)

    workers = threads or numba.get_num_threads()
    _run(work, _share(len(inputs.bases), columns, padded, widest, workers, unit_weights.size > 0), workers)
    return np.ascontiguousarray(result[:, : recipe.outputs])


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Work with outputs of its own."""

    vectors: slice
    blocks: NDArray[np.int64]
    has_units: bool


def _share(vectors: int, columns: int, padded: int, widest: int, workers: int, has_units: bool) -> list[Task]:
    """Cut the work into tasks: blocks of vectors, and ranges of outputs where vectors are few."""
    count = max(1, -(-vectors // VECTORS))
    if count % workers and vectors >= 128 * workers:
        count = -(-count // workers) * workers
    size = max(1, -(-vectors // count))
    parts = [slice(first, min(first + size, vectors)) for first in range(0, vectors, size)]
    ranges: list[range | None] = [None]
    if len(parts) < workers and padded >= 2 * widest and not has_units:  # units add to every output
        span = -(-padded // (workers * LANES)) * LANES
        ranges = [range(first, min(first + span, padded)) for first in range(0, padded, span)]
    return [
        Task(vectors=part, blocks=split_columns(columns, padded, widest, outputs), has_units=has_units)
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
