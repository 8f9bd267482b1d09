"""One training run: steps through noisy layers, and a state from which it goes on to the same bits.

A step sees a batch on chips that are drawn for it. The loss joins the labels with the outputs of the float network that
training started from (``soft``). Adam's rate falls to zero along a cosine, and the weights are averaged over the last
steps. At some steps the law of the noise is measured again with the present weights, whose largest ones are cut off
before that (``clip``): the noise of a cell is a share of the largest weight of its output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.network import Network
from xbarsim.rng import stream
from xbarsim.train.batches import count_batches, iterate_batches
from xbarsim.train.law import CHIPS, NetworkLaw, NoiseSource, NoisyLayers, measure_law, number_chips
from xbarsim.train.recipe import WeightAverage, clip_cells, mix_loss
from xbarsim.train.torch_network import Tensor, TorchNetwork, functional, torch

MEASUREMENTS = 2
"""Times that it is measured in a run, at equal distances."""
PACE = 0.01
"""Learning rate of Adam as a share of the root mean square of a parameter: noise of cells is relative too."""
STEEPEST = 1.0
"""Norm that gradients are cut down to. The first steps on noisy arrays have norms above a hundred, which would fill the
optimiser's second moments with what a step in a random direction costs."""
BLOCK = 128
"""Images that pass through a network at once where nothing is trained."""
CHECKS = 3
"""Chips that each block of validation images is tried on."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a run trains; validation chooses the fields of :data:`~xbarsim.train.tuning.OPTIONS` that are not given."""

    rate: float | None = None
    """Learning rate of Adam; None: a share of the size of each parameter, :data:`PACE`."""
    soft: float = 0.5
    """Weight of the float network's outputs in the loss, that of the labels is the rest [-]."""
    clip: float = 2.5
    """Root mean squares of an output's weights beyond which they are cut off; 0: never [-]."""
    strength: float = 1.0
    """What the standard deviations of the noise are multiplied by [-]."""
    law: str = "measured"
    """Law of the noise; one of :data:`~xbarsim.train.law.NOISE_LAWS`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningTask:
    """What all runs of a fine-tuning share."""

    network: Network
    """With weights."""
    hardwares: Sequence[Hardware]
    """The hardware, once for each time since programming."""
    is_random: bool
    """Whether two chips differ."""
    calibration: np.ndarray
    """(images, *input_shape) float32."""
    choices: Mapping[str, Any]
    """Layers and bits, by the names that plans give them."""
    batch: int
    """Images of a step."""
    weight_decay: float
    """Decoupled decay of Adam."""
    refresh: int | None
    """Epochs between two measurements of the noise; None: twice in a run, or every epoch without chance."""
    shift: int
    """Pixels that images are moved by at most."""
    flip: bool
    """Whether images are mirrored."""
    seed: int
    """Seed of chips, order and noise."""
    threads: int | None
    """Threads for calibration images; training takes one."""

    def measure(self, network: Network, trial: int) -> NetworkLaw:
        """Measure the noise of chips from a number on, programmed with the weights of a network."""
        trials = number_chips(trial, self.is_random)
        return measure_law(
            network, self.hardwares, self.calibration, trials=trials, seed=self.seed, threads=self.threads,
            **self.choices,
        )  # fmt: skip


class TrainingRun:
    """A run and its state.

    Parameters
    ----------
    task : TuningTask
        What is trained and how.
    recipe : TrainingRecipe
        Rate, loss, and noise.
    images, labels : ndarray, (images, *input_shape) and (images,)
        What it trains on.
    steps : int
        Batches.
    number : int
        Of this run in the fine-tuning; keys its random streams.
    """

    def __init__(
        self,
        task: TuningTask,
        recipe: TrainingRecipe,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        steps: int,
        number: int,
    ) -> None:
        self.task, self.recipe, self.steps, self.number = task, recipe, steps, number
        self.images, self.labels = images, labels
        self.module = TorchNetwork(task.network)
        groups = [{"params": [part], "lr": rate} for part, rate in list_rates(self.module, recipe.rate)]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=task.weight_decay)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        key = int(stream(task.seed, "finetune.noise", number).integers(2**62))
        self.generator = torch.Generator().manual_seed(key)
        self.average = WeightAverage(self.module.parameters(), steps)
        self.done = 0
        """Steps that were made."""
        self.layers: NoisyLayers | None = None
        self.programmed: dict[str, Any] = {}
        """Weights that the noise was measured with."""
        self._teacher = TorchNetwork(task.network) if recipe.soft else None
        self.batches = count_batches(len(images), task.batch)
        """Batches of an epoch."""

    def run(self, after_step: Callable[[], None]) -> None:
        """Make all steps that are left; ``after_step`` is called after each."""
        wanted = self._answer() if self.done < self.steps else None
        while self.done < self.steps:
            epoch, skipped = divmod(self.done, self.batches)
            rng = stream(self.task.seed, "finetune.order", self.number, epoch)
            numbers = np.arange(len(self.images))
            batches = iterate_batches(
                self.images, numbers, self.task.batch, rng, shift=self.task.shift, flip=self.task.flip
            )
            for place, (images, chosen) in enumerate(batches):
                if place < skipped:
                    continue
                if self._is_due():
                    self._program()
                soft = None if wanted is None else wanted[torch.as_tensor(chosen)]
                self._step(torch.tensor(images), torch.tensor(self.labels[chosen]), soft)
                after_step()
                if self.done == self.steps:
                    return

    def trained(self) -> Network:
        """Return the network with the averaged weights."""
        self.average.apply()
        return self.module.to_network()

    def save(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "average": self.average.means,
            "generator": self.generator.get_state(), "programmed": self.programmed, "done": self.done,
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`save` returned."""
        self.programmed = state["programmed"]
        if self.programmed and state["done"] < self.steps:  # measured again with the weights of then
            self.module.load_state_dict(state["programmed"]["weights"])
            self._measure(state["programmed"]["trial"])
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.average.means, self.average.done = state["average"], state["done"]
        self.generator.set_state(state["generator"])
        self.done = state["done"]

    def _is_due(self) -> bool:
        """Whether the noise is measured before the next step."""
        if not self.done:
            return True
        task = self.task
        if task.refresh is None and task.is_random:
            return any(self.done == self.steps * part // MEASUREMENTS for part in range(1, MEASUREMENTS))
        return self.done % (self.batches * (task.refresh or 1)) == 0

    def _program(self) -> None:
        if self.recipe.clip:
            for cells in self.module.weights.values():
                clip_cells(cells, self.recipe.clip)
        self._measure(0 if not self.programmed else self.programmed["trial"] + CHIPS)

    def _measure(self, trial: int) -> None:
        weights = {name: part.detach().clone() for name, part in self.module.state_dict().items()}
        self.programmed = {"weights": weights, "trial": trial}
        law = self.task.measure(self.module.to_network(), trial)
        noise = NoiseSource(generator=self.generator, kind=self.recipe.law, strength=self.recipe.strength)
        self.layers = NoisyLayers(self.module, law, noise)

    def _answer(self) -> Tensor | None:
        """Return the float network's outputs for all images where they are not moved, in blocks of fixed size."""
        if self._teacher is None or self._moves or self.steps * self.task.batch < len(self.images):
            return None
        return run_blocks(self._teacher, self.images)

    @property
    def _moves(self) -> bool:
        return self.images.ndim == 4 and bool(self.task.shift or self.task.flip)

    def _step(self, images: Tensor, labels: Tensor, wanted: Tensor | None) -> None:
        assert self.layers is not None
        self.layers.draw_time()
        outputs = self.module(images, self.layers)
        if self._teacher is not None and wanted is None:
            with torch.no_grad():
                wanted = self._teacher(images)
        loss = mix_loss(outputs, labels, wanted, self.recipe.soft)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), STEEPEST)
        self.optimizer.step()
        self.schedule.step()
        self.done += 1
        self.average.update()


def list_rates(module: TorchNetwork, rate: float | None) -> list[tuple[Any, float]]:
    """Return the parameters of a module with their learning rates.

    Parameters
    ----------
    module : TorchNetwork
        Before training.
    rate : float or None
        Of all parameters; None takes :data:`PACE` times the root mean square of each.

    Returns
    -------
    list of (parameter, float)
        Biases of zero take the rate of their weights.
    """
    found = []
    for key, weight in module.weights.items():
        bias = module.biases[key]
        sizes = [float(part.detach().square().mean().sqrt()) for part in (weight, bias)]
        for part, size in ((weight, sizes[0]), (bias, sizes[1] or sizes[0])):
            found.append((part, (PACE * size or PACE) if rate is None else rate))
    return found


def run_blocks(module: TorchNetwork, images: np.ndarray, function: Any = None) -> Tensor:
    """Return the outputs of a module for many images, without gradients, in blocks of fixed size.

    Parameters
    ----------
    module : TorchNetwork
        The network.
    images : ndarray of float32, (images, *input_shape)
        All images.
    function : callable, optional
        Computes its weight layers.

    Returns
    -------
    Tensor, (images, ...)
        Raw outputs.
    """
    with torch.no_grad():
        starts = range(0, len(images), BLOCK)
        return torch.cat([module(torch.tensor(images[at : at + BLOCK]), function) for at in starts])


def validate(task: TuningTask, network: Network, law: NetworkLaw, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross-entropy of a network on chips of a law.

    Parameters
    ----------
    task : TuningTask
        Whose seed draws the chips, the same ones at every call.
    network : Network
        What is tried.
    law : NetworkLaw
        Noise of the hardware; its strength is 1.
    images, labels : ndarray, (images, *input_shape) and (images,)
        Images that it was not trained on.

    Returns
    -------
    float
        Natural logarithm; infinite where the network gives no numbers.
    """
    module = TorchNetwork(network)
    generator = torch.Generator().manual_seed(int(stream(task.seed, "finetune.validation").integers(2**62)))
    layers = NoisyLayers(module, law, NoiseSource(generator=generator))
    truth, losses = torch.tensor(labels), []
    for check in range(CHECKS if task.is_random else 1):
        layers.time = law.times[check % len(law.times)]
        losses.append(float(functional.cross_entropy(run_blocks(module, images, layers), truth)))
    found = float(np.mean(losses))
    return found if np.isfinite(found) else float("inf")
