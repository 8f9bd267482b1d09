"""How a report looks in a notebook."""

from __future__ import annotations

from xbarsim.cost.face import show_cost
from xbarsim.notebook import Face, count_words
from xbarsim.report.record import CostReport, Report


def show_report(report: CostReport) -> Face:
    """Return what a notebook shows of a report.

    Parameters
    ----------
    report : CostReport or Report
        Result of ``estimate`` or ``simulate``.

    Returns
    -------
    Face
        Accuracy or another metric where there is one, and the cost.
    """
    face, made = show_cost(report.cost), report.provenance
    text, pairs = _show_metric(report) if isinstance(report, Report) else ("", ())
    where = ".layers and .components are tables; .to_html(folder) writes a page"
    return Face(
        title=f"{made.network} on {made.hardware}",
        text=", ".join(filter(None, (text, face.text))),
        pairs=(*pairs, *face.pairs),
        tables=face.tables,
        note="; ".join(filter(None, (face.note, where))),
    )


def _show_metric(report: Report) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return accuracy, or another metric, as one line and as pairs; both empty without labels."""
    accuracy, metric = report.accuracy, report.metric
    if accuracy is not None:
        shown, of_float, integers = (
            f"{100 * value:.2f} %" for value in (accuracy.hardware, accuracy.reference, accuracy.quantized)
        )
        low, high = accuracy.interval
        interval, name, images = f"{100 * low:.2f} to {100 * high:.2f} %", "accuracy", accuracy.images
        lost, trials = f"{100 * accuracy.degradation:.2f} points", len(accuracy.trials)
    elif metric is not None:
        shown, of_float, integers = map(metric.show, (metric.hardware, metric.reference, metric.quantized))
        interval, name, images = metric.shown_interval, metric.name, metric.images
        lost, trials = metric.shown_loss, len(metric.trials)
    else:
        return "", ()
    sample = f"{count_words(trials, 'trial')}, {count_words(images, 'image')}"
    return f"{name} {shown} (float {of_float})", (
        (f"{name} on this hardware", f"{shown}, 95 % interval {interval} ({sample})"),
        ("in float", of_float),
        ("in integers", integers),
        ("lost against float", lost),
    )
