"""Trees on a mesh that are grown compiled, against paths joined link by link."""

import dataclasses
import itertools
import random

import numpy as np
import pytest

from xbarsim.noc import NOCS
from xbarsim.timing import route
from xbarsim.timing.route import Asked, Fabric


def ask(packets):
    sources, targets = zip(*packets, strict=True)
    firsts = np.cumsum([0, *map(len, targets)])
    return Asked(np.array(sources), firsts, np.array([*itertools.chain(*targets)]))


@pytest.mark.parametrize("seed", range(4))
def test_trees_grown_on_the_mesh_equal_joined_paths_with_the_same_numbers(seed, monkeypatch):
    rng = random.Random(seed)
    tiles = rng.choice([5, 12, 30])
    few = [rng.sample(range(2 * tiles), rng.randint(1, 4)) for _ in range(9)]
    packets = [(rng.randrange(2 * tiles), tuple(sorted(targets))) for targets in few]
    packets += [(tile, tuple(range(tiles))) for tile in rng.sample(range(tiles), 3)]
    rng.shuffle(packets)
    found = []
    for links in ("xy", "listed"):  # every tree of one chip is grown, none is
        monkeypatch.setitem(NOCS, "mesh", dataclasses.replace(NOCS["mesh"], links=links))
        fabric = Fabric(kind="mesh", tiles_per_chip=tiles)
        trees = fabric.trees(ask(packets))
        found.append([*(each.tolist() for each in trees), list(fabric.links), fabric.chip_links()])
    assert found[0] == found[1]
    assert found[0][-1]


def test_few_and_many_targets_are_joined_alike(monkeypatch):
    packets, found = [(2, (0, 5, 9)), (7, tuple(range(20))), (2, (0, 5, 9))], []
    for small in (0, 10**9):
        monkeypatch.setattr(route, "SMALL", small)
        found.append([each.tolist() for each in Fabric(kind="htree", tiles_per_chip=10).trees(ask(packets))])
    assert found[0] == found[1]


def test_a_chip_of_one_tile_has_no_links():
    trees = Fabric(kind="mesh", tiles_per_chip=1).trees(ask([(0, (0,))]))
    assert [each.tolist() for each in trees] == [[0, 0], [], [], [-1]]


def test_no_packets_have_no_trees():
    none = np.zeros(0, dtype=np.int64)
    for kind in NOCS:
        trees = Fabric(kind=kind, tiles_per_chip=4).trees(Asked(none, np.zeros(1, dtype=np.int64), none))
        assert [each.tolist() for each in trees] == [[0], [], [], []]
