"""Fused kernels: table rows are added, converted and shift-added in registers; no partial product is stored.

Eight rows of an array make a byte per input bit. For every group of rows a table holds the column sums of every
combination of their inputs, so that one read of an array is a sum of table rows: an eighth of the additions of the
plain product, and none for groups whose inputs are all zero. Wide streams and few vectors take the plain product
instead, four reads at a time.

Cells lie on a power-of-two grid on which every sum is exact (``fused`` chooses it), so neither the order of additions
nor the choice between tables and products changes a bit. Tables are int16 or float32; both share this code.
"""

from __future__ import annotations

import numpy as np

from xbarsim._numba import kernel
from xbarsim.mvm._lanes import (
    add,
    fill,
    lane_count,
    larger,
    load,
    multiply,
    round_even,
    smaller,
    spread,
    store,
    to_float,
    to_int32,
    to_int64,
    zeros16,
    zeros64,
)  # fmt: skip

# --- inputs: codes -> bytes of eight rows -> the table rows that a read adds ---------------------------------------


@kernel
def transpose_bits(x):
    """Transpose the 8 x 8 bits of a 64-bit word: byte i, bit j <-> byte j, bit i (Hacker's Delight, 7-3)."""
    t = (x ^ (x >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    x = x ^ t ^ (t << np.uint64(7))
    t = (x ^ (x >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    x = x ^ t ^ (t << np.uint64(14))
    t = (x ^ (x >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return x ^ t ^ (t << np.uint64(28))


@kernel
def pack_vectors(bits, row_starts, byte_starts, codes, planes):
    """Pack vectors to bit planes, eight rows of one array to a byte: planes[v, bit, byte]."""
    for v in range(codes.shape[0]):
        for r in range(row_starts.size - 1):
            for q in range(byte_starts[r], byte_starts[r + 1]):
                begin = row_starts[r] + 8 * (q - byte_starts[r])
                end = min(begin + 8, row_starts[r + 1])
                for low in range(0, bits, 8):
                    word = np.uint64(0)
                    for i in range(begin, end):
                        byte = (np.uint64(codes[v, i]) >> np.uint64(low)) & np.uint64(255)
                        word |= byte << np.uint64(8 * (i - begin))
                    word = transpose_bits(word)
                    for bit in range(low, min(low + 8, bits)):
                        planes[v, bit, q] = np.uint8((word >> np.uint64(8 * (bit - low))) & np.uint64(255))


@kernel
def pack_pixels(bits, top, left, codes, planes):
    """Pack images to bit planes, eight channels of a pixel to a byte: planes[b, y + top, x + left, bit, byte]."""
    images, channels, height, width = codes.shape
    for b in range(images):
        for q in range(channels // 8):
            for y in range(height):
                for x in range(width):
                    for low in range(0, bits, 8):
                        word = np.uint64(0)
                        for i in range(8):
                            byte = (np.uint64(codes[b, 8 * q + i, y, x]) >> np.uint64(low)) & np.uint64(255)
                            word |= byte << np.uint64(8 * i)
                        word = transpose_bits(word)
                        for bit in range(low, min(low + 8, bits)):
                            byte = (word >> np.uint64(8 * (bit - low))) & np.uint64(255)
                            planes[b, y + top, x + left, bit, q] = np.uint8(byte)


@kernel
def list_rows(shifts, widths, dac_bits, stride, planes, bases, offsets, starts, rows):
    """List, read by read, the table rows of the groups whose inputs are not all zero.

    ``planes[bases[v] + offsets[q] + stride * bit]`` is the q-th byte of vector v. A group is ``8 // dac_bits`` rows;
    bit k + b * (rows of a group) of its table row is bit b of the input of its row k. Read (v, t) owns
    ``rows[starts[v * streams + t]]`` up to the next start.
    """
    members = 8 // dac_bits
    parts = 8 // members
    mask = (1 << members) - 1
    entries = 1 << (dac_bits * members)
    n = 0
    read = 0
    for v in range(bases.size):
        for t in range(shifts.size):
            starts[read] = n
            read += 1
            first = bases[v] + stride * shifts[t]
            if dac_bits == 1:
                for q in range(offsets.size):
                    entry = np.int32(planes[first + offsets[q]])
                    rows[n] = np.int32(256 * q) + entry
                    n += entry != 0
                continue
            for q in range(offsets.size):
                for part in range(parts):
                    entry = np.int32(0)
                    for b in range(widths[t]):
                        byte = np.int32(planes[first + offsets[q] + stride * b])
                        entry |= ((byte >> (part * members)) & mask) << (members * b)
                    rows[n] = np.int32(entries * (parts * q + part)) + entry
                    n += entry != 0
    starts[read] = n


# --- tables ------------------------------------------------------------------------------------------------------


@kernel
def round_cells(begin, end, column, step, is_fixed, matrix, cells):
    """Copy the columns of one table, in units of 1 / step; whole numbers where tables are fixed point."""
    width = cells.size // (end - begin)
    for i in range(begin, end):
        for j in range(width):
            value = matrix[i, column + j] * step
            cells[(i - begin) * width + j] = np.rint(value) if is_fixed else value


@kernel
def build_table(dac_bits, power, count, cells, zero, table):
    """Tabulate the column sums of every group of rows; inputs count to the given power (2 for variances)."""
    width = lane_count(zero)
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    place = 0
    for first in range(0, count, members):
        store(table, place, zero)
        for entry in range(1, entries):
            k = 0
            while not (entry >> k) & 1:
                k += 1
            k %= members
            digit = 0
            rest = entry
            for b in range(dac_bits):
                bit = 1 << (k + b * members)
                digit += ((entry & bit) >> (k + b * members)) << b
                rest &= ~bit
            total = load(table, place + rest * width, zero)
            if first + k < count:
                cell = load(cells, (first + k) * width, zero)
                if digit > 1:
                    cell = multiply(cell, spread(digit**power, zero))
                total = add(total, cell)
            store(table, place + entry * width, total)
        place += entries * width


# --- array reads -------------------------------------------------------------------------------------------------


@kernel
def convert_reads(weights, scale, low, high, column, plane_weights, starts, rows, table, zero, scratch, out):
    """Sum table rows, convert to codes, shift-add over streams, and add to the outputs of every vector."""
    width = lane_count(zero)
    gains, lows, highs = fill(scale, zero), fill(low, zero), fill(high, zero)
    quarter = zeros16(plane_weights)
    padded = out.shape[1]
    flat = out.ravel()
    for v in range(out.shape[0]):
        total = to_int32(zero)
        for t in range(weights.size):
            first, last = starts[v * weights.size + t], starts[v * weights.size + t + 1]
            if first == last:
                continue
            x = zero
            for i in range(first, last):
                x = add(x, load(table, rows[i] * width, zero))
            code = round_even(larger(smaller(multiply(to_float(x), gains), highs), lows))
            total = add(total, multiply(to_int32(code), fill(weights[t], zero)))
        store(scratch, 0, total)
        for k in range(0, width, 16):
            at = v * padded + (column + k) % padded
            part = multiply(to_int64(load(scratch, k, quarter)), to_int64(load(plane_weights, column + k, quarter)))
            store(flat, at, add(load(flat, at, quarter), part))


@kernel
def multiply_columns(
    weights, dac_bits, scale, low, high, step, is_fixed, begin, end, column, width, target, matrix, plane_weights,
    starts, rows, cells, table, scratch, out,
):  # fmt: skip
    """Tabulate some columns of one row block and read them for every vector; ``target`` is their place in ``out``."""
    part = cells[: (end - begin) * width]
    round_cells(begin, end, column, step, is_fixed, matrix, part)
    if width == 64:
        zero = zeros64(table)
        build_table(dac_bits, 1, end - begin, part, zero, table)
        convert_reads(weights, scale, low, high, target, plane_weights, starts, rows, table, zero, scratch, out)
    else:
        quarter = zeros16(table)
        build_table(dac_bits, 1, end - begin, part, quarter, table)
        convert_reads(weights, scale, low, high, target, plane_weights, starts, rows, table, quarter, scratch, out)


@kernel
def multiply_block(
    shifts, widths, weights, dac_bits, scale, low, high, step, is_fixed, row_starts, byte_starts, matrix,
    plane_weights, blocks, first_unit, unit_weights, stride, planes, bases, offsets,
    starts, rows, cells, table, scratch, out, unit_codes,
):  # fmt: skip
    """Multiply a block of vectors by some columns of every row block.

    ``blocks`` lists (column, width); unit columns, as many as ``unit_weights`` has, begin at ``first_unit`` and go
    to ``unit_codes`` (row blocks, vectors, unit columns).
    """
    for r in range(row_starts.size - 1):
        begin, end = row_starts[r], row_starts[r + 1]
        list_rows(
            shifts, widths, dac_bits, stride, planes, bases, offsets[byte_starts[r] : byte_starts[r + 1]], starts, rows
        )
        for block in range(blocks.shape[0]):
            column = blocks[block, 0]
            multiply_columns(
                weights, dac_bits, scale, low, high, step, is_fixed, begin, end, column, blocks[block, 1], column,
                matrix, plane_weights[r], starts, rows, cells, table, scratch, out,
            )  # fmt: skip
        for unit in range(0, unit_weights.size, 16):
            multiply_columns(
                weights, dac_bits, scale, low, high, step, is_fixed, begin, end, first_unit + unit, 16, unit,
                matrix, unit_weights, starts, rows, cells, table, scratch, unit_codes[r],
            )  # fmt: skip
