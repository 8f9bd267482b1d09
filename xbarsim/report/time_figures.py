"""Figures of time: when every layer works, and how busy the chip is.

Each function takes a cycle-level run and returns a matplotlib figure; nothing is written and nothing is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xbarsim.report.quantity import describe_column
from xbarsim.report.style import PALETTE, WIDTH_INCH, label_bars, new_figure, style
from xbarsim.timing import find_bounds, trace_occupancy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xbarsim.timing import Activity

_BINS = 160
_SHADES = 4
_MOST_RESOURCES = 12


def plot_gantt(activity: Activity) -> Figure:
    """Draw when every step works, from its first window to its last result.

    Parameters
    ----------
    activity : Activity
        From :func:`~xbarsim.timing.simulate_plan`.

    Returns
    -------
    matplotlib.figure.Figure
        One row a step in the order of the network; the darker, the larger the share of its arrays (or of its unit)
        that is at work.
    """
    shares = trace_occupancy(activity, _BINS)
    column = describe_column("time_s", [activity.delay_s])
    scale = activity.delay_s * column.factor
    with style():
        figure, ((axes,),) = new_figure(WIDTH_INCH, 0.8 + 0.17 * len(activity.steps))
        for row, step in enumerate(activity.steps):
            colour = PALETTE[0] if step.layer is not None else PALETTE[2]
            begin, end = (cycle / activity.cycles * scale for cycle in (step.start_cycles, step.finish_cycles))
            axes.broken_barh([(begin, end - begin)], (row - 0.35, 0.7), color=colour, alpha=0.15, linewidth=0)
            _shade(axes, row, shares[row], scale, colour)
        axes.set_yticks(range(len(activity.steps)), [step.name for step in activity.steps], fontsize=7)
        axes.set_ylim(len(activity.steps) - 0.4, -0.6)
        axes.set_xlim(0, scale)
        axes.set_xlabel(f"time in one inference [{column.unit}]")
        axes.grid(axis="y", visible=False)
    return figure


def plot_utilization(activity: Activity) -> Figure:
    """Draw the share of all arrays at work over time, and what is busiest from one inference to the next.

    Parameters
    ----------
    activity : Activity
        From :func:`~xbarsim.timing.simulate_plan`.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.
    """
    shares = trace_occupancy(activity, _BINS)
    arrays = np.array([step.layer.arrays if step.layer is not None else 0 for step in activity.steps], dtype=float)
    column = describe_column("time_s", [activity.delay_s])
    when = np.linspace(0, activity.delay_s * column.factor, _BINS + 1)
    at_work = 100 * (arrays @ shares) / arrays.sum()
    names, values = _busiest(activity)
    with style():
        figure, ((left, right),) = new_figure(WIDTH_INCH, 0.9 + 0.2 * max(len(names), 8), cols=2)
        left.stairs(at_work, when, fill=True, color=PALETTE[0], alpha=0.6)
        left.axhline(float(at_work.mean()), color=PALETTE[1], linewidth=1, linestyle="--")
        left.set_title(f"arrays at work, mean {at_work.mean():.2g} %")
        left.set_xlabel(f"time in one inference [{column.unit}]")
        left.set_ylabel("share of all arrays [%]")
        left.set_xlim(0, when[-1])
        left.set_ylim(0, None)
        right.barh(names, values, height=0.7, color=PALETTE[2])
        right.invert_yaxis()
        right.set_title("busiest resources")
        right.set_xlabel("share of the time between two inferences [%]")
        right.grid(axis="y", visible=False)
        label_bars(right, [f"{value:.3g} %" for value in values])
        right.set_xticks([tick for tick in right.get_xticks() if 0 <= tick <= 100])  # the rest is room for labels
    return figure


def _shade(axes: Axes, row: int, shares: np.ndarray, scale: float, colour: str) -> None:
    """Draw runs of slices of time that are about equally busy as one bar each."""
    shades = np.ceil(shares * _SHADES).astype(int)
    ends = [*(np.flatnonzero(np.diff(shades)) + 1).tolist(), len(shades)]
    begin = 0
    for end in ends:
        if shades[begin]:
            span = (begin / len(shades) * scale, (end - begin) / len(shades) * scale)
            alpha = 0.15 + 0.8 * shades[begin] / _SHADES
            axes.broken_barh([span], (row - 0.35, 0.7), color=colour, alpha=alpha, linewidth=0)
        begin = end


def _busiest(activity: Activity) -> tuple[list[str], list[float]]:
    """Return the busiest resources that bound any step, each once, and their shares [%]."""
    found: dict[str, float] = {}
    for bound in find_bounds(activity):
        name = f"arrays of {bound.name}" if bound.resource == "arrays" else bound.resource
        found[name] = max(found.get(name, 0.0), 100 * bound.share)
    first = sorted(found.items(), key=lambda item: -item[1])[:_MOST_RESOURCES]
    return [name for name, _ in first], [value for _, value in first]
