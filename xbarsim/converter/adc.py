"""Bit-line converters: range, step and codes.

Sums are counted in level units: one level step of conductance times one input step. A converter of b bits has
codes 0 .. 2**b - 1 for a single column, and for the difference of two columns either -(2**(b-1) - 1) ..
2**(b-1) - 1 (``adc.sign: included``) or -(2**b - 1) .. 2**b - 1 (``extra``: a comparator finds the sign).
``code = clip(round(sum / lsb), lowest, highest)``, halves to even. The quotient is formed in one way everywhere, as the
float32 product of the sum and the step's reciprocal, so that sums on a threshold fall to one side. The step ``lsb`` is
one number per layer and never finer than one level unit, so that a converter that is wide enough is the identity on
whole levels.
A converter of unequal steps, or one whose steps differ from converter to converter (``converter.kind``), has
:class:`Levels` in place of the rounding. A sense amplifier that saturates gives ``S tanh(sum / S)`` to the converter:
the law of a differential pair (Gray and Meyer, Analysis and Design of Analog Integrated Circuits).
Sample-and-hold droop is neglected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Adc, Hardware
from xbarsim.errors import ShapeError

MOST_CODE = 1 << 21
"""Largest code of a converter that does not clip; the fused kernels count in int32 and hold sums in float32."""
FINER = 1 << 8
"""Steps in place of one where rounding is disabled, which reduces its variance by 48 dB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Thresholds and values of a converter with unequal steps."""

    thresholds: NDArray[np.float64]
    """(codes - 1,) thresholds in ascending order [lsb]."""
    counts: NDArray[np.int64]
    """(codes,) value of each code in shift-add, in whole steps of ``unit``."""
    unit: float
    """Step of the digital side [level units]."""


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
    is_sign_extra: bool = False
    """The sign of a sum is found by a comparator beyond the bits."""
    saturation: float = math.inf
    """Largest output of the sense amplifier [level units]; infinite where it is linear."""
    levels: Levels | None = None
    """Thresholds and values within the range; None: steps of one lsb, each code its own value."""
    real: AdcRange | None = None
    """The converter with clipping and rounding, if one of them is disabled; None: this one."""

    @property
    def codes(self) -> int:
        """Number of codes."""
        return self.highest - self.lowest + 1 if self.levels is None else len(self.levels.counts)

    @property
    def unit(self) -> float:
        """Size of one unit of a result [level units]: the lsb, or the digital step of ``levels``."""
        return self.lsb if self.levels is None else self.levels.unit

    def with_full_scale(self, full_scale: float) -> AdcRange:
        """Return the range whose largest code stands for a sum of ``full_scale``, but with a step of at least 1."""
        highest = float(full_scale)
        if math.isfinite(self.saturation):
            highest = self.saturation * math.tanh(highest / self.saturation)
        return replace(self, lsb=max(highest / self.highest, 1.0), levels=None)

    def amplify(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the output of the sense amplifier for sums, any shape [lsb]."""
        most = self.saturation / self.lsb
        return most * np.tanh(sums / most) if math.isfinite(most) else sums

    def restore(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums for outputs of the sense amplifier, any shape; infinite beyond its range [lsb]."""
        most = self.saturation / self.lsb
        if not math.isfinite(most):
            return outputs
        share = np.clip(outputs / most, -1.0, 1.0)
        with np.errstate(divide="ignore"):
            return np.asarray(most * np.arctanh(share))

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

    def to_steps(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums, any shape [level units], in steps [lsb], rounded to float32 unless the converter is ideal."""
        if self.is_ideal:
            return sums / self.lsb
        return (sums.astype(np.float32) * np.float32(1.0 / self.lsb)).astype(np.float64)

    def find_codes(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the code of every sum, any shape [lsb], counted from 0 for the lowest."""
        if self.levels is not None:
            return np.searchsorted(self.levels.thresholds, self.amplify(sums), side="right").astype(np.int64)
        return np.rint(np.clip(sums, self.lowest, self.highest)).astype(np.int64) - self.lowest

    def convert(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the converted value of every sum, any shape [lsb], in units of ``unit``; the sum if ideal."""
        if self.is_ideal:
            return sums
        if self.levels is not None:
            return self.levels.counts[self.find_codes(sums)].astype(np.float64)
        return np.clip(np.rint(sums), self.lowest, self.highest)


def nominal_range(hardware: Hardware, input_bits: int | None = None) -> AdcRange:
    """Return the range that covers every sum that ideal cells can give.

    Parameters
    ----------
    hardware : Hardware
        Converter, encoding and array size.
    input_bits : int, optional
        Bits of an input, ``hardware.activation_bits`` if left out; without influence where every read is converted.

    Returns
    -------
    AdcRange
        Whole full scale: ``hardware.highest_sum_of(input_bits)``.
    """
    input_bits = input_bits or hardware.activation_bits
    bits = hardware.adc_bits_of(input_bits)
    if bits is None or not (hardware.adc.clips or hardware.adc.rounds):
        return AdcRange(lsb=1.0, lowest=0, highest=1, is_ideal=True)
    if not hardware.has_signed_sums:
        lowest, highest = 0, (1 << bits) - 1
    else:
        # one bit with its sign included would have the code 0 only: use -1, 0 and 1
        magnitude_bits = bits if hardware.adc.sign == "extra" else max(bits - 1, 1)
        highest = (1 << magnitude_bits) - 1
        lowest = -highest
    ampere = hardware.adc.saturation_ampere
    saturation = math.inf if ampere is None else ampere / hardware.level_ampere
    is_sign_extra = hardware.has_signed_sums and hardware.adc.sign == "extra"
    nominal = AdcRange(
        lsb=1.0, lowest=lowest, highest=highest, is_ideal=False, is_sign_extra=is_sign_extra, saturation=saturation
    )
    return nominal.with_full_scale(hardware.highest_sum_of(input_bits))


def calibrate_range(nominal: AdcRange, counts: ArrayLike, edges: ArrayLike, quantile: float) -> AdcRange:
    """Return the range that covers a share of the measured sums.

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
        Whole codes, or whole steps of ``adc.unit`` where the converter has levels of its own, or the sums themselves
        where it is ideal.
    """
    values = np.asarray(sums, dtype=np.float64)
    return values if adc.is_ideal else adc.convert(adc.to_steps(values))
