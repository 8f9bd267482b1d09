"""What the fused kernels are handed: arrays and numbers by subject, as named tuples, which Numba compiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_TABLE_BITS = 2
"""Widest streams that are read through tables; wider ones have too few rows in a table to gain."""
MOST_GROUPS = 128
"""Largest number of groups of rows in a block for tables: a group has 256 table rows, which are numbered in int16."""
TOGETHER = 4
"""Table rows that are added without a branch between them [-]."""

QUADRATIC = 2
"""Terms of a curve without a load."""


class Reads(NamedTuple):
    """How inputs are sent: weights of streams, and the lowest bit and the bits of each list of table rows.

    Stream t has the lists from ``firsts[t]`` on, up to those of the next one: itself, or one list for each of its bits.
    """

    shifts: NDArray[np.int64]
    widths: NDArray[np.int64]
    weights: NDArray[np.int32]
    dac_bits: int
    firsts: NDArray[np.int64]


class Inputs(NamedTuple):
    """Bit planes of groups of eight rows.

    Bit b of group q of vector v is byte ``b % 8`` of the word ``planes[bases[v] + offsets[q] + b // 8]``.
    """

    planes: NDArray[np.uint64]
    bases: NDArray[np.int64]
    offsets: NDArray[np.int64]
    group_starts: NDArray[np.int64]


class Cells(NamedTuple):
    """The matrix, in level units, and the grid of ``1 / step`` that its cells are rounded to.

    What a cell adds to the variance of a read: ``noise x^2 + shot x`` for an input x, each of eight binary digits.
    """

    matrix: NDArray[np.float32]
    noise: NDArray[np.float32]
    shot: NDArray[np.float32]
    row_starts: NDArray[np.int64]
    step: np.float32


class Range(NamedTuple):
    """Conversion: code = clip(round(sum * scale), low, high), sums in units of the grid."""

    scale: np.float32
    low: np.float32
    high: np.float32


class ShortRange(NamedTuple):
    """Conversion in int16: code = clip(round(sum * factor / 2^15), low, high); codes times weights add up to sums that
    int16 holds.

    ``lists`` are those of all streams, from the highest bit of each on; ``weights`` are 0 but for the last of a stream.
    Without lists, sums are converted as floats.
    """

    factor: np.int16
    low: np.int16
    high: np.int16
    lists: NDArray[np.int64]
    weights: NDArray[np.int16]


NOT_SHORT = ShortRange(np.int16(1), np.int16(0), np.int16(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int16))
"""For sums in int16 that are converted as floats: with the types of a range, so that one machine code serves both."""


class LevelTables(NamedTuple):
    """Thresholds of physical converters, and what codes count.

    The code of a sum is the number of thresholds of its converter that are not above it; ``first`` holds the code to
    count on from for each of equal buckets. Silent: a sum of zero counts nothing in any converter.
    """

    thresholds: NDArray[np.float32]
    first: NDArray[np.int32]
    lowest: np.float32
    per_unit: np.float32
    counts: NDArray[np.int32]
    converter: NDArray[np.int32]
    is_silent: bool


class LevelPlaces(NamedTuple):
    """The tables of one row block, as pointers."""

    thresholds: Any
    first: Any
    lowest: np.float32
    per_unit: np.float32
    counts: Any
    converter: Any
    codes: int
    buckets: int


class Curves(NamedTuple):
    """What columns sense for sums of the grid and the load of their read.

    With ``x`` the sum over all rows, ``p`` that over the rows before each of the ``cuts`` and ``n`` the load, it is
    ``x (t0 + t1 x + t2 n) + t3 n``, and with cuts also ``t4 m (p' - x / 2)`` for the middle one, where ``m`` is the
    tilt of the read, and ``p (t5 + t6 n)`` for the first, and so on; ``terms`` is (row blocks, terms, columns). With
    two terms it is ``x (t0 + t1 x)``, whatever the load.

    The load adds up inputs by the ``weights`` of their rows, or where there are ``own`` ones by those of each column,
    up to ``limit``; the tilt by ``tilts``. ``amplitudes`` is what stands for each input where cells bend; empty where
    an input stands for itself. Sums then have a second product, of ``low_amplitudes`` and ``low_cells``: as many rows
    again behind those of the row block.
    """

    terms: NDArray[np.float32]
    weights: NDArray[np.int32]
    tilts: NDArray[np.int32]
    own: NDArray[np.uint8]
    limit: np.float32
    cuts: NDArray[np.int64]
    amplitudes: NDArray[np.float32]
    low_amplitudes: NDArray[np.float32]
    low_cells: NDArray[np.float32]


class CurvePlaces(NamedTuple):
    """The curves of one row block, as a pointer to its terms, and what goes with each read."""

    terms: Any
    stride: int
    cuts: int
    has_load: bool
    is_own: bool
    limit: np.float32
    loads: Any
    tilts: Any
    ends: Any
    own: Any
    parts: Any


class Fine(NamedTuple):
    """What happens to sums before they are converted: they are bent, and counted in finer steps.

    How many times finer than the layer's step that of each stream and of each column is: powers of two; not finer:
    once for all.
    """

    streams: NDArray[np.float32]
    columns: NDArray[np.float32]
    is_finer: bool
    curves: Curves | None


class Errors(NamedTuple):
    """What real converters and cells add, by (row block, column); variances in squared codes.

    ``still`` is what cells add to a read whatever its inputs, in the units of ``Cells``; ``read_noise`` makes squared
    codes of these. ``pool`` and ``turns`` make normals. Silent: a read without inputs gives code 0 for certain.
    ``levels`` without codes: converters round.
    """

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    inl: NDArray[np.float32]
    thermal: np.float32
    still: NDArray[np.float32]
    read_noise: NDArray[np.float32]
    pool: NDArray[np.float32]
    turns: NDArray[np.float32]
    levels: LevelTables
    is_silent: bool
    key: np.uint64
    first_vector: int


class BlockErrors(NamedTuple):
    """The errors of one row block, as pointers."""

    gain: Any
    offset: Any
    inl: Any
    inl_size: int
    thermal: np.float32
    still: Any
    read_noise: Any
    is_noisy: int
    pool: Any
    turns: Any
    levels: LevelPlaces
    is_silent: bool


class Survey(NamedTuple):
    """What converters see: extremes by lane, counts of magnitudes by bin, sums that clip."""

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    counts: NDArray[np.int64]
    bins_per_unit: np.float32
    clipped: NDArray[np.int64]


class SurveyPlaces(NamedTuple):
    """A survey as pointers."""

    lowest: Any
    highest: Any
    counts: Any
    bins: int
    bins_per_unit: np.float32
    clipped: Any


class BendScratch(NamedTuple):
    """Working memory of the curves of one thread."""

    loads: NDArray[np.float32]
    tilts: NDArray[np.float32]
    ends: NDArray[np.int64]
    load_table: NDArray[np.int32]
    own_cells: NDArray[np.uint8]
    own_table: NDArray[np.uint8]
    own_values: NDArray[np.float32]
    own_sums: NDArray[np.float32]
    parts: NDArray[np.float32]


class FusedScratch(NamedTuple):
    """Working memory of one thread.

    ``offsets`` and ``places`` hold the words and the first table rows of groups, in whole registers, and ``words`` ones
    for groups that there are; ``dealt`` the bytes of the inputs of ``LANES`` groups, bit by bit; ``total`` is empty and
    has the type in which rows of ``table`` are added. ``pairs`` and ``pair_cells`` hold inputs, and cells of two rows
    as halves of a word, where both are whole numbers of 16 bits; they are empty elsewhere.
    """

    starts: NDArray[np.int64]
    rows: NDArray[np.int16]
    words: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    dealt: NDArray[np.uint8]
    places: NDArray[np.int16]
    cells: NDArray[Any]
    noise_cells: NDArray[np.float32]
    shot_cells: NDArray[np.float32]
    table: NDArray[Any]
    total: NDArray[Any]
    noise_table: NDArray[np.uint16]
    values: NDArray[np.float32]
    pairs: NDArray[np.int16]
    pair_cells: NDArray[np.int32]
    lanes: NDArray[np.int32]
    floats: NDArray[np.float32]
    sums: NDArray[np.float32]
    variances: NDArray[np.float32]
    bends: BendScratch
