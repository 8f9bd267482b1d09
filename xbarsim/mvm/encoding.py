"""Signed integer weights -> digits of cells and back, by the record of their encoding (``config.encoding``)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.encoding import ENCODINGS, CellFormat, EncodedWeights
from xbarsim.errors import ShapeError


def columns_per_weight(encoding: str, weight_bits: int, cell_bits: int) -> int:
    """Return how many columns one weight takes in one array (the unit column not counted).

    Parameters
    ----------
    encoding : str
        Name in ``config.encoding.ENCODINGS``.
    weight_bits : int
        Bits of a weight, sign included.
    cell_bits : int
        Bits of a cell.

    Returns
    -------
    int
        Number of slices.
    """
    return ENCODINGS[encoding].count_slices(weight_bits, cell_bits)


def encode_weights(
    weights: ArrayLike, encoding: str, *, weight_bits: int, cell_bits: int, row_starts: ArrayLike | None = None
) -> EncodedWeights:
    """Encode signed integer weights as digits.

    Parameters
    ----------
    weights : array_like of int, (rows, outputs)
        Weights within -2**(weight_bits-1) .. 2**(weight_bits-1) - 1; of one bit -1 and 1.
    encoding : str
        Name in ``config.encoding.ENCODINGS``.
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
    record = ENCODINGS[encoding]
    slices = record.count_slices(weight_bits, cell_bits)
    cells = CellFormat(weight_bits=weight_bits, cell_bits=cell_bits, slices=slices)
    low, high = (int(w.min()), int(w.max())) if w.size else (0, 0)
    if high > max(cells.half - 1, 1) or low < record.lowest_weight(cells):
        raise ShapeError(
            f"weights: {low} .. {high} do not fit {weight_bits} bits in {slices} cells of {cell_bits} bits"
        )
    starts = np.array([0, w.shape[0]]) if row_starts is None else np.asarray(row_starts)
    return record.encode(w, cells, starts.astype(np.int64))


def decode_weights(encoded: EncodedWeights, level: int, row_starts: ArrayLike | None = None) -> NDArray[np.int64]:
    """Return the weights that digits stand for, the inverse of :func:`encode_weights`.

    Parameters
    ----------
    encoded : EncodedWeights
        Digits and what their columns count.
    level : int
        Highest level of a cell.
    row_starts : array_like of int, (row blocks + 1,), optional
        Where arrays begin; one block by default.

    Returns
    -------
    ndarray of int64, (rows, outputs)
        Weights.
    """
    digits = encoded.digits.astype(np.int64)
    if encoded.is_flipped is not None:
        starts = np.array([0, digits.shape[2]]) if row_starts is None else np.asarray(row_starts)
        for r, (begin, end) in enumerate(pairwise(starts)):
            block = digits[:, :, begin:end]
            np.copyto(block, level - block, where=encoded.is_flipped[r][np.newaxis, :, np.newaxis, :])
    signs = np.array([1, -1])[: len(digits)]
    return np.asarray(np.einsum("p,s,psko->ko", signs, encoded.slice_weights, digits) + encoded.unit_weight)
