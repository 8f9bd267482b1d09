"""Errors of converters: gain and offset of each column, integral nonlinearity, thermal noise.

Gain and offset are drawn once per chip (trial) and column of an array; the nonlinearity is one curve for all
converters. Differential nonlinearity is its difference; aperture jitter and memory between samples are neglected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Adc
from xbarsim.converter.adc import AdcRange


def sample_column_errors(
    adc: Adc, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the gain and the offset of every column's converter.

    Parameters
    ----------
    adc : Adc
        ``gain_sigma`` and ``offset_sigma_lsb``.
    shape : tuple of int
        Columns.
    rng : numpy.random.Generator
        Stream ``"converter.columns"``; two normal draws per column.

    Returns
    -------
    gain, offset : ndarray, ``shape``
        Relative gain [-], and offset [lsb].
    """
    draws = rng.standard_normal((2, *shape))
    return 1.0 + adc.gain_sigma * draws[0], adc.offset_sigma_lsb * draws[1]


def tabulate_nonlinearity(adc: Adc, adc_range: AdcRange) -> NDArray[np.float64]:
    """Return the integral nonlinearity at every code.

    Parameters
    ----------
    adc : Adc
        ``inl_lsb``, points spread evenly from the lowest to the highest code.
    adc_range : AdcRange
        Codes of the converter.

    Returns
    -------
    ndarray, (codes,)
        Shift of the converter's input [lsb]; empty without nonlinearity.
    """
    if not adc.inl_lsb:
        return np.zeros(0)
    points, real = np.linspace(0.0, 1.0, len(adc.inl_lsb)), adc_range.real
    if real is None:
        return np.interp(np.linspace(0.0, 1.0, adc_range.codes), points, adc.inl_lsb)
    codes = np.arange(adc_range.lowest, adc_range.highest + 1) / adc_range.fineness
    at = (codes - real.lowest) / (real.highest - real.lowest)
    return adc_range.fineness * np.interp(at, points, adc.inl_lsb)
