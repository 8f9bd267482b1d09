"""Gaussian processes over a few hundred points, by which searches predict what they have not evaluated.

C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006, chapters 2 and 5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Length scales that are tried, in the unit of the features."""
NOISES = (1e-3, 1e-2, 1e-1)
"""Variances of single values that are tried, relative to that of the process [-]."""
LEAST_VARIANCE = 1e-12
"""Least variance of the process, where all values are equal."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianProcess:
    """A fitted process with a kernel of squared distances."""

    x: np.ndarray
    """(points, features), where values are known."""
    weights: np.ndarray
    """(points,), weight of the kernel at each of them, in the unit of the values."""
    factor: np.ndarray
    """(points, points), Cholesky factor of the kernel with noise [-]."""
    centre: float
    """Mean of the values."""
    length: float
    """Length scale."""
    scale: float
    """Variance of the process."""
    share: float
    """Variance of a single value, relative to ``scale`` [-]."""

    def predict(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict values.

        Parameters
        ----------
        at : ndarray, (queries, features)
            Where they are asked for.

        Returns
        -------
        tuple of ndarray, (queries,)
            Means and standard deviations of the values, in their unit.
        """
        from scipy.linalg import solve_triangular  # SciPy takes a while to import

        cross = np.exp(-_square_distances(self.x, at) / (2 * self.length**2))
        left = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        variance = self.scale * np.maximum(1.0 + self.share - np.square(left).sum(axis=0), 0.0)
        return self.centre + cross.T @ self.weights, np.sqrt(variance)


def fit_process(x: np.ndarray, y: np.ndarray, noises: Sequence[float] = NOISES) -> GaussianProcess:
    """Fit a process, with the length scale and the noise that make the data most probable.

    Parameters
    ----------
    x : ndarray, (points, features)
        Where values are known.
    y : ndarray, (points,)
        Values.
    noises : sequence of float
        Variances of single values that are tried, relative to that of the process [-].

    Returns
    -------
    GaussianProcess
        The most probable one.
    """
    centre = float(np.mean(y))
    squared = _square_distances(x, x)
    best, found = -math.inf, None
    for length, share in itertools.product(LENGTHS, noises):
        kernel = np.exp(-squared / (2 * length**2)) + share * np.eye(len(x))
        factor = np.linalg.cholesky(kernel)
        weights = np.linalg.solve(factor.T, np.linalg.solve(factor, y - centre))
        scale = max(float((y - centre) @ weights) / len(x), LEAST_VARIANCE)
        likelihood = -0.5 * len(x) * math.log(scale) - float(np.log(np.diag(factor)).sum())
        if found is None or likelihood > best:
            best = likelihood
            found = GaussianProcess(
                x=x, weights=weights, factor=factor, centre=centre, length=length, scale=scale, share=share
            )  # fmt: skip
    assert found is not None
    return found


def _square_distances(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.square(x).sum(axis=1)[:, None] + np.square(at).sum(axis=1) - 2 * x @ at.T
    np.maximum(found, 0.0, out=found)  # rounding errors may be below 0
    return found
