"""Kernels of the fused product, and what they must equal. Small kernels around them make lanes and pointers."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.conversion_kernels import table_inputs
from reference.mvm_case import (
    ADC,
    BIT_UNITS,
    BITS,
    BLOCKS,
    STARTS,
    UNITS,
    VECTORS,
    WEIGHTED,
    bent,
    case,
    cells,
    codes,
    errors,
    fine,
    forgetful,
    inputs,
    out,
    paired,
    reads,
    rng,
    scratch,
    short,
    survey,
    unit_weights,
    weights,
)
from reference.read_kernels import bent_plain, cleared, pairs_plain, split_values

from xbarsim._numba import kernel
from xbarsim._simd import LANES, WIDE, address, zeros
from xbarsim.mvm import _conversion, _kernels, _reads
from xbarsim.mvm._records import NOT_SHORT


@kernel
def build_narrow(dac_bits, count, part, table):
    _conversion.build_table(dac_bits, count, part, zeros(table, LANES), table)


@kernel
def multiply_lanes(rows, inputs, at, power, cells, sums):
    _reads.multiply_rows(rows, address(inputs), at, power, cells, zeros(sums, LANES), sums)


@kernel
def multiply_pair_lanes(words, pairs, at, cells, sums):
    _reads.multiply_pairs(words, address(pairs.view(np.int32)), at, address(cells), zeros(sums, LANES), sums)


@kernel
def read_table_lanes(reads, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    zero, noise = zeros(scratch.total, LANES), zeros(scratch.noise_table, LANES)
    own = zeros(scratch.bends.own_table, LANES)
    _kernels.read_tables(reads, adc, fine, errors, survey, r, column, target, weights, zero, noise, own, scratch, out)


@kernel
def read_short_lanes(reads, adc, column, target, weights, scratch, out):
    _kernels.read_short(reads, adc, column, target, weights, zeros(scratch.total, LANES), scratch, out)


@kernel
def read_bit_lanes(reads, adc, units, column, target, weights, scratch, out):
    _kernels.read_bits(reads, adc, units, column, target, weights, zeros(scratch.total, LANES), scratch, out)


@kernel
def tabulate_lanes(reads, cells, adc, short, units, fine, errors, survey, r, column, target, weights, scratch, out):
    zero, noise = zeros(scratch.total, LANES), zeros(scratch.noise_table, LANES)
    own = zeros(scratch.bends.own_table, LANES)
    _kernels.tabulate_and_read(
        reads, cells, adc, short, units, fine, errors, survey, r, column, target, weights, zero, noise, own, scratch,
        out,
    )  # fmt: skip


@kernel
def read_product_lanes(reads, adc, fine, errors, survey, r, column, target, weights, values, part, scratch, out):
    zero = zeros(scratch.sums, LANES)
    _kernels.read_products(
        reads, adc, fine, errors, survey, r, column, target, weights, values, part, zero, scratch, out
    )


def round_cells(cells, begin, end, column, width, part):
    """Round a part of the matrix."""
    rounded = np.rint(cells.matrix[begin:end, column : column + width] * cells.step)
    part[: rounded.size] = rounded.ravel()


def round_pairs(cells, begin, end, column, width, part):
    """Round a part of the matrix; halves of words are two rows, the last of which may be missing."""
    rounded = np.zeros(((end - begin + 1) // 2 * 2, width), dtype=np.int64)
    round_cells(cells, begin, end, column, width, rounded.reshape(-1))
    words = rounded[::2] % 65536 + 65536 * rounded[1::2]
    part[: words.size] = words.ravel()


def copy_noise(cells, begin, end, column, width, scratch):
    """Copy a part of the variances."""
    for kept, part in ((cells.noise, scratch.noise_cells), (cells.shot, scratch.shot_cells)):
        found = kept[begin:end, column : column + width]
        part[: found.size] = found.ravel()


def build_plain(dac_bits, count, part, table):
    loops.build_table(dac_bits, count, part, LANES, table)


def multiply_plain(rows, inputs, at, power, cells, sums):
    digits = inputs.ravel()[at : at + 4 * rows].reshape(4, rows) ** power
    sums[: 4 * LANES] = (digits @ cells[: rows * LANES].reshape(rows, LANES)).ravel()


def multiply_pairs(words, pairs, at, cells, sums):
    rows = cells[: words * LANES].view(np.int16).reshape(words, LANES, 2).transpose(0, 2, 1).reshape(-1, LANES)
    multiply_plain(2 * words, pairs.astype(np.int64), 2 * at, 1, rows.astype(np.int64).ravel(), sums)


def read_plain(reads, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    """Read the first LANES columns of a row block."""
    read_part(reads, codes(), cells(), adc, fine, errors, survey, r, column, target, weights, out)


def tabulate_plain(reads, cells, adc, short, units, fine, errors, survey, r, column, target, weights, scratch, out):
    read_part(reads, codes(), cells, adc, fine, errors, survey, r, column, target, weights, out)


def read_short_plain(lists, adc, column, target, weights, scratch, out):
    sent = reads(2 if lists.firsts.size == 3 else 1)
    read_part(sent, codes(), cells(), ADC, None, None, None, 1, column, target, weights, out)


def read_bits_plain(lists, adc, units, column, target, weights, scratch, out):
    read_part(reads(2), codes(), cells(), adc, None, None, None, 1, column, target, weights, out)


def product_plain(reads, adc, fine, errors, survey, r, column, target, weights, values, part, scratch, out):
    read_part(reads, codes(), cells(), adc, fine, errors, survey, r, column, target, weights, out)


def read_part(reads, codes, cells, adc, fine, errors, survey, r, column, target, weights, out):
    """Read LANES columns of one row block."""
    every = [(column + j, j, False) for j in range(LANES)]
    rows = np.zeros((2, WEIGHTED), dtype=np.int64)
    rows[r, column : column + LANES] = weights[target : target + LANES]
    units = np.zeros(0, dtype=np.int64), np.zeros((2, VECTORS, 0), dtype=np.int64)
    for v in range(len(codes)):
        for t in range(reads.shifts.size):
            loops.read_block(
                reads, codes, cells, adc, fine, errors, survey, rows, every, units[0], out, units[1], r, v, t
            )


def tables_plain(
    reads, inputs, short, units, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out,
    unit_codes,
):  # fmt: skip
    decoded = loops.decode(inputs, cells.row_starts, BITS, VECTORS)
    products_plain(
        reads, decoded, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out, unit_codes
    )


def products_plain(
    reads, codes, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out, unit_codes
):
    columns = [(first + j, j) for first, width in blocks for j in range(width)]
    loops.multiply(reads, codes, cells, adc, fine, errors, survey, weights, columns, unit_weights, out, unit_codes)


def product_rows():
    values = rng().integers(0, 4, (6, 13)).astype(np.float32)
    part = rng().integers(-20, 20, 13 * LANES).astype(np.float32)
    return 13, values, 13, 2, part, np.zeros(4 * LANES, dtype=np.float32)


def pair_rows():
    pairs = rng().integers(0, 1 << 15, 6 * 14).astype(np.int16)
    cells = rng().integers(-(1 << 31), 1 << 31, 7 * LANES).astype(np.int32)
    cells[0], pairs[14:16] = np.int32(-(1 << 31) + (1 << 15)), 1  # the smallest halves
    return 7, pairs % 16, 7, cells, np.zeros(4 * LANES, dtype=np.float32)


def read_inputs(added, seen, finer=None):
    """Tables of the second row block, from the kernels that the record above covers."""
    memory = scratch(np.float32)
    begin, end = STARTS[1:]
    cleared(_reads.list_rows)(reads(2), inputs(), 1, memory)
    round_cells(cells(), begin, end, WIDE, LANES, memory.cells)
    copy_noise(cells(), begin, end, WIDE, LANES, memory)
    loops.build_table(2, end - begin, memory.cells, LANES, memory.table)
    loops.build_variances(2, end - begin, memory.noise_cells, memory.shot_cells, LANES, memory.noise_table)
    if finer is not None and finer.curves is not None:
        bent_plain(reads(2), inputs(), 1, begin, end, finer.curves, memory)
        if finer.curves.own.size:
            part = finer.curves.own[begin:end, WIDE : WIDE + LANES].astype(np.int64).ravel()
            whole = np.zeros(memory.bends.own_table.size, dtype=np.int64)
            loops.build_table(2, end - begin, part, LANES, whole)
            memory.bends.own_table[:] = np.minimum(whole, 255)
    return reads(2), ADC, finer, added, seen, 1, WIDE, WIDE, weights()[1], memory, out()


def tabulate_inputs(total):
    memory = scratch(np.int16, total=total)
    cleared(_reads.list_rows)(reads(1), inputs(), 1, memory)
    return reads(1), cells(), ADC, None, None, fine(), errors(), None, 1, WIDE, WIDE, weights()[1], memory, out()


def list_bits():
    """Streams of two bits, with a list of table rows for each bit."""
    return reads(1)._replace(weights=reads(2).weights, firsts=np.array([0, 2, 4]))


def short_inputs(dac_bits):
    """Lists of the second row block, and tables of its cells."""
    memory = scratch(np.int16, total=np.int16)
    begin, end = STARTS[1:]
    cleared(_reads.list_rows)(reads(1), inputs(), 1, memory)
    round_cells(cells(), begin, end, WIDE, LANES, memory.cells)
    build_narrow(1, end - begin, memory.cells, memory.table)
    lists = reads(1) if dac_bits == 1 else list_bits()
    return lists, short(dac_bits), WIDE, WIDE, weights()[1], memory, out()


def read_product_inputs(is_paired=False):
    begin, end = STARTS[1:]
    values = np.zeros((VECTORS * 2 + 3, end - begin), dtype=np.float32)
    split_values(reads(2), codes(), begin, end, values)
    memory = scratch(np.float32)
    round_cells(cells(), begin, end, WIDE, LANES, memory.cells)
    copy_noise(cells(), begin, end, WIDE, LANES, memory)
    if is_paired:
        memory = paired(memory)
        pairs_plain(reads(2), codes(), begin, end, memory.pairs)
        round_pairs(cells(), begin, end, WIDE, LANES, memory.pair_cells)
        memory.cells[:] = 0
    added = errors(has_inl=False)
    return reads(2), ADC, fine(), added, None, 1, WIDE, WIDE, weights()[1], values, memory.cells, memory, out()


def driver_inputs(dac_bits, given, kind, added, seen, finer=None, total=None, sums=np.int64):
    is_noisy = added is not None
    memory = scratch(kind, is_noisy, total)
    unit_codes = np.zeros((2, VECTORS, UNITS), dtype=sums)
    return (
        reads(dac_bits), given, cells(is_noisy), ADC, finer, added, seen, weights(), BLOCKS, unit_weights(), memory,
        out().astype(sums), unit_codes,
    )  # fmt: skip


def pair_driver(dac_bits, added, seen, finer=None, has_values=True):
    """Arguments of the driver of products, two rows at a time."""
    arguments = driver_inputs(dac_bits, codes(), np.float32, added, seen, finer)
    return (*arguments[:10], paired(arguments[10], has_values), *arguments[11:])


def table_driver(dac_bits, *rest, converter=None, units=None, **options):
    """Arguments of the driver of tables: as those of products, with a converter or sums of bits in int16 or without."""
    arguments = driver_inputs(dac_bits, inputs(), *rest, **options)
    return (*arguments[:2], converter, units, *arguments[2:])


def short_driver(dac_bits):
    """Arguments for a converter in int16."""
    options = {"total": np.int16, "sums": np.int32, "converter": short(dac_bits)}
    arguments = table_driver(1, np.int16, None, None, **options)
    return arguments if dac_bits == 1 else (list_bits(), *arguments[1:])


def bit_inputs(units=None):
    """Lists for each bit of streams of two, whose sums in int16 are converted as floats, or added in int32 by units."""
    options = {"total": np.int16, "sums": np.int32, "units": units, "converter": NOT_SHORT if units is None else None}
    return (list_bits(), *table_driver(1, np.int16, None, None, **options)[1:])


def read_bit_inputs():
    lists, _, *rest = short_inputs(2)
    return lists, ADC, BIT_UNITS, *rest


def bits_plain(lists, *rest):
    tables_plain(reads(2), *rest)


multiply_call = forgetful(_kernels.multiply_tables, 12)

MVM = (
    case(_reads.round_cells, round_cells, lambda: (cells(), 13, 20, 3, 16, np.zeros(112, dtype=np.int16)), (5,)),
    case(_reads.round_pairs, round_pairs, lambda: (cells(), 13, 20, 3, 16, np.zeros(64, dtype=np.int32)), (5,)),
    case(_reads.round_pairs, round_pairs, lambda: (cells(), 0, 12, 16, 64, np.zeros(384, dtype=np.int32)), (5,)),
    case(_reads.copy_noise, copy_noise, lambda: (cells(), 13, 20, 3, 16, scratch(np.float32)), (5,)),
    case(_conversion.build_table, build_plain, lambda: table_inputs(1, np.int16), (3,), build_narrow),
    case(_conversion.build_table, build_plain, lambda: table_inputs(2, np.float32), (3,), build_narrow),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(has_levels=True), None), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(None, survey()), (4, 10), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None, fine()), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(None, survey(), fine()), (4, 10), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None, bent()), (10,), read_table_lanes),
    case(
        _kernels.read_tables, read_plain, lambda: read_inputs(errors(), None, bent(True, True)), (10,), read_table_lanes
    ),
    case(_reads.multiply_rows, multiply_plain, product_rows, (5,), multiply_lanes),
    case(_reads.multiply_pairs, multiply_pairs, pair_rows, (4,), multiply_pair_lanes),
    case(_kernels.read_products, product_plain, read_product_inputs, (12,), read_product_lanes),
    case(_kernels.read_products, product_plain, lambda: read_product_inputs(True), (12,), read_product_lanes),
    case(_kernels.tabulate_and_read, tabulate_plain, lambda: tabulate_inputs(np.int16), (13,), tabulate_lanes),
    case(_kernels.tabulate_and_read, tabulate_plain, lambda: tabulate_inputs(np.int32), (13,), tabulate_lanes),
    case(
        _kernels.multiply_tables, tables_plain,
        lambda: table_driver(1, np.int16, errors(), None), (13, 14), multiply_call,
    ),
    case(
        _kernels.multiply_tables, tables_plain,
        lambda: table_driver(2, np.float32, None, None), (13, 14), multiply_call,
    ),
    case(
        _kernels.multiply_tables, tables_plain,
        lambda: table_driver(2, np.int16, errors(), None, total=np.int16, sums=np.int32), (13, 14),
        multiply_call,
    ),
    case(
        _kernels.multiply_tables, tables_plain,
        lambda: table_driver(1, np.int16, None, survey(), total=np.int16), (8, 13, 14), multiply_call,
    ),
    case(_kernels.read_short, read_short_plain, lambda: short_inputs(1), (6,), read_short_lanes),
    case(_kernels.read_short, read_short_plain, lambda: short_inputs(2), (6,), read_short_lanes),
    case(_kernels.multiply_tables, tables_plain, lambda: short_driver(1), (13, 14), multiply_call),
    case(_kernels.multiply_tables, bits_plain, lambda: short_driver(2), (13, 14), multiply_call),
    case(_kernels.multiply_tables, bits_plain, bit_inputs, (13, 14), multiply_call),
    case(_kernels.read_bits, read_bits_plain, read_bit_inputs, (7,), read_bit_lanes),
    case(_kernels.multiply_tables, bits_plain, lambda: bit_inputs(BIT_UNITS), (13, 14), multiply_call),
    case(
        _kernels.multiply_products, products_plain,
        lambda: driver_inputs(2, codes(), np.float32, errors(), None, fine()), (11, 12),
    ),
    case(
        _kernels.multiply_products, products_plain,
        lambda: driver_inputs(2, codes(), np.float32, None, survey(), fine()), (6, 11, 12),
    ),
    case(
        _kernels.multiply_products, products_plain, lambda: driver_inputs(2, codes(), np.float32, errors(), survey()),
        (6, 11, 12),
    ),
    case(_kernels.multiply_products, products_plain, lambda: pair_driver(2, errors(), None, fine()), (11, 12)),
    case(
        _kernels.multiply_products, products_plain, lambda: pair_driver(1, None, survey(), has_values=False),
        (6, 11, 12),
    ),
    case(_kernels.multiply_products, products_plain, lambda: pair_driver(2, None, None, has_values=False), (11, 12)),
    case(
        _kernels.multiply_tables, tables_plain, lambda: table_driver(1, np.int16, None, None, bent(True)),
        (13, 14), multiply_call,
    ),
    case(
        _kernels.multiply_tables, tables_plain,
        lambda: table_driver(1, np.int16, None, None, bent(True, True)), (13, 14), multiply_call,
    ),
    case(
        _kernels.multiply_products, products_plain,
        lambda: driver_inputs(2, codes(), np.float32, errors(), None, bent(True, True)), (11, 12),
    ),
)  # fmt: skip
