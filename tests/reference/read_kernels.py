"""Kernels that say what a read drives, and what they must equal."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.mvm_case import STARTS, VECTORS, bend_scratch, bent, case, codes, curves, inputs, reads, rng, scratch

from xbarsim._numba import kernel
from xbarsim._simd import address
from xbarsim.mvm import _reads


def split_values(reads, codes, begin, end, values):
    """Take the streams' bits."""
    for v in range(len(codes)):
        for t in range(len(reads.shifts)):
            digits = (codes[v, begin:end].astype(int) >> reads.shifts[t]) % (1 << reads.widths[t])
            values[v * len(reads.shifts) + t, : end - begin] = digits


def pairs_plain(reads, codes, begin, end, pairs):
    """Take the streams' bits; a last row that is alone is joined by a zero."""
    values = np.zeros((VECTORS * len(reads.shifts), (end - begin + 1) // 2 * 2))
    split_values(reads, codes, begin, end, values)
    pairs[: values.size] = values.ravel()
    pairs[values.size :] = 0


def weighed_plain(reads, inputs, r, given, memory):
    """List rows, then count and add those of every read."""
    loops.list_rows(reads, inputs, r, memory.starts, memory.rows)
    for read in range(inputs.bases.size * reads.shifts.size):
        listed = memory.rows[memory.starts[read] : memory.starts[read + 1]]
        total = int(memory.bends.load_table[listed].sum())
        memory.bends.tilts[read], memory.bends.loads[read] = divmod(total, 65536)
        for k, cut in enumerate(given.cuts):
            bound = cut * reads.dac_bits * 32
            before = ((listed > 0) & (listed < bound)).sum()
            memory.bends.ends[read * len(given.cuts) + k] = memory.starts[read] + before


def cleared(kernel):
    """Call a kernel that lists rows, and clear what it leaves behind the last row and in its own memory."""

    def call(reads, inputs, r, *rest):
        kernel(reads, inputs, r, *rest)
        memory = rest[-1]
        memory.rows[memory.starts[inputs.bases.size * reads.shifts.size] :] = 0
        memory.words[:] = memory.offsets[:] = memory.dealt[:] = 0

    return call


def list_plain(reads, inputs, r, memory):
    loops.list_rows(reads, inputs, r, memory.starts, memory.rows)


@kernel
def peek_bit(planes, group, bit):
    return _reads.peek_bit(address(planes), group, bit)


def bit_plain(planes, group, bit):
    return np.int32((int(planes[group + bit // 8]) >> (8 * (bit % 8))) & 255)


def bent_plain(reads, inputs, r, begin, end, given, memory):
    if given is not None and (len(given.cuts) or reads.dac_bits > 1):
        loops.weigh_groups(reads.dac_bits, given, begin, end, memory.bends.load_table)
        weighed_plain(reads, inputs, r, given, memory)
        return
    loops.list_rows(reads, inputs, r, memory.starts, memory.rows)
    if given is not None and given.terms.shape[1] > 2 and not given.own.size:
        add_plain(reads, inputs, r, begin, given, memory.bends.loads)


def add_plain(reads, inputs, r, begin, given, loads):
    """Add the weights of the rows that every read drives."""
    rows = slice(begin, STARTS[r + 1])
    digits = [(codes()[:, rows].astype(int) >> shift) & 1 for shift in reads.shifts]
    loads[: digits[0].shape[0] * len(digits)] = (
        np.stack(digits, axis=1).reshape(-1, rows.stop - begin) @ given.weights[rows]
    )


def reads_plain(reads, inputs, r, begin, end, fine, memory):
    bent_plain(reads, inputs, r, begin, end, None if fine is None else fine.curves, memory)


def weigh_values_plain(values, given, begin, bends):
    rows = values.shape[1]
    if given.amplitudes.size:
        rows //= 2
        sent = values[:, :rows].astype(int)
        values[:] = np.concatenate([given.amplitudes[sent], given.low_amplitudes[sent]], axis=1)
    bends.loads[: len(values)] = values[:, :rows] @ given.weights[begin : begin + rows]
    bends.tilts[: len(values)] = values[:, :rows] @ given.tilts[begin : begin + rows]


def low_plain(given, step, begin, end, column, width, part):
    if given is not None and given.amplitudes.size:
        found = given.low_cells[begin:end, column : column + width] * step
        part[found.size : 2 * found.size] = found.ravel()


def weighed_inputs(dac_bits, r, given):
    memory = scratch(np.float32)
    loops.weigh_groups(dac_bits, given, *STARTS[r : r + 2], memory.bends.load_table)
    return reads(dac_bits), inputs(), r, given, memory


READS = (
    case(_reads.peek_bit, bit_plain, lambda: (rng().integers(0, 1 << 63, 4).astype(np.uint64), 1, 11), (), peek_bit),
    case(
        _reads.list_rows, list_plain, lambda: (reads(1), inputs(), 0, scratch(np.float32)), (3,),
        cleared(_reads.list_rows),
    ),
    case(
        _reads.list_rows, list_plain, lambda: (reads(2), inputs(), 1, scratch(np.float32)), (3,),
        cleared(_reads.list_rows),
    ),
    case(_reads.weigh_groups, loops.weigh_groups, lambda: (2, curves(), 13, 20, np.zeros(512, "i4")), (4,)),
    case(
        _reads.list_weighed, weighed_plain, lambda: weighed_inputs(1, 0, curves(has_cut=True)), (4,),
        cleared(_reads.list_weighed),
    ),
    case(
        _reads.list_weighed, weighed_plain, lambda: weighed_inputs(2, 0, curves(has_cut=True)), (4,),
        cleared(_reads.list_weighed),
    ),
    case(
        _reads.list_weighed, weighed_plain, lambda: weighed_inputs(2, 1, curves()), (4,),
        cleared(_reads.list_weighed),
    ),
    case(
        _reads.add_loads, add_plain,
        lambda: (reads(1), inputs(), 1, 13, curves(), np.zeros(VECTORS * 4 + 3, dtype=np.float32)), (5,),
    ),
    case(
        _reads.list_bent, bent_plain,
        lambda: (reads(1), inputs(), 0, *STARTS[:2], curves(has_cut=True), scratch(np.float32)), (6,),
        cleared(_reads.list_bent),
    ),
    case(
        _reads.list_bent, bent_plain, lambda: (reads(1), inputs(), 1, *STARTS[1:], curves(), scratch(np.float32)), (6,),
        cleared(_reads.list_bent),
    ),
    case(
        _reads.list_bent, bent_plain, lambda: (reads(1), inputs(), 1, *STARTS[1:], None, scratch(np.float32)), (6,),
        cleared(_reads.list_bent),
    ),
    case(
        _reads.list_reads, reads_plain, lambda: (reads(1), inputs(), 1, *STARTS[1:], bent(), scratch(np.float32)), (6,),
        cleared(_reads.list_reads),
    ),
    case(
        _reads.list_reads, reads_plain, lambda: (reads(1), inputs(), 1, *STARTS[1:], None, scratch(np.float32)), (6,),
        cleared(_reads.list_reads),
    ),
    case(
        _reads.weigh_values, weigh_values_plain,
        lambda: (rng().integers(0, 4, (9, 7)).astype(np.float32), curves(), 13, bend_scratch()), (3,),
    ),
    case(
        _reads.weigh_values, weigh_values_plain,
        lambda: (
            rng().integers(0, 4, (9, 14)).astype(np.float32), curves(has_heights=True), 13, bend_scratch(),
        ), (0, 3),
    ),
    *(
        case(
            _reads.copy_low, low_plain,
            lambda given=given: (given, np.float32(4.0), *STARTS[1:], 3, 16, np.zeros(14 * 16, dtype="f4")), (6,),
        )
        for given in (curves(has_heights=True), curves(), None)
    ),
    case(_reads.split_values, split_values, lambda: (reads(2), codes(), 0, 13, np.zeros((6, 13), dtype="f4")), (4,)),
    case(_reads.split_pairs, pairs_plain, lambda: (reads(2), codes(), 0, 13, np.ones(9 * 14, dtype="i2")), (4,)),
    case(_reads.split_pairs, pairs_plain, lambda: (reads(1), codes(), 13, 19, np.ones(15 * 6, dtype="i2")), (4,)),
)  # fmt: skip
