"""Figures of a sweep as objects, for notebooks and programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xbarsim.errors import ConfigError
from xbarsim.sweep.analysis import find_factors
from xbarsim.sweep.store import read_store
from xbarsim.sweep.table import tabulate_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_sweep(folder: str | Path) -> dict[str, Figure]:
    """Draw the figures of the page of a sweep, also while it is running.

    Parameters
    ----------
    folder : str or Path
        Folder of the sweep.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Name -> figure: ``sensitivity``, ``heat``, ``front``, and ``lines_METRIC`` for each metric, where there is
        data for them.

    Raises
    ------
    ConfigError
        If the folder holds no sweep, or no point is finished.
    """
    from xbarsim.sweep.page import draw_figures

    stored = read_store(folder)
    table = tabulate_points(stored.document, stored.results, pending=True)
    done = table[table["status"] == "done"]
    if not len(done):
        raise ConfigError(f"{folder}: no point is finished yet")
    drawn = draw_figures(done, find_factors(done, stored.document), list(stored.document["metrics"]))
    return {name: figure for name, (figure, _) in drawn.items()}
