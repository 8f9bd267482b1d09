"""Normal numbers from counters, one for each conversion, computed with two loads and two multiplications.

A pool of standard normals is drawn once per layer and trial. The draw of a conversion is the column's entry in two
stretches of the pool, turned by an angle: ``z = c * pool[a + column] + s * pool[b + column]`` with c^2 + s^2 = 1, which
is normal again (Wallace, ACM TOMS 22, 1996, recombines pools this way). The places a and b and the angle are hashed
from (key, vector, row block, stream) alone.

Statistical properties: different reads are independent, each one of 2**38 combinations. The pool has mean 0,
variance 1 and no autocorrelation at any lag, all exactly, so that over many reads the mean of a column's noise tends
to 0 as 1 / sqrt(reads) without end, its variance to 1, and the correlation of any two columns to 0: averaging over
vectors shows nothing of the pool. What remains of it: moments of third and higher order are those of a sample of 32,768
normals, and two reads that share a stretch (one pair in 2**13) have correlated noise in all columns alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

POOL = 1 << 15
"""Normals of a pool."""
TURNS = 256
"""Angles."""


def make_pool(columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a pool of mean 0, variance 1 and no autocorrelation; repeat its beginning for ``columns`` behind its end.

    Waves of every frequency, all of one size and each of a random phase, add up to a normal law (central limit
    theorem); as their power is the same at every frequency, the sum is white.

    Parameters
    ----------
    columns : int
        Values of the beginning that are repeated.
    rng : numpy.random.Generator
        ``POOL / 2 + 1`` uniform draws, one a phase.

    Returns
    -------
    ndarray of float32, (POOL + columns,)
        Normals [-].
    """
    waves = np.exp(2j * np.pi * rng.random(POOL // 2 + 1))
    waves[0], waves[-1] = 0.0, np.copysign(1.0, waves[-1].real)
    pool = np.fft.irfft(waves, POOL)
    return np.resize(pool / pool.std(), POOL + columns).astype(np.float32)


def make_turns() -> NDArray[np.float32]:
    """Return cosine and sine of the angles that the pool is rotated by.

    Returns
    -------
    ndarray of float32, (TURNS, 2)
        Cosine and sine [-].
    """
    angle = 2 * np.pi * (np.arange(TURNS) + 0.5) / TURNS
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def draw_normal(
    pool: NDArray[np.float32], key: int, vectors: NDArray[np.int64], r: int, t: int, columns: int
) -> NDArray[np.float64]:
    """Draw the standard normals of one read of every vector: the plain sibling of the kernel's draws.

    Parameters
    ----------
    pool : ndarray of float32, (POOL + columns,)
        From :func:`make_pool`.
    key : int
        64-bit key of the layer and trial.
    vectors : ndarray of int, (vectors,)
        Index of each vector within the run.
    r, t : int
        Row block and stream.
    columns : int
        Columns.

    Returns
    -------
    ndarray of float64, (vectors, columns)
        Draws of mean 0 and variance 1.
    """
    word = _mix(_mix(np.uint64(key) + vectors.astype(np.uint64)) + np.uint64(r * 65536 + t))
    first, second = _place(word, 0), _place(word, 15)
    turns = make_turns().astype(np.float64)[((word >> np.uint64(30)) & np.uint64(TURNS - 1)).astype(np.int64)]
    column = np.arange(columns)
    wide = pool.astype(np.float64)
    return turns[:, :1] * wide[first + column] + turns[:, 1:] * wide[second + column]


def _place(word: NDArray[np.uint64], shift: int) -> NDArray[Any]:
    return ((word >> np.uint64(shift)) & np.uint64(POOL - 1)).astype(np.int64)[:, np.newaxis]


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words (SplitMix64's finaliser)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
