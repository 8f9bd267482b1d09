"""Metrics: the numbers of a report that a sweep can tabulate, under their dotted names."""

from __future__ import annotations

from typing import Any

from xbarsim.report import CostReport, Report
from xbarsim.report.document import COST_FIELDS, describe_report

INTERVAL = ("accuracy.low", "accuracy.high")
"""Ends of the 95 % confidence interval of ``accuracy.hardware``; tabulated beside it."""
ACCURACY_METRICS = (
    "accuracy.hardware", "accuracy.degradation", "accuracy.quantized", "accuracy.reference", *INTERVAL,
    "accuracy.hardware.top5", "accuracy.quantized.top5", "accuracy.reference.top5", "layers.snr_db.min",
    "layers.snr_db.mean",
)  # fmt: skip
COST_METRICS = tuple(f"cost.{name}" for name in COST_FIELDS)
METRICS = (*ACCURACY_METRICS, *COST_METRICS, "seconds.setup", "seconds.run")
"""Every metric. Seconds vary from run to run; everything else repeats bit for bit."""
DEFAULT_ACCURACY = ("accuracy.hardware", "accuracy.degradation")
DEFAULT_COST = ("cost.energy_joule", "cost.delay_s", "cost.area_m2", "cost.edap")


def collect_metrics(report: CostReport) -> dict[str, Any]:
    """Return every metric that a report holds.

    Parameters
    ----------
    report : CostReport or Report
        Result of one point.

    Returns
    -------
    dict
        Metric -> number, None where it does not exist; and ``accuracy.trials``, a list.
    """
    document = describe_report(report)
    found: dict[str, Any] = {f"cost.{name}": value for name, value in document["cost"].items()}
    if not isinstance(report, Report):
        return found
    found |= {f"seconds.{name}": value for name, value in document["seconds"].items()}
    ratios = [row["snr_db"] for row in document["layers"] if row.get("snr_db") is not None]
    found["layers.snr_db.min"] = min(ratios, default=None)
    found["layers.snr_db.mean"] = sum(ratios) / len(ratios) if ratios else None
    accuracy = document.get("accuracy")
    if accuracy is None:
        return found
    for name in ("hardware", "quantized", "reference"):
        found[f"accuracy.{name}"] = accuracy[name]
        found[f"accuracy.{name}.top5"] = accuracy.get("top5", {}).get(name)
    found["accuracy.degradation"] = accuracy["degradation"]
    found |= dict(zip(INTERVAL, accuracy["interval"]))
    found["accuracy.trials"] = accuracy["trials"]
    return found
