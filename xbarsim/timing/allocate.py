"""Replicas by what the whole machine makes of them: a larger budget never gives a slower plan.

The mapping balances replicas by the time that arrays take. More replicas also send every input to more tiles, so that
links, buses and buffers may carry less than the arrays could do. Allocations are therefore tried from the smallest one
on, each with a fixed fraction of the interval of the one before, and last the fastest that the budgets allow. There is
one such series for every power of two of converters that arrays have, and for all of them, since the layer that takes
longest changes with converters. An allocation is taken only if neither delay nor interval is longer than the least of
those taken before it, but for ``SLACK``. The series do not depend on the budgets, which only end them, nor on widths of
links, buses and buffers, so that a wider link, or twice the converters, has the allocations that there were before.

No choice can promise that delay and interval both fall with every width: where a wide link helps a small allocation
more than a large one, the small one may have the shorter interval and the large one the shorter delay.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim.config import Hardware
from xbarsim.mapping import Plan, plan_network
from xbarsim.mapping.period import window_cycles
from xbarsim.mapping.replicate import Balance
from xbarsim.network import Network
from xbarsim.timing.simulate import Activity, keep_activity, simulate_plan

STEP = math.sqrt(0.5)
"""Interval of an allocation over that of the one before it in its series."""
SLACK = 1.01
"""Delay or interval of an allocation that is taken over the least of those taken before."""
PATIENCE = 6
"""Allocations in a row that are not taken before the series end."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An allocation and its time."""

    activity: Activity
    """Of one inference with these replicas."""

    @property
    def delay(self) -> int:
        """Cycles of one inference."""
        return self.activity.cycles

    @property
    def interval(self) -> int:
        """Cycles between two inferences."""
        return self.activity.interval_cycles


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
    once = plan_network(network, hardware, **settings)
    if hardware.mapping.replication == "none" or once.turn_count > 1:
        return once
    taken: Trial | None = None
    delay = interval = math.inf
    refused = 0
    steps = _list_converters(once)
    for plan in _list_plans(network, hardware, settings, steps):
        trial = Trial(activity=simulate_plan(plan))
        is_no_worse = trial.delay <= SLACK * delay and trial.interval <= SLACK * interval
        if is_no_worse and (trial.delay < delay or trial.interval < interval):
            taken, refused = trial, 0
            delay, interval = min(delay, trial.delay), min(interval, trial.interval)
        else:
            refused += 1
            if refused == PATIENCE:
                break
    assert taken is not None  # the first trial always is
    keep_activity(taken.activity)
    return taken.activity.plan


def _list_converters(plan: Plan) -> list[float]:
    """Return numbers of converters of an array, all and powers of two below, with which layers compare differently."""
    most = max(layer.hardware.adc.per_array for layer in plan.layers)
    found: dict[tuple[int, ...], float] = {}
    for count in [most, *(2.0**power for power in reversed(range(math.ceil(math.log2(max(most, 1))))))]:
        found.setdefault(_time_windows(plan, count), count)
    return list(found.values())


def _list_plans(
    network: Network, hardware: Hardware, settings: Mapping[str, Any], steps: Sequence[float]
) -> Iterator[Plan]:
    """Yield different plans of all series that the budgets allow, by their arrays."""
    series = [_list_balanced(network, hardware, settings, converters) for converters in steps]
    merged = heapq.merge(*series, key=lambda plan: (plan.arrays, _find_replicas(plan)))
    for _, alike in itertools.groupby(merged, _find_replicas):
        yield next(alike)


def _list_balanced(
    network: Network, hardware: Hardware, settings: Mapping[str, Any], converters: float
) -> Iterator[Plan]:
    """Yield plans of a series, from one replica of every layer on, and the fastest."""
    fastest = plan_network(network, hardware, **settings, balance=Balance(converters))
    cycles = _time_windows(fastest, converters)
    time: float = max(layer.windows * each for layer, each in zip(fastest.layers, cycles))
    least = max(-(-layer.windows // layer.replicas) * each for layer, each in zip(fastest.layers, cycles))
    while time >= least:
        yield plan_network(network, hardware, **settings, balance=Balance(converters, math.ceil(time)))
        time *= STEP
    yield fastest


def _time_windows(plan: Plan, converters: float) -> tuple[int, ...]:
    """Return the cycles that a window occupies the arrays of every layer with so many converters."""
    return tuple(window_cycles(layer, converters)[0] for layer in plan.layers)


def _find_replicas(plan: Plan) -> tuple[int, ...]:
    return tuple(layer.replicas for layer in plan.layers)
