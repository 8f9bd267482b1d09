"""Reference implementation of the fused kernels in float64, with one matrix product for each read.

It favours accuracy over speed: cells are not rounded to a grid, every partial product is stored, noise is computed in
float64 from the same counters. BLAS is given blocks of one fixed shape, so that a vector's result does not depend on
how many others came with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import split_inputs, spread_inputs
from xbarsim.mvm.fused import FusedMatrix
from xbarsim.mvm.noise import draw_normal

BLOCK = 256
"""Vectors that go through one product."""


def multiply_plain(matrix: FusedMatrix, codes: NDArray[Any]) -> NDArray[Any]:
    """Multiply, convert and shift-add in float64.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells (taken as they are, not from the grid), reads, converters, errors and shift-add.
    codes : ndarray of int, (vectors, K)
        Inputs.

    Returns
    -------
    ndarray, (vectors, outputs)
        int64 in units of the finest digital step; float64 level units where it is ideal.
    """
    adc, errors, streams = matrix.adc, matrix.errors, matrix.streams
    kind = np.float64 if adc.is_ideal else np.int64
    result = np.zeros((len(codes), matrix.recipe.outputs), dtype=kind)
    for first, block in cut_blocks(codes):
        size = min(BLOCK, len(codes) - first)
        values = split_inputs(block, streams).astype(np.float64)
        spread = None if streams.sent is None else spread_inputs(block, streams)
        for r, (begin, end) in enumerate(pairwise(matrix.row_starts)):
            for t in range(len(streams)):
                x = values[t, :, begin:end]
                y = adc.to_steps(matrix.sum_inputs(x, r) * matrix.finer(t))
                if errors is not None:
                    y = y * errors.gain[r].astype(np.float64) + errors.offset[r]
                    driven = x if matrix.programmed.bend is None else matrix.programmed.bend.drive(x)
                    counted = (
                        (driven**2, driven) if spread is None else (spread[0][:, begin:end], spread[1][:, begin:end])
                    )
                    y += _draw_noise(matrix, counted, first, r, t)
                y = _convert(matrix, y, r)
                result[first : first + size] += streams.weights[t] * matrix.recipe.combine(y[:size].astype(kind), r)
    return result


def multiply_collapsed(matrix: FusedMatrix, codes: NDArray[Any]) -> NDArray[np.float64]:
    """Multiply by the recombined matrix, for converters that neither round nor clip and have no errors.

    Streams, slices and row blocks are linear without a converter between them, so they collapse into one float64
    product; exact where cells are whole levels, and within float64 rounding elsewhere.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells and shift-add.
    codes : ndarray of int, (vectors, K)
        Inputs.

    Returns
    -------
    ndarray of float64, (vectors, outputs)
        Sums in units of one weight step times one input step, the constant of the streams among the inputs.
    """
    cells = matrix.programmed.matrix.astype(np.float64)
    whole = np.concatenate(
        [matrix.recipe.combine(cells[begin:end], r) for r, (begin, end) in enumerate(pairwise(matrix.row_starts))]
    )
    result = np.empty((len(codes), matrix.recipe.outputs))
    for first, block in cut_blocks(codes):
        result[first : first + BLOCK] = ((block + matrix.streams.constant).astype(np.float64) @ whole)[
            : len(codes) - first
        ]
    return result


def cut_blocks(codes: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Cut vectors into blocks of one shape, the last filled with zeros.

    Parameters
    ----------
    codes : ndarray of int, (vectors, K)
        Inputs.

    Yields
    ------
    tuple
        Place of the block's first vector, and the block, (BLOCK, K) int64.
    """
    for first in range(0, len(codes), BLOCK):
        block = np.zeros((BLOCK, codes.shape[1]), dtype=np.int64)
        part = codes[first : first + BLOCK]
        block[: len(part)] = part
        yield first, block


def _draw_noise(
    matrix: FusedMatrix, counted: tuple[NDArray[np.float64], NDArray[np.float64]], first: int, r: int, t: int
) -> Any:
    """Draw what read noise and thermal noise add to every conversion of one read, or of a sum of reads [lsb].

    ``counted`` holds what variances count that go with the square of an input, and with the input itself.
    """
    squares, x = counted
    errors, programmed = matrix.errors, matrix.programmed
    if errors is None or not errors.read_noise.size:
        return 0.0
    variance = np.zeros((len(x), programmed.matrix.shape[1]))
    begin, end = matrix.row_starts[r], matrix.row_starts[r + 1]
    if programmed.noise.size:
        variance += squares @ programmed.noise[begin:end].astype(np.float64)
    if programmed.shot.size:
        variance += x @ programmed.shot[begin:end].astype(np.float64)
    variance = (variance + errors.still[r]) * errors.read_noise[r] * matrix.finer(t) ** 2 + float(errors.thermal)
    vectors = errors.first_vector + first + np.arange(len(x), dtype=np.int64)
    return np.sqrt(variance) * draw_normal(errors.pool, int(errors.key), vectors, r, t, variance.shape[1])


def _convert(matrix: FusedMatrix, y: NDArray[np.float64], r: int) -> NDArray[np.float64]:
    """Convert the sums of one row block, bent by the integral nonlinearity at the code that each would get."""
    adc, errors = matrix.adc, matrix.errors
    if errors is None:
        return adc.convert(y)
    if not errors.levels.counts.size:
        return adc.convert(y + errors.inl[adc.find_codes(y)] if errors.inl.size else y)
    levels = errors.levels
    counts = np.empty_like(y)
    for c, converter in enumerate(levels.converter[r]):
        thresholds = levels.thresholds[converter, :-1]
        codes = np.searchsorted(thresholds, y[:, c], side="right")
        if errors.inl.size:
            codes = np.searchsorted(thresholds, y[:, c] + errors.inl[codes], side="right")
        counts[:, c] = levels.counts[codes]
    return counts
