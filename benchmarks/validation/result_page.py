"""Reference page of all results, from the records that reports consist of.

    python benchmarks/validation/result_page.py

writes the tables of docs/keys/results.md.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xbarsim.config.keys import split_unit
from xbarsim.cost import ComponentCost, Cost, LayerCost
from xbarsim.inference import Accuracy, LayerError
from xbarsim.report import Provenance, Seconds
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.outputs import METRICS
from xbarsim.report.quantity import describe_column
from xbarsim.report.result import MetricResult
from xbarsim.timing import StepBound

PAGE = Path(__file__).resolve().parents[2] / "docs" / "keys" / "results.md"
MARKER = "<!-- results, written by python benchmarks/validation/result_page.py -->"
RECORDS: dict[str, tuple[type[Any], ...]] = {
    "report.cost": (Cost,),
    "report.accuracy": (Accuracy,),
    "report.metric": (MetricResult,),
    "report.layers": (LayerCost, LayerError),
    "report.components": (ComponentCost,),
    "report.bounds": (StepBound,),
    "report.seconds": (Seconds,),
    "report.provenance": (Provenance,),
}
"""Place in a report -> records, whose fields are attributes, columns of the table and keys of the JSON file."""
SHOWN = ("heading", "direction", "shown_loss", "shown_interval")
"""Properties that serve to display."""
NEEDS = {"cost": "network and hardware", "images": "images", "labels": "images and labels"}


class Field(NamedTuple):
    """One number of a result."""

    name: str
    unit: str
    meaning: str


def list_fields(cls: type[Any]) -> Iterator[Field]:
    """Yield the fields and properties of a record, with unit and description."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    for node, after in zip(tree.body, [*tree.body[1:], None]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = inspect.cleandoc(after.value.value) if isinstance(after, ast.Expr) else ""  # type: ignore
            yield Field(node.target.id, *_divide(text))
        elif isinstance(node, ast.FunctionDef) and node.name not in SHOWN and node.decorator_list:
            decorator = ast.unparse(node.decorator_list[0])
            if decorator.endswith("property") and not node.name.startswith("_"):
                yield Field(node.name, *_divide(ast.get_docstring(node) or ""))


def _divide(text: str) -> tuple[str, str]:
    """Return unit and meaning of a description whose unit may stand before its end."""
    meaning, unit = split_unit(text)
    found = None if unit else re.search(r" \[([^\[\]]+)\](?=[.;])", meaning)
    if found is not None:
        unit, meaning = found.group(1), meaning[: found.start()] + meaning[found.end() :]
    return unit, meaning


def write_tables() -> str:
    """Return the tables of the page."""
    parts = []
    for place, records in RECORDS.items():
        rows, known = ["| name | unit | meaning |", "|---|---|---|"], set()
        for field in (field for record in records for field in list_fields(record)):
            if field.name not in known:
                known.add(field.name)
                rows.append(f"| `{field.name}` | {field.unit} | {field.meaning.replace('``', '`')} |")
        parts.append(f"## `{place}`\n\n{describe_records(records)}\n\n" + "\n".join(rows))
    rows = ["| name | shown as | better | needs | in searches |", "|---|---|---|---|---|"]
    for name, metric in REPORT_METRICS.items():
        title = metric.title or describe_column(name.partition(".")[2], ()).title
        direction = "higher" if metric.higher_is_better else "lower"
        searched = "yes" if metric.is_searched else "no"
        rows.append(f"| `{name}` | {title} | {direction} | {NEEDS[metric.needs]} | {searched} |")
    for name in METRICS:
        direction = "higher" if METRICS[name].higher_is_better else "lower"
        title = (inspect.getdoc(METRICS[name]) or "").splitlines()[0]
        rows.append(f"| `{name}` | {title} | {direction} | {NEEDS['labels']} | yes |")
    title = "## Metrics of sweeps and searches"
    about = "Names for `metrics` of a sweep and, where stated, for `objectives` and `constraints` of a search."
    parts.append(f"{title}\n\n{about}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def describe_records(records: tuple[type[Any], ...]) -> str:
    """Return the first lines of the descriptions of records."""
    assert all(dataclasses.is_dataclass(record) for record in records)
    return " ".join((inspect.getdoc(record) or "").splitlines()[0] for record in records)


def write_page() -> str:
    """Return the page with its tables as they are now."""
    before, mark, _ = PAGE.read_text().partition(MARKER)
    assert mark, f"{PAGE}: no marker"
    return f"{before}{mark}\n\n{write_tables()}\n"


if __name__ == "__main__":
    PAGE.write_text(write_page())
    print(f"wrote {PAGE}")
