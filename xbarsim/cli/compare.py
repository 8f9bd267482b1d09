"""``xbarsim compare``: two results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbarsim.errors import ConfigError

if TYPE_CHECKING:
    from typing import TypeGuard

_ACCURACY = ("reference", "quantized", "hardware", "degradation")


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="JSON file written with --json; -: standard input.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Second JSON file.")],
) -> None:
    """Compare two results written with --json."""
    from xbarsim.cli._tables import make_console, new_table, unpriced_lines
    from xbarsim.report import read_json

    if str(first) == str(second) == "-":
        raise ConfigError("A.json and B.json: both are -; only one can come from standard input")
    a, b = (read_json("/dev/stdin" if str(path) == "-" else path) for path in (first, second))
    console = make_console()
    for letter, path, document in (("A", first, a), ("B", second, b)):
        console.print(f"{letter}: {_describe(path, document)}")
    console.print()
    table = new_table("", [("", "left"), ("A", "right"), ("B", "right"), ("B - A", "right"), ("B / A", "right")])
    for row in _rows(a, b):
        table.add_row(*row)
    console.print(table)
    for letter, document in (("A", a), ("B", b)):
        for line in unpriced_lines(document.get("unpriced") or {}):
            console.print(f"{letter}: {line}")


def _describe(path: Path, document: dict[str, Any]) -> str:
    made = document.get("provenance") or {}
    overrides = ", ".join(f"{key}={value}" for key, value in (made.get("overrides") or {}).items())
    text = f"{made.get('network', '?')} on {made.get('hardware', '?')}, seed {made.get('seed', '?')} ({path})"
    return f"{text}\n   {overrides}" if overrides else text


def _rows(a: dict[str, Any], b: dict[str, Any]) -> list[list[str]]:
    from xbarsim.report.document import COST_FIELDS

    rows = []
    for name in _ACCURACY:
        one, two = ((document.get("accuracy") or {}).get(name) for document in (a, b))
        if _is_number(one) and _is_number(two):
            cells = [f"{100 * one:.2f}", f"{100 * two:.2f}", f"{100 * (two - one):+.2f}", _ratio(one, two)]
            rows.append([f"{'lost' if name == 'degradation' else f'accuracy, {name}'} [%]", *cells])
    if not rows and _metric_name(a) == _metric_name(b) is not None:
        rows += [_metric_row(name, a["metric"], b["metric"]) for name in _ACCURACY]
    for name in COST_FIELDS:
        one, two = a["cost"].get(name), b["cost"].get(name)
        if _is_number(one) or _is_number(two):
            rows.append(_cost_row(name, one, two))
    return rows


def _metric_name(document: dict[str, Any]) -> str | None:
    return (document.get("metric") or {}).get("name")


def _metric_row(name: str, a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    from xbarsim.report.quantity import show_number

    one, two, is_share = a.get(name), b.get(name), a.get("unit") == "%"
    heading = f"{a['name']}{' lost' if name == 'degradation' else f', {name}'}{' [%]' if is_share else ''}"
    if not (_is_number(one) and _is_number(two)):
        return [heading, "-", "-", "-", "-"]
    show = (lambda value: f"{100 * value:.2f}") if is_share else show_number
    return [heading, show(one), show(two), f"{'+' if two > one else ''}{show(two - one)}", _ratio(one, two)]


def _cost_row(name: str, one: Any, two: Any) -> list[str]:
    from xbarsim.report import describe_column

    column = describe_column(name, [one, two])
    if not (_is_number(one) and _is_number(two)):
        return [column.heading, column.show(one), column.show(two), "-", "-"]
    sign = "+" if two > one else ""
    return [column.heading, column.show(one), column.show(two), f"{sign}{column.show(two - one)}", _ratio(one, two)]


def _ratio(one: float, two: float) -> str:
    if not one:
        return "-"
    return f"{two / one:.3f}" if 1e-2 <= abs(two / one) < 1e4 else f"{two / one:.3e}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
