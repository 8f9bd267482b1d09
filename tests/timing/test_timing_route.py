"""Trees on a mesh that are grown compiled, against paths joined link by link."""

import random

import numpy as np
import pytest

from xbarsim.timing import route
from xbarsim.timing.route import Fabric


@pytest.mark.parametrize("seed", range(4))
def test_trees_grown_on_the_mesh_equal_joined_paths_with_the_same_numbers(seed, monkeypatch):
    rng = random.Random(seed)
    tiles = rng.choice([5, 12, 30])
    few = [rng.sample(range(2 * tiles), rng.randint(1, 4)) for _ in range(9)]
    asked = [(rng.randrange(2 * tiles), tuple(sorted(targets))) for targets in few]
    asked += [(tile, tuple(range(tiles))) for tile in rng.sample(range(tiles), 3)]
    rng.shuffle(asked)
    found = []
    for small in (0, 10**9):  # every tree of one chip is grown, none is
        monkeypatch.setattr(route, "SMALL", small)
        fabric = Fabric(kind="mesh", tiles_per_chip=tiles)
        trees = [fabric.tree(source, targets) for source, targets in asked]
        assert any(isinstance(tree.links, np.ndarray) for tree in trees) == (small == 0)
        found.append(([(list(tree.links), list(tree.parents), tree.ends) for tree in trees], list(fabric.ids)))
    assert found[0] == found[1]


def test_a_chip_of_one_tile_has_no_links(monkeypatch):
    monkeypatch.setattr(route, "SMALL", 0)
    tree = Fabric(kind="mesh", tiles_per_chip=1).tree(0, (0,))
    assert (len(tree.links), tree.ends) == (0, {})
