"""Choose kernel and array of every layer with a plain evolutionary loop over the oracle's layer answers.

    python examples/oracle_evolution.py [GENERATIONS]

Ten thousand layer answers a second make the loop itself the slow part: no surrogate model is needed.
"""

from __future__ import annotations

import random
import sys

import xbarsim as xs
from xbarsim.network.reshape import describe_layer

KERNELS, SIZES = (3, 5, 7), (16, 32, 64, 128)
ROWS_WANTED = 8000
"""Kernel rows in all, so that the cheapest network is not simply the smallest one."""


def main(generations: int) -> tuple[list[tuple[int, int]], float]:
    """Minimise the sum of energy times the sum of delay; return the best genes and their value."""
    oracle, network, draw = xs.CostOracle("nax"), xs.load_network("resnet20"), random.Random(0)
    layers = [layer.name for layer in network.layers if layer.kind == "conv2d"]

    def fitness(genes: list[tuple[int, int]]) -> float:
        energy = delay = rows = 0.0
        for name, (kernel, size) in zip(layers, genes):
            kind, shape = describe_layer(network, name, kernel)
            cost = oracle.layer(kind, shape, {"crossbar.rows": size, "crossbar.cols": size})
            energy, delay, rows = (
                energy + cost.energy_joule,
                delay + cost.delay_s,
                rows + shape["in_channels"] * kernel**2,
            )
        return energy * delay * max(1.0, ROWS_WANTED / rows) ** 4

    def gene() -> tuple[int, int]:
        return draw.choice(KERNELS), draw.choice(SIZES)

    alive = sorted(([gene() for _ in layers] for _ in range(20)), key=fitness)
    for _ in range(generations):
        parents = alive[:5]
        children = [[draw.choice(pair) for pair in zip(*draw.sample(parents, 2))] for _ in range(15)]
        for child in children:
            child[draw.randrange(len(child))] = gene()
        alive = sorted(parents + children, key=fitness)
    return alive[0], fitness(alive[0])


if __name__ == "__main__":
    best, value = main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
    print(f"{value:.3e}", *(f"{kernel}x{kernel}@{size}" for kernel, size in best))
