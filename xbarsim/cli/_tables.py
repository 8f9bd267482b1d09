"""Results as tables for a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from xbarsim.cli._volume import VOLUME
from xbarsim.report.extra import list_extras
from xbarsim.report.quantity import describe_column, list_unpriced, show_number
from xbarsim.report.record import list_rows
from xbarsim.units import format_si

if TYPE_CHECKING:
    from typing import TypeGuard

    from rich.console import Console
    from rich.table import Table

    from xbarsim.report.quantity import Column
    from xbarsim.report.result import MetricResult

LONGEST_LIST = 24
"""Layers shown one by one; the cheapest of a longer list are summed in one row."""
LONGEST_BOUNDS = 8
"""Busiest resources shown; ``--report`` has them all."""
_ENDS = {"input": "input and output", "output": "input and output", "chip": "rest of the chip"}
_LAYER_COLUMNS = ("busy_s", "energy_joule", "area_m2")
_COST_ROWS = (
    ("energy per inference", "energy_joule", "J"), ("delay of one inference", "delay_s", "s"),
    ("area", "area_m2", "m2"), ("area without I/O", "core_area_m2", "m2"), ("power", "power_watt", "W"),
)  # fmt: skip


def make_console() -> Console:
    """Return the console that results go to: standard output, or standard error where ``--json -`` has taken it.

    It has 80 columns where it is no terminal.
    """
    from rich.console import Console

    return Console(highlight=False, markup=False, stderr=VOLUME.piped)  # units stand in square brackets, as markup does


def new_table(title: str, columns: Iterable[tuple[str, str]]) -> Table:
    """Make an empty table.

    Parameters
    ----------
    title : str
        What it shows.
    columns : iterable of (str, str)
        Heading and ``"left"`` or ``"right"`` of each column.

    Returns
    -------
    rich.table.Table
        To be filled and printed.
    """
    from rich import box
    from rich.table import Table

    columns = list(columns)
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False,
        show_header=any(heading for heading, _ in columns), padding=(0, 1), pad_edge=False, min_width=len(title),
    )  # fmt: skip
    for heading, side in columns:
        table.add_column(heading, justify=side, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    return table


def show_report(console: Console, report: Any) -> None:
    """Print the content of a report, the most important results first."""
    accuracy = getattr(report, "accuracy", None)
    if accuracy is not None:
        console.print(accuracy_table(accuracy), "")
    elif getattr(report, "metric", None) is not None:
        console.print(metric_table(report.metric), "")
    console.print(cost_table(report.cost, report.provenance), "")
    console.print(layer_table(report.layer_rows), "")
    if report.bound_rows:
        console.print(bound_table(report.bound_rows), "")
    console.print(component_table(list_rows(report.cost.components)), "")
    for line in unpriced_lines(report.cost.unpriced):
        console.print(line, "")
    assumed = {key: value for key, value in report.provenance.settings.items() if key.startswith("assumed_")}
    if assumed:
        text = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in assumed.items())
        console.print(f"{text} (simulate measures both)", "")
    if "array_energy" in report.provenance.settings:
        console.print(f"array energy: {report.provenance.settings['array_energy']}", "")


def accuracy_table(accuracy: Any) -> Table:
    """Lay out accuracies: float, integers, hardware with its interval, degradation."""
    scores = {
        "float reference": accuracy.reference, "integers, ideal hardware": accuracy.quantized,
        "on this hardware": accuracy.hardware,
    }  # fmt: skip
    has_top5 = all(getattr(score, "top5", None) is not None for score in scores.values())
    columns = [("", "left"), ("top-1", "right"), *([("top-5", "right")] if has_top5 else [])]
    table = new_table(f"Accuracy over {accuracy.images:,} images", columns)
    for name, score in scores.items():
        table.add_row(name, f"{100 * score:.2f} %", *([f"{100 * score.top5:.2f} %"] if has_top5 else []))
    low, high = accuracy.interval
    count = len(accuracy.trials)
    table.add_row(f"  95 % interval, {count} trial{'s' * (count > 1)}", f"{100 * low:.2f} to {100 * high:.2f} %")
    if accuracy.runs < count:
        table.add_row("  nothing is random", f"1 run stands for {count} trials")
    table.add_row("lost (reference - hardware)", f"{100 * accuracy.degradation:.2f} points")
    return table


def metric_table(metric: MetricResult) -> Table:
    """Lay out a metric: float, integers, hardware with its interval, degradation."""
    table = new_table(metric.heading, [("", "left"), (metric.name, "right")])
    table.add_row("float reference", metric.show(metric.reference))
    table.add_row("integers, ideal hardware", metric.show(metric.quantized))
    table.add_row("on this hardware", metric.show(metric.hardware))
    count = len(metric.trials)
    table.add_row(f"  95 % interval, {count} trial{'s' * (count > 1)}", metric.shown_interval)
    if metric.runs < count:
        table.add_row("  nothing is random", f"1 run stands for {count} trials")
    table.add_row(f"lost ({metric.direction})", metric.shown_loss)
    return table


def cost_table(cost: Any, provenance: Any) -> Table:
    """Lay out the cost of one inference with SI prefixes."""
    title = f"Cost of {provenance.network} on {provenance.hardware}"
    table = new_table(title, [("", "left"), ("", "right"), ("   ", "left"), ("", "left"), ("", "right")])
    table.show_header = False
    left = [(name, format_si(getattr(cost, field), unit)) for name, field, unit in _COST_ROWS]
    left += [
        ("throughput", f"{show_number(cost.throughput_hz)} /s"),
        ("EDAP", f"{cost.edap:.3e} J s m2"),
        ("EDAP without I/O", f"{cost.edap_core:.3e} J s m2"),
        ("cycles", f"{cost.cycles:,}"),
    ]
    right = [(name, f"{getattr(cost, name):,}") for name in ("crossbars", "arrays", "tiles")]
    right.append(("cells in use", f"{100 * cost.utilization:.1f} %"))
    for name in ("tops", "tops_total", "tops_per_watt", "tops_per_mm2"):
        value = getattr(cost, name)
        right.append((describe_column(name).title, "-" if value is None else f"{value:.4g}"))
    for extra in list_extras(cost):
        (left if len(left) <= len(right) else right).append((extra.name, extra.text))
    for first, second in zip_longest(left, right, fillvalue=("", "")):
        table.add_row(*first, "   ", *second)
    return table


def layer_table(layers: Sequence[dict[str, Any]]) -> Table:
    """Lay out the weight layers one by one and everything else in three rows, the error where it was measured."""
    rows = [*_gather(layers), *_gather_rest(layers)]
    has_error = any(_is_number(row.get("snr_db")) for row in rows)
    columns, written = [("layer", "left"), ("arrays", "right")], []
    for name in _LAYER_COLUMNS:
        values = [row[name] for row in rows]
        column = describe_column(name, values)
        columns.append((column.heading, "right"))
        written.append(write_column(column, values))
    table = new_table("Layers", columns + [("SNR [dB]", "right")] * has_error)
    for row, *cells in zip(rows, *written):
        snr = [f"{row['snr_db']:.1f}" if _is_number(row.get("snr_db")) else "-"] if has_error else []
        arrays = f"{int(row['arrays']):,}" if row["arrays"] else ""
        table.add_row(shorten(str(row["name"])), arrays, *cells, *snr)
    return table


def design_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out the designs of a search for epitomes: crossbars, how many times fewer than plain, cost, accuracy."""
    columns, written = [("design", "left"), ("cross-\nbars", "right"), ("times\nfewer", "right")], []
    for name in ("delay_s", "energy_joule"):
        values = [float(row[name]) for row in rows]
        column = describe_column(name, values)
        columns.append((column.heading.replace(" [", "\n["), "right"))
        written.append(write_column(column, values))
    for name, heading in (("edap", "EDAP\n[J s m2]"), ("edap_core", "EDAP\nno I/O")):
        columns.append((heading, "right"))
        written.append([f"{row[name]:.2e}" for row in rows])
    found = [row.get("accuracy.hardware") for row in rows]
    if any(_is_number(value) for value in found):
        columns.append(("top-1\n[%]", "right"))
        written.append([f"{100 * value:.1f}" if _is_number(value) else "-" for value in found])
    table = new_table("Designs", columns)
    for row, *cells in zip(rows, *written):
        table.add_row(str(row["design"]), f"{int(row['crossbars']):,}", f"{row['compression']:.2f}", *cells)
    return table


def baseline_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out a search beside its baselines: what each reached, its gap to the best, and after how many points."""
    columns = [
        ("method", "left"), ("seeds", "right"), ("points", "right"), ("best", "right"), ("median", "right"),
        ("gap\n[%]", "right"), ("points\nto 0.5 %", "right"),
    ]  # fmt: skip
    table = new_table("Baselines", columns)
    for row in rows:
        reached = [f"{row[name]:.4g}" if name in row else "-" for name in ("best", "median")]
        gap = f"{100 * row['gap']:.2f}" if "gap" in row else "-"
        soon = row.get("points_to_half_percent")
        table.add_row(
            str(row["method"]), str(row["seeds"]), str(row["points"]), *reached, gap, "-" if soon is None else str(soon)
        )
    return table


def _gather(layers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the weight layers in their order; the cheapest of a long list as one row."""
    from xbarsim.network import LAYER_KINDS

    rows = [row for row in layers if row["kind"] in LAYER_KINDS]
    if len(rows) <= LONGEST_LIST:
        return rows
    dearest = sorted(range(len(rows)), key=lambda number: -rows[number]["energy_joule"])[: LONGEST_LIST - 1]
    rest = [row for number, row in enumerate(rows) if number not in set(dearest)]
    return [*(rows[number] for number in sorted(dearest)), _add_up(f"{len(rest)} more layers", rest)]


def _gather_rest(layers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is no weight layer: the operations between, the ends of the network, what all share."""
    from xbarsim.network import LAYER_KINDS

    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in ("digital operations", *_ENDS.values())}
    for row in [each for each in layers if each["kind"] not in LAYER_KINDS]:
        groups[_ENDS.get(row["kind"], "digital operations")].append({**row, "arrays": 0})
    gathered = [_add_up(name, rows) for name, rows in groups.items()]
    return [row for row in gathered if any(row[name] for name in _LAYER_COLUMNS)]


def _add_up(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, **{key: math.fsum(row[key] for row in rows) for key in ("arrays", *_LAYER_COLUMNS)}}


def bound_table(bounds: Sequence[dict[str, Any]]) -> Table:
    """Lay out what bounds layers, operations and ends, those that share one busiest resource in one row."""
    rows = sorted(bounds, key=lambda row: -row["share"])
    groups: dict[tuple[str, float], list[str]] = {}
    for row in rows:
        groups.setdefault((row["resource"], row["share"]), []).append(row["name"])
    table = new_table("What bounds each layer", [("busiest resource", "left"), ("busy", "right"), ("layers", "left")])
    shown = list(groups.items())[:LONGEST_BOUNDS]
    for (resource, share), names in shown:
        others = f", {len(names) - 1} more" if len(names) > 1 else ""
        busy = "<0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"
        table.add_row(resource, busy, f"{shorten(names[0])}{others}")
    rest = sum(len(names) for _, names in list(groups.items())[LONGEST_BOUNDS:])
    if rest:
        least = f"<{100 * shown[-1][0][1]:.1f} %"
        table.add_row("", least, f"{rest} more (all of them: --report)")
    return table


def unpriced_lines(unpriced: Mapping[str, int]) -> list[str]:
    """Return the sentence that lists counted actions without a price; none where there are none."""
    if not unpriced:
        return []
    listed = "; ".join(f"{name}: {text}" for name, text, _ in list_unpriced(unpriced))
    return [f"Counted without a price ({len(unpriced)}; components.ACTION.free: true if meant): {listed}"]


def component_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out the components that spend energy or take area, the one that takes most energy first."""
    rows = [row for row in rows if _or_zero(row.get("energy_joule")) or _or_zero(row.get("area_m2"))]
    rows = sorted(rows, key=lambda row: -_or_zero(row.get("energy_joule")))
    table_columns, cells = [("component", "left")], [[str(row["component"]) for row in rows]]
    for name in ("energy_joule", "area_m2"):
        values = [row.get(name) for row in rows]
        total = math.fsum(value for value in values if _is_number(value)) or 1.0
        column = describe_column(name, values)
        table_columns += [(column.heading, "right"), ("share", "right")]
        cells.append(write_column(column, values))
        cells.append([f"{100 * value / total:.1f} %" if _is_number(value) else "-" for value in values])
    table = new_table("Components", table_columns)
    for row in zip(*cells):
        table.add_row(*row)
    return table


def write_column(column: Column, values: Iterable[Any]) -> list[str]:
    """Write a column with one number of decimals, so that its numbers line up.

    Parameters
    ----------
    column : Column
        Its unit.
    values : iterable of float
        Stored values; what is no number becomes ``-``.

    Returns
    -------
    list of str
        The greatest value has four digits or more and the median two; what would round to zero is written as ``<0.1``
        or the like.
    """
    values = list(values)
    sizes = sorted(abs(value) * column.factor for value in values if _is_number(value) and value)
    ends = ((3, sizes[-1]), (1, sizes[len(sizes) // 2])) if sizes else ()
    decimals = min(4, max([0, *(digits - math.floor(math.log10(size)) for digits, size in ends)]))
    least = 10.0**-decimals
    cells = []
    for value in values:
        if not _is_number(value):
            cells.append("-")
        elif 0 < value * column.factor < least / 2:
            cells.append(f"<{least:.{decimals}f}")
        else:
            cells.append(f"{value * column.factor:,.{decimals}f}" if value else "0")
    return cells


def shorten(text: str, longest: int = 26) -> str:
    """Cut the middle out of a long name."""
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]}…{text[-longest // 2 :]}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and value == value


def _or_zero(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0
