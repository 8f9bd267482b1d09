"""Timing without contention in closed form, a fast approximation of the event loop.

A window starts when its operands have arrived and the arrays (or the unit) of its replica have started the windows
before it. The rate of a step is that of its arrays or of the resource that it loads most by itself. The busy time of
every resource is exact. Waiting for other steps is neglected, so the delay is too short where several steps share a
bus, a buffer or a link (but never below the cycles of the busiest resource). ``tests/timing/test_timing_analytic.py``
states the error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim.timing._kernels import INPUT_STEP, LAYER_STEP, OUTPUT_STEP
from xbarsim.timing.busy import count_resources
from xbarsim.timing.machine import EventTables

Times = NDArray[np.int64]


def predict_windows(machine: EventTables) -> tuple[Times, Times]:
    """Predict when every window starts and when its result has arrived.

    Parameters
    ----------
    machine : EventTables
        From :func:`~xbarsim.timing.machine.build_machine`, with unlimited streams.

    Returns
    -------
    ndarray, ndarray, (windows,)
        Start and finish, step by step [cycles].
    """
    total, steps = int(machine.first_window[-1]), machine.windows.size
    start, finish = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    sources = [step for step in range(steps) for _ in range(machine.first_out[step], machine.first_out[step + 1])]
    arrived: list[Times] = []
    own_busy = np.empty(count_resources(machine), dtype=np.int64)
    before = 0
    for step in range(steps):
        windows = int(machine.windows[step])
        ready = np.zeros(windows, dtype=np.int64)
        if step == 0:
            ready += np.maximum(0, np.arange(windows) - machine.input_lead + 1) * machine.input_pace
        if not machine.pipelined:
            ready += before
        for edge in machine.in_edge[machine.first_in[step] : machine.first_in[step + 1]]:
            need = machine.need[machine.edge_need[edge] : machine.edge_need[edge] + windows]
            source = arrived[sources[edge]]
            np.maximum(ready, np.where(need < 0, 0, source[need]), out=ready)
        own_busy[:] = 0
        _add_busy(machine, step, own_busy)
        turns = -(-windows // int(machine.replicas[step]))
        busiest = -(-int(own_busy.max()) // turns)
        own = slice(int(machine.first_window[step]), int(machine.first_window[step]) + windows)
        for replica in range(int(machine.replicas[step])):
            every = slice(own.start + replica, own.stop, int(machine.replicas[step]))
            feed, pace, latency = _stages(machine, step, int(machine.first_replica[step]) + replica)
            place = np.arange(len(range(*every.indices(total))), dtype=np.int64) * max(pace, busiest)
            begin = np.maximum.accumulate(ready[replica :: int(machine.replicas[step])] + feed - place) + place
            start[every], finish[every] = begin, begin + latency
        arrived.append(np.maximum.accumulate(finish[own]))
        before = int(arrived[-1][-1])
    return start, finish


def _add_busy(machine: EventTables, step: int, busy: Times) -> None:
    """Add the cycles that one step keeps every shared resource busy."""
    replicas, windows = int(machine.replicas[step]), int(machine.windows[step])
    for number in range(replicas):
        replica, times = int(machine.first_replica[step]) + number, (windows - number + replicas - 1) // replicas
        slots = slice(int(machine.first_slot[replica]), int(machine.first_slot[replica + 1]))
        np.add.at(busy, machine.slot_buffer[slots], times * machine.slot_read[slots])
        if machine.kind[step] == LAYER_STEP:
            np.add.at(busy, machine.slot_wires[slots], times * machine.slot_bus[slots])
        busy[machine.unit[replica]] += times * machine.unit_cycles[step]
        busy[machine.merge_unit[replica]] += times * machine.merge_cycles[replica]
        if machine.kind[step] not in (INPUT_STEP, OUTPUT_STEP):
            busy[machine.write_port[replica]] += times * machine.write_cycles[step]
        for entries in _packets(machine, replica):
            np.add.at(busy, machine.tree_link[entries], times * machine.tree_cycles[entries])


def _packets(machine: EventTables, replica: int) -> list[slice]:
    """Return the tree entries of the packets that one window sends: partial sums, then its result."""
    slots = range(int(machine.first_slot[replica]), int(machine.first_slot[replica + 1]))
    gathers = [slice(int(machine.gather_first[slot]), int(machine.gather_last[slot])) for slot in slots]
    return [*gathers, slice(int(machine.first_tree[replica]), int(machine.last_tree[replica]))]


def _travel(machine: EventTables, entries: slice) -> int:
    """Return the cycles until the tail of a packet is out of its longest path, nothing in its way."""
    heads: dict[int, tuple[int, int]] = {-1: (0, 0)}
    for entry in range(entries.start, entries.stop):
        head, tail = heads[max(-1, int(machine.tree_parent[entry]))]
        end = head + int(machine.tree_cycles[entry])
        heads[entry] = (head + machine.hop_cycles, max(tail, end) + machine.hop_cycles)
    return max(tail for _, tail in heads.values())


def _stages(machine: EventTables, step: int, replica: int) -> tuple[int, int, int]:
    """Return the cycles from operands to start, between two starts on one replica, and from start to arrival."""
    slots = slice(int(machine.first_slot[replica]), int(machine.first_slot[replica + 1]))
    unit = int(machine.unit_cycles[step])
    *gathers, out = _packets(machine, replica)
    sent = _travel(machine, out)
    if machine.kind[step] == INPUT_STEP:
        return 0, unit, unit + sent
    write = 0 if machine.kind[step] == OUTPUT_STEP else int(machine.write_cycles[step])
    read = int(machine.slot_read[slots].max())
    if machine.kind[step] != LAYER_STEP:
        return read, max(unit, read, write), unit + write + sent
    merge = int(machine.merge_cycles[replica])
    feed = int((machine.slot_read[slots] + machine.slot_bus[slots]).max())
    occupancy = int(machine.slot_occupancy[slots].max())
    refill = -(-(occupancy + feed) // 2)
    pace = max(occupancy, refill, unit, write, merge, read, int(machine.slot_bus[slots].max()))
    latency = int(machine.slot_latency[slots].max()) + max((_travel(machine, each) for each in gathers), default=0)
    return feed, pace, latency + merge + unit + write + sent
