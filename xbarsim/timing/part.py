"""Shared resources of the machine: one record for each part of a tile, and the numbers that the event loop uses.

A resource serves one request at a time. Resources are numbered tile by tile, then the links of the network on chip,
then the off-chip input and output. Within a tile the first instance of every part comes first, in the order of the
table, then the second instances, and so on.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim.config.hardware import Timing


@dataclass(frozen=True, kw_only=True)
class Part:
    """A kind of shared resource that every tile has."""

    name: str
    """Name in the names of resources, such as ``tile 3 bus``."""
    width: str | None
    """Key of ``timing`` for what one instance serves in a cycle; None where work is given in cycles."""
    instances: str | None
    """Key of ``timing`` for the instances of a tile, which steps use in turn; None is one instance."""


BUFFER_READ = Part(name="buffer read", width="buffer_bits", instances="buffer_banks")
BUFFER_WRITE = Part(name="buffer write", width="buffer_bits", instances="buffer_banks")
BUS = Part(name="bus", width="bus_bits", instances=None)
ACTIVATION = Part(name="activation", width="activation_lanes", instances=None)
VECTOR = Part(name="vector", width="vector_lanes", instances=None)
POOLING = Part(name="pooling", width="pooling_lanes", instances=None)

WRITER = Part(name="write drivers", width=None, instances=None)
"""Drivers that write operands of products into arrays; only machines with such products have them."""

PARTS = (BUFFER_READ, BUFFER_WRITE, BUS, ACTIVATION, VECTOR, POOLING)
"""Parts of a tile. Offsets follow from the table; a further part may stand anywhere in it."""


def check_parts(parts: tuple[Part, ...]) -> None:
    """Check a table of parts.

    Parameters
    ----------
    parts : tuple of Part
        The table.

    Raises
    ------
    ValueError
        If two parts share a name, or a part names a key that ``timing`` does not have.
    """
    names = [part.name for part in parts]
    for part in parts:
        if names.count(part.name) > 1:
            raise ValueError(f"tile part {part.name!r}: name is used twice")
        for field, key in (("width", part.width), ("instances", part.instances)):
            if key is not None and key not in Timing.model_fields:
                raise ValueError(f"tile part {part.name!r}: {field}: timing has no key {key!r}")


check_parts((*PARTS, WRITER))


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Numbers and names of all shared resources of a machine."""

    tiles: int
    """Tiles of all chips."""
    order: tuple[tuple[str, int], ...]
    """Name and instance of every part of a tile, by offset."""
    offsets: Mapping[str, tuple[int, ...]]
    """Offsets of the instances of a part, by name."""
    links: Sequence[tuple[Any, ...]]
    """Links, by number: what kind of link, and what it joins."""

    def part(self, part: Part, tile: int, step: int) -> int:
        """Return the number of the part of a tile that a step uses.

        Parameters
        ----------
        part : Part
            Record of :data:`PARTS`.
        tile : int
            Position of the tile.
        step : int
            Number of the step; steps use the instances of a part in turn.

        Returns
        -------
        int
            Number of the resource.
        """
        return tile * self.stride + self.offset(part, step)

    def offset(self, part: Part, step: int) -> int:
        """Return what the number of the part that a step uses is above that of the first resource of its tile.

        Parameters
        ----------
        part : Part
            Record of :data:`PARTS`.
        step : int
            Number of the step; steps use the instances of a part in turn.

        Returns
        -------
        int
            Resources.
        """
        offsets = self.offsets[part.name]
        return offsets[step % len(offsets)]

    def offset_all(self, part: Part, steps: int) -> list[int]:
        """Return :meth:`offset` of steps from the first on.

        Parameters
        ----------
        part : Part
            Record of :data:`PARTS`.
        steps : int
            Number of steps.

        Returns
        -------
        list of int
            By step.
        """
        return list(itertools.islice(itertools.cycle(self.offsets[part.name]), steps))

    @property
    def stride(self) -> int:
        """Resources of a tile."""
        return len(self.order)

    @property
    def first_link(self) -> int:
        """Number of the first link."""
        return self.tiles * self.stride

    @property
    def input(self) -> int:
        """Number of the off-chip input."""
        return self.first_link + len(self.links)

    @property
    def output(self) -> int:
        """Number of the off-chip output."""
        return self.input + 1

    def name(self, resource: int) -> str:
        """Return the name of a resource, by its number.

        Parameters
        ----------
        resource : int
            Its number.

        Returns
        -------
        str
            Such as ``tile 3 bus`` or ``off-chip input``.
        """
        if resource >= self.input:
            return "off-chip input" if resource == self.input else "off-chip output"
        if resource >= self.first_link:
            return "link " + " ".join(str(part) for part in self.links[resource - self.first_link])
        tile, offset = divmod(resource, self.stride)
        name, instance = self.order[offset]
        return f"tile {tile} {name} {instance}" if instance else f"tile {tile} {name}"


def number_resources(
    timing: Timing, tiles: int, links: Sequence[tuple[Any, ...]], *, has_writers: bool = False
) -> Resources:
    """Number the shared resources of a machine.

    Parameters
    ----------
    timing : Timing
        Instances of the parts.
    tiles : int
        Tiles of all chips.
    links : sequence of tuple
        Links, by number.
    has_writers : bool
        Whether operands of products are written into arrays.

    Returns
    -------
    Resources
        Numbers and names.
    """
    parts = (*PARTS, WRITER) if has_writers else PARTS
    order, offsets = _order_parts(parts, tuple([_count_instances(part, timing) for part in parts]))
    return Resources(tiles=tiles, order=order, offsets=offsets, links=links)


def _count_instances(part: Part, timing: Timing) -> int:
    return getattr(timing, part.instances) if part.instances else 1


@functools.lru_cache(maxsize=64)
def _order_parts(
    parts: tuple[Part, ...], instances: tuple[int, ...]
) -> tuple[tuple[tuple[str, int], ...], Mapping[str, tuple[int, ...]]]:
    """Return name and instance of every part of a tile, and the offsets of every part."""
    counts = {part.name: count for part, count in zip(parts, instances)}
    order = [(name, each) for each in range(max(instances)) for name in counts if each < counts[name]]
    return tuple(order), {name: tuple(at for at, (other, _) in enumerate(order) if other == name) for name in counts}


def part_width(part: Part, timing: Timing) -> int:
    """Return what one instance of a part serves in a cycle: bits or values, as its key of ``timing`` says.

    Parameters
    ----------
    part : Part
        Record of :data:`PARTS`.
    timing : Timing
        Widths.

    Returns
    -------
    int
        Bits or values in a cycle; 1 for work that is given in cycles.
    """
    width: int = 1 if part.width is None else getattr(timing, part.width)
    return width
