"""Kernels of what happens to the sums of one read, and what they must equal. Small kernels around them make lanes."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.mvm_case import ADC, case, errors, out, rng, short, survey, weights

from xbarsim._numba import kernel
from xbarsim._simd import LANES, WIDE, address, load, peek, store, to_int32, zeros
from xbarsim.mvm import _conversion
from xbarsim.mvm.noise import make_turns


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
def convert_words(x, adc, out):
    for i in range(0, x.size, LANES):
        store(out, i, _conversion.convert_short(load(x, i, zeros(x, LANES)), adc))


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


def convert_words_plain(x, adc, out):
    """Round by Python's own integers: quotient and remainder."""
    places = 15 - int(adc.factor).bit_length() + 1
    half = 1 << places >> 1
    for j, value in enumerate(x.tolist()):
        code, rest = value >> places, value & ((1 << places) - 1)
        code += rest > half or (rest == half and code % 2)
        out[j] = max(min(code, int(adc.high)), int(adc.low))


def words(places, low, high):
    """Every sum that int16 holds but the lowest, and one converter."""
    x = np.r_[-(2**15) + 1 : 2**15, 0].astype(np.int16)
    adc = short(1)._replace(factor=np.int16(1 << (15 - places)), low=np.int16(low), high=np.int16(high))
    return x, adc, np.zeros(x.size, dtype=np.int16)


def shift_plain(codes, v, target, weights, lanes, out):
    for j in range(WIDE):
        out[v, (target + j) % out.shape[1]] += int(codes[j]) * int(weights[target + j])


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


CONVERSION = (
    case(_conversion.build_variances, variances_plain, lambda: variance_inputs(1, False), (4,), build_variances),
    case(_conversion.build_variances, variances_plain, lambda: variance_inputs(2, True), (4,), build_variances),
    case(_conversion.sum_variances, sum_plain, lambda: sum_inputs(8, False), (6,), sum_lanes),
    case(_conversion.sum_variances, sum_plain, lambda: sum_inputs(1, True), (6,), sum_lanes),
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
    *(
        case(_conversion.convert_short, convert_words_plain, lambda given=given: words(*given), (2,), convert_words)
        for given in ((1, -20000, 20000), (7, -127, 127), (8, -200, 100), (15, -2, 2))
    ),
    case(_conversion.find_code, find_plain, lambda: (*level_inputs(20), 1, np.zeros(20, dtype=int)), (3,), find_codes),
    case(
        _conversion.look_up,
        look_up_plain,
        lambda: (*level_inputs(LANES), 1, 3, np.zeros(LANES, dtype=np.int32), np.zeros(LANES, dtype=np.float32)),
        (4,),
        look_up_lanes,
    ),
    case(_conversion.shift_add, shift_plain, shift_inputs, (5,), shift_lanes),
)  # fmt: skip
