"""The page of a sweep: progress, figures, best points, failures and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from xbarsim.config.keys import show_value
from xbarsim.config.load import load_hardware
from xbarsim.config.source import read_key
from xbarsim.errors import ConfigError
from xbarsim.report.best import choose_best, name_design
from xbarsim.report.catalogue import describe_metric, find_metric
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
from xbarsim.report.style import Drawing, save_drawings
from xbarsim.store import write_file
from xbarsim.sweep import figures
from xbarsim.sweep.analysis import Effect, Factor, find_factors, rank_effects
from xbarsim.sweep.answer import answer_question
from xbarsim.sweep.store import Stored, read_store
from xbarsim.sweep.table import tabulate_points

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_WORTH = ("accuracy.hardware", "accuracy.degradation")
_PRICES = (
    "cost.edap", "cost.edap_core", "cost.energy_joule", "cost.delay_s", "cost.area_m2", "cost.core_area_m2",
)  # fmt: skip
_COST_PAIRS = (
    ("cost.delay_s", "cost.energy_joule"),
    ("cost.area_m2", "cost.energy_joule"),
    ("cost.area_m2", "cost.delay_s"),
)
_MOST_PANELS, _MOST_ROWS = 3, 30
_NOTES = {
    "lines": "Where a point is one simulation, the band is its 95 % interval over images and chips. Where it is a mean "
    "over designs that differ in parameters that are not drawn, dots show them.",
    "heat": "The two parameters that move the metrics most; mean over everything else.",
    "front": "Every point; the marked ones are beaten by no other in both directions.",
    "sensitivity": "How much of a metric's variance each parameter's mean effect explains, and between which values it "
    "moves the mean. The rest to 100 % is due to interactions between parameters, and to noise.",
}


def write_sweep_page(folder: str | Path) -> Path:
    """Draw the figures of a finished or running sweep and write ``index.html``.

    Parameters
    ----------
    folder : str or Path
        Folder of the sweep; figures go to its subfolder ``figures``.

    Returns
    -------
    Path
        The page; it opens offline.

    Raises
    ------
    ConfigError
        If the folder holds no sweep, no point is finished, or it cannot be written.
    """
    folder = Path(folder)
    stored = read_store(folder)
    table = tabulate_points(stored.document, stored.results, pending=True)
    done = table[table["status"] == "done"]
    if not len(done):
        failed = next((result.error for result in stored.results.values() if not result.is_done), None)
        raise ConfigError(f"{folder}: no point is finished yet{f'; the first that failed: {failed}' if failed else ''}")
    factors = find_factors(done, stored.document)
    metrics = list(stored.document["metrics"])
    try:
        drawings = save_drawings(lambda: draw_figures(done, factors, metrics), folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return write_file(folder / "index.html", render_sweep(stored, table, factors, drawings))


def draw_figures(done: pd.DataFrame, factors: list[Factor], metrics: list[str]) -> dict[str, tuple[Figure, str]]:
    """Draw every figure that a sweep has data for.

    Parameters
    ----------
    done : pandas.DataFrame
        One row a finished point.
    factors : list of Factor
        What varies.
    metrics : list of str
        Columns to show.

    Returns
    -------
    dict
        File name -> figure and what it shows.
    """
    ends = {end for name in metrics for end in find_metric(name).interval or ()}
    metrics = [name for name in metrics if done[name].notna().any() and name not in ends]
    effects = _effects(done, factors, metrics)
    drawn: dict[str, tuple[Figure, str]] = {}
    ranked = _rank_factors(effects, factors)
    if effects:
        drawn["sensitivity"] = (figures.plot_sensitivity(effects), _NOTES["sensitivity"])
    few = [factor for factor in ranked if factor.levels <= figures.MOST_LINES]
    few.sort(key=lambda factor: factor.name not in ("network", "hardware"))
    along = ([factor for factor in ranked if factor.is_number] or ranked)[:_MOST_PANELS]
    told = "accuracy.hardware" in metrics
    for metric in [name for name in metrics if not (told and name == "accuracy.degradation")] if along else []:
        by = next((factor for factor in few if [factor] != along), None)
        name = f"lines_{metric.replace('.', '_')}"
        drawn[name] = (figures.plot_lines(done, metric, along, by), f"{_title(metric)}. {_NOTES['lines']}")
    mapped = sorted(ranked, key=lambda factor: not factor.is_number)[:2]
    if len(mapped) == 2 and metrics:
        across, up = mapped
        drawn["heat"] = (figures.plot_heat(done, _main_metrics(metrics), across, up), _NOTES["heat"])
    pairs = choose_pairs(metrics)
    if pairs and len(done) > 1:
        drawn["front"] = (figures.plot_front(done, pairs, few[0] if few else None), _NOTES["front"])
    return drawn


def choose_pairs(metrics: list[str]) -> list[tuple[str, str]]:
    """Choose what is drawn against what: cost against accuracy, else costs against each other."""
    worth = next((name for name in _WORTH if name in metrics), None)
    if worth is not None:
        return [(price, worth) for price in _PRICES if price in metrics][:2]
    return [pair for pair in _COST_PAIRS if set(pair) <= set(metrics)][:2]


def render_sweep(stored: Stored, table: pd.DataFrame, factors: list[Factor], drawings: Mapping[str, Drawing]) -> str:
    """Return the page as text.

    Parameters
    ----------
    stored : Stored
        The sweep.
    table : pandas.DataFrame
        One row a point, pending ones included.
    factors : list of Factor
        What varies.
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.

    Returns
    -------
    str
        One HTML document.
    """
    document = stored.document
    made = document["provenance"]
    done = table[table["status"] == "done"]
    metrics = [name for name in document["metrics"] if done[name].notna().any()]
    sections: list[str] = []
    values = {key: result.value or {} for key, result in stored.results.items() if result.is_done}
    answer = answer_question(document, values)
    if answer is not None:
        sections += [lay_out_heading("Answer"), lay_out_text(answer[1])]
    for title, prefix in (("Sensitivity", "sensitivity"), ("Along the parameters", "lines"),
                          ("Two parameters together", "heat"), ("What it costs", "front")):  # fmt: skip
        found = [lay_out_figure(drawings, name) for name in drawings if name.startswith(prefix)]
        sections += [lay_out_heading(title), *found] if found else []
    pairs = choose_pairs(metrics)
    if pairs:
        front = _front_table(done, factors, metrics, pairs[0])
        sections += [lay_out_heading("Points that no other beats"), front]
    failed = table[table["status"] == "failed"]
    if len(failed):
        sections += [lay_out_heading("Points that failed"), _failures(failed, factors)]
    sections += [lay_out_heading("The sweep"), lay_out_pairs(_describe_sweep(document["sweep"]), label="the sweep")]
    provenance = lay_out_pairs(_describe_provenance(made), label="provenance")
    sections += [lay_out_heading("Provenance"), provenance]
    names = [factor.name for factor in factors]
    exploration = _explore(done, names, metrics)
    cards = [*_best_cards(done, names, metrics, answer[0].point if answer else None), *_cards(table, factors, metrics)]
    head = _describe_head(document, len(table))
    if exploration is None:
        return render_frame(head, cards, sections)
    sections.insert(2 if answer is not None else 0, exploration.section)
    return render_frame(head, cards, sections, styles=exploration.styles, scripts=exploration.scripts)


def _explore(done: pd.DataFrame, names: Iterable[str], metrics: list[str]) -> Exploration | None:
    """Lay out the points as charts to explore: what they cost against what they are worth, and along a parameter."""
    own, pairs = list(names), choose_pairs(metrics)
    if len(done) < 2 or not own or not metrics:
        return None
    rows, front = done.reset_index(drop=True), []
    if pairs:
        known = rows[rows[pairs[0][0]].notna() & rows[pairs[0][1]].notna()]
        front = [int(number) for part in figures.find_fronts(known, *pairs[0]) for number in part.index]
    numbers = [name for name in own if name not in ("network", "hardware")] or own
    drawn = list(dict.fromkeys([*pairs, *((numbers[0], name) for name in _main_metrics(metrics))]))[:_MOST_PANELS]
    explored = Explored(rows=rows.to_dict("records"), settings=own, metrics=metrics, pairs=drawn, front=front)
    return lay_out_exploration(explored)


def _describe_head(document: Mapping[str, Any], points: int) -> Head:
    """Say what was swept, and what the files have for the keys that it changes."""
    sweep, made = document["sweep"], document["provenance"]
    changes = [
        Change(key=key, new=_write_setting(value), old=_find_base(sweep["hardware"], key))
        for part in ("axes", "set")
        for key, value in (sweep.get(part) or {}).items()
    ]
    changes += [
        Change(key=f"{glob}: {key}", new=_write_setting(value), old=_find_base(sweep["hardware"], key))
        for glob, settings in (sweep.get("layers") or {}).items()
        for key, value in settings.items()
    ]
    names = [", ".join(Path(name).stem for name in sweep[key]) for key in ("network", "hardware")]
    used = f"{sweep['images']} images" if sweep.get("images") else f"images of {Path(str(sweep['data'])).name}"
    how = f"{used}, {made['trials']} chips a point" if sweep.get("data") else "costs alone, without data"
    return Head(
        title=f"Sweep: {names[0]} on {names[1]}",
        subtitle=f"A sweep of {points:,} points, {how}, seed {made['seed']}, xbarsim {made['version']}",
        changes=changes,
        lead=f"What differs from the hardware file{'s' * (len(sweep['hardware']) > 1)} {names[1]}:" if changes else "",
    )


def _find_base(hardware: Iterable[str], key: str) -> str | None:
    """Return what the hardware files have for a key; None where they cannot be read any more, or have nothing."""
    found = []
    for name in hardware:
        try:
            found.append(read_key(load_hardware(name), key.rpartition(":")[2]))
        except ConfigError:
            return None
    shown = dict.fromkeys(show_value(value) for value in found if value is not None)
    return ", ".join(shown) or None


def _best_cards(done: pd.DataFrame, names: Iterable[str], metrics: list[str], point: str | None) -> Iterable[Markup]:
    """Lay out the best design of each network with its trades."""
    found = {
        "worth": next((name for name in _WORTH if name in metrics), None),
        "price": next((name for name in _PRICES if name in metrics), None),
    }
    goals = {key: name for key, name in found.items() if name is not None}
    groups = list(done.groupby("network", sort=False))
    own = [name for name in names if name != "network"]
    for number, (network, rows) in enumerate(groups[:_MOST_PANELS]):
        best = choose_best(rows.to_dict("records"), own, goals, point)
        if best is not None:
            title = f"best design{f' for {network}' if len(groups) > 1 else ''}: {best.values}"
            rule = best.rule or "It answers the question of the sweep."
            yield lay_out_card(title, best.design, [rule, *best.trades], is_first=not number)


def _cards(table: pd.DataFrame, factors: list[Factor], metrics: list[str]) -> Iterable[Markup]:
    counts = table["status"].value_counts()
    done, failed, pending = (int(counts.get(name, 0)) for name in ("done", "failed", "pending"))
    more = [f"{failed:,} points failed" if failed else "", f"{pending:,} still to come" if pending else ""]
    yield lay_out_card("points done", f"{done:,} of {len(table):,}", more)
    if table["network"].nunique() > 1:
        return  # numbers of different networks cannot be compared
    rows = table[table["status"] == "done"].to_dict("records")
    varied = [factor.name for factor in factors]
    for name in metrics:
        column, pick = describe_metric(name, table[name]), max if find_metric(name).higher_is_better else min
        row = pick((row for row in rows if row[name] == row[name]), key=lambda row: row[name])
        text = f"{column.show(float(row[name]))} {column.unit}".strip()
        word = "highest" if find_metric(name).higher_is_better else "lowest"
        yield lay_out_card(f"{word} {column.title}", text, [name_design(row, varied)])


def _front_table(done: pd.DataFrame, factors: list[Factor], metrics: list[str], pair: tuple[str, str]) -> Markup:
    import pandas as pd

    cost, worth = pair
    rows = done[done[cost].notna() & done[worth].notna()]
    front = pd.concat(figures.find_fronts(rows, cost, worth))
    columns = {name: describe_metric(name, rows[name]) for name in metrics}
    headings = [factor.name for factor in factors] + [column.heading for column in columns.values()]
    picked = np.unique(np.linspace(0, len(front) - 1, min(len(front), _MOST_ROWS)).round().astype(int))
    shown = [
        [figures.show_level(row[factor.name]) for factor in factors]
        + [column.show(row[name]) for name, column in columns.items()]
        for row in front.iloc[picked].to_dict("records")
    ]
    cut = f"{len(picked)} of {len(front)} points, evenly picked. " if len(picked) < len(front) else ""
    note = f"{cut}By {columns[worth].title} and {columns[cost].title}, the cheapest first."
    return lay_out_table(headings, shown, label="points that no other beats") + lay_out_text(note, is_soft=True)


def _failures(failed: pd.DataFrame, factors: list[Factor]) -> Markup:
    rows = [
        [*(figures.show_level(row[factor.name]) for factor in factors), str(row["error"])]
        for row in failed.head(_MOST_ROWS).to_dict("records")
    ]
    headings = [*(factor.name for factor in factors), "error"]
    table = lay_out_table(headings, rows, text_columns=(len(factors),), label="points that failed")
    if len(failed) <= _MOST_ROWS:
        return table
    return table + lay_out_text(f"and {len(failed) - _MOST_ROWS:,} more; see points.csv", is_soft=True)


def _describe_sweep(sweep: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in sweep.items():
        if name == "axes":
            yield from ((f"axis {key}", _write_setting(values)) for key, values in value.items())
        elif name == "design":
            drawn = f", {value['points']:,} points, seed {value['seed']}" if value["points"] else ""
            yield name, value["kind"].replace("_", " ") + drawn
        elif value not in (None, {}, []):
            yield name, _write_setting(value)


def _write_setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_write_setting(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(json.dumps(item) if isinstance(item, list) else _write_setting(item) for item in value)
    return str(value)


def _describe_provenance(made: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in made.items():
        if isinstance(value, dict):
            yield from ((f"{name.replace('_', ' ')} {key}", item) for key, item in value.items())
        else:
            yield name, value


def _effects(done: pd.DataFrame, factors: list[Factor], metrics: list[str]) -> dict[str, list[Effect]]:
    chosen = _main_metrics(metrics)
    effects = {metric: rank_effects(done, factors, metric) for metric in chosen}
    return {metric: items for metric, items in effects.items() if items and any(item.share > 0 for item in items)}


def _main_metrics(metrics: list[str]) -> list[str]:
    """Pick the two metrics that say most: accuracy, and EDAP or what there is."""
    wanted = [name for name in _WORTH if name in metrics][:1] + [name for name in _PRICES if name in metrics][:1]
    return (wanted + [name for name in metrics if name not in wanted])[:2]


def _rank_factors(effects: Mapping[str, list[Effect]], factors: list[Factor]) -> list[Factor]:
    """Order factors by the largest share that they have in any metric."""
    shares = {factor.name: 0.0 for factor in factors}
    for items in effects.values():
        for item in items:
            shares[item.factor] = max(shares[item.factor], item.share)
    return sorted(factors, key=lambda factor: -shares[factor.name])


def _title(metric: str) -> str:
    title = describe_metric(metric).title
    return title[:1].upper() + title[1:]
