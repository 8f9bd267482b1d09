"""Samplers: search methods with the common interface ``ask`` (for a point) and ``tell`` (its result).

The points of a sampler depend only on its seed and on the results that it was told. An interrupted search is resumed by
asking again and telling the known results.

:data:`SAMPLERS` holds them under the names that ``method`` takes. Users add theirs by
``xbarsim.register("sampler", name, cls)``: a class that is called as ``cls(space, seed=..., first=..., **settings)``,
``first`` being points to begin with and ``settings`` those of the search file, and that has the methods of
:class:`Sampler`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.plugin import Table
from xbarsim.rng import stream
from xbarsim.search.guided import ModelSampler
from xbarsim.search.local import LocalSampler
from xbarsim.search.pareto import crowd_points, rank_points
from xbarsim.search.space import Point, SearchSlot, Space

TRIES = 200
"""Largest number of draws to find a new point."""


RUN_SHARE = 0.3
"""Share of children in which a run of neighbouring layers changes together."""


class Sampler(Protocol):
    """Interface of all samplers."""

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        ...

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point: objectives to be minimised, and how far it breaks the constraints (0: not at all)."""
        ...


class RandomSampler:
    """Uniformly drawn points, each once.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Stream ``"search.random"``, one by number of the draw.
    first : sequence of Point
        Points to ask for before any other.
    """

    name = "random"

    def __init__(self, space: Space, *, seed: int = 0, first: Sequence[Point] = ()) -> None:
        self.space = space
        self._seed = seed
        self._waiting = list(dict.fromkeys(first))
        self._asked: set[Point] = set()
        self._draws = 0

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        if self._waiting:
            return self._take(self._waiting.pop(0))
        if len(self._asked) >= self.space.count:
            return None
        for _ in range(TRIES):
            point = self._draw(stream(self._seed, f"search.{self.name}", self._draws))
            self._draws += 1
            if point not in self._asked:
                return self._take(point)
        if self.space.count <= 100_000:
            return next((self._take(point) for point in self.space if point not in self._asked), None)
        return None

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point; nothing follows from it here."""

    def _draw(self, rng: np.random.Generator) -> Point:
        return self.space.sample(rng)

    def _take(self, point: Point) -> Point:
        self._asked.add(point)
        return point


class EvolutionSampler(RandomSampler):
    """NSGA-II with one child at a time: tournament, uniform crossover, mutation, survival by rank and crowding.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Stream ``"search.evolution"``, one by number of the draw.
    first : sequence of Point
        Points of the first population; the rest of it is drawn evenly.
    population : int
        Points that survive.
    """

    name = "evolution"

    def __init__(self, space: Space, *, seed: int = 0, first: Sequence[Point] = (), population: int = 32) -> None:
        super().__init__(space, seed=seed, first=first)
        self._size = population
        self._alive: list[tuple[Point, tuple[float, ...], float]] = []
        self._ranks = np.zeros(0, dtype=np.int64)
        self._crowding = np.zeros(0)
        self._told = 0

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Let a point into the population; the worst one leaves."""
        self._told += 1
        self._alive.append((point, tuple(values), violation))
        self._rank()
        if len(self._alive) > self._size:
            worst = max(range(len(self._alive)), key=lambda at: (self._ranks[at], -self._crowding[at], at))
            del self._alive[worst]
            self._rank()

    def _rank(self) -> None:
        values = np.array([values for _, values, _ in self._alive])
        ranks = rank_points(values, np.array([violation for *_, violation in self._alive]))
        self._ranks, self._crowding = ranks, crowd_points(values, ranks)

    def _draw(self, rng: np.random.Generator) -> Point:
        if self._told < self._size or len(self._alive) < 2:
            return self.space.sample(rng)
        mother, father = self._pick(rng), self._pick(rng)
        mixed = np.where(rng.random(len(mother)) < 0.5, mother, father)
        if rng.random() < RUN_SHARE:
            return self._mutate_run(rng, tuple(int(index) for index in mixed))
        mutated = rng.random(len(mother)) < max(1.0, 0.05 * len(mother)) / len(mother)
        if np.array_equal(mixed, mother):  # a plain copy is no child
            mutated[rng.integers(len(mother))] = True
        return tuple(
            self._mutate(rng, slot, int(mixed[at])) if mutated[at] else int(mixed[at])
            for at, slot in enumerate(self.space.slots)
        )

    def _mutate_run(self, rng: np.random.Generator, point: Point) -> Point:
        """Give neighbouring slots the same value of one axis, since a whole stage often limits a pipeline."""
        start, stop = sorted(int(at) for at in rng.integers(0, len(point) + 1, size=2))
        axes = {axis: values for slot in self.space.slots[start:stop] for axis, values in slot.axes.items()}
        if not axes:
            return point
        axis = list(axes)[rng.integers(len(axes))]
        value = axes[axis][rng.integers(len(axes[axis]))]
        changed = list(point)
        for at in range(start, stop):
            slot = self.space.slots[at]
            option = slot.option(point[at])
            if not isinstance(option, str) and value in slot.axes.get(axis, ()):
                changed[at] = slot.index({**option, axis: value})
        return tuple(changed)

    def _pick(self, rng: np.random.Generator) -> Point:
        one, other = (int(at) for at in rng.integers(len(self._alive), size=2))
        best = min(one, other, key=lambda at: (self._ranks[at], -self._crowding[at]))
        return self._alive[best][0]

    def _mutate(self, rng: np.random.Generator, slot: SearchSlot, index: int) -> int:
        """Return another option of a slot, mostly one that differs along one axis."""
        option = slot.option(index)
        free = [axis for axis, values in slot.axes.items() if len(values) > 1]
        if isinstance(option, str) or not free or (slot.can_vanish and rng.random() < 1 / (1 + len(free))):
            return int((index + 1 + rng.integers(slot.count - 1)) % slot.count)
        axis = free[rng.integers(len(free))]
        others = [value for value in slot.axes[axis] if value != option[axis]]
        return slot.index({**option, axis: others[rng.integers(len(others))]})


class OptunaSampler:
    """Any sampler of Optuna (extra ``search``), with its storage and so its dashboards.

    Parameters
    ----------
    space : Space
        What can be chosen; one categorical parameter for every axis of every layer.
    seed : int
        Seed of Optuna's sampler.
    first : sequence of Point
        Points to ask for before any other.
    objectives : int
        Number of objectives.
    sampler : str
        ``tpe``, ``nsgaii``, ``nsgaiii``, ``random`` or ``gp``.
    storage : str, optional
        Optuna's storage URL; in memory if left out.
    study : str
        Name of the study; one of the same name in the storage is started anew, because the search tells it again what
        is known.

    Raises
    ------
    ConfigError
        If Optuna is missing.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        first: Sequence[Point] = (),
        objectives: int = 1,
        sampler: str = "tpe",
        storage: str | None = None,
        study: str = "xbarsim",
    ) -> None:
        try:
            import optuna
        except ImportError:
            raise ConfigError("method: optuna needs the extra: pip install 'xbarsim[search]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space = space
        self._storage = storage
        with self._guard():
            if storage is not None and study in optuna.get_all_study_names(storage):
                optuna.delete_study(study_name=study, storage=storage)
            self._study = optuna.create_study(
                directions=["minimize"] * objectives, sampler=_make_optuna(optuna, sampler, seed), storage=storage,
                study_name=study,
            )  # fmt: skip
        self._state = optuna.trial.TrialState
        self._trials: dict[Point, Any] = {}
        for point in dict.fromkeys(first):
            self._study.enqueue_trial(self._parameters(point))

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        for _ in range(TRIES):
            if len(self._trials) >= self.space.count:
                return None
            with self._guard():
                trial = self._study.ask()
                point = tuple(self._suggest(trial, slot) for slot in self.space.slots)
                if point not in self._trials:
                    self._trials[point] = trial
                    return point
                self._study.tell(trial, state=self._state.PRUNED)
        return None

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn what a storage raises (of many kinds, by its database) into one line."""
        try:
            yield
        except Exception as error:
            if self._storage is None or isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"optuna.storage: {self._storage}: {type(error).__name__}: {error}; check the URL and its database, or "
                "leave storage out"
            ) from None

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point; one that could not be evaluated counts as failed."""
        trial = self._trials[point]
        if not np.isfinite(values).all():
            self._study.tell(trial, state=self._state.FAIL)
            return
        with self._guard():
            trial.set_user_attr("violation", float(violation))
            self._study.tell(trial, list(values))

    def _suggest(self, trial: Any, slot: SearchSlot) -> int:
        if slot.can_vanish and (trial.suggest_categorical(f"{slot.name}:zero", [False, True]) or not slot.axes):
            return slot.count - 1 if trial.params[f"{slot.name}:zero"] else 0
        option = {
            # numbers of values, because Optuna stores plain numbers and text alone
            axis: values[trial.suggest_categorical(f"{slot.name}:{axis}", list(range(len(values))))]
            for axis, values in slot.axes.items()
        }
        return slot.index(option)

    def _parameters(self, point: Point) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for slot, index in zip(self.space.slots, point):
            option = slot.option(index)
            if slot.can_vanish:
                parameters[f"{slot.name}:zero"] = isinstance(option, str)
            if not isinstance(option, str):
                parameters |= {f"{slot.name}:{a}": slot.axes[a].index(value) for a, value in option.items()}
        return parameters


def _make_optuna(optuna: Any, name: str, seed: int) -> Any:
    import warnings

    constraints = {"constraints_func": lambda trial: (trial.user_attrs.get("violation", 0.0),)}
    makers: dict[str, Callable[[], Any]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, **constraints),
        "nsgaii": lambda: optuna.samplers.NSGAIISampler(seed=seed, **constraints),
        "nsgaiii": lambda: optuna.samplers.NSGAIIISampler(seed=seed, **constraints),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, **constraints),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # samplers that Optuna calls experimental
        return makers[name]()


def check_settings(name: str, cls: type[Any], settings: Mapping[str, Any]) -> None:
    """Refuse settings that a sampler does not take.

    Parameters
    ----------
    name : str
        Name of the sampler.
    cls : type
        Its class.
    settings : mapping
        Argument -> value.

    Raises
    ------
    ConfigError
        If the class cannot be called as ``cls(space, seed=..., first=..., **settings)``.
    """
    try:
        inspect.signature(cls).bind(None, seed=0, first=(), **settings)
    except TypeError as error:
        given = "".join(f", {key}=..." for key in settings)
        raise ConfigError(
            f"sampler {name!r}: {cls.__name__}(space, seed=..., first=...{given}) cannot be called: {error}"
        ) from None


SAMPLERS = Table("sampler", methods=("ask", "tell"), check=lambda name, cls: check_settings(name, cls, {}))
"""Name in search files (``method``) -> class."""
SAMPLERS.add("random", RandomSampler)
SAMPLERS.add("evolution", EvolutionSampler)
SAMPLERS.add("local", LocalSampler)
SAMPLERS.add("model", ModelSampler)
SAMPLERS.add("optuna", OptunaSampler)
