"""Layout of the columns of a weight matrix in physical arrays; no other module defines it.

The physical columns of a matrix form *runs*; a run is cut every ``cols`` columns, and each piece is a column block, one
array for each row block. With adjacent slices there is one run, in which column s of output o is number
``o * slices + s``: a weight may straddle two arrays. With separate slices every slice is a run of its own and begins in
a new array. With ``mapping.carry_columns`` the run consists of the other columns of whole weights, and no weight
straddles. Column blocks are the same for every row block, and count run by run. Every array of an encoding with a unit
column has that column behind its last regular one; it is not counted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xbarsim._simd import LANES
from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.mvm.encoding import columns_per_weight

Ints = NDArray[np.int64]

FLOAT_BITS = 32
"""Weights of this many bits are floats, stored bit by bit."""


@dataclass(frozen=True, kw_only=True)
class ColumnLayout:
    """Physical place of every logical column (slice, output)."""

    outputs: int
    """Outputs of the matrix."""
    slices: int
    """Physical columns of a weight in one polarity."""
    runs: int
    """Number of runs, which begin in a new array; a divisor of ``slices``."""
    cols: int
    """Regular columns of an array."""

    @cached_property
    def width(self) -> int:
        """Columns of a weight that lie side by side."""
        return self.slices // self.runs

    @cached_property
    def run_blocks(self) -> int:
        """Column blocks of a run."""
        return -(-self.outputs * self.width // self.cols)

    @property
    def blocks(self) -> int:
        """Column blocks."""
        return self.runs * self.run_blocks

    @property
    def fitting(self) -> int:
        """Matrices like this one that fit side by side into one column block; 0 where not even one does."""
        return self.cols // (self.outputs * self.width)

    @cached_property
    def block_of(self) -> Ints:
        """(slices, outputs) column block."""
        run, place = self._places
        return run * self.run_blocks + place // self.cols

    @cached_property
    def column_of(self) -> Ints:
        """(slices, outputs) column within the array."""
        return self._places[1] % self.cols

    @property
    def _places(self) -> tuple[Ints, Ints]:
        """Run, (slices, 1), and place in the run, (slices, outputs), of every column."""
        run, rest = np.divmod(np.arange(self.slices, dtype=np.int64)[:, np.newaxis], self.width)
        return run, np.arange(self.outputs, dtype=np.int64) * self.width + rest

    @cached_property
    def used(self) -> Ints:
        """(blocks,) columns that every column block uses, at most ``cols``."""
        used = np.full(self.run_blocks, self.cols, dtype=np.int64)
        used[-1] = self.outputs * self.width - (self.run_blocks - 1) * self.cols
        return np.tile(used, self.runs)

    @property
    def most_used(self) -> int:
        """Columns that the fullest column block uses."""
        return self.cols if self.run_blocks > 1 else self.outputs * self.width

    @cached_property
    def held(self) -> Ints:
        """(blocks, outputs) columns of every output that lie in each column block."""
        held = np.zeros((self.blocks, self.outputs), dtype=np.int64)
        np.add.at(held, (self.block_of, np.arange(self.outputs)), 1)
        return held

    @cached_property
    def starts(self) -> Ints:
        """(blocks of a run + 1,) first output of every column block, and the number of outputs.

        A weight that straddles two arrays counts to the one that holds its first column. All runs are cut alike.
        """
        ends = -(-np.arange(self.run_blocks + 1) * self.cols // self.width)
        return np.minimum(ends, self.outputs).astype(np.int64)

    def count_touched(self, low: int, high: int) -> int:
        """Count the outputs that have a column in some adjacent column blocks.

        Parameters
        ----------
        low, high : int
            First block, and the block behind the last one; at least one block.

        Returns
        -------
        int
            Outputs, each counted once.
        """
        if high - low >= self.run_blocks:
            return self.outputs
        first, end = low % self.run_blocks, (high - 1) % self.run_blocks + 1
        if first < end:
            return self._end(end) - self._start(first)
        return self.outputs - max(0, self._start(first) - self._end(end))

    def _start(self, block: int) -> int:
        """Return the first output of which a block of a run holds a column."""
        return block * self.cols // self.width

    def _end(self, block: int) -> int:
        """Return the output behind the last one of which the block before holds a column."""
        return min(self.outputs, -(-block * self.cols // self.width))


def layout_columns(outputs: int, hardware: Hardware, weight_bits: int | None = None) -> ColumnLayout:
    """Lay out the columns of a matrix.

    Parameters
    ----------
    outputs : int
        Outputs of the matrix.
    hardware : Hardware
        Encoding, bits of a cell, bit lines of an array, and whether slices lie side by side (``mapping.slices``).
    weight_bits : int, optional
        Bits of a weight, sign included; those of the hardware by default.

    Returns
    -------
    ColumnLayout
        Place of every column.
    """
    slices = count_slices(hardware, weight_bits)
    runs = slices if hardware.mapping.slices == "separate" else 1
    return ColumnLayout(outputs=outputs, slices=slices, runs=runs, cols=usable_columns(hardware, weight_bits))


def usable_columns(hardware: Hardware, weight_bits: int | None = None) -> int:
    """Return the columns of an array that can hold weights.

    Parameters
    ----------
    hardware : Hardware
        Bit lines of an array, and the carry columns of each weight.
    weight_bits : int, optional
        Bits of a weight, sign included; those of the hardware by default.

    Returns
    -------
    int
        All columns, or with ``mapping.carry_columns`` those of as many whole weights as fit.

    Raises
    ------
    ConfigError
        If not even one weight fits with its carry columns.
    """
    cols = hardware.crossbar.cols
    carry = hardware.mapping.count_carries(hardware.crossbar.rows)
    if not carry:
        return cols
    slices = count_slices(hardware, weight_bits)
    if slices + carry > cols:
        raise ConfigError(
            f"mapping.carry_columns: a weight of {slices} columns and {carry} carry columns does not fit "
            f"crossbar.cols: {cols}; widen the array, or lower weight_bits"
        )
    return cols // (slices + carry) * slices


def count_slices(hardware: Hardware, weight_bits: int | None = None) -> int:
    """Return the physical columns of a weight in one polarity, the unit column of an array not counted.

    Parameters
    ----------
    hardware : Hardware
        Encoding and bits of a cell.
    weight_bits : int, optional
        Bits of a weight, sign included; those of the hardware by default.

    Returns
    -------
    int
        Columns.
    """
    bits, cell_bits = weight_bits or hardware.weight_bits, hardware.device.cell_bits
    return -(-bits // cell_bits) if bits == FLOAT_BITS else columns_per_weight(hardware.encoding, bits, cell_bits)


def pad_lanes(count: int) -> int:
    """Round a number of columns up to whole :data:`~xbarsim._simd.LANES`."""
    return -(-count // LANES) * LANES


def split_columns(planes: int, padded: int, widest: int, outputs: range | None) -> NDArray[np.int64]:
    """Cut columns into blocks that are read at a time, of ``widest`` columns and of ``LANES``.

    Parameters
    ----------
    planes, padded : int
        Planes of columns, and columns of each.
    widest : int
        Columns of the largest blocks.
    outputs : range or None
        Outputs of every plane that are read; None: all.

    Returns
    -------
    ndarray of int64, (blocks, 2)
        First column and number of columns.
    """
    spans = [(0, planes * padded)]
    if outputs is not None:
        spans = [(plane * padded + outputs.start, plane * padded + outputs.stop) for plane in range(planes)]
    blocks: list[tuple[int, int]] = []
    for first, end in spans:
        begin = first
        while begin < end:
            width = widest if end - begin >= widest else LANES
            blocks.append((begin, width))
            begin += width
    return np.array(blocks, dtype=np.int64).reshape(-1, 2)
