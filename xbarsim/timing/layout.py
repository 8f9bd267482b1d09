"""From a plan to a layout: the position of every replica of every step, and the links that its packets take."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.network import Network
from xbarsim.network.stored import STORE, name_write
from xbarsim.timing.dataflow import Dataflow, Step, trace_dataflow
from xbarsim.timing.part import Resources, number_resources
from xbarsim.timing.place import PORT, Packet, place_tiles
from xbarsim.timing.program import write_cycles
from xbarsim.timing.route import make_fabric
from xbarsim.timing.sites import Packets, Sends, Sites, route_packets
from xbarsim.timing.slots import LayerSlots, place_layer, result_bits
from xbarsim.timing.spread import Share, is_aligned, share_tiles
from xbarsim.timing.window import WindowWork, describe_window

_BITS: KeptResults[Sequence[int]] = KeptResults(256)


class Edge(NamedTuple):
    """A stream of values from one step to another."""

    consumer: int
    """Receiving step."""
    need: NDArray[np.int32]
    """Last class that each class of the consumer needs, -1 where it needs none."""
    keep: NDArray[np.int32]
    """First class that this class of the consumer or any later one needs."""


class StepLayout(NamedTuple):
    """One step on the machine."""

    step: Step
    """The step."""
    layer: LayerPlan | None
    """Plan of a weight layer, None for digital steps."""
    bits: int
    """Bits of one value of its result."""
    homes: tuple[int, ...]
    """Tile of the results of each replica; replicas process windows in turn."""
    edges: tuple[Edge, ...]
    """Streams to consumers."""
    window: WindowWork
    """Work of one window."""

    @property
    def is_write(self) -> bool:
        """Whether it writes an operand of a product into arrays."""
        return self.step.kind == STORE

    @property
    def result_bits(self) -> int:
        """Bits of one window's result."""
        return self.window.result_bits

    def windows_of(self, replica: int) -> int:
        """Return the windows of one inference that a replica takes.

        Parameters
        ----------
        replica : int
            Which replica, counted from 0.

        Returns
        -------
        int
            Those of every ``len(homes)``-th class.
        """
        return (self.step.classes - replica + len(self.homes) - 1) // len(self.homes) * self.step.group


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Positions and names of the machine's parts, for counting and naming."""

    steps: tuple[StepLayout, ...]
    """Steps in order, the input first and the output last."""
    sites: Sites
    """Where their replicas lie, and where results go."""
    packets: Packets
    """What replicas send."""
    resources: Resources
    """Numbers and names of the shared resources."""
    chip_links: frozenset[int]
    """Numbers of the links between chips, which are as wide as the off-chip link."""
    io_bits: Fraction
    """Bits that the off-chip link of a chip transfers in a cycle in each direction."""


def lay_out(plan: Plan) -> Layout:
    """Place every step and find the links of every packet.

    Parameters
    ----------
    plan : Plan
        Network on hardware.

    Returns
    -------
    Layout
        Steps, their replicas and the resources.
    """
    fabric = make_fabric(plan.hardware, plan.tiles_per_chip)
    steps, sites = _place_steps(plan, locate_tiles(plan), 0)
    packets = route_packets(fabric, sites)
    has_writers = any(each.is_write for each in steps)
    return Layout(
        steps=steps,
        sites=sites,
        packets=packets,
        resources=number_resources(plan.hardware.timing, plan.tiles, fabric.links, has_writers=has_writers),
        chip_links=frozenset(fabric.chip_links()),
        io_bits=plan.hardware.timing.io_bits * plan.hardware.chip.off_chip_share(plan.tiles_per_chip),
    )


def locate_tiles(plan: Plan) -> Sequence[int]:
    """Return the position of every tile of a plan: its number, or where ``mapping.placement`` puts it.

    Parameters
    ----------
    plan : Plan
        Network on hardware.

    Returns
    -------
    sequence of int, (tiles,)
        Positions, chips one after the other.
    """
    if plan.hardware.mapping.placement == "order":
        return range(plan.tiles)
    steps, sites = _place_steps(plan, range(plan.tiles), PORT)
    return place_tiles(make_fabric(plan.hardware, plan.tiles_per_chip), plan.tiles, _list_packets(steps, sites))


def _list_packets(steps: Sequence[StepLayout], sites: Sites) -> Iterator[Packet]:
    """Yield what every replica of every step sends in one inference: partial sums to its home, and its results."""
    first, reached = sites.first_reached.tolist(), sites.reached.tolist()
    slots, tiles, outputs = sites.first_slot.tolist(), sites.tile.tolist(), sites.outputs.tolist()
    replica = 0
    for each in steps:
        for number, home in enumerate(each.homes):
            windows = each.windows_of(number)
            yield Packet(home, tuple(reached[first[replica] : first[replica + 1]]), windows * each.result_bits)
            if each.layer is not None:
                for slot in range(slots[replica], slots[replica + 1]):
                    yield Packet(tiles[slot], (home,), windows * outputs[slot] * result_bits(each.layer))
            replica += 1


class Spot(NamedTuple):
    """Where the replicas of a step lie."""

    step: Step
    homes: tuple[int, ...]
    tiles: frozenset[int]
    """Tiles that need its operands."""
    order: tuple[int, ...]
    """The same in order."""

    @classmethod
    def make(cls, step: Step, homes: Sequence[int], wanted: Sequence[int] = ()) -> Spot:
        """Collect the tiles that need the operands of a step: those of arrays (``wanted``), else its own."""
        tiles = frozenset(wanted or homes)
        return cls(step, tuple(homes), tiles, tuple(sorted(tiles)))


def _place_steps(plan: Plan, places: Sequence[int], port: int) -> tuple[tuple[StepLayout, ...], Sites]:
    """Place every step, and find the tiles that results are sent to."""
    flow = trace_dataflow(plan.network)
    layers: dict[int, LayerPlan] = {flow.index[mapped.name]: mapped for mapped in plan.layers}
    bits, edges = _propagate_bits(plan, flow, layers), _list_edges(plan.network)
    slots = {index: place_layer(plan, layer, places) for index, layer in layers.items()}
    shared = share_tiles(plan, flow, slots, bits)
    written = {flow.index[name_write(each.name)]: each for each in plan.layers if each.is_product}
    writes = {at: flow.index[each.name] for at, each in written.items()}
    spots = _find_spots(plan, flow, Unplaced(slots, shared, writes), places, port)
    steps, whole, sends = [], LayerSlots([], [], [], []), Sends([], [], [], [])
    for index, spot in enumerate(spots):
        by_edge = [_list_targets(spot, spots[edge.consumer], edge, is_shared=index in shared) for edge in edges[index]]
        for targets in zip(*by_edge) if by_edge else [()] * len(spot.homes):
            sends.add(targets)
        for all_steps, own in zip(whole, slots.get(index) or _hold_operands(spot, is_input=index == 0)):
            all_steps += own
        step, layer, homes = spot.step, layers.get(index), spot.homes
        window = describe_window(
            step, layer, bits[index], plan.hardware.timing, tiles=len(homes),
            written_cycles=write_cycles(plan, written[index]) if index in written else 0,
        )  # fmt: skip
        steps.append(StepLayout(step, layer, bits[index], homes, edges[index], window))
    return tuple(steps), Sites.make([home for spot in spots for home in spot.homes], whole, sends)


def _hold_operands(spot: Spot, *, is_input: bool) -> LayerSlots:
    """Return the slots of a digital step, one in the home tile of each replica; the input needs none."""
    tiles = [] if is_input else list(spot.homes)
    return LayerSlots([int(not is_input)] * len(spot.homes), tiles, [0] * len(tiles), [0] * len(tiles))


class Unplaced(NamedTuple):
    """What is known of steps before they have a place, by their numbers."""

    slots: Mapping[int, LayerSlots]
    """Shares of tiles of layers."""
    shared: Mapping[int, Share]
    """Tiles that share a step."""
    written: Mapping[int, int]
    """Layer whose arrays a step writes."""


def _find_spots(plan: Plan, flow: Dataflow, found: Unplaced, places: Sequence[int], port: int) -> list[Spot]:
    """Find the tiles of every step."""
    slots, shared, written = found
    numbers = {place: tile for tile, place in enumerate(places)} if shared else {}
    spots: list[Spot] = []
    for index, step in enumerate(flow.steps):
        source = max((edge[0] for edge in step.edges), default=0)
        if index in slots:
            own = slots[index]
            firsts = itertools.accumulate(own.sizes[:-1], initial=0)
            spots.append(Spot.make(step, [own.tiles[first] for first in firsts], own.tiles))
        elif index in shared and shared[index].first < index:
            spots.append(Spot.make(step, spots[shared[index].first].homes))
        elif index in shared and shared[index].tiles > 1:
            first = numbers.get(spots[source].homes[0], 0)
            ring = [places[(first + each) % plan.tiles_used] for each in range(shared[index].tiles)]
            spots.append(Spot.make(step, ring))
        elif index in written:
            own = slots[written[index]]
            spots.append(Spot.make(step, own.tiles[:1], own.tiles))
        elif source == 0 or step.kind == "output":
            spots.append(Spot.make(step, [port]))
        else:
            spots.append(Spot.make(step, spots[source].homes))
    return spots


def _list_targets(producer: Spot, consumer: Spot, edge: Edge, *, is_shared: bool) -> list[tuple[int, ...]]:
    """Return the tiles that each replica sends to over an edge: none where shared rows stay in place, else all."""
    homes, tiles, order = producer.homes, consumer.tiles, consumer.order
    if is_shared and homes == consumer.homes and is_aligned(producer.step, consumer.step, edge.need):
        return [()] * len(homes)
    return [tuple([tile for tile in order if tile != home]) if home in tiles else order for home in homes]


def _propagate_bits(plan: Plan, flow: Dataflow, layers: Mapping[int, LayerPlan]) -> Sequence[int]:
    """Return the bits of a value of every step: the most that any consumer takes, from the output backwards."""
    key = (
        id(flow), plan.hardware.activation_bits, tuple([layer.activation_bits for layer in plan.layers]),
        tuple([layer.weight_bits for layer in plan.layers if layer.is_product]),
    )  # fmt: skip
    found = _BITS.get(key)
    return found if found is not None else _BITS.put(key, (flow,), _find_bits(plan, flow, layers))


def _find_bits(plan: Plan, flow: Dataflow, layers: Mapping[int, LayerPlan]) -> Sequence[int]:
    bits = [0] * len(flow.steps)
    for index in reversed(range(len(flow.steps))):
        layer = layers.get(index)
        wanted = layer.activation_bits if layer is not None else bits[index] or plan.hardware.activation_bits
        bits[index] = bits[index] or plan.hardware.activation_bits
        for source, _ in flow.steps[index].edges:
            stored = layer is not None and flow.steps[source].kind == STORE
            bits[source] = max(bits[source], layer.weight_bits if stored and layer is not None else wanted)
    return bits


@functools.lru_cache(maxsize=64)
def _list_edges(network: Network) -> tuple[tuple[Edge, ...], ...]:
    """Return the edges of every step, by producer."""
    flow = trace_dataflow(network)
    out: list[list[Edge]] = [[] for _ in flow.steps]
    for index, step in enumerate(flow.steps):
        for (source, need), keep in zip(step.edges, step.keeps):
            out[source].append(Edge(consumer=index, need=need, keep=keep))
    return tuple(tuple(each) for each in out)
