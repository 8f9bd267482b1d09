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
from xbarsim.timing.window import WindowWork

LARGEST_COUNT = 10**12
"""Largest number of cycles or bits of one step; sums over a million of them still fit 64 bits."""

Ints = NDArray[np.int64]
Indices = NDArray[np.uint32]
Arrays = dict[str, Any]
Columns = Mapping[str, Sequence[int]]


_EDGES: KeptResults[Arrays] = KeptResults(16)


STEPS = {"input": INPUT_STEP, "output": OUTPUT_STEP}
"""Ends of the network."""


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
    arrays = _tabulate_steps(layout, images)
    by_replica = StepParts.find(layout).repeat(arrays["replicas"])
    by_slot = by_replica.repeat(np.diff(layout.sites.first_slot))
    arrays |= _tabulate_replicas(layout, timing, by_replica) | _tabulate_slots(layout, timing, by_slot)
    arrays |= _tabulate_packets(layout, by_slot) | _join_trees(layout, timing, by_replica, by_slot)
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
            busy[layout.resources.part(WRITER, each.homes[0], index)] = 0
    return machine._replace(input_pace=int(busy.max()) // int(machine.windows[0]), input_lead=lead)


def _cycles(work: int, width: int | Fraction) -> int:
    return -(-work // width)


def _firsts(sizes: Sequence[int]) -> list[int]:
    """Return where each of consecutive runs begins, and where the last ends."""
    return [0, *accumulate(sizes)]


def _check_largest(most: int) -> None:
    if most > LARGEST_COUNT:
        raise MappingError(
            f"timing: a count or a number of cycles is {float(most):.3g}, above {LARGEST_COUNT:.0e}; the clock or a "
            "duration in timing, or a rate of a component, has the wrong unit"
        )


def _columns(rows: Columns) -> Arrays:
    """Turn a list for each field into an array for each: parts of one, since most are short."""
    flat = list(chain.from_iterable(rows.values()))
    _check_largest(max(flat, default=0))
    ints = np.array(flat, dtype=np.int64)
    indices, found, first = ints.astype(np.uint32), {}, 0
    for name, values in rows.items():
        last = first + len(values)
        found[name] = (indices if name in INDICES else ints)[first:last]
        first = last
    return found


def _tabulate_steps(layout: Layout, images: int) -> Arrays:
    kinds, work = [], []
    for each in layout.steps:
        kinds.append(STEPS.get(each.step.kind, DIGITAL_STEP if each.layer is None else LAYER_STEP))
        is_end = each.step.kind in STEPS
        work.append(_cycles(each.result_bits, layout.io_bits) if is_end else each.window.unit_cycles)
    windows, replicas = [each.step.classes * images for each in layout.steps], [len(e.homes) for e in layout.steps]
    return _columns({
        "kind": kinds, "windows": windows, "group": [each.step.group for each in layout.steps], "replicas": replicas,
        "unit_cycles": work, "write_cycles": [each.window.write_cycles for each in layout.steps],
        "first_replica": _firsts(replicas)[:-1], "first_window": _firsts(windows),
    })  # fmt: skip


class StepParts(NamedTuple):
    """What the replicas of a step, or its slots, have in common: a value for each step, replica or slot."""

    tile_stride: Ints
    """Resources of a tile; 0 for the ends of the network, whose unit belongs to no tile."""
    unit: Ints
    """Offset in a tile of the unit that works on results, of the vector unit, the bus, and the ports of the buffer."""
    vector: Ints
    bus: Ints
    read_port: Ints
    write_port: Ints
    is_layer: Ints
    """1 for weight layers."""
    result_bits: Ints
    """As in :class:`~xbarsim.timing.window.WindowWork`, and so on."""
    input_bits: Ints
    partial_bits: Ints
    operand_cycles: Ints
    occupancy: Ints
    latency: Ints

    @classmethod
    def find(cls, layout: Layout) -> StepParts:
        """Return them step by step."""
        steps, resources = layout.steps, layout.resources
        ends = {"input": resources.input, "output": resources.output}
        units = [
            (resources.stride, resources.offset(own.window.unit, index)) if (end := ends.get(own.step.kind)) is None
            else (0, end) for index, own in enumerate(steps)
        ]  # fmt: skip
        ports = [resources.offset_all(part, len(steps)) for part in (VECTOR, BUS, BUFFER_READ, BUFFER_WRITE)]
        windows = [own.window for own in steps]
        works = zip(*[each[WindowWork._fields.index("result_bits") :] for each in windows])
        columns = [*zip(*units), *ports, [own.layer is not None for own in steps], *works]
        return cls(*_columns(dict(zip(cls._fields, columns))).values())

    def repeat(self, counts: Ints) -> StepParts:
        """Return every value so many times."""
        return StepParts(*np.repeat(np.array(self), counts, axis=1))


def _divide(work: Ints, width: int) -> Ints:
    """Return cycles of work, rounded up."""
    found: Ints = -(-work // width)
    return found


def _tabulate_replicas(layout: Layout, timing: Timing, own: StepParts) -> Arrays:
    sites, first = layout.sites, layout.sites.home * layout.resources.stride
    merged = np.concatenate(([0], np.cumsum(np.where(layout.packets.is_gathered, sites.outputs, 0))))
    return _index({
        "unit": sites.home * own.tile_stride + own.unit, "merge_unit": first + own.vector,
        "write_port": first + own.write_port,
        "merge_cycles": _divide(np.diff(merged[sites.first_slot]), part_width(VECTOR, timing)),
        "first_slot": sites.first_slot,
    })  # fmt: skip


def _tabulate_slots(layout: Layout, timing: Timing, own: StepParts) -> Arrays:
    """Tabulate slots; a digital step has one in its home tile, the input none."""
    first, bits = layout.sites.tile * layout.resources.stride, layout.sites.rows * own.input_bits
    return _index({
        "slot_wires": first + own.bus, "slot_buffer": first + own.read_port,
        "slot_read": _divide(bits, part_width(BUFFER_READ, timing)) + own.operand_cycles,
        "slot_bus": _divide(bits, part_width(BUS, timing)), "slot_occupancy": own.occupancy,
        "slot_latency": own.latency,
    })  # fmt: skip


def _tabulate_packets(layout: Layout, own: StepParts) -> Arrays:
    """Number the links of all packets, by replica the partial sums of its slots, then its result; list where these
    leave their links, by replica and edge."""
    sites, packets, first = layout.sites, layout.packets, layout.packets.trees.first
    pairs = np.repeat([len(each.edges) for each in layout.steps], [len(each.homes) for each in layout.steps])
    return _index({
        "gather_first": first[packets.of_slot] * own.is_layer,
        "gather_last": first[packets.of_slot + packets.is_gathered] * own.is_layer,
        "first_tree": first[packets.of_replica], "last_tree": first[packets.of_replica + packets.is_sent],
        "first_dest": np.cumsum(pairs) - pairs, "dest_first": sites.first_dest[:-1],
        "dest_last": sites.first_dest[1:], "dest_tree": packets.ends[sites.dest],
    })  # fmt: skip


def _join_trees(layout: Layout, timing: Timing, by_replica: StepParts, by_slot: StepParts) -> Arrays:
    """Return the trees of packets, with the cycles that the bits of each take on every link."""
    sites, packets, trees = layout.sites, layout.packets, layout.packets.trees
    gathered, sent, lengths = packets.is_gathered, packets.is_sent, np.diff(trees.first)
    bits = np.empty(lengths.size, dtype=np.int64)
    bits[packets.of_slot[gathered]] = (sites.outputs * by_slot.partial_bits)[gathered]
    bits[packets.of_replica[sent]] = by_replica.result_bits[sent]
    inside = _divide(bits, timing.link_bits)
    cycles = np.repeat(inside, lengths)
    if layout.chip_links:
        between = np.flatnonzero(np.isin(trees.links, list(layout.chip_links)))
        owners = np.repeat(np.arange(lengths.size), lengths)[between]
        cycles[between] = [_cycles(each, layout.io_bits) for each in bits[owners].tolist()]
    _check_largest(int(cycles.max(initial=0)))
    links = (trees.links + layout.resources.first_link).astype(np.uint32)
    return {"tree_link": links, "tree_parent": trees.parents, "tree_cycles": cycles}


def _index(arrays: Arrays) -> Arrays:
    """Make what holds indices unsigned."""
    return {name: each.astype(np.uint32) if name in INDICES else each for name, each in arrays.items()}


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
