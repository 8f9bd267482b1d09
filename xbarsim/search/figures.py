"""Figures of a search: the front among all points, and the chosen architecture layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.report.catalogue import describe_metric
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xbarsim.search.result import Result


def plot_front(result: Result) -> Figure:
    """Draw all points, the front, the uniform designs and the chosen one.

    Parameters
    ----------
    result : Result
        What the search found; its first two objectives are drawn, or a single one over the number of points.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.
    """
    goals = list(result.search.goals)[:2]
    alive = [number for number, entry in enumerate(result.entries) if entry.metrics is not None]
    values = {name: np.array([(result.entries[n].metrics or {})[name] for n in alive]) for name in goals}
    columns = [describe_metric(name, values[name]) for name in goals]
    vertical = values[goals[0]] * columns[0].factor
    is_single = len(goals) == 1
    horizontal = np.array(alive, dtype=float) if is_single else values[goals[1]] * columns[1].factor
    front = np.array([alive.index(number) for number in result.front], dtype=int)
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH * 0.75, 4.0)
        axes.scatter(horizontal, vertical, s=10, color=PALETTE[6], label="evaluated", zorder=2)
        if is_single:
            best = np.minimum.accumulate if result.search.goals[goals[0]] == "min" else np.maximum.accumulate
            axes.plot(horizontal, best(vertical), color=PALETTE[0], label="best so far", zorder=3)
        else:
            order = front[np.argsort(horizontal[front])]
            axes.plot(horizontal[order], vertical[order], "o-", ms=4, color=PALETTE[0], label="front", zorder=3)
        marked = [(at, result.entries[number].label) for at, number in enumerate(alive) if result.entries[number].label]
        for at, label in marked:
            axes.plot(horizontal[at], vertical[at], "s", ms=6, mfc="none", color=PALETTE[1], zorder=4)
            is_right = horizontal[at] > horizontal.min() + 0.7 * np.ptp(horizontal)  # leave the label its room
            axes.annotate(
                label, (horizontal[at], vertical[at]), xytext=(-6 if is_right else 6, 4), textcoords="offset points",
                fontsize=7.5, ha="right" if is_right else "left",
            )  # fmt: skip
        if marked:
            axes.plot([], [], "s", ms=6, mfc="none", color=PALETTE[1], label="for comparison")
        at = alive.index(result.chosen)
        axes.plot(horizontal[at], vertical[at], "*", ms=13, color=PALETTE[2], label="chosen", zorder=5)
        axes.set_ylabel(columns[0].heading)
        axes.set_xlabel("point" if is_single else columns[1].heading)
        if not is_single and np.all(horizontal > 0) and horizontal.max() > 20 * horizontal.min():
            axes.set_xscale("log")
        axes.legend()
    return figure


def plot_traces(result: Result) -> Figure:
    """Draw what the search and its baselines had found after every point: the median over seeds, and all of them.

    Parameters
    ----------
    result : Result
        A search with baselines.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.
    """
    goal, way = next(iter(result.search.goals.items()))
    is_single = len(result.search.goals) == 1
    names = list(dict.fromkeys(trace.name for trace in result.traces))
    curves = {name: _stack([trace.best for trace in result.traces if trace.name == name]) for name in names}
    if is_single:
        shown = {name: -values if way == "max" else values for name, values in curves.items()}
        column = describe_metric(goal, np.concatenate([values.ravel() for values in shown.values()]))
        factor, heading = column.factor, column.heading
    else:
        shown = {name: 1.0 - values for name, values in curves.items()}
        factor, heading = 1.0, "hypervolume"
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH * 0.75, 4.0)
        for number, (name, values) in enumerate(shown.items()):
            places = np.arange(1, values.shape[1] + 1)
            colour = PALETTE[number % len(PALETTE)]
            axes.fill_between(
                places, values.min(axis=0) * factor, values.max(axis=0) * factor, color=colour, alpha=0.2, lw=0
            )
            axes.plot(places, np.median(values, axis=0) * factor, color=colour, label=name)
        axes.set_xlabel("point")
        axes.set_ylabel(f"best {heading} so far")
        axes.set_xscale("log")
        axes.legend()
    return figure


def _stack(runs: list[tuple[float, ...]]) -> np.ndarray:
    """Return runs as rows, (runs, points); a run that ended early keeps its last value."""
    longest = max(map(len, runs))
    return np.array([[*run, *([run[-1] if run else np.nan] * (longest - len(run)))] for run in runs])


def plot_architecture(result: Result) -> Figure:
    """Draw what the chosen design has in every layer: one column an axis, one row a layer.

    Parameters
    ----------
    result : Result
        What the search found.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each axis; layers that were left out are struck through.
    """
    rows = result.tabulate_layers(result.chosen)
    axes_names = [key for key in rows[0] if key not in ("layer", "kind", "removed")] or ["removed"]
    with style():
        height = 0.8 + 0.19 * max(3, len(rows))
        figure, grid = new_figure(WIDTH_INCH, height, cols=len(axes_names), sharey=True)
        for number, axis in enumerate(axes_names):
            _draw_axis(grid[0, number], rows, axis, PALETTE[number % len(PALETTE)])
        grid[0, 0].set_yticks(range(len(rows)), [row["layer"] for row in rows])
        grid[0, 0].invert_yaxis()
    return figure


def _draw_axis(axes: Any, rows: list[dict[str, Any]], name: str, colour: str) -> None:
    """Draw the values of one axis as steps of a ladder, so that small and large values are told apart."""
    values = [row.get(name) for row in rows]
    texts = list(dict.fromkeys(str(value) for value in sorted((v for v in values if v is not None), key=_order)))
    for at, (row, value) in enumerate(zip(rows, values)):
        if row["removed"]:
            axes.text(0.1, at, "left out", va="center", fontsize=7.5, color=INK, style="italic")
        elif value is not None:
            length = texts.index(str(value)) + 1
            axes.barh(at, length, height=0.7, color=colour, alpha=0.35 + 0.65 * length / len(texts))
            axes.text(length + 0.1, at, str(value), va="center", fontsize=7.5)
    axes.set_xlim(0, len(texts) + 1.2)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.set_title(name)


def _order(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, (int, float))
    return (0, float(value), "") if is_number else (1, 0.0, str(value))
