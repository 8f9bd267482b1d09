"""Scores of the outputs on hardware for each image, so that sets of causes can be compared in pairs.

There are up to three measures: a metric where there are labels (accuracy, say), agreement with the class that the float
network chooses, and the cosine between the outputs of the float network and those on hardware, which is the most
sensitive. Higher scores are better; those of a metric that is better where it is lower are negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError
from xbarsim.network import Network
from xbarsim.report.judge import USUAL_METRIC, Judge, pick

Floats = NDArray[np.float64]
Scores = Mapping[str, Floats]
"""Measure -> (chips, images) scores."""
AGREEMENT, COSINE = "agreement", "cosine"
_FLAT = object()
"""Axis of classes of outputs that are one class an image."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What points are points of."""

    name: str
    """``accuracy`` or the name of the metric, ``agreement``, or ``cosine``."""
    unit: str
    """``%`` for shares, of which a point is a hundredth; else nothing, and points are in the metric's own unit."""
    higher_is_better: bool
    """Direction of the metric; points lost are above 0 where hardware is worse, whatever the direction."""

    @property
    def scale(self) -> float:
        """Points in a score of 1 [-]."""
        return 100.0 if self.unit == "%" else 1.0

    def points(self, scores: Floats) -> float:
        """Return the mean of scores (...), or of differences of scores, in points."""
        return self.scale * float(scores.mean())

    def value(self, scores: Floats) -> float:
        """Return the value of the metric, in per cent or in its own unit, from scores (...)."""
        return self.points(scores) if self.higher_is_better else -self.points(scores)


def describe_measure(name: str, judge: Judge) -> Measure:
    """Return what a measure of :func:`score_images` counts.

    Parameters
    ----------
    name : str
        Key of the scores.
    judge : Judge
        The metric.

    Returns
    -------
    Measure
        Unit and direction.
    """
    if name in (AGREEMENT, COSINE):
        return Measure(name=name, unit="%", higher_is_better=True)
    return Measure(name=name, unit=judge.unit, higher_is_better=judge.higher_is_better)


def check_name(judge: Judge) -> Judge:
    """Return a metric; ConfigError if it has the name of another measure."""
    if judge.name in (AGREEMENT, COSINE):
        raise ConfigError(f"metric: {judge.name} is the name of another measure of explanations; choose another name")
    return judge


def score_images(
    outputs: np.ndarray, reference: np.ndarray, labels: np.ndarray | None, judge: Judge, network: Network
) -> Scores:
    """Score every image on every chip.

    Parameters
    ----------
    outputs : ndarray, (chips, images, ...)
        Raw outputs; several side by side, as the network gives them.
    reference : ndarray, (images, ...)
        Outputs of the float network.
    labels : ndarray, (images, ...), or None
        What outputs should be, as the metric takes them.
    judge : Judge
        The metric.
    network : Network
        Takes several outputs apart.

    Returns
    -------
    mapping
        Measure -> (chips, images), the metric first; without it where there are no labels. Without ``agreement``
        where there are several outputs, or the metric says that outputs are no classes.
    """
    found = outputs.reshape(*outputs.shape[:2], -1).astype(np.float64)
    wanted = reference.reshape(len(reference), -1).astype(np.float64)
    scores: dict[str, Floats] = {}
    if labels is not None:
        name = "accuracy" if judge.name == USUAL_METRIC else judge.name
        parts = network.split_outputs(outputs)
        chips = np.stack([judge.score_images(pick(parts, chip), labels) for chip in range(len(outputs))])
        scores[name] = chips if judge.higher_is_better else -chips
    axis: Any = getattr(judge.metric, "class_axis", _FLAT)
    if axis is not None and not network.output_shapes:
        scores[AGREEMENT] = _agree(found, wanted) if axis is _FLAT else _agree_by_place(outputs, reference, axis)
    norms = np.linalg.norm(found, axis=2) * np.linalg.norm(wanted, axis=1)
    scores[COSINE] = (found * wanted).sum(axis=2) / np.where(norms > 0, norms, 1.0)
    return MappingProxyType(scores)


def _agree(found: Floats, wanted: Floats) -> Floats:
    same: Floats = (found.argmax(axis=2) == wanted.argmax(axis=1)).astype(np.float64)
    return same


def _agree_by_place(outputs: np.ndarray, reference: np.ndarray, axis: int) -> Floats:
    """Return the share of places with the class of the float network, (chips, images)."""
    axis %= reference.ndim - 1
    places = outputs.argmax(axis=2 + axis) == reference.argmax(axis=1 + axis)
    share: Floats = places.reshape(*places.shape[:2], -1).mean(axis=2)
    return share
