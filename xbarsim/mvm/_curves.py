"""Curves behind sums: what columns sense, from sums over all rows and over the first of them, and the load of the read.

Partial sums over the first rows are met on the way to the whole sum and cost no addition. A load of a column of its own
is the sum of uint8 weights, which is cut at 255, so that its order does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import (
    Array,
    Vector,
    add,
    add_clipped,
    address,
    fill,
    lane_count,
    load,
    multiply,
    peek,
    smaller,
    store,
    to_float,
)
from xbarsim.mvm._records import QUADRATIC, TOGETHER, BendScratch, CurvePlaces, Curves, Fine

TILTED, PARTED = 4, 5
"""Terms of the tilt and of the first partial sum."""


@inlined
def point_terms(curves: Curves | None, r: int, scratch: BendScratch) -> Any:
    """Point to the curves of one row block."""
    if curves is None:
        return None
    return CurvePlaces(
        address(curves.terms[r]),
        curves.terms.shape[2],
        curves.cuts.size,
        curves.terms.shape[1] > QUADRATIC,
        curves.own.size > 0,
        curves.limit,
        address(scratch.loads),
        address(scratch.tilts),
        address(scratch.ends),
        address(scratch.own_table),
        address(scratch.parts),
    )


@inlined
def point_curves(fine: Fine | None, r: int, scratch: BendScratch) -> Any:
    """Point to the curves of one row block, if there are any."""
    if fine is None:
        return None
    return point_terms(fine.curves, r, scratch)


@inlined
def count_products(curves: Curves | None, rows: int) -> int:
    """Return how many products the sum of a read has: two for each row where inputs have several heights."""
    if curves is None:
        return rows
    return 2 * rows if curves.amplitudes.size else rows


@kernel
def copy_own(curves: Curves | None, begin: int, end: int, column: int, width: int, scratch: BendScratch) -> None:
    """Copy what some columns of one row block count in loads of their own, as whole numbers and as floats."""
    if curves is None:
        return
    if curves.own.size:
        for i in range(begin, end):
            for j in range(width):
                scratch.own_cells[(i - begin) * width + j] = curves.own[i, column + j]
                scratch.own_values[(i - begin) * width + j] = curves.own[i, column + j]


@kernel
def tabulate_own(dac_bits: int, count: int, curves: Curves | None, zero: Vector, scratch: BendScratch) -> None:
    """Tabulate the loads of every group of rows, each cut at 255, as ``_conversion.build_table`` does with sums."""
    if curves is None:
        return
    if curves.own.size:
        width = lane_count(zero)
        members = 8 // dac_bits
        place = 0
        for first in range(0, count, members):
            store(scratch.own_table, place, zero)
            for k in range(members - 1, -1, -1):
                cell = load(scratch.own_cells, (first + k) * width, zero) if first + k < count else zero
                added = zero
                for digit in range(1, 1 << dac_bits):
                    added = add_clipped(added, cell)
                    more = (((digit & 1) << k) + ((digit >> 1) << (k + members))) * width
                    for high in range(0, 1 << (members * (dac_bits - 1)), 2 << k):
                        for low in range(0, 1 << members, 2 << k):
                            at = place + (low + (high << members)) * width
                            store(scratch.own_table, at + more, add_clipped(load(scratch.own_table, at, zero), added))
            place += width << (dac_bits * members)


@inlined
def bend_part(part: Vector, bent: Vector, loads: Vector, read: int, k: int, column: int, curves: CurvePlaces) -> Vector:
    """Add what the sum over the rows before the k-th cut counts."""
    at = (PARTED + 2 * k) * curves.stride + column
    factor = add(load(curves.terms, at, part), multiply(load(curves.terms, at + curves.stride, part), loads))
    if k == curves.cuts // 2:
        tilt = fill(peek(curves.tilts, read), part)
        factor = add(factor, multiply(load(curves.terms, TILTED * curves.stride + column, part), tilt))
    return add(bent, multiply(part, factor))


@inlined
def bend_whole(x: Vector, bent: Vector, loads: Vector, read: int, column: int, curves: CurvePlaces) -> Vector:
    """Add what the sum over all rows counts, and the load; without a load there is nothing to add to."""
    terms, stride = curves.terms, curves.stride
    factor = add(load(terms, column, x), multiply(load(terms, stride + column, x), x))
    if not curves.has_load:
        return multiply(x, factor)
    factor = add(factor, multiply(load(terms, 2 * stride + column, x), loads))
    if curves.cuts:
        tilt = fill(np.float32(-0.5) * peek(curves.tilts, read), x)
        factor = add(factor, multiply(load(terms, TILTED * stride + column, x), tilt))
    bent = add(bent, multiply(load(terms, 3 * stride + column, x), loads))
    return add(bent, multiply(x, factor))


@inlined
def add_rows(x: Vector, first: int, last: int, rows: NDArray[np.int16], table: Array) -> Vector:
    """Add the table rows of a list, ``TOGETHER`` at a time, which lists are filled up to."""
    width = lane_count(x)
    while first < last:
        for k in range(TOGETHER):
            x = add(x, load(table, np.int64(peek(rows, first + k)) * width, x))
        first += TOGETHER
    return x


@inlined
def sum_rows(first: int, last: int, rows: NDArray[np.int16], table: Array, zero: Vector) -> Vector:
    """Add the table rows of a read, and return the sum in float32."""
    return to_float(add_rows(zero, first, last, rows, table))


@inlined
def sum_table(
    first: int, last: int, read: int, column: int, rows: NDArray[np.int16], table: Array,
    curves: CurvePlaces | None, zero: Vector, load_zero: Vector,
) -> Vector:  # fmt: skip
    """Add the table rows of a read, ``rows[first:last]``, and return what columns sense, in float32."""
    if curves is None:
        return sum_rows(first, last, rows, table, zero)
    if not curves.cuts and not curves.is_own:
        whole = sum_rows(first, last, rows, table, zero)
        return bend_whole(
            whole, fill(np.float32(0.0), whole), fill(peek(curves.loads, read), whole), read, column, curves
        )
    width = lane_count(zero)
    x = zero
    own, at = load_zero, first
    for k in range(curves.cuts + 1):
        end = peek(curves.ends, read * curves.cuts + k) if k < curves.cuts else last
        if curves.is_own:
            while at + TOGETHER <= end:
                for more in range(TOGETHER):
                    place = np.int64(peek(rows, at + more)) * width
                    x, own = add(x, load(table, place, zero)), add_clipped(own, load(curves.own, place, load_zero))
                at += TOGETHER
            for i in range(at, end):
                place = np.int64(peek(rows, i)) * width
                x, own = add(x, load(table, place, zero)), add_clipped(own, load(curves.own, place, load_zero))
        else:
            while at + TOGETHER <= end:
                for more in range(TOGETHER):
                    x = add(x, load(table, np.int64(peek(rows, at + more)) * width, zero))
                at += TOGETHER
            for i in range(at, end):
                x = add(x, load(table, np.int64(peek(rows, i)) * width, zero))
        at = end
        if k < curves.cuts:
            store(curves.parts, k * width, to_float(x))
    loads = to_float(own) if curves.is_own else fill(peek(curves.loads, read), to_float(zero))
    bent = to_float(zero)
    for k in range(curves.cuts):
        bent = bend_part(load(curves.parts, k * width, bent), bent, loads, read, k, column, curves)
    return bend_whole(to_float(x), bent, loads, read, column, curves)


@inlined
def multiply_parts(
    rows: int, inputs: NDArray[np.float32], at: int, cells: NDArray[np.float32], curves: Curves | None,
    scratch: BendScratch, like: Vector,
) -> None:  # fmt: skip
    """Multiply four reads as ``_kernels.multiply_rows`` does, and keep their sums at every cut, and their own loads."""
    if curves is None:
        return
    width, parts, own = lane_count(like), address(scratch.parts), address(scratch.own_values)
    count = rows // 2 if curves.amplitudes.size else rows  # those of the second product follow
    for q in range(4):
        x, loads = like, like
        begin = 0
        for k in range(curves.cuts.size):
            end = min(curves.cuts[k], count)
            for i in range(begin, end):
                x = add(x, multiply(load(cells, i * width, like), fill(peek(inputs, at + q * rows + i), like)))
            store(parts, (4 * k + q) * width, x)
            begin = end
        if curves.own.size:
            for i in range(count):
                value = fill(peek(inputs, at + q * rows + i), like)
                loads = add(loads, multiply(load(own, i * width, like), value))
        store(scratch.own_sums, q * width, smaller(loads, fill(curves.limit, like)))


@inlined
def bend_product(x: Vector, q: int, read: int, column: int, curves: CurvePlaces | None, scratch: BendScratch) -> Vector:
    """Return what columns sense for the sums of the q-th of four reads, after :func:`multiply_parts`."""
    if curves is None:
        return x
    loads = fill(peek(curves.loads, read), x)
    if curves.is_own:
        loads = load(scratch.own_sums, q * lane_count(x), x)
    bent = fill(np.float32(0.0), x)
    for k in range(curves.cuts):
        part = load(scratch.parts, (4 * k + q) * lane_count(x), x)
        bent = bend_part(part, bent, loads, read, k, column, curves)
    return bend_whole(x, bent, loads, read, column, curves)
