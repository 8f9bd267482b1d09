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

Most allocations are never timed. With given replicas a network takes at least the time of its arrays and units alone
(:mod:`xbarsim.timing.least`), a hundredth of the work of the event loop. Where an allocation takes no longer than that
bound of all those that would be tried before it, it is taken whatever their own times are, and they are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from xbarsim.config import Hardware
from xbarsim.mapping import Plan, plan_network, replicate_plan
from xbarsim.mapping.period import window_cycles
from xbarsim.mapping.replicate import Balance, count_replicas
from xbarsim.network import Network
from xbarsim.timing.least import LeastTimes, Times
from xbarsim.timing.simulate import Activity, keep_activity, simulate_plan

STEP = math.sqrt(0.5)
"""Interval of an allocation over that of the one before it in its series."""
SLACK = 1.01
"""Delay or interval of an allocation that is taken over the least of those taken before."""
PATIENCE = 6
"""Allocations in a row that are not taken before the series end."""

Replicas = tuple[int, ...]


class Trials:
    """Allocations in the order in which they are tried, and what is known of their times.

    Parameters
    ----------
    plan : Plan
        The layers, with any replicas.
    replicas : list of tuple of int
        Allocations: replicas by layer.
    """

    def __init__(self, plan: Plan, replicas: list[Replicas]) -> None:
        self.plan, self.replicas = plan, replicas
        self._run: dict[int, Activity] = {}
        self._bounds: dict[int, Times] = {}
        self._least: LeastTimes | None = None

    def run(self, index: int) -> Activity:
        """Run an allocation through the machine, once."""
        found = self._run.get(index)
        if found is None:
            found = self._run[index] = simulate_plan(replicate_plan(self.plan, self.replicas[index]))
        return found

    def bound(self, index: int, like: Activity) -> Times:
        """Return the least times of an allocation; ``like`` is the activity of any other."""
        if self._least is None:
            self._least = LeastTimes(like)
        found = self._bounds.get(index)
        if found is None:
            found = self._bounds[index] = self._least.find(self.replicas[index])
        return found

    def find_next(self, position: int, refused: int, least: Times) -> int:
        """Return the next allocation that has to be looked at.

        Parameters
        ----------
        position : int
            The last one that was looked at.
        refused : int
            Allocations in a row that were not taken.
        least : Times
            Least times of those taken before.

        Returns
        -------
        int
            The last one that is taken for certain before patience can end, else that after ``position``.
        """
        end, reach = len(self.replicas) - 1, position + PATIENCE - refused
        last = end - PATIENCE * max(0, -(-(end - reach) // PATIENCE))  # small ones run faster, with as many steps left
        if self.plan.hardware.timing.stream_bits is not None:  # any allocation may be refused with an error
            last = position + 1
        for index in range(last, position + 1, -1):
            activity, before = self.run(index), range(index - 1, position, -1)
            own = Times(activity.cycles, activity.interval_cycles)
            if own.is_less(least) and all(own.is_less(self.bound(each, activity)) for each in before):
                return index
        return position + 1


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
    once = plan_network(network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits)
    if hardware.mapping.replication == "none" or once.turn_count > 1:
        return once
    trials = Trials(once, _list_allocations(once))
    taken: Activity | None = None
    least = Times(math.inf, math.inf)
    position, refused = -1, -1  # the first allocation is taken, so that patience cannot end before it
    while position + 1 < len(trials.replicas) and refused < PATIENCE:
        position = trials.find_next(position, refused, least)
        trial = trials.run(position)
        delay, interval = trial.cycles, trial.interval_cycles
        is_no_worse = delay <= SLACK * least.delay and interval <= SLACK * least.interval
        if is_no_worse and (delay < least.delay or interval < least.interval):
            taken, refused = trial, 0
            least = Times(min(least.delay, delay), min(least.interval, interval))
        else:
            refused += 1
    assert taken is not None  # the first trial always is, or one after it
    keep_activity(taken)
    return taken.plan


def _list_allocations(plan: Plan) -> list[Replicas]:
    """Return the allocations of all series that the budgets allow, by their arrays."""
    sizes = [layer.replica_arrays * layer.sets for layer in plan.layers]
    found = {each for converters in _list_converters(plan) for each in _list_balanced(plan, converters)}

    def order(replicas: Replicas) -> tuple[int, Replicas]:
        return sum(count * size for count, size in zip(replicas, sizes)), replicas

    return sorted(found, key=order)


def _list_converters(plan: Plan) -> list[float]:
    """Return numbers of converters of an array, all and powers of two below, with which layers compare differently."""
    most = max(layer.hardware.adc.per_array for layer in plan.layers)
    found: dict[tuple[int, ...], float] = {}
    for count in [most, *(2.0**power for power in reversed(range(math.ceil(math.log2(max(most, 1))))))]:
        found.setdefault(_time_windows(plan, count), count)
    return list(found.values())


def _list_balanced(plan: Plan, converters: float) -> list[Replicas]:
    """Return the allocations of a series, from one replica of every layer on, and the fastest."""
    fastest = tuple(count_replicas(plan.layers, plan.hardware, Balance(converters)))
    replicate_plan(plan, fastest)  # refuses what does not fit, whichever allocations are timed
    cycles = _time_windows(plan, converters)
    turns = [-(-layer.windows // count) for layer, count in zip(plan.layers, fastest)]
    time: float = max(layer.windows * each for layer, each in zip(plan.layers, cycles))
    least = max(count * each for count, each in zip(turns, cycles))
    found = []
    while time >= least:
        found.append(tuple(count_replicas(plan.layers, plan.hardware, Balance(converters, math.ceil(time)))))
        time *= STEP
    return [*found, fastest]


def _time_windows(plan: Plan, converters: float) -> tuple[int, ...]:
    """Return the cycles that a window occupies the arrays of every layer with so many converters."""
    return tuple(window_cycles(layer, converters)[0] for layer in plan.layers)
