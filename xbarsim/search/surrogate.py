"""A surrogate for accuracy: from the signal-to-noise ratio of layers, fitted while a search goes on.

A simulation gives, beside the accuracy, the ratio of signal to noise of every layer with exact inputs, which depends on
the layer's own choice alone. Once every choice of a design has been seen, in whatever designs, its layers' ratios are
known without a simulation. Noise-to-signal ratios add up within groups of layers, and over all of them; a Gaussian
process over the logarithms of these sums gives the accuracy, with a standard deviation.

A design is simulated if the prediction says that it may be better than all simulated ones, within a margin; the others
take the predicted accuracy. What a search reports in the end, its front, has therefore been simulated.

Neglected: correlations of errors between layers, and what a layer with other kernels or widths does to the rest of the
network; a choice of the network's shape is refused.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.search.design import SHAPE_AXES, Design
from xbarsim.search.evaluate import Images, weigh_limits, weigh_metrics
from xbarsim.search.local import list_groups
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Point, Space
from xbarsim.search.task import ACCURACY, Search

FIRST = 8
"""Simulations before the first prediction [-]."""
MARGIN = 2.0
"""Standard deviations by which an accuracy may be better than predicted [-]."""
LEAST_NOISE = 1e-5
"""Noise-to-signal ratio that is added to every sum: 50 dB [-]."""
LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Length scales of the process that are tried, in decades of noise [-]."""
NOISES = (1e-3, 1e-2, 1e-1)
"""Variances of single accuracies that are tried, relative to that of the process [-]."""
LEAST_VARIANCE = 1e-12
"""Least variance of the process, where all accuracies are equal [-]."""
MOST_FEATURES = 6
"""Largest number of groups of layers [-]."""
PREDICTED = frozenset({ACCURACY, "accuracy.degradation"})
"""Metrics that can be predicted."""


class LayerOracle(CostOracle):
    """An oracle that also tells the signal-to-noise ratio of layers."""

    def snr(self, search: Search, design: Design, images: Images) -> dict[str, float | None]:
        """Return the ratio of every layer, from the simulation that gives the accuracy.

        Parameters
        ----------
        search : Search
            Trials and seed.
        design : Design
            Network and choices by layer.
        images : Images
            Test images.

        Returns
        -------
        dict
            Layer -> ratio of the power of the exact result to that of the error [dB]; None without error.
        """
        key, run = self._prepare(
            design.network, images.images, images.labels, design.layers, calibration=images.calibration,
            trials=search.trials, seed=search.seed,
        )  # fmt: skip

        def work() -> dict[str, float | None]:
            layers = run().layers
            return {
                str(name): None if ratio is None or math.isnan(ratio) else float(ratio)
                for name, ratio in zip(layers["name"], layers["snr_db"])
            }

        text = self._find(self._name("snr", *key), str.encode, bytes.decode, lambda: json.dumps(work()))
        found: dict[str, float | None] = json.loads(text)
        return found


class Surrogate:
    """Accuracy from the noise of layers.

    Parameters
    ----------
    search : Search
        Objectives and constraints.
    space : Space
        What can be chosen.

    Raises
    ------
    ConfigError
        If a metric of the search cannot be predicted, or an axis changes the network.
    """

    def __init__(self, search: Search, space: Space) -> None:
        wanted = [name for name in (*search.goals, *search.constraints) if not name.startswith("cost.")]
        if not wanted or not set(wanted) <= PREDICTED:
            known = " and ".join(sorted(PREDICTED))
            raise ConfigError(f"surrogate: predicts {known} alone, not {wanted or 'costs'}; leave it out")
        for slot in (*space.slots, *space.fixed):
            if slot.can_vanish or any(axis in slot.axes for axis in SHAPE_AXES):
                raise ConfigError(
                    f"surrogate: space.{slot.name}: an axis changes the network, whose accuracy layers alone do not "
                    "tell; leave the surrogate or the axis out"
                )
        self._search, self._space = search, space
        groups = next((g for g in reversed(list_groups(space)) if len(g) <= MOST_FEATURES), list_groups(space)[0])
        whole = [list(range(len(space.slots)))]
        self._groups = [
            [layer for number in group for layer in space.slots[number].layers] for group in [*groups, *whole]
        ]
        self._choice_of = {layer: number for number, slot in enumerate(space.slots) for layer in slot.layers}
        self._noise: dict[tuple[str, int], float] = {}
        self._points: list[Point] = []
        self._values: list[float] = []
        self._front: list[Mapping[str, float]] = []
        self._gap = 0.0
        self.errors: list[float] = []
        """Simulated minus predicted accuracies of designs that were predicted first [-]."""

    def learn(self, point: Point, metrics: Mapping[str, float], snr_db: Mapping[str, float | None]) -> None:
        """Take note of a simulation.

        Parameters
        ----------
        point : tuple of int
            Option of every slot.
        metrics : mapping
            Metric -> value.
        snr_db : mapping
            Layer -> signal-to-noise ratio [dB]; None without error.
        """
        before = self.predict(point)
        if before is not None:
            self.errors.append(metrics[ACCURACY] - before[0])
        for layer, ratio in snr_db.items():
            if layer in self._choice_of:
                key = layer, point[self._choice_of[layer]]
                self._noise.setdefault(key, 0.0 if ratio is None else 10.0 ** (-ratio / 10))
        self._points.append(point)
        self._values.append(metrics[ACCURACY])
        self._front.append(metrics)
        self._gap = metrics[ACCURACY] + metrics["accuracy.degradation"]

    def predict(self, point: Point) -> tuple[float, float] | None:
        """Predict the accuracy of a design.

        Parameters
        ----------
        point : tuple of int
            Option of every slot.

        Returns
        -------
        tuple or None
            Accuracy and its standard deviation [-]; None where too few simulations, or not all of its choices, are
            known.
        """
        if len(self._values) < FIRST or any(key not in self._noise for key in self._keys(point)):
            return None
        means, deviations = self.predict_all([point])
        spread = math.sqrt(np.mean(np.square(self.errors))) if self.errors else 0.0
        return float(means[0]), max(float(deviations[0]), spread)

    def predict_all(self, points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
        """Predict the accuracies of designs all of whose choices are known.

        Parameters
        ----------
        points : sequence of tuple
            Option of every slot.

        Returns
        -------
        tuple of ndarray, (points,)
            Accuracies and their standard deviations [-].
        """
        known = np.array([self._describe(each) for each in self._points])
        asked = np.array([self._describe(each) for each in points])
        means, deviations = fit_process(known, np.array(self._values), asked)
        return np.clip(means, 0.0, 1.0), deviations

    def skip(self, point: Point, cost: Mapping[str, float]) -> dict[str, float] | None:
        """Decide whether a design needs no simulation.

        Parameters
        ----------
        point : tuple of int
            Option of every slot.
        cost : mapping
            Its metrics of cost.

        Returns
        -------
        dict or None
            Metrics with the predicted accuracy; None where the design may be better than all simulated ones.
        """
        found = self.predict(point)
        if found is None:
            return None
        mean, deviation = found
        told, hoped = (
            {**cost, ACCURACY: value, "accuracy.degradation": self._gap - value}
            for value in (mean, min(1.0, mean + MARGIN * deviation))
        )
        limits = self._search.constraints
        if weigh_limits(limits, hoped) > 0:
            kept = [metrics for metrics in self._front if weigh_limits(limits, metrics) == 0]
            return told if kept else None
        values = np.array(weigh_metrics(self._search, hoped)[0])
        for metrics in self._front:
            if (
                weigh_limits(limits, metrics) == 0
                and (np.array(weigh_metrics(self._search, metrics)[0]) <= values).all()
            ):
                return told
        return None

    def report(self, entries: Sequence[Any]) -> dict[str, Any]:
        """Return what the surrogate saved, and its error.

        Parameters
        ----------
        entries : sequence of Entry
            Points of the search.

        Returns
        -------
        dict
            ``simulated`` and ``predicted`` designs, ``compared`` ones that were simulated after a prediction, and the
            root-mean-square ``error`` of these predictions, None without any [-].
        """
        predicted = sum(entry.is_predicted for entry in entries)
        error = math.sqrt(np.mean(np.square(self.errors))) if self.errors else None
        return {
            "simulated": len(entries) - predicted, "predicted": predicted, "compared": len(self.errors), "error": error,
        }  # fmt: skip

    def _keys(self, point: Point) -> list[tuple[str, int]]:
        return [(layer, point[number]) for layer, number in self._choice_of.items()]

    def _describe(self, point: Point) -> np.ndarray:
        """Return the logarithm of the noise of every group, (groups,), the last one of all layers."""
        noise = {layer: self._noise[layer, point[number]] for layer, number in self._choice_of.items()}
        return np.log10([LEAST_NOISE + math.fsum(noise[layer] for layer in group) for group in self._groups])


def fit_process(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a Gaussian process, with the length scale and the noise that make the data most probable.

    Parameters
    ----------
    x : ndarray, (points, features)
        Where values are known.
    y : ndarray, (points,)
        Values.
    at : ndarray, (queries, features)
        Where they are asked for.

    Returns
    -------
    tuple of ndarray, (queries,)
        Means and standard deviations of the values, in the unit of ``y``.
    """
    centre = float(np.mean(y))
    squared = np.square(x[:, None] - x[None]).sum(axis=2)
    to_points = np.square(x[:, None] - at[None]).sum(axis=2)
    best, found = -math.inf, (np.full(len(at), centre), np.zeros(len(at)))
    for length, share in itertools.product(LENGTHS, NOISES):
        kernel = np.exp(-squared / (2 * length**2)) + share * np.eye(len(x))
        factor = np.linalg.cholesky(kernel)
        weights = np.linalg.solve(factor.T, np.linalg.solve(factor, y - centre))
        scale = max(float((y - centre) @ weights) / len(x), LEAST_VARIANCE)
        likelihood = -0.5 * len(x) * math.log(scale) - float(np.log(np.diag(factor)).sum())
        if likelihood > best:
            cross = np.exp(-to_points / (2 * length**2))
            left = np.linalg.solve(factor, cross)
            variance = scale * np.maximum(1.0 + share - np.square(left).sum(axis=0), 0.0)
            best, found = likelihood, (centre + cross.T @ weights, np.sqrt(variance))
    return found
