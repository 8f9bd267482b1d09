"""The float64 sibling of the fused kernels: one plain product per stream and row block, converted as it stands.

Slow and wide on purpose. BLAS is given blocks of one fixed shape, so that a vector's result does not depend on
how many others came with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import AdcRange, Streams, split_inputs
from xbarsim.mvm.recipe import Recipe

BLOCK = 256
"""Vectors that go through one product."""


def stream_sums(
    codes: NDArray[Any], matrix: NDArray[np.float32], row_starts: NDArray[np.int64], streams: Streams
) -> Iterator[tuple[int, int, int, NDArray[np.float64]]]:
    """Yield (first vector, row block, stream, column sums in float64) of every array read.

    Parameters
    ----------
    codes : ndarray of int, (vectors, K)
        Inputs.
    matrix : ndarray of float32, (K, columns)
        Effective matrix in level units.
    row_starts : ndarray of int, (row blocks + 1,)
        Where arrays begin.
    streams : Streams
        How inputs are sent.
    """
    wide = matrix.astype(np.float64)
    for first in range(0, codes.shape[0], BLOCK):
        block = np.zeros((BLOCK, codes.shape[1]), dtype=np.int64)
        count = min(BLOCK, codes.shape[0] - first)
        block[:count] = codes[first : first + count]
        values = split_inputs(block, streams).astype(np.float64)
        for r, (begin, end) in enumerate(pairwise(row_starts)):
            for t in range(len(streams)):
                yield first, r, t, (values[t, :, begin:end] @ wide[begin:end])[:count]


def multiply_plain(
    codes: NDArray[Any],
    matrix: NDArray[np.float32],
    row_starts: NDArray[np.int64],
    streams: Streams,
    adc: AdcRange,
    gain: NDArray[np.float32],
    offset: NDArray[np.float32],
    recipe: Recipe,
) -> NDArray[Any]:
    """Multiply, convert and shift-add.

    Parameters
    ----------
    codes, matrix, row_starts, streams
        As in :func:`stream_sums`.
    adc : AdcRange
        Step and codes.
    gain, offset : ndarray of float32, (row blocks, columns)
        A converter sees ``(sum * gain + offset)`` in steps; ``gain`` includes 1 / lsb.
    recipe : Recipe
        What codes count.

    Returns
    -------
    ndarray, (vectors, outputs)
        int64, or float64 where the converter is ideal.
    """
    kind = np.float64 if adc.is_ideal else np.int64
    result = np.zeros((codes.shape[0], recipe.outputs), dtype=kind)
    for first, r, t, sums in stream_sums(codes, matrix, row_starts, streams):
        seen = sums * gain[r].astype(np.float64) + offset[r].astype(np.float64)
        if not adc.is_ideal:
            seen = np.clip(np.rint(seen), adc.lowest, adc.highest)
        result[first : first + len(seen)] += streams.weights[t] * recipe.combine(seen.astype(kind), r)
    return result
