"""Paths between the tiles of all chips: the network of each chip (:mod:`xbarsim.noc`), and links between chips.

Between chips a packet leaves through the port beside tile 0 and enters the other chip at its port.
Paths from one tile never join again once they have parted, so that the paths to several tiles form a tree and a
packet for all of them uses each link once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from xbarsim.config import Hardware
from xbarsim.noc import Link, Noc, find_noc


@dataclass(frozen=True, slots=True)
class Tree:
    """Links that a packet takes from one tile to several, each behind its parent."""

    links: tuple[int, ...]
    """Link ids."""
    parents: tuple[int, ...]
    """Position of the link before, -1 where the packet enters the network."""
    ends: Mapping[int, int]
    """Destination tile -> position of the last link on the way."""


NO_LINKS = Tree((), (), {})
"""The tree of a packet that stays in its tile."""


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
            links, parents, ends = _grow_tree(self.noc, self.tiles_per_chip, source, targets)
            ids = self.ids
            found = self.trees[key] = Tree(tuple([ids.setdefault(link, len(ids)) for link in links]), parents, ends)
        return found


class Branches(NamedTuple):
    """A multicast tree before its links have numbers."""

    links: tuple[Link, ...]
    parents: tuple[int, ...]
    ends: Mapping[int, int]


@functools.lru_cache(maxsize=1 << 14)
def _grow_tree(noc: Noc, size: int, source: int, targets: tuple[int, ...]) -> Branches:
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
