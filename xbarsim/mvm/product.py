"""The float64 sibling of the fused kernels: one plain product per read, converted as it stands.

Slow and wide on purpose: cells are not rounded to a grid, every partial product is stored, noise is computed in
float64 from the same counters. BLAS is given blocks of one fixed shape, so that a vector's result does not depend on
how many others came with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import SumSample, split_inputs
from xbarsim.mvm.fused import FusedMatrix
from xbarsim.mvm.noise import draw_normal

BLOCK = 256
"""Vectors that go through one product."""
ROUNDINGS = 1 << 16
"""Conversions that are looked at for sums next to thresholds, at most about: enough for a share within 0.002."""
SAMPLES = 1 << 18
"""Column sums that a converter of unequal steps is calibrated on, at most about."""


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
    cells = matrix.programmed.matrix.astype(np.float64)
    for first, block in _blocks(codes):
        size = min(BLOCK, len(codes) - first)
        values = split_inputs(block, streams).astype(np.float64)
        for r, (begin, end) in enumerate(pairwise(matrix.row_starts)):
            for t in range(len(streams)):
                x = values[t, :, begin:end]
                y = adc.to_steps((x @ cells[begin:end]) * matrix.finer(t))
                if errors is not None:
                    y = y * errors.gain[r].astype(np.float64) + errors.offset[r]
                    y += _draw_noise(matrix, x, first, r, t)
                y = _convert(matrix, y, r)
                result[first : first + size] += streams.weights[t] * matrix.recipe.combine(y[:size].astype(kind), r)
    return result


def multiply_collapsed(matrix: FusedMatrix, codes: NDArray[Any]) -> NDArray[np.float64]:
    """Multiply by the recombined matrix: what converters that neither round nor clip, and add nothing, come to.

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
    for first, block in _blocks(codes):
        result[first : first + BLOCK] = ((block + matrix.streams.constant).astype(np.float64) @ whole)[
            : len(codes) - first
        ]
    return result


def sample_sums(matrix: FusedMatrix, codes: NDArray[Any], most: int = SAMPLES) -> SumSample:
    """Return column sums in float64 as converters see them, and what each counts; gains act, offset and noise do not.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads and columns.
    codes : ndarray of int, (vectors, K)
        Inputs.
    most : int
        About as many sums are returned at most, those of vectors spread evenly over ``codes``.

    Returns
    -------
    SumSample
        Column sums of every read, padding left out [level units], and the squares of their factors in shift-add.
    """
    cells = matrix.programmed.matrix.astype(np.float64)
    columns = matrix.recipe.used_columns
    reads = len(matrix.streams) * (len(matrix.row_starts) - 1) * len(columns)
    codes = codes[:: max(1, len(codes) * reads // most)]
    found, weights = [], []
    for first, block in _blocks(codes):
        values = split_inputs(block, matrix.streams).astype(np.float64)
        for r, (begin, end) in enumerate(pairwise(matrix.row_starts)):
            factors = np.square(matrix.recipe.column_factors(r))
            for t in range(len(matrix.streams)):
                sums = (values[t, :, begin:end] @ cells[begin:end])[: len(codes) - first]
                if matrix.errors is not None:
                    sums *= matrix.errors.gain[r].astype(np.float64)
                found.append(sums[:, columns].ravel())
                weight = factors * float(matrix.streams.weights[t]) ** 2
                weights.append(np.broadcast_to(weight, (len(sums), len(columns))).ravel())
    return SumSample(np.concatenate(found), np.concatenate(weights))


def find_threshold_share(matrix: FusedMatrix, codes: NDArray[Any], most: int = ROUNDINGS) -> float | None:
    """Return the share of conversions whose sums, without errors, lie within a tenth of a step of a threshold.

    A fifth, where sums fall anywhere between codes. Where a step is in resonance with the grid of level sums, close to
    a small even multiple of it, up to a half: what wires take from those sums then rounds all of them one way.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads and converters.
    codes : ndarray of int, (vectors, K)
        Inputs.
    most : int
        About as many conversions are looked at at most, those of vectors spread evenly over ``codes``.

    Returns
    -------
    float or None
        Share of the sums that are not zero and do not clip [-]; None where there is none, and where converters have no
        equal steps.
    """
    adc, cells = matrix.adc, matrix.programmed.matrix.astype(np.float64)
    if adc.is_ideal or adc.levels is not None:
        return None
    columns = matrix.recipe.used_columns
    reads = len(matrix.streams) * (len(matrix.row_starts) - 1) * len(columns)
    codes = codes[:: max(1, len(codes) * reads // most)]
    near = count = 0
    for first, block in _blocks(codes):
        values = split_inputs(block, matrix.streams).astype(np.float64)
        for begin, end in pairwise(matrix.row_starts):
            for t in range(len(matrix.streams)):
                sums = (values[t, :, begin:end] @ cells[begin:end]) * matrix.finer(t)
                y = adc.to_steps(sums)[: len(codes) - first, columns]
                y = y[(y != 0) & (y >= adc.lowest) & (y <= adc.highest)]
                near += int(np.count_nonzero(np.abs(y - np.rint(y)) > 0.4))
                count += y.size
    return near / count if count else None


def sample_reads(matrix: FusedMatrix, codes: NDArray[Any], most: int = SAMPLES) -> NDArray[np.float64]:
    """Return column sums in float64 by read and plane, without errors.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads and columns.
    codes : ndarray of int, (vectors, K)
        Inputs.
    most : int
        About as many sums are returned at most, those of vectors spread evenly over ``codes``.

    Returns
    -------
    ndarray of float64, (streams, planes, samples)
        Column sums, padding and unit columns left out [level units].
    """
    cells, recipe = matrix.programmed.matrix.astype(np.float64), matrix.recipe
    width = recipe.planes * recipe.padded
    reads = len(matrix.streams) * (len(matrix.row_starts) - 1) * recipe.planes * recipe.outputs
    codes = codes[:: max(1, len(codes) * reads // most)]
    found = []
    for first, block in _blocks(codes):
        values = split_inputs(block, matrix.streams).astype(np.float64)[:, : len(codes) - first]
        for begin, end in pairwise(matrix.row_starts):
            sums = (values[:, :, begin:end] @ cells[begin:end, :width]).reshape(*values.shape[:2], recipe.planes, -1)
            used = sums[..., : recipe.outputs].transpose(0, 2, 1, 3)
            found.append(used.reshape(len(values), recipe.planes, -1))
    return np.concatenate(found, axis=2)


def _blocks(codes: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Cut vectors into blocks of one shape, the last filled with zeros."""
    for first in range(0, len(codes), BLOCK):
        block = np.zeros((BLOCK, codes.shape[1]), dtype=np.int64)
        part = codes[first : first + BLOCK]
        block[: len(part)] = part
        yield first, block


def _draw_noise(matrix: FusedMatrix, x: NDArray[np.float64], first: int, r: int, t: int) -> Any:
    """Draw what read noise and thermal noise add to every conversion of one read [lsb]."""
    errors, programmed = matrix.errors, matrix.programmed
    if errors is None or not errors.read_noise.size:
        return 0.0
    variance = np.zeros((len(x), programmed.matrix.shape[1]))
    begin, end = matrix.row_starts[r], matrix.row_starts[r + 1]
    if programmed.noise.size:
        variance += x**2 @ programmed.noise[begin:end].astype(np.float64)
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
