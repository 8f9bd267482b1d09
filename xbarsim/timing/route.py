"""Paths between the tiles of all chips: the network of each chip (:mod:`xbarsim.noc`), and links between chips.

Between chips a packet leaves through the port beside tile 0 and enters the other chip at its port.
Paths from one tile never join again once they have parted, so that the paths to several tiles form a tree and a
packet for all of them uses each link once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.noc import Link, Noc, find_noc, name_step
from xbarsim.timing._trees import DIRECTIONS, grow_trees

Ints = NDArray[np.int64]


class Asked(NamedTuple):
    """Tiles that packets go from and to."""

    sources: Ints
    """(packets,) sending tiles."""
    first_target: Ints
    """(packets + 1,) place in ``targets`` of the first tile that each packet goes to; every packet goes to some."""
    targets: Ints
    """(targets,) receiving tiles."""


class Trees(NamedTuple):
    """Links that packets take, one tree behind the other, each link behind its parent."""

    first: Ints
    """(packets + 1,) first entry of each packet."""
    links: Ints
    """(entries,) link ids."""
    parents: Ints
    """(entries,) entry of the link before, -1 where the packet enters the network."""
    ends: Ints
    """(targets,) entry of the last link on the way to each target, -1 where that is the source itself."""


class Links(Sequence[Link]):
    """Names of links by their ids; a step on a mesh is kept as a number until somebody asks."""

    def __init__(self, width: int, steps: int) -> None:
        self._width, self._steps = width, steps
        self._known: list[Link | int] = []

    def __len__(self) -> int:
        return len(self._known)

    @overload
    def __getitem__(self, number: int) -> Link: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Link]: ...
    def __getitem__(self, number: int | slice) -> Link | Sequence[Link]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        found = self._known[number]
        if isinstance(found, tuple):
            return found
        chip, code = divmod(found, self._steps)
        place, direction = divmod(code, len(DIRECTIONS))
        y, x = divmod(place, self._width)
        return name_step(chip, x, y, *DIRECTIONS[direction])

    def add(self, link: Link) -> int:
        """Give a link the next id."""
        self._known.append(link)
        return len(self._known) - 1

    def add_steps(self, chip: int, codes: Ints) -> None:
        """Give steps on the mesh of a chip the next ids."""
        self._known += (codes + chip * self._steps).tolist()


class _Mesh:
    """The mesh of each chip, and scratch for its trees."""

    def __init__(self, noc: Noc, tiles: int) -> None:
        self.x, self.y = _find_places(noc, tiles)
        self.width = int(self.x.max()) + 1
        self.steps = len(DIRECTIONS) * self.width * (int(self.y.max()) + 1)
        self.marks, self.fresh = np.full(self.steps, -1, dtype=np.int64), np.empty(self.steps, dtype=np.int64)
        self._numbers: dict[int, Ints] = {}

    def number_steps(self, chip: int) -> Ints:
        """Return the ids of the links of a chip, -1 where they have none."""
        found = self._numbers.get(chip)
        if found is None:
            found = self._numbers[chip] = np.full(self.steps, -1, dtype=np.int64)
        return found

    def find_step(self, link: Link) -> tuple[Ints, int] | None:
        """Return where the id of a link stands; None for a link between chips."""
        match link:
            case int(chip), int(x), int(y), int(to_x), int(to_y):
                direction = DIRECTIONS.index((to_x - x, to_y - y))
                return self.number_steps(chip), len(DIRECTIONS) * (y * self.width + x) + direction
        return None

    def grow(self, asked: Asked, first: int, chip: int, known: int) -> tuple[Trees, Ints]:
        """Grow trees on a chip, whose first tile is ``first``; return them, and the steps that got an id."""
        sources, targets, sizes = asked.sources - first, asked.targets - first, np.diff(asked.first_target)
        far = np.abs(self.x[targets] - np.repeat(self.x[sources], sizes))
        far += np.abs(self.y[targets] - np.repeat(self.y[sources], sizes))
        most = int(np.minimum(np.add.reduceat(far, asked.first_target[:-1]), self.steps).sum())
        links, parents = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
        ends, begins = np.empty(targets.size, dtype=np.int64), np.zeros(sources.size + 1, dtype=np.int64)
        count, now = grow_trees(
            self.width, self.x, self.y, sources, asked.first_target, targets, self.number_steps(chip), known,
            self.marks, links, parents, ends, begins[1:], self.fresh,
        )  # fmt: skip
        return Trees(begins, links[:count], parents[:count], ends), self.fresh[: now - known]


@functools.lru_cache(maxsize=256)
def _find_places(noc: Noc, tiles: int) -> tuple[Ints, Ints]:
    """Return column and row of every tile of a chip."""
    x, y = np.array([noc.place(tiles, tile) for tile in range(tiles)], dtype=np.int64).T.copy()
    return x, y


@dataclass
class Fabric:
    """The network between tiles; link ids are given out as paths are asked for."""

    kind: str
    """Name in :data:`xbarsim.noc.NOCS`."""
    tiles_per_chip: int
    """Tiles of one chip."""
    noc: Noc = field(init=False)
    """Record of the network of one chip."""
    links: Links = field(init=False)
    """Links with an id."""

    def __post_init__(self) -> None:
        self.noc = find_noc(self.kind)
        self._mesh = _Mesh(self.noc, self.tiles_per_chip) if self.noc.links == "xy" else None
        self.links = Links(self._mesh.width, self._mesh.steps) if self._mesh else Links(1, 1)
        self._ids: dict[Link, int] = {}

    def place(self, tile: int) -> tuple[int, int, int]:
        """Return chip, column and row of a tile.

        Parameters
        ----------
        tile : int
            Position, chips one after the other.

        Returns
        -------
        int, int, int
            Chip, column and row.
        """
        chip, index = divmod(tile, self.tiles_per_chip)
        return chip, *self.noc.place(self.tiles_per_chip, index)

    def path(self, source: int, target: int) -> tuple[Link, ...]:
        """Return the links from one tile to another, none where they are the same.

        Parameters
        ----------
        source, target : int
            Positions, chips one after the other.

        Returns
        -------
        tuple of Link
            In the order in which a packet takes them.
        """
        return _find_path(self.noc, self.tiles_per_chip, source, target)

    def chip_links(self) -> set[int]:
        """Return the ids of links between chips, which are as wide as the off-chip link."""
        return {number for link, number in self._ids.items() if link[0] == "chip"}

    def trees(self, asked: Asked) -> Trees:
        """Return the multicast trees of packets (a source itself needs no link).

        Parameters
        ----------
        asked : Asked
            Tiles that packets go from and to.

        Returns
        -------
        Trees
            In the same order, each link once in a tree.
        """
        found = []
        for chip, begin, end in self._list_runs(asked):
            low, high = asked.first_target[begin], asked.first_target[end]
            part = Asked(
                asked.sources[begin:end], asked.first_target[begin : end + 1] - low, asked.targets[low:high]
            )  # fmt: skip
            if self._mesh is not None and chip >= 0:
                trees, fresh = self._mesh.grow(part, chip * self.tiles_per_chip, chip, len(self.links))
                self.links.add_steps(chip, fresh)
                found.append(trees)
            else:
                found.append(self._join(part))
        return found[0] if len(found) == 1 else _concatenate(found)

    def _list_runs(self, asked: Asked) -> Iterator[tuple[int, int, int]]:
        """Yield runs of packets that stay on the mesh of one chip: chip (-1: no such), first, and the one behind."""
        count, size = asked.sources.size, self.tiles_per_chip
        if not count:
            return
        if self._mesh is None or max(int(asked.sources.max()), int(asked.targets.max())) < size:
            yield -1 if self._mesh is None else 0, 0, count
            return
        chips, firsts = asked.sources // size, asked.first_target[:-1]
        low = np.minimum.reduceat(asked.targets, firsts) // size
        high = np.maximum.reduceat(asked.targets, firsts) // size
        chips = np.where((low == chips) & (high == chips), chips, -1)
        bounds = [0, *(np.flatnonzero(np.diff(chips)) + 1).tolist(), count]
        for begin, end in itertools.pairwise(bounds):
            yield int(chips[begin]), begin, end

    def _join(self, asked: Asked) -> Trees:
        """Join paths link by link, which serves every network and several chips."""
        firsts, targets = asked.first_target.tolist(), asked.targets.tolist()
        begins = [0]
        links: list[int] = []
        parents: list[int] = []
        ends: list[int] = []
        for source, (low, high) in zip(asked.sources.tolist(), itertools.pairwise(firsts)):
            join = _keep_paths if (high - low) * self.tiles_per_chip <= SMALL else _join_paths
            wanted, first = tuple(targets[low:high]), len(links)
            branches = join(self.noc, self.tiles_per_chip, source, wanted)
            links += [self._number(link) for link in branches.links]
            parents += [parent + first if parent >= 0 else -1 for parent in branches.parents]
            ends += [branches.ends[target] + first if target in branches.ends else -1 for target in wanted]
            begins.append(len(links))
        return Trees(*(np.array(each, dtype=np.int64) for each in (begins, links, parents, ends)))

    def _number(self, link: Link) -> int:
        """Return the id of a link, the next one where it has none."""
        step = self._mesh.find_step(link) if self._mesh is not None else None
        if step is None:
            found = self._ids.get(link)
            if found is None:
                found = self._ids[link] = self.links.add(link)
            return found
        numbers, code = step
        if numbers[code] < 0:
            numbers[code] = self.links.add(link)
        return int(numbers[code])


SMALL = 1000
"""Targets times tiles of a chip up to which joined paths are kept."""


def _concatenate(found: Sequence[Trees]) -> Trees:
    """Put trees behind each other."""
    shifts = [0, *itertools.accumulate(each.links.size for each in found)]
    none = np.zeros(0, dtype=np.int64)
    firsts = [each.first[:-1] + shift for each, shift in zip(found, shifts)]
    parents = [np.where(each.parents < 0, -1, each.parents + shift) for each, shift in zip(found, shifts)]
    ends = [np.where(each.ends < 0, -1, each.ends + shift) for each, shift in zip(found, shifts)]
    return Trees(
        np.concatenate([*firsts, np.array(shifts[-1:], dtype=np.int64)]),
        np.concatenate([none, *(each.links for each in found)]),
        np.concatenate([none, *parents]),
        np.concatenate([none, *ends]),
    )


class Branches(NamedTuple):
    """A multicast tree whose links have no numbers yet."""

    links: tuple[Link, ...]
    parents: tuple[int, ...]
    ends: Mapping[int, int]


def _join_paths(noc: Noc, size: int, source: int, targets: tuple[int, ...]) -> Branches:
    """Join the paths from one tile to others."""
    parents: list[int] = []
    positions: dict[Link, int] = {}
    ends: dict[int, int] = {}
    for target in targets:
        before = -1
        for link in _find_path(noc, size, source, target):
            at = positions.get(link, -1)
            if at < 0:
                at = positions[link] = len(parents)
                parents.append(before)
            before = at
        if before >= 0:
            ends[target] = before
    return Branches(tuple(positions), tuple(parents), ends)


_keep_paths = functools.lru_cache(maxsize=1 << 13)(_join_paths)
"""For small trees."""


@functools.lru_cache(maxsize=1 << 14)
def _find_path(noc: Noc, size: int, source: int, target: int) -> tuple[Link, ...]:
    (chip, first), (other, last) = divmod(source, size), divmod(target, size)
    if chip == other:
        return tuple(noc.path(chip, size, first, last))
    out, into = noc.path(chip, size, first, 0), noc.path(other, size, 0, last)
    return (*out, ("chip", chip, other), *into)


def make_fabric(hardware: Hardware, tiles_per_chip: int) -> Fabric:
    """Describe the network between the tiles of some hardware.

    Parameters
    ----------
    hardware : Hardware
        Kind of network.
    tiles_per_chip : int
        Tiles of one chip.

    Returns
    -------
    Fabric
        The network.
    """
    return Fabric(kind=hardware.timing.noc, tiles_per_chip=tiles_per_chip)
