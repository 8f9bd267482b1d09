"""Working memory of the kernels: kept between tasks, never shared between two at a time."""

from __future__ import annotations

import numpy as np

from xbarsim.mvm.scratch import Room, borrow_room


def test_arrays_of_a_task_are_apart_and_begin_with_a_cache_line():
    room = Room()
    for sizes in ((5, 0, 300), (700, 8, 3)):
        room.clear()
        taken = [room.take(size, kind) for size, kind in zip(sizes, (np.int16, np.float32, np.uint64))]
        for k, array in enumerate(taken):
            assert array.size == sizes[k]
            assert not array.size or array.ctypes.data % 64 == 0
            array[:] = k
        assert all((array == k).all() for k, array in enumerate(taken))


def test_memory_is_kept_for_the_next_task():
    room = Room()
    first = room.take(1000, np.float32)
    room.clear()
    assert np.shares_memory(first, room.take(900, np.int32))


def test_two_tasks_never_share_memory():
    with borrow_room() as room:
        first = room.take(100, np.int64)
        with borrow_room() as other:
            assert not np.shares_memory(first, other.take(100, np.int64))
