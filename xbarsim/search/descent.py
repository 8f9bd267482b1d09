"""Gradient search of costs: descent of the expected figures of a chip, then exact local search (extra ``torch``).

Probabilities of options follow the gradient of the expected objectives, which :mod:`xbarsim.search.chip_model` takes
from prices of single layers. A price on their entropy, which rises in the second half, decides them. Slots that remain
undecided are enumerated on whole chips, the most probable designs first, and local search goes on from the best one.
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
from xbarsim.search.local import LocalSampler
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Point, Space
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
    """Descent of expected costs, then exact local search from where it ends.

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
    ) -> None:
        self._goals = {_find_figure(name): 1.0 if way == "min" else -1.0 for name, way in goals.items()}
        known = {name.removeprefix("cost."): bound for name, bound in constraints.items()}
        self._bounds = {name: bound for name, bound in known.items() if name in FIGURES}
        with use_threads(1):
            self.model = ChipModel(space, oracle)
            chances = self._descend(space, seed)
        likely = list_likely(chances)
        names = [slot.name for slot in space.slots]
        self.extra: dict[str, Any] = {
            "probabilities": {name: [round(float(p), 6) for p in chance] for name, chance in zip(names, chances)},
            "undecided": find_undecided(space, chances),
            "descent": space.options(likely[0]),
            "layer_queries": self.model.queries,
        }
        """What the descent found, for the results."""
        self._local = LocalSampler(space, seed=seed, first=[*likely, *self.model.references])

    def ask(self) -> Point | None:
        """Return a point that was not asked for before; None where the search finds no more."""
        return self._local.ask()

    def tell(self, point: Point, values: Sequence[float], violation: float) -> None:
        """Take note of a point, and decide what to ask for next."""
        self._local.tell(point, values, violation)

    def _descend(self, space: Space, seed: int) -> list[np.ndarray]:
        """Return the probabilities of the options of every slot in the end."""
        rng = stream(seed, "search.descent")
        alphas = [torch.tensor(START * rng.standard_normal(slot.count), requires_grad=True) for slot in space.slots]
        optimizer = torch.optim.Adam(alphas, lr=RATE)
        for step in range(STEPS):
            chances = [alpha.softmax(0) for alpha in alphas]
            loss = self._weigh(chances) + SHARPEN * rise(step / STEPS, 0.5, 1.0) * measure_entropy(chances)
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
