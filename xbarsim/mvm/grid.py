"""The grid to which the fused kernels round cells.

A cell is rounded to a whole number of 2**-k level units, with k chosen so that every sum that can occur is exact in
the arithmetic used. Sums then do not depend on their order, and the only difference from float64 is the rounding
of the cells: at most ``rows * highest input * 2**-(k+1)`` in a column sum, and at most
``highest input * sqrt(rows / 12) * 2**-k`` in the root mean square over cells that round independently.

* ``fixed``: the sum of a group of rows fits 16 bits, table rows are int16 and are added in int32;
* ``float``: the sum of a column fits the 24 bits of a float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xbarsim.mvm._records import MOST_TABLE_BITS

FIXED_ERROR = 0.02
"""Largest root-mean-square error of a column sum for which 16 bits are taken [lsb]."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One rounding of the cells."""

    step: float
    """Grid points of one level step, a power of two."""
    is_fixed: bool
    """Tables of int16, or of float32."""
    rms_error: float
    """Bound on the root-mean-square error of a column sum [level units]; 0 where cells lie on the grid."""

    def round_cells(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the cells that the kernels compute with, shape of ``matrix`` [level units]."""
        return np.rint(matrix.astype(np.float64) * self.step) / self.step


@dataclass(frozen=True, kw_only=True)
class Grids:
    """The grids of a layer, and what its column sums can reach."""

    fixed: Grid | None
    """None where streams are too wide for tables."""
    float32: Grid
    lowest_sum: float
    """Smallest column sum that any input could give [level units]."""
    highest_sum: float
    """Largest column sum that any input could give [level units]."""
    is_whole: bool
    """Whether every cell is a whole number of level units."""

    def choose(self, lsb: float) -> Grid:
        """Return the coarser grid where it is fine enough for a step of the converter."""
        if self.fixed is not None and self.fixed.rms_error <= FIXED_ERROR * lsb:
            return self.fixed
        return self.float32


def make_grids(
    matrix: NDArray[np.float32], row_starts: NDArray[np.int64], dac_bits: int, span: tuple[int, int] | None = None
) -> Grids:
    """Find the finest grids of a matrix.

    Parameters
    ----------
    matrix : ndarray of float32, (K, columns)
        Effective matrix in level units.
    row_starts : ndarray of int, (row blocks + 1,)
        Where arrays begin.
    dac_bits : int
        Widest stream, or widest part of a sum of streams.
    span : tuple of int, optional
        Smallest and largest value where streams are added up before they are converted.

    Returns
    -------
    Grids
        Grids and range.
    """
    members = max(1, 8 // dac_bits)
    highest = (1 << dac_bits) - 1
    least, most = span or (0, highest)
    largest_group = largest = 1e-30
    above = below = 0.0
    is_whole = True
    for begin, end in pairwise(row_starts):
        block = matrix[begin:end]
        groups = np.arange(0, end - begin, members)
        positive = np.add.reduceat(np.maximum(block, 0), groups, axis=0, dtype=np.float64)
        negative = np.add.reduceat(np.minimum(block, 0), groups, axis=0, dtype=np.float64)
        largest_group = max(largest_group, float(positive.max()) * highest, -float(negative.min()) * highest)
        plus, minus = positive.sum(axis=0), negative.sum(axis=0)
        above = max(above, float((plus * most + minus * least).max()))
        below = min(below, float((minus * most + plus * least).min()))
        largest = max(largest, float((positive - negative).sum(axis=0).max()) * highest)
        is_whole = is_whole and bool(np.all(block == np.rint(block)))
    rows = int(np.diff(row_starts).max())

    def grid(room: float, biggest: float, is_fixed: bool) -> Grid:
        bits = min(math.floor(math.log2(room / biggest)), 23)
        rms = 0.0 if is_whole and bits >= 0 else max(most, -least) * math.sqrt(rows / 12) * 2.0**-bits
        return Grid(step=2.0**bits, is_fixed=is_fixed, rms_error=rms)

    takes_tables = span is None and dac_bits <= MOST_TABLE_BITS and rows <= 128 * members
    return Grids(
        fixed=grid(32767 - members * highest, largest_group, True) if takes_tables else None,
        float32=grid(2**24 - rows * highest, largest, False),
        lowest_sum=below,
        highest_sum=above,
        is_whole=is_whole,
    )
