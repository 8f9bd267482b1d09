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
from xbarsim.timing.dataflow import POOLS, Dataflow, Step, trace_dataflow
from xbarsim.timing.part import ACTIVATION, POOLING, VECTOR, WRITER, Part, Resources, number_resources
from xbarsim.timing.place import PORT, Packet, place_tiles
from xbarsim.timing.program import write_cycles
from xbarsim.timing.route import NO_LINKS, Fabric, Tree, make_fabric
from xbarsim.timing.slots import Slot, place_replica, result_bits
from xbarsim.timing.spread import is_aligned, share_tiles

Targets = tuple[tuple[int, ...], ...]
"""Tiles that a result is sent to, by edge."""

_BITS: KeptResults[Sequence[int]] = KeptResults(256)


class StepReplica(NamedTuple):
    """A replica of a step: its position, and the packets that it sends for one window."""

    home: int
    """Tile where results are made."""
    slots: tuple[Slot, ...]
    """Shares of tiles; none for digital steps."""
    gathers: tuple[Tree, ...]
    """Links of the partial sums of every slot on their way home; none where the slot lies there."""
    targets: Targets
    """For each edge the tiles that the result is sent to; without its home."""
    result: Tree
    """Links of the result on its way to all consumers."""


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
    replicas: tuple[StepReplica, ...]
    """Replicas, which process windows in turn."""
    tiles: frozenset[int]
    """Tiles that need its operands."""
    edges: tuple[Edge, ...]
    """Streams to consumers."""
    written_cycles: int = 0
    """Cycles in which its operand is written into arrays; 0 for all other steps."""

    @property
    def is_write(self) -> bool:
        """Whether it writes an operand of a product into arrays."""
        return self.step.kind == STORE

    @property
    def unit_work(self) -> int:
        """Work of a window on its unit: values of a layer, operations of other steps, cycles of a write."""
        if self.is_write:
            return self.written_cycles
        return self.step.values if self.layer is not None else self.step.operations

    @property
    def result_bits(self) -> int:
        """Bits of one window's result."""
        return self.step.values * self.bits

    @property
    def unit(self) -> Part:
        """Part of the home tile that works on its results; the ends of the network leave it alone."""
        if self.layer is not None:
            return ACTIVATION
        if self.is_write:
            return WRITER
        return POOLING if self.step.kind in POOLS else VECTOR

    def operand_bits(self, store_bits: int) -> int:
        """Return the bits that a digital step reads from its buffer for one window.

        Parameters
        ----------
        store_bits : int
            Bits that the unit keeps of the operands of a product.

        Returns
        -------
        int
            Bits, on average and rounded up where a product reads operands again.
        """
        return self.step.count_operands(store_bits, self.bits, len(self.replicas)) * self.bits

    def windows_of(self, replica: int) -> int:
        """Return the windows of one inference that a replica takes.

        Parameters
        ----------
        replica : int
            Which replica, counted from 0.

        Returns
        -------
        int
            Those of every ``len(replicas)``-th class.
        """
        return (self.step.classes - replica + len(self.replicas) - 1) // len(self.replicas) * self.step.group


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Positions and names of the machine's parts, for counting and naming."""

    steps: tuple[StepLayout, ...]
    """Steps in order, the input first and the output last."""
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
    steps = _place_steps(plan, locate_tiles(plan), 0, fabric)
    has_writers = any(each.is_write for each in steps)
    return Layout(
        steps=steps,
        resources=number_resources(plan.hardware.timing, plan.tiles, tuple(fabric.ids), has_writers=has_writers),
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
    steps = _place_steps(plan, range(plan.tiles), PORT, None)
    return place_tiles(make_fabric(plan.hardware, plan.tiles_per_chip), plan.tiles, _list_packets(steps))


def _list_packets(steps: Sequence[StepLayout]) -> Iterator[Packet]:
    """Yield what every replica of every step sends in one inference: partial sums to its home, and its results."""
    for each in steps:
        for number, replica in enumerate(each.replicas):
            targets = tuple(sorted(set().union(*replica.targets)))
            windows = each.windows_of(number)
            yield Packet(replica.home, targets, windows * each.result_bits)
            if each.layer is not None:
                for slot in replica.slots:
                    yield Packet(slot.tile, (replica.home,), windows * slot.outputs * result_bits(each.layer))


class Site(NamedTuple):
    """Where one replica lies."""

    home: int
    slots: tuple[Slot, ...]


class Spot(NamedTuple):
    """Where the replicas of a step lie."""

    step: Step
    sites: list[Site]
    tiles: frozenset[int]
    """Tiles that need its operands."""
    order: tuple[int, ...]
    """The same in order."""

    @classmethod
    def make(cls, step: Step, sites: list[Site], wanted: frozenset[int] | None = None) -> Spot:
        """Collect the tiles of a step: those of the arrays that it writes where it does (``wanted``), else its own."""
        slots = [slot.tile for site in sites for slot in site.slots]
        tiles = wanted or frozenset(slots or [site.home for site in sites])
        return cls(step, sites, tiles, tuple(sorted(tiles)))


def _place_steps(plan: Plan, places: Sequence[int], port: int, fabric: Fabric | None) -> tuple[StepLayout, ...]:
    """Place every step and, where there is a fabric, find the links of every packet."""
    flow = trace_dataflow(plan.network)
    layers: dict[int, LayerPlan] = {flow.index[mapped.name]: mapped for mapped in plan.layers}
    bits, edges = _propagate_bits(plan, flow, layers), _list_edges(plan.network)
    slots = {
        index: [tuple(place_replica(plan, layer, replica, places)) for replica in range(layer.replicas)]
        for index, layer in layers.items()
    }
    shared, numbers = share_tiles(plan, flow, slots, bits), {place: tile for tile, place in enumerate(places)}
    written = {flow.index[name_write(each.name)]: each for each in plan.layers if each.is_product}
    wanted: dict[int, frozenset[int]] = {}
    sites: list[list[Site]] = []
    for index, step in enumerate(flow.steps):
        source = max((edge[0] for edge in step.edges), default=0)
        if index in layers:
            sites.append([Site(each[0].tile, each) for each in slots[index]])
        elif index in shared and shared[index].first < index:
            sites.append(sites[shared[index].first])
        elif index in shared and shared[index].tiles > 1:
            first = numbers.get(sites[source][0].home, 0)
            ring = [places[(first + each) % plan.tiles_used] for each in range(shared[index].tiles)]
            sites.append([Site(home, ()) for home in ring])
        elif index in written:
            (own,) = slots[flow.index[written[index].name]]
            sites.append([Site(own[0].tile, ())])
            wanted[index] = frozenset(slot.tile for slot in own)
        elif source == 0 or step.kind == "output":
            sites.append([Site(port, ())])
        else:
            sites.append([Site(site.home, ()) for site in sites[source]])
    spots = [Spot.make(step, each, wanted.get(index)) for index, (step, each) in enumerate(zip(flow.steps, sites))]
    placed = []
    for index, spot in enumerate(spots):
        by_edge = [_list_targets(spot, spots[edge.consumer], edge, index in shared) for edge in edges[index]]
        by_replica = zip(*by_edge) if by_edge else itertools.repeat(())
        replicas = tuple([_route_replica(fabric, site, targets) for site, targets in zip(spot.sites, by_replica)])
        placed.append(
            StepLayout(
                step=spot.step,
                layer=layers.get(index),
                bits=bits[index],
                replicas=replicas,
                tiles=spot.tiles,
                edges=edges[index],
                written_cycles=write_cycles(plan, written[index]) if index in written else 0,
            )
        )
    return tuple(placed)


def _list_targets(producer: Spot, consumer: Spot, edge: Edge, is_shared: bool) -> list[tuple[int, ...]]:
    """Return the tiles that each replica sends to over an edge: none where shared rows stay in place, else all."""
    homes = [site.home for site in producer.sites]
    is_alike = is_shared and homes == [site.home for site in consumer.sites]
    if is_alike and is_aligned(producer.step, consumer.step, edge.need):
        return [()] * len(homes)
    tiles, order = consumer.tiles, consumer.order
    return [tuple([tile for tile in order if tile != home]) if home in tiles else order for home in homes]


def _route_replica(fabric: Fabric | None, site: Site, targets: Targets) -> StepReplica:
    """Find the links of a replica's packets; partial sums first, since links are numbered as they are asked for."""
    home, slots = site
    stays = len(slots) < 2 and not any(targets)
    if fabric is None or stays:
        return StepReplica(
            home=home, slots=slots, gathers=(NO_LINKS,) * len(slots), targets=targets, result=NO_LINKS
        )  # fmt: skip
    gathers = tuple([fabric.tree(slot.tile, (home,)) if slot.tile != home else NO_LINKS for slot in slots])
    reached = targets[0] if len(targets) == 1 else tuple(sorted(set().union(*targets)))
    result = fabric.tree(home, reached) if reached else NO_LINKS
    return StepReplica(home=home, slots=slots, gathers=gathers, targets=targets, result=result)


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
