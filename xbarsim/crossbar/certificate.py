"""Certificates: sensed currents of input vectors with a proven error bound, computed independently of the solvers.

The node voltages of a passive array are found by code other than the solvers of the operator, for several input vectors
side by side: word lines and bit lines are relaxed in turn, with Chebyshev's steps (``_check``). The currents that bit
lines then take their cells to carry obey Kirchhoff's current law there; what word lines take them to carry beyond that
is a stray current. A current that is injected into a network of resistors leaves it through drivers and sensors, and no
sensor receives more than was injected. The sum of the errors of all sensed currents is therefore at most the sum of the
stray currents, however the voltages were found; of currents into word lines, a single sensor receives no more than
a share that follows from the loads of the lines. Wires of zero ohm need no special treatment.

Several groups of rows at once, with which approximate operators are compared, and arrays whose relaxation takes too
long, are solved by conjugate gradients.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xbarsim._aligned import aligned_zeros
from xbarsim.crossbar._check import DRIVES, check_currents
from xbarsim.crossbar.wires import Wires
from xbarsim.errors import ModelRangeWarning
from xbarsim.rng import stream

GROUPS = 16
"""Groups of rows that approximate operators are compared on [-]."""
ENOUGH, LEAST = 0.5, 1e-13
"""Bound on the errors of currents that suffices, relative to their differences from those that are claimed, or to the
largest entry [-]."""
MOST_PASSES = 1000
"""Passes over all lines beyond which conjugate gradients are left with an array [-]."""
ROUNDINGS = 32
"""Roundings of a current beside one for each node of its lines [-]."""
GOAL = 1e-26
"""Power that is left unbalanced where conjugate gradients stop, relative to what first-order currents have [-]."""
MOST_STEPS = 2000
"""Steps of conjugate gradients after which an array is given up [-]."""
CHUNK = 1 << 20
"""Numbers in one field that is worked on at a time [-]."""
LOOSE = 1e-6
"""Bound on an error, relative to the largest entry or to full scale, above which callers are warned. Our choice: a
thousandth of a step of a converter of 10 bits [-]."""
ROOM, COARSE = 1.1, 1.4
"""Factors that error estimates leave above what was found, and above the mean of a group of rows [-]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """Errors of operators found with random input vectors; (arrays,)."""

    residual: Floats
    """Largest difference between a claimed current and the circuit's, stray currents added, relative to the largest
    current of these vectors [-]."""
    proven: Floats
    """Proven lower bound on the error of some entry, relative to the largest; zero or less if none is proven [-]."""
    bound: Floats
    """Bound on the error of every entry, relative to the largest; see :func:`certify` [-]."""


class _Ladders:
    """Eliminated word and bit lines of a stack of arrays."""

    def __init__(self, g: Floats, wires: Wires) -> None:
        self.g = g[..., np.newaxis]
        self.rows, self.cols = g.shape[1:]
        self.word = np.empty((2, *self.g.shape))
        self.bit = np.empty((2, *self.g.shape))
        y = np.zeros(self.g[:, :, 0].shape)
        for k in range(self.cols - 1, -1, -1):
            r = wires.r_wl_ohm + (wires.r_source_ohm if k == 0 else 0.0)
            y = _eliminate(y + self.g[:, :, k], r, self.word[:, :, :, k])
        y = np.zeros(self.g[:, 0].shape)
        for i in range(self.rows):
            r = wires.r_bl_ohm + (wires.r_sink_ohm if i == self.rows - 1 else 0.0)
            y = _eliminate(y + self.g[:, i], r, self.bit[:, :, i])

    def solve_words(self, injected: Floats, v: Floats | float = 0.0) -> Floats:
        """Return word-line voltages for currents injected at the nodes and driver voltages ``v`` (rows, drives)."""
        a, b = self.word
        u = np.empty_like(injected)
        x = np.zeros_like(injected[:, :, 0])
        for k in range(self.cols - 1, -1, -1):
            x += injected[:, :, k]
            u[:, :, k] = b[:, :, k] * x
            x *= a[:, :, k]
        before: Floats | float = v
        for k in range(self.cols):
            u[:, :, k] += a[:, :, k] * before
            before = u[:, :, k]
        return u

    def solve_bits(self, injected: Floats) -> Floats:
        """Return bit-line voltages for currents injected at the nodes while word lines are grounded."""
        a, b = self.bit
        w = np.empty_like(injected)
        x = np.zeros_like(injected[:, 0])
        for i in range(self.rows):
            x += injected[:, i]
            w[:, i] = b[:, i] * x
            x *= a[:, i]
        for i in range(self.rows - 2, -1, -1):
            w[:, i] += a[:, i] * w[:, i + 1]
        return w


def _eliminate(y: Floats, r: float, factors: Floats) -> Floats:
    factors[0] = 1.0 / (1.0 + r * y)
    factors[1] = r * factors[0]
    return np.asarray(y * factors[0])


def sense_currents(g: Floats, wires: Wires, v: Floats) -> tuple[Floats, Floats]:
    """Solve arrays for input vectors.

    Parameters
    ----------
    g : ndarray, (arrays, rows, cols)
        Conductance of the cells [S].
    wires : Wires
        Resistances.
    v : ndarray, (rows, drives) or (arrays, rows, drives)
        Driver voltages, the same for every array or its own [V].

    Returns
    -------
    currents : ndarray, (arrays, drives, cols)
        Sensed currents [A].
    stray : ndarray, (arrays, drives)
        Bound on the sum of the errors of one drive's currents [A].
    """
    arrays, rows, cols = g.shape
    drives = v.shape[-1]
    v = np.broadcast_to(v, (arrays, rows, drives))
    currents = np.empty((arrays, drives, cols))
    stray = np.empty((arrays, drives))
    step = max(1, CHUNK // (rows * cols * drives))
    for first in range(0, arrays, step):
        part = slice(first, first + step)
        ladders = _Ladders(g[part], wires)
        w = _find_bit_voltages(ladders, v[part])
        currents[part], stray[part] = _balance(ladders, wires, v[part], w)
    return currents, stray


def _find_bit_voltages(ladders: _Ladders, v: Floats) -> Floats:
    """Conjugate gradients for the bit-line nodes, preconditioned by exact solves of the bit lines."""
    g = ladders.g
    residual = g * ladders.solve_words(np.zeros((*g.shape[:3], v.shape[-1])), v)
    w = np.zeros_like(residual)
    p = np.zeros_like(residual)
    image = np.zeros_like(residual)
    inward = np.abs(residual)
    goal = GOAL * np.einsum("aikn,aikn->an", inward, ladders.solve_bits(inward))
    before = np.zeros_like(goal)
    for _ in range(MOST_STEPS):
        z = ladders.solve_bits(residual)
        size = np.einsum("aikn,aikn->an", residual, z)
        size = np.where(size > goal, size, 0.0)  # a drive that has arrived stands still
        if not size.any():
            break
        beta = _divide(size, before)
        p = z + beta * p
        image = residual + beta * image  # bit lines applied to p
        change = image - g * ladders.solve_words(g * p)
        alpha = _divide(size, np.einsum("aikn,aikn->an", p, change))
        w += alpha * p
        residual = residual - alpha * change
        before = size
    return w


def _divide(x: Floats, y: Floats) -> Floats:
    """Return x / y by array and drive, zero where there is nothing to divide by."""
    good = (y > 0.0) & (x > 0.0)
    return np.asarray(np.where(good, x / np.where(good, y, 1.0), 0.0)[:, np.newaxis, np.newaxis])


def _balance(ladders: _Ladders, wires: Wires, v: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Return sensed currents and stray currents of node voltages ``w`` on the bit lines."""
    g = ladders.g
    cells = g * (ladders.solve_words(g * w, v) - w)
    word = np.flip(np.cumsum(np.flip(cells, 2), axis=2), 2) * wires.r_wl_ohm
    word[:, :, 0] += cells.sum(axis=2) * wires.r_source_ohm
    bit = np.cumsum(cells, axis=1)
    sensed = bit[:, -1].copy()
    bit *= wires.r_bl_ohm
    bit[:, -1] += sensed * wires.r_sink_ohm
    u_seen = v[:, :, np.newaxis] - np.cumsum(word, axis=2)
    w_seen = np.flip(np.cumsum(np.flip(bit, 1), axis=1), 1)
    stray = np.abs(cells - g * (u_seen - w_seen)).sum(axis=(1, 2))
    return sensed.transpose(0, 2, 1), stray


def warn_loose(bounds: NDArray[np.float64], what: str) -> None:
    """Warn where bounds on errors prove little.

    Parameters
    ----------
    bounds : ndarray, any shape
        Bounds relative to the largest entry, or to full scale [-].
    what : str
        What they are of, and where they are told.

    Warns
    -----
    ModelRangeWarning
        If a bound is above ``LOOSE``.
    """
    worst = float(bounds.max(initial=0.0))
    if not worst <= LOOSE:
        warnings.warn(
            f"g: {what} may be off by up to {worst:.2g}, since cells and wires are too many orders apart for digits "
            "of float64; check units",
            ModelRangeWarning,
            stacklevel=4,
        )


def certify(g: Floats, wires: Wires, t: Floats, threads: int = 1) -> Certificate:
    """Compare operators with the currents of random input vectors.

    Every row is driven with +1 V or -1 V by chance. Where one entry of an operator is wrong by some amount, its sensed
    current is wrong by that amount or more in at least half of the drives, whatever the other entries are: with
    DRIVES of them the bound is too small for it once in 256 times. For the errors that solvers make, which many
    entries share, it is too small far less often.

    Parameters
    ----------
    g, wires
        As in :func:`sense_currents`.
    t : ndarray, (arrays, rows, cols)
        Claimed operators [S].
    threads : int
        Threads to use; the result does not depend on it.
    """
    arrays, rows, cols = g.shape
    v = _draw_drives(rows)
    volt, ohms = v.ravel(), np.array([wires.r_wl_ohm, wires.r_bl_ohm, wires.r_source_ohm, wires.r_sink_ohm])
    found, largest = np.empty((arrays, 3)), _largest(t)
    queue = iter(range(arrays))

    def work(_: int) -> None:
        factors, fields = aligned_zeros((2, 2, rows, cols)), aligned_zeros((3, rows * cols * DRIVES))
        lines = aligned_zeros((3, cols * DRIVES))
        for array in queue:
            claimed = t[array].T @ v
            if not check_currents(
                g[array], ohms, volt, claimed.ravel(), ENOUGH, LEAST * largest[array], MOST_PASSES, factors, fields,
                lines, found[array],
            ):  # fmt: skip
                currents, stray = sense_currents(g[array : array + 1], wires, v)
                found[array] = np.abs(claimed - currents[0].T).max(), stray.max(), np.abs(currents).max()

    workers = min(threads, arrays)
    if workers <= 1:
        work(0)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
    difference, stray, most = found.T
    rounding = np.finfo(np.float64).eps * (ROUNDINGS + rows + cols) * most
    return Certificate(
        residual=(difference + stray) / np.where(most > 0, most, 1.0),
        proven=(difference - stray - rounding) / (largest * rows),
        bound=(difference + stray + rounding) / largest + LEAST,
    )


@lru_cache(maxsize=64)
def _draw_drives(rows: int) -> Floats:
    """Return random drives of +1 V and -1 V, (rows, DRIVES)."""
    return stream(0, "crossbar.certificate").choice([-1.0, 1.0], size=(rows, DRIVES))


def estimate_error(g: Floats, wires: Wires, t: Floats) -> Floats:
    """Estimate the largest error of approximate operators, relative to their largest entries.

    The currents of GROUPS groups of neighbouring rows are compared with exact ones, and then those of the rows in the
    groups that were furthest off, one by one (in arrays of more than 256 rows in smaller groups). Errors of an
    approximation that leaves sneak paths out have one sign, so that those of a group add up: the estimate is the
    largest error of a single row, or ``COARSE`` times the mean of a group where that is more, and never more than the
    sum over a group; times ``ROOM``. Arrays of up to GROUPS rows have each row compared.

    Parameters
    ----------
    g, wires, t
        As in :func:`certify`.

    Returns
    -------
    ndarray, (arrays,)
        Estimated errors [-].
    """
    arrays, rows, _ = g.shape
    groups = min(GROUPS, rows)
    group = np.arange(rows) * groups // rows
    off, stray = _compare_groups(g, wires, t, np.broadcast_to(group, (arrays, rows)), groups)
    estimate = off.max(axis=1)
    if rows > groups:
        size = np.bincount(group)
        order = np.argsort(-off[:, group], axis=1, kind="stable")[:, : max(GROUPS, int(size.max()))]
        slot = np.full((arrays, rows), -1)
        fine = np.arange(order.shape[1]) * GROUPS // order.shape[1]
        np.put_along_axis(slot, order, np.broadcast_to(fine, order.shape), axis=1)
        refined, more = _compare_groups(g, wires, t, slot, GROUPS)
        stray = np.maximum(stray, more)
        single = (refined / np.bincount(fine)).max(axis=1)
        estimate = np.minimum(estimate, np.maximum(single, COARSE * (off / size).max(axis=1)))
    return np.asarray((ROOM * estimate + stray) / _largest(t))


def _compare_groups(g: Floats, wires: Wires, t: Floats, group: NDArray[np.int64], groups: int) -> tuple[Floats, Floats]:
    """Drive rows by groups; return the largest difference by array and group, and the stray currents by array."""
    v = (group[:, :, np.newaxis] == np.arange(groups)).astype(np.float64)
    currents, stray = sense_currents(g, wires, v)
    return np.abs(v.transpose(0, 2, 1) @ t - currents).max(axis=2), stray.max(axis=1)


def _largest(t: Floats) -> Floats:
    """Return the largest magnitude by array, and 1 where all is zero."""
    largest = np.abs(t).max(axis=(1, 2))
    return np.where(largest > 0.0, largest, 1.0)
