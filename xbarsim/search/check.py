"""Objectives that nothing in a space can change, and prices of zero: refused before a search begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from xbarsim.errors import ConfigError, XbarsimError
from xbarsim.rng import stream
from xbarsim.search.design import SHAPE_AXES
from xbarsim.search.local import list_neighbours
from xbarsim.search.oracle import CostOracle
from xbarsim.search.record import describe_cost
from xbarsim.search.space import Point, Space
from xbarsim.search.task import ACCURACY, Search

MOST_TRIED = 200
"""Largest number of designs after which an objective counts as constant [-]."""
DRAWN = 50
"""Designs among them that are drawn evenly [-]."""


def check_goals(search: Search, space: Space, oracle: CostOracle) -> None:
    """Refuse objectives that are constant over the space, and prices of zero.

    Parameters
    ----------
    search : Search
        Objectives and prices.
    space : Space
        What can be chosen.
    oracle : CostOracle
        Prices designs until each objective has had two values; two designs are mostly enough.

    Raises
    ------
    ConfigError
        If an objective that the search file names, or the only one, has one value; or if a differentiable search has
        an objective of cost and no price.
    """
    _check_prices(search)
    wanted = [name for name in search.goals if name.startswith("cost.")]
    if not search.objectives and ACCURACY in search.goals:
        wanted = []  # the usual objectives: accuracy alone may differ
    if "accuracy.reference" in search.objectives and not _changes_network(space):
        raise ConfigError(
            "objectives.accuracy.reference: is the same for all designs, since no axis changes the network; "
            "choose accuracy.hardware"
        )
    seen: dict[str, set[float]] = {name: set() for name in wanted}
    tried = 0
    for point in _list_tried(space, search.seed):
        if all(len(values) > 1 for values in seen.values()):
            return
        try:
            design = space.design(point)
            cost = describe_cost(oracle.cost(design.network, design.layers))
        except XbarsimError:
            continue  # an answer of the search
        tried += 1
        for name, values in seen.items():
            values.add(float(cost[name.removeprefix("cost.")]))
    for name, values in seen.items():
        if tried > 1 and len(values) == 1:
            (value,) = values
            reason = "give components prices" if value == 0 else "add axes that change it"
            raise ConfigError(
                f"objectives.{name}: is {value:g} for all of {tried} designs tried; {reason}, or choose another one"
            )


def _check_prices(search: Search) -> None:
    settings = search.differentiable
    cost = next((name for name in search.goals if name.startswith("cost.")), None)
    if not search.trains or cost is None:
        return
    if settings.priced == "layers":
        key, is_free = "latency, energy and area", not (settings.latency or settings.energy or settings.area)
    else:
        key, is_free = "price", not settings.price
    if is_free:
        raise ConfigError(
            f"differentiable.{key}: 0 leaves {cost} out of the search; set a number above 0, or "
            f"objectives: {{{ACCURACY}: max}}"
        )


def _changes_network(space: Space) -> bool:
    return any(slot.can_vanish or any(axis in slot.axes for axis in SHAPE_AXES) for slot in space.slots)


def _list_tried(space: Space, seed: int) -> Iterator[Point]:
    """Yield designs of a space: all of a small one, else uniform ones, those that one move gives, and random ones."""
    if space.count <= MOST_TRIED:
        yield from space
        return
    rng = stream(seed, "search.check")
    near = [space.native(), *space.homogeneous().values(), *list_neighbours(space, space.native())]
    found = dict.fromkeys(itertools.islice(dict.fromkeys(near), MOST_TRIED - DRAWN))
    found.update(dict.fromkeys(space.sample(rng) for _ in range(DRAWN)))
    yield from found
