"""Value of a metric from raw outputs, with a confidence interval.

A measured value is uncertain because images and chips are samples, as in :mod:`xbarsim.inference.accuracy`. Their
parts of the 95 % interval are added in quadrature and cut at the metric's bounds. Chips add Student's interval of the
mean. Images add Wilson's interval for a share and Student's for another mean over images. For everything else they add
Student's quantile times the standard error that a bootstrap over images finds (B. Efron, Ann. Stat. 7, 1979): 1,000
draws where the metric is made of sums over images, and 200 calls of a function, spread over the chips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.interval import spread_share, widen_interval
from xbarsim.report.outputs import METRICS, require_labels
from xbarsim.report.result import MetricResult
from xbarsim.rng import stream

USUAL_METRIC = "top1"
"""The default metric; with it, reports also have ``report.accuracy``."""
DRAWS_OF_SUMS = 1000
"""Draws of a bootstrap of sums; they know the standard error within 2 %."""
DRAWS_OF_CALLS = 200
"""Draws of a bootstrap that calls a function; they know the standard error within 5 %."""
GROUPS = 50
"""Groups of images of which a function that is called does without one. Our choice."""
Outputs = Any
"""Array (images, ...), or mapping of such arrays by the name of an output."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RatedChip:
    """One chip."""

    outputs: Outputs
    """(images, ...)."""
    value: float
    """Value of the metric."""
    scores: np.ndarray | None
    """(images,) terms, or (images, n) sums; None where the metric has neither."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A metric that is ready to be measured."""

    name: str
    """Name of the metric or of the function."""
    metric: Any
    """Object with ``measure``, ``terms``, or ``sums`` and ``combine``."""

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return bool(self.metric.higher_is_better)

    @property
    def unit(self) -> str:
        """``%`` for shares."""
        return str(getattr(self.metric, "unit", ""))

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value."""
        low, high = getattr(self.metric, "bounds", (-math.inf, math.inf))
        return float(low), float(high)

    def check(
        self, labels: Any, images: int, shape: tuple[int, ...] | Mapping[str, tuple[int, ...]], *, part: bool = False
    ) -> np.ndarray:
        """Return labels as the metric takes them.

        Parameters
        ----------
        labels : array_like, (images, ...), or sequence
            What the outputs should be, one entry per image.
        images : int
            Number of images.
        shape : tuple of int or mapping
            Shape of the network's output for one image; by name where it has several.
        part : bool
            Whether more labels follow, so that these may be left out altogether.

        Returns
        -------
        ndarray, (images, ...)
            Labels.

        Raises
        ------
        ConfigError, ShapeError
            If they do not fit images or outputs.
        """
        try:
            given = np.asarray(labels)
        except ValueError:  # entries of different lengths: boxes, sentences
            given = np.empty(len(labels), object)
            for image, entry in enumerate(labels):
                given[image] = entry
        if given.ndim < 1 or len(given) != images:
            raise ShapeError(f"labels: shape {given.shape} does not match {images} images")
        check: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] | None = getattr(self.metric, "check", None)
        if check is None:
            return given
        if isinstance(shape, Mapping):
            raise ConfigError(
                f"metric {self.name}: takes one output, and the network has {', '.join(shape)[:200]}; choose one by "
                f"load_network(outputs=...) or --outputs, or give a function (outputs, labels) of all"
            )
        truth = check(given, shape)
        return truth if part else require_labels(self.metric, self.name, truth, shape)

    def measure(self, outputs: Outputs, labels: np.ndarray) -> float:
        """Return the value of outputs (images, ...) beside labels (images, ...); ConfigError if it is no number."""
        if hasattr(self.metric, "measure"):
            return self._number(self.metric.measure(outputs, labels), "measure")
        return self.rate(outputs, labels).value

    def rate(self, outputs: Outputs, labels: np.ndarray) -> RatedChip:
        """Return outputs (images, ...) with scores and their value beside labels (images, ...), scored once."""
        scores, value = None, math.nan
        if hasattr(self.metric, "terms"):
            scores = np.asarray(self.metric.terms(outputs, labels))
            value = self._number(np.mean(scores), "terms")
        elif hasattr(self.metric, "sums"):
            scores = np.asarray(self.metric.sums(outputs, labels))
            value = self._number(self.metric.combine(scores.sum(axis=0)), "combine")
        if hasattr(self.metric, "measure"):
            value = self._number(self.metric.measure(outputs, labels), "measure")
        return RatedChip(outputs=outputs, value=value, scores=scores)

    def estimate(self, chips: Sequence[RatedChip], labels: np.ndarray, seed: int) -> tuple[float, float]:
        """Estimate how far the mean over chips may be off because images are a sample.

        Parameters
        ----------
        chips : sequence of RatedChip
            Every chip that was run.
        labels : ndarray, (images, ...)
            What outputs should be.
        seed : int
            Seed of the bootstrap.

        Returns
        -------
        tuple of float
            Distances below and above it that cover 95 %; infinite where one image says nothing.
        """
        mean = float(np.mean([chip.value for chip in chips]))
        if hasattr(self.metric, "terms"):
            terms = np.stack([chip.scores for chip in chips if chip.scores is not None])
            if terms.dtype != bool:
                half = _spread_mean(terms.mean(axis=0))
                return half, half
            return spread_share(mean, len(labels))
        if len(labels) < 2:
            return math.inf, math.inf
        rng = stream(seed, "metric.bootstrap", self.name)
        if hasattr(self.metric, "sums"):
            sums = np.stack([chip.scores for chip in chips if chip.scores is not None], axis=1)
            draws = (sums[_draw(rng, labels)].sum(axis=0) for _ in range(DRAWS_OF_SUMS))
            moved = [float(np.mean(self.metric.combine(totals))) - mean for totals in draws]
        else:
            moved = []
            for draw in range(DRAWS_OF_CALLS):
                picked, chip = _draw(rng, labels), chips[draw % len(chips)]
                moved.append(self.measure(pick(chip.outputs, picked), labels[picked]) - chip.value)
        half = _spread_draws(moved, len(labels))
        return half, half

    def score_images(self, outputs: Outputs, labels: np.ndarray) -> np.ndarray:
        """Score images one by one so that the mean is the metric.

        Parameters
        ----------
        outputs : ndarray, (images, ...), or mapping
            Raw outputs.
        labels : ndarray, (images, ...)
            What outputs should be.

        Returns
        -------
        ndarray of float64, (images,)
            The terms of a mean; for a metric made of sums, what each image moves it by (pseudo-values of the jackknife,
            R. G. Miller, Biometrika 61, 1974), centred on its value. A function is called without each image, or
            without each of ``GROUPS`` groups of images, whose scatter is scaled to that of single images.
        """
        chip = self.rate(outputs, labels)
        value, images, scores = chip.value, len(labels), chip.scores
        if hasattr(self.metric, "terms"):
            return np.asarray(scores, np.float64)
        if images < 2 or not math.isfinite(value):
            return np.full(images, value)
        count = images if scores is not None else min(images, GROUPS)
        group = np.arange(images) % count
        if scores is not None:
            with np.errstate(invalid="ignore"):
                without = np.asarray(self.metric.combine(scores.sum(axis=0) - scores), np.float64)
        else:
            parts = [group != each for each in range(count)]
            without = np.array([self.measure(pick(outputs, part), labels[part]) for part in parts])
        moved = (count * value - (count - 1) * np.where(np.isfinite(without), without, value))[group]
        centred: np.ndarray = value + (moved - moved.mean()) * math.sqrt(images / count)
        return centred

    def _number(self, value: Any, method: str) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"metric {self.name!r}: {method} returned {value!r}, which is not a number") from None


class FunctionMetric:
    """A function ``(outputs, labels) -> float`` as a metric; ``higher_is_better``, ``bounds``, ``unit`` and
    ``class_axis`` may be set on it."""

    def __init__(self, function: Callable[[Outputs, np.ndarray], float]) -> None:
        self.measure = function
        self.higher_is_better = bool(getattr(function, "higher_is_better", True))
        self.bounds = getattr(function, "bounds", (-math.inf, math.inf))
        self.unit = getattr(function, "unit", "")
        if hasattr(function, "class_axis"):
            self.class_axis = function.class_axis


def choose_judge(metric: str | Callable[..., Any]) -> Judge:
    """Return what measures a metric.

    Parameters
    ----------
    metric : str or callable
        Name in :data:`~xbarsim.report.outputs.METRICS`, or a function ``(outputs, labels) -> float``.

    Returns
    -------
    Judge
        The metric, ready to be measured.

    Raises
    ------
    ConfigError
        If there is no such metric.
    """
    if isinstance(metric, str):
        return Judge(name=metric, metric=METRICS[metric]())
    if isinstance(metric, type) or not callable(metric):
        raise ConfigError(
            f"metric: {metric!r} is neither a name nor a function (outputs, labels); names: {', '.join(METRICS)}"
        )
    name = getattr(metric, "__name__", type(metric).__name__)
    return Judge(name="function" if name == "<lambda>" else name, metric=FunctionMetric(metric))


def compare_outputs(
    judge: Judge,
    reference: Outputs,
    quantized: Outputs,
    hardware: Outputs,
    labels: np.ndarray,
    *,
    runs: int,
    seed: int,
) -> MetricResult:
    """Measure the three versions of a network on the same images.

    Parameters
    ----------
    judge : Judge
        The metric.
    reference, quantized : ndarray or mapping
        Outputs (images, ...) of the float and of the integer network.
    hardware : ndarray or mapping
        Outputs (trials, images, ...).
    labels : ndarray, (images, ...)
        What outputs should be, checked by the judge.
    runs : int
        Trials that were run; the others repeat the first.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    MetricResult
        Values, trials and interval.
    """
    rated = rate_chips(judge, hardware, labels, runs=runs, seed=seed)
    return MetricResult(
        name=judge.name,
        images=len(labels),
        reference=judge.measure(reference, labels),
        quantized=judge.measure(quantized, labels),
        hardware=rated.mean,
        trials=rated.trials,
        runs=runs,
        interval=rated.interval,
        higher_is_better=judge.higher_is_better,
        unit=judge.unit,
    )


@dataclass(frozen=True, kw_only=True)
class RatedChips:
    """A metric on hardware."""

    mean: float
    """Mean over trials."""
    trials: tuple[float, ...]
    """Trial by trial."""
    interval: tuple[float, float]
    """95 % confidence interval of the mean over images and chips."""


def rate_chips(judge: Judge, hardware: Outputs, labels: np.ndarray, *, runs: int, seed: int) -> RatedChips:
    """Measure a metric on every chip.

    Parameters
    ----------
    judge : Judge
        The metric.
    hardware : ndarray or mapping
        Outputs (trials, images, ...).
    labels : ndarray, (images, ...)
        What outputs should be.
    runs : int
        Trials that were run; the others repeat the first.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    RatedChips
        Mean, trials and interval.
    """
    chips = [judge.rate(pick(hardware, chip), labels) for chip in range(runs)]
    values = [chip.value for chip in chips]
    trials = values + values[:1] * (count_chips(hardware) - runs)
    mean = float(np.mean(trials))
    if not math.isfinite(mean):
        return RatedChips(mean=mean, trials=tuple(trials), interval=(math.nan, math.nan))
    interval = widen_interval(mean, judge.estimate(chips, labels, seed), trials, judge.bounds)
    return RatedChips(mean=mean, trials=tuple(trials), interval=interval)


def count_chips(hardware: Outputs) -> int:
    """Return the number of trials of outputs (trials, images, ...), or of several by name."""
    return len(next(iter(hardware.values())) if isinstance(hardware, Mapping) else hardware)


def pick(outputs: Outputs, places: np.ndarray | int) -> Outputs:
    """Return the outputs of some images, or of one chip.

    Parameters
    ----------
    outputs : ndarray (images, ...) or (chips, images, ...), or mapping of such arrays
        Outputs of all.
    places : int or ndarray of int, (picked,)
        Which.

    Returns
    -------
    ndarray or dict
        Of the same form.
    """
    if isinstance(outputs, Mapping):
        return {name: values[places] for name, values in outputs.items()}
    return outputs[places]


def _draw(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Draw as many images as there are, with replacement."""
    return rng.integers(len(labels), size=len(labels))


def _spread_mean(terms: np.ndarray) -> float:
    """Return half of Student's interval of the mean of terms (images,)."""
    if len(terms) < 2:
        return math.inf
    return _quantile(len(terms)) * float(np.std(terms, ddof=1)) / math.sqrt(len(terms))


def _spread_draws(moved: Sequence[float], images: int) -> float:
    """Return Student's quantile times the scatter of the draws, which is too small by the root of (n - 1) / n."""
    finite = [value for value in moved if math.isfinite(value)]
    if len(finite) < 2:
        return math.inf
    return _quantile(images) * float(np.std(finite, ddof=1)) * math.sqrt(images / (images - 1))


def _quantile(images: int) -> float:
    """Return Student's quantile of a 95 % interval."""
    from scipy import special  # scipy.stats takes half a second to load

    return float(special.stdtrit(images - 1, 0.975))
