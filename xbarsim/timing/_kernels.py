"""The event loop of the tile pipeline.

Events are (cycle, key), the key packing step, window, slot and stage, so that where two events meet in one cycle
the lower (layer, window, slot) goes first. Every request for a shared resource is an event at the cycle in which
it is made: resources serve in order of request and are never used twice in one cycle. A slot is the part of one
replica of a layer that lies in one tile; its arrays work in lock step and are not shared.

Where streams are not limited, inputs enter at the pace of the busiest shared resource, so that a wide off-chip link
does not flood the links on the chip with inputs that nobody can take yet.

Where input buffers are limited, a window starts only if its consumers have space for its result. Space is released at
the beginning of a cycle, when a consumer has read the last window that needs a value.

The loop uses bare pointers, since passing an array to a function changes its reference count at every call.

Numbers that serve as indices are unsigned in the machine's arrays: the compiler then leaves out Python's rule for
negative indices, a third of the time of the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._numba import inlined, kernel
from xbarsim._simd import point
from xbarsim.timing._heap import _push, _sink
from xbarsim.timing._serve import _book, _book_class, _use, _use_class
from xbarsim.timing._state import LoopState

if TYPE_CHECKING:
    from xbarsim.timing.machine import EventTables

READ, BUS, GATHER, MERGE, UNIT, WRITE, SEND, ARRIVE, FREE = range(9)
INPUT_STEP, LAYER_STEP, DIGITAL_STEP, OUTPUT_STEP = range(4)
DONE, HEAP_FULL, STUCK = range(3)
SLOT_SHIFT, WINDOW_SHIFT, STEP_SHIFT = 4, 20, 45
SLOT_LIMIT, WINDOW_LIMIT, STEP_LIMIT = 1 << 16, 1 << 25, 1 << 16
FIRST = 1 << 62  # taken off a key: before all others of its cycle


@inlined
def _read(
    m: EventTables, s: LoopState, step: int, replica: int, slot: int, now: int, base: int, count: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Read the operands of a window's part in one slot from the buffer; return events and what follows."""
    n = m.first_slot[replica] + slot
    end = _use(s, m.slot_buffer[n], now, m.slot_read[n])
    is_layer = m.kind[step] == LAYER_STEP
    if m.limited and not is_layer:
        count = _push(s.times, s.keys, count, end, (base | FREE) - FIRST)
    return count, end, base | (slot << SLOT_SHIFT) | (BUS if is_layer else UNIT)


@inlined
def _load(
    m: EventTables, s: LoopState, step: int, replica: int, window: int, slot: int, at: int, now: int, base: int,
    count: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Load operands over the bus into an input register and start the arrays; return events and what follows."""
    n = m.first_slot[replica] + slot
    loaded = _use(s, m.slot_wires[n], now, m.slot_bus[n])
    if m.limited:
        count = _push(s.times, s.keys, count, loaded, (base | FREE) - FIRST)
    begin = max(loaded, s.slot_free[n])
    end = begin + m.slot_occupancy[n]
    s.slot_free[n] = end
    place = s.slot_passed[n]
    s.slot_passed[n] = place + 1
    s.slot_end[2 * n + (place & 1)] = end
    ahead = window + 2 * m.replicas[step]  # its input register is free again at the end of this pass
    if ahead < s.released[step]:
        other = (step << STEP_SHIFT) | (ahead << WINDOW_SHIFT) | (slot << SLOT_SHIFT) | READ
        count = _push(s.times, s.keys, count, end, other)
    if begin < s.start[at]:
        s.start[at] = begin
    done = begin + m.slot_latency[n]
    if m.gather_first[n] < m.gather_last[n]:
        return count, done, base | (slot << SLOT_SHIFT) | GATHER
    follow, follow_key = _join(m, s, replica, at, done, base)
    return count, follow, follow_key


@inlined
def _join(m: EventTables, s: LoopState, replica: int, at: int, done: int, base: int) -> tuple[int, int]:
    """Note that one slot's partial sums are at home at ``done``; return what follows once all are."""
    s.latest[at] = max(s.latest[at], done)
    s.waiting[at] -= 1
    if s.waiting[at] == 0:
        return s.latest[at], base | (MERGE if m.merge_cycles[replica] > 0 else UNIT)
    return -1, 0


@inlined
def _gather(m: EventTables, s: LoopState, replica: int, slot: int, at: int, now: int, base: int) -> tuple[int, int]:
    """Send one slot's partial sums home; return what follows."""
    n = m.first_slot[replica] + slot
    _book(m, s, m.gather_first[n], m.gather_last[n], now)
    return _join(m, s, replica, at, s.tails[m.gather_last[n] - 1], base)


@inlined
def _finish(m: EventTables, s: LoopState, step: int, replica: int, at: int, now: int, base: int) -> tuple[int, int]:
    """Use the unit of a step for one window; return what follows."""
    cycles = m.unit_cycles[step]
    end = _use(s, m.unit[replica], now, cycles)
    s.start[at] = min(s.start[at], end - cycles)
    kind = m.kind[step]
    if kind == OUTPUT_STEP:
        s.finish[at] = end
        return -1, 0
    return end, base | (SEND if kind == INPUT_STEP else WRITE)


@inlined
def _send(
    m: EventTables, s: LoopState, step: int, replica: int, window: int, at: int, now: int, base: int, count: int,
) -> int:  # fmt: skip
    """Inject the packet of a window's result; return the events."""
    _book(m, s, m.first_tree[replica], m.last_tree[replica], now)
    return _deliver(m, s, step, replica, window, at, now, now, base, count)


@inlined
def _deliver(
    m: EventTables, s: LoopState, step: int, replica: int, window: int, at: int, now: int, sent: int, base: int,
    count: int,
) -> int:  # fmt: skip
    """Note when a result arrives at its consumers, the last part of it sent at ``sent``; return the events."""
    s.finish[at] = sent
    first = m.first_out[step]
    for e in range(first, m.first_out[step + 1]):
        to = m.first_dest[replica] + e - first
        arrival = sent
        for d in range(m.dest_first[to], m.dest_last[to]):
            arrival = max(arrival, s.tails[m.dest_tree[d]])
        s.finish[at] = max(s.finish[at], arrival)
        if arrival > now:
            count = _push(s.times, s.keys, count, arrival, base | ((e - first) << SLOT_SHIFT) | ARRIVE)
        else:
            s.arrived[m.edge_flag[e] + window] = 2
    return count


@kernel
def _send_class(
    m: EventTables, s: LoopState, step: int, replica: int, window: int, at: int, now: int, base: int, count: int,
) -> int:  # fmt: skip
    """Inject the packets of a class, the first now; return the events."""
    sent = s.latest[at]
    _book_class(m, s, m.first_tree[replica], m.last_tree[replica], now, sent, m.group[step])
    return _deliver(m, s, step, replica, window, at, now, sent, base, count)


@kernel
def _advance_class(
    m: EventTables, s: LoopState, step: int, replica: int, at: int, stage: int, now: int, base: int, count: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Let a class read its operands, use its unit or write its results; return events and what follows."""
    n, group = m.first_slot[replica], m.group[step]
    if stage == READ:
        follow, s.latest[at] = _use_class(s, m.slot_buffer[n], now, now, m.slot_read[n], group)
        if m.limited:
            count = _push(s.times, s.keys, count, s.latest[at], (base | FREE) - FIRST)
        return count, follow, base | UNIT
    if stage == WRITE:
        follow, s.latest[at] = _use_class(s, m.write_port[replica], now, s.latest[at], m.write_cycles[step], group)
        return count, follow, base | SEND
    cycles = m.unit_cycles[step]
    follow, s.latest[at] = _use_class(s, m.unit[replica], now, s.latest[at], cycles, group)
    s.start[at] = follow - cycles
    if m.kind[step] == OUTPUT_STEP:
        s.finish[at] = s.latest[at]
        return count, -1, 0
    return count, follow, base | WRITE


@inlined
def _give_back(m: EventTables, s: LoopState, step: int, at: int) -> bool:
    """Note that one part of a window has been read; return whether room became free for the producers."""
    s.taken[at] -= 1
    seen = s.read[step]
    while seen < m.windows[step] and s.taken[m.first_window[step] + seen] == 0:
        seen += 1
    if seen == s.read[step]:
        return False
    s.read[step] = seen
    return True


@inlined
def _make_room(m: EventTables, s: LoopState, step: int, e: int) -> int:
    """Work out how many windows of the producer of edge ``e`` have room with the consumer; return the producer."""
    producer: int = m.edge_from[e]
    if s.read[step] < m.windows[step]:
        s.room[e] = m.keep[m.edge_need[e] + s.read[step]] + m.capacity[e]
    else:
        s.room[e] = m.windows[producer]
    return producer


@inlined
def _take_in(m: EventTables, s: LoopState, step: int, e: int, window: int) -> int:
    """Note that a window has arrived over edge ``e``; return the consumer."""
    s.arrived[m.edge_flag[e] + window] = 1
    s.left[step] -= 1
    seen = s.prefix[e]
    while seen + 1 < m.windows[step] and s.arrived[m.edge_flag[e] + seen + 1] == 1:
        seen += 1
    s.prefix[e] = seen
    consumer: int = m.edge_to[e]
    return consumer


@inlined
def _count_ready(m: EventTables, s: LoopState, step: int) -> int:
    """Return how many windows of a step have their operands, and room for their results."""
    ahead: int = s.released[step]
    while ahead < m.windows[step]:
        for j in range(m.first_in[step], m.first_in[step + 1]):
            e = m.in_edge[j]
            if s.prefix[e] < m.need[m.edge_need[e] + ahead]:
                return ahead
        if m.limited:
            for e in range(m.first_out[step], m.first_out[step + 1]):
                if ahead >= s.room[e]:
                    return ahead
        ahead += 1
    return ahead


@inlined
def _release(
    m: EventTables, s: LoopState, step: int, ahead: int, now: int, count: int, follow: int, follow_key: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Let the windows up to ``ahead`` of a step ask for their operands as soon as an input register is free.

    A step asks for at most as much as the heap has kept room for; the first to ask need not enter the heap.
    """
    replicas, first_replica, is_layer = m.replicas[step], m.first_replica[step], m.kind[step] == LAYER_STEP
    for window in range(s.released[step], ahead):
        if step == 0:
            count = _push(s.times, s.keys, count, now, (window << WINDOW_SHIFT) | UNIT)
            continue
        replica, place = first_replica, window
        if replicas > 1:
            replica, place = first_replica + window % replicas, window // replicas
        for n in range(m.first_slot[replica], m.first_slot[replica + 1]):
            when = now
            if is_layer and place >= 2:
                if s.slot_passed[n] < place - 1:
                    continue  # the pass that frees the register will ask
                when = max(now, s.slot_end[2 * n + (place & 1)])
            key = (step << STEP_SHIFT) | (window << WINDOW_SHIFT) | ((n - m.first_slot[replica]) << SLOT_SHIFT) | READ
            if follow < 0:
                follow, follow_key = when, key
            else:
                count = _push(s.times, s.keys, count, when, key)
    s.released[step] = ahead
    return count, follow, follow_key


@inlined
def _start(m: EventTables, s: LoopState, edges: int, limit: int) -> int:
    """Let the first windows of the input go; return the events, -1 where the heap is too small."""
    ahead = m.windows[0]
    for e in range(edges):
        s.room[e] = m.keep[m.edge_need[e]] + m.capacity[e] if m.limited else m.windows[m.edge_from[e]]
        if m.edge_from[e] == 0:
            ahead = min(ahead, s.room[e])
    s.released[0] = ahead
    if ahead > limit + 1:
        return -1
    count = 0
    for window in range(ahead):
        when = max(0, window - m.input_lead + 1) * m.input_pace
        count = _push(s.times, s.keys, count, when, (window << WINDOW_SHIFT) | UNIT)
    return count


@inlined
def _next(s: LoopState, count: int, follow: int, follow_key: int) -> tuple[int, int, int]:
    """Take the first event, of the heap or the one that the last led to; return its cycle, its key and the events."""
    times, keys = s.times, s.keys
    if follow >= 0 and (count == 0 or follow < times[0] or (follow == times[0] and follow_key < keys[0])):
        return follow, follow_key, count
    now, key = times[0], keys[0]
    if follow >= 0:
        _sink(times, keys, count, follow, follow_key)
        return now, key, count
    count -= 1
    if count > 0:
        _sink(times, keys, count, times[count], keys[count])
    return now, key, count


@inlined
def _wake(
    m: EventTables, s: LoopState, steps: int, limit: int, stage: int, step: int, window: int, now: int, count: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Release windows that a result, its arrival or room given back allows; return events (-1: too many) and the next.

    Results concern the consumers of a step, room the producers.
    """
    follow, follow_key = -1, 0
    first, last = m.first_out[step], m.first_out[step + 1]
    if stage == FREE:
        first, last = m.first_in[step], m.first_in[step + 1]
    for i in range(first, last):
        if stage == FREE:
            other = _make_room(m, s, step, m.in_edge[i])
        elif s.arrived[m.edge_flag[i] + window] == 2:
            other = _take_in(m, s, step, i, window)
        else:
            continue
        ahead = s.released[other]
        if m.pipelined:
            ahead = _count_ready(m, s, other)
        elif s.left[step] == 0 and step + 1 < steps:
            other = step + 1
            ahead = m.windows[other]
        if ahead > s.released[other]:
            if count + (ahead - s.released[other]) * m.most_slots > limit:
                return -1, follow, follow_key
            count, follow, follow_key = _release(m, s, other, ahead, now, count, follow, follow_key)
    return count, follow, follow_key


@inlined
def _run(machine: EventTables, state: LoopState, has_classes: bool) -> tuple[int, int]:
    """Run all windows; without classes, where ``has_classes`` is a constant, nothing of them is left in the code."""
    steps, edges, limit = machine.windows.size, state.room.size, state.times.size - 8
    m, s = point(machine), point(state)
    finished = 0
    follow, follow_key = -1, 0  # the event that the last one led to; most often it is also the next of all
    count = _start(m, s, edges, limit)
    while count > 0 or follow >= 0:
        if count > limit:
            return HEAP_FULL, finished
        now, key, count = _next(s, count, follow, follow_key)
        follow = -1
        if key < 0:
            key += FIRST
        stage = key & 15
        slot = (key >> SLOT_SHIFT) & (SLOT_LIMIT - 1)
        window = (key >> WINDOW_SHIFT) & (WINDOW_LIMIT - 1)
        step = (key >> STEP_SHIFT) & (STEP_LIMIT - 1)
        base = (step << STEP_SHIFT) | (window << WINDOW_SHIFT)
        at = m.first_window[step] + window
        replica = m.first_replica[step]
        if m.replicas[step] > 1:
            replica += window % m.replicas[step]
        if has_classes and stage <= WRITE and m.group[step] > 1:
            finished += stage == UNIT and m.kind[step] == OUTPUT_STEP
            count, follow, follow_key = _advance_class(m, s, step, replica, at, stage, now, base, count)
        elif stage == READ:
            count, follow, follow_key = _read(m, s, step, replica, slot, now, base, count)
        elif stage == BUS:
            count, follow, follow_key = _load(m, s, step, replica, window, slot, at, now, base, count)
        elif stage == GATHER:
            follow, follow_key = _gather(m, s, replica, slot, at, now, base)
        elif stage == MERGE:
            follow, follow_key = _use(s, m.merge_unit[replica], now, m.merge_cycles[replica]), base | UNIT
        elif stage == UNIT:
            finished += m.kind[step] == OUTPUT_STEP
            follow, follow_key = _finish(m, s, step, replica, at, now, base)
        elif stage == WRITE:
            follow, follow_key = _use(s, m.write_port[replica], now, m.write_cycles[step]), base | SEND
        else:
            if stage == SEND:
                finished += 1
                if has_classes and m.group[step] > 1:
                    count = _send_class(m, s, step, replica, window, at, now, base, count)
                else:
                    count = _send(m, s, step, replica, window, at, now, base, count)
            elif stage == ARRIVE:
                s.arrived[m.edge_flag[m.first_out[step] + slot] + window] = 2
            elif not _give_back(m, s, step, at):
                continue
            count, follow, follow_key = _wake(m, s, steps, limit, stage, step, window, now, count)
    if count < 0:
        return HEAP_FULL, finished
    return (DONE if finished == m.total_windows else STUCK), finished


@kernel
def run_events(machine: EventTables, state: LoopState) -> tuple[int, int]:
    """Run all windows through a :class:`~xbarsim.timing.machine.EventTables`; return (code, windows finished).

    Fills ``start`` (first array read or use of the unit) and ``finish`` (arrival at the last consumer) of every
    window and ``busy`` cycles of every resource.
    """
    return _run(machine, state, False)


@kernel
def run_class_events(machine: EventTables, state: LoopState) -> tuple[int, int]:
    """Run all windows, some of which are classes; see :func:`run_events`."""
    return _run(machine, state, True)
