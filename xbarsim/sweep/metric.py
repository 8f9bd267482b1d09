"""Metrics of one point: what its report holds, and what the sweep measures on its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from xbarsim.report import CostReport, Report
from xbarsim.report.document import describe_report
from xbarsim.report.metric import REPORT_METRICS, find_metric, measure_outputs
from xbarsim.report.outputs import METRICS


def collect_metrics(report: CostReport, names: Iterable[str] = (), labels: np.ndarray | None = None) -> dict[str, Any]:
    """Return every metric that a report holds, and those that users added and a sweep names.

    Parameters
    ----------
    report : CostReport or Report
        Result of one point.
    names : iterable of str
        Metrics that the sweep names.
    labels : ndarray of int, (images,), optional
        True classes, which metrics of the outputs need.

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
    added = [name for name in names if name in METRICS]
    if added and labels is not None:
        document["outputs"] = {name: measure_outputs(name, report.outputs, labels) for name in added}
    found: dict[str, Any] = {name: find_metric(name).read(document) for name in (*REPORT_METRICS, *added)}
    if document["accuracy"] is not None:
        found["accuracy.trials"] = document["accuracy"]["trials"]
    return found
