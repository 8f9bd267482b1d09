"""The squared error of quantisation over the bins of a histogram, summed bin after bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel


@kernel
def sum_errors(
    values: NDArray[np.float64], counts: NDArray[np.float64], step: float, low: int, high: int, bin_width: float,
    most: float,
) -> float:  # fmt: skip
    """Sum the squared errors, in steps, of values that become whole numbers from ``low`` to ``high``; stop at ``most``.

    Values of a bin that is wider than a step (``bin_width`` is relative to them) spread evenly over steps.
    """
    total = 0.0
    for i in range(values.size):
        code = values[i] / step
        error = code - min(max(np.rint(code), low), high)
        square = error * error
        if low <= code <= high and abs(code) * bin_width > 1.0:
            square = 1.0 / 12.0
        total += square * counts[i]
        if total >= most:
            break
    return total


@kernel
def find_step(
    values: NDArray[np.float64], counts: NDArray[np.float64], steps: NDArray[np.float64], low: int, high: int,
    bin_width: float,
) -> int:  # fmt: skip
    """Return the index of the step with the least squared error, the first of several."""
    best, least = 0, np.inf
    for k in range(steps.size):
        unit = steps[k] * steps[k]
        error = sum_errors(values, counts, steps[k], low, high, bin_width, least / unit) * unit
        if error < least:
            best, least = k, error
    return best
