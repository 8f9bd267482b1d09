"""Figures of a sweep: lines with bands, heat maps, Pareto fronts and sensitivity.

Each function takes the table of points and returns a matplotlib figure; nothing is written and nothing is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.report.catalogue import bound_metric, describe_metric, find_metric
from xbarsim.report.quantity import Column
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, label_bars, new_figure, style
from xbarsim.sweep.analysis import Effect, Factor, find_front, level_factor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = len(PALETTE)
_MOST_CELLS = 12
_MANY_POINTS = 2000
_MANY_DOTS = 200
_FEW_DECADES = 300.0


def plot_lines(table: pd.DataFrame, metric: str, along: Sequence[Factor], by: Factor | None = None) -> Figure:
    """Draw a metric along some factors, one panel each.

    Where a point of a line is one simulation, a band shows the simulation's own 95 % interval, over images and chips.
    Where it is a mean over several designs, there is no band, since designs are chosen and no sample; dots show them.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a point.
    metric : str
        Column.
    along : sequence of Factor
        Horizontal axes.
    by : Factor, optional
        One line for each of its levels.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each factor of ``along``.
    """
    rows = table[table[metric].notna()]
    column = describe_metric(metric, rows[metric])
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 3.2, cols=len(along), sharey=True)
        for axes, factor in zip(grid, along):
            lines = by if by is not None and by.name != factor.name else None
            names = [None] if lines is None else sorted(rows[lines.name].unique(), key=_order)
            for number, name in enumerate(names):
                part = rows if lines is None else rows[rows[lines.name] == name]
                label = "" if lines is None else show_choice(lines, name)
                _draw_line(axes, part, factor, metric, column, PALETTE[number % len(PALETTE)], label)
            _scale_axis(axes, factor, rows)
            axes.set_xlabel(factor.name)
        if by is not None:
            grid[next(i for i, factor in enumerate(along) if factor.name != by.name)].legend()
        grid[0].set_ylabel(column.heading)
        _scale_metric(grid[0].yaxis, metric, rows[metric])
    return figure


def plot_heat(table: pd.DataFrame, metrics: Sequence[str], across: Factor, up: Factor) -> Figure:
    """Draw metrics over two factors, averaged over everything else.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a point.
    metrics : sequence of str
        Columns, one panel each.
    across, up : Factor
        Horizontal and vertical axis.

    Returns
    -------
    matplotlib.figure.Figure
        One map for each metric.
    """
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 3.4, cols=len(metrics))
        for axes, metric in zip(grid, metrics):
            rows = table[table[metric].notna()]
            column = describe_metric(metric, rows[metric])
            cells = rows[metric].groupby([level_factor(rows, up), level_factor(rows, across)]).mean().unstack()
            values = cells.to_numpy(dtype=float) * column.factor
            cmap = "viridis" if find_metric(metric).higher_is_better else "viridis_r"
            is_log = bool(values.size and np.nanmin(values) > 0 and np.nanmax(values) > 30 * np.nanmin(values))
            image = axes.imshow(
                values, cmap=cmap, aspect="auto", origin="lower", norm="log" if is_log else None, rasterized=True
            )
            axes.set_xticks(*_thin_ticks(cells.columns), rotation=0 if cells.shape[1] <= 6 else 45)
            axes.set_yticks(*_thin_ticks(cells.index))
            axes.set(xlabel=across.name, ylabel=up.name, title=column.title)
            axes.grid(visible=False)
            if max(cells.shape) <= _MOST_CELLS // 2:
                _label_cells(axes, values, image)
            bar = figure.colorbar(image, ax=axes, label=column.unit or None)
            bar.outline.set_edgecolor(INK)
            bar.ax.yaxis.set_major_formatter(_show_tick)
            bar.ax.yaxis.set_minor_formatter("")
    return figure


def plot_front(table: pd.DataFrame, pairs: Sequence[tuple[str, str]], by: Factor | None = None) -> Figure:
    """Draw what every point costs against what it is worth, and the points that no other beats.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a point.
    pairs : sequence of (str, str)
        Horizontal and vertical metric of each panel; the horizontal one is a cost.
    by : Factor, optional
        Colours the points.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each pair.
    """
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 3.6, cols=len(pairs))
        for axes, (cost, value) in zip(grid, pairs):
            rows = table[table[cost].notna() & table[value].notna()]
            x_column, y_column = describe_metric(cost, rows[cost]), describe_metric(value, rows[value])
            _draw_points(axes, rows, (cost, value), (x_column, y_column), by)
            for front in find_fronts(rows, cost, value):
                axes.plot(
                    front[cost] * x_column.factor, front[value] * y_column.factor, "o-", color=INK, markersize=7,
                    drawstyle="steps-post", markerfacecolor="none", linewidth=1,
                )  # fmt: skip
            axes.set(xlabel=x_column.heading, ylabel=y_column.heading)
            _scale_metric(axes.xaxis, cost, rows[cost])
            _scale_metric(axes.yaxis, value, rows[value])
        if by is not None:
            grid[-1].legend()
    return figure


def plot_sensitivity(effects: dict[str, list[Effect]]) -> Figure:
    """Draw which parameter moves which metric most.

    Parameters
    ----------
    effects : dict
        Metric -> effects, the strongest first.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each metric: share of the variance, and beside it how far the mean moves.
    """
    count = max(len(items) for items in effects.values())
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 0.9 + 0.32 * max(count, 2), cols=len(effects))
        for number, (axes, (metric, items)) in enumerate(zip(grid, effects.items())):
            column = describe_metric(metric, [effect.high for effect in items])
            axes.barh(
                [effect.factor for effect in items],
                [100 * effect.share for effect in items],
                height=0.65,
                color=PALETTE[number % len(PALETTE)],
            )
            label_bars(axes, [show_range(effect, column) for effect in items])
            axes.set_xlim(0, max(axes.get_xlim()[1], 1e-9) * 1.6)
            axes.set_xticks([0, 25, 50, 75, 100] if axes.get_xlim()[1] > 50 else axes.get_xticks()[:-1:2])
            axes.invert_yaxis()
            axes.set(title=column.heading, xlabel="share of the variance [%]")
            axes.grid(axis="y", visible=False)
    return figure


def find_fronts(rows: pd.DataFrame, cost: str, value: str) -> list[pd.DataFrame]:
    """Return the rows that no other row beats, the cheapest first: over all networks where accuracy tells what they
    are worth, else network by network."""
    sign = 1 if find_metric(value).higher_is_better else -1
    parts = [rows] if value.startswith("accuracy") else [part for _, part in rows.groupby("network", sort=False)]
    return [part.iloc[find_front(part[cost].to_numpy(float), sign * part[value].to_numpy(float))] for part in parts]


def show_range(effect: Effect, column: Column) -> str:
    """Write how far a metric's mean moves over the levels of a factor."""
    return f"{column.show(effect.low, 3)} … {column.show(effect.high, 3)}"


def show_choice(factor: Factor, value: Any) -> str:
    """Write one level of a factor for a legend: the last two words of its key, and the value."""
    if factor.name in ("network", "hardware"):
        return str(value)
    return f"{'.'.join(factor.name.split('.')[-2:])} {show_level(value)}"


def show_level(value: Any) -> str:
    """Write one value of an axis."""
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def _draw_line(
    axes: Axes, rows: pd.DataFrame, factor: Factor, metric: str, column: Column, color: str, label: str
) -> None:
    levels = level_factor(rows, factor) if len(rows) else rows[factor.name]
    if not factor.is_number:
        levels = levels.astype(str)
    groups = rows.groupby(levels)
    means = groups[metric].agg(["mean", "size"])
    x = means.index.to_numpy()
    if means["size"].max() > 1:
        places = rows[factor.name] if factor.is_number else levels
        axes.plot(
            places, rows[metric] * column.factor, ".", color=color, alpha=0.35, markersize=3,
            rasterized=len(rows) > _MANY_DOTS,
        )  # fmt: skip
    elif (ends := find_metric(metric).interval) is not None and all(name in rows for name in ends):
        least, most = bound_metric(metric)
        low, high = (groups[name].mean().clip(least, most) * column.factor for name in ends)
        if len(x) == 1:
            axes.vlines(x, low, high, color=color, alpha=0.5, linewidth=2)
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(x, means["mean"] * column.factor, "o-", color=color, markersize=3.5, label=label)


def _draw_points(
    axes: Axes, rows: pd.DataFrame, metrics: tuple[str, str], columns: tuple[Column, Column], by: Factor | None
) -> None:
    names = [None] if by is None else sorted(rows[by.name].unique(), key=_order)
    for number, name in enumerate(names):
        part = rows if by is None else rows[rows[by.name] == name]
        x, y = (part[metric] * column.factor for metric, column in zip(metrics, columns))
        axes.plot(
            x, y, ".", color=PALETTE[number % len(PALETTE)], markersize=6 if len(rows) <= 500 else 3, alpha=0.7,
            rasterized=len(rows) > _MANY_POINTS, label="" if by is None else show_choice(by, name),
        )  # fmt: skip


def _scale_axis(axes: Axes, factor: Factor, rows: pd.DataFrame) -> None:
    if factor.is_log:
        axes.set_xscale("log")
    if factor.is_number and not factor.is_continuous:
        values = sorted(rows[factor.name].unique())
        if len(values) <= 8:
            axes.set_xticks(values, [show_level(value) for value in values])
            axes.minorticks_off()


def _scale_metric(axis: Any, metric: str, values: pd.Series) -> None:
    """Make the axis of a metric logarithmic where its values span more than a decade."""
    from matplotlib.ticker import LogLocator

    if metric.startswith("cost") and values.min() > 0 and values.max() > 10 * values.min():
        (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
        if values.max() < _FEW_DECADES * values.min():  # powers of ten alone would be one label or two
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(_show_tick)
        axis.set_minor_formatter("")


def _show_tick(value: float, position: float) -> str:
    return f"{value:.3g}"


def _thin_ticks(levels: Any) -> tuple[list[int], list[str]]:
    step = -(-len(levels) // _MOST_CELLS)
    return list(range(0, len(levels), step)), [show_level(level) for level in levels[::step]]


def _label_cells(axes: Axes, values: np.ndarray, image: Any) -> None:
    for i, j in np.ndindex(*values.shape):
        if np.isfinite(values[i, j]):
            red, green, blue, _ = image.cmap(image.norm(values[i, j]))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            text = Column(title="", unit="", factor=1.0).show(float(values[i, j]), 3)
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="#ffffff" if dark else "#000000")


def _order(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1, 0.0, str(value))
