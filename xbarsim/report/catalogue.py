"""Metrics by name: numbers of reports, and metrics of the raw outputs with their parts.

:data:`~xbarsim.report.metric.REPORT_METRICS` has the numbers of every report, under dotted names.
:data:`~xbarsim.report.outputs.METRICS` holds metrics of the raw outputs, under plain names (``miou``); a unit closes
the name of one that users add (``margin_volt``), as everywhere. They are measured on each chip; their value is the mean
over the chips.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, PlausibilityWarning
from xbarsim.names import suggest
from xbarsim.report.judge import Judge, choose_judge, count_chips, pick, rate_chips
from xbarsim.report.metric import REPORT_METRICS, Metric, read_path
from xbarsim.report.outputs import METRICS
from xbarsim.report.quantity import Column, describe_column

OUTPUT_PARTS = {
    "hardware": "", "reference": ", float", "quantized": ", integers", "degradation": " lost", "low": ", low",
    "high": ", high",
}  # fmt: skip
"""What stands behind the name of a metric of the outputs (``miou.reference``) -> what its title ends in; ``miou`` alone
is ``miou.hardware``."""
COMPARED = ("reference", "quantized", "degradation")
"""Parts that need the float and the integer network's outputs."""


def list_metrics() -> tuple[str, ...]:
    """Return the names of all metrics, those that users added last, and the parts of metrics of the outputs."""
    return (*REPORT_METRICS, *METRICS, *(f"{name}.{part}" for name in METRICS for part in OUTPUT_PARTS))


def find_output_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics of the outputs that names or their parts belong to, each once."""
    return tuple(dict.fromkeys(base for name in names if (base := name.partition(".")[0]) in METRICS))


def find_metric(name: str) -> Metric:
    """Return a metric by its name.

    Parameters
    ----------
    name : str
        Dotted name of a number in reports, or name of a metric that was registered.

    Returns
    -------
    Metric
        Its record.

    Raises
    ------
    ConfigError
        If there is no such metric.
    """
    if name in REPORT_METRICS:
        return REPORT_METRICS[name]
    if name not in list_metrics():
        known = suggest(name, list_metrics()) or "; --plugin MODULE adds metrics of your own"
        raise ConfigError(f"metric {name!r}: unknown{known}")
    base, _, part = name.partition(".")
    is_whole = part in ("", "hardware")
    return Metric(
        read=read_path("outputs", base, part or "hardware"), needs="labels",
        higher_is_better=METRICS[base].higher_is_better and part != "degradation", title=None, unit=None,
        interval=(f"{base}.low", f"{base}.high") if is_whole else None, is_usual=False, is_searched=not part,
    )  # fmt: skip


def bound_metric(name: str) -> tuple[float, float]:
    """Return the least and the greatest value that a metric can have.

    Parameters
    ----------
    name : str
        Name of the metric.

    Returns
    -------
    tuple of float
        In the unit of the metric; infinite where it has no bound.
    """
    base, _, part = name.partition(".")
    if base in METRICS and part != "degradation":
        return choose_judge(base).bounds
    if name.startswith("accuracy."):
        return (-1.0, 1.0) if part == "degradation" else (0.0, 1.0)
    if name == "cost.utilization":
        return (0.0, 1.0)
    return (0.0, math.inf) if name.startswith("cost.") else (-math.inf, math.inf)


DOUBTED_LIMITS = {
    "cost.area_m2": (1.0, "mm2", 1e-6), "cost.core_area_m2": (1.0, "mm2", 1e-6), "cost.energy_joule": (1.0, "uJ", 1e-6),
    "cost.delay_s": (100.0, "us", 1e-6), "cost.power_watt": (1e5, "mW", 1e-3),
    "cost.edap": (1.0, "pJ ms mm2", 1e-21), "cost.edap_core": (1.0, "pJ ms mm2", 1e-21),
    "cost.tops_per_watt": (1e6, "GOPS/W", 1e-3), "cost.tops": (1e8, "GOPS", 1e-3),
}  # fmt: skip
"""Metric -> largest limit that is not doubted, and the unit in which it was probably meant, with its size."""


def check_limit(name: str, limit: float, origin: str = "") -> None:
    """Refuse a limit that no value of a metric can reach, and warn of one that is probably in another unit.

    Parameters
    ----------
    name : str
        Name of the metric.
    limit : float
        Least or largest value asked for.
    origin : str
        What the message begins with: key or condition.

    Raises
    ------
    ConfigError
        If the metric ends before the limit.
    """
    low, high = bound_metric(name)
    if not low <= limit <= high:
        way = f"; {limit:g} % is written {limit / 100:g}" if 1 < limit <= 100 and high == 1 else ""
        raise ConfigError(f"{origin}: {name} lies between {low:g} and {high:g}{way}")
    text = ""
    if limit == high and name.partition(".")[2] == "degradation":
        text = f"every loss meets a limit of {limit:g}; 1 % is written 0.01"
    most, unit, size = DOUBTED_LIMITS.get(name, (math.inf, "", 1.0))
    if limit > most:
        text = f"a limit of {limit:g} for {name}; {limit:g} {unit} is written {limit * size:g}"
    if text:
        warnings.warn(f"{origin}: {text}", PlausibilityWarning, stacklevel=3)


def measure_outputs(name: str, outputs: np.ndarray | Mapping[str, np.ndarray], labels: np.ndarray) -> float | None:
    """Measure a registered metric on every chip.

    Parameters
    ----------
    name : str
        Name in :data:`METRICS`.
    outputs : ndarray of float, (trials, images, ...), or mapping of such arrays
        Raw outputs of every chip.
    labels : ndarray, (images, ...)
        What the outputs should be.

    Returns
    -------
    float or None
        Mean over the chips; None where it is not finite.

    Raises
    ------
    ConfigError
        If the class returns something else than a number.
    """
    judge, truth = _prepare(name, outputs, labels)
    values = [judge.measure(pick(outputs, chip), truth) for chip in range(count_chips(outputs))]
    mean = math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan
    return mean if math.isfinite(mean) else None


def rate_outputs(
    name: str, outputs: np.ndarray | Mapping[str, np.ndarray], labels: np.ndarray, *, runs: int, seed: int
) -> dict[str, Any]:
    """Measure a metric on every chip, with its interval.

    Parameters
    ----------
    name : str
        Name in :data:`METRICS`.
    outputs : ndarray of float, (trials, images, ...), or mapping of such arrays
        Raw outputs of every chip.
    labels : ndarray, (images, ...)
        What the outputs should be.
    runs : int
        Trials that were run; the others repeat the first.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``hardware``, ``low``, ``high``; None where they are not finite.
    """
    judge, truth = _prepare(name, outputs, labels)
    rated = rate_chips(judge, outputs, truth, runs=runs, seed=seed)
    found = {"hardware": rated.mean, "low": rated.interval[0], "high": rated.interval[1]}
    return {key: value if math.isfinite(value) else None for key, value in found.items()}


def _prepare(name: str, outputs: np.ndarray | Mapping[str, np.ndarray], labels: np.ndarray) -> tuple[Judge, np.ndarray]:
    judge = choose_judge(name)
    if isinstance(outputs, Mapping):
        images = next(iter(outputs.values())).shape[1]
        return judge, judge.check(labels, images, {key: values.shape[2:] for key, values in outputs.items()})
    return judge, judge.check(labels, outputs.shape[1], outputs.shape[2:])


def describe_metric(name: str, values: Iterable[Any] = ()) -> Column:
    """Choose title, unit and prefix for a metric.

    Parameters
    ----------
    name : str
        Name of the metric.
    values : iterable, optional
        What the column holds; the greatest magnitude picks the prefix.

    Returns
    -------
    Column
        Title, unit and factor.

    Raises
    ------
    ConfigError
        If there is no such metric.
    """
    metric = find_metric(name)
    base, _, part = name.partition(".")
    if base in METRICS:
        is_share = getattr(METRICS[base], "unit", "") == "%"
        column = Column(title=base, unit="%", factor=100.0) if is_share else describe_column(base, values)
        return dataclasses.replace(column, title=column.title + OUTPUT_PARTS.get(part, ""))
    if metric.title is None or metric.unit is None:
        return describe_column(name.rpartition(".")[2], values)
    return Column(title=metric.title, unit=metric.unit, factor=100.0 if metric.unit == "%" else 1.0)
