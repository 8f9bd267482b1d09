"""Copies of layers with many windows, so that a pipeline is not held up by its first layers."""

from __future__ import annotations

from collections.abc import Sequence

from xbarsim.errors import MappingError


def balance_copies(work: Sequence[int], arrays: Sequence[int], windows: Sequence[int], budget: int) -> list[int]:
    """Choose copies that make the slowest layer as fast as a budget of arrays allows.

    The least interval T is found by bisection: a layer of ``work`` w needs ceil(w / T) copies to keep up, and the
    arrays needed fall with T. What is left of the budget is not spent, since no layer would become the faster
    bottleneck.

    Parameters
    ----------
    work : sequence of int
        Cycles that the arrays of one copy are busy in one inference, by layer.
    arrays : sequence of int
        Physical arrays of one copy, by layer.
    windows : sequence of int
        Windows of one inference, by layer; more copies than windows are useless.
    budget : int
        Physical arrays in all.

    Returns
    -------
    list of int
        Copies, at least 1 each.

    Raises
    ------
    MappingError
        If one copy of every layer is already more than the budget.
    """
    if sum(arrays) > budget:
        raise MappingError(f"{sum(arrays)} arrays hold the weights once, {sum(arrays) - budget} more than {budget}")
    if not work:
        return []

    def copies(interval: int) -> list[int]:
        return [min(w, -(-load // interval)) for load, w in zip(work, windows)]

    low, high = 1, max(work)
    while low < high:
        middle = (low + high) // 2
        if sum(c * a for c, a in zip(copies(middle), arrays)) <= budget:
            high = middle
        else:
            low = middle + 1
    return copies(high)
