"""Where the columns of a weight matrix sit in physical arrays.

Adjacent slices: slice s of output o is column ``o * slices + s`` of a long row of columns that is cut every
``cols`` columns, so a weight may straddle two arrays. Separate slices: every slice has arrays of its own. Column
blocks are the same for every row block. Every array of an encoding with a unit column has that column behind
its last regular one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LANES = 16
"""Columns are padded to this many, one 512-bit register of float32."""
MOST_TABLE_BITS = 2
"""Widest streams that are read through tables; wider ones have too few rows in a table to gain."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnLayout:
    """Physical place of every logical column (slice, output)."""

    outputs: int
    slices: int
    cols: int
    """Regular columns of an array."""
    blocks: int
    """Column blocks."""
    block_of: NDArray[np.int64]
    """(slices, outputs) column block."""
    column_of: NDArray[np.int64]
    """(slices, outputs) column within the array."""


def layout_columns(outputs: int, slices: int, cols: int, separate: bool) -> ColumnLayout:
    """Lay out the columns of one row block.

    Parameters
    ----------
    outputs, slices : int
        Outputs of the matrix and columns per weight.
    cols : int
        Bit lines of an array.
    separate : bool
        Each slice in arrays of its own, or slices side by side.

    Returns
    -------
    ColumnLayout
        Place of every column.
    """
    o = np.arange(outputs, dtype=np.int64)[np.newaxis]
    s = np.arange(slices, dtype=np.int64)[:, np.newaxis]
    if separate:
        per_slice = -(-outputs // cols)
        block_of, column_of, blocks = s * per_slice + o // cols, o % cols + 0 * s, slices * per_slice
    else:
        linear = o * slices + s
        block_of, column_of, blocks = linear // cols, linear % cols, -(-outputs * slices // cols)
    return ColumnLayout(
        outputs=outputs, slices=slices, cols=cols, blocks=blocks, block_of=block_of, column_of=column_of
    )


def pad_lanes(count: int) -> int:
    """Round a number of columns up to whole registers."""
    return -(-count // LANES) * LANES
