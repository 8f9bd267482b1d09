"""The grid to which the fused kernels round cells.

A cell is rounded to a whole number of ``1 / step`` level units, with a step that makes every sum that can occur exact
in the arithmetic used. Sums then do not depend on their order, and the only difference from float64 is the rounding of
the cells: at most ``rows * highest input / (2 step)`` in a column sum, and at most
``highest input * sqrt(rows / 12) / step`` in the root mean square over cells that round independently.

* ``short``: the sum of a column fits 16 bits, table rows are int16 and are added in int16;
* ``fixed``: the sum of a group of rows fits 16 bits, table rows are int16 and are added in int32;
* ``float``: the sum of a column fits the 24 bits of a float32.

Steps are powers of two, so that a sum halfway between two codes of a converter is so in floats of any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.mvm._records import MOST_GROUPS, MOST_TABLE_BITS, TOGETHER

FIXED_ERROR = 0.03
"""Largest root-mean-square error of a column sum, with all inputs at their highest, for which 16 bits are taken [lsb].

A tenth of the rounding of the converter itself, which has 0.29.
"""
KINDS = ("short", "fixed", "float")
"""Grids, the fastest first."""
_TYPES: dict[str, tuple[type[Any], type[Any]]] = {
    "short": (np.int16, np.int16),
    "fixed": (np.int16, np.int32),
    "float": (np.float32, np.float32),
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One rounding of the cells."""

    kind: str
    """``short``, ``fixed`` or ``float``."""
    step: float
    """Grid points of one level step, a power of two."""
    rms_error: float
    """Bound on the root-mean-square error of a column sum [level units]; 0 where cells lie on the grid."""

    adds_short: bool = False
    """Whether int16 holds the sums of any ``TOGETHER`` groups of eight rows for single bits of wider streams."""

    @property
    def types(self) -> tuple[type[Any], type[Any]]:
        """Types of table rows and of their sums."""
        return _TYPES[self.kind]

    def round_cells(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the cells that the kernels compute with, shape of ``matrix`` [level units]."""
        return np.rint(matrix.astype(np.float64) * self.step) / self.step


@dataclass(frozen=True, kw_only=True)
class Grids:
    """The grids of a layer, and what its column sums can reach."""

    short: Grid | None
    """None where streams are too wide for tables."""
    fixed: Grid | None
    """Likewise."""
    float32: Grid
    lowest_sum: float
    """Smallest column sum that any input could give [level units]."""
    highest_sum: float
    """Largest column sum that any input could give [level units]."""
    is_whole: bool
    """Whether every cell is a whole number of level units."""

    @property
    def by_kind(self) -> dict[str, Grid]:
        """The grids that there are, by kind, the fastest first."""
        return {grid.kind: grid for grid in (self.short, self.fixed, self.float32) if grid is not None}

    def choose(self, lsb: float) -> Grid:
        """Return the fastest grid that is fine enough for a step of the converter."""
        fine = (grid for grid in self.by_kind.values() if grid.rms_error <= FIXED_ERROR * lsb)
        return next(fine, self.float32)


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
    largest_group = largest_side = largest = largest_few = 1e-30
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
        largest_side = max(largest_side, float(plus.max()) * highest, -float(minus.min()) * highest)
        if 1 < dac_bits <= MOST_TABLE_BITS:
            largest_few = max(largest_few, _add_largest(positive), _add_largest(-negative))
        largest = max(largest, float((positive - negative).sum(axis=0).max()) * highest)
        is_whole = is_whole and bool(np.all(block == np.rint(block)))
    rows = int(np.diff(row_starts).max())

    def grid(kind: str, room: float, biggest: float) -> Grid:
        step = 2.0 ** min(math.floor(math.log2(room / biggest)), 23)
        rms = 0.0 if is_whole and step >= 1 else max(most, -least) * math.sqrt(rows / 12) / step
        fits = kind == "fixed" and dac_bits > 1 and largest_few * step + 4 * TOGETHER <= 32767
        return Grid(kind=kind, step=step, rms_error=rms, adds_short=fits)

    takes_tables = span is None and dac_bits <= MOST_TABLE_BITS and rows <= MOST_GROUPS * members
    return Grids(
        short=grid("short", 32767 - rows * highest, largest_side) if takes_tables else None,
        fixed=grid("fixed", 32767 - members * highest, largest_group) if takes_tables else None,
        float32=grid("float", 2**24 - rows * highest, largest),
        lowest_sum=below,
        highest_sum=above,
        is_whole=is_whole,
    )


def _add_largest(sums: NDArray[np.float64]) -> float:
    """Return the most that ``TOGETHER`` groups of eight rows add up to in one column, from groups of four."""
    pairs = np.add.reduceat(sums, np.arange(0, len(sums), 2), axis=0)
    return float(np.sort(pairs, axis=0)[-TOGETHER:].sum(axis=0).max())
