"""Confidence intervals of values that are uncertain because images and chips are samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread_share(share: float, images: int) -> tuple[float, float]:
    """Return how far Wilson's interval of a share of images reaches.

    Parameters
    ----------
    share : float
        Share of the images [-].
    images : int
        Number of images.

    Returns
    -------
    tuple of float
        Distances below and above the share [-].
    """
    from scipy import special  # scipy.stats takes half a second to load

    z = float(special.ndtri(0.975))
    centre = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z * np.sqrt(share * (1 - share) / images + z * z / (4 * images**2)) / (1 + z * z / images)
    return share - (centre - half), centre + half - share


def widen_interval(
    mean: float, ends: tuple[float, float], trials: Sequence[float], bounds: tuple[float, float]
) -> tuple[float, float]:
    """Add the scatter between chips to an interval over images.

    Parameters
    ----------
    mean : float
        Mean over trials.
    ends : tuple of float
        How far images let it be off below and above.
    trials : sequence of float
        Value of each trial.
    bounds : tuple of float
        The least and the greatest value that exist.

    Returns
    -------
    tuple of float
        Lower and upper end of the 95 % confidence interval, within the bounds.
    """
    from scipy import special  # scipy.stats takes half a second to load

    chips = 0.0
    if len(trials) > 1:
        chips = float(special.stdtrit(len(trials) - 1, 0.975)) * float(np.std(trials, ddof=1)) / np.sqrt(len(trials))
    low, high = mean - float(np.hypot(ends[0], chips)), mean + float(np.hypot(ends[1], chips))
    return max(bounds[0], low), min(bounds[1], high)
