"""Placement of tiles on their chips: in the order of the layers, or with the least traffic.

``mapping.placement: traffic`` looks for the permutation of the tiles of each chip with the fewest bits times links in
one inference. Counted are the links that packets really take: one tree to all tiles that need a value
(:mod:`xbarsim.timing.route`), partial sums on their way home, and the way from and to the port of the chip. A
quadratic assignment (sum over pairs of tiles) would count the shared part of a tree once for every target, and most
of the traffic of a large network has several. The search goes from the order of the layers by exchanges of two tiles
until none helps, then by simulated annealing over exchanges (Kirkpatrick et al., Science 220, 1983); the best
placement seen is kept, so that it is never worse than the order. The random numbers come from a named stream of their
own: equal plans are placed equally.

Neglected: waiting of packets (less traffic means shorter queues, but these are not minimised), and moving a tile to
another chip. On a bus, only the tile that shares its position with the port can be chosen.

The work is bounded by the ends of packets that are counted anew (:data:`DESCENT_STEPS`, :data:`ANNEALING_STEPS`), not
by time, so that the same plan is placed equally on every machine. Chips of some hundred tiles whose tiles send to many
others reach the bounds; fewer pairs are then tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim import rng
from xbarsim.noc import Link
from xbarsim.timing._swaps import BINARY, FORMS, LISTED, XY, count_links, exchange
from xbarsim.timing.route import Fabric

ROUNDS, SMALLEST_ROUND, LARGEST_ROUND = 64, 1 << 10, 1 << 16
"""Temperatures of the annealing, and exchanges tried at each: the square of the tiles within these limits."""
LARGEST_CHIP = 1024
"""Tiles up to which every exchange is tried at the end; of more tiles a sample."""
DESCENT_STEPS, ANNEALING_STEPS = 10**8, 25 * 10**7
"""Largest work of each of the two descents, and of the annealing: ends of packets that are counted anew."""
PROBED, PROBE_STEPS = 256, 10**8
"""Pairs on which the work of trying one is measured before, and the largest work of that."""
PACKET_STEPS = 8
"""Work of counting a packet beside that of its ends and of the columns of a mesh: ends of packets."""
HOTTEST, COLDEST = 3.0, 0.01
"""First and last temperature, as a share of the bits times links that a tile has on average before."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Packet:
    """What one tile sends to others in one inference, along one tree."""

    source: int
    """Sending tile, or ``PORT``."""
    targets: tuple[int, ...]
    """Receiving tiles, or ``PORT``."""
    bits: int
    """Bits in one inference."""


PORT = -1
"""The port of the first chip, where input arrives and output leaves; it lies at position 0 and never moves."""


def place_tiles(fabric: Fabric, tiles: int, packets: Iterable[Packet]) -> list[int]:
    """Choose a position for every tile so that packets take few links.

    Parameters
    ----------
    fabric : Fabric
        Network between the tiles.
    tiles : int
        Tiles of all chips.
    packets : iterable of Packet
        Traffic of one inference.

    Returns
    -------
    list of int
        Position of every tile; tiles stay on their chip. Never more bits times links than in order.
    """
    places = list(range(tiles))
    size = fabric.tiles_per_chip
    for chip, own in enumerate(_share_out(packets, size, tiles // size)):
        if own:
            found = _place_chip(fabric, size, own)
            places[chip * size : (chip + 1) * size] = [chip * size + int(position) for position in found]
    return places


def _share_out(packets: Iterable[Packet], size: int, chips: int) -> list[dict[tuple[int, ...], int]]:
    """Cut packets at the ports of chips: by chip, (source, *targets) -> bits, numbered within it, the port last."""
    shares: list[dict[tuple[int, ...], int]] = [{} for _ in range(chips)]
    for packet in packets:
        home, source = divmod(packet.source, size) if packet.source != PORT else (0, size)
        reached: dict[int, set[int]] = {}
        for target in packet.targets:
            chip, local = divmod(target, size) if target != PORT else (0, size)
            reached.setdefault(chip, set()).add(local)
        if set(reached) - {home}:
            reached.setdefault(home, set()).add(size)
        for chip, found in reached.items():
            first = source if chip == home else size
            if found - {first}:
                key = (first, *sorted(found - {first}))
                shares[chip][key] = shares[chip].get(key, 0) + packet.bits
    return shares


def _place_chip(fabric: Fabric, size: int, packets: dict[tuple[int, ...], int]) -> Ints:
    """Place the tiles of one chip, numbered from 0; ``size`` is the port."""
    search = _Placement(fabric, size, packets)
    draws = rng.stream(0, "timing.placement")
    most = int(min(LARGEST_CHIP**2, DESCENT_STEPS // search.steps + 1))
    if size <= LARGEST_CHIP and size * (size - 1) // 2 <= most:
        pairs = np.stack(np.triu_indices(size, 1), axis=1).astype(np.int64)
    else:
        pairs = draws.integers(0, size, (most, 2))
    search.descend(pairs)
    tries, mean = min(max(size * size, SMALLEST_ROUND), LARGEST_ROUND), search.score[1] / size
    tries = int(min(tries, ANNEALING_STEPS // (ROUNDS * search.steps) + 1))
    search.work[0] = 2 * ANNEALING_STEPS
    for temperature in np.geomspace(HOTTEST, COLDEST, ROUNDS) * mean:
        search.exchange(draws.integers(0, size, (tries, 2)), draws.exponential(temperature, tries))
    search.descend(pairs)
    return search.best[:-1]


class _Placement:
    """State of the search on one chip: where every tile lies, and the links that every packet takes."""

    def __init__(self, fabric: Fabric, size: int, packets: dict[tuple[int, ...], int]) -> None:
        self.bits = np.array(list(packets.values()), dtype=np.int64)
        self.ends = np.array([tile for key in packets for tile in key], dtype=np.int64)
        self.first = np.concatenate(([0], np.cumsum([len(key) for key in packets]))).astype(np.int64)
        packet_of = np.repeat(np.arange(len(packets)), np.diff(self.first))
        by_tile = np.argsort(self.ends, kind="stable")
        self.owner = packet_of[by_tile]
        self.owner_first = np.searchsorted(self.ends[by_tile], np.arange(size + 2))
        self.place = np.append(np.arange(size), 0).astype(np.int64)
        coordinates = np.array([fabric.place(tile)[1:] for tile in range(size)], dtype=np.int64)
        self.x, self.y = coordinates[:, 0].copy(), coordinates[:, 1].copy()
        self.form, self.depth = FORMS[fabric.noc.links], max(1, (size - 1).bit_length())
        self.path_first, self.path_link = _list_paths(fabric, size if self.form == LISTED else 0)
        self.links = np.zeros(len(packets), dtype=np.int64)
        self.fresh, self.touched = np.zeros_like(self.links), np.zeros_like(self.links)
        self.up, self.down = np.zeros((2, int(self.x.max()) + 1), dtype=np.int64)
        marks = 2 << self.depth if self.form == BINARY else int(self.path_link.max(initial=0)) + 1
        self.seen = np.zeros(marks, dtype=np.int64)
        columns = self.up.size if self.form == XY else 0
        each = max(1, self.depth // 3) if self.form in (BINARY, LISTED) else 1
        self.work = np.array([0, PACKET_STEPS + columns, each], dtype=np.int64)
        self.best = self.place.copy()
        self.clock = 0
        self.count()
        self.score = np.array([self.total, self.total])
        self.steps = self.probe(rng.stream(0, "timing.placement.probe").integers(0, size, (PROBED, 2)))

    def probe(self, pairs: Ints) -> int:
        """Return the mean work of trying these pairs, exchanging none."""
        self.work[0] = PROBE_STEPS
        self.exchange(pairs, np.full(len(pairs), -np.inf))
        return max(1, int(PROBE_STEPS - self.work[0]) // len(pairs))

    def count(self) -> None:
        """Count the links of every packet anew."""
        self.clock = count_links(
            self.form, self.clock, self.ends, self.first, self.place, self.x, self.y, self.depth, self.path_first,
            self.path_link, self.links, self.up, self.down, self.seen,
        )  # fmt: skip

    def descend(self, pairs: Ints) -> None:
        """Go on from the best placement seen by exchanges of these pairs until none helps."""
        self.place[:] = self.best
        self.count()
        self.score[0] = self.total
        self.work[0] = DESCENT_STEPS
        while self.exchange(pairs, np.zeros(len(pairs))):
            pass

    @property
    def total(self) -> int:
        """Bits times links."""
        return int((self.links * self.bits).sum())

    def exchange(self, pairs: Ints, limits: NDArray[np.float64]) -> int:
        """Try exchanges; return how many were done."""
        done, self.clock = exchange(
            self.form, pairs, limits, self.clock, self.ends, self.first, self.bits, self.owner_first, self.owner,
            self.x, self.y, self.depth, self.path_first, self.path_link, self.place, self.links, self.score, self.best,
            self.work, self.fresh, self.touched, self.up, self.down, self.seen,
        )  # fmt: skip
        return int(done)


def _list_paths(fabric: Fabric, size: int) -> tuple[Ints, Ints]:
    """Return where the path of each pair of positions begins, the source's first, and the links of all paths."""
    numbers: dict[Link, int] = {}
    sizes: list[int] = [0]
    links: list[int] = []
    for source in range(size):
        for target in range(size):
            path = fabric.path(source, target)
            sizes.append(len(path))
            links.extend(numbers.setdefault(link, len(numbers)) for link in path)
    return np.cumsum(sizes, dtype=np.int64), np.array(links, dtype=np.int64)
