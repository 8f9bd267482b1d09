"""Reads that are solved one by one, as circuits of their own: ``crossbar.method: exact`` where no operator holds.

Slow: thousands of times the time of a fitted response. Reads that drive the same rows alike are solved once a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.mvm.respond import ChunkArrays

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SolvedReads:
    """The programmed arrays of a layer, to be solved for every read."""

    arrays: tuple[ChunkArrays, ...]
    """All chunks of arrays."""
    columns: int
    """Columns of the effective matrix."""

    def sense(self, inputs: Floats, r: int) -> Floats:
        """Return what the columns of a row block sense, (reads, columns) [level units].

        Parameters
        ----------
        inputs : ndarray, (reads, rows)
            Inputs in steps of a driver.
        r : int
            Row block.
        """
        patterns, which = np.unique(np.rint(inputs).astype(np.int64), axis=0, return_inverse=True)
        found = np.zeros((len(patterns), self.columns))
        driven = np.flatnonzero(patterns.any(axis=1))
        for arrays in self.arrays:
            chunk = arrays.chunk
            if chunk.row_block != r or not len(driven):
                continue
            for p, sensed in enumerate(arrays.sense(patterns[driven])):
                column = chunk.target + p * chunk.stride
                found[np.ix_(driven, column)] = sensed[chunk.array, chunk.column].T
        return np.asarray(found[which.ravel()])
