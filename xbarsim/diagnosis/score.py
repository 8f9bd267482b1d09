"""Scores of the outputs on hardware for each image, so that sets of causes can be compared in pairs.

There are three measures with a maximum of 1: accuracy, agreement with the class that the float network chooses, and the
cosine between the outputs of the float network and those on hardware, which is the most sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xbarsim.report.judge import USUAL_METRIC, Judge

Floats = NDArray[np.float64]
Scores = Mapping[str, Floats]
"""Measure -> (chips, images) scores [-]."""


def score_images(outputs: np.ndarray, reference: np.ndarray, labels: np.ndarray | None, judge: Judge) -> Scores:
    """Score every image on every chip.

    Parameters
    ----------
    outputs : ndarray, (chips, images, ...)
        Raw outputs.
    reference : ndarray, (images, ...)
        Outputs of the float network.
    labels : ndarray, (images, ...), or None
        What outputs should be, as the metric takes them.
    judge : Judge
        The metric.

    Returns
    -------
    mapping
        Measure -> (chips, images), the metric first; without it where there are no labels.
    """
    found = outputs.reshape(*outputs.shape[:2], -1).astype(np.float64)
    wanted = reference.reshape(len(reference), -1).astype(np.float64)
    axis = getattr(judge.metric, "class_axis", None)
    if axis is None:
        same = found.argmax(axis=2) == wanted.argmax(axis=1)
    else:  # a class at each of many places
        places = outputs.argmax(axis=2 + axis) == reference.argmax(axis=1 + axis)
        same = places.reshape(*places.shape[:2], -1).mean(axis=2)
    norms = np.linalg.norm(found, axis=2) * np.linalg.norm(wanted, axis=1)
    cosine = (found * wanted).sum(axis=2) / np.where(norms > 0, norms, 1.0)
    scores = {"agreement": same.astype(np.float64), "cosine": cosine}
    if labels is not None:
        name = "accuracy" if judge.name == USUAL_METRIC else judge.name
        scores = {name: np.stack([judge.score_images(chip, labels) for chip in outputs]), **scores}
    return MappingProxyType(scores)
