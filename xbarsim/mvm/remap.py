"""Reordering of the columns of an array to reduce the effect of stuck cells.

A chip is tested before it is programmed, so its stuck cells are known. The columns of the matrix can be assigned to the
columns of the array in any order, since results are reordered after the converter. The order with the least change of
the weights is chosen: it minimises the sum over stuck cells of (weight of the column)^2 (stuck level - target level)^2,
an assignment problem that is solved exactly for every array (``scipy.optimize.linear_sum_assignment``). The two cells
of a pair are counted separately; unused columns have no cost and therefore serve as spares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Device
from xbarsim.device import sample_stuck
from xbarsim.rng import stream


def remap_columns(
    digits: NDArray[np.uint8], counts: NDArray[np.float64], device: Device, *, seed: int, trial: int, layer: str
) -> NDArray[np.int64]:
    """Choose a place for every column of some arrays.

    Parameters
    ----------
    digits : ndarray of uint8, (arrays, columns, polarities, rows)
        Level wanted of each cell.
    counts : ndarray, (arrays, columns)
        What a column's sum counts; 0 where a column is unused.
    device : Device
        Levels and rates of stuck cells.
    seed, trial, layer : int, int, str
        Key of the stream ``device.stuck``, as for programming.

    Returns
    -------
    ndarray of int, (arrays, columns)
        New place of each column.
    """
    arrays, columns, polarities, rows = digits.shape
    moved = np.tile(np.arange(columns), (arrays, 1))
    if device.stuck.on_rate == 0 and device.stuck.off_rate == 0:
        return moved
    from scipy.optimize import linear_sum_assignment

    free = np.full((arrays, polarities, rows, columns), np.nan)
    held = sample_stuck(free, device, stream(seed, "device.stuck", trial, layer)).reshape(arrays, -1, columns)
    top = device.levels - 1
    for a in range(arrays):
        wanted = digits[a].reshape(columns, -1).astype(np.float64)
        is_on = (held[a] == device.g_on_siemens).astype(np.float64)
        is_off = (held[a] == device.g_off_siemens).astype(np.float64)
        harm = (top - wanted) ** 2 @ is_on + wanted**2 @ is_off
        moved[a] = linear_sum_assignment(counts[a][:, np.newaxis] ** 2 * harm)[1]
    return moved
