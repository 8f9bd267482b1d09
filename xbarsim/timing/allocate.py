"""Replicas by what the whole machine makes of them: a larger budget never gives a slower plan.

The mapping balances replicas by the time that arrays take. More replicas also send every input to more tiles, so that
links, buses and buffers may carry less than the arrays could do. Allocations are therefore tried from the smallest one
on, each with a fixed fraction of the interval of the one before, and last the fastest that the budgets allow. One is
taken only if neither delay nor interval is longer than that of any allocation taken before it. The series does not
depend on the budgets, which only end it, nor on widths of links, buses and buffers, so that a larger budget or a wider
link has at least the allocations of a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xbarsim.config import Hardware
from xbarsim.mapping import LayerPlan, Plan, plan_network
from xbarsim.mapping.period import window_cycles
from xbarsim.network import Network
from xbarsim.timing.simulate import simulate_plan

STEP = math.sqrt(0.5)
"""Interval of an allocation over that of the one before it."""
SLACK = 1.002
"""Delay or interval of an allocation that is taken over the least of those taken before."""
PATIENCE = 3
"""Allocations in a row that are not taken before the series ends."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An allocation and its time."""

    plan: Plan
    """Network with these replicas."""
    delay: int
    """Cycles of one inference."""
    interval: int
    """Cycles between two inferences."""


def plan_pipeline(
    network: Network,
    hardware: Hardware,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
) -> Plan:
    """Lay a network out as :func:`~xbarsim.mapping.plan_network` does, with replicas that the whole machine can use.

    Parameters
    ----------
    network : Network
        Shapes are enough; weights are not read.
    hardware : Hardware
        The accelerator.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    weight_bits, activation_bits : int, optional
        Bits of all layers, in place of the hardware's own.

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
    settings: dict[str, Any] = {"layers": layers, "weight_bits": weight_bits, "activation_bits": activation_bits}
    fastest = plan_network(network, hardware, **settings)
    if hardware.mapping.replication == "none" or fastest.turn_count > 1:
        return fastest
    taken: Trial | None = None
    delay = interval = math.inf
    refused = 0
    for plan in _list_plans(network, hardware, settings, fastest):
        activity = simulate_plan(plan)
        trial = Trial(plan=plan, delay=activity.cycles, interval=activity.interval_cycles)
        is_no_worse = trial.delay <= SLACK * delay and trial.interval <= SLACK * interval
        if is_no_worse and (trial.delay < delay or trial.interval < interval):
            taken, refused = trial, 0
            delay, interval = min(delay, trial.delay), min(interval, trial.interval)
        else:
            refused += 1
            if refused == PATIENCE:
                break
    assert taken is not None  # the first trial always is
    return taken.plan


def _list_plans(network: Network, hardware: Hardware, settings: Mapping[str, Any], fastest: Plan) -> Iterator[Plan]:
    """Yield plans of the series that the budgets allow, from one replica of every layer on, and the fastest."""
    found = _find_replicas(fastest)
    before: dict[str, int] = {}
    time: float = _time_arrays(fastest, once=True)
    while time >= _time_arrays(fastest, once=False):
        plan = plan_network(network, hardware, **settings, interval=math.ceil(time))
        now = _find_replicas(plan)
        if now != before and now != found:
            yield plan
        before, time = now, time * STEP
    yield fastest


def _find_replicas(plan: Plan) -> dict[str, int]:
    return {layer.name: layer.replicas for layer in plan.layers}


def _time_arrays(plan: Plan, *, once: bool) -> int:
    """Return the cycles that the slowest arrays take, with their replicas or one of each layer."""
    return max(_time_layer(layer, 1 if once else layer.replicas) for layer in plan.layers)


def _time_layer(layer: LayerPlan, replicas: int) -> int:
    return -(-layer.windows // replicas) * window_cycles(layer)[0]
