"""Figures of an explanation: losses by cause and by layer, and remedies with their cost.

Each function takes an explanation and returns a matplotlib figure; nothing is written and nothing is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.diagnosis.explanation import Explanation
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TAKES, _GIVES, _ALONE = PALETTE[1], PALETTE[2], PALETTE[6]


def plot_causes(explanation: Explanation) -> Figure:
    """Draw the share of every cause with its interval, and its loss alone.

    Parameters
    ----------
    explanation : Explanation
        With causes.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; bars to the right are losses, bars to the left are gains.
    """
    rows = explanation.shares[explanation.measure]
    places: Any = np.arange(len(rows))
    shares = np.array([row.share_points for row in rows])
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH, 1.5 + 0.42 * len(rows))
        axes.barh(places - 0.18, shares, height=0.36, color=[_TAKES if x >= 0 else _GIVES for x in shares])
        axes.barh(places + 0.18, [row.alone_points for row in rows], height=0.3, color=_ALONE, alpha=0.55)
        ends = [
            [max(0.0, row.share_points - row.low) for row in rows],
            [max(0.0, row.high - row.share_points) for row in rows],
        ]
        axes.errorbar(shares, places - 0.18, xerr=ends, fmt="none", ecolor=INK, capsize=3, linewidth=1.0)
        axes.set_yticks(places, [row.cause for row in rows])
        _finish(axes, explanation)
        axes.set_xlabel(
            f"loss in {explanation.whole.quantity}; coloured: share, with 95 % interval (red takes, green gives back); "
            "grey: alone"
        )
    return figure


def plot_layers(explanation: Explanation) -> Figure:
    """Draw each layer's share of the loss, and its signal-to-noise ratio.

    Parameters
    ----------
    explanation : Explanation
        With layers.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels: points of the measure, points of the cosine, dB.
    """
    rows = explanation.layer_shares
    places: Any = np.arange(len(rows))
    panels = (
        (f"loss in {explanation.whole.quantity}", [row.share_points for row in rows]),
        ("loss in points of cosine", [row.cosine_points for row in rows]),
        ("SNR [dB]", [np.nan if row.snr_db is None else row.snr_db for row in rows]),
    )
    with style():
        figure, (grid,) = new_figure(WIDTH_INCH, 1.0 + 0.19 * max(len(rows), 4), cols=3, sharey=True)
        for number, (axes, (title, values)) in enumerate(zip(grid, panels)):
            colours = [PALETTE[0]] * len(rows) if number == 2 else [_TAKES if x >= 0 else _GIVES for x in values]
            axes.barh(places, values, height=0.7, color=colours)
            axes.set_title(title, fontsize=9)
            axes.margins(y=0.5 / len(rows))
            axes.grid(axis="y", visible=False)
            axes.axvline(0, color=INK, linewidth=0.8)
        grid[0].set_yticks(places, [row.layer for row in rows])
        grid[0].invert_yaxis()
    return figure


def plot_remedies(explanation: Explanation) -> Figure:
    """Draw the gain of each remedy with its interval and its cost.

    Parameters
    ----------
    explanation : Explanation
        With remedies.

    Returns
    -------
    matplotlib.figure.Figure
        One panel, the best remedy first.
    """
    rows = explanation.gains
    places: Any = np.arange(len(rows))
    points = np.array([row.points for row in rows])
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH, 1.2 + 0.3 * max(len(rows), 2))
        axes.barh(places, points, height=0.6, color=[_GIVES if x >= 0 else _TAKES for x in points])
        ends = [[max(0.0, row.points - row.low) for row in rows], [max(0.0, row.high - row.points) for row in rows]]
        axes.errorbar(points, places, xerr=ends, fmt="none", ecolor=INK, capsize=3, linewidth=1.0)
        names = [f"{row.remedy}\nenergy x {row.energy_ratio:.2f}, area x {row.area_ratio:.2f}" for row in rows]
        axes.set_yticks(places, names, fontsize=7)
        _finish(axes, explanation)
        axes.set_xlabel(f"gain in {explanation.whole.quantity}, with 95 % interval")
    return figure


def _finish(axes: Axes, explanation: Explanation) -> None:
    """Put the first row on top and a line at zero; whiskers beyond 100 points of a share are cut."""
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    if explanation.whole.unit == "%":
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -100.0), min(high, 100.0))
