"""What search methods found, point by point, on one scale.

The best value after every point shows how fast a method comes to what it finds. With several objectives that value is
the hypervolume: the share of the box between the smallest and the largest values seen that a front dominates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.search.evaluate import weigh_metrics
from xbarsim.search.pareto import measure_hypervolume
from xbarsim.search.task import Search

NEAR = 0.005
"""Distance to the best value, relative to it, that counts as found [-]."""

Metrics = Mapping[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a method found, point by point."""

    name: str
    """Method or rule."""
    seed: int | None
    """Seed; None for rules, which draw nothing."""
    best: tuple[float, ...]
    """The smallest objective after every point, negated where it is to be maximised; with several objectives the share
    of the box that is not dominated; NaN before the first design that keeps the constraints."""

    @property
    def last(self) -> float:
        """What was reached at the end."""
        return self.best[-1] if self.best else math.nan


def trace_runs(search: Search, runs: Sequence[tuple[str, int | None, Sequence[Metrics]]]) -> list[Trace]:
    """Follow what each run has found, on one scale.

    Parameters
    ----------
    search : Search
        Objectives and constraints.
    runs : sequence of tuple
        Name, seed, and the metrics of every point of each run.

    Returns
    -------
    list of Trace
        In their order.
    """
    weighed = [[weigh_metrics(search, metrics) for metrics in run] for _, _, run in runs]
    kept = [v for found in weighed for v, violation in found if violation <= 0 and np.isfinite(v).all()]
    low, high = (np.min(kept, axis=0), np.max(kept, axis=0)) if kept else (np.zeros(1), np.ones(1))
    traces = []
    for (name, seed, _), found in zip(runs, weighed):
        best: list[float] = []
        front: list[tuple[float, ...]] = []
        for values, violation in found:
            if violation <= 0 and np.isfinite(values).all():
                front.append(values)
                best.append(_measure_front(np.array(front), low, high))
            else:
                best.append(best[-1] if best else math.nan)
        traces.append(Trace(name=name, seed=seed, best=tuple(best)))
    return traces


def _measure_front(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the smallest value, or the share of the box from ``low`` to ``high`` that points do not dominate."""
    if values.shape[1] == 1:
        return float(values.min())
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    return 1.0 - measure_hypervolume(scaled, np.ones(len(low)))


def tabulate_traces(search: Search, traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """Return one row for every method: what it reached, its spread over seeds, its gap, and how soon.

    Parameters
    ----------
    search : Search
        Objectives.
    traces : sequence of Trace
        From :func:`trace_runs`, the search itself first.

    Returns
    -------
    list of dict
        ``method``, ``seeds``, ``points``; ``best``, ``median`` and ``worst`` over the seeds: the objective, or the
        hypervolume, the share of the box of all values that a front dominates [-]; ``gap``, the distance of the median
        to the best of all methods, relative to the latter [-]; ``points_to_half_percent``, the median number of points
        after which a run was within 0.5 % of it, None where most never were.
    """
    is_single = len(search.goals) == 1
    is_negated = is_single and next(iter(search.goals.values())) == "max"

    def show(value: float) -> float:
        return value if is_single and not is_negated else -value if is_negated else 1.0 - value

    ends = [trace.last for trace in traces if not math.isnan(trace.last)]
    target = show(min(ends, default=math.nan))
    rows = []
    for name in dict.fromkeys(trace.name for trace in traces):
        own = [trace for trace in traces if trace.name == name]
        reached = sorted(trace.last for trace in own if not math.isnan(trace.last))
        row: dict[str, Any] = {"method": name, "seeds": len(own), "points": max(len(trace.best) for trace in own)}
        if reached:
            median = show(float(np.median(reached)))
            row |= {"best": show(reached[0]), "median": median, "worst": show(reached[-1])}
            row["gap"] = abs(median - target) / abs(target) if target else 0.0
            soon = [
                next((n for n, value in enumerate(trace.best, 1) if _is_near(show(value), target)), math.inf)
                for trace in own
            ]
            middle = float(np.median(soon))
            row["points_to_half_percent"] = int(middle) if math.isfinite(middle) else None
        rows.append(row)
    return rows


def _is_near(value: float, target: float) -> bool:
    return abs(value - target) <= NEAR * abs(target)
