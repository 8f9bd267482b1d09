"""Small inputs and working memory that the records of all kernels of ``mvm`` share."""

from __future__ import annotations

import itertools

import numpy as np
from reference import mvm_loops_fused as loops
from reference.kernel_case import KernelCase

from xbarsim._simd import LANES, WIDE
from xbarsim.config import load_hardware
from xbarsim.converter import AdcRange, Levels
from xbarsim.mvm._records import (
    BendScratch,
    Cells,
    Curves,
    Errors,
    Fine,
    FusedScratch,
    Inputs,
    Range,
    Reads,
    ShortRange,
    Survey,
)
from xbarsim.mvm.bank import Bank
from xbarsim.mvm.errors import no_tables
from xbarsim.mvm.noise import make_turns

STARTS = np.array([0, 13, 20])
VECTORS, BITS = 3, 4
WEIGHTED, UNITS = WIDE + LANES, LANES  # columns with weights in one block of WIDE and one of LANES; unit columns
BLOCKS = np.array([[0, WIDE], [WIDE, LANES]])
BIT_UNITS = np.array([1, 1 << 16, 2, 1 << 17], dtype=np.int32)  # what bits count, below and above
ADC = Range(np.float32(0.25), np.float32(-12.0), np.float32(11.0))


def short(dac_bits):
    """The same converter in int16, for the streams of :func:`reads`; those of two bits have a list for each bit."""
    lists, ends = (range(4), (1, 2, 4, -8)) if dac_bits == 1 else ((1, 0, 3, 2), (0, 1, 0, 4))
    return ShortRange(
        np.int16(1 << 13), np.int16(-12), np.int16(11), np.array(lists, dtype=np.int64), np.array(ends, dtype=np.int16)
    )


def rng():
    """The same numbers for every kernel."""
    return np.random.default_rng(3)


def reads(dac_bits):
    """Streams of a signed input; the last of two bits holds the sign."""
    if dac_bits == 1:
        return Reads(np.arange(4), np.ones(4, dtype=np.int64), np.array([1, 2, 4, -8], dtype=np.int32), 1, np.arange(5))
    return Reads(np.array([0, 2]), np.array([2, 2]), np.array([1, 4], dtype=np.int32), 2, np.arange(3))


def codes():
    """Inputs of four bits; one vector is zero in the second row block."""
    found = rng().integers(0, 1 << BITS, (VECTORS, 20)).astype(np.uint8)
    found[1, 13:] = 0
    return found


def inputs():
    """The same inputs as bit planes."""
    blocks = [loops.pack_groups(codes()[:, a:b], 1) for a, b in itertools.pairwise(STARTS)]
    planes = np.concatenate(blocks, axis=1)
    count = planes.shape[1]
    return Inputs(planes.ravel(), np.arange(VECTORS) * count, np.arange(count), np.array([0, 2, 3]))


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
    return Fine(np.array([1.0, 4.0, 2.0, 1.0], dtype=np.float32), columns.astype(np.float32), True, None)


def curves(has_cut=False, is_own=False, has_load=True, has_heights=False):
    """Curves of every column of both row blocks, in eighths, so that no product is rounded."""
    parts = np.array([8.0, 64.0, 64.0, 8.0, 16.0, 8.0, 64.0])[: 7 if has_cut else 4]
    terms = rng().integers(-3, 4, (2, len(parts), WEIGHTED + UNITS)) / parts[:, np.newaxis]
    terms[:, 0] += 1.0
    terms = terms if has_load else terms[:, :2]
    own = rng().integers(0, 60, (20, WEIGHTED + UNITS) if is_own else (0, 0)).astype(np.uint8)
    weights, tilts = np.repeat(rng().integers(1, 16, 3), [8, 5, 7]), np.where(np.r_[:13, :7] < 8, 1, -1)
    return Curves(
        terms.astype(np.float32), weights.astype(np.int32), tilts.astype(np.int32), own, np.float32(255.0),
        np.array([8] if has_cut else [], dtype=np.int64),
        np.array([0.0, 0.5, 1.25, 3.0] if has_heights else [], dtype=np.float32),
        np.array([0.0, 0.5, 0.75, 0.0] if has_heights else [], dtype=np.float32),
        rng().integers(-9, 10, (20, WEIGHTED + UNITS) if has_heights else (0, 0)).astype(np.float32),
    )  # fmt: skip


def bent(has_cut=False, is_own=False, has_load=True):
    """The same steps, behind curves."""
    return fine()._replace(curves=curves(has_cut, is_own, has_load))


def bend_scratch():
    """Working memory of curves."""
    reads = VECTORS * 4 + 3
    return BendScratch(
        loads=np.zeros(reads, dtype=np.float32), tilts=np.zeros(reads, dtype=np.float32),
        ends=np.zeros(reads, dtype=np.int64), load_table=np.zeros(8 * 256, dtype=np.int32),
        own_cells=np.zeros(16 * WIDE, dtype=np.uint8), own_table=np.zeros(8 * 256 * WIDE, dtype=np.uint8),
        own_values=np.zeros(16 * WIDE, dtype=np.float32), own_sums=np.zeros(4 * WIDE, dtype=np.float32),
        parts=np.zeros(8 * WIDE, dtype=np.float32),
    )  # fmt: skip


def weights():
    """Shift-add weights of the columns; one is padding."""
    found = rng().integers(1, 5, (2, WEIGHTED)).astype(np.int32)
    found[:, 7] = 0
    return found


def unit_weights():
    """Weights of the unit columns."""
    return rng().integers(1, 5, UNITS).astype(np.int32)


def scratch(kind, is_noisy=True, total=None):
    """Working memory for two groups of tables at a time; of one kind of cells, and of sums (int32 for int16)."""
    entries = 8 * 256 * WIDE
    return FusedScratch(
        starts=np.zeros(VECTORS * 4 + 1, dtype=np.int64), rows=np.zeros(VECTORS * 4 * 8 + LANES, dtype=np.int16),
        words=np.zeros(LANES, dtype=np.uint64), offsets=np.zeros(LANES, dtype=np.int64),
        dealt=np.zeros(8 * LANES, dtype=np.uint8),
        places=np.arange(LANES, dtype=np.int16) * 256,
        cells=np.zeros(16 * WIDE, dtype=kind), noise_cells=np.zeros(16 * WIDE * is_noisy, dtype=np.float32),
        shot_cells=np.zeros(16 * WIDE * is_noisy, dtype=np.float32),
        table=np.zeros(entries, dtype=kind),
        total=np.zeros(0, dtype=total or (np.int32 if kind == np.int16 else kind)),
        noise_table=np.zeros(entries * is_noisy, dtype=np.uint16),
        values=np.zeros((VECTORS * 4 + 3) * 13, dtype=np.float32), pairs=np.zeros(0, dtype=np.int16),
        pair_cells=np.zeros(0, dtype=np.int32), lanes=np.zeros(WIDE, dtype=np.int32),
        floats=np.zeros(WIDE, dtype=np.float32), sums=np.zeros(4 * WIDE, dtype=np.float32),
        variances=np.zeros(4 * WIDE, dtype=np.float32), bends=bend_scratch(),
    )  # fmt: skip


def paired(memory, has_values=True):
    """The same memory for products of two rows at a time, with or without inputs as floats."""
    values = memory.values if has_values else memory.values[:0]
    pairs = np.zeros((VECTORS * 4 + 3) * 14, dtype=np.int16)
    return memory._replace(values=values, pairs=pairs, pair_cells=np.zeros(7 * WIDE, dtype=np.int32))


def forgetful(kernel, place):
    """Call a kernel, and clear what it leaves in the lists of its working memory, which is an argument by place."""

    def call(*arguments):
        kernel(*arguments)
        memory = arguments[place]
        for array in (memory.starts, memory.rows, memory.words, memory.offsets, memory.dealt):
            array[:] = 0

    return call


def out(padded=WEIGHTED):
    return np.zeros((VECTORS, padded), dtype=np.int64)


def case(kernel, twin, inputs, outputs, call=None, rtol=0.0):
    """Return a record; ``call`` where Python cannot call the kernel."""
    return KernelCase(kernel=kernel, call=call or kernel, twin=twin, inputs=inputs, outputs=outputs, rtol=rtol)
