"""Search by a model of what it was told: the design of largest expected improvement is evaluated next.

Gaussian processes over the options predict the objective and how far limits are broken. The next design has the largest
product of its expected improvement on the best design that keeps all limits, and its chance of keeping them. Few
evaluations suffice where limits leave a small part of a space, on whose border the best design lies.

D. R. Jones, M. Schonlau, W. J. Welch, J. Global Optim. 13, 1998 (expected improvement); J. R. Gardner et al., ICML 2014
(limits); J. Knowles, IEEE Trans. Evol. Comput. 10, 2006 (several objectives, weighed anew for every design).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from xbarsim.network.execute import single_threaded_blas
from xbarsim.rng import stream
from xbarsim.search.local import SUM_SHARE, list_neighbours
from xbarsim.search.process import fit_process
from xbarsim.search.space import Point, SearchSlot, Space

MOST_ENUMERATED = 20_000
"""Largest space whose designs are all compared; of larger ones, those near the best designs [-]."""
NEAR = 6
"""Best designs whose neighbours are compared in larger spaces [-]."""
EXACT = (1e-6, 1e-4, 1e-2)
"""Variances of single objectives that are tried, relative to that of the process: costs have no noise [-]."""
MOST_VIOLATION = 1.0
"""Violation beyond which designs count as equally bad [-]."""

Predict = Callable[[Sequence[Point]], np.ndarray]
"""Points -> one value each."""


class ModelSampler:
    """Efficient global optimisation with limits.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Streams ``"search.model"``, one by number of the design.
    first : sequence of Point
        Points to ask for before any other. Designs follow in which every option of every slot occurs.

    Notes
    -----
    The time of a choice grows with the third power of the designs that are known: some 0.1 s at 250.
    """

    name = "model"

    def __init__(self, space: Space, *, seed: int = 0, first: Sequence[Point] = ()) -> None:
        self.space = space
        self._seed = seed
        self.waiting = list(dict.fromkeys([*first, *list_spread(space, seed)]))
        """What is asked for before the model is, in order."""
        self.known: dict[Point, tuple[tuple[float, ...], float]] = {}
        """Objectives and violation of the designs told."""
        self._prior: Predict | None = None
        self._chance: Predict | None = None
        self._is_whole = False
        self._features = [describe_options(slot) for slot in space.slots]

    def guide(self, *, prior: Predict | None = None, chance: Predict | None = None, is_whole: bool = True) -> None:
        """Take predictions from outside.

        Parameters
        ----------
        prior : callable, optional
            Points -> logarithm of the objective; the process predicts what it is off by. For one positive objective.
        chance : callable, optional
            Points -> probability that limits are kept; from the violations told if left out.
        is_whole : bool
            Whether ``chance`` is that of all limits; otherwise it is multiplied by that from the violations told.
        """
        self._prior, self._chance, self._is_whole = prior, chance, is_whole

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        while self.waiting:
            if self.waiting[0] not in self.known:
                return self.waiting[0]
            del self.waiting[0]
        if len(self.known) >= self.space.count:
            return None
        rng = stream(self._seed, f"search.{self.name}", len(self.known))
        with single_threaded_blas():
            return self._choose(rng)

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point."""
        self.known[point] = (tuple(values), violation)

    def _choose(self, rng: np.random.Generator) -> Point | None:
        told = [(point, *each) for point, each in self.known.items() if np.isfinite(each[0]).all()]
        if len(told) < 2:
            return next(iter(self._list_candidates([], rng)), None)
        points = [point for point, *_ in told]
        values, is_log = self._weigh(np.array([each for _, each, _ in told]), rng)
        is_kept = np.array([violation == 0 for *_, violation in told])
        order = np.lexsort((values, np.array([violation for *_, violation in told])))
        candidates = self._list_candidates([points[int(number)] for number in order[:NEAR]], rng)
        if not candidates:
            return None
        prior = self._prior if is_log else None
        offset, at = (np.zeros(len(part)) if prior is None else prior(part) for part in (points, candidates))
        process = fit_process(self._encode(points), values - offset, EXACT)
        mean, deviation = process.predict(self._encode(candidates))
        mean = mean + at
        chance = self._find_chance(candidates)
        gain = chance
        if is_kept.any():
            gain = chance * expect_improvement(float(values[is_kept].min()) - mean, deviation)
        return candidates[int(np.lexsort((mean, -gain))[0])]

    def _weigh(self, values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
        """Return one value a design, (designs,), and whether it is a logarithm."""
        if values.shape[1] == 1:
            is_log = bool((values > 0).all())
            return (np.log(values[:, 0]) if is_log else values[:, 0]), is_log
        low, high = values.min(axis=0), values.max(axis=0)
        scaled = rng.dirichlet(np.ones(values.shape[1])) * (values - low) / np.where(high > low, high - low, 1.0)
        return scaled.max(axis=1) + SUM_SHARE * scaled.sum(axis=1), False

    def _find_chance(self, candidates: Sequence[Point]) -> np.ndarray:
        given = np.ones(len(candidates))
        if self._chance is not None:
            given = self._chance(candidates)
        if self._is_whole:
            return given
        broken = np.array([min(violation, MOST_VIOLATION) for _, violation in self.known.values()])
        if not broken.any():
            return given
        # the square root resolves the border; half of the least excess parts what is kept from what is broken
        roots = np.sqrt(broken)
        mean, deviation = fit_process(self._encode(list(self.known)), roots).predict(self._encode(candidates))
        found: np.ndarray = given * normal_cdf((roots[roots > 0].min() / 2 - mean) / np.maximum(deviation, 1e-9))
        return found

    def _list_candidates(self, best: Sequence[Point], rng: np.random.Generator) -> list[Point]:
        """Return points that are not known: all of a small space, else neighbours of the best and crossed designs."""
        if self.space.count <= MOST_ENUMERATED:
            return [point for point in self.space if point not in self.known]
        found: dict[Point, None] = {}
        for point in best:
            near = list_neighbours(self.space, point)
            further = near[int(rng.integers(len(near)))] if near else point
            found.update(dict.fromkeys([*near, *list_neighbours(self.space, further)]))
        for _ in range(10 * len(self.space.slots)):
            child = self.space.sample(rng)
            if best:
                mother, father = (best[int(number)] for number in rng.integers(len(best), size=2))
                cut = int(rng.integers(len(mother) + 1))
                child = (*mother[:cut], *father[cut:])
            found[child] = None
        return [point for point in found if point not in self.known]

    def _encode(self, points: Sequence[Point]) -> np.ndarray:
        """Return the features of points, (points, features)."""
        numbers_of = np.array(points, dtype=np.int64).reshape(len(points), len(self._features))
        return np.concatenate([rows[numbers_of[:, at]] for at, rows in enumerate(self._features)], axis=1)


def list_spread(space: Space, seed: int) -> list[Point]:
    """List designs in which every option of every slot occurs, as few as that takes.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Stream ``"search.spread"``: the order of options in every slot.

    Returns
    -------
    list of tuple
        As many points as the slot with the most options has.
    """
    rng = stream(seed, "search.spread")
    orders = [rng.permutation(slot.count) for slot in space.slots]
    most = max(map(len, orders))
    return [tuple(int(order[number % len(order)]) for order in orders) for number in range(most)]


def describe_options(slot: SearchSlot) -> np.ndarray:
    """Return numbers from 0 to 1 that describe the options of a slot.

    Parameters
    ----------
    slot : SearchSlot
        The slot.

    Returns
    -------
    ndarray, (options, features)
        A feature for every axis of positive numbers, on a logarithmic scale, and one for each value of other axes and
        for the zero operator.
    """
    options = [slot.option(index) for index in range(slot.count)]
    columns: list[list[float]] = []
    for axis, values in slot.axes.items():
        held = [None if isinstance(option, str) else option[axis] for option in options]
        if all(isinstance(value, (int, float)) and value > 0 for value in values) and len(values) > 1:
            logs = {value: math.log(value) for value in values}
            low, high = min(logs.values()), max(logs.values())
            columns.append([0.0 if value is None else (logs[value] - low) / (high - low) for value in held])
        else:
            columns += [[float(value == each) for value in held] for each in values]
    if slot.can_vanish:
        columns.append([float(isinstance(option, str)) for option in options])
    return np.array(columns).T.reshape(slot.count, -1)


def expect_improvement(gain: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the expectation of what normal values gain, losses counting as 0.

    Parameters
    ----------
    gain : ndarray, (points,)
        Mean gain.
    deviation : ndarray, (points,)
        Standard deviation, in its unit.

    Returns
    -------
    ndarray, (points,)
        In its unit.
    """
    spread = np.maximum(deviation, 1e-12)
    z = gain / spread
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    found: np.ndarray = np.maximum(gain * normal_cdf(z) + spread * density, 0.0)
    return found


def normal_cdf(z: np.ndarray) -> np.ndarray:
    """Return the probability that a standard normal number is below a value.

    Parameters
    ----------
    z : ndarray, (...)
        Values [-].

    Returns
    -------
    ndarray, (...)
        Probabilities [-].
    """
    from scipy.special import ndtr

    found: np.ndarray = ndtr(z)
    return found
