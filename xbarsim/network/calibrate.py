"""Ranges of activations, determined from calibration images.

Every value is counted in a histogram over the upper half of its float32 pattern (sign, exponent, 7 bits of
mantissa). This takes one pass, needs no prior range, and gives integer counts that do not depend on blocks or threads.
The clipping range of a tensor is the one with the least expected squared error of quantisation, rounding and
clipping together. Bins wider than a step count with the error of a uniform spread, step^2 / 12.

Images are used in an order in which every initial part is spread over all images. The first estimate uses 256 images,
and the number is doubled until scales have converged: for every tensor the scale from the earlier half of the images
has a squared error on all of them that exceeds the least one by at most 1e-4 of the power of the tensor (less beyond
eight bits), and the sign of codes has not changed. The remaining images are not used. The rule depends only on the
images, not on blocks or threads.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xbarsim.network import _scales
from xbarsim.network.codes import code_range, is_binary
from xbarsim.network.execute import check_images
from xbarsim.network.executor import EXECUTORS, Executor, FloatRun
from xbarsim.network.graph import Network

_CANDIDATES = np.geomspace(0.05, 1.0, 120)
"""Ends of the range that are compared, relative to the largest value [-]. Our choice."""
_BINS = 1 << 16
"""Bins of a histogram of float32 values: their upper 16 bits."""
_CENTRES = ((np.arange(_BINS, dtype=np.uint32) << 16) + np.uint32(0x8000)).view(np.float32)
_BIN_WIDTH = 2.0**-7
"""Widest bin relative to its value."""
FIRST_IMAGES = 256
"""Number of images before convergence is tested for the first time. Our choice."""
SETTLED = 1e-4
"""Rise of the squared error of quantisation up to which a scale counts as settled, relative to the power of the
tensor [-]; a quarter of it for every bit of the codes beyond eight. Our choice: 40 dB below the signal, where eight
bits leave about 44 dB and arrays 20 to 30 dB."""


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

    def merge(self, other: Histogram) -> None:
        """Add the counts of other values of the same tensor."""
        self.counts += other.counts
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

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


@dataclass(frozen=True, kw_only=True)
class ActivationGrid:
    """Codes of a tensor that a layer requires."""

    name: str
    """Node that gives the tensor, or ``"input"``."""
    bits: int
    """Bits of the codes."""
    may_be_signed: bool
    """Whether the graph allows values below zero."""

    def is_signed(self, histogram: Histogram) -> bool:
        """Tell whether codes are two's complement: values below zero are allowed, and seen."""
        return self.may_be_signed and histogram.low < 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Results of calibration."""

    scales: Mapping[ActivationGrid, tuple[bool, float]] = field(default_factory=dict)
    """Whether codes are signed, and their step [-], by what layers ask for."""
    images: int = 0
    """Number of images used."""


def calibrate_activations(
    network: Network,
    images: np.ndarray,
    grids: Sequence[ActivationGrid],
    *,
    executor: Executor = EXECUTORS["own"],
    threads: int | None = None,
) -> Calibration:
    """Run images, as many as scales need to settle, and count the values of some tensors.

    Parameters
    ----------
    network : Network
        With weights.
    images : array_like, (images, *input_shape)
        Calibration images, normalised.
    grids : sequence of ActivationGrid
        Codes that layers ask for.
    executor : Executor
        Runs the network.
    threads : int, optional
        Threads, every available core if left out; they never change the result.

    Returns
    -------
    Calibration
        Scales, and how many images they are from.
    """
    x = check_images(network, images)
    order, seen = spread_order(len(x)), 0
    found = {grid.name: Histogram() for grid in grids}
    scales: dict[ActivationGrid, tuple[bool, float]] = {}
    while seen < len(x):
        end = min(len(x), max(FIRST_IMAGES, 2 * seen))
        for name, histogram in _count_values(network, x[order[seen:end]], list(found), executor, threads).items():
            found[name].merge(histogram)
        seen = end
        before, scales = scales, {grid: _find_scale(grid, found[grid.name]) for grid in grids}
        if before and all(_is_settled(grid, found[grid.name], before[grid], scales[grid]) for grid in grids):
            break
    return Calibration(scales=scales, images=seen)


def spread_order(count: int) -> NDArray[np.int64]:
    """Return an order of images in which every initial part is spread over all images.

    Parameters
    ----------
    count : int
        Number of images.

    Returns
    -------
    ndarray of int64, (count,)
        Images by the fraction that their number leaves in multiples of the golden ratio; the numbers below any bound
        have gaps of at most three lengths (the three-distance theorem of Steinhaus) [-].
    """
    return np.argsort(np.arange(count) * ((math.sqrt(5) - 1) / 2) % 1.0, kind="stable")


def _count_values(
    network: Network, x: np.ndarray, names: list[str], executor: Executor, threads: int | None
) -> dict[str, Histogram]:
    """Run images and count the values of some tensors, thread by thread; whole counts add up the same in any order."""
    parts: dict[int, defaultdict[str, Histogram]] = {}
    wanted = frozenset(names)

    def observe(name: str, value: np.ndarray) -> None:
        if name in wanted:
            parts.setdefault(threading.get_ident(), defaultdict(Histogram))[name].add(value)

    executor.run(network, x, FloatRun(names=names, observe=observe, threads=threads))
    total: dict[str, Histogram] = {}
    for part in parts.values():
        for name, histogram in part.items():
            if name in total:
                total[name].merge(histogram)
            else:
                total[name] = histogram
    return total


def _find_scale(grid: ActivationGrid, histogram: Histogram) -> tuple[bool, float]:
    signed = grid.is_signed(histogram)
    return signed, choose_scale(histogram, grid.bits, signed)


def _is_settled(
    grid: ActivationGrid, histogram: Histogram, before: tuple[bool, float], now: tuple[bool, float]
) -> bool:
    if before == now or before[0] != now[0]:
        return before == now
    values, counts = histogram.filled()
    if is_binary(grid.bits, now[0]):
        return abs(before[1] - now[1]) <= math.sqrt(SETTLED) * now[1]
    former, least = (_squared_error(values, counts, scale, code_range(grid.bits, now[0])) for _, scale in (before, now))
    allowed = SETTLED * 4.0 ** min(0, 8 - grid.bits)
    return former - least <= allowed * float(np.dot(values**2, counts))


def choose_scale(histogram: Histogram, bits: int, signed: bool) -> float:
    """Return the step of the grid with the least squared error.

    Parameters
    ----------
    histogram : Histogram
        Values of the tensor.
    bits : int
        Bits of the codes.
    signed : bool
        Codes are two's complement if set, -1 and 1 where they have one bit; else 0 .. 2^bits - 1.

    Returns
    -------
    float
        Step, exactly representable in float32; 1.0 where all values are zero. The mean magnitude where codes are -1
        and 1, which has the least squared error there (Rastegari et al., ECCV 2016).
    """
    low_code, high_code = code_range(bits, signed)
    top = max(histogram.high, -histogram.low if signed else 0.0)
    values, counts = histogram.filled()
    if not top or not len(values):
        return 1.0
    if is_binary(bits, signed):
        mean = float(np.dot(np.abs(values), counts)) / float(histogram.counts.sum())
        return float(np.float32(mean)) or 1.0
    steps = (top * _CANDIDATES[::-1] / max(high_code, 1)).astype(np.float32).astype(np.float64)
    steps = steps[steps > 0]
    if not len(steps):
        return 1.0
    return float(steps[_scales.find_step(values, counts, steps, low_code, high_code, _BIN_WIDTH)])


def _squared_error(values: np.ndarray, counts: np.ndarray, step: float, limits: tuple[int, int]) -> float:
    """Return the squared error of quantisation, summed over all values."""
    return float(_scales.sum_errors(values, counts, step, *limits, _BIN_WIDTH, np.inf)) * step**2
