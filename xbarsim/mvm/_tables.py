"""What kernels read from: cells rounded to the grid, tables of the sums of groups of rows, variances of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import Array, Vector, add, fill, lane_count, load, multiply, peek, shorten, spread, store
from xbarsim.mvm._records import Cells, FusedScratch

MOST_TABLE_BITS = 2
"""Widest streams that are read through tables; wider ones have too few rows in a table to gain."""


@kernel
def round_cells(cells: Cells, begin: int, end: int, column: int, width: int, part: Array) -> None:
    """Copy some columns of one row block, rounded to whole numbers of the grid."""
    matrix, step = cells.matrix, cells.step
    for i in range(begin, end):
        for j in range(width):
            part[(i - begin) * width + j] = np.rint(matrix[i, column + j] * step)


@kernel
def copy_noise(cells: Cells, begin: int, end: int, column: int, width: int, scratch: FusedScratch) -> None:
    """Copy what some columns of one row block add to variances."""
    for i in range(begin, end):
        for j in range(width):
            scratch.noise_cells[(i - begin) * width + j] = cells.noise[i, column + j]
            if scratch.shot_cells.size:
                scratch.shot_cells[(i - begin) * width + j] = cells.shot[i, column + j]


@kernel
def build_table(dac_bits: int, count: int, part: Array, zero: Vector, table: Array) -> None:
    """Tabulate the column sums of every group of rows."""
    width = lane_count(zero)
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    place = 0
    for first in range(0, count, members):
        store(table, place, zero)
        for entry in range(1, entries):
            k = 0
            while not (entry >> k) & 1:
                k += 1
            k %= members
            digit = 0
            rest = entry
            for b in range(dac_bits):
                bit = 1 << (k + b * members)
                digit += ((entry & bit) >> (k + b * members)) << b
                rest &= ~bit
            total = load(table, place + rest * width, zero)
            if first + k < count:
                cell = load(part, (first + k) * width, zero)
                if digit > 1:
                    cell = multiply(cell, spread(digit, zero))
                total = add(total, cell)
            store(table, place + entry * width, total)
        place += entries * width


@kernel
def build_variances(
    dac_bits: int, count: int, part: NDArray[np.float32], shot: NDArray[np.float32], zero: Vector,
    table: NDArray[np.uint16],
) -> None:  # fmt: skip
    """Tabulate the variances of every group of rows: ``part`` counts with the square of an input, ``shot`` with itself.

    Both have few enough binary digits for their products to be exact: :func:`sum_variances` gives the same bits.
    """
    width = lane_count(zero)
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    place = 0
    for first in range(0, count, members):
        store(table, place, zero)
        for entry in range(1, entries):
            k, digit, rest = -1, 0, entry
            while digit == 0:
                k += 1
                for b in range(dac_bits):
                    digit += ((entry >> (k + b * members)) & 1) << b
            for b in range(dac_bits):
                rest &= ~(1 << (k + b * members))
            total = load(table, place + rest * width, zero)
            if first + k < count:
                cell = multiply(load(part, (first + k) * width, zero), spread(digit * digit, zero))
                if shot.size:
                    cell = add(cell, multiply(load(shot, (first + k) * width, zero), spread(digit, zero)))
                total = add(total, cell)
            store(table, place + entry * width, total)
        place += entries * width


@inlined
def sum_variances(
    rows: int, members: int, inputs: NDArray[np.float32], at: int, cells: NDArray[np.float32],
    shot: NDArray[np.float32], has_shot: bool, like: Vector,
) -> Vector:  # fmt: skip
    """Sum the variances of one read over groups of rows, each rounded as :func:`build_variances` does.

    ``like`` is zero. Wide streams, which no table serves, have one row a group.
    """
    width = lane_count(like)
    total = like
    for first in range(0, rows, members):
        group = like
        for i in range(min(first + members, rows) - 1, first - 1, -1):
            x = peek(inputs, at + i)
            if x != 0:
                cell = multiply(load(cells, i * width, like), fill(x * x, like))
                if has_shot:
                    cell = add(cell, multiply(load(shot, i * width, like), fill(x, like)))
                group = shorten(add(group, cell))
        total = add(total, group)
    return total
