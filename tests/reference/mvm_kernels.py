"""Kernels of the fused product, and what they must equal. Small kernels around them make lanes and pointers."""

from __future__ import annotations

import itertools

import numpy as np
from reference import mvm_loops_fused as loops
from reference.kernel_case import KernelCase

from xbarsim._numba import kernel
from xbarsim._simd import LANES, WIDE, address, load, peek, store, to_int32, zeros
from xbarsim.config import load_hardware
from xbarsim.converter import AdcRange, Levels
from xbarsim.mvm import _conversion, _kernels, _packing, _reads
from xbarsim.mvm._records import Cells, Curves, Errors, Fine, FusedScratch, Inputs, Range, Reads, Survey
from xbarsim.mvm.bank import Bank
from xbarsim.mvm.errors import no_tables
from xbarsim.mvm.noise import make_turns

STARTS = np.array([0, 13, 20])
VECTORS, BITS = 3, 4
WEIGHTED, UNITS = WIDE + LANES, LANES  # columns with weights in one block of WIDE and one of LANES; unit columns
BLOCKS = np.array([[0, WIDE], [WIDE, LANES]])
ADC = Range(np.float32(0.25), np.float32(-12.0), np.float32(11.0))


def rng():
    """The same numbers for every kernel."""
    return np.random.default_rng(3)


def reads(dac_bits):
    """Streams of a signed input; the last of two bits holds the sign."""
    if dac_bits == 1:
        return Reads(np.arange(4), np.ones(4, dtype=np.int64), np.array([1, 2, 4, -8], dtype=np.int32), 1)
    return Reads(np.array([0, 2]), np.array([2, 2]), np.array([1, 4], dtype=np.int32), 2)


def codes():
    """Inputs of four bits; one vector is zero in the second row block."""
    found = rng().integers(0, 1 << BITS, (VECTORS, 20)).astype(np.uint8)
    found[1, 13:] = 0
    return found


def inputs():
    """The same inputs as bit planes."""
    blocks = [loops.pack_bits(codes()[:, a:b], BITS) for a, b in itertools.pairwise(STARTS)]
    planes = np.concatenate(blocks, axis=2)
    count = planes.shape[2]
    return Inputs(planes.ravel(), np.arange(VECTORS) * BITS * count, np.arange(count), count, np.array([0, 2, 3]))


def cells(is_noisy=True):
    """Cells on a grid of quarters."""
    matrix = (rng().integers(-20, 20, (20, WEIGHTED + UNITS)) * 0.25).astype(np.float32)
    shape = matrix.shape if is_noisy else (0, 0)
    noise, shot = (rng().integers(0, most, shape).astype(np.float32) for most in (9, 5))
    return Cells(matrix, noise, shot, STARTS, np.float32(4.0))


def tables(has_levels):
    """Thresholds of three converters of 15 codes, some of them equal, or no tables."""
    if not has_levels:
        return no_tables(2)
    levels = Levels(thresholds=np.arange(-6.5, 7.0), counts=rng().integers(-99, 99, 15), unit=2.0)
    placed = AdcRange(lsb=2.0, lowest=-7, highest=7, is_ideal=False, levels=levels)
    converter = rng().integers(0, 3, (2, WEIGHTED + UNITS)).astype(np.int32)
    adc = load_hardware("reference", {"adc.kind": "sar", "adc.settings": {"unit_sigma": 0.3}}).adc
    return Bank(converter=converter, arrays=np.arange(3), adc=adc, key=(0, 0, "")).tabulate(placed)


def errors(is_noisy=True, has_inl=True, has_levels=False):
    """Errors of every column of both row blocks."""
    shape = (2, WEIGHTED + UNITS)
    gain, offset = rng().normal(1.0, 0.1, shape), rng().normal(0.0, 0.3, shape)
    inl = rng().normal(0.0, 0.6, 24 if has_inl else 0)
    read_noise = np.full(shape if is_noisy else (0, 0), 0.004)
    pool = rng().standard_normal((1 << 15) + shape[1])
    still = rng().uniform(0.05, 0.2, read_noise.shape)
    floats = [each.astype(np.float32) for each in (gain, offset, inl, still, read_noise, pool)]
    gain, offset, inl, still, read_noise, pool = floats
    key = np.uint64(0x9E3779B97F4A7C15)
    return Errors(
        gain, offset, inl, np.float32(0.1), still, read_noise, pool, make_turns(), tables(has_levels), False, key, 5
    )


def survey(bins=8):
    """An empty survey."""
    extremes = np.full(WIDE, np.inf, dtype=np.float32), np.full(WIDE, -np.inf, dtype=np.float32)
    return Survey(*extremes, np.zeros(bins, dtype=np.int64), np.float32(0.03), np.zeros(1, dtype=np.int64))


def fine():
    """Steps of four streams, and of the columns: planes of 16 columns."""
    columns = 2.0 ** (np.arange(WEIGHTED + UNITS) // LANES % 3)
    return Fine(np.array([1.0, 4.0, 2.0, 1.0], dtype=np.float32), columns.astype(np.float32), None)


def curves():
    """Curves of every column of both row blocks, in eighths, so that no product is rounded."""
    terms = rng().integers(-3, 4, (2, 4, WEIGHTED + UNITS)) / np.array([8.0, 64.0, 64.0, 8.0])[:, np.newaxis]
    terms[:, 0] += 1.0
    return Curves(terms.astype(np.float32), rng().integers(1, 16, 20).astype(np.int32), np.zeros(0, dtype=np.float32))


def bent():
    """The same steps, behind curves."""
    return fine()._replace(curves=curves())


def weights():
    """Shift-add weights of the columns; one is padding."""
    found = rng().integers(1, 5, (2, WEIGHTED)).astype(np.int32)
    found[:, 7] = 0
    return found


def unit_weights():
    """Weights of the unit columns."""
    return rng().integers(1, 5, UNITS).astype(np.int32)


def scratch(kind, is_noisy=True):
    """Working memory for two groups of tables at a time; of one kind of cells."""
    entries = 8 * 256 * WIDE
    return FusedScratch(
        starts=np.zeros(VECTORS * 4 + 1, dtype=np.int64), rows=np.zeros(VECTORS * 4 * 8 + 1, dtype=np.int32),
        cells=np.zeros(16 * WIDE, dtype=kind), noise_cells=np.zeros(16 * WIDE * is_noisy, dtype=np.float32),
        shot_cells=np.zeros(16 * WIDE * is_noisy, dtype=np.float32),
        table=np.zeros(entries, dtype=kind), noise_table=np.zeros(entries * is_noisy, dtype=np.uint16),
        values=np.zeros((VECTORS * 4 + 3) * 13, dtype=np.float32), lanes=np.zeros(WIDE, dtype=np.int32),
        floats=np.zeros(WIDE, dtype=np.float32), sums=np.zeros(4 * WIDE, dtype=np.float32),
        variances=np.zeros(4 * WIDE, dtype=np.float32), loads=np.zeros(VECTORS * 4 + 3, dtype=np.float32),
        load_table=np.zeros(8 * 256, dtype=np.int32),
    )  # fmt: skip


# --- kernels around those that take lanes or give pointers ---------------------------------------------------------


@kernel
def build_narrow(dac_bits, count, part, table):
    _kernels.build_table(dac_bits, count, part, zeros(table, LANES), table)


@kernel
def build_variances(dac_bits, count, part, shot, table):
    _conversion.build_variances(dac_bits, count, part, shot, zeros(table, LANES), table)


@kernel
def sum_lanes(rows, members, inputs, at, cells, shot, out):
    zero = zeros(out, LANES)
    arrays = address(cells), address(shot)
    store(out, 0, _conversion.sum_variances(rows, members, address(inputs), at, *arrays, shot.size > 0, zero))


@kernel
def draw(word, column, pool, turns, out):
    store(out, 0, _conversion.draw_normal(word, column, pool, address(turns), zeros(out, LANES)))


@kernel
def point_to_survey(survey):
    seen = _conversion.point_survey(survey)
    return peek(seen.lowest, 3), peek(seen.highest, 3), peek(seen.counts, 2), seen.bins, peek(seen.clipped, 0)


@kernel
def point_to_errors(errors, r):
    added = _conversion.point_errors(errors, r)
    gain, offset, inl = peek(added.gain, 4), peek(added.offset, 4), peek(added.inl, 2)
    noise, turn, levels, still = peek(added.read_noise, 4), peek(added.turns, 9), added.levels, peek(added.still, 4)
    first, count = peek(levels.first, 4), peek(levels.counts, 4)
    table = peek(levels.thresholds, 4), first, levels.lowest, levels.per_unit, count, peek(levels.converter, 4)
    found = gain, offset, inl, added.inl_size, noise, added.is_noisy, peek(added.pool, 11), turn, added.is_silent
    return found, table, levels.codes, levels.buckets, still


@kernel
def note(x, adc, survey, target, weights, floats):
    lanes = load(x, 0, zeros(x, LANES))
    _conversion.note_sums(lanes, adc, _conversion.point_survey(survey), target, weights, floats)


@kernel
def trim_lanes(x, r, column, errors, out):
    zero = zeros(x, LANES)
    added = None if errors is None else _conversion.point_errors(errors, r)
    store(out, 0, _conversion.trim(load(x, 0, zero), column, added))


@kernel
def convert_lanes(x, variance, word, r, column, adc, errors, lanes, floats, out):
    zero = zeros(x, LANES)
    added = _conversion.point_errors(errors, r)
    sums, spread = load(x, 0, zero), load(variance, 0, zero)
    store(out, 0, _conversion.convert(sums, spread, word, column, adc, added, lanes, floats))


@kernel
def find_codes(y, errors, r, out):
    added = _conversion.point_errors(errors, r)
    for j in range(y.size):
        out[j] = _conversion.find_code(y[j], j, added.levels)


@kernel
def look_up_lanes(y, errors, r, column, lanes, floats):
    added = _conversion.point_errors(errors, r)
    _conversion.look_up(load(y, 0, zeros(y, LANES)), column, added, lanes, floats)


@kernel
def shift_lanes(codes, v, target, weights, lanes, out):
    _conversion.shift_add(
        to_int32(load(codes, 0, zeros(codes, WIDE))), v, target, weights, lanes, address(out), out.shape[1]
    )


@kernel
def point_to_curves(given, r):
    found = _conversion.point_curves(given, r)
    return peek(found.scale, 4), peek(found.own, 4), peek(found.loaded, 4), peek(found.added, 4)


@kernel
def bend_lanes(x, loads_of, r, column, given, out):
    places = None if given is None else _conversion.point_curves(given, r)
    store(out, 0, _conversion.bend(load(x, 0, zeros(x, LANES)), address(loads_of), 1, column, places))


@kernel
def multiply_lanes(rows, inputs, at, power, cells, sums):
    _kernels.multiply_rows(rows, address(inputs), at, power, cells, zeros(sums, LANES), sums)


@kernel
def read_table_lanes(reads, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    zero, noise = zeros(scratch.table, LANES), zeros(scratch.noise_table, LANES)
    _kernels.read_tables(reads, adc, fine, errors, survey, r, column, target, weights, zero, noise, scratch, out)


@kernel
def tabulate_lanes(reads, cells, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    zero, noise = zeros(scratch.table, LANES), zeros(scratch.noise_table, LANES)
    _kernels.tabulate_and_read(
        reads, cells, adc, fine, errors, survey, r, column, target, weights, zero, noise, scratch, out
    )  # fmt: skip


@kernel
def read_product_lanes(reads, adc, fine, errors, survey, r, column, target, weights, values, part, scratch, out):
    zero = zeros(scratch.sums, LANES)
    _kernels.read_products(
        reads, adc, fine, errors, survey, r, column, target, weights, values, part, zero, scratch, out
    )


# --- their twins ---------------------------------------------------------------------------------------------------


def round_cells(cells, begin, end, column, width, part):
    """Round a part of the matrix."""
    rounded = np.rint(cells.matrix[begin:end, column : column + width] * cells.step)
    part[: rounded.size] = rounded.ravel()


def copy_noise(cells, begin, end, column, width, scratch):
    """Copy a part of the variances."""
    for kept, part in ((cells.noise, scratch.noise_cells), (cells.shot, scratch.shot_cells)):
        found = kept[begin:end, column : column + width]
        part[: found.size] = found.ravel()


def split_values(reads, codes, begin, end, values):
    """Take the streams' bits."""
    for v in range(len(codes)):
        for t in range(len(reads.shifts)):
            digits = (codes[v, begin:end].astype(int) >> reads.shifts[t]) % (1 << reads.widths[t])
            values[v * len(reads.shifts) + t, : end - begin] = digits


def build_plain(dac_bits, count, part, table):
    loops.build_table(dac_bits, count, part, LANES, table)


def entry_plain(digit, k, members):
    """Set bit k + b * members to bit b of the digit."""
    return sum(1 << (k + b * members) for b in range(2) if (digit >> b) & 1)


def variances_plain(dac_bits, count, part, shot, table):
    loops.build_variances(dac_bits, count, part, shot, LANES, table)


def sum_plain(rows, members, inputs, at, cells, shot, out):
    digits = inputs.ravel()[at : at + rows]
    noise, shot = cells.reshape(rows, LANES), shot.reshape(-1, LANES)
    for first in range(0, rows, members):
        part = slice(first, first + members)
        out += loops.sum_group(digits[part], noise[part], shot[part])


def draw_plain(word, column, pool, turns, out):
    out[:] = [loops.draw_normal(word, column + j, pool, turns) for j in range(LANES)]


def survey_plain(survey):
    return survey.lowest[3], survey.highest[3], survey.counts[2], survey.counts.size, survey.clipped[0]


def errors_plain(errors, r):
    gain, offset, inl, pool, turn = errors.gain[r, 4], errors.offset[r, 4], errors.inl[2], errors.pool[11], errors.turns
    noise, still = (each[r, 4] if each.size else gain for each in (errors.read_noise, errors.still))
    levels = errors.levels
    first, converter = levels.first.ravel()[4], levels.converter[r, 4]
    table = levels.thresholds.ravel()[4], first, levels.lowest, levels.per_unit, levels.counts[4], converter
    found = gain, offset, inl, errors.inl.size, noise, errors.read_noise.size, pool, turn.ravel()[9], errors.is_silent
    return found, table, levels.counts.size, levels.first.shape[1], still


def note_plain(x, adc, survey, target, weights, floats):
    for j in range(LANES):
        loops.note_sum(x[j], j, adc, survey, weights[target + j])


def find_plain(y, errors, r, out):
    out[:] = [loops.find_code(y[j], r, j, errors.levels) for j in range(y.size)]


def look_up_plain(y, errors, r, column, lanes, floats):
    lanes[:] = [loops.look_up(y[j], r, column + j, errors) for j in range(LANES)]


def trim_plain(x, r, column, errors, out):
    out[:] = x if errors is None else x * errors.gain[r, column : column + LANES]


def convert_plain(x, variance, word, r, column, adc, errors, lanes, floats, out):
    out[:] = [loops.convert(x[j], variance[j], word, r, column + j, adc, errors) for j in range(LANES)]


def curves_plain(given, r):
    return tuple(given.terms[r, k, 4] for k in range(4))


def bend_plain(x, loads_of, r, column, given, out):
    for j in range(LANES):
        out[j] = x[j] if given is None else loops.bend(x[j], loads_of[1], given.terms[r, :, column + j])


def weigh_tables_plain(reads, count, given, begin, end, memory):
    loops.weigh_groups(reads.dac_bits, given.weights, begin, end, memory.load_table)
    for read in range(count):
        rows = memory.rows[memory.starts[read] : memory.starts[read + 1]]
        memory.loads[read] = memory.load_table[rows].sum()


def weigh_values_plain(values, given, begin, memory):
    if given.amplitudes.size:
        values[:] = given.amplitudes[values.astype(int)]
    memory.loads[: len(values)] = values @ given.weights[begin : begin + values.shape[1]]


def shift_plain(codes, v, target, weights, lanes, out):
    for j in range(WIDE):
        out[v, (target + j) % out.shape[1]] += int(codes[j]) * int(weights[target + j])


def multiply_plain(rows, inputs, at, power, cells, sums):
    digits = inputs.ravel()[at : at + 4 * rows].reshape(4, rows) ** power
    sums[: 4 * LANES] = (digits @ cells[: rows * LANES].reshape(rows, LANES)).ravel()


def read_plain(reads, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    """Read the first LANES columns of a row block."""
    read_part(reads, codes(), cells(), adc, fine, errors, survey, r, column, target, weights, out)


def tabulate_plain(reads, cells, adc, fine, errors, survey, r, column, target, weights, scratch, out):
    read_part(reads, codes(), cells, adc, fine, errors, survey, r, column, target, weights, out)


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
    reads, inputs, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out, unit_codes
):
    decoded = loops.decode(inputs, cells.row_starts, BITS, VECTORS)
    products_plain(
        reads, decoded, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out, unit_codes
    )


def products_plain(
    reads, codes, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, out, unit_codes
):
    columns = [(first + j, j) for first, width in blocks for j in range(width)]
    loops.multiply(reads, codes, cells, adc, fine, errors, survey, weights, columns, unit_weights, out, unit_codes)


def transpose_bits(x):
    """Move bit j of byte i to bit i of byte j."""
    return np.uint64(sum(((int(x) >> (8 * i + j)) & 1) << (8 * j + i) for i in range(8) for j in range(8)))


def pack_words(bits, words, transposed, planes):
    planes[:] = loops.pack_bits(words.view(np.uint8), 8)[:, :bits]


def pack_vectors(bits, row_starts, byte_starts, codes, planes):
    for r in range(len(row_starts) - 1):
        packed = loops.pack_bits(codes[:, row_starts[r] : row_starts[r + 1]], bits)
        planes[:, :, byte_starts[r] : byte_starts[r + 1]] = packed


def pack_pixels(bits, top, left, codes, words, planes):
    packed = loops.pack_bits(codes.transpose(0, 2, 3, 1), bits)
    planes[:, top : top + codes.shape[2], left : left + codes.shape[3]] = packed


# --- inputs --------------------------------------------------------------------------------------------------------


def out(padded=WEIGHTED):
    return np.zeros((VECTORS, padded), dtype=np.int64)


def row_inputs(dac_bits, r):
    count = VECTORS * 4 // dac_bits
    return reads(dac_bits), inputs(), r, np.zeros(count + 1, dtype=np.int64), np.zeros(count * 8 + 1, dtype=np.int32)


def table_inputs(dac_bits, kind):
    part = rng().integers(0, 9, 13 * LANES).astype(kind)
    groups = 16 // (8 // dac_bits)
    entries = 1 << (dac_bits * (8 // dac_bits))
    return dac_bits, 13, part, np.zeros(groups * entries * LANES, dtype=kind)


def variance_inputs(dac_bits, has_shot):
    *given, table = table_inputs(dac_bits, np.float32)
    shot = rng().integers(0, 100, 13 * LANES * has_shot).astype(np.float32)
    return *given, shot, table.astype(np.uint16)


def sum_inputs(members, has_shot):
    values = rng().integers(0, 256, (6, 13)).astype(np.float32)
    part, shot = (rng().integers(0, 200, size).astype(np.float32) for size in (13 * LANES, 13 * LANES * has_shot))
    return 13, members, values, 13, part, shot, np.zeros(LANES, dtype=np.float32)


def draw_inputs():
    pool = rng().standard_normal((1 << 15) + 64).astype(np.float32)
    return np.uint64(0x123456789ABCDEF0), 21, pool, make_turns(), np.zeros(LANES, dtype=np.float32)


def note_inputs(bins):
    x = (rng().standard_normal(LANES) * 60).astype(np.float32)
    return x, ADC, survey(bins), 0, weights()[0], np.zeros(LANES, dtype=np.float32)


def trim_inputs(added):
    x = (rng().standard_normal(LANES) * 30).astype(np.float32)
    return x, 1, 8, added, np.zeros(LANES, dtype=np.float32)


def convert_inputs(added):
    x = (rng().standard_normal(LANES) * 30).astype(np.float32)
    variance, floats = np.arange(16.0, dtype=np.float32), np.zeros(LANES, dtype=np.float32)
    lanes, out = np.zeros((2, LANES), dtype=np.int32)
    return x, variance, np.uint64(0xFEDCBA9876543210), 1, 8, ADC, added, lanes, floats, out


def level_inputs(count):
    """Sums on thresholds, between and beyond them."""
    added = errors(has_inl=count == LANES, has_levels=True)
    y = (rng().integers(-30, 30, count) / 2).astype(np.float32)
    y[:4] = added.levels.thresholds[added.levels.converter[1, :4], 7]
    return y, added


def shift_inputs():
    numbers = rng().integers(-99, 99, WIDE).astype(np.int32)
    return numbers, 1, 16, weights()[0], np.zeros(WIDE, dtype=np.int32), out(32)


def product_rows():
    values = rng().integers(0, 4, (6, 13)).astype(np.float32)
    part = rng().integers(-20, 20, 13 * LANES).astype(np.float32)
    return 13, values, 13, 2, part, np.zeros(4 * LANES, dtype=np.float32)


def read_inputs(added, seen, finer=None):
    """Tables of the second row block, from the kernels that the record above covers."""
    memory = scratch(np.float32)
    begin, end = STARTS[1:]
    _reads.list_rows(reads(2), inputs(), 1, memory.starts, memory.rows)
    round_cells(cells(), begin, end, WIDE, LANES, memory.cells)
    copy_noise(cells(), begin, end, WIDE, LANES, memory)
    loops.build_table(2, end - begin, memory.cells, LANES, memory.table)
    loops.build_variances(2, end - begin, memory.noise_cells, memory.shot_cells, LANES, memory.noise_table)
    if finer is not None and finer.curves is not None:
        weigh_tables_plain(reads(2), VECTORS * 2, finer.curves, begin, end, memory)
    return reads(2), ADC, finer, added, seen, 1, WIDE, WIDE, weights()[1], memory, out()


def weigh_inputs():
    memory = scratch(np.float32)
    _reads.list_rows(reads(2), inputs(), 1, memory.starts, memory.rows)
    return reads(2), VECTORS * 2, curves(), *STARTS[1:], memory


def bend_inputs(given):
    x = rng().integers(-99, 99, LANES).astype(np.float32)
    return x, np.array([3.0, 7.0], dtype=np.float32), 1, 5, given, np.zeros(LANES, dtype=np.float32)


def tabulate_inputs():
    memory = scratch(np.int16)
    _reads.list_rows(reads(1), inputs(), 1, memory.starts, memory.rows)
    return reads(1), cells(), ADC, fine(), errors(), None, 1, WIDE, WIDE, weights()[1], memory, out()


def read_product_inputs():
    begin, end = STARTS[1:]
    values = np.zeros((VECTORS * 2 + 3, end - begin), dtype=np.float32)
    split_values(reads(2), codes(), begin, end, values)
    memory = scratch(np.float32)
    round_cells(cells(), begin, end, WIDE, LANES, memory.cells)
    copy_noise(cells(), begin, end, WIDE, LANES, memory)
    added = errors(has_inl=False)
    return reads(2), ADC, fine(), added, None, 1, WIDE, WIDE, weights()[1], values, memory.cells, memory, out()


def driver_inputs(dac_bits, given, kind, added, seen, finer=None):
    is_noisy = added is not None
    memory = scratch(kind, is_noisy)
    unit_codes = np.zeros((2, VECTORS, UNITS), dtype=np.int64)
    return (
        reads(dac_bits), given, cells(is_noisy), ADC, finer, added, seen, weights(), BLOCKS, unit_weights(), memory,
        out(), unit_codes,
    )  # fmt: skip


def word_inputs():
    words = rng().integers(0, 1 << 63, (2, 3)).astype(np.uint64)
    return 6, words, np.zeros(3, dtype=np.uint64), np.zeros((2, 6, 3), dtype=np.uint8)


def vector_inputs():
    vectors = rng().integers(0, 1 << 12, (2, 20)).astype(np.uint16)
    return 12, STARTS, np.array([0, 2, 3]), vectors, np.zeros((2, 12, 3), dtype=np.uint8)


def pixel_inputs():
    images = rng().integers(0, 1 << 5, (2, 16, 3, 4)).astype(np.uint8)
    return 5, 1, 2, images, np.zeros(4, dtype=np.uint64), np.zeros((2, 5, 7, 5, 2), dtype=np.uint8)


def case(kernel, twin, inputs, outputs, call=None, rtol=0.0):
    """Return a record; ``call`` where Python cannot call the kernel."""
    return KernelCase(kernel=kernel, call=call or kernel, twin=twin, inputs=inputs, outputs=outputs, rtol=rtol)


MVM = (
    case(_reads.list_rows, loops.list_rows, lambda: row_inputs(1, 0), (3, 4)),
    case(_reads.list_rows, loops.list_rows, lambda: row_inputs(2, 1), (3, 4)),
    case(_kernels.round_cells, round_cells, lambda: (cells(), 13, 20, 3, 16, np.zeros(112, dtype=np.int16)), (5,)),
    case(_kernels.copy_noise, copy_noise, lambda: (cells(), 13, 20, 3, 16, scratch(np.float32)), (5,)),
    case(_kernels.build_table, build_plain, lambda: table_inputs(1, np.int16), (3,), build_narrow),
    case(_kernels.build_table, build_plain, lambda: table_inputs(2, np.float32), (3,), build_narrow),
    case(_conversion.build_variances, variances_plain, lambda: variance_inputs(1, False), (4,), build_variances),
    case(_conversion.build_variances, variances_plain, lambda: variance_inputs(2, True), (4,), build_variances),
    case(_conversion.sum_variances, sum_plain, lambda: sum_inputs(8, False), (6,), sum_lanes),
    case(_conversion.sum_variances, sum_plain, lambda: sum_inputs(1, True), (6,), sum_lanes),
    case(_reads.weigh_groups, loops.weigh_groups, lambda: (2, curves().weights, 13, 20, np.zeros(512, "i4")), (4,)),
    case(_reads.weigh_tables, weigh_tables_plain, weigh_inputs, (5,)),
    case(
        _reads.weigh_values, weigh_values_plain,
        lambda: (rng().integers(0, 4, (9, 7)).astype(np.float32), curves(), 13, scratch(np.float32)), (3,),
    ),
    case(
        _reads.weigh_values, weigh_values_plain,
        lambda: (
            rng().integers(0, 4, (9, 7)).astype(np.float32),
            curves()._replace(amplitudes=np.array([0.0, 0.5, 1.25, 3.0], dtype=np.float32)), 13, scratch(np.float32),
        ), (0, 3),
    ),
    case(_conversion.point_curves, curves_plain, lambda: (curves(), 1), (), point_to_curves),
    case(_conversion.bend, bend_plain, lambda: bend_inputs(curves()), (5,), bend_lanes),
    case(_conversion.bend, bend_plain, lambda: bend_inputs(None), (5,), bend_lanes),
    case(_conversion.digit_entry, entry_plain, lambda: (1, 5, 8), ()),
    case(_conversion.digit_entry, entry_plain, lambda: (2, 3, 4), ()),
    case(_conversion.mix_word, loops.mix_word, lambda: (np.uint64(0x123456789ABCDEF0),), ()),
    case(_conversion.hash_vector, loops.hash_vector, lambda: (errors(), 7), ()),
    case(_conversion.hash_vector, loops.hash_vector, lambda: (None, 7), ()),
    case(_conversion.draw_normal, draw_plain, draw_inputs, (4,), draw, rtol=1e-6),
    case(_conversion.point_survey, survey_plain, lambda: (survey(),), (), point_to_survey),
    case(_conversion.note_sums, note_plain, lambda: note_inputs(8), (2,), note),
    case(_conversion.note_sums, note_plain, lambda: note_inputs(1), (2,), note),
    case(_conversion.point_errors, errors_plain, lambda: (errors(has_levels=True), 1), (), point_to_errors),
    case(_conversion.point_errors, errors_plain, lambda: (errors(False, has_levels=True), 1), (), point_to_errors),
    case(_conversion.trim, trim_plain, lambda: trim_inputs(errors()), (4,), trim_lanes),
    case(_conversion.trim, trim_plain, lambda: trim_inputs(None), (4,), trim_lanes),
    case(_conversion.convert, convert_plain, lambda: convert_inputs(errors()), (9,), convert_lanes),
    case(_conversion.convert, convert_plain, lambda: convert_inputs(None), (9,), convert_lanes),
    case(_conversion.convert, convert_plain, lambda: convert_inputs(errors(has_levels=True)), (9,), convert_lanes),
    case(_conversion.find_code, find_plain, lambda: (*level_inputs(20), 1, np.zeros(20, dtype=int)), (3,), find_codes),
    case(
        _conversion.look_up,
        look_up_plain,
        lambda: (*level_inputs(LANES), 1, 3, np.zeros(LANES, dtype=np.int32), np.zeros(LANES, dtype=np.float32)),
        (4,),
        look_up_lanes,
    ),
    case(_conversion.shift_add, shift_plain, shift_inputs, (5,), shift_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(has_levels=True), None), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(None, survey()), (4, 10), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None, fine()), (10,), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(None, survey(), fine()), (4, 10), read_table_lanes),
    case(_kernels.read_tables, read_plain, lambda: read_inputs(errors(), None, bent()), (10,), read_table_lanes),
    case(_kernels.multiply_rows, multiply_plain, product_rows, (5,), multiply_lanes),
    case(_kernels.read_products, product_plain, read_product_inputs, (12,), read_product_lanes),
    case(_kernels.tabulate_and_read, tabulate_plain, tabulate_inputs, (11,), tabulate_lanes),
    case(
        _kernels.multiply_tables, tables_plain, lambda: driver_inputs(1, inputs(), np.int16, errors(), None), (11, 12)
    ),
    case(_kernels.multiply_tables, tables_plain, lambda: driver_inputs(2, inputs(), np.float32, None, None), (11, 12)),
    case(_reads.split_values, split_values, lambda: (reads(2), codes(), 0, 13, np.zeros((6, 13), dtype="f4")), (4,)),
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
    case(
        _kernels.multiply_tables, tables_plain, lambda: driver_inputs(1, inputs(), np.int16, None, None, bent()),
        (11, 12),
    ),
    case(
        _kernels.multiply_products, products_plain,
        lambda: driver_inputs(2, codes(), np.float32, errors(), None, bent()), (11, 12),
    ),
    case(_packing.transpose_bits, transpose_bits, lambda: (np.uint64(0x123456789ABCDEF0),), ()),
    case(_packing.pack_words, pack_words, word_inputs, (3,)),
    case(_packing.pack_vectors, pack_vectors, vector_inputs, (4,)),
    case(_packing.pack_pixels, pack_pixels, pixel_inputs, (5,)),
)  # fmt: skip
