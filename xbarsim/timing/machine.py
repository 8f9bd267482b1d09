"""From a plan to a machine: stages, durations and resources of all windows as flat arrays for the event loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.hardware import Timing
from xbarsim.errors import MappingError
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
from xbarsim.timing.part import BUFFER_READ, BUFFER_WRITE, BUS, VECTOR, part_width
from xbarsim.timing.route import Tree
from xbarsim.timing.slots import result_bits

LARGEST = 10**12
"""Largest number of cycles or bits of one step; sums over a million of them still fit 64 bits."""

Ints = NDArray[np.int64]
Indices = NDArray[np.uint32]
Arrays = dict[str, Any]


class EventTables(NamedTuple):
    """Inputs of the event loop. Steps, replicas, slots, edges and tree entries are numbered through."""

    pipelined: bool
    limited: bool
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


INDICES = (
    "first_window", "first_replica", "first_out", "first_in", "unit", "merge_unit", "first_slot", "first_tree",
    "last_tree", "first_dest", "slot_wires", "slot_buffer", "write_port", "gather_first", "gather_last", "in_edge",
    "edge_flag", "edge_need", "dest_first", "dest_last", "dest_tree", "tree_link",
)  # fmt: skip
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
    arrays: Arrays = {
        **_tabulate_steps(layout, timing, images),
        **_tabulate_replicas(layout, timing),
        **_tabulate_slots(layout, timing),
        **_tabulate_packets(layout, timing),
    }
    limited = plan.pipelined and timing.stream_bits is not None
    arrays |= _tabulate_edges(layout, images, timing.stream_bits or 0, limited=limited)
    arrays |= {
        "pipelined": plan.pipelined,
        "limited": limited,
        "hop_cycles": timing.hop_cycles,
        "input_pace": 0,
        "input_lead": 0,
        "total_windows": int(arrays["windows"].sum()),
        "most_slots": int(np.diff(arrays["first_slot"]).max()),
    }
    _check_limits(arrays)
    for name in INDICES:
        arrays[name] = np.asarray(arrays[name], dtype=np.uint32)
    return _pace_input(EventTables(**arrays)), layout


def _pace_input(machine: EventTables) -> EventTables:
    """Let inputs enter at the pace of the busiest shared resource, but for those that the first windows wait for."""
    if not machine.pipelined or machine.limited:
        return machine
    edges = np.flatnonzero(machine.edge_from == 0)
    lead = int(machine.need[machine.edge_need[edges]].max(initial=0)) + 2
    return machine._replace(input_pace=int(count_busy(machine).max()) // int(machine.windows[0]), input_lead=lead)


def _cycles(work: int, width: int | Fraction) -> int:
    return math.ceil(work / width)


def _ints(values: Sequence[int]) -> Ints:
    if max(values, default=0) > LARGEST:
        raise MappingError(
            f"timing: a count or a number of cycles is {float(max(values)):.3g}, above {LARGEST:.0e}; the clock or a "
            "duration in timing, or a rate of a component, has the wrong unit"
        )
    return np.array(values, dtype=np.int64)


def _firsts(sizes: Sequence[int]) -> Ints:
    """Return where each of consecutive runs begins, and where the last ends."""
    return np.array([0, *accumulate(sizes)], dtype=np.int64)


def _columns(rows: list[Any]) -> Arrays:
    """Turn named tuples, one a row, into an array for each field."""
    return {name: _ints(column) for name, column in zip(rows[0]._fields, zip(*rows))}


class StepRow(NamedTuple):
    """Numbers of one step."""

    kind: int
    windows: int
    group: int
    replicas: int
    unit_cycles: int
    write_cycles: int


def _tabulate_steps(layout: Layout, timing: Timing, images: int) -> Arrays:
    rows = []
    for each in layout.steps:
        step, is_layer = each.step, each.layer is not None
        if step.kind in ("input", "output"):
            kind = INPUT_STEP if step.kind == "input" else OUTPUT_STEP
            work = _cycles(each.result_bits, layout.io_bits)
        else:
            kind = LAYER_STEP if is_layer else DIGITAL_STEP
            work = _cycles(step.values if is_layer else step.operations, part_width(each.unit, timing))
        write = _cycles(each.result_bits, part_width(BUFFER_WRITE, timing))
        rows.append(StepRow(kind, step.classes * images, step.group, len(each.replicas), work, write))
    first_replica, first_window = _firsts([row.replicas for row in rows])[:-1], _firsts([row.windows for row in rows])
    return _columns(rows) | {"first_replica": first_replica, "first_window": first_window}


class CopyRow(NamedTuple):
    """Numbers of one replica."""

    unit: int
    merge_unit: int
    write_port: int
    merge_cycles: int


def _tabulate_replicas(layout: Layout, timing: Timing) -> Arrays:
    rows, resources, lanes = [], layout.resources, part_width(VECTOR, timing)
    ends = {"input": resources.input, "output": resources.output}
    for index, each in enumerate(layout.steps):
        for replica in each.replicas:
            unit = ends.get(each.step.kind, resources.part(each.unit, replica.home, index))
            merge_unit = resources.part(VECTOR, replica.home, index)
            write_port = resources.part(BUFFER_WRITE, replica.home, index)
            merged = sum(slot.outputs for slot in replica.slots if slot.tile != replica.home)
            rows.append(CopyRow(unit, merge_unit, write_port, _cycles(merged, lanes)))
    return _columns(rows)


class SlotRow(NamedTuple):
    """Numbers of one slot; a digital step has one in its home tile, the input none."""

    slot_wires: int
    slot_buffer: int
    slot_read: int
    slot_bus: int
    slot_occupancy: int
    slot_latency: int


def _tabulate_slots(layout: Layout, timing: Timing) -> Arrays:
    rows: list[SlotRow] = []
    sizes: list[int] = []
    resources, reads, loads = layout.resources, part_width(BUFFER_READ, timing), part_width(BUS, timing)
    for index, each in enumerate(layout.steps):
        layer = each.layer
        if layer is None:
            read = _cycles(each.operand_bits(timing.operand_bits), reads)
            for replica in each.replicas if each.step.kind != "input" else ():
                wires, port = resources.part(BUS, replica.home, index), resources.part(BUFFER_READ, replica.home, index)
                rows.append(SlotRow(wires, port, read, 0, 0, 0))
            sizes.extend([0 if each.step.kind == "input" else 1] * len(each.replicas))
            continue
        occupancy, latency = window_cycles(layer)
        for replica in each.replicas:
            sizes.append(len(replica.slots))
            for slot in replica.slots:
                bits = slot.rows * layer.activation_bits
                wires, port = resources.part(BUS, slot.tile, index), resources.part(BUFFER_READ, slot.tile, index)
                rows.append(SlotRow(wires, port, _cycles(bits, reads), _cycles(bits, loads), occupancy, latency))
    return _columns(rows) | {"first_slot": _firsts(sizes)}


class LinkRow(NamedTuple):
    """Numbers of one link on the way of a packet."""

    tree_link: int
    tree_parent: int
    tree_cycles: int


def _tabulate_packets(layout: Layout, timing: Timing) -> Arrays:
    """Number the links of all packets: by replica the partial sums of its slots, then its result."""
    rows: list[LinkRow] = []
    gathers: list[tuple[int, int]] = []
    trees: list[tuple[int, int]] = []
    for each in layout.steps:
        partial = result_bits(each.layer) if each.layer is not None else 0
        for replica in each.replicas:
            for slot, tree in zip(replica.slots, replica.gathers):
                gathers.append(_add_packet(rows, layout, timing, tree, slot.outputs * partial))
            if each.layer is None and each.step.kind != "input":
                gathers.append((0, 0))  # the slot of a digital step
            trees.append(_add_packet(rows, layout, timing, replica.result, each.result_bits))
    arrays: Arrays = _columns(rows) if rows else {name: _ints([]) for name in LinkRow._fields}
    arrays["gather_first"], arrays["gather_last"] = np.array(gathers, dtype=np.int64).reshape(-1, 2).T
    arrays["first_tree"], arrays["last_tree"] = np.array(trees, dtype=np.int64).T
    return arrays | _tabulate_targets(layout, arrays["first_tree"])


def _add_packet(rows: list[LinkRow], layout: Layout, timing: Timing, tree: Tree, bits: int) -> tuple[int, int]:
    """Add the links of one packet; return where they begin and end."""
    first = len(rows)
    if not tree.links:
        return first, first
    base = layout.resources.first_link
    for link, parent in zip(tree.links, tree.parents):
        width = layout.io_bits if link in layout.chip_links else timing.link_bits
        rows.append(LinkRow(base + link, first + parent if parent >= 0 else -1, _cycles(bits, width)))
    return first, len(rows)


def _tabulate_targets(layout: Layout, first_tree: Ints) -> Arrays:
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
                ends.extend(int(first_tree[number]) + replica.result.ends[tile] for tile in targets)
                dest_last.append(len(ends))
            number += 1
    found = {"first_dest": first_dest, "dest_first": dest_first, "dest_last": dest_last, "dest_tree": ends}
    return {name: _ints(values) for name, values in found.items()}


def _tabulate_edges(layout: Layout, images: int, room: int, *, limited: bool) -> Arrays:
    """Number edges by producer; ``room`` is what a consumer keeps of each stream [bits]."""
    steps = layout.steps
    flat = [(source, edge) for source, each in enumerate(steps) for edge in each.edges]
    order = sorted(range(len(flat)), key=lambda e: flat[e][1].consumer)
    windows = [each.step.classes for each in steps]
    shifts = [(edge, image * windows[source]) for source, edge in flat for image in range(images)]
    needs = [edge.need + shift if shift else edge.need for edge, shift in shifts]
    keeps = [edge.keep + shift for edge, shift in shifts] if limited else [np.zeros(len(flat), dtype=np.int32)]
    sizes = _ints([steps[source].result_bits * steps[source].step.group for source, _ in flat])
    return {
        "first_out": _firsts([len(each.edges) for each in steps]),
        "in_edge": _ints(order),
        "first_in": np.searchsorted([flat[e][1].consumer for e in order], np.arange(len(steps) + 1)),
        "edge_from": _ints([source for source, _ in flat]),
        "edge_to": _ints([edge.consumer for _, edge in flat]),
        "edge_flag": _firsts([windows[source] * images for source, _ in flat])[:-1],
        "edge_need": _firsts([len(edge.need) * images for _, edge in flat])[:-1],
        "need": np.concatenate(needs),
        "keep": np.concatenate(keeps),
        "capacity": room // sizes,
        "value_bits": sizes,
    }


def _check_limits(arrays: Arrays) -> None:
    slots = arrays["most_slots"]
    if slots >= SLOT_LIMIT or int(arrays["windows"].max()) >= WINDOW_LIMIT or len(arrays["kind"]) >= STEP_LIMIT:
        raise MappingError(
            f"too large to time: a layer over {slots} tiles, {int(arrays['windows'].max())} windows in one layer "
            f"or {len(arrays['kind'])} operations; the limits are {SLOT_LIMIT}, {WINDOW_LIMIT} and {STEP_LIMIT}"
        )
