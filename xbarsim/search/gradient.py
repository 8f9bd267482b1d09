"""The differentiable search of NAX (DAC 2022, arXiv 2106.12125).

Two steps take turns. A weight step trains the weights of one sampled path on training images and ideal arrays. An
architecture step samples two options a layer and moves their probabilities on validation images, seen through ideal
arrays or through the simulator's model of the chosen hardware (wires, variation, converters; gradients pass straight
through). Loss: cross-entropy + decay * |w|^2 + price. The price is lambda * ln(expected EDAP of the chip), with the
slowest layer of its pipeline (:mod:`xbarsim.search.chip_model`), or NAX's lambda * expected latency + lambda * expected
energy, sums over the oracle's table of every layer and option. It rises from 0 in the first architecture steps; in the
last ones a price on the entropy of the probabilities decides layers.

Architecture steps follow the plain gradient, of which the sampled pairs give an unbiased estimate. Steps scaled to
nearly one length, as Adam's are, would move an option that is seldom sampled by its price in every step and by its
worth in few.

Neglected: what the model of the chip and the table neglect; :mod:`xbarsim.search.gradient_run` goes on with whole
chips.
"""

from __future__ import annotations

import io
import math
import time

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.rng import stream
from xbarsim.search.arrays import Arrays
from xbarsim.search.chip_model import FIGURES, ChipModel
from xbarsim.search.descent import measure_entropy, rise
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Point, Space
from xbarsim.search.supernet import SuperNetwork
from xbarsim.search.table import TERMS, tabulate_options
from xbarsim.search.task import Search
from xbarsim.train.batches import iterate_batches
from xbarsim.train.torch_network import Tensor, functional, torch, write_state

CALIBRATION_IMAGES = 16
"""Training images on which activation scales and converter ranges are set. Our choice."""
SCORED_IMAGES = 256
"""Largest number of images held back on which designs are compared after the search [-]."""
UNLIKELY = 1e-30
"""Least chance of an option [-]; smaller ones may be 0 in single precision, where nothing could be drawn."""


class Clock:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return ``seconds`` and ``cpu_seconds`` of this process."""
        return {
            "seconds": time.perf_counter() - self._started[0],
            "cpu_seconds": time.process_time() - self._started[1],
        }


class GradientSearch:
    """The super-network, its two optimisers and the table of costs.

    Parameters
    ----------
    search : Search
        Settings.
    space : Space
        What can be chosen.
    oracle : CostOracle
        Prices options.
    images, labels : ndarray
        Training images; a share of them validates.
    """

    def __init__(
        self, search: Search, space: Space, oracle: CostOracle, images: np.ndarray, labels: np.ndarray
    ) -> None:
        self.search, self.space, self.settings = search, space, search.differentiable
        order = stream(search.seed, "search.validation").permutation(len(images))
        held = max(1, round(self.settings.validation * len(images)))
        if held >= len(images):
            raise ConfigError(f"train: {len(images)} images are too few to separate images for validation; give more")
        parts = order[held:], order[:held]
        self.train, self.held = ((images[part], labels[part].astype(np.int64)) for part in parts)
        self.net = SuperNetwork(space, search.seed)
        if (chance := self.settings.zero_chance) is not None:
            self.net.start_zeros(chance)
        weights = [p for name, p in self.net.named_parameters() if not name.startswith("alphas") and p.requires_grad]
        # |w|^2 belongs to the loss, so its decay goes through Adam's moments
        decay = self.settings.weight_decay
        self.weights = torch.optim.Adam(weights, lr=self.settings.rate, weight_decay=decay)
        self.gates = torch.optim.SGD(self.net.alphas.parameters(), lr=self.settings.gate_rate)
        table = tabulate_options(space, oracle)
        self.table = {name: [torch.tensor(row, dtype=torch.float32) for row in table[name]] for name in TERMS.values()}
        uniform = [*space.homogeneous().values()] or [space.native()]
        self.scale = {
            name: max(math.fsum(float(row[i]) for row, i in zip(rows, point)) for point in uniform)
            for name, rows in self.table.items()
        }
        self.chip = None if self.settings.priced == "layers" else ChipModel(space, oracle)
        self.done: float | None = None
        """Share of the architecture steps that are done [-]; None outside an epoch, where prices are whole."""
        self.arrays = Arrays(oracle.hardware, search.seed) if self.settings.mode == "non-ideal" else None
        self.generator = torch.Generator().manual_seed(search.seed)
        self.history: list[dict[str, float]] = []

    def program_arrays(self, trial: int) -> None:
        """Program new arrays with the weights of now, where architecture steps see any."""
        if self.arrays is not None:
            self.arrays.program(self.net, self.held[0][:CALIBRATION_IMAGES], trial)

    def run_epoch(self) -> None:
        """Train weights, and behind the warm-up architecture parameters in turn."""
        epoch, settings = len(self.history), self.settings
        clock = Clock()
        searched = epoch - settings.warmup
        if searched >= 0 and searched % settings.refresh == 0:
            self.program_arrays(trial=searched // settings.refresh)
        rng = stream(self.search.seed, "search.gradient", epoch)
        validation = iter(())
        losses: list[float] = []
        scores: list[float] = []
        batches = -(-len(self.train[0]) // settings.batch)
        for images, labels in iterate_batches(
            *self.train, settings.batch, rng, shift=settings.shift, flip=settings.flip
        ):
            losses.append(self.step_weights(torch.tensor(images), torch.tensor(labels)))
            if epoch < settings.warmup:
                continue
            self.done = (searched + len(scores) / batches) / settings.epochs
            batch = next(validation, None)
            if batch is None:
                validation = iterate_batches(*self.held, settings.batch, rng)
                batch = next(validation)
            scores.append(self.step_gates(torch.tensor(batch[0]), torch.tensor(batch[1])))
        self.done = None
        expected = self.predict()
        score = float(np.mean(scores)) if scores else float("nan")
        self.history.append({"loss": float(np.mean(losses)), "validation_loss": score, **expected, **clock.read()})

    def step_weights(self, images: Tensor, labels: Tensor) -> float:
        """Train the weights of one sampled path on ideal arrays; return the loss.

        ``images`` is (images, *input_shape), ``labels`` (images,).
        """
        self.net.train()
        if self.settings.rate == 0:
            return float("nan")
        paths = {}
        for number, (slot, alpha) in enumerate(zip(self.space.slots, self.net.alphas)):
            chances = alpha.detach().softmax(0)
            if len(self.history) < self.settings.warmup and slot.can_vanish:
                chances = chances[:-1]
            paths[number] = (int(torch.multinomial(chances, 1, generator=self.generator)),)
        loss = functional.cross_entropy(self.net(images, paths), labels)
        self.weights.zero_grad()
        loss.backward()
        self.weights.step()
        return float(loss.item())

    def step_gates(self, images: Tensor, labels: Tensor) -> float:
        """Move the probabilities of two sampled options of every slot; return the cross-entropy.

        ``images`` is (images, *input_shape), ``labels`` (images,).

        Arrays, where there are any, have been programmed.
        """
        self.net.eval()
        chances = [alpha.detach().softmax(0) for alpha in self.net.alphas]
        paths = {number: self._draw_pair(chance) for number, chance in enumerate(chances)}
        gates = {number: torch.tensor([1.0, 0.0], requires_grad=True) for number in paths}
        entropy = functional.cross_entropy(self.net(images, paths, gates, self.arrays), labels)
        # behind an active zero operator nothing depends on the gates before it
        slopes = torch.autograd.grad(entropy, list(gates.values()), allow_unused=True, materialize_grads=True)
        self.gates.zero_grad()
        self.weigh_price().backward()
        for number, (alpha, slope) in enumerate(zip(self.net.alphas, slopes)):
            active, other = paths[number]
            # A pair is drawn with p_active p_other / (1 - p_active), the gradient of the expected loss is a sum over
            # pairs of p_i p_j times what i costs beyond j. That cost is the mean of the slopes at either end, which is
            # exact where loss is quadratic: at trained weights alone, leaving a layer out seems to cost nothing.
            worth = (1 - chances[number][active]) / 2 * (slope[0] - slope[1])
            alpha.grad[active] += worth
            alpha.grad[other] -= worth
        self.gates.step()
        return float(entropy.item())

    def weigh_price(self) -> Tensor:
        """Return what is added to the cross-entropy now, shape of a scalar: prices, and that of open choices [-]."""
        chances = [alpha.softmax(0) for alpha in self.net.alphas]
        settings, price = self.settings, torch.zeros((), dtype=torch.float64)
        if self.chip is None:
            for term, name in TERMS.items():
                price = price + getattr(settings, term) * self.expect(name) / (self.scale[name] or 1.0)
        elif settings.price:
            price = price + settings.price * self.chip.expect_log(chances, settings.priced)
        if self.done is None:
            return price
        weight = rise(self.done, 0.0, settings.anneal) if settings.anneal else 1.0
        return price * weight + settings.sharpen * rise(self.done, 0.5, 1.0) * measure_entropy(chances)

    def _draw_pair(self, chances: Tensor) -> tuple[int, int]:
        """Draw the active option, and another one from the rest."""
        active = int(torch.multinomial(chances, 1, generator=self.generator))
        rest = chances.clamp_min(UNLIKELY)
        rest[active] = 0
        return active, int(torch.multinomial(rest, 1, generator=self.generator))

    def expect(self, name: str) -> Tensor:
        """Return the expected value, shape of a scalar, of a column of the table over all options, in its own unit."""
        parts = [(alpha.softmax(0) * row).sum() for alpha, row in zip(self.net.alphas, self.table[name])]
        return torch.stack(parts).sum()

    def predict(self) -> dict[str, float]:
        """Return expected figures: energy, delay, area and EDAP of the chip, or sums of layers, in SI units."""
        if self.chip is None:
            return {name: self.expect(name).item() for name in TERMS.values()}
        with torch.no_grad():
            found = self.chip.expect([alpha.softmax(0) for alpha in self.net.alphas])
        factors = {name: float(value) for name, value in found.items()}
        return {**factors, self.settings.priced: float(np.prod([factors[n] for n in FIGURES[self.settings.priced]]))}

    def score(self, point: Point) -> float:
        """Return the cross-entropy of a design on images held back, with the weights and arrays of now.

        Parameters
        ----------
        point : tuple of int
            Option of every slot.

        Returns
        -------
        float
            Cross-entropy [-]; every design meets the same noise.
        """
        self.net.eval()
        images, labels = (torch.tensor(part[:SCORED_IMAGES]) for part in self.held)
        if self.arrays is not None:
            self.arrays.generator.manual_seed(self.search.seed + 2)
        gates = {number: torch.tensor([1.0, 0.0]) for number in range(len(point))}
        paths = {number: (index, index) for number, index in enumerate(point)}
        with torch.no_grad():
            return float(functional.cross_entropy(self.net(images, paths, gates, self.arrays), labels))

    def save(self) -> bytes:
        """Return everything that the next epoch depends on."""
        state = {
            "net": self.net.state_dict(), "weights": self.weights.state_dict(), "gates": self.gates.state_dict(),
            "generator": self.generator.get_state(), "history": self.history,
            "arrays": None if self.arrays is None else self.arrays.save(),
        }  # fmt: skip
        return write_state(state)

    def load(self, content: bytes) -> None:
        """Go on from what :meth:`save` returned."""
        state = torch.load(io.BytesIO(content), weights_only=True)
        self.net.load_state_dict(state["net"])
        self.weights.load_state_dict(state["weights"])
        self.gates.load_state_dict(state["gates"])
        self.generator.set_state(state["generator"])
        self.history = state["history"]
        if self.arrays is not None:
            self.arrays.load(state["arrays"])
