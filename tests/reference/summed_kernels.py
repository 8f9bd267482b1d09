"""Kernels of inputs whose reads are added up, and what they must equal."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.kernel_case import KernelCase
from reference.mvm_case import (
    ADC,
    BLOCKS,
    LANES,
    STARTS,
    UNITS,
    VECTORS,
    WEIGHTED,
    case,
    cells,
    errors,
    fine,
    out,
    rng,
    scratch,
    survey,
    unit_weights,
    weights,
)

from xbarsim._numba import kernel
from xbarsim._simd import WIDE, zeros
from xbarsim.mvm import _summed
from xbarsim.mvm._summed import SummedScratch, WholeInputs

LOWEST = -128


def whole(is_noisy=True):
    """Signed inputs of eight bits, in two parts of four."""
    codes = rng().integers(LOWEST, -LOWEST, (VECTORS, 20)).astype(np.int32)
    counted = rng().integers(0, 1 << 12, (2, 256 if is_noisy else 0)).astype(np.float32)
    return WholeInputs(codes, 2, LOWEST, counted[0], counted[1])


def own(is_noisy=True):
    """Working memory for the larger row block."""
    size = (VECTORS + 3) * 13
    floats = [np.zeros(count, dtype=np.float32) for count in (2 * size, 2 * size * is_noisy, 4 * WIDE)]
    return SummedScratch(*floats)


def split(inputs, begin, end, values, spreads):
    """Split by Python's own whole numbers."""
    for v, codes in enumerate(inputs.codes.tolist()):
        for i, code in enumerate(codes[begin:end]):
            values[:, v, i] = code % 16, code // 16
            if spreads.size:
                spreads[:, v, i] = inputs.squares[code - LOWEST], inputs.linears[code - LOWEST]


def convert_whole(inputs, cells, adc, fine, errors, survey, r, v, column, lane, weight):
    """Return what one input and column count; None where a survey notes its sum."""
    block = slice(cells.row_starts[r], cells.row_starts[r + 1])
    codes = inputs.codes[v, block].astype(np.int64)
    factor = 1.0 if fine is None else float(fine.columns[column])
    x = (codes @ np.rint(cells.matrix[block, column] * cells.step).astype(np.int64)) * factor
    if survey is not None:
        gain = np.float32(1.0 if errors is None else errors.gain[r, column])
        loops.note_sum(np.float32(x) * gain, lane, adc, survey, weight)
        return None
    variance = 0.0
    if errors is not None and cells.noise.size:
        counted = inputs.squares[codes - LOWEST], inputs.linears[codes - LOWEST]
        variance = counted[0].astype(float) @ cells.noise[block, column]
        variance = (
            variance + counted[1].astype(float) @ cells.shot[block, column] + errors.still[r, column]
        ) * factor**2
    word = loops.mix_word((int(loops.hash_vector(errors, v)) + r * 65536) & loops.WORD)
    return loops.convert(x, variance, word, r, column, adc, errors) * weight


def read_plain(adc, fine, errors, survey, r, column, target, weights, values, spreads, part, scratch, totals, out):
    """Read the first LANES columns of a row block."""
    for v in range(VECTORS):
        for j in range(LANES):
            weight = int(weights[target + j])
            place = (r, v, column + j, j)
            found = convert_whole(whole(), cells(), adc, fine, errors, survey, *place, weight)
            if found is not None:
                out[v, (target + j) % out.shape[1]] += found


def multiply_plain(
    inputs, cells, adc, fine, errors, survey, weights, blocks, unit_weights, scratch, own, out, unit_codes
):  # fmt: skip
    """Multiply by all columns, unit columns last."""
    every = [(int(first) + j, j, False) for first, width in blocks for j in range(width)]
    every += [(weights.shape[1] + k, k % LANES, True) for k in range(unit_weights.size)]
    for r in range(len(cells.row_starts) - 1):
        for v in range(len(inputs.codes)):
            for column, lane, is_unit in every:
                unit = column - weights.shape[1]
                weight = int(unit_weights[unit] if is_unit else weights[r, column])
                found = convert_whole(inputs, cells, adc, fine, errors, survey, r, v, column, lane, weight)
                if found is not None and is_unit:
                    unit_codes[r, v, unit] += found
                elif found is not None:
                    out[v, column % out.shape[1]] += found


@kernel
def read_lanes(adc, fine, errors, survey, r, column, target, weights, values, spreads, part, scratch, totals, out):
    _summed.read_sums(
        adc, fine, errors, survey, r, column, target, weights, values, spreads, part, zeros(scratch.sums, LANES),
        scratch, totals, out,
    )  # fmt: skip


def read_inputs(errors, survey, fine=None):
    """Arguments for the second row block."""
    inputs, rows = whole(), STARTS[2] - STARTS[1]
    values, spreads = (np.zeros((2, VECTORS + 3, rows), dtype=np.float32) for _ in range(2))
    split(inputs, STARTS[1], STARTS[2], values, spreads)
    room, held = scratch(np.float32), cells()
    part = np.zeros(16 * WIDE, dtype=np.float32)
    block = slice(STARTS[1], STARTS[2])
    part[: rows * LANES] = np.rint(held.matrix[block, :LANES] * held.step).ravel()
    room.noise_cells[: rows * LANES] = held.noise[block, :LANES].ravel()
    room.shot_cells[: rows * LANES] = held.shot[block, :LANES].ravel()
    totals = np.zeros(4 * WIDE, dtype=np.float32)
    return ADC, fine, errors, survey, 1, 0, 0, weights()[1], values, spreads, part, room, totals, out()


def driver_inputs(errors, survey, fine=None, is_noisy=True):
    """Arguments for all columns."""
    room = scratch(np.float32, is_noisy)
    units = np.zeros((2, VECTORS, UNITS), dtype=np.int64)
    given = whole(is_noisy), cells(is_noisy), ADC, fine, errors, survey, weights(), BLOCKS, unit_weights()
    return *given, room, own(is_noisy), out(WEIGHTED), units


def split_inputs():
    """Arguments for the first row block."""
    shape = (2, VECTORS + 3, 13)
    return whole(), 0, 13, np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)


SUMMED: tuple[KernelCase, ...] = (
    case(_summed.split_whole, split, split_inputs, (3, 4)),
    case(_summed.read_sums, read_plain, lambda: read_inputs(errors(), None), (13,), read_lanes),
    case(_summed.read_sums, read_plain, lambda: read_inputs(None, survey(), fine()), (3, 13), read_lanes),
    case(_summed.multiply_sums, multiply_plain, lambda: driver_inputs(errors(), None, fine()), (11, 12)),
    case(_summed.multiply_sums, multiply_plain, lambda: driver_inputs(None, None, is_noisy=False), (11, 12)),
    case(_summed.multiply_sums, multiply_plain, lambda: driver_inputs(errors(), survey()), (5, 11, 12)),
)
