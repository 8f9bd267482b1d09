"""What a read drives: the table rows of its groups, values, load and tilt; and the cells that it meets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import (
    LANES,
    Array,
    Vector,
    add,
    address,
    deal_bytes,
    fill,
    gather,
    lane_count,
    load,
    load_bytes,
    mask,
    multiply,
    multiply_halves,
    pack,
    peek,
    poke,
    round_even,
    store,
    to_float,
    to_int32,
    zeros,
)
from xbarsim.mvm._records import QUADRATIC, TOGETHER, BendScratch, Cells, Curves, Fine, FusedScratch, Inputs, Reads


@inlined
def peek_bit(planes: NDArray[np.uint64], group: int, bit: int) -> np.int32:
    """Return one bit of the inputs of a group of eight rows, whose words begin at an index, as a byte."""
    return np.int32((peek(planes, group + bit // 8) >> np.uint64(8 * (bit % 8))) & np.uint64(255))


@kernel
def list_rows(reads: Reads, inputs: Inputs, r: int, scratch: FusedScratch) -> None:
    """List, read by read, the table rows of the groups of row block r whose inputs are not all zero.

    A group is ``8 // dac_bits`` rows; bit k + b * (rows of a group) of its table row is bit b of the input of its
    row k. Read (v, t) owns ``rows[starts[v * streams + t]]`` up to the next start: ``TOGETHER`` or a multiple, filled
    up with row 0, which holds zeros, so that few branches depend on their number.
    """
    planes, bases, offsets = address(inputs.planes), inputs.bases, address(inputs.offsets)
    shifts, widths, dac_bits = address(reads.shifts), address(reads.widths), reads.dac_bits
    lists = reads.shifts.size
    words, places, starts = address(scratch.words), address(scratch.places), address(scratch.starts)
    rows, dealt, from_base = address(scratch.rows), address(scratch.dealt), address(scratch.offsets)
    none = zeros(scratch.words, LANES)
    no_rows = zeros(scratch.places, LANES)
    members = 8 // dac_bits
    parts = 8 // members
    ones = (1 << members) - 1
    entries = 1 << (dac_bits * members)
    begin, end = inputs.group_starts[r], inputs.group_starts[r + 1]
    for q in range(scratch.words.size):
        is_used = begin + q < end
        poke(words, q, ~np.uint64(0) if is_used else np.uint64(0))
        poke(from_base, q, peek(offsets, begin + q if is_used else begin))
    n = 0
    read = 0
    for v in range(bases.size):
        held = -1
        for t in range(lists):
            poke(starts, read, n)
            read += 1
            if dac_bits == 1:
                word, byte = peek(shifts, t) >> 3, peek(shifts, t) & 7
                if held != word:
                    held = word
                    for q in range(0, end - begin, LANES):
                        found = gather(planes, bases[v] + word, from_base, q, none)
                        deal_bytes(dealt, 8 * q, mask(found, load(words, q, none)))
                for q in range(0, end - begin, LANES):
                    entries_there = load_bytes(dealt, 8 * q + LANES * byte, none)
                    n += pack(rows, n, add(entries_there, load(places, q, entries_there)), entries_there)
                store(rows, n, no_rows)
                n = (n + TOGETHER - 1) & -TOGETHER
                continue
            for q in range(begin, end):
                for part in range(parts):
                    entry = np.int32(0)
                    for b in range(peek(widths, t)):
                        byte_of_bit = peek_bit(planes, bases[v] + peek(offsets, q), peek(shifts, t) + b)
                        entry |= ((byte_of_bit >> (part * members)) & ones) << (members * b)
                    poke(rows, n, np.int32(entries * (parts * (q - begin) + part)) + entry)
                    n += entry != 0
            store(rows, n, no_rows)
            n = -(-n // TOGETHER) * TOGETHER
    poke(starts, read, n)


@kernel
def split_values(reads: Reads, codes: Array, begin: int, end: int, values: NDArray[np.float32]) -> None:
    """Split codes of one row block into the values of every read, (vectors * streams, rows)."""
    shifts, widths = reads.shifts, reads.widths
    for v in range(codes.shape[0]):
        for t in range(shifts.size):
            shift, ones, read = shifts[t], (1 << widths[t]) - 1, v * shifts.size + t
            for i in range(begin, end):
                values[read, i - begin] = (np.int32(codes[v, i]) >> shift) & ones


@kernel
def split_pairs(reads: Reads, codes: Array, begin: int, end: int, pairs: NDArray[np.int16]) -> None:
    """Split codes as :func:`split_values` does, into an even number of values a read; three reads of zeros follow."""
    shifts, widths, rows = reads.shifts, reads.widths, end - begin
    size, place = (rows + 1) // 2 * 2, 0
    for v in range(codes.shape[0]):
        sent = codes[v, begin:end]
        for t in range(shifts.size):
            shift, ones = np.int32(shifts[t]), np.int32((1 << widths[t]) - 1)
            part = pairs[place : place + size]
            part[size - 1] = 0
            for i in range(rows):
                part[i] = (np.int32(sent[i]) >> shift) & ones
            place += size
    pairs[place : place + 3 * size] = 0


@kernel
def weigh_groups(dac_bits: int, curves: Curves, begin: int, end: int, table: NDArray[np.int32]) -> None:
    """Tabulate load and tilt of every combination of the inputs of a group of rows: the load, and 65536 tilts."""
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    place = 0
    for first in range(begin, end, members):
        for entry in range(entries):
            total = 0
            for k in range(min(members, end - first)):
                weight = curves.weights[first + k] + (curves.tilts[first + k] << 16)
                for b in range(dac_bits):
                    total += (((entry >> (k + b * members)) & 1) << b) * weight
            table[place + entry] = total
        place += entries


@kernel
def add_loads(reads: Reads, inputs: Inputs, r: int, begin: int, curves: Curves, loads: NDArray[np.float32]) -> None:
    """Add up the loads of the reads of row block r, which begins with row ``begin``, where a read sends one bit.

    A word holds eight bits of the eight rows of a group, which count alike: the ones of its bytes are counted side by
    side, and added times the weight of the group in fields of 16 bits, which hold ``HEAVIEST`` times 4096 rows.
    """
    planes, offsets = address(inputs.planes), address(inputs.offsets)
    ones, twos, fours = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
    fields = np.uint64(0x00FF00FF00FF00FF)
    for v in range(inputs.bases.size):
        held, even, odd = -1, np.uint64(0), np.uint64(0)
        for t in range(reads.shifts.size):
            word, byte = reads.shifts[t] // 8, reads.shifts[t] % 8
            if held != word:
                held, even, odd = word, np.uint64(0), np.uint64(0)
                for q in range(inputs.group_starts[r], inputs.group_starts[r + 1]):
                    x = peek(planes, inputs.bases[v] + word + peek(offsets, q))
                    x -= (x >> np.uint64(1)) & ones
                    x = (x & twos) + ((x >> np.uint64(2)) & twos)
                    x = (x + (x >> np.uint64(4))) & fours
                    weight = np.uint64(curves.weights[begin + 8 * (q - inputs.group_starts[r])])
                    even += (x & fields) * weight
                    odd += ((x >> np.uint64(8)) & fields) * weight
            found = odd if byte % 2 else even
            loads[v * reads.shifts.size + t] = (found >> np.uint64(16 * (byte // 2))) & np.uint64(0xFFFF)


@kernel
def list_weighed(reads: Reads, inputs: Inputs, r: int, curves: Curves, scratch: FusedScratch) -> None:
    """List table rows as :func:`list_rows` does, find where the cuts divide them, and add up loads and tilts.

    Loads and tilts are whole numbers, exact in float32.
    """
    shifts, dac_bits, cuts = reads.shifts, reads.dac_bits, curves.cuts.size
    members, begin, end = 8 // dac_bits, inputs.group_starts[r], inputs.group_starts[r + 1]
    starts, rows, ends = address(scratch.starts), address(scratch.rows), address(scratch.bends.ends)
    table, planes, offsets = address(scratch.bends.load_table), address(inputs.planes), address(inputs.offsets)
    no_rows = zeros(scratch.places, LANES)
    n, read = 0, 0
    for v in range(inputs.bases.size):
        for t in range(shifts.size):
            poke(starts, read, n)
            total, place = 0, begin
            for k in range(cuts + 1):
                stop = min(begin + curves.cuts[k] // 8, end) if k < cuts else end
                if dac_bits == 1:
                    for q in range(place, stop):
                        entry = peek_bit(planes, inputs.bases[v] + peek(offsets, q), shifts[t])
                        at = np.int32(256 * (q - begin)) + entry
                        poke(rows, n, at)
                        n += entry != 0
                        total += peek(table, at)
                else:
                    for part in range(place * dac_bits, stop * dac_bits):
                        q, half = part // dac_bits, part % dac_bits
                        entry = np.int32(0)
                        for b in range(reads.widths[t]):
                            byte = peek_bit(planes, inputs.bases[v] + peek(offsets, q), shifts[t] + b)
                            entry |= ((byte >> (half * members)) & ((1 << members) - 1)) << (members * b)
                        at = np.int32(256 * (part - begin * dac_bits)) + entry
                        poke(rows, n, at)
                        n += entry != 0
                        total += peek(table, at)
                place = stop
                if k < cuts:
                    poke(ends, read * cuts + k, n)
            scratch.bends.loads[read] = total & 0xFFFF
            scratch.bends.tilts[read] = total >> 16
            read += 1
            store(rows, n, no_rows)
            n = -(-n // TOGETHER) * TOGETHER
    poke(starts, read, n)


@kernel
def list_bent(
    reads: Reads, inputs: Inputs, r: int, begin: int, end: int, curves: Curves | None, scratch: FusedScratch
) -> None:  # fmt: skip
    """List table rows, and with curves what these need: without cuts no tilt, without a common load nothing."""
    if curves is None:
        list_rows(reads, inputs, r, scratch)
    elif curves.cuts.size or reads.dac_bits > 1:
        weigh_groups(reads.dac_bits, curves, begin, end, scratch.bends.load_table)
        list_weighed(reads, inputs, r, curves, scratch)
    else:
        list_rows(reads, inputs, r, scratch)
        if curves.terms.shape[1] > QUADRATIC and not curves.own.size:
            add_loads(reads, inputs, r, begin, curves, scratch.bends.loads)


@kernel
def list_reads(
    reads: Reads, inputs: Inputs, r: int, begin: int, end: int, fine: Fine | None, scratch: FusedScratch
) -> None:  # fmt: skip
    """List the table rows of every read of row block r, and where curves ask for them cuts, loads and tilts."""
    if fine is None:
        list_rows(reads, inputs, r, scratch)
    else:
        list_bent(reads, inputs, r, begin, end, fine.curves, scratch)


@kernel
def weigh_values(values: NDArray[np.float32], curves: Curves | None, begin: int, bends: BendScratch) -> None:
    """Turn the inputs of reads, (reads, products), into amplitudes, and add up load and tilt of every read."""
    if curves is None:
        return
    rows = values.shape[1]
    if curves.amplitudes.size:
        rows //= 2
        for read in range(values.shape[0]):
            for i in range(rows):
                sent = np.int64(values[read, i])
                values[read, i] = curves.amplitudes[sent]
                values[read, rows + i] = curves.low_amplitudes[sent]
    for read in range(values.shape[0]):
        total, tilt = np.float32(0.0), np.float32(0.0)
        for i in range(rows):
            total += values[read, i] * np.float32(curves.weights[begin + i])
            tilt += values[read, i] * np.float32(curves.tilts[begin + i])
        bends.loads[read] = total
        bends.tilts[read] = tilt


@kernel
def round_cells(cells: Cells, begin: int, end: int, column: int, width: int, part: Array) -> None:
    """Copy some columns of one row block, rounded to whole numbers of the grid."""
    none = zeros(cells.matrix, LANES)
    matrix, room, step = address(cells.matrix), address(part), fill(cells.step, none)
    for i in range(begin, end):
        first, at = i * cells.matrix.shape[1] + column, (i - begin) * width
        for j in range(0, width, LANES):
            store(room, at + j, round_even(multiply(load(matrix, first + j, none), step)))


@kernel
def copy_low(
    curves: Curves | None, step: np.float32, begin: int, end: int, column: int, width: int, part: NDArray[np.float32]
) -> None:  # fmt: skip
    """Copy some columns of the second matrix, if there is one, behind those of the first, in units of the grid."""
    if curves is None:
        return
    if curves.amplitudes.size:
        for i in range(begin, end):
            for j in range(width):
                part[(end - begin + i - begin) * width + j] = curves.low_cells[i, column + j] * step


@kernel
def round_pairs(cells: Cells, begin: int, end: int, column: int, width: int, part: NDArray[np.int32]) -> None:
    """Round cells as :func:`round_cells` does, those of two rows as halves of a word, the first below."""
    none = zeros(cells.matrix, LANES)
    matrix, room, step, stride = address(cells.matrix), address(part), fill(cells.step, none), cells.matrix.shape[1]
    low, high = fill(np.int32(0xFFFF), none), fill(np.int32(0x10000), none)
    for i in range(begin, end, 2):
        first, at = i * stride + column, (i - begin) // 2 * width
        for j in range(0, width, LANES):
            below = load(matrix, first + stride + j, none) if i + 1 < end else none
            one, two = multiply(load(matrix, first + j, none), step), multiply(below, step)
            halves = mask(to_int32(round_even(one)), low), multiply(to_int32(round_even(two)), high)
            store(room, at + j, add(halves[0], halves[1]))


@kernel
def copy_noise(cells: Cells, begin: int, end: int, column: int, width: int, scratch: FusedScratch) -> None:
    """Copy what some columns of one row block add to variances."""
    for i in range(begin, end):
        for j in range(width):
            scratch.noise_cells[(i - begin) * width + j] = cells.noise[i, column + j]
            if scratch.shot_cells.size:
                scratch.shot_cells[(i - begin) * width + j] = cells.shot[i, column + j]


@inlined
def multiply_rows(
    rows: int, inputs: NDArray[np.float32], at: int, power: int, cells: NDArray[np.float32], like: Vector,
    sums: NDArray[np.float32],
) -> None:  # fmt: skip
    """Multiply four reads, ``rows`` inputs each from ``at`` on, to the given power, by some columns of cells."""
    width = lane_count(like)
    x0 = fill(np.float32(0.0), like)
    x1, x2, x3 = x0, x0, x0
    for i in range(rows):
        cell = load(cells, i * width, like)
        a, b = peek(inputs, at + i), peek(inputs, at + rows + i)
        c, d = peek(inputs, at + 2 * rows + i), peek(inputs, at + 3 * rows + i)
        if power == 2:
            a, b, c, d = a * a, b * b, c * c, d * d
        x0 = add(x0, multiply(cell, fill(a, like)))
        x1 = add(x1, multiply(cell, fill(b, like)))
        x2 = add(x2, multiply(cell, fill(c, like)))
        x3 = add(x3, multiply(cell, fill(d, like)))
    store(sums, 0, x0)
    store(sums, width, x1)
    store(sums, 2 * width, x2)
    store(sums, 3 * width, x3)


@inlined
def multiply_pairs(
    words: int, pairs: NDArray[np.int32], at: int, cells: NDArray[np.int32], like: Vector, sums: NDArray[np.float32]
) -> None:  # fmt: skip
    """Multiply four reads as :func:`multiply_rows` does, ``words`` pairs of inputs each, by some columns of pairs."""
    width = lane_count(like)
    x0 = to_int32(like)
    x1, x2, x3 = x0, x0, x0
    for p in range(words):
        cell = load(cells, p * width, x0)
        x0 = add(x0, multiply_halves(cell, fill(peek(pairs, at + p), x0)))
        x1 = add(x1, multiply_halves(cell, fill(peek(pairs, at + words + p), x0)))
        x2 = add(x2, multiply_halves(cell, fill(peek(pairs, at + 2 * words + p), x0)))
        x3 = add(x3, multiply_halves(cell, fill(peek(pairs, at + 3 * words + p), x0)))
    store(sums, 0, to_float(x0))
    store(sums, width, to_float(x1))
    store(sums, 2 * width, to_float(x2))
    store(sums, 3 * width, to_float(x3))
