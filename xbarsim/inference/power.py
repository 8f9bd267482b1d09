"""Mean power of the arrays of a layer in reads of its own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.inference.machine import Codes
from xbarsim.mvm import Engine
from xbarsim.mvm.power import Stratum, add_up, measure_losses

Floats = NDArray[np.float64]

MOST_INPUTS = 1 << 23
"""Inputs of a layer whose power is averaged, at most about; those of 8 images in any case. Our choice: a quarter of a
second of work."""
FEWEST_IMAGES = 8
"""Images from which inputs are taken at least, where as many are given."""


class PowerPart(NamedTuple):
    """A matrix of a layer, and what its reads of one window drive."""

    engine: Engine
    """The programmed matrix."""
    activity: Floats
    """(K,) or (column blocks, K) mean power of the inputs of each row relative to full inputs, mean over windows and
    streams, summed over turns [-]."""
    vectors: NDArray[Any] | None
    """(vectors, K) some of its inputs, for what lines take; None where other parts show that."""
    turns: NDArray[np.bool_] | None
    """(turns, K) rows that are driven in each of several reads of a vector; None where all are."""
    reads: int
    """Physical arrays that are read, each as often as it is in one stream of one window."""


def count_arrays(engine: Engine) -> int:
    """Return the physical arrays of a matrix."""
    blocks = len(engine.programmed.power.siemens) * (len(engine.row_starts) - 1)
    return blocks * engine.hardware.arrays_per_crossbar


def spread_images(codes: Codes, most: int = MOST_INPUTS) -> Codes:
    """Return images spread evenly over those given, few enough that their inputs are averaged quickly.

    Parameters
    ----------
    codes : ndarray of int, (images, ...)
        Quantised inputs.
    most : int
        Inputs of all images, at most about.

    Returns
    -------
    ndarray of int, (fewer images, ...)
        At least ``FEWEST_IMAGES`` of them where there are as many.
    """
    count = max(FEWEST_IMAGES, most * len(codes) // max(1, codes.size))
    picked: Codes = codes[np.unique(np.linspace(0, len(codes) - 1, min(count, len(codes))).astype(int))]
    return picked


def average_weights(codes: Codes, weights: Floats, lowest: int) -> Floats:
    """Return the mean power of inputs over images.

    Parameters
    ----------
    codes : ndarray of int, (images, ...)
        Quantised inputs.
    weights : ndarray, (inputs,)
        Mean power of every input, from ``lowest`` on [-].
    lowest : int
        Smallest input.

    Returns
    -------
    ndarray, (...)
        Without the axis of images [-].
    """
    total: Floats = np.zeros(codes.shape[1:])
    for image in codes:
        total += weights[image.astype(np.int64) - lowest]
    return total / len(codes)


def average_power(parts: Sequence[PowerPart]) -> float:
    """Return the mean power of the arrays of a layer over the pulses of a read.

    Parameters
    ----------
    parts : sequence of PowerPart
        The matrices of the layer.

    Returns
    -------
    float
        Mean over arrays and reads [W].
    """
    seen: dict[Stratum, list[float]] = {}
    for part in parts:
        power = part.engine.programmed.power
        if part.vectors is None or not power.kept:
            continue
        left = measure_losses(power, part.vectors, part.engine.streams, part.engine.hardware, part.turns)
        for key, ratio in left.items():
            seen.setdefault(key, []).append(ratio)
    means = {key: float(np.mean(ratios)) for key, ratios in seen.items()}
    total = 0.0
    for part in parts:
        ideal = part.engine.programmed.power.sum_ideal(part.activity, part.reads / count_arrays(part.engine))
        total += add_up(ideal, means, part.engine.hardware)
    return total / sum(part.reads for part in parts)
