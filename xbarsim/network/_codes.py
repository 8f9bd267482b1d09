"""Kernels between floats and integers: one pass over the values of a layer, no operation fused with another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import separate_kernel
from xbarsim._simd import Array

TILE = 64
"""Places of one output that are worked on together, so that values of all outputs stay in a cache [-]."""


@separate_kernel
def quantize_values(
    x: NDArray[np.float32], scale: np.float32, zero_point: np.float32, low: np.float32, high: np.float32, codes: Array
) -> bool:
    """Round values in steps of ``scale`` to codes from ``low`` to ``high``; return whether one of them is NaN."""
    is_wrong = False
    for i in range(x.size):
        steps = np.rint(x[i] / scale) + zero_point
        is_wrong |= np.isnan(steps)
        codes[i] = np.int32(min(max(steps, low), high))
    return is_wrong


@separate_kernel
def dequantize_sums(
    sums: Array, strides: tuple[int, int], unit: float, taken: NDArray[np.float64], scale: NDArray[np.float64],
    bias: NDArray[np.float64], out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Return ``(sums * unit - taken) * scale + bias``, (images, outputs, places).

    ``sums`` is flat; ``strides`` are those of its outputs and places within an image.
    """
    images, outputs, places = out.shape
    for b in range(images):
        first = b * outputs * places
        for begin in range(0, places, TILE):
            for n in range(outputs):
                at = first + n * strides[0]
                for p in range(begin, min(begin + TILE, places)):
                    y = (sums[at + p * strides[1]] * unit - taken[n]) * scale[n] + bias[n]
                    out[b, n, p] = np.float32(y)
