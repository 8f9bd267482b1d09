"""Two results side by side: rows of numbers, and a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from xbarsim.config.keys import show_value
from xbarsim.config.source import list_leaves, read_key
from xbarsim.report.document import COST_FIELDS
from xbarsim.report.markup import (
    Change,
    Head,
    lay_out_card,
    lay_out_figure,
    lay_out_heading,
    lay_out_pairs,
    lay_out_table,
    lay_out_text,
    render_frame,
)
from xbarsim.report.quantity import describe_column, list_unpriced, show_number
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, label_bars, new_figure, save_drawings, style
from xbarsim.store import write_file

if TYPE_CHECKING:
    from typing import TypeGuard

    from matplotlib.figure import Figure

Document = Mapping[str, Any]
"""A report as JSON."""
_ACCURACY = ("reference", "quantized", "hardware", "degradation")
_KEY_FIGURES = ("energy_joule", "delay_s", "area_m2", "core_area_m2", "edap", "edap_core")
_MOST_PARTS = 12


def compare_numbers(a: Document, b: Document) -> list[list[str]]:
    """List the numbers of two results.

    Parameters
    ----------
    a, b : mapping
        Reports as JSON.

    Returns
    -------
    list of list of str
        Name with unit, A, B, B - A and B / A; what only one has is ``-`` in the other.
    """
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


def list_differences(a: Document, b: Document) -> list[Change]:
    """List the keys in which the inputs of two results differ.

    Parameters
    ----------
    a, b : mapping
        Reports as JSON.

    Returns
    -------
    list of Change
        Network, hardware and seed, then keys of the hardware record where both have one, else overrides.
    """
    one, two = ((document.get("provenance") or {}) for document in (a, b))
    found = [
        Change(key=key, new=str(two.get(key)), old=str(one.get(key)))
        for key in ("network", "hardware", "network_hash", "seed", "version")
        if one.get(key) != two.get(key)
    ]
    part = "record" if one.get("record") and two.get("record") else "overrides"
    first, second = (_flatten(made.get(part) or {}) for made in (one, two))
    keys = [
        key
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key) and key.rpartition(".")[2] not in ("name", "source")
    ]
    more = [Change(key=key, new=show_value(second.get(key)), old=show_value(first.get(key))) for key in keys]
    return [*found, *more]


def write_comparison(a: Document, b: Document, folder: str | Path) -> Path:
    """Write ``index.html`` with figures of two results.

    Parameters
    ----------
    a, b : mapping
        Reports as JSON.
    folder : str or Path
        Folder to write into; made where missing.

    Returns
    -------
    Path
        The page; it opens offline.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    folder = Path(folder)
    drawings = save_drawings(lambda: draw_comparison(a, b), folder)
    names = [_name(document) for document in (a, b)]
    head = Head(
        title=f"{names[0]} against {names[1]}" if names[0] != names[1] else f"{names[0]}, two results",
        subtitle=f"A: {_describe(a)}. B: {_describe(b)}.",
        changes=(changes := list_differences(a, b)),
        lead="What B has in place of what A has:" if changes else "Both results have the same inputs.",
    )
    headings = ("", "A", "B", "B - A", "B / A")
    sections: list[str] = [
        lay_out_heading("Numbers"), lay_out_figure(drawings, "ratios"),
        lay_out_table(headings, compare_numbers(a, b), label="numbers of both"),
        lay_out_heading("By component"), lay_out_figure(drawings, "components"),
    ]  # fmt: skip
    for letter, document in (("A", a), ("B", b)):
        free = list_unpriced(document.get("unpriced") or {})
        if free:
            text = "; ".join(f"{name} ({count})" for name, count, _ in free)
            sections.append(lay_out_text(f"{letter} counts actions without a price: {text}.", is_soft=True))
    sections += [lay_out_heading("Provenance"), lay_out_pairs(_list_provenance(a, b), label="provenance")]
    return write_file(folder / "index.html", render_frame(head, _cards(a, b), sections))


def draw_comparison(a: Document, b: Document) -> dict[str, tuple[Figure, str]]:
    """Draw the ratios of key figures, and energy and area by component.

    Parameters
    ----------
    a, b : mapping
        Reports as JSON.

    Returns
    -------
    dict
        File name -> figure and what it shows.
    """
    drawn = {"ratios": (_plot_ratios(a, b), "Key figures of B relative to A; the line is no change")}
    if a.get("components") and b.get("components"):
        text = "Energy and area of the largest components, A above B"
        drawn["components"] = (_plot_components(a, b), text)
    return drawn


def _plot_ratios(a: Document, b: Document) -> Figure:
    found = {
        name: b["cost"][name] / a["cost"][name] for name in _KEY_FIGURES if a["cost"].get(name) and b["cost"].get(name)
    }
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH, 1.0 + 0.3 * max(len(found), 2))
        places = range(len(found))
        axes.barh(places, list(found.values()), height=0.6, color=PALETTE[0])
        label_bars(axes, [f"x {value:.3g}" for value in found.values()])
        axes.axvline(1.0, color=INK, linewidth=1.0)
        axes.set_yticks(places, [describe_column(name).title for name in found])
        axes.set_xlabel("B / A")
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
    return figure


def _plot_components(a: Document, b: Document) -> Figure:
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 0.9 + 0.36 * _MOST_PARTS, cols=2)
        for axes, name in zip(grid, ("energy_joule", "area_m2")):
            one, two = (
                {row["component"]: row.get(name) or 0.0 for row in document["components"]} for document in (a, b)
            )
            names = sorted(dict.fromkeys([*one, *two]), key=lambda part: -max(one.get(part, 0), two.get(part, 0)))
            names = [part for part in names[:_MOST_PARTS] if max(one.get(part, 0), two.get(part, 0)) > 0]
            column, places = describe_column(name, [*one.values(), *two.values()]), np.arange(len(names))
            for shift, values, colour, label in ((-0.19, one, PALETTE[6], "A"), (0.19, two, PALETTE[0], "B")):
                scaled = [values.get(part, 0.0) * column.factor for part in names]
                axes.barh(places + shift, scaled, height=0.36, color=colour, label=label)
            axes.set_yticks(places, names)
            axes.set(title=column.title, xlabel=column.unit)
            axes.invert_yaxis()
            axes.grid(axis="y", visible=False)
            axes.legend()
    return figure


def _cards(a: Document, b: Document) -> Iterable[Markup]:
    rows = [row for row in compare_numbers(a, b) if row[0].startswith(("accuracy, hardware", "lost"))]
    for number, (title, one, two, less, _) in enumerate(rows[:2]):
        yield lay_out_card(title, f"{one} to {two}", [f"{less} points"], is_first=not number)
    for name in _KEY_FIGURES:
        one, two = a["cost"].get(name), b["cost"].get(name)
        if not (_is_number(one) and _is_number(two)):
            continue
        column = describe_column(name, [one, two])
        lines = [f"x {_ratio(one, two)}", _name_mover(a, b, name)]
        is_first = not rows and name == _KEY_FIGURES[0]
        text = f"{column.show(one)} to {column.show(two)} {column.unit}".strip()
        yield lay_out_card(column.title, text, lines, is_first=is_first)


def _name_mover(a: Document, b: Document, name: str) -> str:
    """Say which component changes a sum most; nothing for what is no sum over components."""
    if name not in ("energy_joule", "area_m2"):
        return ""
    one, two = ({row["component"]: row.get(name) or 0.0 for row in document["components"]} for document in (a, b))
    moved = {part: two.get(part, 0.0) - one.get(part, 0.0) for part in dict.fromkeys([*one, *two])}
    part = max(moved, key=lambda each: abs(moved[each]), default="")
    if not part or not moved[part]:
        return "No component changes it."
    column = describe_column(name, [moved[part]])
    return f"{part} changes most: {'+' if moved[part] > 0 else ''}{column.show(moved[part])} {column.unit}."


def _list_provenance(a: Document, b: Document) -> Iterator[tuple[str, str]]:
    for letter, document in (("A", a), ("B", b)):
        made = document.get("provenance") or {}
        for key in ("version", "network_hash", "hardware_hash", "seed"):
            yield f"{letter}, {key.replace('_', ' ')}", str(made.get(key, "-"))


def _name(document: Document) -> str:
    made = document.get("provenance") or {}
    return f"{made.get('network', '?')} on {made.get('hardware', '?')}"


def _describe(document: Document) -> str:
    made = document.get("provenance") or {}
    accuracy = document.get("accuracy") or {}
    how = f"{accuracy['images']} images" if "images" in accuracy else "without data"
    return f"{_name(document)}, {how}, seed {made.get('seed', '?')}, xbarsim {made.get('version', '?')}"


def _flatten(content: Mapping[str, Any]) -> dict[str, Any]:
    keys = [leaf.removeprefix(".") for leaf in list_leaves(content, "")] if content else []
    return {key: content[key] if key in content else read_key(content, key) for key in keys}


def _metric_name(document: Document) -> str | None:
    return (document.get("metric") or {}).get("name")


def _metric_row(name: str, a: Document, b: Document) -> list[str]:
    one, two, is_share = a.get(name), b.get(name), a.get("unit") == "%"
    heading = f"{a['name']}{' lost' if name == 'degradation' else f', {name}'}{' [%]' if is_share else ''}"
    if not (_is_number(one) and _is_number(two)):
        return [heading, "-", "-", "-", "-"]
    show = (lambda value: f"{100 * value:.2f}") if is_share else show_number
    return [heading, show(one), show(two), f"{'+' if two > one else ''}{show(two - one)}", _ratio(one, two)]


def _cost_row(name: str, one: Any, two: Any) -> list[str]:
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
