"""Metrics that sweeps tabulate and searches optimise, one record each.

:data:`REPORT_METRICS` has the numbers of every report, under dotted names (``accuracy.hardware``, ``cost.edap``).
:data:`~xbarsim.report.outputs.METRICS` holds metrics of the raw outputs, under plain names (``miou``); a unit closes
the name of one that users add (``margin_volt``), as everywhere. They are measured on each chip; their value is the mean
over the chips.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import suggest
from xbarsim.report.judge import Judge, choose_judge, count_chips, pick, rate_chips
from xbarsim.report.outputs import METRICS
from xbarsim.report.quantity import Column, describe_column

Needs = Literal["cost", "images", "labels"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: how it is read, named and compared."""

    read: Callable[[Mapping[str, Any]], float | None]
    """Report as a document (:func:`~xbarsim.report.describe_report`) -> value, None where it does not exist."""
    needs: Needs
    """Inputs that the simulation needs: nothing, images, or images with labels."""
    higher_is_better: bool
    """Whether larger values are better."""
    title: str | None
    """Display name; None derives it from the name (:func:`~xbarsim.report.describe_column`)."""
    unit: str | None
    """Displayed unit; None derives unit and prefix from the name."""
    interval: tuple[str, str] | None
    """Metrics that are the ends of its 95 % confidence interval."""
    is_usual: bool
    """Whether a sweep tabulates it by default."""
    is_searched: bool
    """Whether it can be an objective or a constraint of a search."""


def _read(*path: str) -> Callable[[Mapping[str, Any]], float | None]:
    """Return a function that looks up a value of a document; None where a part of the path is missing."""

    def read(document: Mapping[str, Any]) -> float | None:
        value: Any = document
        for name in path:
            value = (value or {}).get(name)
        found: float | None = value
        return found

    return read


def _read_end(at: int) -> Callable[[Mapping[str, Any]], float | None]:
    def read(document: Mapping[str, Any]) -> float | None:
        accuracy = document.get("accuracy")
        return None if accuracy is None else accuracy["interval"][at]

    return read


def _read_ratios(reduce: Callable[[list[float]], float]) -> Callable[[Mapping[str, Any]], float | None]:
    def read(document: Mapping[str, Any]) -> float | None:
        ratios = [row["snr_db"] for row in document["layers"] if row.get("snr_db") is not None]
        return reduce(ratios) if ratios else None

    return read


def _average(values: list[float]) -> float:
    return sum(values) / len(values)


INTERVAL = ("accuracy.low", "accuracy.high")
"""Ends of the 95 % confidence interval of ``accuracy.hardware``."""
REPORT_METRICS: dict[str, Metric] = {
    "accuracy.hardware": Metric(
        read=_read("accuracy", "hardware"), needs="labels", higher_is_better=True,
        title="accuracy", unit="%", interval=INTERVAL, is_usual=True, is_searched=True,
    ),
    "accuracy.degradation": Metric(
        read=_read("accuracy", "degradation"), needs="labels", higher_is_better=False,
        title="accuracy lost", unit="%", interval=None, is_usual=True, is_searched=True,
    ),
    "accuracy.quantized": Metric(
        read=_read("accuracy", "quantized"), needs="labels", higher_is_better=True,
        title="accuracy, integers", unit="%", interval=None, is_usual=False, is_searched=True,
    ),
    "accuracy.reference": Metric(
        read=_read("accuracy", "reference"), needs="labels", higher_is_better=True,
        title="accuracy, float", unit="%", interval=None, is_usual=False, is_searched=True,
    ),
    "accuracy.low": Metric(
        read=_read_end(0), needs="labels", higher_is_better=True,
        title="accuracy, low", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.high": Metric(
        read=_read_end(1), needs="labels", higher_is_better=True,
        title="accuracy, high", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.hardware.top5": Metric(
        read=_read("accuracy", "top5", "hardware"), needs="labels", higher_is_better=True,
        title="top-5 accuracy", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.quantized.top5": Metric(
        read=_read("accuracy", "top5", "quantized"), needs="labels", higher_is_better=True,
        title="top-5 accuracy, integers", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.reference.top5": Metric(
        read=_read("accuracy", "top5", "reference"), needs="labels", higher_is_better=True,
        title="top-5 accuracy, float", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "layers.snr_db.min": Metric(
        read=_read_ratios(min), needs="images", higher_is_better=True,
        title="lowest SNR", unit="dB", interval=None, is_usual=False, is_searched=False,
    ),
    "layers.snr_db.mean": Metric(
        read=_read_ratios(_average), needs="images", higher_is_better=True,
        title="mean SNR", unit="dB", interval=None, is_usual=False, is_searched=False,
    ),
    "cost.energy_joule": Metric(
        read=_read("cost", "energy_joule"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.delay_s": Metric(
        read=_read("cost", "delay_s"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.throughput_hz": Metric(
        read=_read("cost", "throughput_hz"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.area_m2": Metric(
        read=_read("cost", "area_m2"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.edap": Metric(
        read=_read("cost", "edap"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.power_watt": Metric(
        read=_read("cost", "power_watt"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.cycles": Metric(
        read=_read("cost", "cycles"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.crossbars": Metric(
        read=_read("cost", "crossbars"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.arrays": Metric(
        read=_read("cost", "arrays"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tiles": Metric(
        read=_read("cost", "tiles"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.utilization": Metric(
        read=_read("cost", "utilization"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops": Metric(
        read=_read("cost", "tops"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops_per_watt": Metric(
        read=_read("cost", "tops_per_watt"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops_per_mm2": Metric(
        read=_read("cost", "tops_per_mm2"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "seconds.setup": Metric(
        read=_read("seconds", "setup"), needs="images", higher_is_better=False,
        title="setup time", unit="s", interval=None, is_usual=False, is_searched=False,
    ),
    "seconds.run": Metric(
        read=_read("seconds", "run"), needs="images", higher_is_better=False,
        title="run time", unit="s", interval=None, is_usual=False, is_searched=False,
    ),
}  # fmt: skip
"""Every metric that reports hold. Seconds vary from run to run; everything else repeats bit for bit."""


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
        read=_read("outputs", base, part or "hardware"), needs="labels",
        higher_is_better=METRICS[base].higher_is_better and part != "degradation", title=None, unit=None,
        interval=(f"{base}.low", f"{base}.high") if is_whole else None, is_usual=False, is_searched=not part,
    )  # fmt: skip


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
    mean = _average([judge.measure(pick(outputs, chip), truth) for chip in range(count_chips(outputs))])
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
