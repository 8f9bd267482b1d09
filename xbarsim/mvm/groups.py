"""Groups of a block-diagonal matrix that share arrays and are read one after another.

While a group is read, only its rows are driven and only its columns are converted; the rows of the other groups are
held at 0 V. An array is linear in its inputs, so the columns of a group respond to its own rows as in a read of all
rows, and to no others. A unit column, which measures the sum of the inputs, is converted again for every group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadGroups:
    """Which rows and outputs belong together."""

    count: int
    """Groups."""
    of_row: Ints
    """(K,) group of every row."""
    of_output: Ints
    """(N,) group of every output."""

    @classmethod
    def single(cls, rows: int, outputs: int) -> ReadGroups:
        """Return the one group of a matrix whose rows are driven at once."""
        return cls(count=1, of_row=np.zeros(rows, dtype=np.int64), of_output=np.zeros(outputs, dtype=np.int64))

    @property
    def is_driven(self) -> NDArray[np.bool_]:
        """(K, N) whether a row is driven while an output's columns are converted."""
        return np.equal.outer(self.of_row, self.of_output)
