"""Bit-line converters: range, step and codes.

Sums are counted in level units: one level step of conductance times one input step. A converter of b bits has
codes 0 .. 2**b - 1 for a single column, and for the difference of two columns either -(2**(b-1) - 1) ..
2**(b-1) - 1 (``adc.sign: included``) or -(2**b - 1) .. 2**b - 1 (``extra``: a comparator finds the sign).
``code = clip(round(sum / lsb), lowest, highest)``, halves to even. The step ``lsb`` is one number per layer and
never finer than one level unit, so that a converter that is wide enough is the identity on whole levels.
A converter of unequal steps (``converter.kind``) has :class:`Levels` in place of the rounding.
Sample-and-hold droop and missing codes are neglected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Adc, Hardware
from xbarsim.errors import ShapeError

MOST_CODE = 1 << 21
"""Largest code of a converter that does not clip; the fused kernels count in int32 and hold sums in float32."""
FINER = 1 << 8
"""Steps in place of one where rounding is left out: its variance falls by 48 dB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Thresholds and values of a converter whose steps are not equal."""

    thresholds: NDArray[np.float64]
    """(codes - 1,) rising sums from which on the next code is given [lsb]."""
    values: NDArray[np.float64]
    """(codes,) what each code counts in shift-add [lsb]."""

    def find_codes(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the code of every sum, any shape, counted from 0 [lsb]."""
        return np.searchsorted(self.thresholds, sums, side="right").astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class AdcRange:
    """Step and codes of the converters of one layer."""

    lsb: float
    """Least significant bit [level units]."""
    lowest: int
    """Smallest code."""
    highest: int
    """Largest code."""
    is_ideal: bool
    """Neither rounds nor clips; the other fields then do not matter."""
    levels: Levels | None = None
    """Thresholds and values within the range; None: steps of one lsb, each code its own value."""
    real: AdcRange | None = None
    """The converter that is meant where its clipping or its rounding is left out; None: this one."""

    @property
    def codes(self) -> int:
        """Number of codes."""
        return self.highest - self.lowest + 1 if self.levels is None else len(self.levels.values)

    def with_full_scale(self, full_scale: float) -> AdcRange:
        """Return the range whose largest code stands for ``full_scale``, but with a step of at least 1."""
        return replace(self, lsb=max(float(full_scale) / self.highest, 1.0), levels=None)

    @property
    def fineness(self) -> float:
        """Steps that stand for one step of the real converter [-]."""
        return 1.0 if self.real is None else self.real.lsb / self.lsb

    def leave_out(self, adc: Adc) -> AdcRange:
        """Return the range without the errors that ``adc.clips`` and ``adc.rounds`` leave out; else this one."""
        if self.is_ideal or (adc.clips and adc.rounds):
            return self
        if not adc.clips:
            lowest = -MOST_CODE if self.lowest < 0 else 0
            return replace(self, lowest=min(self.lowest, lowest), highest=max(self.highest, MOST_CODE), real=self)
        finer = max(1, min(FINER, MOST_CODE // self.highest))
        lowest, highest = self.lowest * finer, self.highest * finer
        return replace(self, lsb=self.lsb / finer, lowest=lowest, highest=highest, real=self)

    def find_codes(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the code of every sum, any shape [lsb], counted from 0 for the lowest."""
        if self.levels is not None:
            return self.levels.find_codes(sums)
        return np.rint(np.clip(sums, self.lowest, self.highest)).astype(np.int64) - self.lowest

    def convert(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a converter says of every sum, any shape [lsb]; the sum itself where it is ideal."""
        if self.is_ideal:
            return sums
        if self.levels is not None:
            return self.levels.values[self.levels.find_codes(sums)]
        return np.clip(np.rint(sums), self.lowest, self.highest)


def nominal_range(hardware: Hardware) -> AdcRange:
    """Return the range that holds every sum that ideal cells could give.

    Parameters
    ----------
    hardware : Hardware
        Converter, encoding and array size.

    Returns
    -------
    AdcRange
        Whole full scale: ``hardware.highest_sum``.
    """
    bits = hardware.adc_bits
    if bits is None or not (hardware.adc.clips or hardware.adc.rounds):
        return AdcRange(lsb=1.0, lowest=0, highest=1, is_ideal=True)
    if not hardware.has_signed_sums:
        lowest, highest = 0, (1 << bits) - 1
    else:
        # one bit with its sign included would leave no code but zero: it then tells -1, 0 and 1
        magnitude_bits = bits if hardware.adc.sign == "extra" else max(bits - 1, 1)
        highest = (1 << magnitude_bits) - 1
        lowest = -highest
    return AdcRange(lsb=1.0, lowest=lowest, highest=highest, is_ideal=False).with_full_scale(hardware.highest_sum)


def calibrate_range(nominal: AdcRange, counts: ArrayLike, edges: ArrayLike, quantile: float) -> AdcRange:
    """Return the range that holds a share of the sums that were seen.

    Parameters
    ----------
    nominal : AdcRange
        Codes of the converter.
    counts : array_like of int, (bins,)
        How many sums had a magnitude within each bin.
    edges : array_like, (bins,)
        Upper edge of each bin [level units].
    quantile : float
        Share of the sums that shall not clip [-].

    Returns
    -------
    AdcRange
        Full scale at the first edge that holds the share.

    Raises
    ------
    ShapeError
        If there are no sums.
    """
    cumulative = np.cumsum(np.asarray(counts, dtype=np.int64))
    if cumulative.size == 0 or cumulative[-1] == 0:
        raise ShapeError("calibration: no column sums to calibrate the ADC range on")
    needed = np.ceil(quantile * float(cumulative[-1]) - 1e-9)
    first = int(np.searchsorted(cumulative, max(needed, 1.0)))
    return nominal.with_full_scale(float(np.asarray(edges)[min(first, cumulative.size - 1)]))


def convert_sums(sums: ArrayLike, adc: AdcRange) -> NDArray[np.float64]:
    """Convert column sums to codes in float64: the plain sibling of the fused kernels.

    Parameters
    ----------
    sums : array_like, any shape
        Column sums [level units].
    adc : AdcRange
        Step and codes.

    Returns
    -------
    ndarray of float64, shape of ``sums``
        Whole codes, values of codes [lsb] where steps are unequal, or the sums themselves where the converter is
        ideal.
    """
    values = np.asarray(sums, dtype=np.float64)
    return values if adc.is_ideal else adc.convert(values / adc.lsb)
