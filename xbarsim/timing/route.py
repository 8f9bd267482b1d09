"""Paths between the tiles of all chips: the network of each chip (:mod:`xbarsim.noc`), and links between chips.

Between chips a packet leaves through the port beside tile 0 and enters the other chip at its port.
Paths from one tile never join again once they have parted, so that the paths to several tiles form a tree and a
packet for all of them uses each link once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.noc import Link, Noc, find_noc, name_step
from xbarsim.timing._trees import DIRECTIONS, grow_mesh

Ints = NDArray[np.int64]
Numbers = tuple[int, ...] | Ints
"""A tuple where there are few, an array where there may be many."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Links that a packet takes from one tile to several, each behind its parent."""

    links: Numbers
    """Link ids."""
    parents: Numbers
    """Position of the link before, -1 where the packet enters the network."""
    ends: Mapping[int, int]
    """Destination tile -> position of the last link on the way."""


NO_LINKS = Tree((), (), {})
"""The tree of a packet that stays in its tile."""
SMALL = 1000
"""Targets times tiles of a chip up to which paths are joined one by one."""


@dataclass(eq=False)
class _Mesh:
    """Scratch of trees on the mesh of each chip."""

    width: int
    x: Ints
    y: Ints
    marks: Ints
    links: Ints
    parents: Ints
    ends: Ints
    fresh: Ints
    numbers: dict[int, Ints]
    """Chip -> ids of its links, -1 where they have none."""

    @classmethod
    def make(cls, noc: Noc, tiles: int) -> _Mesh:
        """Allocate what trees on chips of so many tiles need."""
        x, y = np.array([noc.place(tiles, tile) for tile in range(tiles)], dtype=np.int64).T.copy()
        width, size = int(x.max()) + 1, len(DIRECTIONS) * (int(x.max()) + 1) * (int(y.max()) + 1)
        marks, links, parents, fresh = (np.full(size, -1, dtype=np.int64) for _ in range(4))
        return cls(width, x, y, marks, links, parents, np.empty(tiles, dtype=np.int64), fresh, {})

    def number_links(self, chip: int, ids: Mapping[Link, int]) -> Ints:
        """Return the ids of the links of a chip."""
        if chip not in self.numbers:
            self.numbers[chip] = np.full(self.marks.size, -1, dtype=np.int64)
            for link, number in ids.items():
                self.note(link, number)
        return self.numbers[chip]

    def note(self, link: Link, number: int) -> None:
        """Note an id that was given out elsewhere."""
        match link:
            case int(chip), int(x), int(y), int(to_x), int(to_y) if chip in self.numbers:
                direction = DIRECTIONS.index((to_x - x, to_y - y))
                self.numbers[chip][len(DIRECTIONS) * (y * self.width + x) + direction] = number

    def name(self, chip: int, code: int) -> Link:
        """Return a link by its place and direction."""
        place, direction = divmod(code, len(DIRECTIONS))
        y, x = divmod(place, self.width)
        return name_step(chip, x, y, *DIRECTIONS[direction])


@dataclass
class Fabric:
    """The network between tiles; link ids are given out as paths are asked for."""

    kind: str
    """Name in :data:`xbarsim.noc.NOCS`."""
    tiles_per_chip: int
    """Tiles of one chip."""
    ids: dict[Link, int] = field(default_factory=dict)
    """Link -> id."""
    trees: dict[tuple[int, tuple[int, ...]], Tree] = field(default_factory=dict)
    """Cache of multicast trees."""
    noc: Noc = field(init=False)
    """Record of the network of one chip."""

    def __post_init__(self) -> None:
        self.noc = find_noc(self.kind)
        self._mesh: _Mesh | None = None

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
        return {number for link, number in self.ids.items() if link[0] == "chip"}

    def tree(self, source: int, targets: tuple[int, ...]) -> Tree:
        """Return the multicast tree from a tile to others (the source itself needs no link).

        Parameters
        ----------
        source : int
            Sending tile.
        targets : tuple of int
            Receiving tiles.

        Returns
        -------
        Tree
            Links, each once.
        """
        key = (source, targets)
        found = self.trees.get(key)
        if found is None:
            size = self.tiles_per_chip
            first = source - source % size
            is_mesh = len(targets) * size > SMALL and self.noc.links == "xy"
            if is_mesh and first <= min(targets) and max(targets) < first + size:
                found = self._grow_mesh(first, source, targets)
            else:
                found = self._grow(source, targets)
            self.trees[key] = found
        return found

    def _grow(self, source: int, targets: tuple[int, ...]) -> Tree:
        """Join paths link by link, which serves every network and several chips."""
        join = _keep_paths if len(targets) * self.tiles_per_chip <= SMALL else _join_paths
        links, parents, ends = join(self.noc, self.tiles_per_chip, source, targets)
        ids, known = self.ids, len(self.ids)
        found = Tree(tuple([ids.setdefault(link, len(ids)) for link in links]), parents, ends)
        if self._mesh is not None:
            for link in itertools.islice(reversed(ids), len(ids) - known):
                self._mesh.note(link, ids[link])
        return found

    def _grow_mesh(self, first: int, source: int, targets: tuple[int, ...]) -> Tree:
        """Grow the same tree compiled; ``first`` is the first tile of the chip."""
        mesh, chip, known = self._mesh, first // self.tiles_per_chip, len(self.ids)
        if mesh is None:
            mesh = self._mesh = _Mesh.make(self.noc, self.tiles_per_chip)
        local, numbers = np.array(targets, dtype=np.int64) - first, mesh.number_links(chip, self.ids)
        count, now = grow_mesh(
            mesh.width, mesh.x, mesh.y, source - first, local, numbers, known, mesh.marks, mesh.links, mesh.parents,
            mesh.ends, mesh.fresh,
        )  # fmt: skip
        for number, code in enumerate(mesh.fresh[: now - known].tolist(), start=known):
            self.ids[mesh.name(chip, code)] = number
        ends = {target: end for target, end in zip(targets, mesh.ends[: local.size].tolist()) if end >= 0}
        return Tree(mesh.links[:count].copy(), mesh.parents[:count].copy(), ends)


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
