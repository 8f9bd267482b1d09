"""Working memory of the fused kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import LANES, WIDE
from xbarsim.mvm import _records
from xbarsim.mvm._records import TOGETHER

if TYPE_CHECKING:
    from xbarsim.mvm.fused import FusedMatrix


class Room:
    """Memory of one task, kept for the next one: memory that the system hands out anew costs more than a small task."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []
        self._taken = 0

    def clear(self) -> None:
        """Take back all arrays; their values may change from now on."""
        self._taken = 0

    def take(self, count: int, kind: Any) -> NDArray[Any]:
        """Return an array, (count,), whose values are not set; it begins with a cache line, so that no register is
        loaded from two."""
        size, place = count * np.dtype(kind).itemsize, self._taken
        self._taken += 1
        if place == len(self._blocks):
            self._blocks.append(_allocate(size))
        elif self._blocks[place].size < size:
            self._blocks[place] = _allocate(size)
        return self._blocks[place][:size].view(kind)


def _allocate(size: int) -> NDArray[np.uint8]:
    """Allocate bytes from the beginning of a cache line on."""
    whole = np.empty(size + 64, dtype=np.uint8)
    first = -whole.ctypes.data % 64
    return whole[first : first + size]


_idle: list[Room] = []


@contextmanager
def borrow_room() -> Iterator[Room]:
    """Lend memory that no other thread uses, within a ``with`` statement."""
    try:
        room = _idle.pop()
    except IndexError:  # asked for by trying, since another thread may take the last one in between
        room = Room()
    room.clear()
    yield room
    _idle.append(room)


def make_scratch(
    matrix: FusedMatrix, reads: int, is_table: bool, room: Room, *, is_short: bool = False
) -> _records.FusedScratch:
    """Allocate the working memory of one thread.

    Parameters
    ----------
    matrix : FusedMatrix
        What is multiplied.
    reads : int
        Reads of a task, at most.
    is_table : bool
        Whether they are sums of table rows, and not products.
    room : Room
        Where the arrays are taken from.
    is_short : bool
        Whether table rows are added in int16, whatever the grid.

    Returns
    -------
    FusedScratch
        Arrays whose values are not set.
    """
    table_type, total_type = matrix.grid.types if is_table else (np.float32, np.float32)
    total_type = np.int16 if is_short else total_type
    table = matrix.entries * matrix.widest if is_table else 0
    lanes = -(-matrix.most_rows // (8 * LANES)) * LANES
    is_paired, room_reads = matrix.is_paired and not is_table, 0 if is_table else reads + 3
    words = -(-matrix.most_rows // 2)
    bend = matrix.programmed.bend
    products = matrix.most_rows * (2 if bend is not None and bend.amplitudes.size else 1)
    is_noisy, listed = matrix.is_noisy, reads * matrix.lists.shifts.size // len(matrix.streams)
    return _records.FusedScratch(
        starts=room.take(listed + 1 if is_table else 0, np.int64),
        rows=room.take(listed * -(-matrix.groups // TOGETHER) * TOGETHER + LANES if is_table else 0, np.int16),
        words=room.take(lanes if is_table else 0, np.uint64),
        offsets=room.take(lanes if is_table else 0, np.int64),
        dealt=room.take(8 * lanes if is_table else 0, np.uint8),
        places=np.arange(lanes if is_table else 0, dtype=np.int16) * 256,
        cells=room.take(products * WIDE, table_type),
        noise_cells=room.take(matrix.most_rows * WIDE if is_noisy else 0, np.float32),
        shot_cells=room.take(matrix.most_rows * WIDE if matrix.programmed.shot.size else 0, np.float32),
        table=room.take(table, table_type),
        total=room.take(0, total_type),
        noise_table=room.take(table if is_noisy else 0, np.uint16),
        values=room.take(0 if is_paired and not is_noisy else room_reads * products, np.float32),
        pairs=room.take(2 * words * room_reads * is_paired, np.int16),
        pair_cells=room.take(words * WIDE * is_paired, np.int32),
        lanes=room.take(WIDE, np.int32),
        floats=room.take(WIDE, np.float32),
        sums=room.take(4 * WIDE, np.float32),
        variances=room.take(4 * WIDE, np.float32),
        bends=_make_bend_scratch(matrix, reads + 3, is_table, room),
    )


_NO_BENDS = _records.BendScratch(
    loads=np.empty(0, np.float32),
    tilts=np.empty(0, np.float32),
    ends=np.empty(0, np.int64),
    load_table=np.empty(0, np.int32),
    own_cells=np.empty(0, np.uint8),
    own_table=np.empty(0, np.uint8),
    own_values=np.empty(0, np.float32),
    own_sums=np.empty(0, np.float32),
    parts=np.empty(0, np.float32),
)


def _make_bend_scratch(matrix: FusedMatrix, reads: int, is_table: bool, room: Room) -> _records.BendScratch:
    """Allocate the working memory of curves, where there are any, for the reads of a task."""
    bend = matrix.programmed.bend
    if bend is None:
        return _NO_BENDS
    cuts, own = bend.cuts.size, WIDE if bend.own.size else 0
    return _records.BendScratch(
        loads=room.take(reads, np.float32),
        tilts=room.take(reads, np.float32),
        ends=room.take(reads * cuts * is_table, np.int64),
        load_table=room.take(matrix.entries * is_table, np.int32),
        own_cells=room.take(matrix.most_rows * own, np.uint8),
        own_table=room.take(matrix.entries * min(own, matrix.widest) * is_table, np.uint8),
        own_values=room.take(matrix.most_rows * own, np.float32),
        own_sums=room.take(4 * WIDE, np.float32),
        parts=room.take(4 * WIDE * (cuts + 1), np.float32),
    )
