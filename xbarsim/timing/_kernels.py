"""The event loop of the tile pipeline.

Events are (cycle, key), the key packing step, window, slot and stage, so that where two events meet in one cycle
the lower (layer, window, slot) goes first. Every request for a shared resource is an event at the cycle in which
it is made: resources serve in order of request and are never used twice in one cycle. A slot is the part of one
copy of a layer that lies in one tile; its arrays work in lock step and belong to nobody else.
"""

from __future__ import annotations

from xbarsim._numba import kernel

READ, BUS, GATHER, MERGE, UNIT, WRITE, SEND, ARRIVE = range(8)
INPUT_STEP, LAYER_STEP, DIGITAL_STEP, OUTPUT_STEP = range(4)
DONE, HEAP_FULL, STUCK = range(3)
SLOT_SHIFT, WINDOW_SHIFT, STEP_SHIFT = 3, 19, 45
SLOT_LIMIT, WINDOW_LIMIT, STEP_LIMIT = 1 << 16, 1 << 26, 1 << 18


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
def _pop(times, keys, count):
    """Remove the first event; the caller has read entry 0."""
    count -= 1
    time, key = times[count], keys[count]
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
    return count


@kernel
def _book(m, first, last, time, free, busy, heads, tails):
    """Book the links first..last of a tree for a packet injected at ``time``; fill in when head and tail come out."""
    for i in range(first, last):
        parent = m.tree_parent[i]
        head, tail = (time, time) if parent < 0 else (heads[parent], tails[parent])
        link, cycles = m.tree_link[i], m.tree_cycles[i]
        start = max(head, free[link])
        free[link] = start + cycles
        busy[link] += cycles
        heads[i] = start + m.hop_cycles
        tails[i] = max(tail, start + cycles) + m.hop_cycles


@kernel
def _release(m, step, until, now, slot_passed, slot_end, released, times, keys, count, limit):
    """Let the windows of a step up to ``until`` ask for their operands as soon as an input register is free."""
    copies = m.copies[step]
    for window in range(released[step], until):
        copy = m.first_copy[step] + window % copies
        place = window // copies
        for s in range(m.first_slot[copy], m.first_slot[copy + 1]):
            when = now
            if m.kind[step] == LAYER_STEP and place >= 2:
                if slot_passed[s] < place - 1:
                    continue  # the pass that frees the register will ask
                when = max(now, slot_end[s, place & 1])
            if count > limit:
                return count
            slot = s - m.first_slot[copy]
            key = (step << STEP_SHIFT) | (window << WINDOW_SHIFT) | (slot << SLOT_SHIFT) | READ
            count = _push(times, keys, count, when, key)
    released[step] = until
    return count


@kernel
def run_machine(m, free, busy, slot_free, slot_passed, slot_end, released, prefix, arrived, waiting, latest, left,
                start, finish, heads, tails, times, keys):  # fmt: skip
    """Run all windows through the machine ``m`` (a :class:`~xbarsim.timing.machine.Machine`).

    Fills ``start`` (first array read or use of the unit) and ``finish`` (arrival at the last consumer) of every
    window and ``busy`` cycles of every resource. Returns (code, windows finished).
    """
    count = 0
    steps = m.windows.size
    finished = 0
    limit = times.size - 8
    if m.windows[0] > 0:
        count = _push(times, keys, count, 0, UNIT)
    while count > 0:
        if count > limit:
            return HEAP_FULL, finished
        now, key = times[0], keys[0]
        count = _pop(times, keys, count)
        stage = key & 7
        slot = (key >> SLOT_SHIFT) & (SLOT_LIMIT - 1)
        window = (key >> WINDOW_SHIFT) & (WINDOW_LIMIT - 1)
        step = key >> STEP_SHIFT
        base = (step << STEP_SHIFT) | (window << WINDOW_SHIFT)
        kind = m.kind[step]
        at = m.first_window[step] + window
        copy = m.first_copy[step] + window % m.copies[step]

        if stage == READ:
            s = m.first_slot[copy] + slot
            resource = m.slot_port[s]
            begin = max(now, free[resource])
            free[resource] = begin + m.slot_read[s]
            busy[resource] += m.slot_read[s]
            after = BUS if kind == LAYER_STEP else UNIT
            count = _push(times, keys, count, begin + m.slot_read[s], base | (slot << SLOT_SHIFT) | after)

        elif stage == BUS:
            s = m.first_slot[copy] + slot
            resource = m.slot_port[s] + 2
            begin = max(now, free[resource])
            loaded = begin + m.slot_bus[s]
            free[resource] = loaded
            busy[resource] += m.slot_bus[s]
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
                count = _push(times, keys, count, done, base | (slot << SLOT_SHIFT) | GATHER)
            else:
                latest[at] = max(latest[at], done)
                waiting[at] -= 1
                if waiting[at] == 0:
                    after = MERGE if m.merge_cycles[copy] > 0 else UNIT
                    count = _push(times, keys, count, latest[at], base | after)

        elif stage == GATHER:
            s = m.first_slot[copy] + slot
            _book(m, m.gather_first[s], m.gather_last[s], now, free, busy, heads, tails)
            latest[at] = max(latest[at], tails[m.gather_last[s] - 1])
            waiting[at] -= 1
            if waiting[at] == 0:
                after = MERGE if m.merge_cycles[copy] > 0 else UNIT
                count = _push(times, keys, count, latest[at], base | after)

        elif stage == MERGE:
            resource = m.home[copy] + 4
            begin = max(now, free[resource])
            free[resource] = begin + m.merge_cycles[copy]
            busy[resource] += m.merge_cycles[copy]
            count = _push(times, keys, count, free[resource], base | UNIT)

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
                count = _push(times, keys, count, end, base | SEND)
                if window + 1 < m.windows[step]:
                    count = _push(times, keys, count, end, ((window + 1) << WINDOW_SHIFT) | UNIT)
            else:
                count = _push(times, keys, count, end, base | WRITE)

        elif stage == WRITE:
            resource = m.home[copy] + 1
            begin = max(now, free[resource])
            free[resource] = begin + m.write_cycles[step]
            busy[resource] += m.write_cycles[step]
            count = _push(times, keys, count, free[resource], base | SEND)

        else:
            first, last = m.first_out[step], m.first_out[step + 1]
            if stage == SEND:
                finished += 1
                _book(m, m.first_tree[copy], m.last_tree[copy], now, free, busy, heads, tails)
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
            else:
                arrived[m.edge_flag[first + slot] + window] = 2
            for e in range(first, last):
                if arrived[m.edge_flag[e] + window] != 2:
                    continue
                arrived[m.edge_flag[e] + window] = 1
                left[step] -= 1
                if m.pipelined:
                    seen = prefix[e]
                    while seen + 1 < m.windows[step] and arrived[m.edge_flag[e] + seen + 1] == 1:
                        seen += 1
                    prefix[e] = seen
                    c = m.edge_to[e]
                    ready = True
                    ahead = released[c]
                    while ahead < m.windows[c]:
                        for i in range(m.first_in[c], m.first_in[c + 1]):
                            other = m.in_edge[i]
                            if prefix[other] < m.need[m.edge_need[other] + ahead]:
                                ready = False
                                break
                        if not ready:
                            break
                        ahead += 1
                    count = _release(m, c, ahead, now, slot_passed, slot_end, released, times, keys, count, limit)
                elif left[step] == 0 and step + 1 < steps:
                    count = _release(
                        m,
                        step + 1,
                        m.windows[step + 1],
                        now,
                        slot_passed,
                        slot_end,
                        released,
                        times,
                        keys,
                        count,
                        limit,
                    )
    return (DONE if finished == m.total_windows else STUCK), finished
