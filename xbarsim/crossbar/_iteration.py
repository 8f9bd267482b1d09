"""Line iteration: the transfer operator of passive arrays in a handful of passes over the cells.

By reciprocity ``t[i, j]`` is the current that leaves word line ``i`` when bit line ``j`` alone is driven with 1 V at
its sensor. Word lines are independent ladders once the bit-line voltages are known, and the reverse. One pass solves
every word line and then every bit line, for ``LANES`` driven bit lines side by side (the contiguous axis); it applies
an operator ``s`` whose eigenvalues lie in [0, 1), and the answer is the sum over all passes of the driver currents.

* A sweep walks the rows in one direction, finishes the bit-line solve of the pass before and starts its own, so that
  the field is read and written once per pass; the next sweep walks back.
* Lines are scaled by what their ladders pass on (``_quick_kernels``), unless that is too little: nodes cost less so.
* Only outputs are combined, never fields: the sum is cut after a few passes, and weights from a Chebyshev polynomial
  make up for the rest. The few slow, smooth eigenvectors are found once per array by subspace iteration and summed to
  infinity exactly; by reciprocity their share in a driven bit line is its sensor current, so that this costs
  O(rows cols) as well.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._aligned import aligned_zeros
from xbarsim._simd import LANES
from xbarsim.crossbar import _kernels, _quick_kernels
from xbarsim.crossbar._quick_kernels import SIDE
from xbarsim.crossbar.wires import Wires

STRONG = 0.9
"""Bound on the eigenvalues from which on modes are iterated three times as long [-]."""
MOST_PASSES = 24
"""Weights of more passes grow so large that rounding would show [-]."""
WAVES = 24
"""Half waves along a line that trial modes are picked from [-]."""
CUTOFF = 1e-13
"""Directions in which trial modes differ by less than this are left out, relative, squared [-]."""

SMALLEST = 1e-60
"""Share of a voltage that a ladder passes on below which lines are not scaled: its square stays in the range of numbers
[-]."""
REACHED = np.triu(np.ones((SIDE, SIDE))).ravel()
"""1 where a current into the bit line of a lane (second axis) flows past the node of another on a word line [-]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Modes:
    """Slow eigenvectors of a pass over one array; what is missing to LANES of them is zero."""

    rates: Floats
    """Eigenvalues, ascending, (modes,)."""
    driven: Floats
    """Driver currents, (rows * modes,) [A]."""
    sensed: Floats
    """Sensor currents, (cols, modes) [A]."""


@dataclass(frozen=True)
class Schedule:
    """How one array is going to be solved."""

    passes: int
    """Passes that should do."""
    highest: float
    """End of the interval on which the polynomial is small."""
    slowest: float
    """Largest eigenvalue that is left, or a bound on it."""
    is_scaled: bool
    """Whether passes are made on scaled lines."""
    modes: Modes
    largest: float = 0.0
    """What the largest entry of the array is at least [S]."""


class LineScratch:
    """What one worker writes to."""

    def __init__(self, rows: int, cols: int) -> None:
        self.lines = aligned_zeros((3, 2, rows, cols))
        self.field = aligned_zeros((rows + 2) * cols * LANES)
        self.line = aligned_zeros(cols * LANES)
        self.current = aligned_zeros(cols * LANES)
        high, wide = rows + rows % 2, -(-cols // SIDE) * SIDE
        self.scaled = aligned_zeros((5, high, wide))
        self.pairs = aligned_zeros((high + 2) * wide * SIDE)
        self.row = aligned_zeros(3 * wide * SIDE)
        self.outs = aligned_zeros((MOST_PASSES, high * LANES))


def iterate_stack(
    g: Floats, wires: Wires, tolerance: float, threads: int, t: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Solve a stack of arrays side by side, or the bit lines of one array after the other where there are few.

    Parameters
    ----------
    g : ndarray, (arrays, rows, cols)
        Conductance of the cells [S].
    wires : Wires
        Its word lines and its bit lines have a resistance.
    tolerance : float
        Error estimate to reach, relative to the largest entry [-].
    threads : int
        Workers; the result does not depend on it.
    t : ndarray, (arrays, rows, cols)
        Receives the operators [S]; those of arrays that miss the tolerance mean nothing.

    Returns
    -------
    passes, error : ndarray, (arrays,)
        Most passes that any block of bit lines took, and the worst error estimate; an array is given up with the
        first block that misses the tolerance.
    """
    arrays, rows, cols = g.shape
    blocks = -(-cols // LANES)
    passes = np.zeros((arrays, blocks), dtype=np.int64)
    error = np.zeros((arrays, blocks))
    whole = arrays >= 2 * threads
    workers = max(1, min(threads, arrays if whole else blocks))
    scratches = [LineScratch(rows, cols) for _ in range(workers)]
    queue = iter(range(arrays))

    def solve_blocks(array: int, schedule: Schedule, scratch: LineScratch, own: LineScratch, parts: range) -> None:
        for block in parts:
            if not error[array].max() <= tolerance:
                return  # some block has failed
            passes[array, block], error[array, block] = solve_block(
                g[array], schedule, scratch, own, block * LANES, tolerance, t[array]
            )

    def solve_queue(scratch: LineScratch) -> None:
        for array in queue:
            schedule = prepare_array(g[array], wires, tolerance, scratch)
            solve_blocks(array, schedule, scratch, scratch, range(blocks))

    if workers == 1:
        solve_queue(scratches[0])
        return passes.max(axis=1), error.max(axis=1)
    with ThreadPoolExecutor(workers) as pool:
        if whole:
            list(pool.map(solve_queue, scratches))
        else:
            for array in range(arrays):
                schedule = prepare_array(g[array], wires, tolerance, scratches[0])
                jobs = [
                    pool.submit(
                        solve_blocks, array, schedule, scratches[0], scratches[worker],
                        range(worker, blocks, workers),
                    )
                    for worker in range(workers)
                ]  # fmt: skip
                for job in jobs:
                    job.result()
    return passes.max(axis=1), error.max(axis=1)


def prepare_array(g: Floats, wires: Wires, tolerance: float, scratch: LineScratch) -> Schedule:
    """Eliminate the lines of one array, find its modes where that pays, and plan the passes."""
    rows, cols = g.shape
    values = wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm
    bound: float = _kernels.factor_lines(g, *values, scratch.lines)
    is_scaled: bool = _quick_kernels.scale_lines(g, scratch.lines, scratch.scaled) >= SMALLEST
    passes = plan_passes(bound, bound, tolerance)
    blocks = -(-cols // LANES)
    if min(rows, cols) < LANES or (passes - 4) * blocks <= 12:
        return Schedule(passes, bound, bound, is_scaled, _no_modes(rows, cols))
    modes = find_modes(g, wires, 1 if bound < STRONG else 3, scratch)
    kept = max(1, int(np.count_nonzero(modes.rates)))
    # the largest rate that is left is about the smallest that was found
    highest = min(bound, 1.15 * float(modes.rates[LANES - kept + (kept - 1) // 4]))
    slowest = min(bound, 0.98 * float(modes.rates[-1]) + 0.02)
    # what pass 0 comes to leaves sneak paths out
    largest = float(scratch.scaled[3].max()) if is_scaled else 0.0
    return Schedule(plan_passes(highest, slowest, tolerance), highest, slowest, is_scaled, modes, largest)


@lru_cache(maxsize=64)
def _no_modes(rows: int, cols: int) -> Modes:
    return Modes(np.zeros(LANES), np.zeros(rows * LANES), np.zeros((cols, LANES)))


def find_modes(g: Floats, wires: Wires, rounds: int, scratch: LineScratch) -> Modes:
    """Find the slow modes of one array by subspace iteration.

    Each round makes four passes and takes the products of a Rayleigh-Ritz step; between rounds the modes are made
    orthonormal.
    """
    cols = g.shape[1]
    field, line, current, outs = scratch.field, scratch.line, scratch.current, scratch.outs
    word, up = scratch.lines[0], scratch.lines[2]
    known = np.empty_like(line)
    grams = np.empty((2, LANES * LANES))
    _kernels.seed_modes(g, up, *_pick_modes(g, wires), field)
    for done in range(rounds):
        _kernels.make_passes(1, 5, 0, False, g, scratch.lines, field, line, current, outs)
        _kernels.sweep_modes(g, word, up, field, line, current, known, outs[0], grams)
        gram, image = grams.reshape(2, LANES, LANES)
        turn = _orthonormalise(gram)
        if done + 1 < rounds:
            inside = field[len(line) : -len(line)]
            _kernels.multiply_square(inside, _pad(turn), inside)
    rates, vectors = np.linalg.eigh(turn.T @ (0.5 * (image + image.T)) @ turn)
    full = _pad(turn @ vectors)
    driven = np.empty(outs.shape[1])
    _kernels.multiply_square(outs[0], full, driven)
    _kernels.multiply_square(line, full, line)
    sensed = line.reshape(cols, LANES) / (wires.r_bl_ohm + wires.r_sink_ohm)
    padded = np.zeros(LANES)
    padded[LANES - len(rates) :] = np.clip(rates, 0.0, 1.0 - 1e-15)
    return Modes(padded, driven, sensed)


def _pick_modes(g: Floats, wires: Wires) -> tuple[Floats, Floats]:
    """Choose the slowest products of half-wave sines of a uniform array: (cols * modes) and (rows * modes)."""
    rows, cols = g.shape
    mean = float(g.mean())
    load_word = mean * (wires.r_wl_ohm * cols + 2.0 * wires.r_source_ohm) * cols
    load_bit = mean * (wires.r_bl_ohm * rows + 2.0 * wires.r_sink_ohm) * rows
    squares = (np.pi * (np.arange(WAVES) + 0.5)) ** 2
    across = (load_word / (load_word + squares))[: min(cols, WAVES), np.newaxis]
    along = (load_bit / (load_bit + squares))[: min(rows, WAVES)]
    picked = np.argsort(-(across * along), axis=None, kind="stable")[:LANES]
    high, long = np.divmod(picked, along.size)
    return _sines(cols)[:, high].ravel(), _sines(rows)[::-1, long].ravel()


@lru_cache(maxsize=64)
def _sines(count: int) -> Floats:
    waves = np.arange(WAVES) + 0.5
    return np.sin(np.outer(np.arange(1, count + 1), waves * np.pi / (count + 0.5)))


def _orthonormalise(gram: Floats) -> Floats:
    """Return combinations, (modes, kept), that make modes with the products ``gram`` orthonormal.

    Modes are scaled alike first, since slow ones have outgrown the others; directions they hardly span are dropped.
    """
    size = np.diag(gram)
    unit = np.where(size > 0.0, 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(unit[:, np.newaxis] * (0.5 * (gram + gram.T)) * unit)
    kept = values > CUTOFF * max(values[-1], CUTOFF)
    return np.asarray(unit[:, np.newaxis] * vectors[:, kept] / np.sqrt(values[kept]))


def _pad(turn: Floats) -> Floats:
    """Return (modes, kept) combinations as a flat square that begins with zero columns."""
    square = np.zeros((LANES, LANES))
    square[:, LANES - turn.shape[1] :] = turn
    return square.ravel()


def plan_passes(highest: float, slowest: float, tolerance: float) -> int:
    """Return the passes, 2 to MOST_PASSES, after which :func:`solve_block` should estimate less than ``tolerance``."""
    target = 0.3 * tolerance / max(tail_ratio(slowest), 1e-300)
    if highest <= 1e-15 or target >= 1.0:
        return 2
    # the Chebyshev polynomial of n passes leaves 1 / cosh(n acosh(2 / highest - 1))
    count = 1 + math.acosh(1.0 / target) / max(math.acosh(2.0 / highest - 1.0), 1e-6)
    return int(np.clip(math.ceil(count), 2, MOST_PASSES))


def tail_ratio(slowest: float) -> float:
    """Return what is left after a change, relative to it, if everything decays like the slowest mode."""
    return min(slowest / max(1.0 - slowest, 1e-6), 1e3)


def solve_block(
    g: Floats, schedule: Schedule, prepared: LineScratch, own: LineScratch, first: int, tolerance: float, t: Floats
) -> tuple[int, float]:
    """Solve the bit lines from ``first`` on; return passes and estimated relative error.

    ``prepared`` holds the eliminated lines of :func:`prepare_array`; everything else is written to ``own`` scratch.
    The error is estimated from what the last pass changed. Where the passes planned were not enough more are made,
    from the start, up to MOST_PASSES.
    """
    count = schedule.passes
    modes = schedule.modes
    length = prepared.scaled.shape[2] * SIDE
    while True:
        if schedule.is_scaled:
            _quick_kernels.make_pairs(
                count, first, REACHED, prepared.scaled, own.pairs, own.row[:length], own.row[length:], own.outs
            )
        else:
            _kernels.make_passes(0, count, first, True, g, prepared.lines, own.field, own.line, own.current, own.outs)
        weights = np.zeros((2, count))
        _kernels.weigh_passes(schedule.highest, weights[0])
        _kernels.weigh_passes(schedule.highest, weights[1, :-1])
        powers = modes.rates[:, np.newaxis] ** np.arange(count)
        corrections = 1.0 / (1.0 - modes.rates) - weights @ powers.T
        largest, change = _kernels.sum_passes(
            count, first, weights, corrections, modes.driven, modes.sensed, own.outs, t
        )
        error = _estimate(max(largest, schedule.largest), change, schedule.slowest, weights[0])
        if error <= tolerance or count == MOST_PASSES:
            return count, error
        count = min(count + 2, MOST_PASSES)


def _estimate(largest: float, change: float, slowest: float, weights: NDArray[Any]) -> float:
    if not (largest < math.inf and change < math.inf):  # NaN too
        return math.inf
    rounding = 2e-16 * float(np.abs(weights).sum())
    return rounding + (change / largest * tail_ratio(slowest) if change > 0.0 else 0.0)
