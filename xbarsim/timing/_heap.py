"""The heap of events of the event loop: cycles and keys, the least cycle first, and of one cycle the least key."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel

Ints = NDArray[np.int64]


@kernel
def _push(times: Ints, keys: Ints, count: int, time: int, key: int) -> int:
    at = count
    while at > 0:
        up = (at - 1) >> 1
        if times[up] < time or (times[up] == time and keys[up] < key):
            break
        times[at], keys[at] = times[up], keys[up]
        at = up
    times[at], keys[at] = time, key
    return count + 1


@kernel
def _sink(times: Ints, keys: Ints, count: int, time: int, key: int) -> None:
    """Put an event in the place of the first one, which the caller has read."""
    at = 0
    while True:
        low = 2 * at + 1
        if low >= count:
            break
        high = low + 1
        if high < count:  # which of the two is first cannot be predicted: no branch depends on it
            is_earlier, is_same = times[high] < times[low], times[high] == times[low]
            low += is_earlier | (is_same & (keys[high] < keys[low]))
        if times[low] > time or (times[low] == time and keys[low] > key):
            break
        times[at], keys[at] = times[low], keys[low]
        at = low
    times[at], keys[at] = time, key
