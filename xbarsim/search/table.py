"""Costs of all options of a space, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.network import Network
from xbarsim.network.graph import rule_of
from xbarsim.network.reshape import change_layer, describe_context
from xbarsim.search.design import choose_keys
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import SearchSlot, Space

TERMS = {"latency": "delay_s", "energy": "energy_joule", "area": "area_m2"}
"""Lambda -> what it weighs."""
SUMS = (*TERMS.values(), "tiles", "fill_s")
"""Columns that add up over the layers of a slot: also tiles of the layer's arrays, and the time in which a pipeline
passes its first windows on."""
PACE = "pace_s"
"""Column whose largest value over the layers counts: the time of the windows behind the first ones."""


def tabulate_options(space: Space, oracle: CostOracle) -> dict[str, list[np.ndarray]]:
    """Ask the oracle for every option of every slot.

    Parameters
    ----------
    space : Space
        What can be chosen.
    oracle : CostOracle
        Who knows.

    Returns
    -------
    dict
        Column (``delay_s``, ``energy_joule``, ``area_m2``, ``tiles``, ``fill_s``, ``pace_s``) -> one array a slot,
        (options,), over the slot's layers; 0 for the zero operator.
    """
    table: dict[str, list[np.ndarray]] = {name: [] for name in (*SUMS, PACE)}
    for slot in space.slots:
        rows = [_ask_option(space.network, slot, slot.option(index), oracle) for index in range(slot.count)]
        for name, row in table.items():
            row.append(np.array([each[name] for each in rows]))
    return table


def tabulate_rest(space: Space, oracle: CostOracle) -> dict[str, float]:
    """Ask the oracle for the layers without a choice.

    Parameters
    ----------
    space : Space
        What can be chosen.
    oracle : CostOracle
        Who knows.

    Returns
    -------
    dict
        Column, as in :func:`tabulate_options` -> value over these layers.
    """
    chosen = {name for slot in (*space.slots, *space.fixed) for name in slot.layers}
    rest = tuple(node.name for node in space.network.layers if node.name not in chosen)
    slots = [*space.fixed, SearchSlot(name="", layers=rest, axes={})]
    rows = [_ask_option(space.network, slot, slot.option(0), oracle) for slot in slots]
    sums = {name: math.fsum(row[name] for row in rows) for name in SUMS}
    return {**sums, PACE: max(row[PACE] for row in rows)}


@dataclass(frozen=True, kw_only=True)
class _Query:
    """A layer with an option, as the oracle takes it."""

    kind: str
    shape: Mapping[str, Any]
    choice: Mapping[str, Any]
    fill: float
    """Share of its time in which a pipeline passes first windows on [-]."""


def _ask_option(network: Network, slot: SearchSlot, option: Any, oracle: CostOracle) -> dict[str, float]:
    """Return the columns of one option over the layers of a slot."""
    found = dict.fromkeys((*SUMS, PACE), 0.0)
    if isinstance(option, str):
        return found
    for layer in slot.layers:
        query = _describe_query(network, layer, option)
        cost = oracle.layer(query.kind, query.shape, query.choice, **describe_context(network, layer))
        busy = 1 / cost.throughput_hz
        for name in TERMS.values():
            found[name] += getattr(cost, name)
        found["tiles"] += cost.arrays / oracle.hardware.chip.arrays_per_tile
        found["fill_s"] += query.fill * busy
        found[PACE] = max(found[PACE], (1 - query.fill) * busy)
    return found


def _describe_query(network: Network, layer: str, option: Any) -> _Query:
    node = network.node(layer)
    source = network.shape_of(node.inputs[0])
    node = change_layer(node, source, option.get("kernel") if node.has_kernel else None, 1.0)
    query = rule_of(node).query
    choice = choose_keys(option)
    choice |= {axis: option[axis] for axis in ("width", "epitome") if option.get(axis) not in (None, 1.0)}
    if not node.has_kernel:
        choice.pop("epitome", None)
    return _Query(kind=node.kind, shape=query.describe(node, source), choice=choice, fill=find_fill(node, source))


def find_fill(node: Any, source: Sequence[int]) -> float:
    """Return the share of a layer's inputs that its first window waits for.

    Parameters
    ----------
    node : Node
        The layer.
    source : sequence of int
        Shape of its input, (channels, *size) of a convolution, else (..., features).

    Returns
    -------
    float
        Above 0, at most 1 [-]; a pipeline takes this share of the layer's time once more, at its start or at its end.
    """
    if not node.has_kernel:
        return 1.0 / max(1, math.prod(source[:-1]))
    sizes, attributes = source[1:], node.attributes
    needed = 0
    for axis, size in enumerate(sizes):
        window = (attributes["kernel"][axis] - 1) * attributes["dilation"][axis] + 1
        needed = needed * size + min(max(window - attributes["padding"][axis], 1), size) - 1
    return (needed + 1) / math.prod(sizes)
