"""Kernels of the curves behind sums, and what they must equal. Small kernels around them make lanes and pointers."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.mvm_case import STARTS, bend_scratch, bent, case, curves, rng

from xbarsim._numba import kernel
from xbarsim._simd import LANES, address, load, peek, store, to_float, zeros
from xbarsim.mvm import _curves

COLUMN = 5


@kernel
def point_lanes(given, r, scratch):
    found = _curves.point_terms(given, r, scratch)
    return peek(found.terms, 2 * found.stride + 4), found.cuts, found.is_own, found.limit, peek(found.loads, 1)


@kernel
def point_fine(fine, r, scratch):
    found = _curves.point_curves(fine, r, scratch)
    return peek(found.terms, 2 * found.stride + 4), found.cuts, found.is_own, found.limit, peek(found.loads, 1)


@kernel
def tabulate_lanes(dac_bits, count, given, scratch):
    _curves.tabulate_own(dac_bits, count, given, zeros(scratch.own_table, LANES), scratch)


@kernel
def part_lanes(part, bent, loads, r, given, scratch, out):
    zero, places = zeros(out, LANES), _curves.point_terms(given, r, scratch)
    lanes = load(part, 0, zero), load(bent, 0, zero), load(loads, 0, zero)
    store(out, 0, _curves.bend_part(*lanes, 1, 0, COLUMN, places))


@kernel
def whole_lanes(x, bent, loads, r, given, scratch, out):
    zero, places = zeros(out, LANES), _curves.point_terms(given, r, scratch)
    lanes = load(x, 0, zero), load(bent, 0, zero), load(loads, 0, zero)
    store(out, 0, _curves.bend_whole(*lanes, 1, COLUMN, places))


@kernel
def sum_lanes(first, last, rows, table, given, scratch, out):
    places = None if given is None else _curves.point_terms(given, 0, scratch)
    zero, load_zero = zeros(table, LANES), zeros(scratch.own_table, LANES)
    store(
        out,
        0,
        _curves.sum_table(first, last, 1, COLUMN, address(rows), address(table), places, zero, load_zero),
    )


@kernel
def add_lanes(first, last, rows, table, out):
    begin = load(address(table), 0, zeros(table, LANES))
    store(out, 0, to_float(_curves.add_rows(begin, first, last, address(rows), address(table))))


@kernel
def row_lanes(first, last, rows, table, out):
    store(out, 0, _curves.sum_rows(first, last, address(rows), address(table), zeros(table, LANES)))


@kernel
def multiply_lanes(rows, values, cells, given, scratch):
    zero = zeros(scratch.own_sums, LANES)
    _curves.multiply_parts(rows, address(values), 0, address(cells), given, scratch, zero)


@kernel
def product_lanes(x, r, given, scratch, out):
    places = None if given is None else _curves.point_terms(given, r, scratch)
    store(out, 0, _curves.bend_product(load(x, 0, zeros(out, LANES)), 2, 1, COLUMN, places, scratch))


@kernel
def count_products(given, rows):
    return _curves.count_products(given, rows)


# --- twins ---------------------------------------------------------------------------------------------------------


def point_plain(given, r, scratch):
    return given.terms[r, 2, 4], len(given.cuts), given.own.size > 0, given.limit, scratch.loads[1]


def copy_plain(given, begin, end, column, width, scratch):
    found = given.own[begin:end, column : column + width].ravel()
    scratch.own_cells[: found.size] = found
    scratch.own_values[: found.size] = found


def products_plain(given, rows):
    return rows if given is None or not given.amplitudes.size else 2 * rows


def tabulate_plain(dac_bits, count, given, scratch):
    whole = np.zeros(scratch.own_table.size, dtype=np.int64)
    loops.build_table(dac_bits, count, scratch.own_cells[: count * LANES].astype(np.int64), LANES, whole)
    scratch.own_table[:] = np.minimum(whole, 255)


def part_plain(part, bent, loads, r, given, scratch, out):
    terms = given.terms[r][:, COLUMN : COLUMN + LANES]
    out[:] = bent + part * (terms[5] + terms[6] * loads + terms[4] * scratch.tilts[1])


def whole_plain(x, bent, loads, r, given, scratch, out):
    terms = given.terms[r][:, COLUMN : COLUMN + LANES]
    if len(terms) == 2:
        out[:] = x * (terms[0] + terms[1] * x)
        return
    tilted = terms[4] * scratch.tilts[1] / 2 if len(given.cuts) else 0
    out[:] = bent + x * (terms[0] + terms[1] * x + terms[2] * loads - tilted) + terms[3] * loads


def added_plain(first, last, rows, table, out):
    rows_plain(first, last, rows, table, out)
    out += table[:LANES]


def rows_plain(first, last, rows, table, out):
    out[:] = table.reshape(-1, LANES)[rows[first:last]].sum(axis=0, dtype=np.int64)


def sum_plain(first, last, rows, table, given, scratch, out):
    listed = [table.reshape(-1, LANES)[row].astype(np.int64) for row in rows[first:last]]
    own = [scratch.own_table.reshape(-1, LANES)[row].astype(np.int64) for row in rows[first:last]]
    if given is None:
        out[:] = sum(listed)
        return
    loads = np.minimum(sum(own), 255) if given.own.size else np.full(LANES, scratch.loads[1])
    part = sum(listed[: scratch.ends[1] - first])
    for j in range(LANES):
        terms, x = given.terms[0, :, COLUMN + j], np.float32(sum(listed)[j])
        parts = [np.float32(part[j])] if len(given.cuts) else []
        out[j] = loops.bend(x, parts, loads[j], scratch.tilts[1], terms)


def multiply_plain(rows, values, cells, given, scratch):
    rows = rows // 2 if given.amplitudes.size else rows
    values, cells = values[:, :rows], cells[: rows * LANES].reshape(rows, LANES)
    own = scratch.own_values[: rows * LANES].reshape(rows, LANES)
    for q in range(4):
        for k, cut in enumerate(given.cuts):
            at = (4 * k + q) * LANES
            scratch.parts[at : at + LANES] = values[q, :cut] @ cells[:cut]
        sums = values[q] @ own if given.own.size else np.zeros(LANES)
        scratch.own_sums[q * LANES : (q + 1) * LANES] = np.minimum(sums, given.limit)


def product_plain(x, r, given, scratch, out):
    out[:] = x
    if given is None:
        return
    loads = scratch.own_sums[2 * LANES : 3 * LANES] if given.own.size else np.full(LANES, scratch.loads[1])
    for j in range(LANES):
        part = scratch.parts[2 * LANES + j]
        out[j] = loops.bend(x[j], [part], loads[j], scratch.tilts[1], given.terms[r, :, COLUMN + j])


# --- inputs --------------------------------------------------------------------------------------------------------


def memory():
    """Working memory with the numbers of some reads."""
    bends = bend_scratch()
    for array in (bends.loads, bends.tilts, bends.own_sums, bends.parts, bends.own_cells, bends.own_values):
        array[:] = rng().integers(0, 40, array.size)
    return bends


def lane_inputs(given):
    x, before, loads = rng().integers(-50, 50, (3, LANES)).astype(np.float32)
    return x, before, loads, 1, given, memory(), np.zeros(LANES, dtype=np.float32)


def sum_inputs(given):
    bends = memory()
    bends.own_table[:] = rng().integers(0, 90, bends.own_table.size)
    bends.ends[1] = 4
    table = rng().integers(-40, 40, 9 * LANES).astype(np.int16)
    return 2, 10, np.arange(10, dtype=np.int32) % 8 + 1, table, given, bends, np.zeros(LANES, dtype=np.float32)


def product_inputs(given, products=13):
    values = rng().integers(0, 4, (4, products)).astype(np.float32)
    return products, values, rng().integers(-20, 20, products * LANES).astype(np.float32), given, memory()


def bend_inputs(given):
    x = rng().integers(-50, 50, LANES).astype(np.float32)
    return x, 1, given, memory(), np.zeros(LANES, dtype=np.float32)


CURVES = (
    case(_curves.point_terms, point_plain, lambda: (curves(True, True), 1, memory()), (), point_lanes),
    case(
        _curves.point_curves, lambda fine, r, scratch: point_plain(fine.curves, r, scratch),
        lambda: (bent(), 1, memory()), (), point_fine,
    ),
    case(_curves.copy_own, copy_plain, lambda: (curves(is_own=True), *STARTS[1:], 3, 16, bend_scratch()), (5,)),
    case(_curves.tabulate_own, tabulate_plain, lambda: (1, 13, curves(is_own=True), memory()), (3,), tabulate_lanes),
    case(_curves.tabulate_own, tabulate_plain, lambda: (2, 13, curves(is_own=True), memory()), (3,), tabulate_lanes),
    case(_curves.bend_part, part_plain, lambda: lane_inputs(curves(has_cut=True)), (6,), part_lanes),
    case(_curves.bend_whole, whole_plain, lambda: lane_inputs(curves(has_cut=True)), (6,), whole_lanes),
    case(_curves.bend_whole, whole_plain, lambda: lane_inputs(curves()), (6,), whole_lanes),
    case(_curves.bend_whole, whole_plain, lambda: lane_inputs(curves(has_load=False)), (6,), whole_lanes),
    case(
        _curves.add_rows, added_plain, lambda: (*sum_inputs(None)[:4], np.zeros(LANES, dtype=np.float32)), (4,),
        add_lanes,
    ),
    case(
        _curves.sum_rows, rows_plain, lambda: (*sum_inputs(None)[:4], np.zeros(LANES, dtype=np.float32)), (4,),
        row_lanes,
    ),
    case(_curves.sum_table, sum_plain, lambda: sum_inputs(None), (6,), sum_lanes),
    case(_curves.sum_table, sum_plain, lambda: sum_inputs(curves()), (6,), sum_lanes),
    case(_curves.sum_table, sum_plain, lambda: sum_inputs(curves(is_own=True)), (6,), sum_lanes),
    case(_curves.sum_table, sum_plain, lambda: sum_inputs(curves(has_cut=True)), (6,), sum_lanes),
    case(_curves.sum_table, sum_plain, lambda: sum_inputs(curves(has_cut=True, is_own=True)), (6,), sum_lanes),
    case(_curves.multiply_parts, multiply_plain, lambda: product_inputs(curves(True, True)), (4,), multiply_lanes),
    case(_curves.multiply_parts, multiply_plain, lambda: product_inputs(curves()), (4,), multiply_lanes),
    case(
        _curves.multiply_parts, multiply_plain,
        lambda: product_inputs(curves(True, True, has_heights=True), products=26), (4,), multiply_lanes,
    ),
    *(
        case(_curves.count_products, products_plain, lambda given=given: (given, 7), (), count_products)
        for given in (curves(has_heights=True), curves(), None)
    ),
    case(_curves.bend_product, product_plain, lambda: bend_inputs(None), (4,), product_lanes),
    case(_curves.bend_product, product_plain, lambda: bend_inputs(curves(True)), (4,), product_lanes),
    case(_curves.bend_product, product_plain, lambda: bend_inputs(curves(True, True)), (4,), product_lanes),
)  # fmt: skip
