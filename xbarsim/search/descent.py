"""Gradient search of costs: descent of the expected figures of a chip, then exact search (extra ``torch``).

Probabilities of options follow the gradient of the expected objectives, which :mod:`xbarsim.search.chip_model` takes
from prices of single layers. A price on their entropy, which rises in the second half, decides them. Slots that remain
undecided are enumerated on whole chips, the most probable designs first, and local search goes on from the best one.

With limits of accuracy, simulations come first: of designs that show every option once. The accuracy that
:mod:`xbarsim.search.surrogate` takes from them, as a function of the expected noise of layers, is a price of the
descent, and the search that follows it (:mod:`xbarsim.search.guided`) knows the chances of keeping the limits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.rng import stream
from xbarsim.search.chip_model import FIGURES, LEAST, ChipModel
from xbarsim.search.guided import ModelSampler
from xbarsim.search.local import LocalSampler
from xbarsim.search.oracle import CostOracle
from xbarsim.search.sampler import Sampler
from xbarsim.search.space import Point, Space
from xbarsim.search.surrogate import LEAST_ERROR, LEAST_LOSS, LEAST_NOISE, Surrogate
from xbarsim.search.task import Bound
from xbarsim.train.torch_network import Tensor, torch, use_threads

DECIDED = 0.9
"""Probability from which an option counts as decided [-]."""
LIKELY = 0.1
"""Least probability of an option that is enumerated, relative to that of the best one [-]."""
MOST_DESIGNS = 32
"""Largest number of designs of undecided slots that are enumerated [-]."""
STEPS = 300
"""Gradient steps of a search of costs [-]."""
RATE = 0.1
"""Learning rate (Adam) of the logarithms of probabilities [-]; gradients are exact here."""
SHARPEN = 0.1
"""Price of the mean entropy of a slot, relative to that of even chances, in the last step [-]."""
EXCESS = 10.0
"""Price of breaking a limit by its own size [-]."""
MOST_LIMITED = 8
"""Largest number of likely designs where accuracy is limited: the search that follows knows more than the descent."""
START = 0.1
"""Standard deviation of the first logarithms of probabilities [-]."""


def measure_entropy(chances: Sequence[Tensor]) -> Tensor:
    """Return the mean entropy of slots.

    Parameters
    ----------
    chances : sequence of Tensor
        Probability of every option of every slot, (options,) each; at least two options.

    Returns
    -------
    Tensor
        Scalar from 0 (decided) to 1 (even chances) [-].
    """
    parts = [-(chance * chance.clamp_min(LEAST).log()).sum() / math.log(len(chance)) for chance in chances]
    return torch.stack(parts).mean()


def find_undecided(space: Space, chances: Sequence[np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return the slots whose choice is open.

    Parameters
    ----------
    space : Space
        What can be chosen.
    chances : sequence of ndarray, (options,)
        Probability of every option of every slot [-].

    Returns
    -------
    dict
        Name of the slot -> ``chance`` of its most probable option, and its likely ``options``, the best first.
    """
    found = {}
    for slot, chance in zip(space.slots, chances):
        if chance.max() < DECIDED:
            options = [slot.option(index) for index in _list_likely(chance)]
            found[slot.name] = {"chance": round(float(chance.max()), 6), "options": options}
    return found


def list_likely(chances: Sequence[np.ndarray], most: int = MOST_DESIGNS) -> list[Point]:
    """List the most probable designs.

    Parameters
    ----------
    chances : sequence of ndarray, (options,)
        Probability of every option of every slot [-].
    most : int
        Largest number of designs.

    Returns
    -------
    list of tuple
        Decided slots take their best option, others each likely one; the most probable design first.
    """
    ordered = [_list_likely(chance) if chance.max() < DECIDED else [int(chance.argmax())] for chance in chances]
    losses = [[-math.log(max(chance[index], LEAST)) for index in row] for chance, row in zip(chances, ordered)]
    first = (0,) * len(ordered)
    waiting, seen = [(math.fsum(row[0] for row in losses), first)], {first}
    found: list[Point] = []
    while waiting and len(found) < most:
        loss, at = heapq.heappop(waiting)
        found.append(tuple(row[rank] for row, rank in zip(ordered, at)))
        for number, row in enumerate(losses):
            rank = at[number] + 1
            following = (*at[:number], rank, *at[number + 1 :])
            if rank < len(row) and following not in seen:
                seen.add(following)
                heapq.heappush(waiting, (loss + row[rank] - row[rank - 1], following))
    return found


def _list_likely(chance: np.ndarray) -> list[int]:
    order = np.argsort(-chance, kind="stable")
    return [int(index) for index in order if chance[index] >= LIKELY * chance.max()]


class GradientSampler:
    """Descent of expected costs, then exact search from where it ends.

    Parameters
    ----------
    space : Space
        What can be chosen.
    oracle : CostOracle
        Prices layers, and the native and the uniform designs.
    seed : int
        Stream ``"search.descent"``, one normal draw for every option, and that of the local search.
    goals : mapping
        Metric -> ``min`` or ``max``; figures of a chip.
    constraints : mapping
        Metric -> limits.
    surrogate : Surrogate, optional
        Predicts accuracies; needed where they are limited. Whoever evaluates points teaches it.

    Raises
    ------
    ConfigError
        If a goal is no figure that the model of the chip has.
    """

    name = "differentiable"

    def __init__(
        self,
        space: Space,
        oracle: CostOracle,
        *,
        seed: int = 0,
        goals: Mapping[str, str],
        constraints: Mapping[str, Bound],
        surrogate: Surrogate | None = None,
    ) -> None:
        self._goals = {_find_figure(name): 1.0 if way == "min" else -1.0 for name, way in goals.items()}
        known = {name.removeprefix("cost."): bound for name, bound in constraints.items()}
        self._bounds = {name: bound for name, bound in known.items() if name in FIGURES}
        self._space, self._seed, self._surrogate = space, seed, surrogate
        with use_threads(1):
            self.model = ChipModel(space, oracle)
        self.extra: dict[str, Any] = {"layer_queries": self.model.queries}
        """What the descent found, for the results."""
        self._exact: Sampler
        self._guided: ModelSampler | None = None
        if surrogate is None:
            likely = self._find_likely(MOST_DESIGNS)
            self._exact = LocalSampler(space, seed=seed, first=[*likely, *self.model.references])
        else:
            self._exact = self._guided = ModelSampler(space, seed=seed, first=self.model.references)
            prior = self._predict if list(self._goals.values()) == [1.0] else None
            self._guided.guide(prior=prior, chance=surrogate.chance, is_whole=surrogate.limits_alone)

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        guided = self._guided
        if guided is not None and "descent" not in self.extra:
            assert self._surrogate is not None
            if self._surrogate.is_taught and all(point in guided.known for point in guided.waiting):
                guided.waiting = self._find_likely(MOST_LIMITED)
        return self._exact.ask()

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point, and decide what to ask for next."""
        self._exact.tell(point, values, violation)

    def _find_likely(self, most: int) -> list[Point]:
        """Descend, and return the most probable designs."""
        space = self._space
        with use_threads(1):
            chances = self._descend(space, self._seed)
        likely = list_likely(chances, most)
        names = [slot.name for slot in space.slots]
        self.extra |= {
            "probabilities": {name: [round(float(p), 6) for p in chance] for name, chance in zip(names, chances)},
            "undecided": find_undecided(space, chances),
            "descent": space.options(likely[0]),
        }
        return likely

    def _predict(self, points: Sequence[Point]) -> np.ndarray:
        """Return the logarithm of the objective by the model of the chip, (points,)."""
        found = self.model.predict_all(points)
        names = FIGURES[next(iter(self._goals))]
        total: np.ndarray = np.sum([np.log(np.maximum(found[name], LEAST)) for name in names], axis=0)
        return total

    def _descend(self, space: Space, seed: int) -> list[np.ndarray]:
        """Return the probabilities of the options of every slot in the end."""
        rng = stream(seed, "search.descent")
        alphas = [torch.tensor(START * rng.standard_normal(slot.count), requires_grad=True) for slot in space.slots]
        optimizer = torch.optim.Adam(alphas, lr=RATE)
        judge = None if self._surrogate is None else _ExpectedLoss(self._surrogate)
        for step in range(STEPS):
            chances = [alpha.softmax(0) for alpha in alphas]
            loss = self._weigh(chances)
            if judge is not None:
                loss = loss + EXCESS * judge.weigh_excess(chances)
            loss = loss + SHARPEN * rise(step / STEPS, 0.5, 1.0) * measure_entropy(chances)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [alpha.detach().softmax(0).numpy() for alpha in alphas]

    def _weigh(self, chances: Sequence[Tensor]) -> Tensor:
        """Return the sum of the logarithms of the objectives, and what limits are broken by."""
        found = torch.stack([sign * self.model.expect_log(chances, name) for name, sign in self._goals.items()]).sum()
        for name, bound in self._bounds.items():
            log = self.model.expect_log(chances, name)
            for limit, sign in ((bound.max, 1.0), (bound.min, -1.0)):
                if limit is not None and limit > 0:
                    found = found + EXCESS * (sign * (log - math.log(limit))).relu()
        return found


class _ExpectedLoss:
    """The surrogate's accuracy as a function of probabilities."""

    def __init__(self, surrogate: Surrogate) -> None:
        process = surrogate.fit()
        self._table = [
            [(number, torch.tensor(noise)) for number, noise in rows] for rows in surrogate.tabulate_noise()
        ]  # fmt: skip
        self._options = [torch.tensor(rows) for rows in surrogate.option_features]
        self._x, self._weights = torch.tensor(process.x), torch.tensor(process.weights)
        self._centre, self._length = process.centre, process.length
        self._whole, self._least = surrogate.allowed_loss

    def weigh_excess(self, chances: Sequence[Tensor]) -> Tensor:
        """Return the accuracy that is lost beyond the limit at the expected noise, relative to what may be lost [-]."""
        sums = [torch.stack([(chances[number] * noise).sum() for number, noise in rows]).sum() for rows in self._table]
        options = [chance @ rows for chance, rows in zip(chances, self._options)]
        at = torch.cat([(torch.stack(sums) + LEAST_NOISE).log10(), *options])
        kernel = (-(self._x - at).square().sum(1) / (2 * self._length**2)).exp()
        told = 1 + LEAST_ERROR - 10 ** (self._centre + kernel @ self._weights)
        allowed = max(self._whole - self._least, LEAST_LOSS)
        return ((self._whole - told) / allowed - 1).relu()


def rise(done: float, first: float, last: float) -> float:
    """Return a weight that rises from 0 at ``first`` to 1 at ``last``, all shares of a search [-]."""
    return min(1.0, max(0.0, (done - first) / (last - first))) if last > first else float(done >= last)


def _find_figure(name: str) -> str:
    figure = name.removeprefix("cost.")
    if figure not in FIGURES:
        known = ", ".join(f"cost.{each}" for each in FIGURES)
        raise ConfigError(
            f"objectives.{name}: a differentiable search of costs takes {known}; choose one of them, or another method"
        )
    return figure
