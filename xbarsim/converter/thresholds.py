"""Placement of thresholds of unequal steps on the column sums of calibration images.

With ``quantile`` every code receives an equal share of the sums. ``least_error`` is the quantiser of least mean squared
error of Lloyd (IEEE Trans. Information Theory 28, 1982) and Max (IRE Trans. Information Theory 6, 1960): a threshold
lies in the middle between two values, and a value is the mean of its sums; both are applied in turn until they no
longer change. The first values have a density in proportion to the cube root of that of the sums, which is optimal for
many codes (Panter and Dite, Proc. IRE 39, 1951). Sums are weighted by the square of their factor in the result, to
minimise the error of the layer's output.

The digital side computes with whole level units, so the values of codes are whole numbers, stored in a table with one
word for each code. No two codes have the same value, so a step is never finer than one level unit.
Neglected: that errors of sums of one output may be correlated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter.adc import AdcRange

Array = NDArray[np.float64]

BINS = 4096
"""Bins of the density for the first thresholds. Our choice: uncritical, since the following rounds change them."""
MOST_ROUNDS = 200
"""Largest number of iterations. Our choice: after about 50 the error changes by less than a thousandth."""
REFILLS = 8
"""Largest number of times that coinciding codes are placed again. Our choice: two are usually enough."""
SETTLED = 1e-3
"""Change of a value below which a round is the last [level units]. Values are rounded to whole ones behind."""


class SumSample(NamedTuple):
    """Column sums of calibration images."""

    sums: Array
    """(samples,) column sums [level units]."""
    weights: Array
    """(samples,) what an error of each counts: the square of its factor in shift-add [-]."""


def place_quantiles(adc: AdcRange, sample: SumSample) -> tuple[Array, Array]:
    """Place thresholds so that all codes receive about equal shares of the calibration sums.

    Values are the means of equal shares of the sums; thresholds lie halfway between them.

    Parameters
    ----------
    adc : AdcRange
        Range of equal steps; sums beyond it count as its ends.
    sample : SumSample
        Sums; weights play no part.

    Returns
    -------
    thresholds : ndarray, (codes - 1,)
        Rising [level units]; fewer codes than ``adc`` has where sums do not tell so many apart.
    values : ndarray, (codes,)
        Whole numbers: the mean sum of each code, rounded [level units].
    """
    sums = np.sort(_clip(adc, sample.sums))
    ends = np.linspace(0, len(sums), adc.codes + 1).astype(np.int64)
    total = np.concatenate([[0.0], np.cumsum(sums)])
    counts = np.diff(ends)
    return _separate(np.diff(total[ends])[counts > 0] / counts[counts > 0])


def place_least_error(adc: AdcRange, sample: SumSample) -> tuple[Array, Array]:
    """Place thresholds and values with the least mean squared error of weighed calibration sums.

    Parameters
    ----------
    adc : AdcRange
        Range of equal steps; sums beyond it count as its ends.
    sample : SumSample
        Sums and their weights.

    Returns
    -------
    thresholds, values : ndarray
        As in :func:`place_quantiles`.
    """
    moments = _Moments.of(_clip(adc, sample.sums), sample.weights)
    values = _spread_codes(moments.sums, np.diff(moments.powers[0]), adc.codes)
    best, least = values, np.inf
    for _ in range(REFILLS):
        values = np.unique(np.rint(_settle(values, moments)))
        ends = moments.cut(values)
        errors = moments.errors(values, ends)
        if errors.sum() < least:
            best, least = values, float(errors.sum())
        values, before = _refill(values, ends, errors, moments.sums, adc.codes), len(values)
        if len(values) == before:
            break
    return _separate(best)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
    """Running sums over sorted samples, so that what lies between two thresholds costs two look-ups."""

    sums: Array
    """(samples,) rising."""
    powers: Array
    """(3, samples + 1) running sums of weights, weights times sums, and weights times squared sums."""

    @classmethod
    def of(cls, sums: Array, weights: Array) -> _Moments:
        """Sort and add up."""
        order = np.argsort(sums, kind="stable")
        x, w = sums[order], weights[order]
        powers = np.cumsum(np.stack([w, w * x, w * x * x]), axis=1)
        return cls(sums=x, powers=np.concatenate([np.zeros((3, 1)), powers], axis=1))

    def cut(self, values: Array) -> NDArray[np.int64]:
        """Return where the samples of each value begin, and their number: (values + 1,)."""
        return np.concatenate([[0], np.searchsorted(self.sums, (values[1:] + values[:-1]) / 2), [len(self.sums)]])

    def means(self, values: Array, ends: NDArray[np.int64]) -> Array:
        """Return the weighed mean of the samples of each value; the value where there are none."""
        mass, moment, _ = np.diff(self.powers[:, ends])
        return np.where(mass > 0, moment / np.where(mass > 0, mass, 1.0), values)

    def errors(self, values: Array, ends: NDArray[np.int64]) -> Array:
        """Return the weighed squared error of the samples of each value."""
        mass, moment, square = np.diff(self.powers[:, ends])
        return np.asarray(square - 2 * values * moment + values**2 * mass)


def _refill(values: Array, ends: NDArray[np.int64], errors: Array, sums: Array, codes: int) -> Array:
    """Add codes that fell together where errors are largest and another whole number has room, up to ``codes``."""
    held = np.stack([sums[ends[:-1].clip(max=len(sums) - 1)], sums[(ends[1:] - 1).clip(min=0)]])
    reach = np.where(np.diff(ends) > 0, held - values, 0.0)
    reach = np.take_along_axis(reach, np.abs(reach).argmax(axis=0)[np.newaxis], axis=0)[0]
    split = np.flatnonzero(np.abs(reach) >= 1.0)
    split = split[np.argsort(-errors[split], kind="stable")][: codes - len(values)]
    added = values[split] + np.sign(reach[split]) * np.ceil(np.abs(reach[split]) / 2)
    return np.asarray(np.union1d(values, added))


def _settle(values: Array, moments: _Moments) -> Array:
    """Update thresholds and values in turn until they no longer change."""
    for _ in range(MOST_ROUNDS):
        means = moments.means(values, moments.cut(values))
        moved, values = float(np.abs(means - values).max()), means
        if moved < SETTLED:
            break
    return values


PLACEMENTS: Mapping[str, Callable[[AdcRange, SumSample], tuple[Array, Array]]] = {
    "quantile": place_quantiles,
    "least_error": place_least_error,
}
"""``adc.thresholds`` -> how unequal thresholds are placed; ``uniform`` needs none."""


def _clip(adc: AdcRange, sums: Array) -> Array:
    return np.asarray(np.clip(adc.amplify(sums / adc.lsb), adc.lowest, adc.highest) * adc.lsb)


def _spread_codes(sums: Array, weights: Array, codes: int) -> Array:
    """Return values, never falling, whose density goes with the cube root of the density of sorted sums."""
    edges = np.linspace(sums[0], max(sums[-1], sums[0] + 1.0), BINS + 1)
    density, _ = np.histogram(sums, edges, weights=weights)
    share = np.cumsum(np.cbrt(density))
    middle = (edges[1:] + edges[:-1]) / 2
    return np.asarray(np.interp((np.arange(codes) + 0.5) / codes * share[-1], share, middle), dtype=np.float64)


def _separate(values: Array) -> tuple[Array, Array]:
    """Round values to whole levels, drop those that fall together, and put thresholds between.

    A whole number in the middle between two values would be a tie for every sum of ideal cells: the threshold goes a
    quarter of a level below it.
    """
    whole = np.unique(np.rint(values))
    if len(whole) == 1:
        whole = np.array([whole[0], whole[0] + 1.0])
    middle = (whole[1:] + whole[:-1]) / 2
    return np.where(middle == np.rint(middle), middle - 0.25, middle), whole
