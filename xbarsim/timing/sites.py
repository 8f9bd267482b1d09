"""Where all replicas of all steps lie, and the packets that they send for one window: arrays, replica by replica."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.timing.route import Asked, Fabric, Trees
from xbarsim.timing.slots import LayerSlots

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Sends(NamedTuple):
    """Tiles that results are sent to, as lists that grow replica by replica; see :class:`Sites`."""

    sizes: list[int]
    reached: list[int]
    dest_sizes: list[int]
    dest: list[int]

    def add(self, targets: Sequence[tuple[int, ...]]) -> None:
        """Add a replica.

        Parameters
        ----------
        targets : sequence of tuple of int
            For each edge of its step the tiles that the result is sent to, in order and without its home.
        """
        first = len(self.reached)
        if len(targets) == 1:
            self.reached.extend(targets[0])
            self.dest.extend(range(first, len(self.reached)))
        else:
            self.reached.extend(sorted(set().union(*targets)))
            places = {tile: place for place, tile in enumerate(self.reached[first:], start=first)}
            self.dest.extend([places[tile] for each in targets for tile in each])
        self.sizes.append(len(self.reached) - first)
        self.dest_sizes.extend([len(each) for each in targets])


class Sites(NamedTuple):
    """Where all replicas of all steps lie and where their results go, replica by replica."""

    home: Ints
    """(replicas,) tile where results are made."""
    first_slot: Ints
    """(replicas + 1,) first slot of each replica; a digital step has one in its home tile, the input none."""
    tile: Ints
    """(slots,) tile."""
    rows: Ints
    """(slots,) distinct inputs of one window that the tile needs; 0 for digital steps."""
    outputs: Ints
    """(slots,) outputs of one window that the tile holds at least a part of; 0 for digital steps."""
    first_reached: Ints
    """(replicas + 1,) first of the tiles that the result of each replica is sent to."""
    reached: Ints
    """(tiles reached,) the tiles, in order; without the home of the replica."""
    first_dest: Ints
    """(replicas times edges of their steps + 1,) first destination over each edge."""
    dest: Ints
    """(destinations,) place in ``reached``."""

    @classmethod
    def make(cls, home: list[int], slots: LayerSlots, sends: Sends) -> Sites:
        """Turn lists into arrays.

        Parameters
        ----------
        home : list of int
            Tile of the results of each replica.
        slots : LayerSlots
            Slots of all replicas.
        sends : Sends
            Tiles that their results are sent to.

        Returns
        -------
        Sites
            The same.
        """
        first_slot, first_reached, first_dest = (
            [0, *itertools.accumulate(sizes)] for sizes in (slots.sizes, sends.sizes, sends.dest_sizes)
        )
        lists = (
            home, first_slot, slots.tiles, slots.rows, slots.outputs, first_reached, sends.reached, first_dest,
            sends.dest,
        )  # fmt: skip
        flat, ends = np.array([*itertools.chain(*lists)], dtype=np.int64), [0, *itertools.accumulate(map(len, lists))]
        return cls(*[flat[first:last] for first, last in itertools.pairwise(ends)])


class Packets(NamedTuple):
    """What replicas send for one window: the partial sums of every slot that is not at home, then the result."""

    of_slot: Ints
    """(slots,) packets before that of each slot."""
    is_gathered: Flags
    """(slots,) whether partial sums have to travel."""
    of_replica: Ints
    """(replicas,) packets before the result of each replica."""
    is_sent: Flags
    """(replicas,) whether the result leaves its tile."""
    trees: Trees
    """Links of all packets."""
    ends: Ints
    """(tiles reached,) entry of the last link on the way to each of :attr:`Sites.reached`."""


def route_packets(fabric: Fabric, sites: Sites) -> Packets:
    """Find the links of all packets; they are numbered as packets ask for them.

    Parameters
    ----------
    fabric : Fabric
        Network between the tiles.
    sites : Sites
        Where replicas lie, and where their results go.

    Returns
    -------
    Packets
        Numbered replica by replica.
    """
    slots, tiles = np.diff(sites.first_slot), np.diff(sites.first_reached)
    replica_of = np.repeat(np.arange(slots.size), slots)
    homes = sites.home[replica_of]
    is_gathered, is_sent = sites.tile != homes, tiles > 0
    gathered, sent = np.concatenate(([0], np.cumsum(is_gathered))), np.concatenate(([0], np.cumsum(is_sent)))
    of_slot = gathered[:-1] + sent[replica_of]
    of_replica = gathered[sites.first_slot[1:]] + sent[:-1]
    sources, sizes = np.empty((2, int(gathered[-1] + sent[-1])), dtype=np.int64)
    sources[of_slot[is_gathered]], sources[of_replica[is_sent]] = sites.tile[is_gathered], sites.home[is_sent]
    sizes[of_slot[is_gathered]], sizes[of_replica[is_sent]] = 1, tiles[is_sent]
    is_result = np.zeros(sources.size, dtype=np.bool_)
    is_result[of_replica[is_sent]] = True
    of_result = np.repeat(is_result, sizes)
    targets = np.empty(of_result.size, dtype=np.int64)
    targets[of_result], targets[~of_result] = sites.reached, homes[is_gathered]
    trees = fabric.trees(Asked(sources, np.concatenate(([0], np.cumsum(sizes))), targets))
    return Packets(of_slot, is_gathered, of_replica, is_sent, trees, trees.ends[of_result])
