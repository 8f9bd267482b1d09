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
def grow_trees(
    width: int, x: Ints, y: Ints, sources: Ints, first_target: Ints, targets: Ints, numbers: Ints, known: int,
    marks: Ints, links: Ints, parents: Ints, ends: Ints, behind: Ints, fresh: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Grow trees from tiles to others: along the row of a source, then along the column of each target.

    Parameters
    ----------
    width : int
        Columns of the mesh.
    x, y : (tiles,)
        Columns and rows of tiles.
    sources : (trees,)
        Sending tiles.
    first_target : (trees + 1,)
        Place in ``targets`` of the first target of each tree.
    targets : (targets,)
        Receiving tiles.
    numbers : (links of the mesh,)
        Numbers of links, -1 where there is none yet; filled in.
    known : int
        Numbers given out.
    marks : (links of the mesh,)
        Scratch, -1 before and after.
    links, parents : (at least as many as all trees have,)
        Filled with the trees, one behind the other: number of every link, and the entry before it, -1 for the first.
    ends : (targets,)
        Filled with the last entry on the way to every target, -1 for the source itself.
    behind : (trees,)
        Filled with the entry behind the last one of each tree.
    fresh : (links of the mesh,)
        Filled with the links that got a number, in order.

    Returns
    -------
    int, int
        Entries of all trees; numbers given out.
    """
    count, given = 0, known
    for tree in range(sources.size):
        begin, source = count, sources[tree]
        for k in range(first_target[tree], first_target[tree + 1]):
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
        for i in range(begin, count):
            code = links[i]
            marks[code] = -1
            if numbers[code] < 0:
                fresh[given - known] = code
                numbers[code] = given
                given += 1
            links[i] = numbers[code]
        behind[tree] = count
    return count, given
