"""Weight layers as products of windows and weights.

Sums take the type of the values: float32 for the float network; float32, float64 or int64 for integers, where a bound
proves every partial sum to be exact. Each sum runs over its taps in order, whatever stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import LANES
from xbarsim.network import _kernels


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Where windows lie in an array of values, and their results in an array of sums."""

    pixels: NDArray[np.int64]
    """(windows,) place of the first value of each window."""
    taps: NDArray[np.int64]
    """(K,) how far behind it the value for each weight of an output lies."""
    places: NDArray[np.int64]
    """(windows,) place of the result of the first output."""
    row_step: int
    """How far behind it the result of the next output lies."""
    groups: int = 1
    """Groups of outputs."""
    group_step: int = 0
    """How far behind the values of one group those of the next one lie."""


def multiply_windows(
    values: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any] | None, windows: Windows, out: NDArray[Any]
) -> NDArray[Any]:
    """Multiply windows by the weights of every output.

    Parameters
    ----------
    values : ndarray, any shape
        What windows read, contiguous [-].
    weight : ndarray, (N, ...)
        K weights of each output [-].
    bias : ndarray, (N,) or None
        Added to every sum.
    windows : Windows
        Where values and results lie.
    out : ndarray, any shape
        Sums, written, contiguous [-].

    Returns
    -------
    ndarray, shape of ``out``
        ``out`` [-].
    """
    kind = values.dtype
    # arrays of one form, writable ones: the kernel would be compiled again for each other one
    flat = np.require(weight, kind, ("C", "W")).reshape(len(weight), -1)
    added = np.zeros(len(flat), kind) if bias is None else np.require(bias, kind, ("C", "W"))
    read = np.require(values, kind, ("C", "W")).reshape(-1)
    panel, sums = np.zeros(windows.taps.size * LANES, kind), np.zeros(_kernels.ROWS * LANES, kind)
    _kernels.multiply_windows(
        windows.groups, windows.group_step, windows.row_step, read, windows.pixels, windows.taps, flat, added,
        windows.places, out.reshape(-1), panel, sums,
    )  # fmt: skip
    return out


def multiply_vectors(x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any] | None = None) -> NDArray[Any]:
    """Multiply vectors by a matrix.

    Parameters
    ----------
    x : ndarray, (..., K)
        Vectors.
    weight : ndarray, (N, K)
        Weights of every output, of the type of ``x``.
    bias : ndarray, (N,), optional
        Added to every sum.

    Returns
    -------
    ndarray, (..., N)
        Sums, of the type of ``x``.
    """
    outputs, depth = weight.shape
    values = np.ascontiguousarray(x)
    count = np.arange(values.size // depth, dtype=np.int64)
    windows = Windows(pixels=count * depth, taps=np.arange(depth, dtype=np.int64), places=count * outputs, row_step=1)
    return multiply_windows(values, weight, bias, windows, np.empty((*x.shape[:-1], outputs), x.dtype))
