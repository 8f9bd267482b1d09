"""The event loop of the tile pipeline.

Events are (cycle, key), the key packing step, window, slot and stage, so that where two events meet in one cycle
the lower (layer, window, slot) goes first. Every request for a shared resource is an event at the cycle in which
it is made: resources serve in order of request and are never used twice in one cycle. A slot is the part of one
copy of a layer that lies in one tile; its arrays work in lock step and belong to nobody else.

Where streams are limited, a window starts only if its consumers have room for its result: room is given back, before
anything else happens in a cycle, when a consumer has read the last window that needs a value.

Numbers that serve as indices are unsigned in the machine's arrays: the compiler then leaves out Python's rule for
negative indices, a third of the time of the loop.
"""

from __future__ import annotations

from xbarsim._numba import kernel

READ, BUS, GATHER, MERGE, UNIT, WRITE, SEND, ARRIVE, FREE = range(9)
INPUT_STEP, LAYER_STEP, DIGITAL_STEP, OUTPUT_STEP = range(4)
DONE, HEAP_FULL, STUCK = range(3)
SLOT_SHIFT, WINDOW_SHIFT, STEP_SHIFT = 4, 20, 45
SLOT_LIMIT, WINDOW_LIMIT, STEP_LIMIT = 1 << 16, 1 << 25, 1 << 16
FIRST = 1 << 62  # taken off a key: before all others of its cycle


@kernel
def _push(times, keys, count, time, key):
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
def _sink(times, keys, count, time, key):
    """Put an event in the place of the first one, which the caller has read."""
    at = 0
    while True:
        low = 2 * at + 1
        if low >= count:
            break
        high = low + 1
        if high < count and (times[high] < times[low] or (times[high] == times[low] and keys[high] < keys[low])):
            low = high
        if times[low] > time or (times[low] == time and keys[low] > key):
            break
        times[at], keys[at] = times[low], keys[low]
        at = low
    times[at], keys[at] = time, key


@kernel
def _book(first, last, time, hop_cycles, tree_link, tree_parent, tree_cycles, free, busy, heads, tails):
    """Book the links first..last of a tree for a packet injected at ``time``; fill in when head and tail come out."""
    for i in range(first, last):
        parent = tree_parent[i]
        head, tail = (time, time) if parent < 0 else (heads[parent], tails[parent])
        link, cycles = tree_link[i], tree_cycles[i]
        start = max(head, free[link])
        free[link] = start + cycles
        busy[link] += cycles
        heads[i] = start + hop_cycles
        tails[i] = max(tail, start + cycles) + hop_cycles


@kernel
def _release(
    step, is_layer, copies, first_copy, first_slot, first, until, now, slot_passed, slot_end, times, keys, count,
    follow, follow_key,
):  # fmt: skip
    """Let the windows first..until of a step ask for their operands as soon as an input register is free.

    A step asks for at most as much as the heap has kept room for; the first to ask need not enter the heap.
    """
    for window in range(first, until):
        copy, place = first_copy, window
        if copies > 1:
            copy, place = first_copy + window % copies, window // copies
        for s in range(first_slot[copy], first_slot[copy + 1]):
            when = now
            if is_layer and place >= 2:
                if slot_passed[s] < place - 1:
                    continue  # the pass that frees the register will ask
                when = max(now, slot_end[s, place & 1])
            key = (step << STEP_SHIFT) | (window << WINDOW_SHIFT) | ((s - first_slot[copy]) << SLOT_SHIFT) | READ
            if follow < 0:
                follow, follow_key = when, key
            else:
                count = _push(times, keys, count, when, key)
    return count, follow, follow_key


@kernel
def run_machine(m, free, busy, slot_free, slot_passed, slot_end, released, prefix, arrived, waiting, latest, left,
                taken, read, room, start, finish, heads, tails, times, keys):  # fmt: skip
    """Run all windows through the machine ``m`` (a :class:`~xbarsim.timing.machine.Machine`).

    Fills ``start`` (first array read or use of the unit) and ``finish`` (arrival at the last consumer) of every
    window and ``busy`` cycles of every resource. Returns (code, windows finished).
    """
    count = 0
    steps = m.windows.size
    finished = 0
    limit = times.size - 8
    follow, follow_key = -1, 0  # the event that the last one led to; most often it is also the next of all
    ahead = m.windows[0]
    for e in range(room.size):
        room[e] = m.keep[m.edge_need[e]] + m.capacity[e] if m.limited else m.windows[m.edge_from[e]]
        if m.edge_from[e] == 0:
            ahead = min(ahead, room[e])
    for window in range(ahead):
        if count > limit:
            return HEAP_FULL, finished
        count = _push(times, keys, count, 0, (window << WINDOW_SHIFT) | UNIT)
    released[0] = ahead
    while count > 0 or follow >= 0:
        if count > limit:
            return HEAP_FULL, finished
        if follow >= 0 and (count == 0 or follow < times[0] or (follow == times[0] and follow_key < keys[0])):
            now, key = follow, follow_key
        elif follow >= 0:
            now, key = times[0], keys[0]
            _sink(times, keys, count, follow, follow_key)
        else:
            now, key = times[0], keys[0]
            count -= 1
            if count > 0:
                _sink(times, keys, count, times[count], keys[count])
        follow = -1
        if key < 0:
            key += FIRST
        stage = key & 15
        slot = (key >> SLOT_SHIFT) & (SLOT_LIMIT - 1)
        window = (key >> WINDOW_SHIFT) & (WINDOW_LIMIT - 1)
        step = (key >> STEP_SHIFT) & (STEP_LIMIT - 1)
        base = (step << STEP_SHIFT) | (window << WINDOW_SHIFT)
        kind = m.kind[step]
        at = m.first_window[step] + window
        copy = m.first_copy[step]
        if m.copies[step] > 1:
            copy += window % m.copies[step]

        if stage == READ:
            s = m.first_slot[copy] + slot
            resource = m.slot_buffer[s]
            begin = max(now, free[resource])
            free[resource] = begin + m.slot_read[s]
            busy[resource] += m.slot_read[s]
            after = BUS if kind == LAYER_STEP else UNIT
            follow, follow_key = begin + m.slot_read[s], base | (slot << SLOT_SHIFT) | after
            if m.limited and kind != LAYER_STEP:
                count = _push(times, keys, count, follow, (base | FREE) - FIRST)

        elif stage == BUS:
            s = m.first_slot[copy] + slot
            resource = m.slot_wires[s]
            begin = max(now, free[resource])
            loaded = begin + m.slot_bus[s]
            free[resource] = loaded
            busy[resource] += m.slot_bus[s]
            if m.limited:
                count = _push(times, keys, count, loaded, (base | FREE) - FIRST)
            begin = max(loaded, slot_free[s])
            end = begin + m.slot_occupancy[s]
            slot_free[s] = end
            place = slot_passed[s]
            slot_passed[s] = place + 1
            slot_end[s, place & 1] = end
            ahead = window + 2 * m.copies[step]  # its input register is free again at the end of this pass
            if ahead < released[step]:
                other = (step << STEP_SHIFT) | (ahead << WINDOW_SHIFT) | (slot << SLOT_SHIFT) | READ
                count = _push(times, keys, count, end, other)
            if begin < start[at]:
                start[at] = begin
            done = begin + m.slot_latency[s]
            if m.gather_first[s] < m.gather_last[s]:
                follow, follow_key = done, base | (slot << SLOT_SHIFT) | GATHER
            else:
                latest[at] = max(latest[at], done)
                waiting[at] -= 1
                if waiting[at] == 0:
                    after = MERGE if m.merge_cycles[copy] > 0 else UNIT
                    follow, follow_key = latest[at], base | after

        elif stage == GATHER:
            s = m.first_slot[copy] + slot
            _book(
                m.gather_first[s], m.gather_last[s], now, m.hop_cycles, m.tree_link, m.tree_parent, m.tree_cycles,
                free, busy, heads, tails,
            )  # fmt: skip
            latest[at] = max(latest[at], tails[m.gather_last[s] - 1])
            waiting[at] -= 1
            if waiting[at] == 0:
                follow, follow_key = latest[at], base | (MERGE if m.merge_cycles[copy] > 0 else UNIT)

        elif stage == MERGE:
            resource = m.merge_unit[copy]
            begin = max(now, free[resource])
            free[resource] = begin + m.merge_cycles[copy]
            busy[resource] += m.merge_cycles[copy]
            follow, follow_key = free[resource], base | UNIT

        elif stage == UNIT:
            resource = m.unit[copy]
            begin = max(now, free[resource])
            end = begin + m.unit_cycles[step]
            free[resource] = end
            busy[resource] += m.unit_cycles[step]
            start[at] = min(start[at], begin)
            if kind == OUTPUT_STEP:
                finish[at] = end
                finished += 1
            elif kind == INPUT_STEP:
                follow, follow_key = end, base | SEND
            else:
                follow, follow_key = end, base | WRITE

        elif stage == WRITE:
            resource = m.write_port[copy]
            begin = max(now, free[resource])
            free[resource] = begin + m.write_cycles[step]
            busy[resource] += m.write_cycles[step]
            follow, follow_key = free[resource], base | SEND

        else:
            first, last = m.first_out[step], m.first_out[step + 1]
            if stage == SEND:
                finished += 1
                if m.first_tree[copy] < m.last_tree[copy]:
                    _book(
                        m.first_tree[copy], m.last_tree[copy], now, m.hop_cycles, m.tree_link, m.tree_parent,
                        m.tree_cycles, free, busy, heads, tails,
                    )  # fmt: skip
                finish[at] = now
                for e in range(first, last):
                    to = m.first_dest[copy] + e - first
                    arrival = now
                    for d in range(m.dest_first[to], m.dest_last[to]):
                        arrival = max(arrival, tails[m.dest_tree[d]])
                    finish[at] = max(finish[at], arrival)
                    if arrival > now:
                        count = _push(times, keys, count, arrival, base | ((e - first) << SLOT_SHIFT) | ARRIVE)
                    else:
                        arrived[m.edge_flag[e] + window] = 2
            elif stage == ARRIVE:
                arrived[m.edge_flag[first + slot] + window] = 2
            else:
                first, last = m.first_in[step], m.first_in[step + 1]
                taken[at] -= 1
                seen = read[step]
                while seen < m.windows[step] and taken[m.first_window[step] + seen] == 0:
                    seen += 1
                if seen == read[step]:
                    continue
                read[step] = seen

            for i in range(first, last):
                if stage == FREE:  # a producer may find room again
                    e = m.in_edge[i]
                    c = m.edge_from[e]
                    if read[step] < m.windows[step]:
                        room[e] = m.keep[m.edge_need[e] + read[step]] + m.capacity[e]
                    else:
                        room[e] = m.windows[c]
                elif arrived[m.edge_flag[i] + window] == 2:  # a consumer may find its operands
                    arrived[m.edge_flag[i] + window] = 1
                    left[step] -= 1
                    c = m.edge_to[i]
                    seen = prefix[i]
                    while seen + 1 < m.windows[step] and arrived[m.edge_flag[i] + seen + 1] == 1:
                        seen += 1
                    prefix[i] = seen
                else:
                    continue
                ahead = released[c]
                if m.pipelined:
                    ready = True
                    while ahead < m.windows[c]:
                        for j in range(m.first_in[c], m.first_in[c + 1]):
                            other = m.in_edge[j]
                            if prefix[other] < m.need[m.edge_need[other] + ahead]:
                                ready = False
                                break
                        if m.limited:
                            for other in range(m.first_out[c], m.first_out[c + 1]):
                                if ahead >= room[other]:
                                    ready = False
                        if not ready:
                            break
                        ahead += 1
                elif left[step] == 0 and step + 1 < steps:
                    c = step + 1
                    ahead = m.windows[c]
                if ahead > released[c]:
                    if count + (ahead - released[c]) * m.most_slots > limit:
                        return HEAP_FULL, finished
                    if c == 0:
                        for other in range(released[c], ahead):
                            count = _push(times, keys, count, now, (other << WINDOW_SHIFT) | UNIT)
                    else:
                        count, follow, follow_key = _release(
                            c, m.kind[c] == LAYER_STEP, m.copies[c], m.first_copy[c], m.first_slot, released[c], ahead,
                            now, slot_passed, slot_end, times, keys, count, follow, follow_key,
                        )  # fmt: skip
                    released[c] = ahead
    return (DONE if finished == m.total_windows else STUCK), finished
