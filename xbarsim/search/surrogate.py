"""A surrogate for accuracy: from the signal-to-noise ratio of layers, fitted while a search goes on.

A simulation gives, beside the accuracy, the ratio of signal to noise of every layer with exact inputs, which depends on
the layer's own choice alone. Once every choice of a design has been seen, in whatever designs, its layers' ratios are
known without a simulation. Noise-to-signal ratios add up within groups of layers, and over all of them; a Gaussian
process over the logarithms of these sums, and over the options themselves, gives the logarithm of the error rate, with
a standard deviation. Of equal noise, some kinds do more harm, which the options tell.

A design is simulated if the prediction says that it may be better than all simulated ones, within a margin; the others
take the predicted accuracy. What a search reports in the end, its front, has therefore been simulated.

Neglected: correlations of errors between layers, and what a layer with other kernels or widths does to the rest of the
network; a choice of the network's shape is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.search.design import SHAPE_AXES, Design
from xbarsim.search.evaluate import Images, weigh_limits, weigh_metrics
from xbarsim.search.guided import describe_options, normal_cdf
from xbarsim.search.local import list_groups
from xbarsim.search.oracle import CostOracle
from xbarsim.search.process import GaussianProcess, fit_process
from xbarsim.search.space import Point, Space
from xbarsim.search.task import ACCURACY, Search

FIRST = 8
"""Simulations before the first prediction [-]."""
MARGIN = 2.0
"""Standard deviations by which an accuracy may be better than predicted [-]."""
LEAST_NOISE = 1e-5
"""Noise-to-signal ratio that is added to every sum: 50 dB [-]."""
LEAST_ERROR = 2e-3
"""Error rate that is added to that of a design before its logarithm is predicted [-]."""
LEAST_DEVIATION = 1e-3
"""Least standard deviation of the logarithm of an error rate, from which chances are worked out [-]."""
LEAST_LOSS = 1e-3
"""Least loss of accuracy that a limit allows, where it is the unit of what is lost beyond it [-]."""
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
            raise ConfigError(f"surrogate: predicts only {known}, not {wanted or 'costs'}; leave it out")
        for slot in (*space.slots, *space.fixed):
            if slot.can_vanish or any(axis in slot.axes for axis in SHAPE_AXES):
                raise ConfigError(
                    f"surrogate: space.{slot.name}: an axis changes the network, so its accuracy does not "
                    "follow from the errors of layers; leave the surrogate or the axis out"
                )
        self._search, self._space = search, space
        groups = next((g for g in reversed(list_groups(space)) if len(g) <= MOST_FEATURES), list_groups(space)[0])
        whole = [list(range(len(space.slots)))]
        self._groups = [
            [layer for number in group for layer in space.slots[number].layers] for group in [*groups, *whole]
        ]
        self._choice_of = {layer: number for number, slot in enumerate(space.slots) for layer in slot.layers}
        self._noise: dict[tuple[str, int], float] = {}
        self.option_features = [describe_options(slot) for slot in space.slots]
        """(options, features) of every slot."""
        self._points: list[Point] = []
        self._values: list[float] = []
        self._front: list[Mapping[str, float]] = []
        self._gap = 0.0
        self._fitted: GaussianProcess | None = None
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
        self._fitted = None

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
        logs, spreads = self.fit().predict(self._describe(points))
        rates = 10.0**logs
        return np.clip(1.0 + LEAST_ERROR - rates, 0.0, 1.0), math.log(10) * rates * spreads

    def fit(self) -> GaussianProcess:
        """Fit the process to the simulations known: features of noise and of options, to logarithms of error rates."""
        if self._fitted is None:
            self._fitted = fit_process(self._describe(self._points), log_errors(np.array(self._values)))
        return self._fitted

    @property
    def is_taught(self) -> bool:
        """Whether enough is known to predict every design."""
        counts = [(layer, slot.count) for slot in self._space.slots for layer in slot.layers]
        known = all((layer, index) in self._noise for layer, count in counts for index in range(count))
        return known and len(self._values) >= FIRST

    @property
    def limits_alone(self) -> bool:
        """Whether accuracy is limited and all other limits, if any, are left to the same predictions."""
        return bool(self._search.constraints) and set(self._search.constraints) <= PREDICTED

    @property
    def allowed_loss(self) -> tuple[float, float]:
        """Accuracy in float, and the least accuracy that the limits allow, 0 without any [-]."""
        lowest = [0.0]
        for name, bound in self._search.constraints.items():
            if name == ACCURACY and bound.min is not None:
                lowest.append(bound.min)
            elif name == "accuracy.degradation" and bound.max is not None:
                lowest.append(self._gap - bound.max)
        return self._gap, max(lowest)

    def chance(self, points: Sequence[Point]) -> np.ndarray:
        """Predict whether designs keep the limits of accuracy.

        Parameters
        ----------
        points : sequence of tuple
            Option of every slot.

        Returns
        -------
        ndarray, (points,)
            Probabilities [-]; 0.5 where too few simulations, or not all choices, are known.
        """
        found = np.full(len(points), 0.5)
        if len(self._values) < FIRST:
            return found
        is_known = self.is_taught or [all(key in self._noise for key in self._keys(point)) for point in points]
        known = np.flatnonzero(np.broadcast_to(is_known, len(points)))
        if len(known):
            logs, spreads = self.fit().predict(self._describe([points[int(number)] for number in known]))
            most = log_errors(np.array(self.allowed_loss[1]))
            found[known] = normal_cdf((most - logs) / np.maximum(spreads, LEAST_DEVIATION))
        return found

    def tabulate_noise(self) -> list[list[tuple[int, np.ndarray]]]:
        """Return the noise of every option, once all are known.

        Returns
        -------
        list of list of (int, ndarray)
            For each group of layers its slots, and noise-to-signal ratios of their options, (options,), summed over the
            slot's layers in the group [-]. The first features are the logarithms of :data:`LEAST_NOISE` plus the sums
            over slots; those of the options, :attr:`option_features`, follow.
        """
        table = []
        for group in self._groups:
            rows: dict[int, np.ndarray] = {}
            for layer in group:
                number = self._choice_of[layer]
                noise = [self._noise[layer, index] for index in range(self._space.slots[number].count)]
                rows[number] = rows.get(number, np.zeros(len(noise))) + noise
            table.append(list(rows.items()))
        return table

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

    def _describe(self, points: Sequence[Point]) -> np.ndarray:
        """Return features, (points, features): noise of every group, the last one of all layers, and options."""
        at = np.array(points, dtype=np.int64)
        columns = []
        for group in self._groups:
            total = np.zeros(len(at))
            for layer in group:
                number = self._choice_of[layer]
                count = self._space.slots[number].count
                # an option that no point has is not looked up
                noise = np.array([self._noise.get((layer, index), math.nan) for index in range(count)])
                total += noise[at[:, number]]
            columns.append(np.log10(LEAST_NOISE + total))
        options = [rows[at[:, number]] for number, rows in enumerate(self.option_features)]
        return np.concatenate([np.stack(columns, axis=1), *options], axis=1)


def log_errors(accuracies: np.ndarray) -> np.ndarray:
    """Return the decimal logarithms of error rates, :data:`LEAST_ERROR` added to each.

    Parameters
    ----------
    accuracies : ndarray, (...)
        Shares of right answers [-].

    Returns
    -------
    ndarray, (...)
        Logarithms.
    """
    found: np.ndarray = np.log10(np.maximum(1.0 - accuracies, 0.0) + LEAST_ERROR)
    return found
