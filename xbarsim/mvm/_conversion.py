"""Tables of sums, and what happens to those of one read: variance, noise, conversion, surveys, and shift-add."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import (
    LANES,
    Array,
    Vector,
    add,
    address,
    count_above,
    fill,
    lane_count,
    larger,
    load,
    multiply,
    peek,
    poke,
    round_even,
    scale_even,
    shorten,
    smaller,
    spread,
    square_root,
    store,
    to_float,
    to_int32,
    widen,
    zeros,
)
from xbarsim.mvm._records import BlockErrors, Errors, LevelPlaces, Range, ShortRange, Survey, SurveyPlaces

# --- tables and variances ------------------------------------------------------------------------------------------


@inlined
def digit_entry(digit: int, k: int, members: int) -> int:
    """Return the table row of a group in which row k has an input of one or two bits, and the others none."""
    return ((digit & 1) << k) + ((digit >> 1) << (k + members))


@kernel
def build_table(dac_bits: int, count: int, part: Array, zero: Vector, table: Array) -> None:
    """Tabulate the column sums of every group of rows, row after row: to those of the rows behind it."""
    width = lane_count(zero)
    members = 8 // dac_bits
    place = 0
    for first in range(0, count, members):
        store(table, place, zero)
        for k in range(members - 1, -1, -1):
            cell = load(part, (first + k) * width, zero) if first + k < count else zero
            for digit in range(1, 1 << dac_bits):
                more, added = digit_entry(digit, k, members) * width, multiply(cell, spread(digit, zero))
                for high in range(0, 1 << (members * (dac_bits - 1)), 2 << k):
                    for low in range(0, 1 << members, 2 << k):
                        at = place + (low + (high << members)) * width
                        store(table, at + more, add(load(table, at, zero), added))
        place += width << (dac_bits * members)


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
    place = 0
    for first in range(0, count, members):
        store(table, place, zero)
        for k in range(members - 1, -1, -1):
            for digit in range(1, 1 << dac_bits):
                cell = zero
                if first + k < count:
                    cell = multiply(load(part, (first + k) * width, zero), spread(digit * digit, zero))
                    if shot.size:
                        cell = add(cell, multiply(load(shot, (first + k) * width, zero), spread(digit, zero)))
                more = digit_entry(digit, k, members) * width
                for high in range(0, 1 << (members * (dac_bits - 1)), 2 << k):
                    for low in range(0, 1 << members, 2 << k):
                        at = place + (low + (high << members)) * width
                        store(table, at + more, add(load(table, at, zero), cell))
        place += width << (dac_bits * members)


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


# --- noise -------------------------------------------------------------------------------------------------------


@inlined
def mix_word(x: np.uint64) -> np.uint64:
    """Scramble a 64-bit word (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inlined
def hash_vector(errors: Errors | None, v: int) -> np.uint64:
    """Hash the index of a vector within the run, for the noise of its reads."""
    if errors is None:
        return np.uint64(0)
    return mix_word(errors.key + np.uint64(errors.first_vector + v))


@inlined
def draw_normal(
    word: np.uint64, column: int, pool: NDArray[np.float32], turns: NDArray[np.float32], zero: Vector,
) -> Vector:  # fmt: skip
    """Draw one standard normal per lane: two stretches of a pool of normals, turned by an angle of this read.

    ``word`` holds two places in the pool (15 bits each) and the angle (8 bits); see ``noise``.
    """
    first = np.int64(word & np.uint64(0x7FFF)) + column
    second = np.int64((word >> np.uint64(15)) & np.uint64(0x7FFF)) + column
    turn = np.int64((word >> np.uint64(30)) & np.uint64(0xFF))
    x = multiply(load(pool, first, zero), fill(peek(turns, 2 * turn), zero))
    return add(x, multiply(load(pool, second, zero), fill(peek(turns, 2 * turn + 1), zero)))


# --- conversion --------------------------------------------------------------------------------------------------


@inlined
def point_survey(survey: Survey | None) -> Any:
    """Point to what a survey keeps."""
    if survey is None:
        return None
    return SurveyPlaces(
        address(survey.lowest),
        address(survey.highest),
        address(survey.counts),
        survey.counts.size,
        survey.bins_per_unit,
        address(survey.clipped),
    )


@inlined
def note_sums(
    x: Vector, adc: Range, survey: SurveyPlaces, target: int, plane_weights: NDArray[np.int32],
    floats: NDArray[np.float32],
) -> None:  # fmt: skip
    """Keep what a survey asks for of one read of some columns; those without a weight are padding."""
    store(survey.lowest, 0, smaller(load(survey.lowest, 0, x), x))
    store(survey.highest, 0, larger(load(survey.highest, 0, x), x))
    if survey.bins:
        weights = to_float(load(plane_weights, target, to_int32(x)))
        used = smaller(multiply(weights, weights), fill(np.float32(1.0), x))
        y = multiply(multiply(x, fill(adc.scale, x)), used)
        clips = count_above(y, fill(adc.high + np.float32(0.5), x)) + count_above(fill(adc.low - np.float32(0.5), x), y)
        poke(survey.clipped, 0, peek(survey.clipped, 0) + clips)
        if survey.bins == 1:
            poke(survey.counts, 0, peek(survey.counts, 0) + count_above(used, fill(np.float32(0.0), x)))
        else:
            store(floats, 0, x)
            for j in range(lane_count(x)):
                if peek(plane_weights, target + j) != 0:
                    place: Any = min(np.int64(abs(peek(floats, j)) * survey.bins_per_unit), survey.bins - 1)
                    poke(survey.counts, place, peek(survey.counts, place) + 1)


@inlined
def point_errors(errors: Errors | None, r: int) -> Any:
    """Point to the errors of one row block."""
    if errors is None:
        return None
    read_noise = errors.read_noise[r] if errors.read_noise.size else errors.gain[r]
    still = errors.still[r] if errors.still.size else errors.gain[r]
    levels = errors.levels
    return BlockErrors(
        address(errors.gain[r]),
        address(errors.offset[r]),
        address(errors.inl),
        errors.inl.size,
        errors.thermal,
        address(still),
        address(read_noise),
        errors.read_noise.size,
        address(errors.pool),
        address(errors.turns),
        LevelPlaces(
            address(levels.thresholds),
            address(levels.first),
            levels.lowest,
            levels.per_unit,
            address(levels.counts),
            address(levels.converter[r]),
            levels.counts.size,
            levels.first.shape[1],
        ),
        errors.is_silent,
    )


@inlined
def find_code(y: np.float32, column: int, levels: LevelPlaces) -> np.int64:
    """Return the code of one sum [lsb], counted from 0: the number of thresholds of its converter not above it."""
    converter = np.int64(peek(levels.converter, column))
    bucket = np.int64(min(max((y - levels.lowest) * levels.per_unit, np.float32(0.0)), np.float32(levels.buckets - 1)))
    code = np.int64(peek(levels.first, converter * levels.buckets + bucket))
    while peek(levels.thresholds, converter * levels.codes + code) <= y:
        code += 1
    return code


@inlined
def look_up(
    y: Vector, column: int, errors: BlockErrors, lanes: NDArray[np.int32], floats: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write what the codes of sums [lsb] count to ``lanes``."""
    store(floats, 0, y)
    for j in range(lane_count(y)):
        code = find_code(peek(floats, j), column + j, errors.levels)
        if errors.inl_size:
            code = find_code(peek(floats, j) + peek(errors.inl, code), column + j, errors.levels)
        poke(lanes, j, peek(errors.levels.counts, code))


@inlined
def trim(x: Vector, column: int, errors: BlockErrors | None) -> Vector:
    """Multiply sums by the gains of their columns, as they reach the converter; without errors they stay."""
    if errors is None:
        return x
    return multiply(x, load(errors.gain, column, x))


@inlined
def convert(
    x: Vector, variance: Vector, word: np.uint64, column: int, adc: Range, errors: BlockErrors | None,
    lanes: NDArray[np.int32], floats: NDArray[np.float32],
) -> Vector:  # fmt: skip
    """Convert sums to codes in int32; with errors, as a real converter would."""
    low, high = fill(adc.low, x), fill(adc.high, x)
    y = multiply(to_float(x), fill(adc.scale, x))
    if errors is not None:
        y = add(multiply(y, load(errors.gain, column, x)), load(errors.offset, column, x))
        if errors.is_noisy:
            deviation = multiply(variance, load(errors.read_noise, column, x))
            deviation = square_root(add(deviation, fill(errors.thermal, x)))
            y = add(y, multiply(deviation, draw_normal(word, column, errors.pool, errors.turns, y)))
        if errors.inl_size and not errors.levels.codes:
            store(floats, 0, y)
            for j in range(lane_count(x)):
                code = np.rint(min(max(peek(floats, j), adc.low), adc.high))
                poke(floats, j, peek(floats, j) + peek(errors.inl, np.int64(code - adc.low)))
            y = load(floats, 0, y)
    code = to_int32(round_even(larger(smaller(y, high), low)))
    if errors is not None and errors.levels.codes:
        look_up(y, column, errors, lanes, floats)
        code = load(lanes, 0, code)
    return code


@inlined
def convert_short(x: Vector, adc: ShortRange) -> Vector:
    """Convert sums in int16 to codes in int16: the codes of :func:`convert` without errors."""
    return larger(smaller(scale_even(x, adc.factor), fill(adc.high, x)), fill(adc.low, x))


@inlined
def shift_add(
    codes: Array, v: int, target: int, plane_weights: NDArray[np.int32], lanes: NDArray[np.int32],
    out: Array, padded: int,
) -> None:  # fmt: skip
    """Add weighted codes, int32 lanes, to the outputs of vector v, in their type."""
    quarter = zeros(plane_weights, LANES)
    store(lanes, 0, codes)
    output = target % padded
    for k in range(0, lane_count(codes), LANES):
        at = v * padded + output
        held = load(out, at, quarter)
        code, weight = load(lanes, k, quarter), load(plane_weights, target + k, quarter)
        store(out, at, add(held, multiply(widen(code, held), widen(weight, held))))
        output += LANES
        if output == padded:
            output = 0
