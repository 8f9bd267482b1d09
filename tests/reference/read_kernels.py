"""Kernels that say what a read drives, and what they must equal."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.mvm_case import STARTS, VECTORS, case, codes, curves, inputs, reads, rng, scratch

from xbarsim.mvm import _reads


def split_values(reads, codes, begin, end, values):
    """Take the streams' bits."""
    for v in range(len(codes)):
        for t in range(len(reads.shifts)):
            digits = (codes[v, begin:end].astype(int) >> reads.shifts[t]) % (1 << reads.widths[t])
            values[v * len(reads.shifts) + t, : end - begin] = digits


def weigh_tables_plain(reads, count, given, begin, end, memory):
    loops.weigh_groups(reads.dac_bits, given.weights, begin, end, memory.load_table)
    for read in range(count):
        rows = memory.rows[memory.starts[read] : memory.starts[read + 1]]
        memory.loads[read] = memory.load_table[rows].sum()


def weigh_values_plain(values, given, begin, memory):
    if given.amplitudes.size:
        values[:] = given.amplitudes[values.astype(int)]
    memory.loads[: len(values)] = values @ given.weights[begin : begin + values.shape[1]]


def row_inputs(dac_bits, r):
    count = VECTORS * 4 // dac_bits
    return reads(dac_bits), inputs(), r, np.zeros(count + 1, dtype=np.int64), np.zeros(count * 8 + 1, dtype=np.int32)


def weigh_inputs():
    memory = scratch(np.float32)
    _reads.list_rows(reads(2), inputs(), 1, memory.starts, memory.rows)
    return reads(2), VECTORS * 2, curves(), *STARTS[1:], memory


READS = (
    case(_reads.list_rows, loops.list_rows, lambda: row_inputs(1, 0), (3, 4)),
    case(_reads.list_rows, loops.list_rows, lambda: row_inputs(2, 1), (3, 4)),
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
    case(_reads.split_values, split_values, lambda: (reads(2), codes(), 0, 13, np.zeros((6, 13), dtype="f4")), (4,)),
)  # fmt: skip
