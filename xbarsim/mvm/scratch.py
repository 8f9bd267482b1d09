"""Working memory of the fused kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import LANES, WIDE
from xbarsim.mvm import _records
from xbarsim.mvm._records import TOGETHER

if TYPE_CHECKING:
    from xbarsim.mvm.fused import FusedMatrix


def make_scratch(matrix: FusedMatrix, reads: int, is_table: bool) -> _records.FusedScratch:
    """Allocate the working memory of one thread.

    Parameters
    ----------
    matrix : FusedMatrix
        What is multiplied.
    reads : int
        Reads of a task, at most.
    is_table : bool
        Whether they are sums of table rows, and not products.

    Returns
    -------
    FusedScratch
        Arrays whose values are not set.
    """
    table_type, total_type = matrix.grid.types if is_table else (np.float32, np.float32)
    table = matrix.entries * matrix.widest if is_table else 0
    lanes = -(-matrix.most_rows // (8 * LANES)) * LANES
    is_noisy, listed = matrix.is_noisy, reads * matrix.lists.shifts.size // len(matrix.streams)
    return _records.FusedScratch(
        starts=np.empty(listed + 1 if is_table else 0, dtype=np.int64),
        rows=np.empty(listed * -(-matrix.groups // TOGETHER) * TOGETHER + LANES if is_table else 0, dtype=np.int32),
        words=_allocate(lanes if is_table else 0, np.uint64),
        dealt=_allocate(8 * lanes if is_table else 0, np.uint8),
        places=np.arange(lanes if is_table else 0, dtype=np.int32) * 256,
        cells=_allocate(matrix.most_rows * WIDE, table_type),
        noise_cells=_allocate(matrix.most_rows * WIDE if is_noisy else 0, np.float32),
        shot_cells=_allocate(matrix.most_rows * WIDE if matrix.programmed.shot.size else 0, np.float32),
        table=_allocate(table, table_type),
        total=np.empty(0, dtype=total_type),
        noise_table=_allocate(table if is_noisy else 0, np.uint16),
        values=np.empty(0 if is_table else (reads + 3) * matrix.most_rows, dtype=np.float32),
        lanes=np.empty(WIDE, dtype=np.int32),
        floats=np.empty(WIDE, dtype=np.float32),
        sums=_allocate(4 * WIDE, np.float32),
        variances=_allocate(4 * WIDE, np.float32),
        bends=_make_bend_scratch(matrix, reads + 3, is_table),
    )


def _make_bend_scratch(matrix: FusedMatrix, reads: int, is_table: bool) -> _records.BendScratch:
    """Allocate the working memory of curves, where there are any, for the reads of a task."""
    bend = matrix.programmed.bend
    has_bend, cuts = bend is not None, 0 if bend is None else bend.cuts.size
    own = 0 if bend is None or not bend.own.size else WIDE
    return _records.BendScratch(
        loads=np.empty(reads * has_bend, dtype=np.float32),
        tilts=np.empty(reads * has_bend, dtype=np.float32),
        ends=np.empty(reads * cuts * is_table, dtype=np.int64),
        load_table=np.empty(matrix.entries * has_bend * is_table, dtype=np.int32),
        own_cells=_allocate(matrix.most_rows * own, np.uint8),
        own_table=_allocate(matrix.entries * min(own, matrix.widest) * is_table, np.uint8),
        own_values=_allocate(matrix.most_rows * own, np.float32),
        own_sums=_allocate(4 * WIDE, np.float32),
        parts=_allocate(4 * WIDE * (cuts + 1) * has_bend, np.float32),
    )


def _allocate(count: int, kind: Any) -> NDArray[Any]:
    """Allocate an array that begins with a cache line, so that no register is loaded from two."""
    room = np.empty(count * np.dtype(kind).itemsize + 64, dtype=np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + count * np.dtype(kind).itemsize].view(kind)
