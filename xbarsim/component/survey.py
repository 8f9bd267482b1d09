"""Energy and area of a good converter of some resolution and rate, from a survey of published ones.

Energy: the Schreier figure of merit, ``FOM = SNDR + 10 log10(rate / (2 power))``, of the best converters is flat at
low rates and falls with the rate at high ones (B. Murmann, ADC Performance Survey 1997-2021). Area: a regression over
rate, node, resolution and energy; the smallest tenth. Coefficients are those of the Accelergy ADC plug-in (model.yaml
of commit 2136e9e, fitted to SAR, single-slope and flash converters of the survey of 2021).

The result is optimistic: it describes the best converters, not an average one. The resolution is used as the effective
number of bits.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

from xbarsim.errors import ModelRangeWarning

BEST_DB = 180.14159078904734
"""Figure of merit at low rates [dB]. Source: B. Murmann, ADC Performance Survey, fit of the Accelergy ADC plug-in."""
FALL_DB, START_DB = -6.460790934271676, 302.7387019052544
"""Figure of merit at high rates: change for each factor e of the rate, and its value at 1 Hz [dB].
Source: B. Murmann, ADC Performance Survey, fit of the Accelergy ADC plug-in."""
HIGHEST_HZ = math.exp(23.495854559186192)
"""Highest rate of the fit (16 GHz) [Hz].
Source: B. Murmann, ADC Performance Survey, fit of the Accelergy ADC plug-in."""
LEAST_BITS, MOST_BITS = 4, 16
"""Range of resolutions for which the fit is used; our limits."""


def survey_energy(bits: int, rate_hz: float) -> float:
    """Return the energy of one conversion of a good converter.

    Parameters
    ----------
    bits : int
        Effective resolution.
    rate_hz : float
        Conversions a second [Hz].

    Returns
    -------
    float
        Energy [J].

    Warns
    -----
    ModelRangeWarning
        Once for each resolution and rate outside of the fit.
    """
    if not LEAST_BITS <= bits <= MOST_BITS or rate_hz > HIGHEST_HZ:
        warn_range(bits, rate_hz, (LEAST_BITS, MOST_BITS), HIGHEST_HZ)
    return best_energy(bits, rate_hz)


def best_energy(bits: int, rate_hz: float) -> float:
    """Return :func:`survey_energy` without a warning.

    Parameters
    ----------
    bits : int
        Effective resolution.
    rate_hz : float
        Conversions a second [Hz].

    Returns
    -------
    float
        Energy [J].
    """
    sndr = 20 * math.log10(2) * bits + 10 * math.log10(1.5)
    merit = min(BEST_DB, START_DB + FALL_DB * math.log(rate_hz))
    return float(0.5 * 10 ** ((sndr - merit) / 10))


def survey_area(bits: int, rate_hz: float, node_m: float) -> float:
    """Return the area of a small converter.

    Parameters
    ----------
    bits : int
        Effective resolution.
    rate_hz : float
        Conversions a second [Hz].
    node_m : float
        Technology node [m].

    Returns
    -------
    float
        Area [m2].
    """
    picojoule = survey_energy(bits, rate_hz) * 1e12
    log_um2 = (
        0.06665851895885958 * math.log(rate_hz)
        + 0.797323960429599 * math.log(node_m * 1e9)
        - 0.13437278622014803 * bits
        + 0.4236571760437834 * math.log(picojoule)
        + 4.850567073004403
    )
    return math.exp(log_um2) * 1e-12


@lru_cache(maxsize=256)
def warn_range(bits: int, rate_hz: float, known: tuple[int, int], highest_hz: float) -> None:
    """Warn once for each resolution and rate that lie outside of a fit.

    Parameters
    ----------
    bits : int
        Resolution.
    rate_hz : float
        Conversions a second [Hz].
    known : tuple of int
        Lowest and highest resolution of the fit.
    highest_hz : float
        Highest rate of the fit [Hz].
    """
    warnings.warn(
        f"converter of {bits} bits at {rate_hz:g} Hz: outside of the survey's fit "
        f"({known[0]} to {known[1]} bits, at most {highest_hz:.2g} Hz); extrapolated",
        ModelRangeWarning,
        stacklevel=4,
    )
