"""Figures of a report: energy, delay and area by layer and component, accuracy, and errors of layers.

Each function takes a report's tables and returns a matplotlib figure; nothing is written and nothing is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network import LAYER_KINDS
from xbarsim.report.quantity import describe_column
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, label_bars, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xbarsim.inference.accuracy import Accuracy

COST_COLUMNS = ("energy_joule", "busy_s", "area_m2")
"""What the cost figures show, where a table has it."""
_ADDITIVE = (*COST_COLUMNS, "crossbars", "arrays", "macs")
_SHARED = ("energy_joule", "area_m2")
ERROR_SHARE = "error_share"
"""Column that :func:`share_errors` adds."""
_LAYER_COLUMNS = ("energy_joule", "snr_db", ERROR_SHARE, "busy_s", "area_m2")
_COLOURS = {**dict(zip(COST_COLUMNS, PALETTE)), "snr_db": PALETTE[5], ERROR_SHARE: PALETTE[3]}
_LONG_LIST = 32


def plot_cost_by_layer(layers: pd.DataFrame) -> Figure:
    """Draw energy, ratio of signal to error, share of the error, busy time and area of each layer, in network order.

    Parameters
    ----------
    layers : pandas.DataFrame
        One row a layer, with ``name``, ``kind`` and some of ``energy_joule``, ``snr_db``, ``busy_s`` and ``area_m2``.
        What belongs to the chip and to no layer is left out of the bars, yet counts in the shares.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each quantity.
    """
    rows = share_errors(group_layers(layers))
    totals = {name: float(rows[name].sum()) for name in _SHARED if name in rows}
    return _plot_bars(
        rows[rows["kind"] != "chip"], "name", _present(rows, _LAYER_COLUMNS), by_size=False, totals=totals
    )


def plot_cost_by_component(components: pd.DataFrame) -> Figure:
    """Draw energy and area of each component as horizontal bars, the largest first, with its share.

    Parameters
    ----------
    components : pandas.DataFrame
        One row a component, with ``component``, ``energy_joule`` and ``area_m2``.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each quantity.
    """
    columns = _present(components, COST_COLUMNS)
    spent = components[(components[columns].fillna(0) > 0).any(axis=1)]
    totals = {name: float(spent[name].sum()) for name in columns}
    return _plot_bars(spent, "component", columns, by_size=True, totals=totals)


def plot_accuracy(accuracy: Accuracy) -> Figure:
    """Draw accuracy in float, in integers and on the hardware, with the interval and every trial.

    Parameters
    ----------
    accuracy : Accuracy
        What to draw; top-5 accuracies stand as open bars behind where there are any.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.
    """
    names = ["float", "integers, ideal hardware", "this hardware"]
    scores = [accuracy.reference, accuracy.quantized, accuracy.hardware]
    values = np.array([100 * float(score) for score in scores])
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH, 2.0)
        top5 = [100 * score.top5 for score in scores if score.top5 is not None]
        if len(top5) == len(names):
            axes.barh(names, top5, height=0.6, fill=False, edgecolor=PALETTE[6], label="top-5")
        axes.barh(names, values, height=0.6, color=[PALETTE[6], PALETTE[2], PALETTE[0]], label="top-1")
        low, high = (100 * end for end in accuracy.interval)
        error = [[max(0.0, values[2] - low)], [max(0.0, high - values[2])]]
        axes.errorbar(values[2], 2, xerr=error, color=INK, capsize=4, linewidth=1.2, zorder=3)
        trials = 100 * np.array([float(value) for value in accuracy.trials])
        marks = "bar end: mean, whisker: 95 % interval"
        if len(trials) > 1:
            marks += ", red: single chips"
            axes.plot(trials, np.full(len(trials), 2.42), "|", color=PALETTE[1], markersize=6, zorder=4)
        for row, value in enumerate(values):
            at = max(value, high) if row == 2 else value
            axes.text(at + 1.5, row, f"{value:.1f} %", va="center", fontweight="bold", fontsize=8.5)
        axes.invert_yaxis()
        axes.set_xlim(0, 114)
        axes.set_xticks([0, 20, 40, 60, 80, 100])
        axes.set_xlabel(f"accuracy over {accuracy.images} images [%]; {marks}")
        axes.grid(axis="y", visible=False)
    return figure


def plot_layer_error(layers: pd.DataFrame) -> Figure | None:
    """Draw the error of each layer compared with the integer reference.

    Parameters
    ----------
    layers : pandas.DataFrame
        One row a layer, with ``name`` and some of ``snr_db`` (signal to error), ``gain`` (share of the exact signal
        that is left), ``worst_lost_share`` (current that the column that loses most does not deliver), ``fit_rms_lsb``
        (error of fitted responses), ``clipped_share`` (conversions that hit an end of the ADC) and
        ``range_used_share`` (part of the ADC's codes that occurred).

    Returns
    -------
    matplotlib.figure.Figure or None
        One panel for each quantity; None where the table has none of them.
    """
    columns = _present(
        layers, ("snr_db", "gain", "worst_lost_share", "fit_rms_lsb", "clipped_share", "range_used_share")
    )
    if not columns:
        return None
    measured = layers[layers["kind"].isin(LAYER_KINDS)]
    return _plot_bars(measured, "name", columns, by_size=False)


def group_layers(layers: pd.DataFrame) -> pd.DataFrame:
    """Gather the rows that are no weight layers by their kind, behind the weight layers.

    Parameters
    ----------
    layers : pandas.DataFrame
        One row a layer, with ``name`` and ``kind``.

    Returns
    -------
    pandas.DataFrame
        Costs and counts of gathered rows are summed; ``name`` becomes, for example, ``"19 x relu"``. Rows that cost
        nothing are left out.
    """
    import pandas as pd

    is_weight = layers["kind"].isin(LAYER_KINDS)
    gathered = []
    for kind, rows in layers[~is_weight].groupby("kind", sort=False):
        numbers = {name: rows[name].sum() for name in _ADDITIVE if name in rows}
        if any(numbers.get(name, 0) > 0 for name in COST_COLUMNS):
            gathered.append({**numbers, "name": f"{len(rows)} x {kind}" if len(rows) > 1 else kind, "kind": kind})
    return pd.concat([layers[is_weight], pd.DataFrame(gathered)], ignore_index=True) if gathered else layers[is_weight]


def share_errors(layers: pd.DataFrame) -> pd.DataFrame:
    """Estimate the share of every weight layer in the error of the network from the ratios of signal to error.

    Errors of layers that are independent, and that later layers pass on as they pass signals, add up at the output in
    their ratios to the signal, so that the shares are those of the reciprocal ratios (D. Lin, S. Talathi and V. S.
    Annapureddy, Fixed point quantization of deep convolutional networks, ICML 2016). Neglected: that activation
    functions and pools keep some errors and drop others, and that answers depend on errors of some outputs alone.

    Parameters
    ----------
    layers : pandas.DataFrame
        One row a layer, with ``kind`` and, where errors were measured, ``snr_db``, empty for layers without error.

    Returns
    -------
    pandas.DataFrame
        The same with ``error_share``, empty for other rows than weight layers [-]; unchanged where no layer has an
        error.
    """
    if "snr_db" not in layers or not layers["snr_db"].notna().any():
        return layers
    error = 10.0 ** (-layers["snr_db"].astype(float) / 10.0)
    is_weight = layers["kind"].isin(LAYER_KINDS)
    return layers.assign(**{ERROR_SHARE: (error.fillna(0.0) / error.sum()).where(is_weight)})


def _present(table: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name in table.columns and table[name].notna().any()]


def _plot_bars(
    table: pd.DataFrame, key: str, columns: list[str], *, by_size: bool, totals: Mapping[str, float] | None = None
) -> Figure:
    """Draw one panel of bars for each column, labelled with shares of a total or with values."""
    count = len(table)
    height = 0.75 + 0.19 * max(count, 3)
    cols = max(1, len(columns))
    with style():
        if by_size:
            figure, grid = new_figure(WIDTH_INCH, height, cols=cols)
        else:
            figure, grid = new_figure(WIDTH_INCH, height, cols=cols, sharey=True)
        for number, name in enumerate(columns):
            rows = table.sort_values(name, ascending=False, kind="stable", na_position="last") if by_size else table
            colour, total = _COLOURS.get(name, PALETTE[number]), (totals or {}).get(name)
            _draw_panel(grid[0, number], rows, key, name, color=colour, total=total)
        if not by_size:
            grid[0, 0].invert_yaxis()
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, key: str, name: str, *, color: str, total: float | None) -> None:
    values = rows[name].to_numpy(dtype=float)
    column = describe_column(name, values)
    positions: Any = np.arange(len(values))
    axes.barh(positions, np.nan_to_num(values * column.factor, posinf=0.0), height=0.7, color=color)
    axes.set_yticks(positions, [_shorten(str(text)) for text in rows[key]])
    axes.set_title({"busy_s": "busy time"}.get(name, column.title))
    axes.set_xlabel(column.unit or ("share" if name == "gain" else "count"))
    axes.grid(axis="y", visible=False)
    axes.margins(y=0.5 / max(len(values), 1))
    axes.xaxis.set_major_locator(_ticks())
    if total and len(values) <= _LONG_LIST:
        label_bars(axes, [f"{100 * value / total:.1f} %" if np.isfinite(value) else "" for value in values])
    elif total is None and (name not in COST_COLUMNS or len(values) <= _LONG_LIST):
        label_bars(axes, ["-" if np.isnan(value) else column.show(value, 3) for value in values])
    if not axes.yaxis_inverted() and key == "component":
        axes.invert_yaxis()


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _shorten(text: str, longest: int = 28) -> str:
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]}…{text[-longest // 2 :]}"
