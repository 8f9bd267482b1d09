"""What a search is compared with: rules without any search, and other methods with the same number of points.

Every baseline evaluates points as the search itself does, and at most as many; points that several of them ask for are
evaluated once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from xbarsim.rng import stream
from xbarsim.search.evaluate import weigh_metrics
from xbarsim.search.local import list_groups
from xbarsim.search.sampler import Sampler
from xbarsim.search.space import Point, Space
from xbarsim.search.task import Search
from xbarsim.search.trace import Metrics

MOST = 20_000
"""Largest number of rules, and of points of a space that the baseline ``all`` evaluates [-]."""


def list_rules(space: Space) -> list[Point]:
    """List the designs that a rule by stage gives: one option for all layers with feature maps of one size.

    Parameters
    ----------
    space : Space
        What can be chosen.

    Returns
    -------
    list of tuple
        Points, each once: every combination of one value per axis and stage, zero operators left out.
    """
    native = space.native()
    choices: list[list[dict[int, int]]] = []
    for group in list_groups(space)[1]:
        axes: dict[str, list[Any]] = {}
        for number in group:
            for axis, values in space.slots[number].axes.items():
                axes.setdefault(axis, []).extend(value for value in values if value not in axes.get(axis, []))
        options = []
        for combined in itertools.product(*axes.values()):
            wanted = dict(zip(axes, combined))
            options.append({number: _choose(space, number, native[number], wanted) for number in group})
        choices.append(options)
    found: dict[Point, None] = {}
    for parts in itertools.islice(itertools.product(*choices), MOST):
        merged = {number: index for part in parts for number, index in part.items()}
        found[tuple(merged[number] for number in range(len(space.slots)))] = None
    return list(found)


def _choose(space: Space, number: int, native: int, wanted: dict[str, Any]) -> int:
    """Return the option of a slot nearest to what is wanted."""
    slot = space.slots[number]
    option = slot.option(native)
    if isinstance(option, str) or not slot.axes:
        return native
    return slot.index({axis: wanted[axis] if wanted[axis] in slot.axes[axis] else option[axis] for axis in slot.axes})


def pick_points(name: str, space: Space, budget: int, seed: int) -> list[Point]:
    """Return the points of a rule.

    Parameters
    ----------
    name : str
        ``single`` (one value of ``array`` for all layers), ``stage`` (:func:`list_rules`) or ``all``.
    space : Space
        What can be chosen.
    budget : int
        Largest number of points, but for ``all``.
    seed : int
        Stream ``"search.rules"``, by which rules are drawn where there are more than the budget.

    Returns
    -------
    list of tuple
        Points in the order in which they are evaluated.
    """
    if name == "single":
        return list(dict.fromkeys([space.native(), *space.homogeneous().values()]))[:budget]
    if name == "all":
        return list(space)
    rules = list_rules(space)
    if len(rules) > budget:
        drawn = stream(seed, "search.rules").permutation(len(rules))[:budget]
        rules = [rules[int(number)] for number in drawn]
    return rules


def ask_sampler(search: Search, sampler: Sampler, budget: int, evaluate: Callable[[Point], Metrics]) -> list[Metrics]:
    """Evaluate the points that a sampler asks for.

    Parameters
    ----------
    search : Search
        Objectives and constraints.
    sampler : Sampler
        Ask and tell.
    budget : int
        Largest number of points.
    evaluate : callable
        ``point -> metrics``.

    Returns
    -------
    list of mapping or None
        Metrics of the points in order.
    """
    found: list[Metrics] = []
    while len(found) < budget and (point := sampler.ask()) is not None:
        found.append(evaluate(point))
        sampler.tell(point, *weigh_metrics(search, found[-1]))
    return found
