"""A report as a document of dictionaries, lists, numbers and text, for JSON.

Other programs may rely on its form. A value that does not exist is ``null``, since JSON has no NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.errors import ConfigError
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.record import CostReport, Report, describe_record, is_scalar, join_records
from xbarsim.store import write_file

if TYPE_CHECKING:
    from xbarsim.inference.accuracy import Accuracy
    from xbarsim.report.result import MetricResult

SCHEMA = 1
"""Version of the form of the document; it changes where a field is renamed or removed."""
COST_FIELDS = tuple(name.removeprefix("cost.") for name in REPORT_METRICS if name.startswith("cost."))
"""Fields of the cost in the order of the public form."""
TURN_FIELDS = ("turns", "programming_s", "programming_joule", "lifetime_inferences")
"""Fields of the cost that follow where cells are rewritten in every inference."""


def describe_report(report: CostReport) -> dict[str, Any]:
    """Return a report as a JSON document.

    Parameters
    ----------
    report : CostReport or Report
        What to describe.

    Returns
    -------
    dict
        ``schema``, ``accuracy``, ``metric`` and ``seconds`` (simulations only), ``cost``, ``unpriced``, ``layers``,
        ``bounds`` (with a cycle-level simulation), ``components``, ``provenance``.
    """
    document: dict[str, Any] = {"schema": SCHEMA}
    errors: Any = ()
    if isinstance(report, Report):
        document["accuracy"] = describe_accuracy(report.accuracy)
        document["metric"] = describe_result(report.metric)
        errors = report.errors
    rewrites = report.cost.turns > 1 or report.cost.lifetime_inferences is not None
    fields = COST_FIELDS + (TURN_FIELDS if rewrites else ())
    document["cost"] = {name: getattr(report.cost, name) for name in fields}
    document["unpriced"] = dict(report.cost.unpriced)
    if isinstance(report, Report):
        document["seconds"] = describe_record(report.seconds)
    layers = join_records(report.cost.layers, errors)
    document["layers"] = [_scalars(row) for row in layers]
    if report.activity is not None:
        from xbarsim.timing import find_bounds

        document["bounds"] = [describe_record(bound) for bound in find_bounds(report.activity)]
    document["components"] = [_scalars(describe_record(record)) for record in report.cost.components]
    document["provenance"] = describe_record(report.provenance)
    if not report.provenance.plugins:
        del document["provenance"]["plugins"]
    described: dict[str, Any] = plain(document)
    return described


def describe_accuracy(accuracy: Accuracy | None) -> dict[str, Any] | None:
    """Return accuracies in their public JSON form, ``top5`` beside them where there are more than five classes.

    Parameters
    ----------
    accuracy : Accuracy or None
        From a simulation with labels.

    Returns
    -------
    dict or None
        Accuracies as fractions [-], their interval as a list; None without labels.
    """
    if accuracy is None:
        return None
    named = {name: getattr(accuracy, name) for name in ("reference", "quantized", "hardware")}
    document: dict[str, Any] = {
        "images": accuracy.images,
        **{name: float(value) for name, value in named.items()},
        "degradation": accuracy.degradation,
        "trials": [float(value) for value in accuracy.trials],
        "interval": list(accuracy.interval),
        "runs": accuracy.runs,
    }
    top5 = {name: getattr(value, "top5", None) for name, value in named.items()}
    if any(value is not None for value in top5.values()):
        document["top5"] = top5
    return document


def describe_result(metric: MetricResult | None) -> dict[str, Any] | None:
    """Return the metric of a simulation in its public JSON form.

    Parameters
    ----------
    metric : MetricResult or None
        From a simulation with labels.

    Returns
    -------
    dict or None
        Its fields and ``degradation``; None without labels.
    """
    return None if metric is None else {**describe_record(metric), "degradation": metric.degradation}


def write_json(report: CostReport, path: str | Path) -> Path:
    """Write a report in its public JSON form.

    Parameters
    ----------
    report : CostReport or Report
        What to write.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    return write_file(path, json.dumps(describe_report(report), indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a report that :func:`write_json` wrote.

    Parameters
    ----------
    path : str or Path
        File to read.

    Returns
    -------
    dict
        The document.

    Raises
    ------
    ConfigError
        If the file is missing, is not JSON, or holds no report.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: not a JSON file") from None
    if not isinstance(document, dict) or not isinstance(document.get("cost"), dict):
        raise ConfigError(f"{path}: not a report (no section named cost)")
    return document


def plain(value: Any) -> Any:
    """Turn tuples, records and NumPy scalars into what JSON knows; NaN and infinity become None.

    Parameters
    ----------
    value : object
        Record, array, number or container.

    Returns
    -------
    object
        Dictionaries, lists, numbers and text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value)


def _scalars(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if is_scalar(value)}
