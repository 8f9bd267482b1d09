"""Paths between tiles: a mesh with XY routing, one shared bus or a binary tree, and links between chips.

Tiles of a chip fill the mesh row by row, every other row backwards, so that neighbours in number are neighbours
on the chip. Between chips a packet leaves through the port beside tile 0 and enters the other chip at its port.
Paths from one tile never join again once they have parted, so that the paths to several tiles form a tree and a
packet for all of them uses each link once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from xbarsim.config import Hardware


@dataclass(frozen=True, slots=True)
class Tree:
    """Links that a packet takes from one tile to several, each behind its parent."""

    links: tuple[int, ...]
    """Link ids."""
    parents: tuple[int, ...]
    """Position of the link before, -1 where the packet enters the network."""
    ends: dict[int, int]
    """Destination tile -> position of the last link on the way."""


NO_LINKS = Tree((), (), {})
"""The tree of a packet that stays in its tile."""


@dataclass
class Fabric:
    """The network between tiles; link ids are given out as paths are asked for."""

    kind: str
    """``mesh``, ``bus`` or ``htree``."""
    tiles_per_chip: int
    """Tiles of one chip."""
    ids: dict[tuple[object, ...], int] = field(default_factory=dict)
    """Link -> id."""
    trees: dict[tuple[int, tuple[int, ...]], Tree] = field(default_factory=dict)
    """Cache of multicast trees."""

    @property
    def width(self) -> int:
        """Tiles of a row of the mesh."""
        return max(1, math.ceil(math.sqrt(self.tiles_per_chip)))

    def place(self, tile: int) -> tuple[int, int, int]:
        """Return chip, column and row of a tile."""
        chip, index = divmod(tile, self.tiles_per_chip)
        y, x = divmod(index, self.width)
        return chip, (x if y % 2 == 0 else self.width - 1 - x), y

    def path(self, source: int, target: int) -> list[tuple[object, ...]]:
        """Return the links from one tile to another, none where they are the same."""
        if source == target:
            return []
        chip, other = source // self.tiles_per_chip, target // self.tiles_per_chip
        if chip == other:
            return self._inside(source, target)
        port, entry = chip * self.tiles_per_chip, other * self.tiles_per_chip
        out = self._inside(source, port) if source != port else []
        into = self._inside(entry, target) if entry != target else []
        return [*out, ("chip", chip, other), *into]

    def _inside(self, source: int, target: int) -> list[tuple[object, ...]]:
        chip, x, y = self.place(source)
        if self.kind == "bus":
            return [("bus", chip)]
        if self.kind == "htree":
            return self._branch(chip, source % self.tiles_per_chip, target % self.tiles_per_chip)
        _, to_x, to_y = self.place(target)
        links: list[tuple[object, ...]] = []
        while x != to_x:
            step = 1 if to_x > x else -1
            links.append((chip, x, y, x + step, y))
            x += step
        while y != to_y:
            step = 1 if to_y > y else -1
            links.append((chip, x, y, x, y + step))
            y += step
        return links

    @staticmethod
    def _branch(chip: int, source: int, target: int) -> list[tuple[object, ...]]:
        up: list[tuple[object, ...]] = []
        down: list[tuple[object, ...]] = []
        level = 0
        while source != target:
            up.append((chip, "up", level, source))
            down.append((chip, "down", level, target))
            source, target, level = source // 2, target // 2, level + 1
        return up + down[::-1]

    def chip_links(self) -> set[int]:
        """Return the ids of links between chips, which are as wide as the off-chip link."""
        return {number for link, number in self.ids.items() if link[0] == "chip"}

    def tree(self, source: int, targets: tuple[int, ...]) -> Tree:
        """Return the multicast tree from a tile to others (the source itself needs no link)."""
        key = (source, targets)
        if key not in self.trees:
            links: list[int] = []
            parents: list[int] = []
            positions: dict[tuple[object, ...], int] = {}
            ends: dict[int, int] = {}
            for target in targets:
                before = -1
                for link in self.path(source, target):
                    if link not in positions:
                        positions[link] = len(links)
                        links.append(self.ids.setdefault(link, len(self.ids)))
                        parents.append(before)
                    before = positions[link]
                if before >= 0:
                    ends[target] = before
            self.trees[key] = Tree(tuple(links), tuple(parents), ends)
        return self.trees[key]


def make_fabric(hardware: Hardware, tiles_per_chip: int) -> Fabric:
    """Describe the network between the tiles of some hardware."""
    return Fabric(kind=hardware.timing.noc, tiles_per_chip=tiles_per_chip)
