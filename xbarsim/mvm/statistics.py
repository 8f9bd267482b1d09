"""Statistics of the converters of a layer for some inputs."""

from __future__ import annotations

from dataclasses import dataclass


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
