"""Metrics of one point: what its report holds, and what the sweep measures on its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from xbarsim.report import CostReport, Report
from xbarsim.report.catalogue import OUTPUT_PARTS, find_metric, find_output_metrics, rate_outputs
from xbarsim.report.document import describe_report
from xbarsim.report.judge import count_chips
from xbarsim.report.metric import REPORT_METRICS


def collect_metrics(report: CostReport, names: Iterable[str] = (), labels: np.ndarray | None = None) -> dict[str, Any]:
    """Return every metric that a report holds, and those that users added and a sweep names.

    Parameters
    ----------
    report : CostReport or Report
        Result of one point.
    names : iterable of str
        Metrics that the sweep names.
    labels : ndarray, (images, ...), optional
        What outputs should be, which metrics of the outputs need.

    Returns
    -------
    dict
        Metric -> number, None where it does not exist; and ``accuracy.trials``, a list.

    Raises
    ------
    ConfigError
        If a metric does not return a number.
    """
    document = describe_report(report)
    if not isinstance(report, Report):
        return {name: metric.read(document) for name, metric in REPORT_METRICS.items() if metric.needs == "cost"}
    added = find_output_metrics(names)
    if labels is not None:
        document["outputs"] = {name: _measure(report, document["metric"], name, labels) for name in added}
    parts = [name if not part else f"{name}.{part}" for name in added for part in ("", *OUTPUT_PARTS)]
    found: dict[str, Any] = {name: find_metric(name).read(document) for name in (*REPORT_METRICS, *parts)}
    if document["accuracy"] is not None:
        found["accuracy.trials"] = document["accuracy"]["trials"]
    return found


def _measure(report: Report, measured: dict[str, Any] | None, name: str, labels: np.ndarray) -> dict[str, Any]:
    """Return a metric of the outputs: the report's own, or its value and interval on hardware."""
    if measured is not None and measured["name"] == name:
        return {**measured, "low": measured["interval"][0], "high": measured["interval"][1]}
    runs = count_chips(report.outputs) if measured is None else measured["runs"]
    return rate_outputs(name, report.outputs, labels, runs=runs, seed=report.provenance.seed)
