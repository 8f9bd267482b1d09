"""Copies of layers with many windows, so that a pipeline is not held up by its first layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xbarsim.component import shared_area, slot_area
from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping.epitome import EpitomePlan
from xbarsim.mapping.partition import LayerMatrix, Partition
from xbarsim.mapping.turn import count_slots, fit_chips
from xbarsim.mvm import is_paired, stream_count


def balance_copies(work: Sequence[int], windows: Sequence[int], fits: Callable[[Sequence[int]], bool]) -> list[int]:
    """Choose copies that make the slowest layer as fast as a budget allows.

    The least interval T is found by bisection: a layer of ``work`` w needs ceil(w / T) copies to keep up, and what
    they take falls with T. What is left of the budget is not spent, since no layer would become the faster
    bottleneck.

    Parameters
    ----------
    work : sequence of int
        Cycles that the arrays of one copy are busy in one inference, by layer.
    windows : sequence of int
        Windows of one inference, by layer; more copies than windows are useless.
    fits : callable
        Tells whether so many copies, by layer, are within the budget; single copies are.

    Returns
    -------
    list of int
        Copies, at least 1 each.
    """
    if not work:
        return []

    def copies(interval: int) -> list[int]:
        return [min(w, -(-load // interval)) for load, w in zip(work, windows)]

    low, high = 1, max(work)
    while low < high:
        middle = (low + high) // 2
        if fits(copies(middle)):
            high = middle
        else:
            low = middle + 1
    return copies(high)


def choose_copies(
    hardware: Hardware,
    chosen: Sequence[Hardware],
    matrices: Sequence[LayerMatrix],
    cuts: Sequence[Partition],
    signs: Sequence[bool],
    epitomes: Sequence[EpitomePlan | None],
) -> list[int]:
    """Choose the copies of every layer within the budgets of arrays and area.

    Parameters
    ----------
    hardware : Hardware
        ``mapping`` says whether there are copies and what they may take, ``chip`` what there is.
    chosen : sequence of Hardware
        Hardware of every layer.
    matrices, cuts, signs, epitomes : sequences
        Every layer as matrices, how they are cut, whether its inputs can be negative, and its index tables or None.

    Returns
    -------
    list of int
        Copies, at least 1 each.

    Raises
    ------
    ConfigError
        If nothing limits the copies, or an area is to limit them and no component has one.
    MappingError
        If one copy of every layer is already more than a budget.
    """
    mapping = hardware.mapping
    if mapping.replication == "none":
        return [1] * len(matrices)
    budget, area_budget = _find_budget(hardware), mapping.area_budget_m2
    wider = [(each.extra_bits, each.round_count) if each else (0, 1) for each in epitomes]
    streams = [
        stream_count(hw.activation_bits + extra, hw.dac.bits, s) * rounds
        for hw, s, (extra, rounds) in zip(chosen, signs, wider)
    ]
    work = [matrix.windows * count for matrix, count in zip(matrices, streams)]
    arrays = [cut.crossbars * (2 if is_paired(hw) else 1) for cut, hw in zip(cuts, chosen)]
    each_m2 = {id(hw): slot_area(hw) for hw in (hardware, *chosen)}

    def area_of(copies: Sequence[int]) -> float:
        held = [count * own for count, own in zip(copies, arrays)]
        tiles_per_chip, chips = fit_chips(sum(held), hardware)
        slots = tiles_per_chip * chips * hardware.chip.arrays_per_core * hardware.chip.cores_per_tile
        used = sum(count * each_m2[id(hw)] for count, hw in zip(held, chosen))
        return used + (slots - sum(held)) * each_m2[id(hardware)] + chips * shared_area(hardware)

    def fits(copies: Sequence[int]) -> bool:
        if budget is not None and sum(count * own for count, own in zip(copies, arrays)) > budget:
            return False
        return area_budget is None or area_of(copies) <= area_budget

    once = [1] * len(arrays)
    if budget is not None and sum(arrays) > budget:
        more = f"{sum(arrays) - budget} more than {budget}"
        raise MappingError(f"mapping.array_budget: {sum(arrays)} arrays hold the weights once, {more}")
    if area_budget is not None:
        least = area_of(once)
        if not least:
            raise ConfigError("mapping.area_budget_m2: no component of this hardware has an area")
        if least > area_budget:
            raise MappingError(
                f"mapping.area_budget_m2: the weights once take {least:.4g} m2, more than {area_budget:g}"
            )
    return balance_copies(work, [matrix.windows for matrix in matrices], fits)


def _find_budget(hardware: Hardware) -> int | None:
    """Return the arrays that copies may use, None where only their area is limited."""
    mapping, chip = hardware.mapping, hardware.chip
    if mapping.array_budget is not None:
        return mapping.array_budget
    if mapping.area_budget_m2 is not None:
        return count_slots(hardware)
    if chip.tiles == "auto":
        raise ConfigError(
            "mapping.array_budget: needed for mapping.replication: balanced where chip.tiles is auto "
            "(or mapping.area_budget_m2)"
        )
    count = 1 if chip.count == "auto" else chip.count
    return count * chip.tiles * chip.arrays_per_core * chip.cores_per_tile
