"""Numbers of every report that sweeps tabulate and searches optimise, one record each.

:data:`REPORT_METRICS` has them under dotted names (``accuracy.hardware``, ``cost.edap``). What stands before the first
dot is no name for a metric of the outputs (:mod:`~xbarsim.report.outputs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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


def read_path(*path: str) -> Callable[[Mapping[str, Any]], float | None]:
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
    total = 0.0
    for value in values:  # not math.fsum, which refuses infinities of both signs
        total += value
    return total / len(values)


INTERVAL = ("accuracy.low", "accuracy.high")
"""Ends of the 95 % confidence interval of ``accuracy.hardware``."""
REPORT_METRICS: dict[str, Metric] = {
    "accuracy.hardware": Metric(
        read=read_path("accuracy", "hardware"), needs="labels", higher_is_better=True,
        title="accuracy", unit="%", interval=INTERVAL, is_usual=True, is_searched=True,
    ),
    "accuracy.degradation": Metric(
        read=read_path("accuracy", "degradation"), needs="labels", higher_is_better=False,
        title="accuracy lost", unit="%", interval=None, is_usual=True, is_searched=True,
    ),
    "accuracy.quantized": Metric(
        read=read_path("accuracy", "quantized"), needs="labels", higher_is_better=True,
        title="accuracy, integers", unit="%", interval=None, is_usual=False, is_searched=True,
    ),
    "accuracy.reference": Metric(
        read=read_path("accuracy", "reference"), needs="labels", higher_is_better=True,
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
        read=read_path("accuracy", "top5", "hardware"), needs="labels", higher_is_better=True,
        title="top-5 accuracy", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.quantized.top5": Metric(
        read=read_path("accuracy", "top5", "quantized"), needs="labels", higher_is_better=True,
        title="top-5 accuracy, integers", unit="%", interval=None, is_usual=False, is_searched=False,
    ),
    "accuracy.reference.top5": Metric(
        read=read_path("accuracy", "top5", "reference"), needs="labels", higher_is_better=True,
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
        read=read_path("cost", "energy_joule"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.delay_s": Metric(
        read=read_path("cost", "delay_s"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.throughput_hz": Metric(
        read=read_path("cost", "throughput_hz"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.area_m2": Metric(
        read=read_path("cost", "area_m2"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.edap": Metric(
        read=read_path("cost", "edap"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.core_area_m2": Metric(
        read=read_path("cost", "core_area_m2"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.edap_core": Metric(
        read=read_path("cost", "edap_core"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=True, is_searched=True,
    ),
    "cost.power_watt": Metric(
        read=read_path("cost", "power_watt"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.cycles": Metric(
        read=read_path("cost", "cycles"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.crossbars": Metric(
        read=read_path("cost", "crossbars"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.arrays": Metric(
        read=read_path("cost", "arrays"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tiles": Metric(
        read=read_path("cost", "tiles"), needs="cost", higher_is_better=False,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.utilization": Metric(
        read=read_path("cost", "utilization"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops": Metric(
        read=read_path("cost", "tops"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops_total": Metric(
        read=read_path("cost", "tops_total"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops_per_watt": Metric(
        read=read_path("cost", "tops_per_watt"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "cost.tops_per_mm2": Metric(
        read=read_path("cost", "tops_per_mm2"), needs="cost", higher_is_better=True,
        title=None, unit=None, interval=None, is_usual=False, is_searched=True,
    ),
    "unpriced.actions": Metric(
        read=lambda document: float(len(document.get("unpriced") or ())), needs="cost", higher_is_better=False,
        title="counted actions without a price", unit="", interval=None, is_usual=False, is_searched=False,
    ),
    "seconds.setup": Metric(
        read=read_path("seconds", "setup"), needs="images", higher_is_better=False,
        title="setup time", unit="s", interval=None, is_usual=False, is_searched=False,
    ),
    "seconds.run": Metric(
        read=read_path("seconds", "run"), needs="images", higher_is_better=False,
        title="run time", unit="s", interval=None, is_usual=False, is_searched=False,
    ),
}  # fmt: skip
"""Every metric that reports hold. Seconds vary from run to run; everything else repeats bit for bit."""
