"""Multicast trees on a mesh with XY routing: the compiled part of :mod:`xbarsim.timing.route`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel

Ints = NDArray[np.int64]

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""Steps in x and y; link ``len(DIRECTIONS) * (y * width + x) + d`` leaves place (x, y) in direction d."""


@kernel
def _pass(code: int, before: int, count: int, marks: Ints, links: Ints, parents: Ints) -> tuple[int, int]:
    """Take a link behind entry ``before`` of a tree; return its own entry and the links of the tree."""
    at = marks[code]
    if at < 0:
        at = marks[code] = count
        links[count], parents[count] = code, before
        count += 1
    return at, count


@kernel
def grow_mesh(
    width: int, x: Ints, y: Ints, source: int, targets: Ints, numbers: Ints, known: int, marks: Ints, links: Ints,
    parents: Ints, ends: Ints, fresh: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Grow the tree from a tile to others: along the row of the source, then along the column of each target.

    Parameters
    ----------
    width : int
        Columns of the mesh.
    x, y : (tiles,)
        Columns and rows of tiles.
    source : int
        Sending tile.
    targets : (targets,)
        Receiving tiles.
    numbers : (links of the mesh,)
        Numbers of links, -1 where there is none yet; filled in.
    known : int
        Numbers given out.
    marks : (links of the mesh,)
        Scratch, -1 before and after.
    links, parents : (links of the mesh,)
        Filled with the tree: number of every link, and the entry before it, -1 for the first.
    ends : (targets,)
        Filled with the last entry on the way to every target, -1 for the source itself.
    fresh : (links of the mesh,)
        Filled with the links that got a number, in order.

    Returns
    -------
    int, int
        Links of the tree; numbers given out.
    """
    count = 0
    for k in range(targets.size):
        target = targets[k]
        column, row, before = x[source], y[source], -1
        while column != x[target]:
            back = 1 if x[target] < column else 0
            before, count = _pass(4 * (row * width + column) + back, before, count, marks, links, parents)
            column += 1 - 2 * back
        while row != y[target]:
            back = 1 if y[target] < row else 0
            before, count = _pass(4 * (row * width + column) + 2 + back, before, count, marks, links, parents)
            row += 1 - 2 * back
        ends[k] = before
    first = known
    for i in range(count):
        code = links[i]
        marks[code] = -1
        if numbers[code] < 0:
            fresh[known - first] = code
            numbers[code] = known
            known += 1
        links[i] = numbers[code]
    return count, known
