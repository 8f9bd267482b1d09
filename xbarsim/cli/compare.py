"""``xbarsim compare``: two results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xbarsim.cli import _options, _outputs
from xbarsim.errors import ConfigError


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="JSON file written with --json; -: standard input.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Second JSON file.")],
    report: _options.ReportFolder = None,
) -> None:
    """Compare two results written with --json."""
    from xbarsim.cli._tables import make_console, new_table, unpriced_lines
    from xbarsim.report import read_json
    from xbarsim.report.comparison import compare_numbers, write_comparison

    _outputs.check_outputs(None, report)
    if str(first) == str(second) == "-":
        raise ConfigError("A.json and B.json: both are -; only one can come from standard input")
    a, b = (read_json("/dev/stdin" if str(path) == "-" else path) for path in (first, second))
    console = make_console()
    for letter, path, document in (("A", first, a), ("B", second, b)):
        console.print(f"{letter}: {_describe(path, document)}")
    console.print()
    table = new_table("", [("", "left"), ("A", "right"), ("B", "right"), ("B - A", "right"), ("B / A", "right")])
    for row in compare_numbers(a, b):
        table.add_row(*row)
    console.print(table)
    for letter, document in (("A", a), ("B", b)):
        for line in unpriced_lines(document.get("unpriced") or {}):
            console.print(f"{letter}: {line}")
    if report is not None:
        _options.show_written([write_comparison(a, b, report)])


def _describe(path: Path, document: dict[str, Any]) -> str:
    made = document.get("provenance") or {}
    overrides = ", ".join(f"{key}={value}" for key, value in (made.get("overrides") or {}).items())
    text = f"{made.get('network', '?')} on {made.get('hardware', '?')}, seed {made.get('seed', '?')} ({path})"
    return f"{text}\n   {overrides}" if overrides else text
