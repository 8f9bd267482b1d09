"""Figure of a search for epitomes: designs side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.report.catalogue import describe_metric
from xbarsim.report.style import PALETTE, WIDTH_INCH, new_figure, style
from xbarsim.search.task import ACCURACY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = ("crossbars", "delay_s", "energy_joule", "edap", "edap_core")


def plot_comparison(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw arrays, latency, energy and EDAP of every design as bars, and accuracy where it was measured.

    Parameters
    ----------
    rows : sequence of mapping
        From :func:`~xbarsim.search.epitome.compare_designs`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each quantity, one bar for each design.
    """
    names = [str(row["design"]) for row in rows]
    panels = [*PANELS, *([ACCURACY] if all(ACCURACY in row for row in rows) else [])]
    with style():
        figure, grid = new_figure(WIDTH_INCH, 0.9 + 0.25 * len(names), cols=len(panels), sharey=True)
        for number, key in enumerate(panels):
            axes, colour = grid[0, number], PALETTE[number]
            values = np.array([float(row[key]) for row in rows])
            column = describe_metric(key if key == ACCURACY else f"cost.{key}", values)
            values *= column.factor
            heading, power = column.heading, math.floor(math.log10(values.max())) if values.max() > 0 else 0
            if abs(power) > 3:  # no prefix fits: say the power of ten beside the unit
                values, heading = values / 10.0**power, heading.replace("[", f"[1e{power} ")
            axes.barh(range(len(names)), values, height=0.7, color=colour)
            axes.set_xlabel(heading)
        grid[0, 0].set_yticks(range(len(names)), names)
        grid[0, 0].invert_yaxis()
    return figure
