"""Energy and area of a converter in a macro, fitted to published ones, with the spread of these.

Column converters of macros cost more than the best stand-alone converters of :mod:`xbarsim.component.survey`: they fit
the pitch of columns, and include their reference and control. Over the published ones the energy of a conversion is
proportional to resolution and squared supply, and the area to resolution; technology (22 to 130 nm) and rate (0.1 MHz
to 1.5 GHz) explain nothing more. Every source has the same weight, whatever the number of its converters. The spread
is that of a log-normal distribution over the converters.

A conversion costs at least as much as one of the best stand-alone converters, which matters above 10 bits and 1 GHz.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from xbarsim.component.survey import best_energy, warn_range


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedConverter:
    """A converter as published."""

    source: str
    """Publication."""
    bits: int
    """Resolution."""
    supply_volt: float
    """Supply [V]."""
    energy_joule: float
    """Energy of a conversion [J]."""
    area_m2: float | None = None
    """Area; None: not given [m2]."""

    @property
    def farad_per_bit(self) -> float:
        """Energy over resolution and squared supply [F]."""
        return self.energy_joule / (self.bits * self.supply_volt**2)


def _read(source: str, volt: float, *rows: tuple[int, float, float | None]) -> tuple[PublishedConverter, ...]:
    """Return the converters of a source, whose rows are bits, pJ and um2."""
    return tuple(
        PublishedConverter(
            source=source,
            bits=bits,
            supply_volt=volt,
            energy_joule=pico * 1e-12,
            area_m2=None if um2 is None else um2 * 1e-12,
        )
        for bits, pico, um2 in rows
    )


PUBLISHED = (
    *_read("Jia et al., JSSC 55 (2020), table I, figure 11: SAR, 65 nm", 0.85, (8, 1.79, 1941.4)),
    *_read("Jia et al., JSSC 55 (2020), table I, figure 11: SAR, 65 nm", 1.2, (8, 3.56, None)),
    *_read("Wang et al., VLSI 2022, figures 22 and 23: SAR, 22 nm", 1.0, (8, 2.6575, 1007.5)),
    *_read(
        "Wan et al. (NeuRRAM), Nature 608 (2022), figures 11 and 12: neurons with control, 130 nm", 1.8,
        (3, 2.71838, None), (4, 3.17101, None), (5, 5.15028, None), (6, 7.45175, None), (7, 11.3182, None),
        (8, 13.4356, None), (9, 15.8291, None), (10, 19.4194, 1270.0),
    ),
    *_read("Shafiee et al. (ISAAC), ISCA 2016, table I: SAR, 32 nm; 1 V assumed", 1.0, (8, 1.5625, 1200.0)),
    *_read("Ankit et al. (PUMA), ASPLOS 2019: 0.25 mW and 12.5 ns a bit for 128 columns, 32 nm; 1 V assumed", 1.0,
           (8, 1.5625, 1200.0)),
    *_read(
        "MNSIM 2.0, table of converters (4 to 10 bits, 1 to 1.5 GS/s); 1 V assumed", 1.0,
        (4, 0.7, 500.0), (6, 1.26, 580.0), (8, 3.63636, 1650.0), (10, 4.61333, 1600.0),
    ),
)  # fmt: skip
"""Every converter that the fit uses."""
HIGHEST_HZ = 1.5e9
"""Highest rate of these converters [Hz].
Source: the publications listed in this module."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConverterFit:
    """Result of the fit."""

    farad_per_bit: float
    """Energy of a conversion over resolution and squared supply, geometric mean over the sources [F]."""
    energy_sigma: float
    """Standard deviation of the logarithm of the energy of a converter [-]."""
    m2_per_bit: float
    """Area over resolution, geometric mean over the sources [m2]."""
    area_sigma: float
    """Standard deviation of the logarithm of the area of a converter [-]."""


@lru_cache(maxsize=1)
def fit_converters() -> ConverterFit:
    """Fit the published converters.

    Returns
    -------
    ConverterFit
        Energy and area for each bit, and their spreads.
    """
    energies = [(each.source, math.log(each.farad_per_bit)) for each in PUBLISHED]
    areas = [(each.source, math.log(each.area_m2 / each.bits)) for each in PUBLISHED if each.area_m2 is not None]
    (energy, energy_sigma), (area, area_sigma) = _fit_mean(energies), _fit_mean(areas)
    return ConverterFit(
        farad_per_bit=math.exp(energy), energy_sigma=energy_sigma, m2_per_bit=math.exp(area), area_sigma=area_sigma
    )


def _fit_mean(values: list[tuple[str, float]]) -> tuple[float, float]:
    """Return mean and standard deviation of values, with one weight for each source."""
    counts = Counter(source for source, _ in values)
    weights = [1 / (len(counts) * counts[source]) for source, _ in values]
    mean = math.fsum(weight * value for weight, (_, value) in zip(weights, values, strict=True))
    return mean, math.sqrt(math.fsum(w * (value - mean) ** 2 for w, (_, value) in zip(weights, values, strict=True)))


def converter_energy(bits: int, rate_hz: float, supply_volt: float, quantile: float = 0.5) -> float:
    """Return the energy of one conversion of a converter in a macro.

    Parameters
    ----------
    bits : int
        Resolution.
    rate_hz : float
        Conversions a second [Hz].
    supply_volt : float
        Supply [V].
    quantile : float
        Share of converters that need less; 0.5: a typical one.

    Returns
    -------
    float
        Energy [J].

    Warns
    -----
    ModelRangeWarning
        Once for each resolution and rate outside of the published ones.
    """
    known = [each.bits for each in PUBLISHED]
    if not min(known) <= bits <= max(known) or rate_hz > HIGHEST_HZ:
        warn_range(bits, rate_hz, (min(known), max(known)), HIGHEST_HZ)
    fit = fit_converters()
    typical = fit.farad_per_bit * bits * supply_volt**2
    return max(typical * math.exp(fit.energy_sigma * NormalDist().inv_cdf(quantile)), best_energy(bits, rate_hz))


def converter_area(bits: int, quantile: float = 0.5) -> float:
    """Return the area of a converter in a macro.

    Parameters
    ----------
    bits : int
        Resolution.
    quantile : float
        Share of converters that are smaller; 0.5: a typical one.

    Returns
    -------
    float
        Area [m2].
    """
    fit = fit_converters()
    return fit.m2_per_bit * bits * math.exp(fit.area_sigma * NormalDist().inv_cdf(quantile))
