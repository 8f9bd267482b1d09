"""Analysis of a sweep: effects of the parameters on metrics, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

BINS = 8
"""Parts of equal count that a continuous axis is cut into."""
_MOST_LEVELS = 24
"""Values of an axis up to which every value is a group of its own. Our choice."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A parameter that varies in a sweep."""

    name: str
    """Column of the table."""
    is_number: bool
    """Whether its values have a scale."""
    is_log: bool
    """Whether they are spread by ratio."""
    levels: int
    """Number of different values."""

    @property
    def is_continuous(self) -> bool:
        """Whether nearly every point has a value of its own, as in random designs."""
        return self.is_number and self.levels > _MOST_LEVELS


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Effect of one factor on one metric."""

    factor: str
    share: float
    """Part of the metric's variance that the factor's own mean effect explains (eta squared) [-]."""
    low: float
    """Lowest mean over the factor's levels."""
    high: float
    """Highest mean over the factor's levels."""


def find_factors(table: pd.DataFrame, document: Mapping[str, Any]) -> list[Factor]:
    """List what varies: networks, hardware, and the first key of every axis.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a point.
    document : mapping
        The sweep, as in ``sweep.json``.

    Returns
    -------
    list of Factor
        Those with more than one value among the rows.
    """
    names = ["network", "hardware", *(keys[0] for keys in document["axes"])]
    found = []
    for name in names:
        values = table[name].dropna().unique()
        if len(values) < 2:
            continue
        is_number = table[name].dtype.kind in "iuf"
        is_log = is_number and _is_spread_by_ratio(np.sort(values.astype(float)))
        found.append(Factor(name=name, is_number=is_number, is_log=is_log, levels=len(values)))
    return found


def level_factor(table: pd.DataFrame, factor: Factor) -> pd.Series:
    """Return the level of every row: its value, or the mean of its part where values are continuous."""
    if not factor.is_continuous:
        return table[factor.name]
    values = table[factor.name]
    order = values.rank(method="first").to_numpy() - 1
    parts = np.minimum((order * BINS / max(len(values), 1)).astype(int), BINS - 1)
    return values.groupby(parts).transform("mean")


def rank_effects(table: pd.DataFrame, factors: Sequence[Factor], metric: str) -> list[Effect]:
    """Compute the effect of each factor on a metric.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a point.
    factors : sequence of Factor
        From :func:`find_factors`.
    metric : str
        Column; a positive one that spans more than a decade is taken by its logarithm. Differences between networks
        are taken out first.

    Returns
    -------
    list of Effect
        The strongest first. Shares of a full grid add up to at most one; what is missing is interaction and noise.
    """
    rows = table[table[metric].notna()]
    if len(rows) < 2:
        return []
    values = rows[metric]
    is_log = bool((values > 0).all() and values.max() > 10 * values.min())
    scaled = np.log10(values) if is_log else values
    if rows["network"].nunique() > 1:  # how much networks differ from one another says nothing about the hardware
        scaled = scaled - scaled.groupby(rows["network"]).transform("mean") + scaled.mean()
    total = float(((scaled - scaled.mean()) ** 2).sum())
    effects = []
    for factor in (factor for factor in factors if factor.name != "network"):
        means = scaled.groupby(level_factor(rows, factor)).agg(["mean", "size"])
        between = float((means["size"] * (means["mean"] - scaled.mean()) ** 2).sum())
        low, high = float(means["mean"].min()), float(means["mean"].max())
        effects.append(
            Effect(
                factor=factor.name,
                share=between / total if total > 0 else 0.0,
                low=10**low if is_log else low,
                high=10**high if is_log else high,
            )
        )
    return sorted(effects, key=lambda effect: -effect.share)


def find_front(cost: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Find the nondominated points: no other point has a lower cost without a lower value.

    Parameters
    ----------
    cost : ndarray, (points,)
        Smaller is better.
    value : ndarray, (points,)
        Larger is better.

    Returns
    -------
    ndarray of int, (points on the front,)
        Indices of the front, the cheapest first; of points that are equal in both the first one.
    """
    order = np.lexsort((np.arange(len(cost)), -value, cost))
    order = order[np.isfinite(cost[order]) & np.isfinite(value[order])]
    best = np.maximum.accumulate(value[order]) if len(order) else value[order]
    is_better = np.concatenate([[True], value[order][1:] > best[:-1]]) if len(order) else np.zeros(0, bool)
    front: np.ndarray = order[is_better]
    return front


def _is_spread_by_ratio(values: np.ndarray) -> bool:
    if values[0] <= 0 or len(values) < 3:
        return False
    if len(values) > _MOST_LEVELS:
        return bool(values[-1] >= 30 * values[0] and np.median(values) < 0.25 * (values[0] + values[-1]))
    ratios = values[1:] / values[:-1]
    return bool(values[-1] >= 4 * values[0] and ratios.max() < 1.5 * ratios.min())
