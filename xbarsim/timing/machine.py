"""Plan -> machine: every window's stages, durations and resources as flat arrays for the event loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.hardware import Timing
from xbarsim.errors import MappingError
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing._kernels import (
    DIGITAL_STEP,
    INPUT_STEP,
    LAYER_STEP,
    OUTPUT_STEP,
    SLOT_LIMIT,
    STEP_LIMIT,
    WINDOW_LIMIT,
)
from xbarsim.timing.dataflow import POOLS, Dataflow, trace_dataflow
from xbarsim.timing.place import PORT, Packet, place_tiles
from xbarsim.timing.route import make_fabric
from xbarsim.timing.slots import Slot, place_copy, result_bits, window_cycles

TILE_PARTS = ("buffer read", "buffer write", "bus", "activation", "vector", "pooling")
"""Shared resources of a tile; the ports of further banks follow. Resource ids are tile * (parts of a tile) + position,
then the links, then off-chip in and out."""

Ints = NDArray[np.int64]
Indices = NDArray[np.uint32]
Edge = tuple[int, NDArray[np.int32], NDArray[np.int32]]


class Machine(NamedTuple):
    """What the event loop reads. Steps, copies, slots, edges and tree entries are numbered through."""

    pipelined: bool
    limited: bool
    hop_cycles: int
    total_windows: int
    most_slots: int
    kind: Ints  # by step
    windows: Ints
    first_window: Indices
    copies: Ints
    first_copy: Indices
    unit_cycles: Ints
    write_cycles: Ints
    first_out: Indices
    first_in: Indices
    home: Indices  # by copy: first resource of the home tile
    unit: Indices
    write_port: Indices  # of its bank of the home tile's buffer
    merge_cycles: Ints
    first_slot: Indices
    first_tree: Indices
    last_tree: Indices
    first_dest: Indices
    slot_port: Indices  # by slot: first resource of its tile
    slot_buffer: Indices  # read port of its bank
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
    dest_first: Indices  # by copy and edge
    dest_last: Indices
    dest_tree: Indices
    tree_link: Indices
    tree_parent: Ints
    tree_cycles: Ints


INDICES = (
    "first_window", "first_copy", "first_out", "first_in", "home", "unit", "first_slot", "first_tree", "last_tree",
    "first_dest", "slot_port", "slot_buffer", "write_port", "gather_first", "gather_last", "in_edge", "edge_flag",
    "edge_need", "dest_first", "dest_last", "dest_tree", "tree_link",
)  # fmt: skip
"""Arrays that hold indices of others; unsigned, see the event loop."""


class Layout(NamedTuple):
    """What the machine means, for counting and naming."""

    flow: Dataflow
    layers: list[LayerPlan | None]
    """Plan of every step, None for digital ones."""
    homes: list[list[int]]
    """Home tile of every copy of every step."""
    slots: list[list[list[Slot]]]
    """Slots of every copy of every step; none for digital ones."""
    bits: list[int]
    """Bits of one value that leaves a step."""
    hops: list[list[int]]
    """Links that a window's result takes in all, by copy of every step."""
    remote: list[list[int]]
    """Tiles other than home that it goes to, by copy of every step."""
    gathers: list[list[int]]
    """Partial sums times links that a window gathers, in bits, by copy of every step."""
    links: dict[int, str]
    """Name of every link, by resource id."""


class _Columns:
    """Growing columns of a machine, by field name."""

    def __init__(self) -> None:
        self.data: dict[str, list[int]] = {name: [] for name in Machine._fields}

    def add(self, **values: int) -> None:
        for name, value in values.items():
            self.data[name].append(value)

    def size(self, name: str) -> int:
        return len(self.data[name])


def build_machine(plan: Plan, *, images: int = 1) -> tuple[Machine, Layout]:
    """Work out every duration and every path.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    images : int
        Inferences that follow each other without a gap.

    Returns
    -------
    Machine, Layout
        Arrays for the event loop, and their meaning.
    """
    flow = trace_dataflow(plan.network)
    fabric = make_fabric(plan.hardware, plan.tiles_per_chip)
    layout = _lay_out(plan, flow, locate_tiles(plan))
    columns = _Columns()
    edges = _number_edges(flow)
    for index in range(len(flow.steps)):
        _add_step(columns, plan, layout, index, images)
        for copy in range(len(layout.homes[index])):
            _add_copy(columns, plan, layout, fabric, edges, index, copy)
    columns.add(first_slot=columns.size("slot_port"))
    return _freeze(columns, plan, layout, fabric, edges, images), layout


def count_parts(timing: Timing) -> int:
    """Return the shared resources of a tile."""
    return len(TILE_PARTS) + 2 * (timing.buffer_banks - 1)


def _bank_offset(index: int, timing: Timing) -> int:
    """Return how far the ports of a step's bank lie behind those of the first, which stand before all other parts."""
    bank = index % timing.buffer_banks
    return len(TILE_PARTS) + 2 * (bank - 1) if bank else 0


def locate_tiles(plan: Plan) -> Sequence[int]:
    """Return the position of every tile of a plan: its number, or where ``mapping.placement`` puts it."""
    if plan.hardware.mapping.placement == "order":
        return range(plan.tiles)
    layout = _lay_out(plan, trace_dataflow(plan.network), range(plan.tiles), port=PORT)
    return place_tiles(make_fabric(plan.hardware, plan.tiles_per_chip), plan.tiles, _list_packets(layout))


def _list_packets(layout: Layout) -> Iterator[Packet]:
    """Yield what every copy of every step sends in one inference: partial sums to its home, and its results."""
    edges = _number_edges(layout.flow)
    for index, step in enumerate(layout.flow.steps):
        homes, layer = layout.homes[index], layout.layers[index]
        targets = tuple(sorted(set().union(*(_tiles_of(layout, consumer) for consumer, _, _ in edges[index]))))
        for copy, home in enumerate(homes):
            windows = (step.windows - copy + len(homes) - 1) // len(homes)
            yield Packet(home, targets, windows * step.values * layout.bits[index])
            if layer is not None:
                for slot in layout.slots[index][copy]:
                    yield Packet(slot.tile, (home,), windows * slot.outputs * result_bits(layer))


def _lay_out(plan: Plan, flow: Dataflow, places: Sequence[int], port: int = 0) -> Layout:
    """Place every step and propagate the bits of activations backwards."""
    layers: list[LayerPlan | None] = [None] * len(flow.steps)
    for mapped in plan.layers:
        layers[flow.index[mapped.name]] = mapped
    homes: list[list[int]] = []
    slots: list[list[list[Slot]]] = []
    for index, step in enumerate(flow.steps):
        layer = layers[index]
        if layer is not None:
            slots.append([place_copy(plan, layer, copy, places) for copy in range(layer.replication)])
            homes.append([each[0].tile for each in slots[-1]])
            continue
        slots.append([])
        source = max((edge[0] for edge in step.edges), default=0)
        homes.append([port] if source == 0 or step.kind == "output" else homes[source])
    bits = [0] * len(flow.steps)
    for index in reversed(range(len(flow.steps))):
        layer, step = layers[index], flow.steps[index]
        wanted = layer.activation_bits if layer is not None else bits[index] or plan.hardware.activation_bits
        bits[index] = bits[index] or plan.hardware.activation_bits
        for source, _ in step.edges:
            bits[source] = max(bits[source], wanted)
    empty: list[list[int]] = [[0] * len(each) for each in homes]
    copy = [list(each) for each in empty]
    return Layout(flow, layers, homes, slots, bits, empty, copy, [list(each) for each in empty], {})


def _number_edges(flow: Dataflow) -> list[list[Edge]]:
    """Return the (consumer, need, keep) of every edge, by producer."""
    out: list[list[Edge]] = [[] for _ in flow.steps]
    for index, step in enumerate(flow.steps):
        for (source, need), keep in zip(step.edges, step.keeps):
            out[source].append((index, need, keep))
    return out


def _add_step(columns: _Columns, plan: Plan, layout: Layout, index: int, images: int) -> None:
    step, timing = layout.flow.steps[index], plan.hardware.timing
    bits = step.values * layout.bits[index]
    if step.kind in ("input", "output"):
        kind, work = (INPUT_STEP if step.kind == "input" else OUTPUT_STEP), math.ceil(bits / timing.io_bits)
    elif layout.layers[index] is not None:
        kind, work = LAYER_STEP, math.ceil(step.values / timing.activation_lanes)
    else:
        lanes = timing.pooling_lanes if step.kind in POOLS else timing.vector_lanes
        kind, work = DIGITAL_STEP, math.ceil(step.operations / lanes)
    columns.add(
        kind=kind, windows=step.windows * images, copies=len(layout.homes[index]), first_copy=columns.size("home"),
        unit_cycles=work, write_cycles=math.ceil(bits / timing.buffer_bits),
    )  # fmt: skip


def _add_copy(
    columns: _Columns, plan: Plan, layout: Layout, fabric: Any, edges: list[Any], index: int, copy: int
) -> None:
    step, home, timing = layout.flow.steps[index], layout.homes[index][copy], plan.hardware.timing
    base = home * count_parts(timing)
    unit = base + (3 if layout.layers[index] is not None else 5 if step.kind in POOLS else 4)
    if step.kind in ("input", "output"):
        unit = -1 if step.kind == "input" else -2
    write_port = base + 1 + _bank_offset(index, timing)
    columns.add(home=base, unit=unit, write_port=write_port, first_slot=columns.size("slot_port"))
    merged = _add_slots(columns, plan, layout, fabric, index, copy)
    columns.add(merge_cycles=math.ceil(merged / timing.vector_lanes))
    tiles = [_tiles_of(layout, consumer) for consumer, _, _ in edges[index]]
    tree = fabric.tree(home, tuple(sorted(set().union(*tiles) - {home})))
    first = columns.size("tree_link")
    columns.add(first_tree=first, last_tree=first + len(tree.links), first_dest=columns.size("dest_first"))
    _add_tree(columns, tree, first, step.values * layout.bits[index], timing, fabric)
    for each in tiles:
        columns.add(dest_first=columns.size("dest_tree"))
        for tile in sorted(each - {home}):
            columns.add(dest_tree=first + tree.ends[tile])
        columns.add(dest_last=columns.size("dest_tree"))
    layout.hops[index][copy] = len(tree.links)
    layout.remote[index][copy] = len(tree.ends)


def _add_slots(columns: _Columns, plan: Plan, layout: Layout, fabric: Any, index: int, copy: int) -> int:
    """Add the slots of a copy; return the partial sums that its home has to add."""
    step, layer, timing = layout.flow.steps[index], layout.layers[index], plan.hardware.timing
    home, parts, bank = layout.homes[index][copy], count_parts(timing), _bank_offset(index, timing)
    merged = 0
    if layer is None:
        if step.kind != "input":
            bits = step.operands * layout.bits[index]
            columns.add(
                slot_port=home * parts, slot_buffer=home * parts + bank, slot_read=math.ceil(bits / timing.buffer_bits),
                slot_bus=0, slot_occupancy=0, slot_latency=0, gather_first=0, gather_last=0,
            )  # fmt: skip
        return 0
    occupancy, latency = window_cycles(layer)
    for slot in layout.slots[index][copy]:
        bits = slot.rows * layer.activation_bits
        partial = slot.outputs * result_bits(layer)
        tree = fabric.tree(slot.tile, (home,)) if slot.tile != home else None
        first = columns.size("tree_link")
        if tree is not None:
            _add_tree(columns, tree, first, partial, timing, fabric)
            layout.gathers[index][copy] += partial * len(tree.links)
            merged += slot.outputs
        columns.add(
            slot_port=slot.tile * parts,
            slot_buffer=slot.tile * parts + bank,
            slot_read=math.ceil(bits / timing.buffer_bits),
            slot_bus=math.ceil(bits / timing.bus_bits),
            slot_occupancy=occupancy,
            slot_latency=latency,
            gather_first=first,
            gather_last=columns.size("tree_link"),
        )
    return merged


def _add_tree(columns: _Columns, tree: Any, first: int, bits: int, timing: Any, fabric: Any) -> None:
    off_chip = fabric.chip_links()
    for link, parent in zip(tree.links, tree.parents):
        width = timing.io_bits if link in off_chip else timing.link_bits
        columns.add(
            tree_link=link, tree_parent=first + parent if parent >= 0 else -1, tree_cycles=math.ceil(bits / width)
        )


def _tiles_of(layout: Layout, index: int) -> set[int]:
    if layout.layers[index] is None:
        return set(layout.homes[index])
    return {slot.tile for copy in layout.slots[index] for slot in copy}


def _freeze(columns: _Columns, plan: Plan, layout: Layout, fabric: Any, edges: list[Any], images: int) -> Machine:
    """Turn columns into arrays and number resources, windows and edges."""
    arrays: dict[str, Any] = {
        name: np.array(values, dtype=np.int64) for name, values in columns.data.items() if name != "need"
    }
    steps = layout.flow.steps
    tile_parts = plan.tiles * count_parts(plan.hardware.timing)
    arrays["tree_link"] = arrays["tree_link"] + tile_parts
    io = tile_parts + len(fabric.ids)
    arrays["unit"] = np.where(arrays["unit"] == -1, io, np.where(arrays["unit"] == -2, io + 1, arrays["unit"]))
    layout.links.update({tile_parts + number: _name_link(link) for link, number in fabric.ids.items()})
    windows = arrays["windows"]
    arrays["first_window"] = np.concatenate(([0], np.cumsum(windows)))
    arrays["first_out"] = np.concatenate(([0], np.cumsum([len(each) for each in edges])))
    flat = [(source, *edge) for source, each in enumerate(edges) for edge in each]
    order = sorted(range(len(flat)), key=lambda e: flat[e][1])
    arrays["in_edge"] = np.array(order, dtype=np.int64)
    arrays["first_in"] = np.searchsorted([flat[e][1] for e in order], np.arange(len(steps) + 1))
    arrays["edge_from"] = np.array([edge[0] for edge in flat], dtype=np.int64)
    arrays["edge_to"] = np.array([edge[1] for edge in flat], dtype=np.int64)
    arrays["edge_flag"] = np.cumsum([0, *(windows[edge[0]] for edge in flat[:-1])])
    arrays["edge_need"] = np.cumsum([0, *(len(edge[2]) * images for edge in flat[:-1])])
    timing = plan.hardware.timing
    limited = plan.pipelined and timing.stream_bits is not None
    shifts = [(edge, image * steps[edge[0]].windows) for edge in flat for image in range(images)]
    needs = [need + shift if shift else need for (_, _, need, _), shift in shifts]
    keeps = [keep + shift for (_, _, _, keep), shift in shifts] if limited else [np.zeros(len(flat), dtype=np.int32)]
    sizes = np.array([steps[source].values * layout.bits[source] for source, *_ in flat], dtype=np.int64)
    arrays.update(
        pipelined=plan.pipelined,
        limited=limited,
        hop_cycles=timing.hop_cycles,
        total_windows=int(windows.sum()),
        most_slots=int(np.diff(arrays["first_slot"]).max()),
        need=np.concatenate(needs),
        keep=np.concatenate(keeps),
        capacity=(timing.stream_bits or 0) // sizes,
        value_bits=sizes,
    )
    _check_limits(arrays)
    for name in INDICES:
        arrays[name] = np.asarray(arrays[name], dtype=np.uint32)
    return Machine(**arrays)


def _check_limits(arrays: dict[str, Any]) -> None:
    slots = arrays["most_slots"]
    if slots >= SLOT_LIMIT or int(arrays["windows"].max()) >= WINDOW_LIMIT or len(arrays["kind"]) >= STEP_LIMIT:
        raise MappingError(
            f"too large to time: a layer over {slots} tiles, {int(arrays['windows'].max())} windows in one layer "
            f"or {len(arrays['kind'])} operations; the limits are {SLOT_LIMIT}, {WINDOW_LIMIT} and {STEP_LIMIT}"
        )


def _name_link(link: tuple[object, ...]) -> str:
    return "link " + " ".join(str(part) for part in link)
