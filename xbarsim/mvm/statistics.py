"""Statistics of the converters of a layer for some inputs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, eq=False)
class FitStatistics:
    """How well the fitted responses of a layer hold."""

    rms_lsb: float
    """Root-mean-square error on exactly solved reads that were kept back, in steps of the converter [lsb]."""
    max_lsb: float
    """Largest of these errors [lsb]."""
    outside: float
    """Share of conversions whose sums are beyond those that a response was fitted on [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Statistics of the converters of a layer for some inputs, without noise."""

    conversions: int
    """Conversions."""
    clipped_share: float
    """Share of conversions beyond the range, the gains of columns included [-]."""
    used_range: float
    """Largest magnitude seen as a fraction of the range [-]."""
    threshold_share: float | None
    """Share of conversions within a tenth of a step of a threshold; None for converters without equal steps [-]."""
    lowest: float
    """Smallest column sum, times its gain and how much finer its step is than the layer's [level units]."""
    highest: float
    """Largest one, likewise [level units]."""
    fit: FitStatistics | None
    """How well fitted responses hold; None where an operator is all there is."""
