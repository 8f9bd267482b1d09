"""What each column of a layer loses in its lines, and how far its fitted response is off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.mvm.engine import Engine

PLACES = 64
"""Places of a layer in a map of columns. Our choice: as many as a figure shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnMap:
    """Columns of the arrays of a matrix, padding left out."""

    lost_share: NDArray[np.float64]
    """(row blocks, columns) share of the current of ideal cells that a column does not deliver [-]."""
    fit_rms_lsb: NDArray[np.float64] | None
    """(row blocks, columns) root-mean-square error of its response on reads kept back; None where none was fitted
    [lsb]."""


def map_columns(engine: Engine) -> ColumnMap:
    """Return what the columns of an engine lose.

    Parameters
    ----------
    engine : Engine
        Programmed arrays; errors are in steps of its converter, in level units where that is ideal.

    Returns
    -------
    ColumnMap
        By row block and column.
    """
    programmed, columns = engine.programmed, engine.recipe.used_columns
    lost = 1.0 - 1.0 / programmed.loss[:, columns].astype(np.float64)
    fit = None
    if programmed.bend is not None:
        error = programmed.bend.error[:, :, columns].astype(np.float64) / (
            1.0 if engine.adc.is_ideal else engine.adc.lsb
        )
        known = np.isfinite(error)
        squares = np.where(known, error, 0.0) ** 2
        fit = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    return ColumnMap(lost_share=lost, fit_rms_lsb=fit)


def sample_worst(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest value at each place of a map.

    Parameters
    ----------
    values : ndarray, (columns,)
        One value a column.

    Returns
    -------
    ndarray, (64,)
        The largest of the columns of each place; a column lies at several places where there are fewer than 64.
    """
    first = np.arange(PLACES) * len(values) // PLACES
    last = np.maximum(first + 1, (np.arange(PLACES) + 1) * len(values) // PLACES)
    return np.array([values[begin:end].max() for begin, end in zip(first, last, strict=True)])
