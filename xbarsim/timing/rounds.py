"""The rounds of an epitome: the arrays that are read, their inputs and their results.

In every round only arrays with a driven word line and a wanted column are read, and only wanted columns are
converted. The rounds of a window follow each other without a pause. The joint module adds up rounds at the arrays,
so that one result for each computed output travels on.

Neglected: the time of the joint module and of adding inputs up (they keep pace with the arrays) and of look-ups
(tables are read ahead); the inputs of all rounds of a window are fetched before the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim.mapping import EpitomePlan, LayerPlan

Ints = NDArray[np.int64]


def share_rounds(layer: LayerPlan, epitome: EpitomePlan, begin: int, end: int) -> tuple[int, int]:
    """Return what one window needs of and gives to some crossbars of a replica.

    Parameters
    ----------
    layer, epitome : LayerPlan, EpitomePlan
        The layer and its tables.
    begin, end : int
        Crossbars; row blocks side by side within a column block.

    Returns
    -------
    rows, outputs : int
        Features fetched in all rounds, and results that leave after the joint module.
    """
    row, col = np.divmod(np.arange(begin, end), layer.row_blocks)[::-1]
    fetched, wanted = epitome.fetched(layer.row_starts), layer.wanted_columns > 0
    rows = sum(int(fetched[wanted[:, col[row == r]].any(axis=1), r].sum()) for r in np.unique(row))
    held = layer.columns.held[np.unique(col)].any(axis=0)
    computed = epitome.columns[epitome.rounds[:, 1] == epitome.rounds[0, 1]]
    return rows, sum(int(held[first:last].sum()) for first, last in computed)
