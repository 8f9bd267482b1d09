"""Samples of column sums for the calibration of converters, and distances of sums from thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import SumSample, cut_stream
from xbarsim.mvm.fused import FusedMatrix
from xbarsim.mvm.product import BLOCK
from xbarsim.mvm.statistics import FitStatistics

ROUNDINGS = 1 << 16
"""Conversions that are looked at for sums next to thresholds, at most about: enough for a share within 0.002."""
SAMPLES = 1 << 18
"""Column sums that a converter of unequal steps is calibrated on, at most about."""
BEYOND = 1.1
"""Times the largest sum that a response was fitted on beyond which a sum is outside. Our choice: a curve that is nearly
straight holds a tenth further."""


class _ReadSums(NamedTuple):
    """What columns sense of some vectors in one read of one row block."""

    block: int
    """Row block, counted from 0."""
    stream: int
    """Input stream, counted from 0."""
    sums: NDArray[np.float64]
    """(vectors, columns) without errors, of the columns asked for [level units]."""
    straight: NDArray[np.float64]
    """(vectors, columns) what the operator alone gives [level units]."""
    loads: NDArray[np.float64]
    """(vectors, columns) loads of the reads, or (vectors, 1) [-]; empty without curves."""


def _list_reads(
    matrix: FusedMatrix, codes: NDArray[Any], columns: NDArray[np.int64] | slice, count: int, most: int
) -> Iterator[_ReadSums]:
    """Read vectors spread evenly over ``codes``, so that ``count`` columns give about ``most`` sums at most.

    ``columns`` are those to return. What they add up to is exact: inputs have few bits, and cells 24.
    """
    cells, streams = matrix.programmed.matrix[:, columns].astype(np.float64), matrix.streams
    bend = matrix.programmed.bend
    reads = len(streams) * (len(matrix.row_starts) - 1) * count
    coded = streams.encode(codes[:: max(1, len(codes) * reads // most)])
    for first in range(0, len(coded), BLOCK):
        for r, (begin, end) in enumerate(pairwise(matrix.row_starts)):
            block = coded[first : first + BLOCK, begin:end]
            for t in range(len(streams)):
                values = cut_stream(block, streams, t)
                inputs = values.astype(np.float64)
                if bend is None:
                    sums = inputs @ cells[begin:end]
                    yield _ReadSums(r, t, sums, sums, np.zeros((0, 0)))
                else:
                    yield _ReadSums(r, t, *bend.read(inputs, cells[begin:end], slice(begin, end), r, columns))


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
    columns = matrix.recipe.used_columns
    found, weights = [], []
    for read in _list_reads(matrix, codes, columns, len(columns), most):
        sums = read.sums
        if matrix.errors is not None:
            sums = sums * matrix.errors.gain[read.block, columns].astype(np.float64)
        found.append(sums.ravel())
        weight = np.square(matrix.recipe.column_factors(read.block)) * float(matrix.streams.weights[read.stream]) ** 2
        weights.append(np.broadcast_to(weight, (len(sums), len(columns))).ravel())
    return SumSample(np.concatenate(found), np.concatenate(weights))


def find_threshold_share(matrix: FusedMatrix, codes: NDArray[Any]) -> float | None:
    """Return the share of conversions whose sums, without errors, lie within a tenth of a step of a threshold.

    The share is a fifth for uniformly distributed sums. It is up to a half if the step is close to a small even
    multiple of the spacing of level sums; IR drop then rounds all of these sums in the same direction.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, reads and converters.
    codes : ndarray of int, (vectors, K)
        Inputs; vectors spread evenly over them are looked at.

    Returns
    -------
    float or None
        Share of the sums that are not zero and do not clip [-]; None where there is none, and where converters have no
        equal steps.
    """
    adc = matrix.adc
    if adc.is_ideal or adc.levels is not None:
        return None
    columns = matrix.recipe.used_columns
    near = count = 0
    for read in _list_reads(matrix, codes, columns, len(columns), ROUNDINGS):
        y = adc.to_steps(read.sums if matrix.fine is None else read.sums * matrix.finer(read.stream)[columns])
        is_seen = (y != 0) & (y >= adc.lowest) & (y <= adc.highest)
        near += int(np.count_nonzero(is_seen & (np.abs(y - np.rint(y)) > 0.4)))
        count += int(np.count_nonzero(is_seen))
    return near / count if count else None


def measure_fit(matrix: FusedMatrix, codes: NDArray[Any]) -> FitStatistics | None:
    """Return how well fitted responses hold; None where there are none.

    Parameters
    ----------
    matrix : FusedMatrix
        Cells, responses and converters.
    codes : ndarray of int, (vectors, K)
        Inputs, of which some are looked at for sums beyond those that responses were fitted on.

    Returns
    -------
    FitStatistics or None
        Errors on reads that were kept back when responses were fitted, and the share beyond.
    """
    bend = matrix.programmed.bend
    if bend is None:
        return None
    columns = matrix.recipe.used_columns
    error = bend.error[:, :, columns].astype(np.float64) / (1.0 if matrix.adc.is_ideal else matrix.adc.lsb)
    error = error[np.isfinite(error)]
    beyond = count = 0
    for read in _list_reads(matrix, codes, columns, len(columns), ROUNDINGS):
        is_beyond = np.abs(read.straight) > BEYOND * bend.highest[read.block, columns]
        is_beyond |= read.loads > BEYOND * bend.heaviest[read.block, columns]
        beyond += int(np.count_nonzero(is_beyond))
        count += read.straight.size
    return FitStatistics(
        rms_lsb=float(np.sqrt(np.mean(np.square(error)))),
        max_lsb=float(np.abs(error).max()),
        outside=beyond / count if count else 0.0,
    )


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
    recipe = matrix.recipe
    columns = slice(0, recipe.planes * recipe.padded)
    found: list[list[NDArray[np.float64]]] = [[] for _ in range(len(matrix.streams))]
    for read in _list_reads(matrix, codes, columns, recipe.planes * recipe.outputs, most):
        planes = read.sums.reshape(-1, recipe.planes, recipe.padded)[..., : recipe.outputs]
        found[read.stream].append(planes.transpose(1, 0, 2).reshape(recipe.planes, -1))
    return np.stack([np.concatenate(sums, axis=1) for sums in found])
