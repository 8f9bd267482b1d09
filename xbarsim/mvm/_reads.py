"""What a read drives: the table rows of its groups, the values of its inputs, and its load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel
from xbarsim._simd import Array, peek
from xbarsim.mvm._records import Curves, FusedScratch, Inputs, Reads


@kernel
def list_rows(reads: Reads, inputs: Inputs, r: int, starts: NDArray[np.int64], rows: NDArray[np.int32]) -> None:
    """List, read by read, the table rows of the groups of row block r whose inputs are not all zero.

    A group is ``8 // dac_bits`` rows; bit k + b * (rows of a group) of its table row is bit b of the input of its
    row k. Read (v, t) owns ``rows[starts[v * streams + t]]`` up to the next start.
    """
    planes, bases, offsets, stride = inputs.planes, inputs.bases, inputs.offsets, inputs.stride
    shifts, widths, dac_bits = reads.shifts, reads.widths, reads.dac_bits
    members = 8 // dac_bits
    parts = 8 // members
    mask = (1 << members) - 1
    entries = 1 << (dac_bits * members)
    begin, end = inputs.byte_starts[r], inputs.byte_starts[r + 1]
    n = 0
    read = 0
    for v in range(bases.size):
        for t in range(shifts.size):
            starts[read] = n
            read += 1
            first = bases[v] + stride * shifts[t]
            if dac_bits == 1:
                for q in range(begin, end):
                    entry = np.int32(peek(planes, first + peek(offsets, q)))
                    rows[n] = np.int32(256 * (q - begin)) + entry
                    n += entry != 0
                continue
            for q in range(begin, end):
                for part in range(parts):
                    entry = np.int32(0)
                    for b in range(widths[t]):
                        byte = np.int32(peek(planes, first + peek(offsets, q) + stride * b))
                        entry |= ((byte >> (part * members)) & mask) << (members * b)
                    rows[n] = np.int32(entries * (parts * (q - begin) + part)) + entry
                    n += entry != 0
    starts[read] = n


@kernel
def split_values(reads: Reads, codes: Array, begin: int, end: int, values: NDArray[np.float32]) -> None:
    """Split codes of one row block into the values of every read, (vectors * streams, rows)."""
    shifts, widths = reads.shifts, reads.widths
    for v in range(codes.shape[0]):
        for t in range(shifts.size):
            shift, mask, read = shifts[t], (1 << widths[t]) - 1, v * shifts.size + t
            for i in range(begin, end):
                values[read, i - begin] = (np.int32(codes[v, i]) >> shift) & mask


@kernel
def weigh_groups(dac_bits: int, weights: NDArray[np.int32], begin: int, end: int, table: NDArray[np.int32]) -> None:
    """Tabulate the load of every combination of the inputs of a group of rows."""
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    place = 0
    for first in range(begin, end, members):
        for entry in range(entries):
            total = 0
            for k in range(min(members, end - first)):
                for b in range(dac_bits):
                    total += (((entry >> (k + b * members)) & 1) << b) * weights[first + k]
            table[place + entry] = total
        place += entries


@kernel
def weigh_tables(
    reads: Reads, count: int, curves: Curves | None, begin: int, end: int, scratch: FusedScratch
) -> None:  # fmt: skip
    """Add up the loads of the first reads, whose table rows are listed; whole numbers, exact in float32."""
    if curves is None:
        return
    weigh_groups(reads.dac_bits, curves.weights, begin, end, scratch.load_table)
    for read in range(count):
        total = 0
        for i in range(scratch.starts[read], scratch.starts[read + 1]):
            total += scratch.load_table[scratch.rows[i]]
        scratch.loads[read] = total


@kernel
def weigh_values(values: NDArray[np.float32], curves: Curves | None, begin: int, scratch: FusedScratch) -> None:
    """Turn the inputs of reads, (reads, rows), into amplitudes, and add up the load of every read."""
    if curves is None:
        return
    if curves.amplitudes.size:
        for read in range(values.shape[0]):
            for i in range(values.shape[1]):
                values[read, i] = curves.amplitudes[np.int64(values[read, i])]
    for read in range(values.shape[0]):
        total = np.float32(0.0)
        for i in range(values.shape[1]):
            total += values[read, i] * np.float32(curves.weights[begin + i])
        scratch.loads[read] = total
