"""The differentiable search of NAX (DAC 2022, arXiv 2106.12125).

Two steps take turns. A weight step trains the weights of one sampled path on training images and ideal arrays. An
architecture step samples two options a layer and moves their probabilities on validation images, seen through ideal
arrays or through the simulator's model of the chosen hardware (wires, variation, converters; gradients pass straight
through). Loss: cross-entropy + decay * |w|^2 + lambda * expected latency + lambda * expected energy, the expectations
from the oracle's table of every layer and option.

Architecture steps follow the plain gradient, of which the sampled pairs give an unbiased estimate. Steps scaled to
nearly one length, as Adam's are, would move an option that is seldom sampled by its price in every step and by its
worth in few.

At the end the most likely design and, for comparison, every uniform design are fine-tuned in the same way on the
hardware they run on, and simulated.

Neglected: what layers share on a chip (the table prices each layer alone); the final figures come from whole chips.
"""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, MappingError, SolverError
from xbarsim.network.write_onnx import write_onnx
from xbarsim.rng import stream
from xbarsim.search.arrays import Arrays
from xbarsim.search.evaluate import Images, load_part, measure_design
from xbarsim.search.oracle import CostOracle
from xbarsim.search.result import Entry, Result
from xbarsim.search.space import Point, Space
from xbarsim.search.store import SearchStore
from xbarsim.search.supernet import SuperNetwork
from xbarsim.search.table import TERMS, tabulate_options
from xbarsim.search.task import Search
from xbarsim.store import write_file
from xbarsim.train.finetune import finetune, iterate_batches
from xbarsim.train.torch_network import Tensor, functional, torch, use_threads

Progress = Callable[[str, int, int], None]
CALIBRATION_IMAGES = 16
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
        self.table = {name: [torch.tensor(row, dtype=torch.float32) for row in rows] for name, rows in table.items()}
        uniform = [*space.homogeneous().values()] or [space.native()]
        self.scale = {
            name: max(sum(float(row[i]) for row, i in zip(rows, point)) for point in uniform)
            for name, rows in table.items()
        }
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
        losses, scores = [], []
        for images, labels in iterate_batches(
            *self.train, settings.batch, rng, shift=settings.shift, flip=settings.flip
        ):
            losses.append(self.step_weights(torch.tensor(images), torch.tensor(labels)))
            if epoch < settings.warmup:
                continue
            batch = next(validation, None)
            if batch is None:
                validation = iterate_batches(*self.held, settings.batch, rng)
                batch = next(validation)
            scores.append(self.step_gates(torch.tensor(batch[0]), torch.tensor(batch[1])))
        expected = {name: self.expect(name).item() for name in TERMS.values()}
        score = float(np.mean(scores)) if scores else float("nan")
        self.history.append({"loss": float(np.mean(losses)), "validation_loss": score, **expected, **clock.read()})

    def step_weights(self, images: Tensor, labels: Tensor) -> float:
        """Train the weights of one sampled path on ideal arrays; return the loss.

        ``images`` is (images, *input_shape), ``labels`` (images,).
        """
        self.net.train()
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
        price: Any = 0.0
        for term, name in TERMS.items():
            price = price + getattr(self.settings, term) * self.expect(name) / (self.scale[name] or 1.0)
        price.backward()
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

    def save(self) -> bytes:
        """Return everything that the next epoch depends on."""
        state = {
            "net": self.net.state_dict(), "weights": self.weights.state_dict(), "gates": self.gates.state_dict(),
            "generator": self.generator.get_state(), "history": self.history,
            "arrays": None if self.arrays is None else self.arrays.save(),
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

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


def run_gradient(
    search: Search,
    space: Space,
    oracle: CostOracle,
    images: Images | None,
    store: SearchStore,
    progress: Progress | None,
) -> Result:
    """Search, train what was found and every uniform design, and simulate them.

    Parameters
    ----------
    search, space, oracle, images
        What is searched, who knows, and the test images.
    store : SearchStore
        The folder; ``state.pt`` in it holds the last epoch, ``network-*.onnx`` the trained designs.
    progress : callable or None
        ``(stage, done, total)``.

    Returns
    -------
    Result
        Uniform designs, and the searched one.
    """
    training = load_part(search, search.train or "", search.train_images, "train")
    with use_threads(1):
        task = GradientSearch(search, space, oracle, *training)
        _run_epochs(task, store, progress)
        uniform = space.homogeneous() if task.settings.compare else {}
        designs = {f"array {size}": point for size, point in uniform.items()}
        designs["searched"] = task.net.best()
        entries, steps = [], [*task.history]
        for number, (label, point) in enumerate(designs.items()):
            known = store.known[number] if number < len(store.known) else None
            if known is None:
                clock = Clock()
                found = _finish(task, oracle, images, training, store, point, label)
                known = {"point": point, **found, **clock.read()}
                store.append(known)
            if tuple(known["point"]) != point:
                raise ConfigError(f"{store.folder}: its points are not those of this search; choose a new folder")
            entries.append(Entry(point=point, metrics=known["metrics"], error=known["error"], label=label))
            steps.append(known)
            if progress is not None:
                progress("designs", number + 1, len(designs))
    chances = {
        slot.name: [round(float(chance), 6) for chance in alpha.detach().softmax(0)]
        for slot, alpha in zip(space.slots, task.net.alphas)
    }
    spent = {name: sum(step.get(name, 0.0) for step in steps) for name in ("seconds", "cpu_seconds")}
    extra = {"probabilities": chances, "history": task.history, **spent}
    return Result(search=search, space=space, entries=tuple(entries), extra=extra)


def _run_epochs(task: GradientSearch, store: SearchStore, progress: Progress | None) -> None:
    """Run all epochs, each kept on disk before the next one begins."""
    state = store.folder / "state.pt"
    total = task.settings.warmup + task.settings.epochs
    if state.exists():
        try:
            task.load(state.read_bytes())
        except Exception as error:  # torch raises many kinds on a damaged file
            raise ConfigError(
                f"{state}: damaged ({type(error).__name__}); remove it to start the search again"
            ) from None
    while len(task.history) < total:
        task.run_epoch()
        write_file(state, task.save())
        if progress is not None:
            progress("epochs", len(task.history), total)


def _finish(
    task: GradientSearch,
    oracle: CostOracle,
    images: Images | None,
    training: tuple[np.ndarray, np.ndarray],
    store: SearchStore,
    point: Point,
    label: str,
) -> dict[str, Any]:
    """Fine-tune one design on its hardware, keep its network and simulate it."""
    search, settings = task.search, task.settings
    try:
        design = task.space.design(point)
        network = design.network
        if label == "searched" or not network.has_weights:
            network = task.net.weights_of(network, point)
        if settings.finetune:
            network = finetune(
                network, oracle.hardware, *training, layers=design.layers or None, epochs=settings.finetune,
                batch=settings.batch, rate=settings.finetune_rate or settings.rate, weight_decay=settings.weight_decay,
                shift=settings.shift, flip=settings.flip, seed=search.seed,
            )  # fmt: skip
        write_onnx(network, store.folder / f"network-{label.replace(' ', '-')}.onnx")
        return {
            "metrics": measure_design(search, oracle, dataclasses.replace(design, network=network), images),
            "error": "",
        }
    except (MappingError, SolverError) as error:
        return {"metrics": None, "error": str(error)}
