"""Exchange tiles on a chip so that their packets travel fewer links: the compiled part of :mod:`xbarsim.timing.place`.

A packet is a source and its targets, numbers of tiles; ``first`` says where each packet's tiles begin in ``ends``.
``place`` is the position of every tile, the last entry that of the port, which never moves. Packets reach all their
targets along one tree (:mod:`xbarsim.timing.route`), so that what counts is the number of links of that tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

XY, BINARY, SHARED, LISTED = range(4)
FORMS = {"xy": XY, "binary": BINARY, "shared": SHARED, "listed": LISTED}
"""How links are counted, by the ``links`` of a network on chip."""


@kernel
def _count_mesh(ends: Ints, first: int, last: int, place: Ints, x: Ints, y: Ints, up: Ints, down: Ints) -> int:
    """Count the links of an XY tree: the row of the source, and in each column as far up and down as needed."""
    source = place[ends[first]]
    low = high = x[source]
    for k in range(first + 1, last):
        position = place[ends[k]]
        column = x[position]
        low, high = min(low, column), max(high, column)
        rise = y[position] - y[source]
        up[column], down[column] = max(up[column], rise), max(down[column], -rise)
    links: int = high - low
    for column in range(low, high + 1):
        links += up[column] + down[column]
        up[column] = down[column] = 0
    return links


@kernel
def _count_htree(ends: Ints, first: int, last: int, place: Ints, depth: int, seen: Ints, stamp: int) -> int:
    """Count the links of a binary tree: up to the highest meeting point, and every branch down from there once."""
    source = place[ends[first]]
    links = top = 0
    for k in range(first + 1, last):
        target, level = place[ends[k]], 0
        while target >> level != source >> level:
            branch = (1 << (depth - level)) + (target >> level)
            if seen[branch] != stamp:
                seen[branch] = stamp
                links += 1
            level += 1
        top = max(top, level)
    return links + top


@kernel
def _count_bus(ends: Ints, first: int, last: int, place: Ints) -> int:
    """Count one link where anything leaves the position of the source."""
    for k in range(first + 1, last):
        if place[ends[k]] != place[ends[first]]:
            return 1
    return 0


@kernel
def _count_listed(
    ends: Ints, first: int, last: int, place: Ints, tiles: int, path_first: Ints, path_link: Ints, seen: Ints,
    stamp: int,
) -> int:  # fmt: skip
    """Count the links of all paths from the source, each once."""
    source = place[ends[first]]
    links = 0
    for k in range(first + 1, last):
        pair = source * tiles + place[ends[k]]
        for i in range(path_first[pair], path_first[pair + 1]):
            if seen[path_link[i]] != stamp:
                seen[path_link[i]] = stamp
                links += 1
    return links


@kernel
def _count(
    form: int, ends: Ints, first: int, last: int, place: Ints, x: Ints, y: Ints, depth: int, path_first: Ints,
    path_link: Ints, up: Ints, down: Ints, seen: Ints, stamp: int,
) -> int:  # fmt: skip
    if form == XY:
        return _count_mesh(ends, first, last, place, x, y, up, down)
    if form == BINARY:
        return _count_htree(ends, first, last, place, depth, seen, stamp)
    if form == SHARED:
        return _count_bus(ends, first, last, place)
    return _count_listed(ends, first, last, place, x.size, path_first, path_link, seen, stamp)


@kernel
def count_links(
    form: int, clock: int, ends: Ints, first: Ints, place: Ints, x: Ints, y: Ints, depth: int, path_first: Ints,
    path_link: Ints, links: Ints, up: Ints, down: Ints, seen: Ints,
) -> int:  # fmt: skip
    """Fill in the links of every packet; ``form`` says how they are counted, ``depth`` is the height of a binary tree.

    ``clock`` is a number above all that ``seen`` holds; the next such number is returned.
    """
    for packet in range(links.size):
        clock += 1
        begin, end = first[packet], first[packet + 1]
        links[packet] = _count(form, ends, begin, end, place, x, y, depth, path_first, path_link, up, down, seen, clock)
    return clock


@kernel
def _swap(a: int, b: int, place: Ints) -> None:
    place[a], place[b] = place[b], place[a]


@kernel
def exchange(
    form: int, pairs: Ints, limits: Floats, clock: int, ends: Ints, first: Ints, bits: Ints, owner_first: Ints,
    owner: Ints, x: Ints, y: Ints, depth: int, path_first: Ints, path_link: Ints, place: Ints, links: Ints,
    score: Ints, best: Ints, work: Ints, fresh: Ints, touched: Ints, up: Ints, down: Ints, seen: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Exchange pairs of tiles one after the other wherever that costs at most the pair's limit.

    A packet to both tiles of a pair takes the same links after the exchange, and is not counted anew.

    Parameters
    ----------
    form : int
        How links are counted, a value of :data:`FORMS`.
    pairs : (count, 2)
        Tiles to try.
    limits : (count,)
        Bits times links that an exchange may cost; it is done where it costs less.
    clock : int
        A number above all that ``touched`` and ``seen`` hold; grows by at most ``count`` times the packets and two.
    ends, first, bits : arrays
        Packets.
    owner_first, owner : arrays
        Packets of every tile, one tile after the other.
    x, y, depth : arrays, int
        Positions on a mesh; height of a binary tree.
    path_first, path_link : arrays
        Links of the path from every position to every other, where they are listed.
    place, links : arrays
        Position of every tile and links of every packet, kept up to date.
    score, best : (2,), array
        Bits times links now and at the best placement seen, and that placement; kept up to date.
    work : (3,)
        Steps that may still be done, kept up to date; steps that a packet and each of its ends take. No pair is tried
        after they are used up.
    fresh, touched, up, down, seen : arrays
        Scratch.

    Returns
    -------
    int, int
        Exchanges done; the clock.
    """
    done = 0
    for k in range(limits.size):
        a, b = pairs[k, 0], pairs[k, 1]
        if work[0] <= 0:
            break
        if a == b:
            continue
        _swap(a, b, place)
        cost, mark, same, clock = 0, clock + 1, clock + 2, clock + 2
        for i in range(owner_first[a], owner_first[a + 1]):
            touched[owner[i]] = mark
        for i in range(owner_first[b], owner_first[b + 1]):
            source = ends[first[owner[i]]]
            if touched[owner[i]] == mark and source not in (a, b):
                touched[owner[i]] = same
        for tile in (a, b):
            for i in range(owner_first[tile], owner_first[tile + 1]):
                packet = owner[i]
                if touched[packet] == same or (tile == b and touched[packet] == mark):
                    continue
                work[0] -= work[1] + work[2] * (first[packet + 1] - first[packet])
                clock += 1
                now = _count(
                    form, ends, first[packet], first[packet + 1], place, x, y, depth, path_first, path_link, up, down,
                    seen, clock,
                )  # fmt: skip
                fresh[packet] = now
                cost += (now - links[packet]) * bits[packet]
        if cost < limits[k]:
            done += 1
            score[0] += cost
            if score[0] < score[1]:
                score[1] = score[0]
                best[:] = place
            for tile in (a, b):
                for i in range(owner_first[tile], owner_first[tile + 1]):
                    if touched[owner[i]] != same:
                        links[owner[i]] = fresh[owner[i]]
        else:
            _swap(a, b, place)
    return done, clock
