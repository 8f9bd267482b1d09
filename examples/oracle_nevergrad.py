"""The least EDAP of ResNet-20 by array sizes: an optimiser of Nevergrad over the oracle.

pip install nevergrad
python examples/oracle_nevergrad.py [CALLS]
"""

from __future__ import annotations

import math
import sys

import nevergrad as ng

import xbarsim as xs

SIZES = (16, 32, 64, 128)


def search(calls: int, hardware: str = "nax") -> tuple[dict[str, int], float]:
    """Return the array size of every layer, and the EDAP [J s m2]."""
    oracle = xs.CostOracle(hardware)
    layers = [layer.name for layer in xs.load_network("resnet20").layers]
    space = ng.p.Dict(**{name: ng.p.TransitionChoice(SIZES) for name in layers})

    def price(sizes: dict[str, int]) -> float:
        cost = oracle.cost("resnet20", {name: {"array": size} for name, size in sizes.items()})
        return math.log(cost.edap)

    optimizer = ng.optimizers.DiscreteOnePlusOne(parametrization=space, budget=calls)
    optimizer.parametrization.random_state.seed(1)
    best = optimizer.minimize(price)
    return best.value, math.exp(price(best.value))


if __name__ == "__main__":
    sizes, edap = search(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    print(f"{edap:.4e} J s m2", *(f"{name}@{size}" for name, size in sizes.items()))
