"""Converters with errors of their thresholds: successive approximation and ramps.

Errors are static: they are drawn once for each physical converter of a chip. ``adc.per_array`` determines how many
columns share a converter. Neglected: settling, noise of the comparator (``adc.noise_lsb``), and charge injection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarsim.converter.adc import AdcRange

Array = NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=0.3)]
"""Relative standard deviation, small enough to avoid negative sizes in practice [-]."""
Steps = Annotated[float, Field(ge=0, le=1e6)]
"""Standard deviation in least significant bits [lsb]."""
SMALLEST_PART = 1e-3
"""Smallest size of a capacitor, and smallest slope, relative to the nominal value [-]."""


@dataclass(frozen=True, kw_only=True)
class Sar:
    """Successive approximation with mismatch of its binary-weighted capacitors.

    The capacitor of bit k is 2**k unit capacitors side by side, each with an error of its own, so that its relative
    error has the standard deviation ``unit_sigma / sqrt(2**k)`` (the deviation falls with the square root of the area:
    Pelgrom et al., JSSC 24, 1989). The weight of a bit is its fraction of the total capacitance, including the
    terminating unit capacitor (McCreary and Gray, JSSC 10, 1975). The conversion starts at the highest bit and never
    clears a bit, so that codes may be missing. The sign of a difference is the highest bit; with ``adc.sign: extra`` a
    comparator finds it, and both signs use the same capacitors. The capacitors determine the thresholds, so
    ``adc.thresholds`` is refused.
    """

    takes_thresholds: ClassVar[bool] = False

    unit_sigma: Share
    """Standard deviation of a unit capacitor, relative [-]."""

    @property
    def is_random(self) -> bool:
        """Whether converters differ."""
        return self.unit_sigma > 0

    def place_levels(self, adc: AdcRange, sums: Array | None) -> tuple[Array, Array] | None:
        """Return the levels of matched capacitors in ``adc``, None if all match; ``sums`` (samples,) play no part."""
        return equal_levels(adc) if self.is_random else None

    def sample_thresholds(
        self, adc: AdcRange, thresholds: Array, arrays: NDArray[np.int64], rng: np.random.Generator
    ) -> Array:
        """Draw the capacitors of every converter: one normal for each bit and the closing one.

        Parameters
        ----------
        adc : AdcRange
            Codes.
        thresholds : ndarray, (codes - 1,)
            Of matched capacitors [level units].
        arrays : ndarray of int, (converters,)
            Array of each converter.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        ndarray, (converters, codes - 1)
            Thresholds, never falling [level units].
        """
        top = adc.highest + 1 if adc.lowest == 0 or adc.is_sign_extra else adc.codes + 1
        bits = top.bit_length() - 1
        size = np.append(2.0 ** np.arange(bits), 1.0)
        parts = size + self.unit_sigma * np.sqrt(size) * rng.standard_normal((len(arrays), bits + 1))
        parts = np.maximum(parts, SMALLEST_PART * size)
        weights = parts * (top / parts.sum(axis=1, keepdims=True))
        first = search_thresholds(weights[:, :bits])[:, 1:] - 0.5
        if adc.is_sign_extra:
            first = np.concatenate([-first[:, ::-1], first], axis=1)
        elif adc.lowest < 0:
            first = first[:, 1:] - top / 2
        return first * adc.lsb


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A counter that runs while a ramp rises; each comparator stores the count at which the ramp passes its sum.

    All converters of an array share one ramp, and therefore the errors of its slope and its start. The
    comparators of a converter (``adc.per_array`` of them) have an offset each. A ramp begins at the lowest code; with
    ``adc.sign: extra`` at zero, and serves both signs. It takes 2**bits steps, which the component's ``kind: ramp``
    prices.
    """

    takes_thresholds: ClassVar[bool] = True

    slope_sigma: Share = 0.0
    """Relative standard deviation of the slope of an array's ramp [-]."""
    offset_sigma_lsb: Steps = 0.0
    """Standard deviation of the start of an array's ramp, in least significant bits [-]."""
    comparator_sigma_lsb: Steps = 0.0
    """Standard deviation of the offset of a converter's comparator, in least significant bits [-]."""

    @property
    def is_random(self) -> bool:
        """Whether converters differ."""
        return bool(self.slope_sigma or self.offset_sigma_lsb or self.comparator_sigma_lsb)

    def place_levels(self, adc: AdcRange, sums: Array | None) -> tuple[Array, Array] | None:
        """Return equal steps in ``adc``, None without errors; ``sums`` (samples,) play no part."""
        return equal_levels(adc) if self.is_random else None

    def sample_thresholds(
        self, adc: AdcRange, thresholds: Array, arrays: NDArray[np.int64], rng: np.random.Generator
    ) -> Array:
        """Draw ramps and comparators: two normals for each array, then one for each converter.

        Parameters
        ----------
        adc : AdcRange
            Codes.
        thresholds : ndarray, (codes - 1,)
            Of a ramp without errors, equal steps or not [level units].
        arrays : ndarray of int, (converters,)
            Array of each converter.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        ndarray, (converters, codes - 1)
            Thresholds, rising [level units].
        """
        ramps = rng.standard_normal((int(arrays.max()) + 1, 2))[arrays]
        slope = np.maximum(1.0 + self.slope_sigma * ramps[:, :1], SMALLEST_PART)
        start = 0.0 if adc.is_sign_extra else adc.lowest * adc.lsb
        shift = self.offset_sigma_lsb * ramps[:, 1:]
        shift = shift + self.comparator_sigma_lsb * rng.standard_normal((len(arrays), 1))
        side = np.sign(thresholds) if adc.is_sign_extra else 1.0
        moved = start + (thresholds - start) * slope + side * shift * adc.lsb
        return np.asarray(np.sort(moved, axis=1))


def equal_levels(adc: AdcRange) -> tuple[Array, Array]:
    """Return the thresholds and the values of equal steps.

    Parameters
    ----------
    adc : AdcRange
        Step and codes.

    Returns
    -------
    thresholds : ndarray, (codes - 1,)
        Halfway between codes [level units].
    values : ndarray, (codes,)
        Codes times the step [level units].
    """
    values: Array = np.arange(adc.lowest, adc.highest + 1, dtype=np.float64) * adc.lsb
    return np.asarray((values[1:] + values[:-1]) / 2, dtype=np.float64), values


def search_thresholds(weights: Array) -> Array:
    """Return the threshold of each code: the smallest value that is converted to this code or a higher one.

    Parameters
    ----------
    weights : ndarray, (converters, bits)
        Positive weights of the bits, lowest first.

    Returns
    -------
    ndarray, (converters, 2**bits)
        Thresholds, never falling, 0 for code 0. Equal ones: the lower code is missing.
    """
    found = np.zeros((len(weights), 1))
    for bit in weights.T[:, :, np.newaxis]:
        # a value that reaches this bit's weight never gets a code without it
        found = np.concatenate([np.minimum(found, bit), bit + found], axis=1)
    return found
