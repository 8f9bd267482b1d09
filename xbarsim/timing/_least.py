"""The least time in which the windows of all steps can be done: arrays and units alone, everything else for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import point

if TYPE_CHECKING:
    from xbarsim.timing.machine import EventTables

Ints = NDArray[np.int64]


@kernel
def find_least(machine: EventTables, replicas: Ints, pace: Ints, tail: Ints, start: Ints, done: Ints) -> int:
    """Find the least cycles of one inference with other replicas.

    A window starts when the windows that it needs are done, and ``pace`` cycles after the one before on its replica.
    It is done ``tail`` cycles later, at the earliest when all windows before it are. Without a pipeline every step
    waits for the one before.

    Parameters
    ----------
    machine : EventTables
        Steps and the edges between them; replicas and all that belongs to them are not read.
    replicas : (steps,)
        Replicas that take windows in turn; 0 where windows do not wait for one another.
    pace, tail : (steps,)
        Cycles between two windows of a replica, and from the start of a window to its result.
    start, done : (windows,)
        Filled in.

    Returns
    -------
    int
        Cycles.
    """
    m = point(machine)
    most = 0
    for step in range(replicas.size):
        count, each, behind = replicas[step], pace[step], tail[step]
        first, ready, latest = m.first_window[step], 0 if m.pipelined else most, 0
        for window in range(m.windows[step]):
            for j in range(m.first_in[step], m.first_in[step + 1]):
                e = m.in_edge[j]
                need = m.need[m.edge_need[e] + window]
                if need >= 0:
                    ready = max(ready, done[m.first_window[m.edge_from[e]] + need])
            begin = ready
            if 0 < count <= window:
                begin = max(begin, start[first + window - count] + each)
            start[first + window] = begin
            latest = max(latest, begin + behind)
            done[first + window] = latest
        most = max(most, latest)
    return most
