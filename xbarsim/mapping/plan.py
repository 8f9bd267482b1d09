"""Network x hardware -> plan: every layer's own hardware, its arrays, replicas and place on the chip.

Layers are numbered by depth in the network and then by name, whatever their order in the file
(:mod:`xbarsim.network.order`). Arrays are placed in this order: replica by replica, stripe by stripe, column block by
column block, row blocks (and the two arrays of a pair) side by side, so that most partial sums meet inside one tile.
Tiles are filled one after the other and may hold arrays of several layers; an array takes one slot whatever its size.
Where on the chip a tile lies is decided where traffic is known (``mapping.placement``, :mod:`xbarsim.timing.place`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.limits import check_limit
from xbarsim.mapping.choose import choose_hardware, share_choices, size_grouped
from xbarsim.mapping.layer import LayerDraft, LayerPlan, draft_layer, place_layers
from xbarsim.mapping.replicate import choose_replicas, refuse_replicas
from xbarsim.mapping.settle import settle_pulse
from xbarsim.mapping.turn import assign_turns, check_products, cut_for_turns, fit_chips
from xbarsim.network import Network, input_is_signed, name_parts, split_layers
from xbarsim.network.order import number_steps
from xbarsim.network.stored import store_products


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network on a chip (or several)."""

    network: Network
    """The network."""
    hardware: Hardware
    """Hardware without per-layer choices, network-wide bits included."""
    layers: tuple[LayerPlan, ...]
    """Weight layers by depth, then by name."""
    tiles_used: int
    """Tiles that hold arrays."""
    tiles_per_chip: int
    """Tiles of one chip."""
    chips: int
    """Number of chips."""
    turn_count: int
    """How often the arrays are programmed in one inference; 1: once for all."""

    @functools.cached_property
    def crossbars(self) -> int:
        """Crossbars of all layers, a pair counted once."""
        return sum(layer.crossbars for layer in self.layers)

    @functools.cached_property
    def arrays(self) -> int:
        """Physical arrays of all layers."""
        return sum(layer.arrays for layer in self.layers)

    @functools.cached_property
    def arrays_held(self) -> int:
        """Physical arrays that hold weights at once; fewer than ``arrays`` where layers take turns."""
        return max(layer.first_array + layer.arrays for layer in self.layers)

    @property
    def arrays_per_tile(self) -> int:
        """Array slots of a tile."""
        return self.hardware.chip.arrays_per_tile

    @property
    def pipelined(self) -> bool:
        """Whether layers run as a pipeline over windows; in turns they run one after the other."""
        return self.hardware.timing.pipelined and self.turn_count == 1

    @property
    def tiles(self) -> int:
        """Tiles of all chips, unused ones included."""
        return self.tiles_per_chip * self.chips

    @functools.cached_property
    def utilization(self) -> float:
        """Share of the cells of all used crossbars that hold a weight slice [-]."""
        return sum(layer.used_cells for layer in self.layers) / sum(layer.cells for layer in self.layers)

    @functools.cached_property
    def _by_name(self) -> dict[str, LayerPlan]:
        return {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> LayerPlan:
        """Return the plan of one layer; KeyError where there is none."""
        return self._by_name[name]


def plan_network(
    network: Network,
    hardware: Hardware,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    may_cut: bool = True,
) -> Plan:
    """Lay a network out on arrays, tiles and chips.

    Parameters
    ----------
    network : Network
        Shapes are enough; weights are not read. The plan's own network differs where ``mapping.reload`` is ``turns``
        and a layer takes more arrays than all chips hold: such layers are cut by their outputs; and where
        ``mapping.dynamic_products`` puts products of activations on arrays.
    hardware : Hardware
        The accelerator.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value, for example ``{"conv1": {"crossbar.rows": 32}}``.
    weight_bits, activation_bits : int, optional
        Bits of all layers, in place of the hardware's own.
    may_cut : bool
        Whether layers may be cut; if not, what is larger than all chips is refused.

    Returns
    -------
    Plan
        Layers with their arrays and places.

    Raises
    ------
    ConfigError
        If a choice names no layer, a key or value is wrong, or the network has no weight layer.
    MappingError
        If the arrays do not fit where ``chip.count`` is a number.
    """
    bits = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    hardware = hardware.override({key: value for key, value in bits.items() if value is not None})
    if hardware.mapping.dynamic_products != "digital":
        network = store_products(network)
    numbers = number_steps(network)
    nodes = sorted(network.layers, key=lambda node: numbers[node.name])
    if not nodes:
        raise ConfigError(f"network {network.name}: no convolution or linear layer to map")
    names = [node.name for node in nodes]
    chosen = size_grouped(nodes, choose_hardware(names, hardware, layers, network.name))
    settled = {id(each): settle_pulse(each, f"layer {name}") for name, each in chosen.items()}  # alike ones stay shared
    chosen = {name: settled[id(each)] for name, each in chosen.items()}
    drafts = [draft_layer(node, chosen[node.name], signed=input_is_signed(network, node.name)) for node in nodes]
    check_products(drafts, hardware)
    split = cut_for_turns(drafts, hardware) if may_cut else {}
    if split:
        shared = share_choices(layers, names, {name: name_parts(name, count) for name, count in split.items()})
        return plan_network(split_layers(network, split), hardware, layers=shared)
    drafts = assign_turns(drafts, hardware)
    turn_count = drafts[-1].turn + 1
    _check_arrays(drafts, network)
    drafts = refuse_replicas(drafts) if turn_count > 1 else choose_replicas(drafts, hardware)
    return _place_drafts(drafts, network, settle_pulse(hardware, f"hardware {hardware.name}"))


def replicate_plan(plan: Plan, replicas: Sequence[int]) -> Plan:
    """Lay the same layers out with other replicas.

    Parameters
    ----------
    plan : Plan
        In one turn.
    replicas : sequence of int, (layers,)
        Replicas of every layer.

    Returns
    -------
    Plan
        Layers with their arrays and places.

    Raises
    ------
    ConfigError
        If the arrays or tiles are more than the largest number of them.
    MappingError
        If the arrays do not fit where ``chip.count`` is a number.
    """
    drafts = [dataclasses.replace(layer, replicas=count) for layer, count in zip(plan.layers, replicas)]
    return _place_drafts(drafts, plan.network, plan.hardware)


def _place_drafts(drafts: Sequence[LayerDraft], network: Network, hardware: Hardware) -> Plan:
    """Place layers whose turns and replicas are chosen."""
    _check_arrays(drafts, network)
    placed, held = place_layers(drafts)
    tiles_per_chip, chips = fit_chips(held, hardware)
    check_limit("tiles", tiles_per_chip * chips, f"hardware {hardware.name}")
    return Plan(
        network=network,
        hardware=hardware,
        layers=placed,
        tiles_used=-(-held // hardware.chip.arrays_per_tile),
        tiles_per_chip=tiles_per_chip,
        chips=chips,
        turn_count=drafts[-1].turn + 1,
    )


def _check_arrays(drafts: Sequence[LayerDraft], network: Network) -> None:
    """Refuse plans of more arrays than memory and patience allow, before anything is built for each of them."""
    check_limit("arrays", sum(draft.arrays for draft in drafts), f"network {network.name}")
