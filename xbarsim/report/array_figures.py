"""Figures of one array: loss of current by wires, and errors of approximations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ShapeError
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_current_loss(g: Any, t: Any) -> Figure:
    """Draw the relative loss of each cell's current in the wires.

    Parameters
    ----------
    g : array_like, (rows, cols)
        Conductance of the cells [S].
    t : array_like, (rows, cols)
        Transfer operator with wires: current at bit line j for 1 V on word line i alone [S].

    Returns
    -------
    matplotlib.figure.Figure
        The map of ``1 - t / g``, with its mean over rows and over columns beside it.

    Raises
    ------
    ShapeError
        If the two are not matrices of one shape.
    """
    g, t = _matrix("g", g), _matrix("t", t)
    if g.shape != t.shape:
        raise ShapeError(f"t: shape {t.shape} does not match g with {g.shape}")
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = 100 * np.where(g > 0, 1 - t / g, np.nan)
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH * 0.72, 4.4)
        _draw_map(figure, axes, loss, "current lost [%]", cmap="magma_r")
        if np.isfinite(loss).any():
            axes.set_title(f"mean {np.nanmean(loss):.2f} %, worst cell {np.nanmax(loss):.2f} %")
    return figure


def plot_node_voltage(v_wl: Any, v_bl: Any) -> Figure:
    """Draw the voltages of the nodes on word lines and on bit lines.

    Parameters
    ----------
    v_wl, v_bl : array_like, (rows, cols)
        Voltage of the two nodes of each cell [V].

    Returns
    -------
    matplotlib.figure.Figure
        One map for each kind of line.

    Raises
    ------
    ShapeError
        If an argument is not a matrix.
    """
    v_wl, v_bl = _matrix("v_wl", v_wl), _matrix("v_bl", v_bl)
    with style():
        figure, ((left, right),) = new_figure(WIDTH_INCH, 3.6, cols=2)
        _draw_map(figure, left, v_wl, "voltage [V]", cmap="viridis")
        left.set_title("word lines")
        _draw_map(figure, right, v_bl, "voltage [V]", cmap="viridis")
        right.set_title("bit lines")
    return figure


def plot_columns(columns: pd.DataFrame) -> Figure:
    """Draw which layers and columns lose most, from :meth:`xbarsim.Chip.map_columns` or a report's ``columns``.

    Parameters
    ----------
    columns : pandas.DataFrame
        One row a column of each row block, with ``layer``, ``column``, ``lost_share`` and ``fit_rms_lsb``.

    Returns
    -------
    matplotlib.figure.Figure
        A map of the current that columns do not deliver, layers from top to bottom and columns from left to right, 64
        places a layer; and where responses are fitted, one of their errors. Each place shows its worst column.

    Raises
    ------
    ShapeError
        If the table has no row.
    """
    from xbarsim.mvm import sample_worst  # here, so that results are read without what simulates

    if columns.empty:
        raise ShapeError("columns: no column is given; take those of Chip.map_columns() or of a report")
    layers = list(dict.fromkeys(columns["layer"]))
    shown = {"lost_share": ("current lost [%]", 100.0)}
    if columns["fit_rms_lsb"].notna().any():
        shown["fit_rms_lsb"] = ("fit error, rms [lsb]", 1.0)
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, max(2.2, 1.1 + 0.17 * len(layers)), cols=len(shown))
        for axes, (name, (label, unit)) in zip(grid, shown.items()):
            worst = columns.groupby(["layer", "column"], sort=False)[name].max() * unit
            rows = np.stack([sample_worst(worst[layer].to_numpy()) for layer in layers])
            image = axes.imshow(
                rows, cmap="magma_r", aspect="auto", interpolation="nearest", extent=(0, 100, len(layers), 0)
            )
            axes.set(xlabel="columns of the layer [%]")
            axes.set_yticks(np.arange(len(layers)) + 0.5, layers if axes is grid[0] else [""] * len(layers))
            axes.grid(visible=False)
            figure.colorbar(image, ax=axes, label=label).outline.set_edgecolor(INK)
    return figure


def plot_fidelity(errors: Mapping[str, Any], sizes: Any, seconds: Mapping[str, Any] | None = None) -> Figure:
    """Draw the error and the computing time of each method over the size of the array.

    Parameters
    ----------
    errors : mapping of str to array_like, (sizes,)
        Fidelity -> largest error relative to the exact operator's largest entry [-].
    sizes : array_like of int, (sizes,)
        Rows of a square array.
    seconds : mapping of str to array_like, (sizes,), optional
        Fidelity -> time of one array [s]; gives a second panel.

    Returns
    -------
    matplotlib.figure.Figure
        Error, and time where given, on logarithmic axes.
    """
    sizes = np.asarray(sizes)
    panels = [("error, relative to the largest entry", errors)]
    if seconds is not None:
        panels.append(("time of one array [s]", seconds))
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 3.2, cols=len(panels))
        for axes, (label, curves) in zip(grid, panels):
            for number, (name, values) in enumerate(curves.items()):
                shown = np.maximum(np.asarray(values, dtype=float), 1e-17)
                axes.plot(sizes, shown, "o-", color=PALETTE[number % len(PALETTE)], markersize=4, label=name)
            axes.set(xscale="log", yscale="log", xlabel="rows and columns of the array", ylabel=label)
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.legend()
    return figure


def _draw_map(figure: Figure, axes: Axes, values: np.ndarray, label: str, *, cmap: str) -> None:
    image = axes.imshow(values, cmap=cmap, aspect="equal", interpolation="nearest", rasterized=True)
    axes.set(xlabel="bit line (sensed past the last row)", ylabel="word line (driven from the left)")
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, label=label)
    bar.outline.set_edgecolor(INK)


def _matrix(name: str, values: Any) -> np.ndarray:
    matrix: np.ndarray = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ShapeError(f"{name}: shape {matrix.shape} is not (rows, cols)")
    return matrix
