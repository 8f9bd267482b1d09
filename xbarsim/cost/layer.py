"""The cost of a single layer, for searches that assemble networks from layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.cost.price import list_prices, price, price_idle
from xbarsim.cost.record import Cost
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.network import Epitome, Network, Node
from xbarsim.network.kinds import LAYER_RULES, REQUIRED
from xbarsim.timing import simulate_plan


def price_layer(
    kind: str,
    shape: Mapping[str, Any],
    hardware: Hardware,
    choice: Mapping[str, Any] | None = None,
    *,
    epitome: Epitome | None = None,
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
    network = Network(name=kind, nodes=(node,), input_shape=input_shape)
    if epitome is not None:
        network = network.with_epitomes({node.name: epitome})
    plan = plan_network(network, hardware, layers={node.name: choice} if choice else None, may_cut=False)
    activity = simulate_plan(plan)
    whole = price(plan, activity)
    part = next(each for each in whole.layers if each.name == node.name)
    step = next(each for each in activity.steps if each.name == node.name)
    clock = hardware.clock_hz
    cycles = step.finish_cycles - step.start_cycles
    # idle components draw power while the layer works, not while its input arrives
    idle = sum(price_idle(list_prices(plan.layers[0].hardware), part.arrays, activity.interval_s).values())
    energy = part.energy_joule - idle * (1 - step.busy_cycles / activity.interval_cycles)
    throughput, delay = clock / step.busy_cycles, cycles / clock
    return dataclasses.replace(
        whole,
        energy_joule=energy,
        delay_s=delay,
        throughput_hz=throughput,
        area_m2=part.area_m2,
        cycles=cycles,
        layers=(dataclasses.replace(part, energy_joule=energy),),
        components=(),
    )


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
    if kind not in LAYER_RULES:
        raise ConfigError(f"layer kind {kind!r}: not one of {', '.join(LAYER_RULES)}")
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
