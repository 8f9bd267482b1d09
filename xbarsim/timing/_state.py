"""What the event loop writes, as a named tuple of arrays, which Numba compiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class LoopState(NamedTuple):
    """What the event loop writes; all but results and the heap begin at zero unless said otherwise."""

    free: NDArray[np.int64]
    """By resource: cycle from which it is free."""
    busy: NDArray[np.int64]
    """By resource: cycles of use; a result."""
    slot_free: NDArray[np.int64]
    """By slot: cycle from which its arrays are free."""
    slot_passed: NDArray[np.int64]
    """By slot: passes begun."""
    slot_end: NDArray[np.int64]
    """By slot and input register: cycle in which its pass is over."""
    released: NDArray[np.int64]
    """By step: windows that have asked for their operands."""
    prefix: NDArray[np.int64]
    """By edge: last window up to which all have arrived; begins at -1."""
    arrived: NDArray[np.uint8]
    """By edge and window of the producer: 2 has arrived, 1 has been noted."""
    waiting: NDArray[np.int32]
    """By window: slots whose partial sums are not at home; begins at the slots of its replica."""
    latest: NDArray[np.int64]
    """By window: cycle in which the last partial sums came home, or in which the last window of a class was served."""
    left: NDArray[np.int64]
    """By step: results that have not arrived; begins at windows times edges."""
    taken: NDArray[np.int32]
    """By window: slots that have not read their operands; begins at the slots of its replica."""
    read: NDArray[np.int64]
    """By step: windows up to which all operands have been read."""
    room: NDArray[np.int64]
    """By edge: windows of the producer that have room."""
    start: NDArray[np.int64]
    """By window: first array read or use of the unit; begins at the largest number. A result."""
    finish: NDArray[np.int64]
    """By window: arrival at the last consumer; a result."""
    heads: NDArray[np.int64]
    """By entry of a tree: cycle in which a packet's head comes out."""
    lasts: NDArray[np.int64]
    """By entry of a tree: cycle in which the head of the last packet of a class comes out."""
    tails: NDArray[np.int64]
    """By entry of a tree: cycle in which its tail comes out."""
    times: NDArray[np.int64]
    """Heap of events: cycles."""
    keys: NDArray[np.int64]
    """Heap of events: keys."""
