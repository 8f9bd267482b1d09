"""Reads that a response is fitted on, and others that it is checked on.

They come from the layer's own calibration inputs, cut into streams as the drivers send them, with every stream: high
bit planes drive few rows, low ones many. Within a row block the reads are ordered by how much they drive, so that fit
and check cover the whole range alike, and are taken from different images. Reads to fit on are added where a row would
be driven by none, or by low voltages only: a column whose only cells lie in such rows has hardly any current there, and
any fit to its rest goes astray on the first read that drives them. Where no inputs are given, they are uniform.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.converter import Streams, split_inputs
from xbarsim.mvm.height import amplify
from xbarsim.rng import stream

VECTORS = 512
"""Vectors that reads are chosen from. Our choice: two thousand reads or more, so that the densest are among them."""
FITTED = 48
"""Reads of a row block that a response is fitted on. Our choice: a dozen for each number of a curve."""
KEPT_BACK = 24
"""Reads of a row block that a response is checked on."""
REFINED = 3
"""Times as many reads are taken where the check fails."""

Digits = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Probes:
    """Reads of every row block."""

    fitted: tuple[Digits, ...]
    """For each row block (reads, rows): inputs in steps of a driver, for the fit."""
    refined: tuple[Digits, ...]
    """The same, more of them, where the first are too few."""
    kept_back: tuple[Digits, ...]
    """The same, for the check."""
    drive: tuple[NDArray[np.float64], ...]
    """For each row block (rows,): mean input of a row as a share of a full one, over reads that each count as much as
    they drive: what a row that is driven finds beside it [-]."""


def choose_probes(
    codes: ArrayLike | None,
    streams: Streams,
    row_starts: NDArray[np.int64],
    amplitudes: NDArray[np.float32],
    *,
    seed: int,
    layer: str,
) -> Probes:
    """Choose the reads that the response of a layer is fitted and checked on.

    Parameters
    ----------
    codes : array_like of int, (vectors, K), or None
        Calibration inputs; None takes uniform ones.
    streams : Streams
        How they are sent.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    amplitudes : ndarray of float32, (inputs of a read,)
        What stands for each input where cells bend; empty where an input stands for itself.
    seed, layer : int, str
        Key of the random stream ``mvm.probes``: ``VECTORS`` x K draws without inputs, none otherwise.

    Returns
    -------
    Probes
        At most ``FITTED``, ``REFINED`` times as many, and ``KEPT_BACK`` reads of each row block, fewer where there are
        fewer that drive any row; to fit on, one more for each row that these drive to less than
        three quarters of its highest input.
    """
    if codes is None:
        rng = stream(seed, "mvm.probes", layer)
        vectors = rng.integers(streams.lowest, streams.highest + 1, (VECTORS, int(row_starts[-1])))
    else:
        given = np.asarray(codes)
        vectors = given[np.unique(np.linspace(0, len(given) - 1, VECTORS).astype(int))].astype(np.int64)
    sent = split_inputs(vectors, streams).astype(np.int64)
    highest = (1 << streams.dac_bits) - 1
    blocks = [sent[:, :, begin:end] for begin, end in pairwise(row_starts)]
    half = len(vectors) // 2  # those of some images for the fit, those of others for the check
    first, second = slice(0, max(1, half)), slice(half, None)
    known, other = ([_order_reads(each[:, part]) for each in blocks] for part in (first, second))
    return Probes(
        fitted=tuple(_cover(each, FITTED) for each in known),
        refined=tuple(_cover(each, FITTED * REFINED) for each in known),
        kept_back=tuple(each[_spread(each, KEPT_BACK)] for each in other),
        drive=tuple(_mean_drive(amplify(each, amplitudes) / highest) for each in blocks),
    )


def _mean_drive(sent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean input of rows over reads, (streams, vectors, rows), weighted with what each drives."""
    reads = sent.reshape(-1, sent.shape[-1])
    driven = reads.sum(axis=1)
    found: NDArray[np.float64] = (reads * driven[:, np.newaxis]).sum(axis=0) / max(float(driven.sum()), 1e-30)
    return found


def _order_reads(sent: NDArray[Any]) -> Digits:
    """Return reads that differ and drive some row, from sparse to dense: (streams, vectors, rows) -> (reads, rows)."""
    reads = sent.reshape(-1, sent.shape[-1])
    reads = reads[reads.any(axis=1)]
    if not len(reads):
        return np.ones((1, sent.shape[-1]), dtype=np.int64)  # no input drives these rows: any read will do
    # words of eight rows in place of rows: numbers are sorted many times faster than rows of them
    places = np.packbits(reads.astype(np.uint8), axis=1) if reads.max() == 1 else reads.astype(">u2").view(np.uint8)
    words = np.pad(places, ((0, 0), (0, -places.shape[1] % 8))).view(">u8").astype(np.uint64)
    order = np.lexsort((*words.T[::-1], reads.sum(axis=1)))
    differ = np.r_[True, (words[order[1:]] != words[order[:-1]]).any(axis=1)]
    return np.asarray(reads[order[differ]])


def _spread(reads: Digits, count: int) -> NDArray[np.int64]:
    """Return the numbers of some of the reads, spread evenly over their order."""
    return np.unique(np.linspace(0, len(reads) - 1, count).astype(int))


def _cover(reads: Digits, count: int) -> Digits:
    """Return some of the reads, spread over their order, and more of them, so that each row is driven to three quarters
    of its highest input at least."""
    chosen = _spread(reads, count)
    highest = reads.max(axis=0)
    for row in np.flatnonzero(4 * reads[chosen].max(axis=0) < 3 * highest):
        if 4 * reads[chosen, row].max() < 3 * highest[row]:  # by no read that was added for another row
            those = np.flatnonzero(reads[:, row] == highest[row])
            chosen = np.append(chosen, those[len(those) // 2])
    return np.asarray(reads[np.sort(chosen)])
