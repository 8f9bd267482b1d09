"""The cost of one layer on its own, for searches that put networks together from layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from xbarsim.config import Hardware
from xbarsim.cost.price import list_prices, price, price_idle
from xbarsim.cost.record import Cost
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.network import Network, Node, make_conv2d, make_linear
from xbarsim.timing import simulate_plan

SHAPES = {
    "conv2d": ("in_channels", "out_channels", "kernel", "stride", "padding", "groups", "height", "width"),
    "linear": ("in_features", "out_features", "vectors"),
}
"""Kind of layer -> keys of its shape."""
DEFAULTS = {"stride": 1, "padding": 0, "groups": 1, "vectors": 1}
"""Keys that may be left out."""


def price_layer(
    kind: str, shape: Mapping[str, Any], hardware: Hardware, choice: Mapping[str, Any] | None = None
) -> Cost:
    """Price one layer: its actions, its time on its arrays, and their share of tile area; no I/O.

    Parameters
    ----------
    kind : str
        ``conv2d`` or ``linear``.
    shape : mapping
        ``in_channels``, ``out_channels``, ``kernel``, ``stride``, ``padding``, ``groups`` and the ``height`` and
        ``width`` of the input; or ``in_features``, ``out_features``, ``vectors``.
    hardware : Hardware
        The accelerator.
    choice : mapping, optional
        Dotted key -> value for this layer.

    Returns
    -------
    Cost
        ``delay_s`` runs from the first array read to the last result, ``throughput_hz`` is the layer's own.

    Raises
    ------
    ConfigError
        If the kind or a key is unknown or missing.
    """
    node, input_shape = _make_node(kind, shape)
    network = Network(name=kind, nodes=(node,), input_shape=input_shape)
    plan = plan_network(network, hardware, layers={node.name: choice} if choice else None, may_cut=False)
    activity = simulate_plan(plan)
    whole = price(plan, activity)
    part = next(each for each in whole.layers if each.name == node.name)
    step = next(each for each in activity.steps if each.name == node.name)
    clock = hardware.timing.clock_hz
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


def _make_node(kind: str, shape: Mapping[str, Any]) -> tuple[Node, tuple[int, ...]]:
    if kind not in SHAPES:
        raise ConfigError(f"layer kind {kind!r}: not one of {', '.join(SHAPES)}")
    given = {**{key: value for key, value in DEFAULTS.items() if key in SHAPES[kind]}, **shape}
    for key in given:
        if key not in SHAPES[kind]:
            raise ConfigError(f"shape.{key}: unknown key for {kind}; known: {', '.join(SHAPES[kind])}")
    for key in SHAPES[kind]:
        if key not in given:
            raise ConfigError(f"shape.{key}: missing for {kind}")
    if kind == "linear":
        vectors = int(given["vectors"])
        features = int(given["in_features"])
        node = make_linear("layer", features, int(given["out_features"]))
        return node, ((features,) if vectors == 1 else (vectors, features))
    node = make_conv2d(
        "layer", int(given["in_channels"]), int(given["out_channels"]), given["kernel"], stride=given["stride"],
        padding=given["padding"], groups=int(given["groups"]),
    )  # fmt: skip
    return node, (int(given["in_channels"]), int(given["height"]), int(given["width"]))
