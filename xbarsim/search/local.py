"""Local search: moves of groups of layers, from the whole network down to single layers, and restarts from the best.

What limits a pipeline is often a whole stage, or all layers of one shape, so that no move of a single layer improves a
design although a move of the group does. Moves therefore give one value of one axis to every layer of a group:
first to all layers, then to those with feature maps of one size, to those of equal shape, and to single layers. A
move is kept where it does not make the design worse (first improvement). A design that no move improves is a local
optimum; the next one starts from good designs that are crossed at a layer and changed in a few places.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.network.reshape import describe_layer
from xbarsim.rng import stream
from xbarsim.search.design import ZERO
from xbarsim.search.space import Point, Space

ELITE = 6
"""Local optima that restarts begin from [-]."""
KICKS = 3
"""Largest number of slots that a restart changes at random [-]."""
SUM_SHARE = 0.05
"""Share of the sum beside the largest weighted objective, which prefers nondominated points [-]."""
TRIES = 200
"""Restarts without a new point after which the search ends [-]."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A value for every slot of a group that offers it."""

    slots: tuple[int, ...]
    """Numbers of the slots."""
    axis: str
    """Axis, or ``zero``."""
    value: Any
    """Value of the axis."""


class LocalSampler:
    """Iterated local search with moves of groups of layers.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Stream ``"search.local"``, one by number of the restart.
    first : sequence of Point
        Points to ask for before any other; the best of them is improved first.

    Notes
    -----
    With several objectives every restart weighs them anew (largest weighted distance from the smallest values seen,
    each scaled by its range). Points that break constraints are compared by how far they break them, after all others.
    """

    name = "local"

    def __init__(self, space: Space, *, seed: int = 0, first: Sequence[Point] = ()) -> None:
        self.space = space
        self._seed = seed
        self._first = tuple(dict.fromkeys(first))
        self._known: dict[Point, tuple[tuple[float, ...], float]] = {}
        self._weights: np.ndarray | None = None
        self._seen: tuple[np.ndarray, np.ndarray] | None = None
        self._levels = list_levels(space)
        self._search = self._climb()
        self._next = next(self._search, None)

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        return self._next

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point, and decide what to ask for next."""
        self._known[point] = (tuple(values), violation)
        if np.isfinite(values).all():
            low, high = self._seen or (np.array(values), np.array(values))
            self._seen = (np.minimum(low, values), np.maximum(high, values))
        self._next = next(self._search, None)

    def _climb(self) -> Generator[Point]:
        """Yield points to ask for; each is known when the generator goes on."""
        yield from self._first
        rng = stream(self._seed, f"search.{self.name}", 0)
        at = self._best(self._first) if self._first else self.space.sample(rng)
        optima: list[Point] = []
        restart = idle = 0
        while len(self._known) < self.space.count and idle < TRIES:
            before = len(self._known)
            if at not in self._known:
                yield at
            at = yield from self._improve(at, rng)
            optima = sorted(dict.fromkeys([at, *optima]), key=self._score)[:ELITE]
            restart += 1
            idle = 0 if len(self._known) > before else idle + 1
            rng = stream(self._seed, f"search.{self.name}", restart)
            self._weigh(rng)
            at = self._restart(optima, rng)
        if self.space.count <= 100_000:
            yield from (point for point in self.space if point not in self._known)

    def _improve(self, at: Point, rng: np.random.Generator) -> Generator[Point, None, Point]:
        """Yield neighbours of a point until no move improves it; return the local optimum."""
        is_better = True
        while is_better:
            is_better = False
            for level in self._levels:
                for number in rng.permutation(len(level)):
                    point = apply_move(self.space, at, level[number])
                    if point == at:
                        continue
                    if point not in self._known:
                        yield point
                    if self._score(point) <= self._score(at):
                        is_better = is_better or self._score(point) < self._score(at)
                        at = point
        return at

    def _restart(self, optima: list[Point], rng: np.random.Generator) -> Point:
        """Cross two good designs at a layer, and change a few slots."""
        mother, father = (optima[int(number)] for number in rng.integers(len(optima), size=2))
        cut = int(rng.integers(len(mother) + 1))
        child = [*mother[:cut], *father[cut:]]
        for number in rng.integers(len(child), size=1 + int(rng.integers(KICKS))):
            child[number] = int(rng.integers(self.space.slots[number].count))
        return tuple(child)

    def _weigh(self, rng: np.random.Generator) -> None:
        """Draw weights of the objectives, evenly from all that sum to 1."""
        objectives = len(next(iter(self._known.values()))[0])
        self._weights = rng.dirichlet(np.ones(objectives)) if objectives > 1 else None

    def _best(self, points: Sequence[Point]) -> Point:
        return min(points, key=self._score)

    def _score(self, point: Point) -> tuple[float, float]:
        """Return how far a point breaks the constraints, and its objective or weighted objectives."""
        values, violation = self._known[point]
        if len(values) == 1:
            return violation, values[0]
        if not np.isfinite(values).all():
            return violation, np.inf
        assert self._seen is not None  # this point is among what was seen
        low, high = self._seen
        weights = np.full(len(values), 1.0 / len(values)) if self._weights is None else self._weights
        scaled = weights * (np.array(values) - low) / np.where(high > low, high - low, 1.0)
        return violation, float(scaled.max() + SUM_SHARE * scaled.sum())


def apply_move(space: Space, at: Point, move: Move) -> Point:
    """Make a move.

    Parameters
    ----------
    space : Space
        What can be chosen.
    at : tuple of int
        Option of every slot.
    move : Move
        A value for some of them.

    Returns
    -------
    tuple of int
        The point; slots that do not offer the value stay as they are.
    """
    changed = list(at)
    for number in move.slots:
        slot = space.slots[number]
        option = slot.option(at[number])
        if move.axis == ZERO:
            if slot.can_vanish and move.value != isinstance(option, str):
                changed[number] = slot.count - 1 if move.value else 0
        elif move.value in slot.axes.get(move.axis, ()):
            first = {axis: values[0] for axis, values in slot.axes.items()}
            changed[number] = slot.index({**(first if isinstance(option, str) else option), move.axis: move.value})
    return tuple(changed)


def list_neighbours(space: Space, at: Point) -> list[Point]:
    """List the points that one move leads to.

    Parameters
    ----------
    space : Space
        What can be chosen.
    at : tuple of int
        Option of every slot.

    Returns
    -------
    list of tuple
        Points other than this one, each once, by moves of all layers first.
    """
    moves = [move for level in list_levels(space) for move in level]
    return [point for point in dict.fromkeys(apply_move(space, at, move) for move in moves) if point != at]


def list_groups(space: Space) -> list[list[list[int]]]:
    """Group the slots of a space: all, by size of feature map, by shape of layer, and each on its own.

    Parameters
    ----------
    space : Space
        What can be chosen; tied layers are grouped by the first of them.

    Returns
    -------
    list of list of list of int
        Numbers of slots, by level and group.
    """
    shapes = [space.network.shape_of(slot.layers[0]) for slot in space.slots]
    layers = [repr(describe_layer(space.network, slot.layers[0])) for slot in space.slots]
    levels = []
    for key in ([""] * len(shapes), [str(shape[1:]) for shape in shapes], layers, list(map(str, range(len(shapes))))):
        groups: dict[str, list[int]] = {}
        for number, name in enumerate(key):
            groups.setdefault(name, []).append(number)
        levels.append(list(groups.values()))
    return levels


def list_levels(space: Space) -> list[list[Move]]:
    """List the moves of a space, one level for every grouping of :func:`list_groups`.

    Parameters
    ----------
    space : Space
        What can be chosen.

    Returns
    -------
    list of list of Move
        Levels whose groups are those of another are left out.
    """
    levels = {frozenset(map(tuple, groups)): groups for groups in list_groups(space)}
    return [list(_list_moves(space, groups)) for groups in levels.values()]


def _list_moves(space: Space, groups: Iterable[list[int]]) -> Iterator[Move]:
    for group in groups:
        axes: dict[str, list[Any]] = {}
        for number in group:
            for axis, offered in space.slots[number].axes.items():
                known = axes.setdefault(axis, [])
                known += [value for value in offered if value not in known]
        if any(space.slots[number].can_vanish for number in group):
            axes[ZERO] = [True, False]
        for axis, values in axes.items():
            yield from (Move(slots=tuple(group), axis=axis, value=value) for value in values)
