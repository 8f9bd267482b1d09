"""Networks on chip, one record each: a mesh with XY routing, one shared bus, a binary tree.

Tiles of a chip fill the mesh row by row, every other row backwards, so that neighbours in number are neighbours
on the chip. Paths from one tile never join again once they have parted, so that the paths to several tiles form a tree
and a packet for all of them uses each link once.

``timing.noc`` names a record of :data:`NOCS`. Every link takes ``timing.hop_cycles`` and is ``timing.link_bits`` wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from xbarsim.errors import ConfigError

Link = tuple[object, ...]
"""Identifier of a link; its name is made of its parts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Noc:
    """The network between the tiles of one chip."""

    name: str
    """Name, as in ``timing.noc``."""
    about: str
    """Short description."""
    path: Callable[[int, int, int, int], list[Link]]
    """``path(chip, tiles, source, target)``: links from one tile of a chip to another, both counted on that chip."""
    place: Callable[[int, int], tuple[int, int]]
    """``place(tiles, tile)``: column and row of a tile."""
    links: Literal["xy", "binary", "shared", "listed"]
    """What is known of paths, for faster code: along the row of the source in ``place``, then along the column of the
    target, with links from :func:`name_step`; a binary tree over the tiles; one link for all; ``listed`` is nothing,
    which serves any network."""


def _place_snake(tiles: int, tile: int) -> tuple[int, int]:
    """Fill a square row by row, every other row backwards."""
    width = max(1, math.ceil(math.sqrt(tiles)))
    y, x = divmod(tile, width)
    return (x if y % 2 == 0 else width - 1 - x), y


def _place_row(tiles: int, tile: int) -> tuple[int, int]:
    """Put all tiles in one row."""
    return tile, 0


def name_step(chip: int, x: int, y: int, step_x: int, step_y: int) -> Link:
    """Return the link of a mesh from a column and row of a chip to the place so many columns and rows further."""
    return chip, x, y, x + step_x, y + step_y


def _route_xy(chip: int, tiles: int, source: int, target: int) -> list[Link]:
    """Go along the row of the source, then along the column of the target."""
    (x, y), (to_x, to_y) = _place_snake(tiles, source), _place_snake(tiles, target)
    links: list[Link] = []
    while x != to_x:
        step = 1 if to_x > x else -1
        links.append(name_step(chip, x, y, step, 0))
        x += step
    while y != to_y:
        step = 1 if to_y > y else -1
        links.append(name_step(chip, x, y, 0, step))
        y += step
    return links


def _route_bus(chip: int, tiles: int, source: int, target: int) -> list[Link]:
    """Take the one link that there is."""
    return [("bus", chip)] if source != target else []


def _route_tree(chip: int, tiles: int, source: int, target: int) -> list[Link]:
    """Go up to the first node above both tiles, then down."""
    up: list[Link] = []
    down: list[Link] = []
    level = 0
    while source != target:
        up.append((chip, "up", level, source))
        down.append((chip, "down", level, target))
        source, target, level = source // 2, target // 2, level + 1
    return up + down[::-1]


def tabulate_nocs(records: Iterable[Noc]) -> dict[str, Noc]:
    """Key the records by their names, after checking their paths on small chips.

    Parameters
    ----------
    records : iterable of Noc
        One for each network.

    Returns
    -------
    dict of str to Noc
        In the given order.

    Raises
    ------
    ValueError
        If two records share a name, or the paths from some tile do not form a tree.
    """
    table: dict[str, Noc] = {}
    for record in records:
        if record.name in table:
            raise ValueError(f"network on chip {record.name!r}: two records")
        for tiles in (1, 2, 7):
            for source in range(tiles):
                _check_paths(record, tiles, source)
        table[record.name] = record
    return table


def _check_paths(noc: Noc, tiles: int, source: int) -> None:
    """Check that the paths from a tile form a tree."""
    before: dict[Link, Link | None] = {}
    for target in range(tiles):
        links = noc.path(0, tiles, source, target)
        if bool(links) != (source != target):
            raise ValueError(f"network on chip {noc.name!r}: path: {len(links)} links from {source} to {target}")
        for link, last in zip(links, (None, *links)):
            if before.setdefault(link, last) != last:
                raise ValueError(f"network on chip {noc.name!r}: path: paths from {source} join again at {link}")


NOCS = tabulate_nocs(
    (
        Noc(name="mesh", about="mesh with XY routing", path=_route_xy, place=_place_snake, links="xy"),
        Noc(name="bus", about="one shared bus", path=_route_bus, place=_place_row, links="shared"),
        Noc(name="htree", about="binary tree", path=_route_tree, place=_place_row, links="binary"),
    )
)
"""Name -> network on chip."""


def find_noc(name: str) -> Noc:
    """Return the record of a network on chip.

    Parameters
    ----------
    name : str
        Name in :data:`NOCS`.

    Returns
    -------
    Noc
        Its record.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    if name not in NOCS:
        raise ConfigError(f"timing.noc: {name!r} is not allowed: should be {list_nocs()}")
    return NOCS[name]


def list_nocs() -> str:
    """Return the names of all networks as a phrase: ``'mesh', 'bus' or 'htree'``."""
    *others, last = (repr(name) for name in NOCS)
    return f"{', '.join(others)} or {last}"
