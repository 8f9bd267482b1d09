"""Fine-tuning as a sequence of runs: short ones that choose how to train, then the one that trains.

One thing is chosen at a time, the strength of the noise and then its law: runs that differ in it train for a few steps
on nine tenths of the images, and are tried on the rest, on chips that they have not seen. The best value is kept. The
last run starts over, on all images.

The state is kept while it runs, so that a run that was killed goes on from there and ends with the same bits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.network import Network
from xbarsim.rng import stream
from xbarsim.train.batches import count_batches
from xbarsim.train.law import NetworkLaw
from xbarsim.train.resume import TuningState
from xbarsim.train.trainer import TrainingRecipe, TrainingRun, TuningTask, validate

Progress = Callable[[str, int, int], None]

OPTIONS: Mapping[str, Sequence[Any]] = {
    "strength": (1.0, 0.7, 1.4), "law": ("measured", "uniform", "proportional"),
}  # fmt: skip
"""Field of a recipe -> what is tried; in this order, one after another."""
TRIED = 0.05
"""Share of the steps that each value is tried for."""
LEAST_TRIED = 8
"""Steps that a value is tried for at least."""
MOST_TRIED = 1 / 3
"""Share of the steps that all values may take together; where they would take more, nothing is chosen."""
HELD = 0.1
"""Share of the images that choose."""
MOST_HELD = 512
"""Images that choose, at most. Our choice."""
CHECKED_CHIP = 1_000_000
"""Number of the first chip that choices are tried on; far above those of training."""


@dataclass(frozen=True, kw_only=True)
class TriedRecipe:
    """A recipe and what it came to."""

    recipe: TrainingRecipe
    loss: float
    """Mean cross-entropy on images and chips that it was not trained on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedNetwork:
    """A trained network and how it was trained."""

    network: Network
    """The same graph with other weights."""
    recipe: TrainingRecipe
    """How it was trained."""
    tried: Sequence[TriedRecipe]
    """What was tried before, in order; empty where there were too few steps or nothing to choose."""


class Tuning:
    """All runs of one fine-tuning.

    Parameters
    ----------
    task : TuningTask
        What all runs share.
    images, labels : ndarray, (images, *input_shape) and (images,)
        Training images.
    epochs : int
        Passes of the last run over them.
    given : mapping
        Fields of the recipe that are not chosen.
    """

    def __init__(
        self, task: TuningTask, images: np.ndarray, labels: np.ndarray, *, epochs: int, given: Mapping[str, Any]
    ) -> None:
        self.task, self.images, self.labels = task, images, labels
        self.steps = epochs * count_batches(len(images), task.batch)
        self.recipe = TrainingRecipe(**given)
        self.options = list_options(task, given, self.steps, len(images))
        self.tried: list[TriedRecipe] = []
        self._law: NetworkLaw | None = None
        order = stream(task.seed, "finetune.validation").permutation(len(images))
        held = min(MOST_HELD, round(HELD * len(images)))
        self._held, self._rest = order[:held], order[held:]

    def run(self, state: TuningState, progress: Progress | None) -> TunedNetwork:
        """Make all runs that are left.

        Parameters
        ----------
        state : TuningState
            What an earlier process has kept; it is kept up to date.
        progress : callable or None
            ``(stage, done, total)``.

        Returns
        -------
        TunedNetwork
            The result.
        """
        self.tried = [TriedRecipe(recipe=TrainingRecipe(**each), loss=loss) for each, loss in state.tried]
        total = sum(len(values) for values in self.options.values())
        short = max(LEAST_TRIED, round(TRIED * self.steps))
        at = 0
        for field, values in self.options.items():
            losses = []
            for value in values:
                recipe = dataclasses.replace(self.recipe, **{field: value})
                if at == len(self.tried):
                    self._try(recipe, short, state, at)
                losses.append(self.tried[at].loss)
                at += 1
                if progress is not None:
                    progress("choices", at, total)
            self.recipe = dataclasses.replace(self.recipe, **{field: values[int(np.argmin(losses))]})
        run = TrainingRun(self.task, self.recipe, self.images, self.labels, steps=self.steps, number=total)
        network = state.drive(run, progress)
        return TunedNetwork(network=network, recipe=self.recipe, tried=tuple(self.tried))

    def _try(self, recipe: TrainingRecipe, steps: int, state: TuningState, number: int) -> None:
        """Train for a few steps, and keep what comes of it; an equal recipe is not trained twice."""
        known = next((each.loss for each in self.tried if each.recipe == recipe), None)
        if known is None:
            run = TrainingRun(
                self.task, recipe, self.images[self._rest], self.labels[self._rest], steps=steps, number=number
            )
            network = state.drive(run, None)
            if self._law is None:
                self._law = self.task.measure(self.task.network, CHECKED_CHIP)
            known = validate(self.task, network, self._law, self.images[self._held], self.labels[self._held])
        self.tried.append(TriedRecipe(recipe=recipe, loss=known))
        state.add(dataclasses.asdict(recipe), known)


def list_options(task: TuningTask, given: Mapping[str, Any], steps: int, images: int) -> dict[str, Sequence[Any]]:
    """Return what is to be tried, by field of the recipe.

    Parameters
    ----------
    task : TuningTask
        Without chance, strength and law of the noise mean nothing.
    given : mapping
        Fields that are not chosen.
    steps, images : int
        Batches of the last run, and training images.

    Returns
    -------
    dict
        Field -> values; empty where trying would take more than a third of the steps, or images are too few.
    """
    fixed = {*given, *(() if task.is_random else ("strength", "law"))}
    options = {field: values for field, values in OPTIONS.items() if field not in fixed}
    count = sum(len(values) for values in options.values())
    each = max(LEAST_TRIED, math.ceil(TRIED * steps))
    return options if count * each <= MOST_TRIED * steps and round(HELD * images) >= 2 else {}
