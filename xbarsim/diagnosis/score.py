"""Scores of the outputs on hardware for each image, so that sets of causes can be compared in pairs.

There are three measures with a maximum of 1: accuracy, agreement with the class that the float network chooses, and the
cosine between the outputs of the float network and those on hardware, which is the most sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MEASURES = ("accuracy", "agreement", "cosine")
"""Names of the measures, the least sensitive first."""
Scores = Mapping[str, Floats]
"""Measure -> (chips, images) scores [-]."""


def score_images(outputs: np.ndarray, reference: np.ndarray, labels: np.ndarray | None) -> Scores:
    """Score every image on every chip.

    Parameters
    ----------
    outputs : ndarray, (chips, images, ...)
        Raw outputs.
    reference : ndarray, (images, ...)
        Outputs of the float network.
    labels : ndarray of int, (images,), or None
        True classes.

    Returns
    -------
    mapping
        Measure -> (chips, images); without ``accuracy`` where there are no labels.
    """
    found = outputs.reshape(*outputs.shape[:2], -1).astype(np.float64)
    wanted = reference.reshape(len(reference), -1).astype(np.float64)
    chosen, best = found.argmax(axis=2), wanted.argmax(axis=1)
    norms = np.linalg.norm(found, axis=2) * np.linalg.norm(wanted, axis=1)
    cosine = (found * wanted).sum(axis=2) / np.where(norms > 0, norms, 1.0)
    scores = {"agreement": (chosen == best).astype(np.float64), "cosine": cosine}
    if labels is not None:
        scores = {"accuracy": (chosen == labels).astype(np.float64), **scores}
    return MappingProxyType(scores)
