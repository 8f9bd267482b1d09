"""The cost of a single layer, for searches that assemble networks from layers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.component import is_off_chip
from xbarsim.config import Hardware
from xbarsim.cost.price import price
from xbarsim.cost.price_list import PriceList, price_idle
from xbarsim.cost.record import Cost
from xbarsim.cost.unpriced import find_unpriced
from xbarsim.errors import ConfigError, show_value
from xbarsim.limits import check_limit
from xbarsim.mapping import plan_network
from xbarsim.network import Epitome, Network, Node
from xbarsim.network.kinds import LAYER_RULES, REQUIRED, list_asked
from xbarsim.timing import simulate_plan

REPLICAS = "mapping.replicas"


@dataclass(frozen=True, kw_only=True)
class LayerContext:
    """What the cost of a layer depends on besides its shape and hardware.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    signed: bool = False
    """Whether inputs can be negative; after a ReLU they cannot."""
    activations: int = 0
    """Activation functions that every output passes."""
    replicas: int | None = None
    """Replicas; None: as the choice or the hardware says, else 1."""
    producers_s: float = 0.0
    """Time in which producers deliver all inputs, at an even pace; 0: inputs lie in the buffer from the start [s]."""

    def __post_init__(self) -> None:
        rules = (
            ("signed", isinstance(self.signed, bool), "true or false"),
            ("activations", _is_whole(self.activations, 0), "a whole number of at least 0"),
            ("replicas", self.replicas is None or _is_whole(self.replicas, 1), "a whole number of at least 1"),
            ("producers_s", _is_time(self.producers_s), "a time of at least 0 s"),
        )
        for key, is_right, rule in rules:
            if not is_right:
                raise ConfigError(f"{key}: {show_value(getattr(self, key))} is not {rule}")
        check_limit("activations", self.activations, "activations")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


ON_ITS_OWN = LayerContext()
"""Unsigned inputs that are there from the start, no activation function, one replica."""


def price_layer(
    kind: str,
    shape: Mapping[str, Any],
    hardware: Hardware,
    choice: Mapping[str, Any] | None = None,
    *,
    epitome: Epitome | None = None,
    context: LayerContext = ON_ITS_OWN,
) -> Cost:
    """Return the cost of one layer: its actions, its time, and the share of its arrays in tile area; without I/O.

    Parameters
    ----------
    kind : str
        ``conv2d`` or ``linear``.
    shape : mapping
        ``in_channels``, ``out_channels``, ``kernel``, ``stride`` (1), ``padding`` (0), ``dilation`` (1), ``groups`` (1)
        and the ``height`` and ``width`` of the input; or ``in_features``, ``out_features``, ``vectors`` (1).
    hardware : Hardware
        The accelerator.
    choice : mapping, optional
        Dotted key -> value for this layer.
    epitome : Epitome, optional
        Small tensor that the weights of a convolution are sampled from.
    context : LayerContext
        Sign and pace of its inputs, its replicas, and what its outputs pass.

    Returns
    -------
    Cost
        ``delay_s`` runs from the first array read to the last result, ``throughput_hz`` is the layer's own.

    Raises
    ------
    ConfigError
        As in :func:`check_shape`.
    """
    node, input_shape = _make_node(kind, shape)
    network = _surround(node, input_shape, context)
    if epitome is not None:
        network = network.with_epitomes({node.name: epitome})
    choice = _choose_replicas(choice, hardware, context)
    plan = plan_network(network, hardware, layers={node.name: choice} if choice else None, may_cut=False)
    activity = simulate_plan(plan, input_s=context.producers_s)
    whole = price(plan, activity)
    part = next(each for each in whole.layers if each.name == node.name)
    step = next(each for each in activity.steps if each.name == node.name)
    clock, own = hardware.clock_hz, plan.layers[0].hardware
    cycles = step.finish_cycles - step.start_cycles
    # idle components draw power while the layer works, not while its input arrives
    prices = PriceList.make(own)
    idle = math.fsum(price_idle(prices.tags, part.arrays, activity.interval_s).values())
    energy = part.energy_joule - idle * (1 - step.busy_cycles / activity.interval_cycles)
    throughput, delay = clock / step.busy_cycles, cycles / clock
    return dataclasses.replace(
        whole,
        energy_joule=energy,
        delay_s=delay,
        throughput_hz=throughput,
        area_m2=math.fsum(area for name, area in part.area_by_component.items() if not is_off_chip(name, hardware)),
        cycles=cycles,
        layers=(dataclasses.replace(part, energy_joule=energy),),
        components=(),
        unpriced=find_unpriced([step], {id(own): prices.priced}, id(plan.hardware)),
    )


def _surround(node: Node, input_shape: tuple[int, ...], context: LayerContext) -> Network:
    """Return a network of one layer, with activation functions that give its input its sign and follow its output."""
    nodes = [node]
    if not context.signed:
        front = Node(name="front", kind="relu")
        nodes = [front, dataclasses.replace(node, inputs=(front.name,))]
    for index in range(context.activations):
        nodes.append(Node(name=f"activation{index}", kind="relu", inputs=(nodes[-1].name,)))
    return Network(name=node.kind, nodes=tuple(nodes), input_shape=input_shape)


def _choose_replicas(
    choice: Mapping[str, Any] | None, hardware: Hardware, context: LayerContext
) -> Mapping[str, Any] | None:
    """Return the choice with the replicas of the context; those of a network are not balanced for one layer."""
    given = (choice or {}).get(REPLICAS, hardware.mapping.replicas)
    wanted = context.replicas or given or 1
    if wanted == given or (wanted == 1 and given is None and hardware.mapping.replication == "none"):
        return choice
    return {**(choice or {}), REPLICAS: wanted}


def check_shape(kind: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """Check the shape of a layer and fill in defaults.

    Parameters
    ----------
    kind : str
        A kind of weight layers.
    shape : mapping
        As in :func:`price_layer`.

    Returns
    -------
    dict
        Whole numbers, and tuples where a key takes several.

    Raises
    ------
    ConfigError
        If the kind or a key is unknown, a key is missing, or a value is not a whole number in range.
    """
    if not isinstance(kind, str) or kind not in list_asked():
        raise ConfigError(f"layer kind {kind!r}: not one of {', '.join(list_asked())}")
    if not isinstance(shape, Mapping):
        raise ConfigError(f"shape: {shape!r} is not a mapping of keys to numbers")
    known = LAYER_RULES[kind].query.keys
    for key in shape:
        if key not in known:
            raise ConfigError(f"shape.{key}: unknown key for {kind}; known: {', '.join(known)}")
    full = {}
    for key, setting in known.items():
        value = shape.get(key, setting.default)
        if value is REQUIRED:
            raise ConfigError(f"shape.{key}: missing for {kind}")
        try:
            full[key] = setting.read(_plain(value))
        except ValueError as rule:
            raise ConfigError(f"shape.{key}: {value!r} is not {rule}") from None
    return full


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _make_node(kind: str, shape: Mapping[str, Any]) -> tuple[Node, tuple[int, ...]]:
    full = check_shape(kind, shape)
    attributes, source = LAYER_RULES[kind].query.build(full)
    return Node(name="layer", kind=kind, attributes=attributes), source
