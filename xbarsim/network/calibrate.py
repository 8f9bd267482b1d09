"""Ranges of activations, learned from calibration images.

Every value is counted in a histogram over the upper half of its float32 pattern (sign, exponent, 7 bits of
mantissa): one pass, no range to be known before, and integer counts that depend on neither blocks nor threads.
The clipping range of a tensor is the one with the least expected squared error of quantisation, rounding and
clipping together. Bins wider than a step count with the error of a uniform spread, step^2 / 12.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np

from xbarsim.network.execute import run_network
from xbarsim.network.graph import Network

_CANDIDATES = np.geomspace(0.05, 1.0, 120)
_BINS = 1 << 16
_CENTRES = ((np.arange(_BINS, dtype=np.uint32) << 16) + np.uint32(0x8000)).view(np.float32)
_BIN_WIDTH = 2.0**-7
"""Widest bin relative to its value."""


class Histogram:
    """Counts of the values of one tensor, and its exact extremes."""

    def __init__(self) -> None:
        self.counts = np.zeros(_BINS, np.int64)
        self.low, self.high = 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Count values.

        Parameters
        ----------
        values : array_like, any shape
            Real values of the tensor, at least one [-].
        """
        flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
        self.low, self.high = min(self.low, float(flat.min())), max(self.high, float(flat.max()))
        self.counts += np.bincount(flat.view(np.uint16)[_UPPER::2], minlength=_BINS)

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the bins that hold anything but zeros.

        Returns
        -------
        tuple of ndarray, (bins,) float64
            Centre [-] and count of each bin.
        """
        bins = np.flatnonzero(self.counts)
        centres, counts = _CENTRES[bins].astype(np.float64), self.counts[bins].astype(np.float64)
        kept = np.abs(centres) > np.finfo(np.float32).tiny
        return np.clip(centres[kept], self.low, self.high), counts[kept]


_UPPER = 1 if sys.byteorder == "little" else 0
"""Which half of a float32 holds sign and exponent."""


def collect_histograms(network: Network, images: np.ndarray, names: Iterable[str]) -> dict[str, Histogram]:
    """Run images and count the values of some tensors.

    Parameters
    ----------
    network : Network
        With weights.
    images : array_like, (images, *input_shape)
        Calibration images, normalised.
    names : iterable of str
        Nodes, or ``"input"``.

    Returns
    -------
    dict
        Name -> Histogram.
    """
    histograms = {name: Histogram() for name in names}

    def observe(name: str, value: np.ndarray) -> None:
        if name in histograms:
            histograms[name].add(value)

    run_network(network, images, observe=observe)
    return histograms


def choose_scale(histogram: Histogram, bits: int, signed: bool) -> float:
    """Return the step of the grid with the least squared error.

    Parameters
    ----------
    histogram : Histogram
        Values of the tensor.
    bits : int
        Bits of the codes.
    signed : bool
        Codes are two's complement if set, else 0 .. 2^bits - 1.

    Returns
    -------
    float
        Step, exactly representable in float32; 1.0 where all values are zero.
    """
    low_code, high_code = code_range(bits, signed)
    top = max(histogram.high, -histogram.low if signed else 0.0)
    values, counts = histogram.filled()
    if not top or not len(values):
        return 1.0
    best, least = 1.0, np.inf
    for fraction in _CANDIDATES[::-1]:
        step = float(np.float32(top * fraction / max(high_code, 1)))
        if not step:
            break
        codes = values / step
        errors = codes - np.clip(np.rint(codes), low_code, high_code)
        inside = (codes >= low_code) & (codes <= high_code)
        coarse = inside & (np.abs(codes) * _BIN_WIDTH > 1.0)
        squares = np.where(coarse, 1.0 / 12.0, errors**2)
        error = float(np.dot(squares, counts)) * step**2
        if error < least:
            best, least = step, error
    return best


def code_range(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and largest code."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
