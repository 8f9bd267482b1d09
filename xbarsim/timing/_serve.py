"""Service of shared resources: one request, or the windows of a class, which follow each other at an even pace.

The first window of a class asks at ``head``, the last at ``tail``. A resource that takes c cycles for each of its n
windows starts at s, when the first has asked and the resource is free, and is done with the last at
max(s + n c, tail + c). This is exact where the windows in between ask at a pace that does not slow down, as the
windows of one class do that pass resources one after the other; requests of other steps come before or after the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._numba import inlined
from xbarsim.timing._state import LoopState

if TYPE_CHECKING:
    from xbarsim.timing.machine import EventTables


@inlined
def _book(m: EventTables, s: LoopState, first: int, last: int, time: int) -> None:
    """Book the links first..last of a tree for a packet injected at ``time``; fill in when head and tail come out."""
    for i in range(first, last):
        parent = m.tree_parent[i]
        head, tail = (time, time) if parent < 0 else (s.heads[parent], s.tails[parent])
        link, cycles = m.tree_link[i], m.tree_cycles[i]
        start = max(head, s.free[link])
        s.free[link] = start + cycles
        s.busy[link] += cycles
        s.heads[i] = start + m.hop_cycles
        s.tails[i] = max(tail, start + cycles) + m.hop_cycles


@inlined
def _use(s: LoopState, resource: int, now: int, cycles: int) -> int:
    """Book a shared resource from ``now`` on; return the cycle in which it is free again."""
    end: int = max(now, s.free[resource]) + cycles
    s.free[resource] = end
    s.busy[resource] += cycles
    return end


@inlined
def _use_class(s: LoopState, resource: int, head: int, tail: int, cycles: int, group: int) -> tuple[int, int]:
    """Book a shared resource for a class; return the cycles in which its first and its last window are done."""
    start = max(head, s.free[resource])
    last = max(start + group * cycles, tail + cycles)
    s.free[resource] = last
    s.busy[resource] += group * cycles
    return start + cycles, last


@inlined
def _book_class(m: EventTables, s: LoopState, first: int, last: int, head: int, tail: int, group: int) -> None:
    """Book the links first..last of a tree for the packets of a class; fill in when the last comes out.

    ``heads`` are those of the first packet, ``lasts`` and ``tails`` head and tail of the last one.
    """
    for i in range(first, last):
        parent = m.tree_parent[i]
        opens, closes, out = (head, tail, tail) if parent < 0 else (s.heads[parent], s.lasts[parent], s.tails[parent])
        link, cycles = m.tree_link[i], m.tree_cycles[i]
        start = max(opens, s.free[link])
        begin = max(closes, start + (group - 1) * cycles)
        s.free[link] = begin + cycles
        s.busy[link] += group * cycles
        s.heads[i] = start + m.hop_cycles
        s.lasts[i] = begin + m.hop_cycles
        s.tails[i] = max(out, begin + cycles) + m.hop_cycles
