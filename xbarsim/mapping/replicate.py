"""Replicas of layers with many windows, which would otherwise limit the throughput of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from xbarsim.component import measure_chip
from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping.layer import LayerDraft
from xbarsim.mapping.period import window_cycles
from xbarsim.mapping.turn import count_slots, fit_chips


class Balance(NamedTuple):
    """What replicas are balanced by."""

    converters: float | None = None
    """Converters of an array where it has more, in the time of its windows; None for all that it has."""
    interval: int | None = None
    """Cycles in which the arrays of a layer should do their windows; None for the least that the budgets allow."""


BY_TIME = Balance()
"""The time of arrays as they are, as short as the budgets allow."""


class Load(NamedTuple):
    """Work that replicas share."""

    windows: int
    """Windows of one inference; more replicas than windows are useless."""
    cycles: int
    """Cycles that a window occupies the arrays of a replica."""

    def share(self, interval: int) -> int:
        """Return the replicas that are done in so many cycles, or a replica for each window where none are."""
        turns = interval // self.cycles
        return self.windows if turns < 1 else -(-self.windows // turns)


def balance_replicas(loads: Sequence[Load], fits: Callable[[Sequence[int]], bool]) -> list[int]:
    """Choose replicas that make the slowest layer as fast as a budget allows.

    The least interval T is found by bisection: replicas of a layer that takes c cycles for a window have time for
    floor(T / c) windows each, and what they take falls with T. What is left of the budget is not spent, since no layer
    would become the faster bottleneck.

    Parameters
    ----------
    loads : sequence of Load
        Layers.
    fits : callable
        Tells whether so many replicas, by layer, are within the budget; a single replica of every layer is.

    Returns
    -------
    list of int
        Replicas, at least 1 each.
    """
    if not loads:
        return []
    low, high = 1, max(load.windows * load.cycles for load in loads)
    while low < high:
        middle = (low + high) // 2
        if fits([load.share(middle) for load in loads]):
            high = middle
        else:
            low = middle + 1
    return [load.share(high) for load in loads]


def choose_replicas(drafts: Sequence[LayerDraft], hardware: Hardware) -> list[LayerDraft]:
    """Choose the replicas of every layer within the budgets of arrays and area.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers, one replica each, in one turn.
    hardware : Hardware
        ``mapping`` says whether there are replicas and what they may take, ``chip`` what there is.

    Returns
    -------
    list of LayerDraft
        The same layers with their replicas.

    Raises
    ------
    ConfigError
        If nothing limits the replicas, or an area is to limit them and no component has one.
    MappingError
        If one replica of every layer is already more than a budget.
    """
    if hardware.mapping.replication == "none":
        counts = _least_replicas(drafts)
    else:
        counts = count_replicas(drafts, hardware, BY_TIME)
    return [
        draft if draft.replicas == count else replace(draft, replicas=count) for draft, count in zip(drafts, counts)
    ]


def count_replicas(drafts: Sequence[LayerDraft], hardware: Hardware, balance: Balance) -> list[int]:
    """Return the replicas of every layer, balanced.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers in one turn, with any replicas.
    hardware : Hardware
        ``mapping`` says what replicas may take, ``chip`` what there is.
    balance : Balance
        Converters and cycles that replicas are chosen for; where it gives cycles, budgets are not looked at.

    Returns
    -------
    list of int
        By layer.

    Raises
    ------
    ConfigError, MappingError
        As :func:`choose_replicas`.
    """
    least = _least_replicas(drafts)
    free = [index for index, draft in enumerate(drafts) if _find_fixed(draft) is None]
    loads = [Load(drafts[index].windows, window_cycles(drafts[index], balance.converters)[0]) for index in free]

    def complete(replicas: Sequence[int]) -> list[int]:
        chosen = list(least)
        for index, count in zip(free, replicas):
            chosen[index] = count
        return chosen

    if balance.interval is not None:
        return complete([load.share(balance.interval) for load in loads])
    fits = _limit_replicas(drafts, hardware)
    return complete(balance_replicas(loads, lambda counts: fits(complete(counts))))


def _limit_replicas(drafts: Sequence[LayerDraft], hardware: Hardware) -> Callable[[Sequence[int]], bool]:
    """Return what tells whether replicas are within the budgets; the least replicas have to be."""
    least = _least_replicas(drafts)
    budget, area_budget = _find_budget(hardware), hardware.mapping.area_budget_m2
    sizes = [draft.replica_arrays * draft.sets for draft in drafts]
    chip = None if area_budget is None else measure_chip(hardware, [draft.hardware for draft in drafts])

    def square_metres(replicas: Sequence[int]) -> float:
        held = [count * size for count, size in zip(replicas, sizes)]
        tiles_per_chip, chips = fit_chips(sum(held), hardware)
        return chip.sum_up(held, tiles_per_chip, chips) if chip else 0.0

    def fits(replicas: Sequence[int]) -> bool:
        if budget is not None and sum(count * size for count, size in zip(replicas, sizes)) > budget:
            return False
        return area_budget is None or square_metres(replicas) <= area_budget

    once = sum(count * size for count, size in zip(least, sizes))
    without = "without replicas" if max(least) == 1 else "with the replicas set by hand"
    if budget is not None and once > budget:
        raise MappingError(
            f"mapping.array_budget: {budget} arrays are fewer than the {once} that the weights need {without}; "
            f"give at least {once}"
        )
    if area_budget is not None:
        metres = square_metres(least)
        if not metres:
            raise ConfigError("mapping.area_budget_m2: cannot be used, since no component of this hardware has an area")
        if metres > area_budget:
            raise MappingError(
                f"mapping.area_budget_m2: {area_budget:g} m2 are less than the {metres:.4g} m2 that the weights need "
                f"{without}"
            )
    return fits


def _least_replicas(drafts: Sequence[LayerDraft]) -> list[int]:
    """Return the replicas that are set by hand, and one of every other layer."""
    return [_find_fixed(draft) or 1 for draft in drafts]


def refuse_replicas(drafts: Sequence[LayerDraft]) -> list[LayerDraft]:
    """Refuse replicas that are set by hand where layers take turns.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers.

    Returns
    -------
    list of LayerDraft
        The same layers.

    Raises
    ------
    ConfigError
        If a layer has more than one replica.
    """
    for draft in drafts:
        if (_find_fixed(draft) or 1) > 1:
            raise ConfigError(
                f"layer {draft.name}: mapping.replicas: {draft.hardware.mapping.replicas} contradicts mapping.reload: "
                "turns, in which layers run one after another without replicas; set one replica, or give chips that "
                "hold all weights"
            )
    return list(drafts)


def _find_fixed(draft: LayerDraft) -> int | None:
    """Return the replicas of a layer that are set by hand, None where they are chosen; products have one."""
    fixed = 1 if draft.is_product else draft.hardware.mapping.replicas
    return None if fixed is None else min(fixed, draft.windows)


def _find_budget(hardware: Hardware) -> int | None:
    """Return the arrays that replicas may use, None where only their area is limited."""
    mapping, chip = hardware.mapping, hardware.chip
    if mapping.array_budget is not None:
        return mapping.array_budget
    if mapping.area_budget_m2 is not None:
        return count_slots(hardware)
    if chip.tiles == "auto":
        raise ConfigError(
            "mapping.array_budget: missing; mapping.replication: balanced needs it, or mapping.area_budget_m2, where "
            "chip.tiles is auto"
        )
    count = 1 if chip.count == "auto" else chip.count
    return count * chip.tiles * chip.arrays_per_tile
