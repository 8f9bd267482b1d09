"""Accuracies of every design of a space, for chains of layers whose choices leave the quantised network as it is.

A layer's arrays, converters and signal-to-noise ratio then depend on its own choice alone: every option of every layer
is programmed once, and images pass through all combinations, each prefix of the chain once. The accuracies are those of
``simulate``, which :func:`check_designs` compares.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import xbarsim as xs
from xbarsim.errors import ModelRangeWarning
from xbarsim.inference.machine import run_machine
from xbarsim.network import run_network
from xbarsim.rng import stream
from xbarsim.search.evaluate import Images, measure_design
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Point, Space


class WholeSpace(NamedTuple):
    """What simulations of all designs give."""

    accuracies: dict[Point, float]
    """Mean over chips [-]."""
    reference: float
    """Accuracy in float [-]."""
    ratios: dict[tuple[str, int], float | None]
    """Layer, option -> signal-to-noise ratio [dB]."""

    def metrics(self, point: Point) -> dict[str, float]:
        """Return the metrics of accuracy of a design."""
        found = self.accuracies[point]
        return {"accuracy.hardware": found, "accuracy.degradation": self.reference - found}

    def snr(self, space: Space, point: Point) -> dict[str, float | None]:
        """Return the ratio of every layer of a design [dB]."""
        return {
            layer: self.ratios[layer, index] for slot, index in zip(space.slots, point) for layer in slot.layers
        }  # fmt: skip


def simulate_space(search: Any, space: Space, hardware: Any, images: Images, path: Path | None) -> WholeSpace:
    """Simulate every design of a space, or read what an earlier run kept in ``path``."""
    shape = tuple(slot.count for slot in space.slots)
    layers = [slot.layers[0] for slot in space.slots]
    if path is None or not path.exists():
        correct, ratios = _simulate(search, space, hardware, images, layers)
        network = space.network
        outputs = run_network(network, images.images)
        right = float(np.mean(outputs.argmax(axis=1) == images.labels))
        if path is None:
            return _read(space, layers, correct, ratios, right)
        path.parent.mkdir(parents=True, exist_ok=True)
        width = max(shape)
        table = np.array([row + [np.nan] * (width - len(row)) for row in ratios], dtype=np.float64)
        np.savez(path, correct=correct, ratios=table, reference=right)
    kept = np.load(path)
    rows = [list(row[:count]) for row, count in zip(kept["ratios"], shape)]
    return _read(space, layers, kept["correct"], rows, float(kept["reference"]))


def check_designs(
    search: Any, space: Space, oracle: CostOracle, images: Images, whole: WholeSpace, designs: int
) -> None:
    """Compare some designs with ``simulate``; AssertionError if an accuracy differs."""
    rng = stream(1, "searches.checked")
    for _ in range(designs):
        point = space.sample(rng)
        found = measure_design(search, oracle, space.design(point), images)
        gap = found["accuracy.hardware"] - whole.accuracies[point]  # means may be summed in another order
        assert abs(gap) < 1e-12, (point, found, whole.accuracies[point])


def _read(space: Space, layers: list[str], correct: np.ndarray, ratios: list[list[Any]], right: float) -> WholeSpace:
    return WholeSpace(
        accuracies={point: float(correct[point]) for point in space},
        reference=right,
        ratios={
            (layer, index): None if ratio is None or np.isnan(ratio) else float(ratio)
            for layer, row in zip(layers, ratios) for index, ratio in enumerate(row)
        },
    )  # fmt: skip


def _simulate(search: Any, space: Space, hardware: Any, images: Images, layers: list[str]) -> Any:
    """Return accuracies, shape of the space, and the ratio of every option of every slot."""
    network, known = space.network, images.calibration if images.calibration is not None else images.images[:64]
    assert all(len(slot.layers) == 1 for slot in space.slots)
    assert [node.name for node in network.layers] == layers, "every layer needs a choice, in the order of the chain"
    accuracies = np.zeros([slot.count for slot in space.slots])
    ratios: list[list[list[float]]] = [[[] for _ in range(slot.count)] for slot in space.slots]
    for trial in range(search.trials):
        machines: dict[tuple[str, int], Any] = {}
        for option in range(max(slot.count for slot in space.slots)):
            point = tuple(min(option, slot.count - 1) for slot in space.slots)
            design = space.design(point)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ModelRangeWarning)
                chip = xs.program(
                    network, hardware, known, layers=design.layers, trial=trial, seed=search.seed, threads=1
                )
            for number, (layer, index) in enumerate(zip(layers, point)):
                if (layer, index) not in machines:
                    machines[layer, index] = chip.programmed.machines[layer]
                    error = next(each for each in chip.programmed.errors if each.name == layer)
                    ratios[number][index] += [] if error.snr_db is None else [error.snr_db]
        accuracies += _run_all(space, images, layers, machines) / search.trials
    return accuracies, [[float(np.mean(each)) if each else None for each in row] for row in ratios]


def _run_all(space: Space, images: Images, layers: list[str], machines: dict[tuple[str, int], Any]) -> np.ndarray:
    """Pass images through every combination; results of the last layers of each prefix are kept."""
    found = np.zeros([slot.count for slot in space.slots])
    kept: dict[str, tuple[Point, np.ndarray]] = {}
    for point in space:

        def compute(node: Any, x: np.ndarray, point: Point = point) -> np.ndarray:
            number = layers.index(node.name)
            prefix = point[: number + 1]
            if node.name not in kept or kept[node.name][0] != prefix:
                kept[node.name] = prefix, run_machine(machines[node.name, prefix[-1]], x, first_image=0, threads=1)
            return kept[node.name][1]

        outputs = run_network(space.network, images.images, compute, block=len(images.images))
        found[point] = np.mean(outputs.argmax(axis=1) == images.labels)
    return found
