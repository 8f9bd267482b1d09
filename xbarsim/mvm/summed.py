"""Inputs whose reads are added up before they are converted, as the fused kernels take them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import WIDE
from xbarsim.converter import Streams, spread_inputs
from xbarsim.mvm._summed import PART_BITS, SummedScratch, WholeInputs

TABLE_DIGITS = 16
"""Binary digits of the factors of variances: with the eight of a cell's variance, products are exact in float32."""


def part_bits(streams: Streams) -> int:
    """Return the bits of the widest part of a whole input, at least one."""
    return min(PART_BITS, _width(streams))


def take_whole(codes: NDArray[Any], streams: Streams, is_noisy: bool) -> WholeInputs:
    """Return inputs as the kernels take them.

    Parameters
    ----------
    codes : ndarray of int32, (vectors, K)
        From :meth:`Streams.encode`.
    streams : Streams
        A sum of reads.
    is_noisy : bool
        Whether the noise of reads counts.

    Returns
    -------
    WholeInputs
        With tables of what the noise of the reads of every input counts, where it does.
    """
    none = np.zeros(0, dtype=np.float32)
    squares, linears = _tabulate_noise(streams) if is_noisy else (none, none)
    parts = max(1, -(-_width(streams) // PART_BITS))
    return WholeInputs(np.ascontiguousarray(codes), parts, streams.span[0], squares, linears)


def make_own_scratch(inputs: WholeInputs, most_rows: int, is_noisy: bool) -> SummedScratch:
    """Allocate the working memory of one call.

    Parameters
    ----------
    inputs : WholeInputs
        Inputs of the call.
    most_rows : int
        Rows of the largest row block.
    is_noisy : bool
        Whether the noise of reads counts.

    Returns
    -------
    SummedScratch
        Room for inputs in parts, their noise and four sums.
    """
    size = (len(inputs.codes) + 3) * most_rows
    return SummedScratch(
        values=np.empty(inputs.parts * size, dtype=np.float32),
        spreads=np.empty(2 * size if is_noisy else 0, dtype=np.float32),
        totals=np.empty(4 * WIDE, dtype=np.float32),
    )


def _width(streams: Streams) -> int:
    """Return the bits of a whole input, its sign included."""
    low, high = streams.span
    return max(int(high).bit_length(), int(-low - 1).bit_length() if low < 0 else 0) + (low < 0)


@functools.lru_cache(maxsize=64)
def _tabulate_noise(streams: Streams) -> tuple[NDArray[np.float32], ...]:
    """Tabulate the factors of the variances of every input, (inputs,), lowest first: of squares, and of inputs."""
    codes = np.arange(streams.lowest, streams.highest + 1)
    return tuple(_shorten(values) for values in spread_inputs(codes, streams))


def _shorten(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to the binary digits of the tables."""
    fraction, exponent = np.frexp(values)
    scale = float(1 << TABLE_DIGITS)
    return np.ldexp(np.rint(fraction * scale) / scale, exponent).astype(np.float32)
