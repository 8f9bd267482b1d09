"""The page of a search: the chosen design with its trades, charts to explore, the front and the layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from xbarsim import __version__
from xbarsim.config.keys import show_value
from xbarsim.config.load import load_hardware
from xbarsim.config.source import read_key
from xbarsim.errors import ConfigError
from xbarsim.report.best import Designs, describe_best, show_metric
from xbarsim.report.catalogue import describe_metric
from xbarsim.report.explore import Exploration, Explored, lay_out_exploration
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
from xbarsim.report.style import Drawing
from xbarsim.search.task import ACCURACY
from xbarsim.search.trace import tabulate_traces
from xbarsim.store import write_file

if TYPE_CHECKING:
    from xbarsim.search.result import Result

_MOST_ROWS = 40
_NOTES = {
    "front": "All designs, those that no other beats, designs for comparison and the chosen one",
    "architecture": "What the chosen design has in each layer",
    "baselines": "Best value found after each point: median over seeds, and the range of all of them",
}


def write_search_page(result: Result, folder: Path, drawings: Mapping[str, Drawing]) -> Path:
    """Write ``index.html`` of a finished search.

    Parameters
    ----------
    result : Result
        What the search found; with a front.
    folder : Path
        Folder of the search.
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.

    Returns
    -------
    Path
        The page; it opens offline.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    return write_file(folder / "index.html", render_search(result, drawings))


def describe_figure(name: str) -> str:
    """Return what a figure of a search shows, by its file name."""
    return _NOTES[name]


def render_search(result: Result, drawings: Mapping[str, Drawing]) -> str:
    """Return the page as text.

    Parameters
    ----------
    result : Result
        What the search found; with a front.
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.

    Returns
    -------
    str
        One HTML document.
    """
    rows = _list_rows(result)
    sections: list[str] = []
    exploration = _explore(result, rows)
    if exploration is not None:
        sections.append(exploration.section)
    sections += [lay_out_heading("The front"), lay_out_figure(drawings, "front"), _front_table(result, rows)]
    sections += [lay_out_heading("The chosen design, layer by layer"), lay_out_figure(drawings, "architecture")]
    sections.append(_layer_table(result))
    if result.traces:
        sections += [lay_out_heading("Against other methods"), lay_out_figure(drawings, "baselines")]
        sections.append(_trace_table(result))
    failed = [entry for entry in result.entries if entry.metrics is None]
    if failed:
        text = f"{len(failed):,} designs could not be evaluated; the first: {failed[0].error}"
        sections += [lay_out_heading("Designs that failed"), lay_out_text(text)]
    sections += [lay_out_heading("The search"), lay_out_pairs(_describe_search(result), label="the search")]
    if exploration is None:
        return render_frame(_describe_head(result), _cards(result, rows), sections)
    return render_frame(
        _describe_head(result), _cards(result, rows), sections, styles=exploration.styles, scripts=exploration.scripts
    )


def _list_rows(result: Result) -> dict[int, dict[str, Any]]:
    """List evaluated designs by number: name and metrics."""
    front, chosen = set(result.front), result.chosen
    rows = {}
    for number, entry in enumerate(result.entries):
        if entry.metrics is None:
            continue
        role = "chosen" if number == chosen else "front" if number in front else "other"
        name = entry.label or f"design {number}"
        rows[number] = {"point": str(number), "design": name, "role": role, **entry.metrics}
    return rows


def _describe_head(result: Result) -> Head:
    search = result.search
    network, hardware = Path(search.network).stem, Path(search.hardware).stem
    try:
        base: Any = load_hardware(search.hardware)
    except ConfigError:  # the file is gone: what it had is not known
        base = None
    changes = []
    for glob, choices in search.space.items():
        for key, options in choices.items():
            shown = ", ".join(map(_write_option, options)) if isinstance(options, (list, tuple)) else str(options)
            changes.append(Change(key=f"{glob}: {key}", new=shown, old=_show_base(base, key)))
    changes += [Change(key=key, new=show_value(new), old=_show_base(base, key)) for key, new in search.set.items()]
    goals = ", ".join(f"{way} {describe_metric(name).title}" for name, way in search.goals.items())
    return Head(
        title=f"Search ({search.method}): {network} on {hardware}",
        subtitle=f"{len(result.entries):,} of {result.space.count:.3g} designs evaluated for {goals}, "
        f"seed {search.seed}, xbarsim {__version__}",
        changes=changes,
        lead=f"What the search may change of the hardware file {hardware} and of the network:",
    )


def _write_option(option: Any) -> str:
    if isinstance(option, (list, tuple)):
        return " x ".join(map(_write_option, option))
    return show_value(option)


def _show_base(base: Any, key: str) -> str | None:
    if key == "array" and base is not None:
        return f"{base.crossbar.rows} x {base.crossbar.cols}"
    found = None if base is None else read_key(base, key)
    return None if found is None else show_value(found)


def _cards(result: Result, rows: Mapping[int, Mapping[str, Any]]) -> Iterable[Markup]:
    search, goals = result.search, list(result.search.goals)
    chosen = rows[result.chosen]
    feasible = [row for number, row in rows.items() if number in set(result.front) or _keeps(result, row)]
    designs = Designs(rows=feasible, names=(), goals=goals)
    best = describe_best(chosen, designs, _explain_rule(result))
    yield lay_out_card(f"chosen design: {chosen['design']}", best.values, [best.rule, *best.trades], is_first=True)
    for name in result.shown:
        if name not in goals and name in chosen:
            yield lay_out_card(describe_metric(name).title, show_metric(name, chosen[name]), ["of the chosen design"])
    named = [row for row in feasible if result.entries[int(row["point"])].label and row is not chosen]
    if named:
        rival = Designs(rows=named, names=(), goals=goals)
        other = rival.find_best(goals[-1])
        text = designs.compare(chosen, other, goals[-1]).partition(": ")[2]
        title = f"against the best design for comparison by {describe_metric(goals[-1]).title}"
        yield lay_out_card(title, other["design"], [f"The chosen design: {text}"])
    about = [f"{len(result.front)} designs that no other beats"]
    if search.constraints:
        about.append(f"Constraints: {_write_constraints(result)}")
    yield lay_out_card("designs evaluated", f"{len(result.entries):,} of {result.space.count:.3g}", about)


def _explain_rule(result: Result) -> str:
    goals = list(result.search.goals)
    if len(goals) == 1:
        return f"The best {describe_metric(goals[0]).title} of all designs that keep the constraints."
    if ACCURACY in goals:
        other = next(name for name in goals if name != ACCURACY)
        return f"The best {describe_metric(other).title} of the front within 1 point of its best accuracy."
    return "The design of the front nearest to all single bests at once."


def _keeps(result: Result, row: Mapping[str, Any]) -> bool:
    for name, bound in result.search.constraints.items():
        value = row.get(name)
        if value is None or (bound.max is not None and value > bound.max):
            return False
        if bound.min is not None and value < bound.min:
            return False
    return True


def _write_constraints(result: Result) -> str:
    found = []
    for name, bound in result.search.constraints.items():
        for word, value in (("at least", bound.min), ("at most", bound.max)):
            if value is not None:
                column = describe_metric(name, [value])
                found.append(f"{column.title} {word} {column.show(float(value))} {column.unit}".strip())
    return ", ".join(found)


def _explore(result: Result, rows: Mapping[int, Mapping[str, Any]]) -> Exploration | None:
    goals = list(result.search.goals)
    listed = list(rows.values())
    metrics = [name for name in result.shown if all(name in row for row in listed)]
    if len(listed) < 2 or goals[0] not in metrics:
        return None
    numbered = [{**row, "order": number} for number, row in rows.items()]
    pairs = [(price, goals[0]) for price in metrics if price != goals[0]][:2]
    pairs.append(("order", goals[0]))
    front, chosen = set(result.front), result.chosen
    places = {number: at for at, number in enumerate(rows)}
    explored = Explored(
        rows=numbered, settings=("design", "role", "order"), metrics=metrics, pairs=pairs,
        front=[places[number] for number in front], best=places[chosen],
    )  # fmt: skip
    return lay_out_exploration(explored)


def _front_table(result: Result, rows: Mapping[int, Mapping[str, Any]]) -> Markup:
    names = [name for name in result.shown if name in rows[result.chosen]]
    numbers = sorted(result.front, key=lambda number: rows[number][names[0]])
    columns = {name: describe_metric(name, [rows[number][name] for number in numbers]) for name in names}
    shown = [
        [rows[number]["design"], rows[number]["role"], *(columns[name].show(rows[number][name]) for name in names)]
        for number in numbers[:_MOST_ROWS]
    ]
    headings = ["design", "", *(column.heading for column in columns.values())]
    table = lay_out_table(headings, shown, text_columns=(1,), label="the front")
    if len(numbers) <= _MOST_ROWS:
        return table
    return table + lay_out_text(f"and {len(numbers) - _MOST_ROWS} more; see front.csv", is_soft=True)


def _layer_table(result: Result) -> Markup:
    layers = result.tabulate_layers(result.chosen)
    names = [key for key in layers[0] if key != "removed"]
    shown = [
        ["left out" if row["removed"] and key not in ("layer", "kind") else _write_cell(row[key]) for key in names]
        for row in layers
    ]
    return lay_out_table(names, shown, text_columns=range(1, len(names)), label="layers of the chosen design")


def _write_cell(value: Any) -> str:
    return "-" if value is None else _write_option(value)


def _trace_table(result: Result) -> Markup:
    rows = tabulate_traces(result.search, result.traces)
    headings = [str(key).replace("_", " ") for key in rows[0]]
    shown = [
        [f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value) for value in row.values()]
        for row in rows
    ]
    return lay_out_table(headings, shown, label="methods compared")


def _describe_search(result: Result) -> Iterable[tuple[str, Any]]:
    for name, value in result.search.model_dump(mode="json", exclude_defaults=True).items():
        if name not in ("space", "set"):
            yield name.replace("_", " "), show_value(value)
