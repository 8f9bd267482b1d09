"""The HTML page of a report: key numbers, figures, tables and provenance.

The page includes its style and figures and can be viewed offline. The same figures (SVG, PNG), the tables (CSV) and
the report (JSON) are written beside it for use elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from xbarsim.report import array_figures, figures, time_figures
from xbarsim.report.csv_table import encode_frame
from xbarsim.report.differences import describe_changes, lay_out_provenance, lay_out_record, list_changes
from xbarsim.report.document import COST_FIELDS, describe_accuracy, write_json
from xbarsim.report.extra import list_extras
from xbarsim.report.key_figure import answer_report
from xbarsim.report.markup import (
    Head,
    lay_out_card,
    lay_out_figure,
    lay_out_fold,
    lay_out_heading,
    lay_out_pairs,
    lay_out_table,
    lay_out_text,
    render_frame,
)
from xbarsim.report.quantity import describe_column, list_unpriced
from xbarsim.report.record import CostReport, Report, describe_record
from xbarsim.report.style import Drawing, save_drawings
from xbarsim.store import write_file
from xbarsim.units import format_si

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from xbarsim.report.result import MetricResult

_COST_NOTES = {
    "energy_joule": "one inference: actions, leakage and idle clock",
    "delay_s": "one inference, input to output",
    "throughput_hz": "inferences a second at steady rate",
    "area_m2": "chip as configured, unused tiles and I/O included",
    "edap": "energy times delay times area",
    "core_area_m2": "the same without off-chip I/O",
    "edap_core": "energy times delay times core area",
    "power_watt": "energy times throughput",
    "cycles": "clock cycles of one inference",
    "crossbars": "a pair of opposite polarity counts as one",
    "arrays": "every physical array",
    "tiles": "tiles in use",
    "utilization": "cells in use among the cells of the arrays in use",
    "tops": "operations of weight layers a second at steady rate; a multiply-accumulate is two",
    "tops_total": "the same with digital operations: products of activations, sums, pooling, activation functions",
    "tops_per_watt": "at steady rate",
    "tops_per_mm2": "at steady rate",
}
_BOUND_NOTE = (
    "The busiest resource that each layer, operation or end of the network uses, counted over all that share it; a "
    "share of 100 % of the time between two inferences is the bottleneck of the whole pipeline."
)
_LAYER_NOTE = (
    "Busy time is how long the arrays of a layer, or the unit of an operation, work during one inference; layers "
    "overlap, so that busy times do not add up to the delay. Input and output are the transfers to and from the chip. "
    "The row named chip contains what belongs to no layer: I/O, unused arrays and tiles, and their leakage."
)
_SHARE_NOTE = (
    "The error share of a layer is an estimate from its ratio of signal to error (SNR): its ratio of error to signal "
    "over the sum of all layers, as if errors were independent and propagated like signals. Predictions may depend "
    "more on some layers than on others; xbarsim explain measures the loss due to each layer in points."
)
_FREE_NOTE = (
    "These actions are part of no energy above, since no component of the hardware file has a price for them. Give "
    "one, or say that they are meant to be free with components.ACTION.free: true."
)
_LAYER_COLUMNS = (
    "name", "energy_joule", "share", "snr_db", figures.ERROR_SHARE, "clipped_share", "busy_s", "area_m2", "arrays",
    "replication", "utilization",
)  # fmt: skip
_MINOR_COLUMNS = ("share", "clipped_share", "busy_s", "area_m2", "arrays", "replication", "utilization")
_ERROR_NOTE = (
    "Each layer's results on the arrays against exact integers for the same inputs; errors of earlier layers are left "
    "out. A low ratio of signal to error marks the layers to look at; a gain below 1 is current lost in the wires."
)


def write_page(report: CostReport, folder: str | Path) -> Path:
    """Write ``index.html`` with figures, tables and JSON beside it.

    Parameters
    ----------
    report : CostReport or Report
        What to show.
    folder : str or Path
        Folder to write into; made where missing.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    folder = Path(folder)
    drawings = save_drawings(lambda: draw_figures(report), folder)
    tables = {"layers": report.layers, "components": report.components, "bounds": report.bounds}
    for name, table in tables.items():
        if table is not None:
            write_file(folder / f"{name}.csv", encode_frame(table))
    write_json(report, folder / "report.json")
    return write_file(folder / "index.html", render_page(report, drawings))


def draw_figures(report: CostReport) -> dict[str, tuple[Figure, str]]:
    """Draw every figure that a report has data for.

    Parameters
    ----------
    report : CostReport or Report
        What to draw.

    Returns
    -------
    dict
        File name -> figure and what it shows.
    """
    drawn: dict[str, tuple[Figure, str]] = {}
    if isinstance(report, Report) and report.accuracy is not None:
        drawn["accuracy"] = (
            figures.plot_accuracy(report.accuracy),
            "Accuracy in float, in integers and on the hardware",
        )
    if len(report.layers):
        drawn["cost_by_layer"] = (
            figures.plot_cost_by_layer(report.layers),
            _describe_layers(report),
        )
    if len(report.components):
        drawn["cost_by_component"] = (
            figures.plot_cost_by_component(report.components),
            "Energy and area of each component, with its share of the sum",
        )
    if report.activity is not None:
        drawn["gantt"] = (
            time_figures.plot_gantt(report.activity),
            "When each layer works; the darker, the larger the share of its arrays or unit at work",
        )
        drawn["utilization"] = (
            time_figures.plot_utilization(report.activity),
            "Share of all arrays at work over time, and the busiest resources",
        )
    error = figures.plot_layer_error(report.layers) if isinstance(report, Report) else None
    if error is not None:
        drawn["layer_error"] = (error, "How well each layer keeps its signal, on its own")
    if isinstance(report, Report) and len(report.columns) and report.columns["lost_share"].any():
        drawn["columns"] = (
            array_figures.plot_columns(report.columns),
            "Where current is lost, and how far fitted responses are off: layers from top to bottom, their columns "
            "from left to right, the worst column at each of 64 places",
        )
    return drawn


def _describe_layers(report: CostReport) -> str:
    text = (
        "Energy, ratio of signal to error (SNR), estimated share of the error, busy time and area of each layer in the "
        "order of the network, then everything else by its kind"
    )
    layers = report.layers
    rest, total = layers["area_m2"][layers["kind"] == "chip"].sum(), layers["area_m2"].sum()
    if not rest:
        return text
    return f"{text}; not drawn: {format_si(rest, 'm2')} ({100 * rest / total:.1f} %) that belong to no layer"


def render_page(report: CostReport, drawings: Mapping[str, Drawing]) -> str:
    """Return the page as text.

    Parameters
    ----------
    report : CostReport or Report
        What to show.
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    made = describe_record(report.provenance)
    changes = list_changes(made)
    head = Head(
        title=f"{made['network']} on {made['hardware']}",
        subtitle=_describe_run(report, made),
        changes=changes,
        lead=describe_changes(made, changes),
    )
    sections: list[str] = [
        lay_out_heading("By layer"), lay_out_figure(drawings, "cost_by_layer"), lay_out_text(_LAYER_NOTE),
        *([lay_out_text(_SHARE_NOTE)] if figures.ERROR_SHARE in figures.share_errors(report.layers) else []),
        _layer_table(report),
    ]  # fmt: skip
    if isinstance(report, Report) and report.accuracy is not None:
        sections += [lay_out_heading("Accuracy"), lay_out_figure(drawings, "accuracy"), _accuracy_table(report)]
    elif isinstance(report, Report) and report.metric is not None:
        sections += [lay_out_heading("Metric of the outputs"), _metric_table(report.metric)]
    sections += [lay_out_heading("By component"), lay_out_figure(drawings, "cost_by_component")]
    sections += [_component_table(report), *_list_free(report)]
    sections += [lay_out_heading("Cost of one inference"), _cost_table(report)]
    if report.activity is not None and report.bounds is not None:
        sections += [lay_out_heading("Time of one inference"), lay_out_figure(drawings, "gantt")]
        sections += [lay_out_figure(drawings, "utilization"), lay_out_heading("What bounds each layer")]
        sections += [lay_out_text(_BOUND_NOTE), _table(report.bounds, "bounds")]
    if "layer_error" in drawings:
        sections += [lay_out_heading("Error by layer"), lay_out_text(_ERROR_NOTE)]
        sections += [lay_out_figure(drawings, "layer_error")]
    if "columns" in drawings:
        sections += [lay_out_figure(drawings, "columns")]
    sections += _list_sources(made)
    times: list[tuple[str, str]] = []
    if isinstance(report, Report):
        times = [("set-up time", f"{report.seconds.setup:.2f} s")]
        times.append(("hardware pass, one trial", f"{report.seconds.run:.2f} s"))
    sections += [lay_out_heading("Provenance"), lay_out_provenance(made, times)]
    return render_frame(head, _cards(report), sections)


def _describe_run(report: CostReport, made: Mapping[str, Any]) -> str:
    """Say in one line what was run."""
    version = f"seed {made['seed']}, xbarsim {made['version']}, hardware {made['hardware_hash']}"
    bits = [f"{made['settings'][key]}-bit {key.split('_')[0]}s" for key in ("weight_bits", "activation_bits")
            if key in made["settings"]]  # fmt: skip
    if not isinstance(report, Report):
        return ", ".join(["Estimated without data or weights", *bits, version])
    trials, images = len(report.outputs), made["settings"].get("images")
    if not isinstance(report.outputs, Mapping):
        images = report.outputs.shape[1]
    chips = f"{trials} random chips" if trials > 1 else "one chip"
    return ", ".join([f"Simulated with {images} images on {chips}", *bits, version])


def _cards(report: CostReport) -> list[Markup]:
    return [
        lay_out_card(answer.title, answer.value, answer.lines, is_first=not number)
        for number, answer in enumerate(answer_report(report))
    ]


def _list_sources(made: Mapping[str, Any]) -> list[Markup]:
    if not made["sources"] and not made["record"]:
        return []
    pairs = lay_out_pairs(made["sources"].items(), ("number", "source"), label="sources")
    return [lay_out_heading("Hardware and the sources of its numbers"), lay_out_record(made), pairs]


def _layer_table(report: CostReport) -> Markup:
    """Lay out what matters most of each layer, other rows by their kind, and all columns below, folded."""
    rows = figures.share_errors(figures.group_layers(report.layers))
    total = float(rows["energy_joule"].sum()) if "energy_joule" in rows else 0.0
    if total > 0:
        rows = rows.assign(share=rows["energy_joule"] / total)
    kept = [name for name in _LAYER_COLUMNS if name in rows and rows[name].notna().any()]
    whole = lay_out_fold("All layers and operations with all columns", _table(report.layers, "all columns of layers"))
    return _table(rows[kept], "layers", minor=_MINOR_COLUMNS) + whole


def _component_table(report: CostReport) -> Markup:
    """Lay out the components but those that count no action, take no area and spend nothing."""
    rows = report.components
    amounts = [name for name in ("actions", "energy_joule", "area_m2") if name in rows]
    return _table(rows[(rows[amounts].fillna(0) != 0).any(axis=1)], "components")


def _accuracy_table(report: Report) -> Markup:
    assert report.accuracy is not None
    accuracy = describe_accuracy(report.accuracy) or {}
    low, high = accuracy["interval"]
    top5 = accuracy.get("top5", {})
    rows, count = [], len(accuracy["trials"])
    chips = "one for each chip" if accuracy["runs"] == count else "nothing is random: one run stands for all"
    notes = {
        "reference": "float network",
        "quantized": "integer network on ideal hardware",
        "hardware": f"mean of {count} trial{'s' * (count > 1)}, 95 % interval {100 * low:.2f} to {100 * high:.2f} %",
    }
    for name, note in notes.items():
        second = f"{100 * top5[name]:.2f}" if top5.get(name) is not None else "-"
        rows.append([name, f"{100 * accuracy[name]:.2f}", second, note])
    rows.append(["degradation", f"{100 * accuracy['degradation']:.2f}", "-", "reference minus hardware, in points"])
    rows.append(["trials", ", ".join(f"{100 * value:.2f}" for value in accuracy["trials"]), "-", chips])
    note = lay_out_text(
        f"{accuracy['images']} images; the interval covers the choice of images and of chips.", is_soft=True
    )
    return lay_out_table(("", "top-1 [%]", "top-5 [%]", "meaning"), rows, text_columns=(3,), label="accuracy") + note


def _metric_table(metric: MetricResult) -> Markup:
    count = len(metric.trials)
    chips = "one for each chip" if metric.runs == count else "nothing is random: one run stands for all"
    note = f"mean of {count} trial{'s' * (count > 1)}, 95 % interval {metric.shown_interval}"
    rows = [
        ["reference", metric.show(metric.reference), "float network"],
        ["quantized", metric.show(metric.quantized), "integer network on ideal hardware"],
        ["hardware", metric.show(metric.hardware), note],
        ["degradation", metric.shown_loss, f"what is lost against the float network; {metric.direction}"],
        ["trials", ", ".join(map(metric.show, metric.trials)), chips],
    ]
    notes = lay_out_text(f"{metric.heading}; the interval covers the choice of images and of chips.", is_soft=True)
    return lay_out_table(("", metric.name, "meaning"), rows, text_columns=(2,), label="metric") + notes


def _cost_table(report: CostReport) -> Markup:
    rows = []
    for name in COST_FIELDS:
        value = getattr(report.cost, name)
        column = describe_column(name, [value])
        rows.append([column.title, column.show(value), column.unit, _COST_NOTES[name]])
    rows += [[extra.name, *_split(extra.text), extra.note] for extra in list_extras(report.cost)]
    return lay_out_table(("", "value", "unit", "meaning"), rows, text_columns=(2, 3), label="cost")


def _list_free(report: CostReport) -> list[Markup]:
    """Lay out the counted actions that no component has a price for; nothing where there are none."""
    rows = list_unpriced(report.cost.unpriced)
    if not rows:
        return []
    headings = ("action", "in one inference", "what is counted")
    table = lay_out_table(headings, rows, text_columns=(1, 2), label="actions without a price")
    return [lay_out_heading("Counted actions without a price"), lay_out_text(_FREE_NOTE), table]


def _split(text: str) -> tuple[str, str]:
    """Cut a quantity into value and unit."""
    value, _, unit = text.partition(" ")
    return value, unit


def _table(table: pd.DataFrame, label: str, minor: tuple[str, ...] = ()) -> Markup:
    """Lay out a table with one prefix for each column; columns that are empty or repeat the first are left out."""
    first = table.columns[0]
    names = [
        name
        for name in table.columns
        if table[name].notna().any() and (name == first or any(table[name] != table[first]))
    ]
    columns = [describe_column(str(name), table[name].tolist()) for name in names]
    shown = [[column.show(value) for value in table[name].tolist()] for name, column in zip(names, columns)]
    texts = [i for i, name in enumerate(names) if table[name].map(lambda value: isinstance(value, str)).any()]
    small = [i for i, name in enumerate(names) if name in minor]
    headings = [column.heading for column in columns]
    return lay_out_table(headings, zip(*shown), text_columns=texts, minor=small, label=label)
