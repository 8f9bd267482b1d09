"""Results as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xbarsim.report.quantity import describe_column, show_number
from xbarsim.units import format_si

if TYPE_CHECKING:
    from typing import TypeGuard

    import pandas as pd
    from rich.console import Console
    from rich.table import Table

LONGEST_LIST = 24
"""Layers shown one by one; the cheapest of a longer list are summed in one row."""
_COST_ROWS = (
    ("energy per inference", "energy_joule", "J"), ("delay of one inference", "delay_s", "s"),
    ("area", "area_m2", "m2"), ("power", "power_watt", "W"),
)  # fmt: skip


def make_console() -> Console:
    """Return the console that results go to: standard output, 80 columns where it is no terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False)  # units stand in square brackets, as markup does


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
        show_header=any(heading for heading, _ in columns), padding=(0, 1), pad_edge=False,
    )  # fmt: skip
    for heading, side in columns:
        table.add_column(heading, justify=side, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    return table


def show_report(console: Console, report: Any) -> None:
    """Print everything that a report holds, the most asked for first."""
    accuracy = getattr(report, "accuracy", None)
    if accuracy is not None:
        console.print(accuracy_table(accuracy), "")
    console.print(cost_table(report.cost, report.provenance), "")
    console.print(layer_table(report.layers), "")
    console.print(component_table(report.components.to_dict("records")), "")
    assumed = {key: value for key, value in report.provenance.settings.items() if key.startswith("assumed_")}
    if assumed:
        console.print(", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in assumed.items()), "")


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
    table.add_row("lost (reference - hardware)", f"{100 * accuracy.degradation:.2f} points")
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
        ("cycles", f"{cost.cycles:,}"),
    ]
    right = [(name, f"{getattr(cost, name):,}") for name in ("crossbars", "arrays", "tiles")]
    right.append(("cells in use", f"{100 * cost.utilization:.1f} %"))
    for name in ("tops", "tops_per_watt", "tops_per_mm2"):
        value = getattr(cost, name)
        right.append((describe_column(name).title, "-" if value is None else f"{value:.4g}"))
    for first, second in zip(left, right):
        table.add_row(*first, "   ", *second)
    return table


def layer_table(layers: pd.DataFrame) -> Table:
    """Lay out the layers: name, kind, arrays, busy time, energy and its share, error where it was measured."""
    from xbarsim.report import group_layers

    rows = group_layers(layers).to_dict("records")
    energy, busy = (describe_column(name, [row[name] for row in rows]) for name in ("energy_joule", "busy_s"))
    total = sum(row["energy_joule"] for row in rows) or 1.0
    has_error = any(_is_number(row.get("snr_db")) for row in rows)
    columns = [("layer", "left"), ("kind", "left"), ("arrays", "right"), (busy.heading, "right")]
    columns += [(energy.heading, "right"), ("share", "right"), *([("SNR [dB]", "right")] if has_error else [])]
    table = new_table("Layers", columns)
    dearest = sorted(range(len(rows)), key=lambda number: -rows[number]["energy_joule"])[: LONGEST_LIST - 1]
    shown = rows if len(rows) <= LONGEST_LIST else [rows[number] for number in sorted(dearest)]
    for row in shown:
        snr = [f"{row['snr_db']:.1f}" if _is_number(row.get("snr_db")) else "-"] if has_error else []
        table.add_row(
            str(row["name"]), str(row["kind"]), _arrays(row), busy.show(row["busy_s"]),
            energy.show(row["energy_joule"]), f"{100 * row['energy_joule'] / total:.1f} %", *snr,
        )  # fmt: skip
    if len(shown) < len(rows):
        spent = sum(row["energy_joule"] for row in rows) - sum(row["energy_joule"] for row in shown)
        share = f"{100 * spent / total:.1f} %"
        table.add_row(f"{len(rows) - len(shown)} more", "", "", "", energy.show(spent), share)
    return table


def component_table(rows: list[Mapping[str, Any]]) -> Table:
    """Lay out the components, the one that takes most energy first."""
    energy = describe_column("energy_joule", [row.get("energy_joule") for row in rows])
    area = describe_column("area_m2", [row.get("area_m2") for row in rows])
    totals = {
        name: sum(row[name] for row in rows if _is_number(row.get(name))) or 1.0 for name in ("energy_joule", "area_m2")
    }
    columns = [
        ("component", "left"),
        (energy.heading, "right"),
        ("share", "right"),
        (area.heading, "right"),
        ("share", "right"),
    ]
    table = new_table("Components", columns)
    for row in sorted(rows, key=lambda row: -_or_zero(row.get("energy_joule"))):
        cells = []
        for column, name in ((energy, "energy_joule"), (area, "area_m2")):
            value = row.get(name)
            cells += [column.show(value), f"{100 * value / totals[name]:.1f} %" if _is_number(value) else "-"]
        table.add_row(str(row["component"]), *cells)
    return table


def _arrays(row: Mapping[Any, Any]) -> str:
    """Write the arrays of a weight layer; other rows hold none, or empty slots."""
    from xbarsim.report.figures import WEIGHT_KINDS

    return f"{int(row['arrays']):,}" if row["kind"] in WEIGHT_KINDS else ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and value == value


def _or_zero(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0
