"""The HTML page of a report: key numbers, figures, tables and provenance.

The page includes its style and figures and can be viewed offline. The same figures (SVG, PNG), the tables (CSV) and
the report (JSON) are written beside it for use elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.report import figures, time_figures
from xbarsim.report.csv_table import encode_frame
from xbarsim.report.document import COST_FIELDS, describe_accuracy, write_json
from xbarsim.report.extra import list_extras
from xbarsim.report.markup import lay_out_card, lay_out_figure, lay_out_pairs, lay_out_table, render_frame
from xbarsim.report.quantity import describe_column, list_unpriced
from xbarsim.report.record import CostReport, Report
from xbarsim.report.style import save_drawings
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
_CARDS = (
    "energy_joule", "delay_s", "throughput_hz", "area_m2", "core_area_m2", "edap", "edap_core", "power_watt",
    "tops_per_watt", "crossbars",
)  # fmt: skip
_BOUND_NOTE = (
    "The busiest resource that each layer, operation or end of the network uses, counted over all that share it; a "
    "share of 100 % of the time between two inferences is the bottleneck of the whole pipeline."
)
_LAYER_NOTE = (
    "Busy time is how long the arrays of a layer, or the unit of an operation, work during one inference; layers "
    "overlap, so that busy times do not add up to the delay. Input and output are the transfers to and from the chip. "
    "The row named chip is what no layer owns: I/O, unused arrays and tiles, and what leaks there."
)
_FREE_NOTE = (
    "These actions are part of no energy above, since no component of the hardware file has a price for them. Give "
    "one, or say that they are meant to be free with <code>components.ACTION.free: true</code>."
)
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
    drawn = draw_figures(report)
    drawings = save_drawings(drawn, folder)
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
    return drawn


def _describe_layers(report: CostReport) -> str:
    text = "Energy, busy time and area of each layer in the order of the network, then everything else by its kind"
    layers = report.layers
    rest, total = layers["area_m2"][layers["kind"] == "chip"].sum(), layers["area_m2"].sum()
    if not rest:
        return text
    return f"{text}; not drawn: {format_si(rest, 'm2')} ({100 * rest / total:.1f} %) that belong to no layer"


def render_page(report: CostReport, drawings: Mapping[str, tuple[str, str]]) -> str:
    """Return the page as text.

    Parameters
    ----------
    report : CostReport or Report
        What to show.
    drawings : mapping of str to (str, str)
        File name -> figure as SVG and what it shows.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    made = report.provenance
    sections: list[str] = []
    if isinstance(report, Report) and report.accuracy is not None:
        sections += ["<h2>Accuracy</h2>", lay_out_figure(drawings, "accuracy"), _accuracy_table(report)]
    elif isinstance(report, Report) and report.metric is not None:
        sections += ["<h2>Metric of the outputs</h2>", _metric_table(report.metric)]
    sections += ["<h2>Cost of one inference</h2>", _cost_table(report)]
    sections += ["<h2>By component</h2>", lay_out_figure(drawings, "cost_by_component"), _table(report.components)]
    sections += _list_free(report)
    sections += ["<h2>By layer</h2>", lay_out_figure(drawings, "cost_by_layer"), f"<p>{_LAYER_NOTE}</p>"]
    if report.activity is not None and report.bounds is not None:
        sections += ["<h2>Time of one inference</h2>", lay_out_figure(drawings, "gantt")]
        sections += [lay_out_figure(drawings, "utilization"), "<h2>What bounds each layer</h2>"]
        sections += [f"<p>{_BOUND_NOTE}</p>", _table(report.bounds)]
    if "layer_error" in drawings:
        sections += ["<h2>Error by layer</h2>", f"<p>{_ERROR_NOTE}</p>", lay_out_figure(drawings, "layer_error")]
    sections += ["<h2>All layers, operations and ends of the network</h2>", _table(report.layers)]
    sections += ["<h2>Provenance</h2>", _provenance_table(report)]
    if made.sources:
        sections += [
            "<h2>Sources of the hardware's numbers</h2>",
            lay_out_pairs(made.sources.items(), ("number", "source")),
        ]
    return render_frame(
        f"{made.network} on {made.hardware}",
        f"xbarsim {made.version}, seed {made.seed}, hardware {made.hardware_hash}",
        _cards(report),
        sections,
    )


def _cards(report: CostReport) -> Iterable[str]:
    if isinstance(report, Report) and report.accuracy is not None:
        accuracy = report.accuracy
        yield lay_out_card("accuracy on this hardware", f"{100 * accuracy.hardware:.2f} %", is_first=True)
        yield lay_out_card("lost against float", f"{100 * accuracy.degradation:.2f} points")
    elif isinstance(report, Report) and report.metric is not None:
        yield lay_out_card(
            f"{report.metric.name} on this hardware", report.metric.show(report.metric.hardware), is_first=True
        )
        yield lay_out_card("lost against float", report.metric.shown_loss)
    for name in _CARDS:
        value = getattr(report.cost, name)
        column = describe_column(name, [value])
        yield lay_out_card(column.title, f"{column.show(value)} {column.unit}".strip())


def _accuracy_table(report: Report) -> str:
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
    note = f'<p class="soft">{accuracy["images"]} images; the interval covers the choice of images and of chips.</p>'
    return lay_out_table(("", "top-1 [%]", "top-5 [%]", "meaning"), rows, text_columns=(3,)) + note


def _metric_table(metric: MetricResult) -> str:
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
    notes = f'<p class="soft">{metric.heading}; the interval covers the choice of images and of chips.</p>'
    return lay_out_table(("", metric.name, "meaning"), rows, text_columns=(2,)) + notes


def _cost_table(report: CostReport) -> str:
    rows = []
    for name in COST_FIELDS:
        value = getattr(report.cost, name)
        column = describe_column(name, [value])
        rows.append([column.title, column.show(value), column.unit, _COST_NOTES[name]])
    rows += [[extra.name, *_split(extra.text), extra.note] for extra in list_extras(report.cost)]
    return lay_out_table(("", "value", "unit", "meaning"), rows, text_columns=(2, 3))


def _list_free(report: CostReport) -> list[str]:
    """Lay out the counted actions that no component has a price for; nothing where there are none."""
    rows = list_unpriced(report.cost.unpriced)
    if not rows:
        return []
    table = lay_out_table(("action", "in one inference", "what is counted"), rows, text_columns=(1, 2))
    return ["<h2>Counted actions without a price</h2>", f"<p>{_FREE_NOTE}</p>", table]


def _split(text: str) -> tuple[str, str]:
    """Cut a quantity into value and unit."""
    value, _, unit = text.partition(" ")
    return value, unit


def _table(table: pd.DataFrame) -> str:
    """Lay out a table with one prefix for each column; columns that are empty or repeat the first are left out."""
    first = table.columns[0]
    names = [
        name
        for name in table.columns
        if table[name].notna().any() and (name == first or any(table[name] != table[first]))
    ]
    columns = [describe_column(str(name), table[name].tolist()) for name in names]
    shown = [[column.show(value) for value in table[name].tolist()] for name, column in zip(names, columns)]
    texts = tuple(i for i, name in enumerate(names) if table[name].map(lambda value: isinstance(value, str)).any())
    return lay_out_table([column.heading for column in columns], zip(*shown), text_columns=texts)


def _provenance_table(report: CostReport) -> str:
    made = report.provenance
    pairs: list[tuple[str, Any]] = [
        (name.replace("_", " "), getattr(made, name))
        for name in ("version", "hardware", "hardware_hash", "network", "network_hash", "seed")
    ]
    pairs += [(f"override {key}", value) for key, value in made.overrides.items()]
    pairs += [(f"plug-in {key}", value) for key, value in made.plugins.items()]
    pairs += [(str(key).replace("_", " "), value) for key, value in made.settings.items()]
    if isinstance(report, Report):
        pairs += [
            ("set-up time", f"{report.seconds.setup:.2f} s"),
            ("hardware pass, one trial", f"{report.seconds.run:.2f} s"),
        ]
    return lay_out_pairs(pairs)
