"""Fused kernels for inputs whose reads an integrator adds up: one conversion of a whole input.

Cells are linear, so the sum of all reads is that of the whole input, whatever reads it is sent in: it is formed from
parts of four bits, the highest with its sign. Sums of a part are exact on the grid of the cells; parts are put together
in float32 in one order. The noise of the reads is independent, so that the variance of their sum goes with numbers that
are tabulated for every input (``converter.spread_inputs``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import LANES, WIDE, Array, Vector, add, address, fill, lane_count, load, multiply, store, zeros
from xbarsim.mvm._conversion import (
    convert,
    hash_vector,
    mix_word,
    note_sums,
    point_errors,
    point_survey,
    shift_add,
    trim,
)
from xbarsim.mvm._reads import copy_noise, multiply_rows, round_cells
from xbarsim.mvm._records import Cells, Errors, Fine, FusedScratch, Range, Survey

PART_BITS = 4
"""Bits of a part of an input: few enough for a fine grid, enough for two parts in most inputs."""


class WholeInputs(NamedTuple):
    """Inputs, and what the noise of their reads counts."""

    codes: NDArray[np.int32]
    """(vectors, K) inputs with the constant of their coding."""
    parts: int
    """Parts of an input."""
    lowest: int
    """Input of the first entry of the tables."""
    squares: NDArray[np.float32]
    """(inputs,) factor of variances that go with the square of an input, by input; empty without noise."""
    linears: NDArray[np.float32]
    """(inputs,) factor of variances that go with an input."""


class SummedScratch(NamedTuple):
    """Working memory of one thread beside that of other kernels."""

    values: NDArray[np.float32]
    spreads: NDArray[np.float32]
    totals: NDArray[np.float32]


@kernel
def split_whole(
    inputs: WholeInputs, begin: int, end: int, values: NDArray[np.float32], spreads: NDArray[np.float32]
) -> None:
    """Split inputs of one row block into parts, (parts, vectors + 3, rows), and look up their noise, (2, ...)."""
    last = inputs.parts - 1
    for v in range(inputs.codes.shape[0]):
        for i in range(begin, end):
            code = np.int64(inputs.codes[v, i])
            for part in range(last):
                values[part, v, i - begin] = (code >> (PART_BITS * part)) & ((1 << PART_BITS) - 1)
            values[last, v, i - begin] = code >> (PART_BITS * last)
            if spreads.size:
                spreads[0, v, i - begin] = inputs.squares[code - inputs.lowest]
                spreads[1, v, i - begin] = inputs.linears[code - inputs.lowest]


@kernel
def read_sums(
    adc: Range, fine: Fine | None, errors: Errors | None, survey: Survey | None, r: int, column: int, target: int,
    plane_weights: NDArray[np.int32], values: NDArray[np.float32], spreads: NDArray[np.float32], part: Array,
    zero: Vector, scratch: FusedScratch, totals: NDArray[np.float32], out: Array,
) -> None:  # fmt: skip
    """Multiply four inputs at a time by some columns, convert and shift-add."""
    width, padded, count = lane_count(zero), out.shape[1], out.shape[0]
    parts, room, rows = values.shape
    inputs, spread, cells = address(values), address(spreads), address(part)
    noise, shot = address(scratch.noise_cells), address(scratch.shot_cells)
    sums, variances, added_up = address(scratch.sums), address(scratch.variances), address(totals)
    lanes, floats = address(scratch.lanes), address(scratch.floats)
    counts, result = address(plane_weights), address(out)
    added, seen = point_errors(errors, r), point_survey(survey)
    has_variance = errors is not None and spreads.size > 0
    if fine is not None:
        by_column = load(address(fine.columns), column, zero)
    for first in range(0, count, 4):
        scale = np.float32(1.0)
        for k in range(4):
            store(added_up, k * width, zero)
        for p in range(parts):
            multiply_rows(rows, inputs, (p * room + first) * rows, 1, cells, zero, sums)
            for k in range(4):
                x = multiply(load(sums, k * width, zero), fill(scale, zero))
                store(added_up, k * width, add(load(added_up, k * width, zero), x))
            scale *= np.float32(1 << PART_BITS)
        if has_variance:
            multiply_rows(rows, spread, first * rows, 1, noise, zero, variances)
            if scratch.shot_cells.size:
                multiply_rows(rows, spread, (room + first) * rows, 1, shot, zero, sums)
                for k in range(4):
                    x = add(load(variances, k * width, zero), load(sums, k * width, zero))
                    store(variances, k * width, x)
        for k in range(min(4, count - first)):
            x = load(added_up, k * width, zero)
            variance = zero
            if has_variance and errors is not None:
                variance = add(load(variances, k * width, zero), load(added.still, column, zero))
            if fine is not None:
                x, variance = multiply(x, by_column), multiply(variance, multiply(by_column, by_column))
            if survey is not None:
                note_sums(trim(x, column, added), adc, seen, target, counts, floats)
                continue
            word = mix_word(hash_vector(errors, first + k) + np.uint64(r * 65536))
            code = convert(x, variance, word, column, adc, added, lanes, floats)
            shift_add(code, first + k, target, counts, lanes, result, padded)


@kernel
def multiply_sums(
    inputs: WholeInputs, cells: Cells, adc: Range, fine: Fine | None, errors: Errors | None, survey: Survey | None,
    plane_weights: NDArray[np.int32], blocks: NDArray[np.int64], unit_weights: NDArray[np.int32],
    scratch: FusedScratch, own: SummedScratch, out: Array, unit_codes: Array,
) -> None:  # fmt: skip
    """Multiply a block of inputs by some columns of every row block; as ``_kernels.multiply_products``."""
    zero, quarter = zeros(scratch.sums, WIDE), zeros(scratch.sums, LANES)
    has_noise = errors is not None and survey is None and scratch.noise_cells.size > 0
    for r in range(cells.row_starts.size - 1):
        begin, end = cells.row_starts[r], cells.row_starts[r + 1]
        rows, room = end - begin, inputs.codes.shape[0] + 3
        values = own.values[: inputs.parts * room * rows].reshape(inputs.parts, room, rows)
        kept = 2 * room * rows if has_noise else 0
        spreads = own.spreads[:kept].reshape(2, room if has_noise else 0, rows)
        values[:, room - 3 :] = 0
        if has_noise:
            spreads[:, room - 3 :] = 0
        split_whole(inputs, begin, end, values, spreads)
        for block in range(blocks.shape[0] + unit_weights.size // LANES):
            is_unit = block >= blocks.shape[0]
            unit = LANES * (block - blocks.shape[0])
            column = plane_weights.shape[1] + unit if is_unit else blocks[block, 0]
            width = LANES if is_unit else blocks[block, 1]
            target = unit if is_unit else column
            weights = unit_weights if is_unit else plane_weights[r]
            result = unit_codes[r] if is_unit else out
            round_cells(cells, begin, end, column, width, scratch.cells)
            if has_noise:
                copy_noise(cells, begin, end, column, width, scratch)
            if width == WIDE:
                read_sums(
                    adc, fine, errors, survey, r, column, target, weights, values, spreads, scratch.cells, zero,
                    scratch, own.totals, result,
                )  # fmt: skip
            else:
                read_sums(
                    adc, fine, errors, survey, r, column, target, weights, values, spreads, scratch.cells, quarter,
                    scratch, own.totals, result,
                )  # fmt: skip
