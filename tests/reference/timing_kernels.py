"""Kernels of the event loop and of placement, and what they must equal: SimPy, heaps of the standard library, sets."""

from __future__ import annotations

import copy
import functools
import heapq

import numpy as np
from reference.kernel_case import KernelCase, plain
from reference.pipeline_simpy import run_paced
from reference.residual_networks import Builder

from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network import Network, make_linear
from xbarsim.timing import _heap, _kernels, _least, _serve, _swaps, _trees, simulate
from xbarsim.timing.machine import build_machine

READ, UNIT, WRITE = _kernels.READ, _kernels.UNIT, _kernels.WRITE
CHANGES = {
    "chip.arrays_per_core": 1, "chip.cores_per_tile": 2, "crossbar.rows": 8, "crossbar.cols": 8, "timing.hop_cycles": 2,
    "timing.link_bits": 4, "timing.bus_bits": 8, "timing.stream_bits": 4000,
}  # fmt: skip


# --- the event loop ------------------------------------------------------------------------------------------------


@functools.cache
def make_plan():
    """A branch, a pool and a classifier on arrays so small that every layer lies in several tiles."""
    builder = Builder()
    at = builder.relu(builder.conv("first", "input", 2, 4, 3, 1))
    at = builder.relu(builder.sum("add", builder.conv("second", at, 4, 4, 3, 1), at))
    builder.add(make_linear("fc", 4, 5, inputs=(builder.pool(at),)))
    network = Network(name="small", nodes=tuple(builder.nodes), input_shape=(2, 4, 4))
    return plan_network(network, load_hardware("reference").override(CHANGES))


@functools.cache
def make_state(is_run):
    """The machine, and the loop's state before or after the run."""
    machine, _ = build_machine(make_plan())
    found = []

    def keep(machine, state):
        state.times[:] = state.keys[:] = 0  # the heap is not filled before
        found.append(copy.deepcopy(state))
        result = _kernels.run_events(machine, state)
        found.append(state)
        return result

    simulate.run_events = keep
    try:
        simulate.run(machine)
    finally:
        simulate.run_events = _kernels.run_events
    return machine, found[is_run]


def loop(*rest, is_run=True):
    """Arguments of a stage: machine, a state of its own, and the rest."""
    machine, state = make_state(is_run)
    return machine, copy.deepcopy(state), *rest


def gathering():
    """A replica and a slot of a layer whose partial sums go to another tile."""
    machine, _ = make_state(True)
    (slot, *_) = np.flatnonzero(machine.gather_first < machine.gather_last)
    owner = int(np.searchsorted(machine.first_slot, slot, side="right")) - 1
    step = int(np.searchsorted(machine.first_replica, owner, side="right")) - 1
    return step, owner, int(slot - machine.first_slot[owner])


def run_plainly(machine, state):
    """Run the loop without classes."""
    return _kernels._run(machine, state, False)


def run_loop(kernel, machine, state):
    """Run the kernel; return what the oracle knows."""
    code, finished = kernel(machine, state)
    return code, finished, state.start[of_layers(machine)], state.finish, state.busy.sum()


def of_layers(machine):
    """Whether each window belongs to a weight layer; the oracle knows no other starts."""
    return np.repeat(machine.kind == _kernels.LAYER_STEP, machine.windows)


def run_pipeline(machine, state):
    """Run the same plan in SimPy."""
    oracle = run_paced(make_plan())
    for times, found in ((state.start, oracle.start), (state.finish, oracle.finish)):
        for (step, window), cycle in found.items():
            times[machine.first_window[step] + window] = cycle
    busy = sum(server.busy for server in oracle.servers.values()) + sum(oracle.noc.busy.values())
    return _kernels.DONE, len(oracle.finish), state.start[of_layers(machine)], state.finish, busy


def heap(*rest):
    """Arrays that hold a heap of seven events, with room for more, and the rest."""
    events = [(5, 3), (9, 1), (5, 1), (7, 2), (8, 8), (6, 4), (9, 9)]
    heapq.heapify(events)
    times, keys = np.zeros(10, dtype=np.int64), np.zeros(10, dtype=np.int64)
    times[:7], keys[:7] = np.array(events).T
    return times, keys, 7, *rest


def push(times, keys, count, time, key):
    """Use a heap of pairs."""
    events = list(zip(times[:count].tolist(), keys[:count].tolist()))
    heapq.heappush(events, (time, key))
    times[: count + 1], keys[: count + 1] = np.array(events).T
    return count + 1


def sink(times, keys, count, time, key):
    """Use a heap of pairs."""
    events = list(zip(times[:count].tolist(), keys[:count].tolist()))
    heapq.heapreplace(events, (time, key))
    times[:count], keys[:count] = np.array(events).T


def use(state, resource, now, cycles):
    """Serve after what is being served."""
    state.free[resource] = max(int(state.free[resource]), now) + cycles
    state.busy[resource] += cycles
    return state.free[resource]


def use_one_by_one(state, resource, head, tail, cycles, group):
    """Serve the windows of a class, which ask at an even pace, one after the other."""
    done = [use(state, resource, head + (tail - head) * number // (group - 1), cycles) for number in range(group)]
    return done[0], done[-1]


def book_one_by_one(machine, state, first, last, head, tail, group):
    """Book the packets of a class one after the other."""
    heads = []
    for number in range(group):
        plain(_serve._book)(machine, state, first, last, head + (tail - head) * number // (group - 1))
        heads.append(state.heads.copy())
    state.lasts[first:last], state.heads[:] = heads[-1][first:last], heads[0]


def case(kernel, twin, inputs, outputs, call=None):
    """Return a record; ``call`` where something else than all results is compared."""
    return KernelCase(kernel=kernel, call=call or kernel, twin=twin, inputs=inputs, outputs=outputs, rtol=0.0)


def stage(kernel, *rest, is_run=True):
    """Return the record of a stage; its twin is its own function, since the oracle stands for the whole loop."""
    return case(kernel, plain(kernel), lambda: loop(*(rest[0]() if rest else ()), is_run=is_run), (1,))


def base(step, window):
    """Key of the event of a step and window."""
    return (np.int64(step) << _kernels.STEP_SHIFT) | (window << _kernels.WINDOW_SHIFT)


def slot_inputs():
    step, owner, slot = gathering()
    return step, owner, slot, 100_000, base(step, 0), 3


def load_inputs():
    step, owner, slot = gathering()
    at = int(make_state(True)[0].first_window[step])
    return step, owner, 0, slot, at, 100_000, base(step, 0), 3


def join_inputs():
    step, owner, _ = gathering()
    at = int(make_state(True)[0].first_window[step])
    return owner, at, 100_000, base(step, 0)


def gather_inputs():
    step, owner, slot = gathering()
    at = int(make_state(True)[0].first_window[step])
    return owner, slot, at, 100_000, base(step, 0)


def send_inputs():
    step, owner, _ = gathering()
    at = int(make_state(True)[0].first_window[step])
    return step, owner, 0, at, 100_000, base(step, 0), 3


def send_class_inputs():
    machine, state, *rest = loop(*send_inputs())
    return machine, state._replace(lasts=np.zeros_like(state.heads)), *rest


def deliver_inputs():
    *rest, now, key, count = send_inputs()
    return *rest, now, now + 500, key, count


def advance_inputs(which):
    return 1, 1, 20, which, 100_000, base(1, 0), 3


def book_inputs():
    machine, _ = make_state(True)
    _, owner, _ = gathering()
    return int(machine.first_tree[owner]), int(machine.last_tree[owner]), 50


def use_inputs(head, tail):
    return loop()[1], 3, head, tail, 7, 5


def class_inputs(wait):
    machine, state, first, last, _ = loop(*book_inputs())
    state = state._replace(lasts=np.zeros_like(state.heads))
    return machine, state, first, last, 100_000, 100_000 + 4 * wait, 5


def wake_inputs():
    machine, state = make_state(True)
    return machine.windows.size, state.times.size - 8, _kernels.FREE, 1, 0, 100, 3


def least_inputs():
    machine, _ = make_state(True)
    steps, windows = machine.windows.size, int(machine.first_window[-1])
    replicas = np.arange(steps) % 4
    return machine, replicas, 3 + np.arange(steps), 20 + np.arange(steps), *np.zeros((2, windows), dtype=np.int64)


def wait_for_all(machine, replicas, pace, tail, start, done):
    """Let every window wait for all that are before it, one by one."""
    steps, first = machine.windows.size, machine.first_window.tolist()
    for step in range(steps):
        edges = machine.in_edge[machine.first_in[step] : machine.first_in[step + 1]]
        for window in range(machine.windows[step]):
            at, waits = first[step] + window, [0]
            for earlier in range(window + 1):
                needs = [(int(machine.edge_from[e]), machine.need[machine.edge_need[e] + earlier]) for e in edges]
                waits += [done[first[source] + need] for source, need in needs if need >= 0]
            count = int(replicas[step])
            if count:
                waits += [start[before] + pace[step] for before in range(at - count, first[step] - 1, -count)]
            start[at] = max(waits)
            done[at] = max(start[first[step] : at + 1]) + tail[step]
    return int(done.max())


EVENT_LOOP = (
    *(
        case(kernel, run_pipeline, lambda: loop(is_run=False), (), functools.partial(run_loop, kernel))
        for kernel in (_kernels.run_events, _kernels.run_class_events)
    ),
    case(_kernels._run, run_pipeline, lambda: loop(is_run=False), (), functools.partial(run_loop, run_plainly)),
    case(_heap._push, push, lambda: heap(5, 2), (0, 1)),
    case(_heap._sink, sink, lambda: heap(8, 3), (0, 1)),
    case(_serve._use, use, lambda: (loop()[1], 3, 10, 7), (0,)),
    *(
        case(_serve._use_class, use_one_by_one, functools.partial(use_inputs, *times), (0,))
        for times in ((100_000, 100_000), (100_000, 100_030), (100_000, 101_000), (10, 10))
    ),
    *(case(_serve._book_class, book_one_by_one, functools.partial(class_inputs, wait), (1,)) for wait in (0, 8, 400)),
    case(_kernels._next, plain(_kernels._next), lambda: (loop()[1], 2, 10, 7), (0,)),
    stage(_serve._book, book_inputs),
    stage(_kernels._read, slot_inputs),
    stage(_kernels._load, load_inputs),
    stage(_kernels._join, join_inputs, is_run=False),
    stage(_kernels._gather, gather_inputs, is_run=False),
    stage(_kernels._finish, lambda: (1, 1, 20, 100_000, base(1, 0))),
    stage(_kernels._send, send_inputs),
    stage(_kernels._deliver, deliver_inputs),
    case(_kernels._send_class, plain(_kernels._send_class), send_class_inputs, (1,)),
    *(stage(_kernels._advance_class, functools.partial(advance_inputs, each)) for each in (READ, UNIT, WRITE)),
    stage(_kernels._give_back, lambda: (1, 20), is_run=False),
    stage(_kernels._make_room, lambda: (1, 0)),
    stage(_kernels._take_in, lambda: (0, 0, 0), is_run=False),
    stage(_kernels._count_ready, lambda: (1,)),
    stage(_kernels._release, lambda: (np.int64(1), 5, 30, 3, -1, 0), is_run=False),
    stage(_kernels._start, lambda: (make_state(True)[1].room.size, 100), is_run=False),
    stage(_kernels._wake, wake_inputs),
    case(_least.find_least, wait_for_all, least_inputs, (4, 5)),
)


# --- placement -----------------------------------------------------------------------------------------------------

WIDTH, TILES, DEPTH = 3, 9, 4
PACKETS = ((0, 4, 8), (2, 1), (9, 3, 5, 6), (7, 0, 2, 5), (8, 9))  # source and targets; tile 9 is the port
BITS = np.array([3, 5, 2, 7, 1])


def packets():
    """Ends of all packets and where each begins."""
    first = np.cumsum([0, *map(len, PACKETS)])
    return np.array([tile for packet in PACKETS for tile in packet]), first


def places():
    """Positions of tiles; the port lies at position 0."""
    return np.append(np.random.default_rng(5).permutation(TILES), 0)


def grid():
    """Column and row of every position."""
    return np.arange(TILES) % WIDTH, np.arange(TILES) // WIDTH


def zeros(count):
    return np.zeros(count, dtype=np.int64)


def mesh_links(positions, x, y):
    """Return the links of an XY tree as a set of pairs of neighbours."""
    links = set()
    for target in positions[1:]:
        column, row = x[positions[0]], y[positions[0]]
        while column != x[target]:
            links.add(frozenset([(column, row), (column + np.sign(x[target] - column), row)]))
            column += np.sign(x[target] - column)
        while row != y[target]:
            links.add(frozenset([(column, row), (column, row + np.sign(y[target] - row))]))
            row += np.sign(y[target] - row)
    return links


def tree_links(positions):
    """Return the links of a binary tree, each as the node below it."""
    links = set()
    for target in positions[1:]:
        level = 0
        while positions[0] >> level != target >> level:
            links |= {(level, positions[0] >> level), (level, target >> level)}
            level += 1
    return links


@functools.cache
def paths():
    """Links of the XY path between every two positions, listed, and where each pair begins."""
    x, y = grid()
    found = [mesh_links([a, b], x, y) for a in range(TILES) for b in range(TILES)]
    numbers = {link: number for number, link in enumerate(sorted(set().union(*found), key=sorted))}
    first = np.cumsum([0, *map(len, found)])
    return first, np.array([number for links in found for number in sorted(numbers[link] for link in links)])


def bus_links(positions):
    """Return one link where any end lies elsewhere."""
    return set(positions[1:]) - {positions[0]} and {0}


def links_of(form, ends, place, x, y):
    """Count the links of one packet."""
    positions = [int(place[end]) for end in ends]
    if form == _swaps.SHARED:
        return len(bus_links(positions))
    return len(tree_links(positions)) if form == _swaps.BINARY else len(mesh_links(positions, x, y))


def count(form, ends, first, last, place, x, y, depth, path_first, path_link, up, down, seen, stamp):
    return links_of(form, ends[first:last], place, x, y)


def count_mesh(ends, first, last, place, x, y, up, down):
    return links_of(_swaps.XY, ends[first:last], place, x, y)


def count_htree(ends, first, last, place, depth, seen, stamp):
    return links_of(_swaps.BINARY, ends[first:last], place, None, None)


def count_bus(ends, first, last, place):
    return links_of(_swaps.SHARED, ends[first:last], place, None, None)


def count_listed(ends, first, last, place, tiles, path_first, path_link, seen, stamp):
    return links_of(_swaps.XY, ends[first:last], place, *grid())


def count_links(form, clock, ends, first, place, x, y, depth, path_first, path_link, links, up, down, seen):
    for packet in range(len(links)):
        links[packet] = links_of(form, ends[first[packet] : first[packet + 1]], place, x, y)
    return clock + len(links)


def swap(a, b, place):
    place[[a, b]] = place[[b, a]]


def exchange(
    form, pairs, limits, clock, ends, first, bits, owner_first, owner, x, y, depth, path_first, path_link, place, links,
    score, best, work, *scratch,
):  # fmt: skip
    """Count all packets anew after every exchange; work is that of packets to one of the tiles, or from one."""
    done = 0
    for (a, b), limit in zip(pairs, limits):
        if work[0] <= 0:
            break
        for packet in range(len(links)) if a != b else ():
            own = [int(end) for end in ends[first[packet] : first[packet + 1]]]
            if (a in own) != (b in own) or (a in own and own[0] in (a, b)):
                work[0] -= work[1] + work[2] * len(own)
        swap(a, b, place)
        fresh = links.copy()
        for packet in range(len(links)):
            fresh[packet] = links_of(form, ends[first[packet] : first[packet + 1]], place, x, y)
        if a != b and (fresh - links) @ bits < limit:
            done += 1
            score[0] += (fresh - links) @ bits
            links[:] = fresh
            if score[0] < score[1]:
                score[1], best[:] = score[0], place
        else:
            swap(a, b, place)
    return done


def count_exchanges(*arguments):
    """Call the kernel without its clock."""
    return _swaps.exchange(*arguments)[0]


def packet_inputs(form):
    ends, first = packets()
    scratch = zeros(WIDTH), zeros(WIDTH), zeros(32)
    return form, ends, int(first[3]), int(first[4]), places(), *grid(), DEPTH, *paths(), *scratch, 1


def links_inputs(form):
    counts = zeros(len(PACKETS)), zeros(WIDTH), zeros(WIDTH), zeros(32)
    return form, 4, *packets(), places(), *grid(), DEPTH, *paths(), *counts


def exchange_inputs(form, work=10**6):
    rng = np.random.default_rng(6)
    ends, first = packets()
    place, links = places(), zeros(len(PACKETS))
    for packet in range(len(PACKETS)):
        links[packet] = links_of(form, ends[first[packet] : first[packet + 1]], place, *grid())
    packet_of, by_tile = np.repeat(np.arange(len(PACKETS)), np.diff(first)), np.argsort(ends, kind="stable")
    owner_first = np.searchsorted(ends[by_tile], np.arange(TILES + 2))
    total = int(links @ BITS)
    return (
        form, rng.integers(0, TILES, (30, 2)), rng.exponential(2.0, 30), 10, ends, first, BITS, owner_first,
        packet_of[by_tile], *grid(), DEPTH, *paths(), place, links, np.array([total, total]), place.copy(),
        np.array([work, 3, 2]), zeros(len(PACKETS)), zeros(len(PACKETS)), zeros(WIDTH), zeros(WIDTH), zeros(32),
    )  # fmt: skip


def pick(*places):
    """Take some of the arguments of a packet."""
    return tuple(packet_inputs(_swaps.XY)[place] for place in places)


def listed_inputs():
    return *pick(1, 2, 3, 4), TILES, *pick(8, 9, 12, 13)


FORMS = (_swaps.XY, _swaps.BINARY, _swaps.SHARED, _swaps.LISTED)

PLACEMENT = (
    case(_swaps._count_mesh, count_mesh, lambda: pick(1, 2, 3, 4, 5, 6, 10, 11), (6, 7)),
    case(_swaps._count_htree, count_htree, lambda: pick(1, 2, 3, 4, 7, 12, 13), ()),
    case(_swaps._count_bus, count_bus, lambda: pick(1, 2, 3, 4), ()),
    case(_swaps._count_listed, count_listed, listed_inputs, ()),
    *(case(_swaps._count, count, functools.partial(packet_inputs, form), ()) for form in FORMS),
    *(case(_swaps.count_links, count_links, functools.partial(links_inputs, form), (10,)) for form in FORMS),
    case(_swaps._swap, swap, lambda: (2, 5, places()), (2,)),
    *(
        case(
            _swaps.exchange,
            exchange,
            functools.partial(exchange_inputs, form, work),
            (14, 15, 16, 17, 18),
            count_exchanges,
        )
        for form in FORMS
        for work in (10**6, 200)
    ),
)


# --- trees ---------------------------------------------------------------------------------------------------------


def walk(position, target, x, y):
    """Yield the links of an XY path by their codes."""
    column, row = int(x[position]), int(y[position])
    while (column, row) != (x[target], y[target]):
        step = (int(np.sign(x[target] - column)), 0) if column != x[target] else (0, int(np.sign(y[target] - row)))
        yield 4 * (row * WIDTH + column) + _trees.DIRECTIONS.index(step)
        column, row = column + step[0], row + step[1]


def grow_trees(width, x, y, sources, first_target, targets, numbers, known, marks, links, parents, ends, behind, fresh):
    """Join the paths of each tree by a dictionary from links to the entries of the tree."""
    count, first = 0, known
    for tree, source in enumerate(sources):
        entries = {}
        for place in range(first_target[tree], first_target[tree + 1]):
            ends[place] = -1
            for code in walk(source, targets[place], x, y):
                if code not in entries:
                    parents[count + len(entries)] = ends[place]
                    entries[code] = count + len(entries)
                ends[place] = entries[code]
        for code, entry in entries.items():
            if numbers[code] < 0:
                fresh[known - first], numbers[code], known = code, known, known + 1
            links[entry] = numbers[code]
        count += len(entries)
        behind[tree] = count
    return count, known


def tree_inputs():
    numbers, scratch = np.full(4 * TILES, -1), [np.full(4 * TILES, -1) for _ in range(3)]
    numbers[[12, 2, 22]] = 3, 1, 0
    marks, fresh = np.full(4 * TILES, -1), zeros(4 * TILES)
    asked = np.array([4, 1]), np.array([0, 5, 7]), np.array([0, 2, 4, 5, 8, 0, 7])
    return WIDTH, *grid(), *asked, numbers, 4, marks, *scratch[:2], zeros(7), zeros(2), fresh


def pass_inputs(mark):
    marks, links, parents = np.full(36, -1), np.full(36, -1), np.full(36, -1)
    marks[7] = mark
    return 7, 1, 3, marks, links, parents


def take(code, before, count, marks, links, parents):
    if marks[code] >= 0:
        return marks[code], count
    marks[code], links[count], parents[count] = count, code, before
    return count, count + 1


TREES = (
    case(_trees.grow_trees, grow_trees, tree_inputs, (6, 8, 9, 10, 11, 12, 13)),
    *(case(_trees._pass, take, functools.partial(pass_inputs, mark), (3, 4, 5)) for mark in (-1, 2)),
)

TIMING = (*EVENT_LOOP, *PLACEMENT, *TREES)
