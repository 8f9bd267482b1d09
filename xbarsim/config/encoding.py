"""The table of encodings of signed integer weights as digits in cells, one record each.

All properties of an encoding are in its record: arrays of opposite sign, unit columns, column sums, columns of a
weight, digits. The factors of the columns in shift-add are data (:class:`EncodedWeights`). Digits have the base 2**c
for cells of c bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator, WithJsonSchema

from xbarsim.config.record import check_name

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CellFormat:
    """Bits of weights and cells."""

    weight_bits: int
    """Bits of a weight, including the sign."""
    cell_bits: int
    """Bits of a cell."""
    slices: int
    """Columns of a weight in one polarity."""

    @property
    def half(self) -> int:
        """Magnitude of the factor of a weight's sign bit."""
        return 1 << (self.weight_bits - 1)

    @property
    def level(self) -> int:
        """Highest level of a cell."""
        return (1 << self.cell_bits) - 1

    @property
    def slice_weights(self) -> Ints:
        """(slices,) factors of slices with plain digits, lowest first."""
        return np.int64(1) << (self.cell_bits * np.arange(self.slices, dtype=np.int64))

    def cut(self, values: Ints, slices: int) -> NDArray[np.uint8]:
        """Cut integers of zero or more, (rows, outputs), into digits, lowest first: (slices, rows, outputs)."""
        digits = np.empty((slices, *values.shape), dtype=np.uint8)
        for s in range(slices):
            digits[s] = (values >> (self.cell_bits * s)) & self.level
        return digits


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedWeights:
    """Digits of a weight matrix and factors of its columns."""

    digits: NDArray[np.uint8]
    """(polarities, slices, rows, outputs) level of each cell."""
    slice_weights: Ints
    """(slices,) factor of the column sum of each slice."""
    is_flipped: NDArray[np.bool_] | None
    """(row blocks, slices, outputs) columns stored as level - digit; None where there are none."""
    unit_weight: int
    """Factor of the unit column's sum in every output; 0 without a unit column."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """An encoding of signed weights."""

    name: str
    """Name in hardware files."""
    covers: str
    """Description in one line."""
    polarities: int
    """Column sums of a weight slice: 1, or 2 of opposite sign, which may be subtracted before conversion."""
    arrays: int
    """Physical arrays that hold a weight; fewer than ``polarities`` where the other sum comes from a reference."""
    has_unit_column: bool
    """Whether every array has an extra column of level-1 cells that measures the sum of the inputs."""
    count_slices: Callable[[int, int], int]
    """(bits of a weight, bits of a cell) -> columns of a weight in one polarity, the unit column not counted."""
    lowest_weight: Callable[[CellFormat], int]
    """Smallest weight that fits."""
    highest_mean: Callable[[float], float]
    """Highest level of a cell -> largest mean level that a column can have."""
    encode: Callable[[Ints, CellFormat, Ints], EncodedWeights]
    """(weights (rows, outputs), format, first row of every array and K) -> digits."""

    def __post_init__(self) -> None:
        """Refuse what the arrays cannot hold."""
        if self.polarities not in (1, 2):
            raise ValueError(f"encoding {self.name}: polarities: {self.polarities} is neither 1 nor 2")
        if not 1 <= self.arrays <= self.polarities:
            raise ValueError(f"encoding {self.name}: arrays: {self.arrays} is not between 1 and polarities")
        if self.has_unit_column and self.polarities == 2:
            raise ValueError(f"encoding {self.name}: has_unit_column: a unit column needs polarities: 1")


def _fill_magnitude(weight_bits: int, cell_bits: int) -> int:
    """Return the cells that hold a weight without its sign."""
    return max(1, -(-(weight_bits - 1) // cell_bits))


def _fill_all(weight_bits: int, cell_bits: int) -> int:
    """Return the cells that hold all bits of a weight."""
    return -(-weight_bits // cell_bits)


def _encode_pair(weights: Ints, cells: CellFormat, starts: Ints) -> EncodedWeights:
    """Put the magnitude into the array of its sign."""
    digits = np.stack([cells.cut(np.maximum(part, 0), cells.slices) for part in (weights, -weights)])
    return EncodedWeights(digits=digits, slice_weights=cells.slice_weights, is_flipped=None, unit_weight=0)


def _encode_offset(weights: Ints, cells: CellFormat, starts: Ints) -> EncodedWeights:
    """Add half of the range, which the unit column takes away again."""
    digits = cells.cut(_shift(weights, cells), cells.slices)[np.newaxis]
    return EncodedWeights(
        digits=digits, slice_weights=_shifted_weights(cells), is_flipped=None, unit_weight=-cells.half
    )


def _shift(weights: Ints, cells: CellFormat) -> Ints:
    """Return weights plus half of the range; of one bit, -1 and 1, the codes 0 and 1."""
    return (weights + 1) // 2 if cells.weight_bits == 1 else weights + cells.half


def _shifted_weights(cells: CellFormat) -> Ints:
    """Return the factors of slices of shifted weights; one bit counts 2."""
    return cells.slice_weights * (2 if cells.weight_bits == 1 else 1)


def _encode_flipped(weights: Ints, cells: CellFormat, starts: Ints) -> EncodedWeights:
    """Encode with an offset, and flip the columns of each array whose digits sum to more than half."""
    digits = cells.cut(_shift(weights, cells), cells.slices)
    slices, _, outputs = digits.shape
    flipped = np.zeros((len(starts) - 1, slices, outputs), dtype=np.bool_)
    for r, (begin, end) in enumerate(pairwise(starts)):
        block = digits[:, begin:end]
        flipped[r] = 2 * block.sum(axis=1, dtype=np.int64) > cells.level * (end - begin)
        np.copyto(block, cells.level - block, where=flipped[r][:, np.newaxis, :])
    return EncodedWeights(
        digits=digits[np.newaxis], slice_weights=_shifted_weights(cells), is_flipped=flipped, unit_weight=-cells.half
    )


def _encode_complement(weights: Ints, cells: CellFormat, starts: Ints) -> EncodedWeights:
    """Put the lower bits into digits and the sign bit into a column of its own."""
    magnitude = cells.cut(weights & (cells.half - 1), cells.slices - 1)
    sign = (weights < 0).astype(np.uint8)[np.newaxis]
    slice_weights = cells.slice_weights
    slice_weights[-1] = -cells.half
    digits = np.concatenate([magnitude, sign])[np.newaxis]
    return EncodedWeights(digits=digits, slice_weights=slice_weights, is_flipped=None, unit_weight=0)


def _encode_signed(weights: Ints, cells: CellFormat, starts: Ints) -> EncodedWeights:
    """Put the whole weight into one cell; a reference at half of the range is taken from the sum."""
    digits = np.stack([cells.cut(part, 1) for part in (weights + cells.half, np.full_like(weights, cells.half))])
    return EncodedWeights(digits=digits, slice_weights=cells.slice_weights, is_flipped=None, unit_weight=0)


_TABLE = (
    Encoding(
        name="differential",
        covers="magnitude digits in one of two arrays of opposite polarity",
        polarities=2,
        arrays=2,
        has_unit_column=False,
        count_slices=_fill_magnitude,
        lowest_weight=lambda cells: -min(cells.half, (1 << (cells.cell_bits * cells.slices)) - 1),
        highest_mean=lambda level: level,
        encode=_encode_pair,
    ),
    Encoding(
        name="offset",
        covers="digits of w + 2**(b-1); a unit column measures the sum of the inputs, counted -2**(b-1) times",
        polarities=1,
        arrays=1,
        has_unit_column=True,
        count_slices=_fill_all,
        lowest_weight=lambda cells: -cells.half,
        highest_mean=lambda level: level,
        encode=_encode_offset,
    ),
    Encoding(
        name="flip",
        covers="as offset; a column of more than half of what it could sum to holds level - digit (ISAAC, ISCA 2016)",
        polarities=1,
        arrays=1,
        has_unit_column=True,
        count_slices=_fill_all,
        lowest_weight=lambda cells: -cells.half,
        highest_mean=lambda level: max(level / 2, 1.0),  # the unit column always holds level 1
        encode=_encode_flipped,
    ),
    Encoding(
        name="twos_complement",
        covers="digits of the lower b - 1 bits, and the sign bit in a column that counts -2**(b-1)",
        polarities=1,
        arrays=1,
        has_unit_column=False,
        count_slices=lambda weight_bits, cell_bits: _fill_magnitude(weight_bits, cell_bits) + 1,
        lowest_weight=lambda cells: -cells.half,
        highest_mean=lambda level: level,
        encode=_encode_complement,
    ),
    Encoding(
        name="signed",
        covers="a cell holds the whole weight, w + 2**(b-1); converters see the sum minus that of a middle reference",
        polarities=2,
        arrays=1,
        has_unit_column=False,
        count_slices=lambda weight_bits, cell_bits: 1,
        lowest_weight=lambda cells: -cells.half if cells.weight_bits <= cells.cell_bits else cells.half,  # none fits
        highest_mean=lambda level: (level + 1) / 2,
        encode=_encode_signed,
    ),
)

ENCODINGS: dict[str, Encoding] = {encoding.name: encoding for encoding in _TABLE}
"""Every encoding by name."""


def _check_name(value: Any) -> str:
    return check_name(value, ENCODINGS)


EncodingName: TypeAlias = Annotated[
    str, PlainValidator(_check_name), WithJsonSchema({"type": "string", "enum": list(ENCODINGS)})
]
"""A name in :data:`ENCODINGS`, as a field of a record."""


def check_encoding(name: str, weight_bits: int, cell_bits: int, subtract: str) -> None:
    """Refuse weights that an encoding cannot hold.

    Parameters
    ----------
    name : str
        Name in :data:`ENCODINGS`.
    weight_bits, cell_bits : int
        Bits of a weight, sign included, and of a cell.
    subtract : str
        ``adc.subtract``.

    Raises
    ------
    ValueError
        In one line that begins with the key.
    """
    if name == "signed" and weight_bits > cell_bits:
        raise ValueError(
            f"weight_bits: {weight_bits} bits do not fit a cell of device.cell_bits: {cell_bits}, which encoding: "
            "signed needs; lower weight_bits, or choose encoding: offset"
        )
    if name == "signed" and subtract == "digital":
        raise ValueError("adc.subtract: digital contradicts encoding: signed, whose reference has no converter")
    if weight_bits == 1 and name in ("signed", "twos_complement"):
        raise ValueError(
            f"weight_bits: 1 contradicts encoding: {name}, which has no code for 1; choose differential, offset or flip"
        )
