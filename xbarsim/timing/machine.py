"""From a plan to a machine: stages, durations and resources of all windows as flat arrays for the event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.hardware import Timing
from xbarsim.errors import MappingError
from xbarsim.kept import KeptResults
from xbarsim.mapping import Plan
from xbarsim.mapping.period import window_cycles
from xbarsim.timing._kernels import (
    DIGITAL_STEP,
    INPUT_STEP,
    LAYER_STEP,
    OUTPUT_STEP,
    SLOT_LIMIT,
    STEP_LIMIT,
    WINDOW_LIMIT,
)
from xbarsim.timing.busy import count_busy
from xbarsim.timing.layout import Layout, lay_out
from xbarsim.timing.part import BUFFER_READ, BUFFER_WRITE, BUS, VECTOR, WRITER, part_width
from xbarsim.timing.route import NO_LINKS, Numbers, Tree
from xbarsim.timing.slots import result_bits

LARGEST = 10**12
"""Largest number of cycles or bits of one step; sums over a million of them still fit 64 bits."""

Ints = NDArray[np.int64]
Indices = NDArray[np.uint32]
Arrays = dict[str, Any]
Columns = Mapping[str, Sequence[int]]


_EDGES: KeptResults[Arrays] = KeptResults(16)


class EventTables(NamedTuple):
    """Inputs of the event loop. Steps, replicas, slots, edges and tree entries are numbered through."""

    pipelined: bool
    limited: bool
    has_classes: bool
    hop_cycles: int
    input_pace: int  # cycles between two input windows, but for the first ``input_lead``
    input_lead: int
    total_windows: int
    most_slots: int
    kind: Ints  # by step
    windows: Ints  # classes of windows, which are events
    group: Ints  # windows of a class
    first_window: Indices
    replicas: Ints
    first_replica: Indices
    unit_cycles: Ints
    write_cycles: Ints
    first_out: Indices
    first_in: Indices
    unit: Indices  # by replica: resource of the home tile
    merge_unit: Indices
    write_port: Indices
    merge_cycles: Ints
    first_slot: Indices
    first_tree: Indices
    last_tree: Indices
    first_dest: Indices
    slot_wires: Indices  # by slot: bus of its tile
    slot_buffer: Indices  # read port
    slot_read: Ints
    slot_bus: Ints
    slot_occupancy: Ints
    slot_latency: Ints
    gather_first: Indices
    gather_last: Indices
    in_edge: Indices  # edges of all steps, by consumer
    edge_from: Ints  # by edge, in order of the producer
    edge_to: Ints
    capacity: Ints
    value_bits: Ints
    edge_flag: Indices
    edge_need: Indices
    need: NDArray[np.int32]
    keep: NDArray[np.int32]
    dest_first: Indices  # by replica and edge
    dest_last: Indices
    dest_tree: Indices
    tree_link: Indices
    tree_parent: Ints
    tree_cycles: Ints


INDICES = frozenset((
    "first_window", "first_replica", "first_out", "first_in", "unit", "merge_unit", "first_slot", "first_tree",
    "last_tree", "first_dest", "slot_wires", "slot_buffer", "write_port", "gather_first", "gather_last", "in_edge",
    "edge_flag", "edge_need", "dest_first", "dest_last", "dest_tree", "tree_link",
))  # fmt: skip
"""Arrays that hold indices of others; unsigned, see the event loop."""


def build_machine(plan: Plan, *, images: int = 1) -> tuple[EventTables, Layout]:
    """Work out every duration and every path.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    images : int
        Inferences that follow each other without a gap.

    Returns
    -------
    EventTables, Layout
        Arrays for the event loop, and their meaning.
    """
    layout, timing = lay_out(plan), plan.hardware.timing
    places, packets = _tabulate_packets(layout)
    arrays = _columns(
        {
            **_tabulate_steps(layout, timing, images),
            **_tabulate_replicas(layout, timing),
            **_tabulate_slots(layout, timing),
            **places,
        }
    )
    arrays |= _join_trees(layout, timing, packets)
    limited = plan.pipelined and timing.stream_bits is not None
    arrays |= _tabulate_edges(layout, images, timing.stream_bits or 0, limited=limited)
    arrays |= {
        "pipelined": plan.pipelined,
        "limited": limited,
        "has_classes": bool(arrays["group"].max() > 1),
        "hop_cycles": timing.hop_cycles,
        "input_pace": 0,
        "input_lead": 0,
        "total_windows": int(arrays["windows"].sum()),
        "most_slots": int(np.diff(arrays["first_slot"]).max()),
    }
    _check_limits(arrays)
    return _pace_input(EventTables(**arrays), layout), layout


def _pace_input(machine: EventTables, layout: Layout) -> EventTables:
    """Let inputs enter at the pace of the busiest shared resource, but for those that the first windows wait for.

    Write drivers, which begin when a whole operand is there, do not count.
    """
    if not machine.pipelined or machine.limited:
        return machine
    edges = np.flatnonzero(machine.edge_from == 0)
    lead = int(machine.need[machine.edge_need[edges]].max(initial=0)) + 2
    busy = count_busy(machine)
    for index, each in enumerate(layout.steps):
        if each.is_write:
            busy[layout.resources.part(WRITER, each.replicas[0].home, index)] = 0
    return machine._replace(input_pace=int(busy.max()) // int(machine.windows[0]), input_lead=lead)


def _cycles(work: int, width: int | Fraction) -> int:
    return -(-work // width)


def _firsts(sizes: Sequence[int]) -> list[int]:
    """Return where each of consecutive runs begins, and where the last ends."""
    return [0, *accumulate(sizes)]


def _columns(rows: Columns) -> Arrays:
    """Turn a list for each field into an array for each: parts of one, since most are short."""
    flat = list(chain.from_iterable(rows.values()))
    most = max(flat, default=0)
    if most > LARGEST:
        raise MappingError(
            f"timing: a count or a number of cycles is {float(most):.3g}, above {LARGEST:.0e}; the clock or a "
            "duration in timing, or a rate of a component, has the wrong unit"
        )
    ints = np.array(flat, dtype=np.int64)
    indices, found, first = ints.astype(np.uint32), {}, 0
    for name, values in rows.items():
        last = first + len(values)
        found[name] = (indices if name in INDICES else ints)[first:last]
        first = last
    return found


def _tabulate_steps(layout: Layout, timing: Timing, images: int) -> Columns:
    kinds, work, writes = [], [], []
    write_width = part_width(BUFFER_WRITE, timing)
    for each in layout.steps:
        step, is_layer, bits = each.step, each.layer is not None, each.result_bits
        if step.kind in ("input", "output"):
            kinds.append(INPUT_STEP if step.kind == "input" else OUTPUT_STEP)
            work.append(_cycles(bits, layout.io_bits))
        else:
            kinds.append(LAYER_STEP if is_layer else DIGITAL_STEP)
            work.append(_cycles(each.unit_work, part_width(each.unit, timing)))
        writes.append(_cycles(bits, write_width))
    windows, replicas = [each.step.classes * images for each in layout.steps], [len(e.replicas) for e in layout.steps]
    return {
        "kind": kinds, "windows": windows, "group": [each.step.group for each in layout.steps], "replicas": replicas,
        "unit_cycles": work, "write_cycles": writes, "first_replica": _firsts(replicas)[:-1],
        "first_window": _firsts(windows),
    }  # fmt: skip


def _tabulate_replicas(layout: Layout, timing: Timing) -> Columns:
    resources, lanes = layout.resources, part_width(VECTOR, timing)
    ends, stride = {"input": resources.input, "output": resources.output}, resources.stride
    units: list[int] = []
    merge_units: list[int] = []
    ports: list[int] = []
    cycles: list[int] = []
    for index, each in enumerate(layout.steps):
        end, unit = ends.get(each.step.kind), resources.offset(each.unit, index)
        vector, port = resources.offset(VECTOR, index), resources.offset(BUFFER_WRITE, index)
        for home, slots, *_ in each.replicas:
            first = home * stride
            units.append(first + unit if end is None else end)
            merge_units.append(first + vector)
            ports.append(first + port)
            merged = sum([slot.outputs for slot in slots if slot.tile != home]) if len(slots) > 1 else 0
            cycles.append(-(-merged // lanes))
    return {"unit": units, "merge_unit": merge_units, "write_port": ports, "merge_cycles": cycles}


def _tabulate_slots(layout: Layout, timing: Timing) -> Columns:
    """Tabulate slots; a digital step has one in its home tile, the input none."""
    sizes: list[int] = []
    columns: dict[str, list[int]] = {
        "slot_wires": [], "slot_buffer": [], "slot_read": [], "slot_bus": [], "slot_occupancy": [], "slot_latency": [],
    }  # fmt: skip
    wires, ports, read, bus, occupied, late = columns.values()
    resources, reads, loads = layout.resources, part_width(BUFFER_READ, timing), part_width(BUS, timing)
    for index, each in enumerate(layout.steps):
        layer = each.layer
        if layer is None:
            is_input = each.step.kind == "input"
            moved = 0 if is_input else each.operand_bits(timing.operand_bits)
            operands = _cycles(moved, min(reads, loads) if each.is_write else reads)
            sizes += [0 if is_input else 1] * len(each.replicas)
            tiles = [] if is_input else [replica.home for replica in each.replicas]
            read += [operands] * len(tiles)
            bus += [0] * len(tiles)
            occupancy = latency = 0
        else:
            occupancy, latency = window_cycles(layer)
            bits = layer.activation_bits
            slots = [slot for replica in each.replicas for slot in replica.slots]
            sizes += [len(replica.slots) for replica in each.replicas]
            tiles = [slot.tile for slot in slots]
            read += [-(-slot.rows * bits // reads) for slot in slots]
            bus += [-(-slot.rows * bits // loads) for slot in slots]
        firsts = [tile * resources.stride for tile in tiles]
        wire, port = resources.offset(BUS, index), resources.offset(BUFFER_READ, index)
        wires += [first + wire for first in firsts]
        ports += [first + port for first in firsts]
        occupied += [occupancy] * len(tiles)
        late += [latency] * len(tiles)
    return {**columns, "first_slot": _firsts(sizes)}


def _tabulate_packets(layout: Layout) -> tuple[Columns, list[tuple[Tree, int]]]:
    """Number the links of all packets: by replica the partial sums of its slots, then its result.

    Returned are the tables, and the tree and the bits of every packet.
    """
    gather_first: list[int] = []
    gather_last: list[int] = []
    first_tree: list[int] = []
    last_tree: list[int] = []
    packets: list[tuple[Tree, int]] = []
    end = 0
    for each in layout.steps:
        partial, bits = result_bits(each.layer) if each.layer is not None else 0, each.result_bits
        for _, slots, gathers, _, result in each.replicas:
            for slot, tree in zip(slots, gathers):
                gather_first.append(end)
                if tree is not NO_LINKS:
                    packets.append((tree, slot.outputs * partial))
                    end += len(tree.links)
                gather_last.append(end)
            if each.layer is None and each.step.kind != "input":  # the slot of a digital step
                gather_first.append(0)
                gather_last.append(0)
            first_tree.append(end)
            if result is not NO_LINKS:
                packets.append((result, bits))
                end += len(result.links)
            last_tree.append(end)
    columns = {
        "gather_first": gather_first, "gather_last": gather_last, "first_tree": first_tree, "last_tree": last_tree,
    }  # fmt: skip
    return {**columns, **_tabulate_targets(layout, first_tree)}, packets


def _join_trees(layout: Layout, timing: Timing, packets: Sequence[tuple[Tree, int]]) -> Arrays:
    """Put the trees of packets behind each other, with the cycles that the bits of each take on every link."""
    lengths = [len(tree.links) for tree, _ in packets]
    ids = _concatenate([tree.links for tree, _ in packets])
    parents = _concatenate([tree.parents for tree, _ in packets])
    firsts, inside = _firsts(lengths)[:-1], [_cycles(bits, timing.link_bits) for _, bits in packets]
    table = _columns({"firsts": firsts, "inside": inside})
    parents = np.where(parents < 0, -1, parents + np.repeat(table["firsts"], lengths))
    cycles = np.repeat(table["inside"], lengths)
    if layout.chip_links:
        between = np.flatnonzero(np.isin(ids, list(layout.chip_links)))
        owners = np.repeat(np.arange(len(lengths)), lengths)[between].tolist()
        outside = [_cycles(packets[owner][1], layout.io_bits) for owner in owners]
        cycles[between] = _columns({"outside": outside})["outside"]
    links = (ids + layout.resources.first_link).astype(np.uint32)
    return {"tree_link": links, "tree_parent": parents, "tree_cycles": cycles}


def _concatenate(parts: Sequence[Numbers]) -> Ints:
    if all(isinstance(part, tuple) for part in parts):
        return np.array(list(chain.from_iterable(parts)), dtype=np.int64)
    return np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])


def _tabulate_targets(layout: Layout, first_tree: Sequence[int]) -> Columns:
    """List where a replica's result leaves its links, by replica and edge."""
    first_dest: list[int] = []
    dest_first: list[int] = []
    dest_last: list[int] = []
    ends: list[int] = []
    number = 0
    for each in layout.steps:
        for replica in each.replicas:
            first_dest.append(len(dest_first))
            for targets in replica.targets:
                dest_first.append(len(ends))
                ends += [first_tree[number] + replica.result.ends[tile] for tile in targets]
                dest_last.append(len(ends))
            number += 1
    return {"first_dest": first_dest, "dest_first": dest_first, "dest_last": dest_last, "dest_tree": ends}


def _tabulate_edges(layout: Layout, images: int, room: int, *, limited: bool) -> Arrays:
    """Number edges by producer; ``room`` is what a consumer keeps of each stream [bits]. They depend on no array."""
    steps = layout.steps
    key = (id(steps[0].step), tuple([each.bits for each in steps]), images, room, limited)
    found = _EDGES.get(key)
    if found is None:
        found = _EDGES.put(key, (steps[0].step,), _list_edges(layout, images, room, limited=limited))
    return found


def _list_edges(layout: Layout, images: int, room: int, *, limited: bool) -> Arrays:
    steps = layout.steps
    flat = [(source, edge) for source, each in enumerate(steps) for edge in each.edges]
    order = sorted(range(len(flat)), key=lambda e: flat[e][1].consumer)
    windows = [each.step.classes for each in steps]
    shifts = [(edge, image * windows[source]) for source, edge in flat for image in range(images)]
    needs = [edge.need + shift if shift else edge.need for edge, shift in shifts]
    keeps = [edge.keep + shift for edge, shift in shifts] if limited else [np.zeros(len(flat), dtype=np.int32)]
    arrays = _columns(
        {
            "first_out": _firsts([len(each.edges) for each in steps]),
            "in_edge": order,
            "first_in": np.searchsorted([flat[e][1].consumer for e in order], np.arange(len(steps) + 1)).tolist(),
            "edge_from": [source for source, _ in flat],
            "edge_to": [edge.consumer for _, edge in flat],
            "edge_flag": _firsts([windows[source] * images for source, _ in flat])[:-1],
            "edge_need": _firsts([len(edge.need) * images for _, edge in flat])[:-1],
            "value_bits": [max(1, steps[source].result_bits * steps[source].step.group) for source, _ in flat],
        }
    )
    arrays["capacity"] = room // arrays["value_bits"]
    return {**arrays, "need": np.concatenate(needs), "keep": np.concatenate(keeps)}


def _check_limits(arrays: Arrays) -> None:
    slots = arrays["most_slots"]
    if slots >= SLOT_LIMIT or int(arrays["windows"].max()) >= WINDOW_LIMIT or len(arrays["kind"]) >= STEP_LIMIT:
        raise MappingError(
            f"too large to time: a layer over {slots} tiles, {int(arrays['windows'].max())} windows in one layer "
            f"or {len(arrays['kind'])} operations; the limits are {SLOT_LIMIT}, {WINDOW_LIMIT} and {STEP_LIMIT}"
        )
