"""Signed integer weights -> digits that cells can hold, and the integer recipe that turns results back.

Four encodings, each with base-2**c digits for cells of c bits:

* ``differential``: magnitude digits in one of two arrays of opposite polarity;
* ``offset``: digits of w + 2**(b-1); a unit column (all cells at level 1) measures the sum of the inputs, which is
  subtracted 2**(b-1) times (bias column);
* ``flip`` (ISAAC, ISCA 2016): as ``offset``, and a column of an array whose digits sum to more than half of what
  it could hold stores level - digit instead, which halves the range of its sums; the unit column undoes it;
* ``twos_complement``: digits of the lower b - 1 bits, and the sign bit in a column of level 0 or 1 that counts
  -2**(b-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Hardware
from xbarsim.errors import ShapeError


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedWeights:
    """Digits of a weight matrix and what the columns count."""

    digits: NDArray[np.uint8]
    """(polarities, slices, rows, outputs) level of each cell."""
    slice_weights: NDArray[np.int64]
    """(slices,) what a slice's column sum counts."""
    is_flipped: NDArray[np.bool_] | None
    """(row blocks, slices, outputs) columns stored as level - digit; None for other encodings."""
    unit_weight: int
    """What the unit column's sum counts for every output, 0 where there is no unit column."""


def columns_per_weight(encoding: str, weight_bits: int, cell_bits: int) -> int:
    """Return how many columns one weight takes in one array (the unit column not counted).

    Parameters
    ----------
    encoding : str
        ``differential``, ``offset``, ``flip`` or ``twos_complement``.
    weight_bits : int
        Bits of a weight, sign included.
    cell_bits : int
        Bits of a cell.

    Returns
    -------
    int
        Number of slices.
    """
    if encoding in ("offset", "flip"):
        return -(-weight_bits // cell_bits)
    magnitude = max(1, -(-(weight_bits - 1) // cell_bits))
    return magnitude + 1 if encoding == "twos_complement" else magnitude


def is_paired(hardware: Hardware) -> bool:
    """Tell whether a crossbar is two physical arrays of opposite polarity.

    Parameters
    ----------
    hardware : Hardware
        Its encoding decides.

    Returns
    -------
    bool
    """
    return hardware.encoding == "differential"


def has_unit_column(encoding: str) -> bool:
    """Whether every array has an extra column of level-1 cells that measures the sum of the inputs."""
    return encoding in ("offset", "flip")


def encode_weights(
    weights: ArrayLike, encoding: str, *, weight_bits: int, cell_bits: int, row_starts: ArrayLike | None = None
) -> EncodedWeights:
    """Encode signed integer weights as digits.

    Parameters
    ----------
    weights : array_like of int, (rows, outputs)
        Weights within -2**(weight_bits-1) .. 2**(weight_bits-1) - 1.
    encoding : str
        See the module.
    weight_bits, cell_bits : int
        Bits of a weight, sign included, and of a cell.
    row_starts : array_like of int, (row blocks + 1,), optional
        Where arrays begin, for ``flip``; one block by default.

    Returns
    -------
    EncodedWeights
        Digits of every polarity and slice.

    Raises
    ------
    ShapeError
        If a weight does not fit.
    """
    w = np.asarray(weights)
    if w.ndim != 2 or w.dtype.kind not in "iu":
        raise ShapeError(f"weights: need a matrix of integers, got shape {w.shape} of {w.dtype}")
    w = w.astype(np.int64)
    slices = columns_per_weight(encoding, weight_bits, cell_bits)
    half = 1 << (weight_bits - 1)
    low, high = (int(w.min()), int(w.max())) if w.size else (0, 0)
    limit = (1 << (cell_bits * slices)) - 1
    if high > half - 1 or low < -half or (encoding == "differential" and -low > limit):
        raise ShapeError(
            f"weights: {low} .. {high} do not fit {weight_bits} bits in {slices} cells of {cell_bits} bits"
        )
    slice_weights = np.int64(1) << (cell_bits * np.arange(slices, dtype=np.int64))
    if encoding == "differential":
        digits = np.stack([_digits(np.maximum(w, 0), slices, cell_bits), _digits(np.maximum(-w, 0), slices, cell_bits)])
        return EncodedWeights(digits=digits, slice_weights=slice_weights, is_flipped=None, unit_weight=0)
    if encoding == "twos_complement":
        magnitude = _digits(w & (half - 1), slices - 1, cell_bits)
        sign = (w < 0).astype(np.uint8)[np.newaxis]
        slice_weights[-1] = -half
        digits = np.concatenate([magnitude, sign])[np.newaxis]
        return EncodedWeights(digits=digits, slice_weights=slice_weights, is_flipped=None, unit_weight=0)
    digits = _digits(w + half, slices, cell_bits)
    is_flipped = None
    if encoding == "flip":
        starts = np.array([0, w.shape[0]]) if row_starts is None else np.asarray(row_starts)
        is_flipped = _flip(digits, starts, (1 << cell_bits) - 1)
    return EncodedWeights(
        digits=digits[np.newaxis], slice_weights=slice_weights, is_flipped=is_flipped, unit_weight=-half
    )


def _digits(values: NDArray[np.int64], slices: int, cell_bits: int) -> NDArray[np.uint8]:
    """Cut non-negative integers into digits, lowest first: (slices, rows, outputs)."""
    digits = np.empty((slices, *values.shape), dtype=np.uint8)
    for s in range(slices):
        digits[s] = (values >> (cell_bits * s)) & ((1 << cell_bits) - 1)
    return digits


def _flip(digits: NDArray[np.uint8], starts: NDArray[np.int64], level: int) -> NDArray[np.bool_]:
    """Flip, in place, the columns of each row block whose digits sum to more than half; say which."""
    slices, _, outputs = digits.shape
    flipped = np.zeros((len(starts) - 1, slices, outputs), dtype=np.bool_)
    for r, (begin, end) in enumerate(pairwise(starts)):
        block = digits[:, begin:end]
        flipped[r] = 2 * block.sum(axis=1, dtype=np.int64) > level * (end - begin)
        np.copyto(block, level - block, where=flipped[r][:, np.newaxis, :])
    return flipped
