"""Fused kernels: column sums are formed, converted and shift-added in registers; no partial product is stored.

Eight rows of an array make a byte per input bit. For every group of rows a table holds the column sums of every
combination of their inputs, so that one read of an array is a sum of table rows: an eighth of the additions of the
plain product, and none for groups whose inputs are all zero. Streams of two bits add the rows of both bits, where only
sums are asked for; with noise or curves their tables have groups of four rows. Wide streams and few vectors take the
plain product instead, four reads at a time, and two rows where cells and inputs are whole numbers of 16 bits.

Cells lie on a power-of-two grid on which every sum is exact (``fused`` chooses it), so neither the order of additions
nor the choice between tables and products changes a bit. Tables are int16, added in int16 or int32, or float32; all
share this code. Where int32 is needed for streams of two bits, rows are added in int16 a few at a time before that.
Variances of reads are relative to what single cells have, whatever their size: tables of them are bfloat16 (eight
binary digits, 0.4 %), summed in float32 in one order everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import (
    LANES,
    WIDE,
    Array,
    Vector,
    add,
    address,
    fill,
    interleave,
    join_pairs,
    lane_count,
    load,
    multiply,
    multiply_halves,
    peek,
    to_float,
    to_int32,
    zeros,
)
from xbarsim.mvm._conversion import (
    build_table,
    build_variances,
    convert,
    convert_short,
    hash_vector,
    mix_word,
    note_sums,
    point_errors,
    point_survey,
    shift_add,
    sum_variances,
    trim,
)  # fmt: skip
from xbarsim.mvm._curves import (
    add_rows,
    bend_product,
    copy_own,
    count_products,
    multiply_parts,
    point_curves,
    sum_table,
    tabulate_own,
)
from xbarsim.mvm._reads import (
    copy_low,
    copy_noise,
    list_reads,
    multiply_pairs,
    multiply_rows,
    round_cells,
    round_pairs,
    split_pairs,
    split_values,
    weigh_values,
)
from xbarsim.mvm._records import (
    MOST_TABLE_BITS,
    TOGETHER,
    Cells,
    Errors,
    Fine,
    FusedScratch,
    Inputs,
    Range,
    Reads,
    ShortRange,
    Survey,
)

# --- reads ------------------------------------------------------------------------------------------------------


@kernel
def read_tables(
    reads: Reads, adc: Range, fine: Fine | None, errors: Errors | None, survey: Survey | None, r: int, column: int,
    target: int, plane_weights: NDArray[np.int32], zero: Vector, noise_zero: Vector, load_zero: Vector,
    scratch: FusedScratch, out: Array,
) -> None:  # fmt: skip
    """Add table rows, convert and shift-add, for every vector."""
    width, streams, padded = lane_count(zero), reads.weights.size, out.shape[1]
    weights, starts, rows = address(reads.weights), address(scratch.starts), address(scratch.rows)
    firsts, lists = address(reads.firsts), reads.shifts.size
    table, noise_table = address(scratch.table), address(scratch.noise_table)
    lanes, floats = address(scratch.lanes), address(scratch.floats)
    counts, result = address(plane_weights), address(out)
    added, seen = point_errors(errors, r), point_survey(survey)
    has_variance = errors is not None and survey is None and scratch.noise_table.size > 0
    curves = point_curves(fine, r, scratch.bends)
    if fine is not None:
        finer, by_column = address(fine.streams), load(address(fine.columns), column, to_float(zero))
    for v in range(out.shape[0]):
        total = to_int32(zero)
        key = hash_vector(errors, v)
        for t in range(streams):
            listed, end = v * lists + peek(firsts, t), v * lists + peek(firsts, t + 1)
            first, last = peek(starts, listed), peek(starts, end)
            if first == last and survey is None and (errors is None or added.is_silent):
                continue
            x, variance = zero, noise_zero
            if fine is None:
                while end > listed:
                    end -= 1
                    x = add(x, x)
                    i, last = peek(starts, end), peek(starts, end + 1)
                    while i < last:
                        for k in range(TOGETHER):
                            x = add(x, load(table, np.int64(peek(rows, i + k)) * width, zero))
                            if has_variance:
                                variance = add(
                                    variance, load(noise_table, np.int64(peek(rows, i + k)) * width, noise_zero)
                                )
                        i += TOGETHER
                y = to_float(x)
            else:
                if has_variance:
                    for i in range(first, last):
                        variance = add(variance, load(noise_table, np.int64(peek(rows, i)) * width, noise_zero))
                y = sum_table(first, last, v * streams + t, column, rows, table, curves, zero, load_zero)
            if has_variance and errors is not None:
                variance = add(variance, load(added.still, column, noise_zero))
            deviation = variance
            if fine is not None and fine.is_finer:
                factor = multiply(fill(peek(finer, t), y), by_column)
                y, deviation = multiply(y, factor), multiply(deviation, multiply(factor, factor))
            if survey is not None:
                note_sums(trim(y, column, added), adc, seen, target, counts, floats)
                continue
            code = convert(y, deviation, mix_word(key + np.uint64(r * 65536 + t)), column, adc, added, lanes, floats)
            total = add(total, multiply(code, fill(peek(weights, t), zero)))
        if survey is None:
            shift_add(total, v, target, counts, lanes, result, padded)


@kernel
def read_short(
    reads: Reads, adc: ShortRange, column: int, target: int, plane_weights: NDArray[np.int32], zero: Vector,
    scratch: FusedScratch, out: Array,
) -> None:  # fmt: skip
    """As :func:`read_tables`, in int16 throughout, where that gives the same codes."""
    lists, padded = adc.lists.size, out.shape[1]
    order, weights, is_single = address(adc.lists), address(adc.weights), lists == reads.weights.size
    starts, rows, table = address(scratch.starts), address(scratch.rows), address(scratch.table)
    lanes, result = address(scratch.lanes), address(out)
    for v in range(out.shape[0]):
        x, total = zero, zero
        for j in range(lists):
            listed = v * lists + peek(order, j)
            first, last = peek(starts, listed), peek(starts, listed + 1)
            if first == last and is_single:
                continue
            x = add_rows(x, first, last, rows, table)
            weight = peek(weights, j)
            if weight == 0:
                x = add(x, x)
                continue
            total = add(total, multiply(convert_short(x, adc), fill(weight, zero)))
            x = zero
        shift_add(to_int32(total), v, target, plane_weights, lanes, result, padded)


@kernel
def read_bits(
    reads: Reads, adc: Range, units: NDArray[np.int32], column: int, target: int, plane_weights: NDArray[np.int32],
    zero: Vector, scratch: FusedScratch, out: Array,
) -> None:  # fmt: skip
    """As :func:`read_tables`, where the sums of ``TOGETHER`` table rows of single bits fit 16 bits.

    Such sums are multiplied by what a bit counts and added in 32 bits, those of even and of odd columns apart:
    ``units`` holds, for every bit, a word with that factor in the lower half, and one with it in the upper half.
    """
    streams, lists, padded, width = reads.weights.size, reads.shifts.size, out.shape[1], lane_count(zero)
    firsts, weights, factors = address(reads.firsts), address(reads.weights), address(units)
    starts, rows, table = address(scratch.starts), address(scratch.rows), address(scratch.table)
    lanes, floats, result = address(scratch.lanes), address(scratch.floats), address(out)
    none, silent, still = join_pairs(zero), to_float(join_pairs(zero)), np.uint64(0)
    for v in range(out.shape[0]):
        even_total, odd_total = none, none
        for t in range(streams):
            listed, end = v * lists + peek(firsts, t), v * lists + peek(firsts, t + 1)
            if peek(starts, listed) == peek(starts, end):
                continue
            even, odd = none, none
            for bit in range(end - listed):
                low, high = fill(peek(factors, 2 * bit), none), fill(peek(factors, 2 * bit + 1), none)
                i, last = peek(starts, listed + bit), peek(starts, listed + bit + 1)
                while i < last:
                    x = load(table, np.int64(peek(rows, i)) * width, zero)
                    for k in range(1, TOGETHER):
                        x = add(x, load(table, np.int64(peek(rows, i + k)) * width, zero))
                    even = add(even, multiply_halves(join_pairs(x), low))
                    odd = add(odd, multiply_halves(join_pairs(x), high))
                    i += TOGETHER
            weight = fill(peek(weights, t), none)
            code = convert(to_float(even), silent, still, column, adc, None, lanes, floats)
            even_total = add(even_total, multiply(code, weight))
            code = convert(to_float(odd), silent, still, column, adc, None, lanes, floats)
            odd_total = add(odd_total, multiply(code, weight))
        shift_add(interleave(even_total, odd_total), v, target, plane_weights, lanes, result, padded)


@kernel
def read_products(
    reads: Reads, adc: Range, fine: Fine | None, errors: Errors | None, survey: Survey | None, r: int, column: int,
    target: int, plane_weights: NDArray[np.int32], values: NDArray[np.float32], part: Array, zero: Vector,
    scratch: FusedScratch, out: Array,
) -> None:  # fmt: skip
    """Multiply four reads at a time by some columns, convert and shift-add; ``values`` is (reads + 3, products)."""
    width, streams, padded, products = lane_count(zero), reads.weights.size, out.shape[1], values.shape[1]
    count, rows = out.shape[0] * streams, products
    weights, inputs, cells = address(reads.weights), address(values), address(part)
    pairs, pair_cells, words = address(scratch.pairs.view(np.int32)), address(scratch.pair_cells), (products + 1) // 2
    noise, shot = address(scratch.noise_cells), address(scratch.shot_cells)
    sums, variances = address(scratch.sums), address(scratch.variances)
    lanes, floats = address(scratch.lanes), address(scratch.floats)
    counts, result = address(plane_weights), address(out)
    added, seen = point_errors(errors, r), point_survey(survey)
    has_variance = errors is not None and survey is None and scratch.noise_cells.size > 0
    has_shot, members = scratch.shot_cells.size > 0, max(1, 8 // reads.dac_bits)
    curves = point_curves(fine, r, scratch.bends)
    if fine is not None:
        rows //= count_products(fine.curves, 1)
        finer, by_column = address(fine.streams), load(address(fine.columns), column, to_float(zero))
    is_plain = has_variance and reads.dac_bits > MOST_TABLE_BITS and not has_shot and rows == products
    v, t, total = -1, streams - 1, to_int32(zero)
    for first in range(0, count, 4):
        if scratch.pairs.size:
            multiply_pairs(words, pairs, first * words, pair_cells, zero, sums)
        else:
            multiply_rows(products, inputs, first * products, 1, cells, zero, sums)
        if fine is not None:
            multiply_parts(products, inputs, first * products, cells, fine.curves, scratch.bends, zero)
        if is_plain:
            multiply_rows(rows, inputs, first * rows, 2, noise, zero, variances)
        for k in range(min(4, count - first)):
            t += 1
            if t == streams:
                v, t, total = v + 1, 0, to_int32(zero)
            x = load(sums, k * width, zero)
            variance = zero
            if is_plain:
                variance = load(variances, k * width, zero)
            elif has_variance:
                variance = sum_variances(rows, members, inputs, (first + k) * products, noise, shot, has_shot, zero)
            if has_variance and errors is not None:
                variance = add(variance, load(added.still, column, zero))
            x = bend_product(x, k, first + k, column, curves, scratch.bends)
            if fine is not None and fine.is_finer:
                factor = multiply(fill(peek(finer, t), x), by_column)
                x, variance = multiply(x, factor), multiply(variance, multiply(factor, factor))
            if survey is not None:
                note_sums(trim(x, column, added), adc, seen, target, counts, floats)
                continue
            word = mix_word(hash_vector(errors, v) + np.uint64(r * 65536 + t))
            code = convert(x, variance, word, column, adc, added, lanes, floats)
            total = add(total, multiply(code, fill(peek(weights, t), zero)))
            if t == streams - 1:
                shift_add(total, v, target, counts, lanes, result, padded)


# --- drivers -----------------------------------------------------------------------------------------------------


@kernel
def tabulate_and_read(
    reads: Reads, cells: Cells, adc: Range, short: ShortRange | None, units: NDArray[np.int32] | None,
    fine: Fine | None, errors: Errors | None, survey: Survey | None, r: int, column: int, target: int,
    plane_weights: NDArray[np.int32], zero: Vector, noise_zero: Vector, load_zero: Vector, scratch: FusedScratch,
    out: Array,
) -> None:  # fmt: skip
    """Tabulate some columns of one row block and read them for every vector."""
    begin, end = cells.row_starts[r], cells.row_starts[r + 1]
    width = lane_count(zero)
    round_cells(cells, begin, end, column, width, scratch.cells)
    build_table(reads.dac_bits, end - begin, scratch.cells, zero, scratch.table)
    if errors is not None and survey is None and scratch.noise_table.size:
        copy_noise(cells, begin, end, column, width, scratch)
        build_variances(
            reads.dac_bits, end - begin, scratch.noise_cells, scratch.shot_cells, noise_zero, scratch.noise_table
        )
    if fine is not None:
        copy_own(fine.curves, begin, end, column, width, scratch.bends)
        tabulate_own(reads.dac_bits, end - begin, fine.curves, load_zero, scratch.bends)
    if short is not None and short.lists.size > 0:
        read_short(reads, short, column, target, plane_weights, zero, scratch, out)
    elif units is not None:
        read_bits(reads, adc, units, column, target, plane_weights, zero, scratch, out)
    else:
        read_tables(
            reads, adc, fine, errors, survey, r, column, target, plane_weights, zero, noise_zero, load_zero, scratch,
            out,
        )  # fmt: skip


@kernel
def multiply_tables(
    reads: Reads, inputs: Inputs, short: ShortRange | None, units: NDArray[np.int32] | None, cells: Cells,
    adc: Range, fine: Fine | None, errors: Errors | None, survey: Survey | None, plane_weights: NDArray[np.int32],
    blocks: NDArray[np.int64], unit_weights: NDArray[np.int32], scratch: FusedScratch, out: Array, unit_codes: Array,
) -> None:  # fmt: skip
    """Multiply a block of vectors, as bit planes, by some columns of every row block.

    ``blocks`` lists (column, width, WIDE or LANES). Unit columns, as many as ``unit_weights`` has, lie behind the
    others and go to ``unit_codes`` (row blocks, vectors, unit columns). With lists in ``short``, sums are converted in
    int16; with ``units``, table rows of single bits are added in int16, ``TOGETHER`` at a time.
    """
    zero, noise_zero = zeros(scratch.total, WIDE), zeros(scratch.noise_table, WIDE)
    quarter, noise_quarter = zeros(scratch.total, LANES), zeros(scratch.noise_table, LANES)
    load_zero, load_quarter = zeros(scratch.bends.own_table, WIDE), zeros(scratch.bends.own_table, LANES)
    for r in range(cells.row_starts.size - 1):
        list_reads(reads, inputs, r, cells.row_starts[r], cells.row_starts[r + 1], fine, scratch)
        for block in range(blocks.shape[0] + unit_weights.size // LANES):
            is_unit = block >= blocks.shape[0]
            unit = LANES * (block - blocks.shape[0])
            column = plane_weights.shape[1] + unit if is_unit else blocks[block, 0]
            target = unit if is_unit else column
            weights = unit_weights if is_unit else plane_weights[r]
            result = unit_codes[r] if is_unit else out
            if not is_unit and blocks[block, 1] == WIDE:
                tabulate_and_read(
                    reads, cells, adc, short, units, fine, errors, survey, r, column, target, weights, zero, noise_zero,
                    load_zero, scratch, result,
                )  # fmt: skip
            else:
                tabulate_and_read(
                    reads, cells, adc, short, units, fine, errors, survey, r, column, target, weights, quarter,
                    noise_quarter, load_quarter, scratch, result,
                )  # fmt: skip


@kernel
def multiply_products(
    reads: Reads, codes: Array, cells: Cells, adc: Range, fine: Fine | None, errors: Errors | None,
    survey: Survey | None, plane_weights: NDArray[np.int32], blocks: NDArray[np.int64], unit_weights: NDArray[np.int32],
    scratch: FusedScratch, out: Array, unit_codes: Array,
) -> None:  # fmt: skip
    """As :func:`multiply_tables`, from plain codes and without tables."""
    zero = zeros(scratch.sums, WIDE)
    quarter = zeros(scratch.sums, LANES)
    for r in range(cells.row_starts.size - 1):
        begin, end = cells.row_starts[r], cells.row_starts[r + 1]
        count = codes.shape[0] * reads.shifts.size
        kept, products = count + 3 if scratch.values.size else 0, end - begin
        if fine is not None:
            products = count_products(fine.curves, end - begin)
        values = scratch.values[: kept * products].reshape(kept, products)
        if kept:
            values[count:] = 0
            split_values(reads, codes, begin, end, values)
        if scratch.pairs.size:
            split_pairs(reads, codes, begin, end, scratch.pairs)
        if fine is not None:
            weigh_values(values, fine.curves, begin, scratch.bends)
        for block in range(blocks.shape[0] + unit_weights.size // LANES):
            is_unit = block >= blocks.shape[0]
            unit = LANES * (block - blocks.shape[0])
            column = plane_weights.shape[1] + unit if is_unit else blocks[block, 0]
            width = LANES if is_unit else blocks[block, 1]
            target = unit if is_unit else column
            weights = unit_weights if is_unit else plane_weights[r]
            result = unit_codes[r] if is_unit else out
            if scratch.pairs.size:
                round_pairs(cells, begin, end, column, width, scratch.pair_cells)
            else:
                round_cells(cells, begin, end, column, width, scratch.cells)
            if errors is not None and survey is None and scratch.noise_cells.size:
                copy_noise(cells, begin, end, column, width, scratch)
            if fine is not None:
                copy_low(fine.curves, cells.step, begin, end, column, width, scratch.cells)
                copy_own(fine.curves, begin, end, column, width, scratch.bends)
            if width == WIDE:
                read_products(
                    reads, adc, fine, errors, survey, r, column, target, weights, values, scratch.cells, zero, scratch,
                    result,
                )  # fmt: skip
            else:
                read_products(
                    reads, adc, fine, errors, survey, r, column, target, weights, values, scratch.cells, quarter,
                    scratch, result,
                )  # fmt: skip
