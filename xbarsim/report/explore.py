"""Charts of many designs that can be explored: named by pointing, filtered, and linked to each other.

Vega draws them (University of Washington, BSD licence, ``vega/vega.min.js``); ``explore.js`` links them. Both are part
of the page, which needs no network; without script, it shows the figures and tables alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from markupsafe import Markup

from xbarsim.report.best import name_design
from xbarsim.report.catalogue import describe_metric
from xbarsim.report.markup import fit_table, render_template
from xbarsim.report.quantity import Column
from xbarsim.report.style import PALETTE

MOST_DESIGNS = 4000
"""Designs that a page holds for exploring; of more, the front, the best one and every n-th."""
_MOST_LEVELS = 12
_MOST_ROWS = 40
_WIDE_RANGE = 10.0
_HINT = "No design is pointed at."


@dataclass(frozen=True, kw_only=True, eq=False)
class Explored:
    """Designs, and what is drawn of them."""

    rows: Sequence[Mapping[Any, Any]]
    """Settings and metrics of each design by column; ``design`` names it where there is such a column."""
    settings: Sequence[str]
    """Columns that tell designs apart."""
    metrics: Sequence[str]
    """Columns with numbers, names of metrics."""
    pairs: Sequence[tuple[str, str]]
    """Horizontal and vertical column of each chart."""
    front: Sequence[int] = field(default=())
    """Rows that no other beats."""
    best: int | None = None
    """Row of the best design."""

    @property
    def columns(self) -> dict[str, Column]:
        """How every column is shown."""
        found = {name: Column(title=name, unit="", factor=1.0) for name in self.settings}
        return found | {name: describe_metric(name, [row[name] for row in self.rows]) for name in self.metrics}


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """Pieces of a page."""

    section: Markup
    """Section of the page, hidden until its script runs."""
    styles: str
    """Rules of its style."""
    scripts: tuple[str, ...]
    """Scripts of the page."""


def lay_out_exploration(explored: Explored) -> Exploration:
    """Lay out charts that can be explored.

    Parameters
    ----------
    explored : Explored
        Designs and columns.

    Returns
    -------
    Exploration
        Section, style and scripts, for :func:`~xbarsim.report.markup.render_frame`.
    """
    picked = _pick_rows(explored)
    rows, columns = [explored.rows[number] for number in picked], explored.columns
    names = [*explored.settings, *explored.metrics]
    cut = f" The page holds {len(rows):,} of {len(explored.rows):,} designs." if len(rows) < len(explored.rows) else ""
    data: dict[str, Any] = {
        "columns": [
            {"heading": columns[name].heading, "factor": columns[name].factor,
             "kind": "metric" if name in explored.metrics else "setting"} for name in names
        ],
        "rows": [[_plain(row.get(name)) for name in names] for row in rows],
        "shown": [[columns[name].show(_plain(row.get(name))) for name in names] for row in rows],
        "names": [str(row["design"]) if "design" in row else name_design(row, explored.settings) for row in rows],
        "front": [at for at, number in enumerate(picked) if number in set(explored.front)],
        "best": picked.index(explored.best) if explored.best in picked else None,
        "most": _MOST_ROWS,
        "hint": _HINT,
        "specs": [_draw_chart(explored, names, pair) for pair in explored.pairs],
    }  # fmt: skip
    metrics = [at for at, name in enumerate(names) if name in explored.metrics]
    headings = [columns[name].heading for name in explored.metrics]
    cells = [[name, *(shown[at] for at in metrics)] for name, shown in zip(data["names"], data["shown"])]
    section = render_template(
        "explore.html", cut=cut, filters=_list_filters(rows, names, columns),
        charts=[{"title": f"{columns[y].title} against {columns[x].title}"} for x, y in explored.pairs],
        headings=headings, fit=fit_table(["design", *headings], cells), data=_embed_json(data),
    )  # fmt: skip
    return Exploration(
        section=section, styles=_read("explore.css"), scripts=(_read("vega/vega.min.js"), _read("explore.js"))
    )


def _pick_rows(explored: Explored) -> list[int]:
    count = len(explored.rows)
    if count <= MOST_DESIGNS:
        return list(range(count))
    step = -(-count // MOST_DESIGNS)
    marked = {*explored.front, *([] if explored.best is None else [explored.best])}
    return sorted({*range(0, count, step), *marked})


def _list_filters(
    rows: Sequence[Mapping[Any, Any]], names: Iterable[str], columns: Mapping[str, Column]
) -> list[dict[str, Any]]:
    """List what designs can be filtered by: a choice where there are few values, else a range."""
    filters = []
    for at, name in enumerate(names):
        values = list(dict.fromkeys(_plain(row.get(name)) for row in rows))
        is_setting, heading = columns[name].unit == "" and columns[name].title == name, columns[name].heading
        if is_setting and len(values) <= _MOST_LEVELS:
            order = sorted(
                values, key=lambda value: (isinstance(value, str), value is None, value if value is not None else 0)
            )
            levels = [{"value": _write(value), "text": columns[name].show(value)} for value in order]
            filters.append({"at": at, "heading": heading, "levels": levels})
        elif all(value is None or isinstance(value, (int, float)) for value in values):
            filters.append({"at": at, "heading": heading, "levels": None})
    return filters


def _draw_chart(explored: Explored, names: Sequence[str], pair: tuple[str, str]) -> dict[str, Any]:
    """Return the Vega specification of one scatter chart over the data sets ``all`` and ``kept``."""
    fields = [f"c{names.index(name)}" for name in pair]
    scales = [_scale(explored, pair[0], fields[0], "x"), _scale(explored, pair[1], fields[1], "y")]
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor"}
    columns = explored.columns
    axes = [
        {"orient": side, "scale": axis, "title": columns[name].heading, "grid": True, "gridOpacity": 0.25,
         "gridColor": PALETTE[6], "tickColor": "currentColor", "labelOverlap": True, "tickCount": 5,
         "labelFontSize": 11, "titleFontSize": 12, **text, **_label(columns[name])}
        for side, axis, name in (("bottom", "x", pair[0]), ("left", "y", pair[1]))
    ]  # fmt: skip
    place = {axis: {"scale": axis, "field": name} for axis, name in zip("xy", fields)}
    is_chosen, is_hovered = "indexof(chosen, datum.id) >= 0", "datum.id === hovered"
    dots = {
        "type": "symbol", "from": {"data": "shown"}, "aria": False,
        "encode": {"update": {
            **place, "cursor": {"value": "pointer"}, "strokeWidth": {"signal": f"{is_hovered} ? 3 : 1.5"},
            "size": {"signal": f"{is_chosen} ? 190 : {is_hovered} ? 150 : 55"},
            "fill": {"signal": f"{is_chosen} ? '{PALETTE[1]}' : datum.front ? '{PALETTE[0]}' : '{PALETTE[6]}'"},
            "opacity": {"signal": f"!length(chosen) || {is_chosen} || {is_hovered} ? 0.95 : 0.5"},
            "stroke": {"signal": f"{is_chosen} || {is_hovered} ? 'currentColor' : 'transparent'"},
            "tooltip": {"field": "name"},
        }},
    }  # fmt: skip
    known = f"isValid(datum.{fields[0]}) && isValid(datum.{fields[1]})"
    order = {"type": "collect", "sort": {"field": ["front"], "order": ["ascending"]}}
    return {
        "width": 300, "height": 260, "autosize": {"type": "fit", "contains": "padding"}, "background": "transparent",
        "usermeta": {"x": fields[0]}, "description": f"{columns[pair[1]].title} against {columns[pair[0]].title}",
        "signals": [{"name": "chosen", "value": []}, {"name": "hovered", "value": None}],
        "data": [{"name": "all"}, {"name": "kept"},
                 {"name": "shown", "source": "kept", "transform": [{"type": "filter", "expr": known}, order]}],
        "scales": scales, "axes": axes, "marks": [dots],
    }  # fmt: skip


def _scale(explored: Explored, name: str, place: str, axis: str) -> dict[str, Any]:
    values = [_plain(row.get(name)) for row in explored.rows]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    side = "width" if axis == "x" else "height"
    base = {"name": axis, "domain": {"data": "all", "field": place}, "range": side}
    if len(numbers) < len([value for value in values if value is not None]):
        return {**base, "type": "point", "padding": 0.5}
    is_share = explored.columns[name].unit == "%"
    is_log = bool(numbers) and not is_share and min(numbers) > 0 and max(numbers) > _WIDE_RANGE * min(numbers)
    return {**base, "type": "log" if is_log else "linear", "zero": False, "nice": not is_log, "padding": 12}


def _label(column: Column) -> dict[str, Any]:
    """Return how an axis writes its numbers: in the unit of the column."""
    if column.factor == 1.0 and not column.unit:
        return {}
    number = f"datum.value * {column.factor!r}"
    return {"encode": {"labels": {"update": {"text": {"signal": f"format({number}, '.3~g')"}}}}}


def _plain(value: Any) -> Any:
    """Return a cell as JSON knows it."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return (int(value) if value.is_integer() and abs(value) < 2**53 else value) if math.isfinite(value) else None
    return str(value)


def _write(value: Any) -> str:
    """Write a value as JavaScript does."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, (int, float)) else str(value)


def _embed_json(data: Any) -> Markup:
    """Write JSON that no tag can end."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _read(name: str) -> str:
    return resources.files("xbarsim.report").joinpath(name).read_text(encoding="utf-8")
