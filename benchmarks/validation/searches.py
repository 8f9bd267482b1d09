"""How often searches find the best design of spaces that can be enumerated, within 5 % of their points.

    python benchmarks/validation/searches.py [--quick] [--seeds 10] [--folder FOLDER]

Every space is evaluated whole; then every method searches it with ten seeds, with as many points as 5 % of the space.
Prints a table: in how many seeds the optimum was found, and the largest gap. ResNet-20's array sizes on ``nax``, whose
space is too large, are compared with the best of all runs and of all rules by stage, with 400 points. Costs are kept in
the folder, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.search import CostOracle, EvolutionSampler, LocalSampler, RandomSampler, make_space
from xbarsim.search.baseline import list_rules
from xbarsim.search.space import Point, Space

SHARE = 0.05
"""Points of a search, as a share of the space [-]."""
SAMPLERS = {"local": LocalSampler, "evolution": EvolutionSampler, "random": RandomSampler}

SPACES: dict[str, tuple[str, str, dict[str, dict[str, Any]]]] = {
    "LeNet-5, arrays and cell bits, nax": (
        "lenet5", "nax",
        {"conv*": {"array": [16, 32, 64, 128], "device.cell_bits": [1, 2, 4]}, "fc*": {"array": [32, 64, 128]}},
    ),
    "digits, arrays, kernels, cell and converter bits, reference": (
        "digits", "reference",
        {
            "conv*": {"array": [32, 64, 128], "kernel": [3, 5], "device.cell_bits": [1, 2]},
            "fc*": {"array": [32, 64, 128], "adc.bits": [6, 7, 8], "device.cell_bits": [1, 2]},
        },
    ),
    "ResNet-20 by stage, arrays and cell bits, nax": (
        "resnet20", "nax",
        {
            "layer1.*": {"array": [16, 32, 64, 128], "device.cell_bits": [1, 2, 4], "tied": True},
            "layer2.*": {"array": [16, 32, 64, 128], "device.cell_bits": [1, 2, 4], "tied": True},
            "layer3.*": {"array": [16, 32, 64, 128], "device.cell_bits": [1, 2, 4], "tied": True},
            "conv1": {"array": [16, 32, 64]},
        },
    ),
}  # fmt: skip


def measure(space: Space, oracle: CostOracle, figure: str) -> Callable[[Point], float]:
    """Return a function that gives a figure of a point, each worked out once."""
    known: dict[Point, float] = {}

    def ask(point: Point) -> float:
        if point not in known:
            design = space.design(point)
            known[point] = float(getattr(oracle.cost(design.network, design.layers), figure))
        return known[point]

    return ask


def search(kind: Any, space: Space, seed: int, points: int, ask: Callable[[Point], float]) -> float:
    """Return the smallest value that a sampler finds."""
    sampler = kind(space, seed=seed, first=[space.native(), *space.homogeneous().values()])
    best = np.inf
    for _ in range(points):
        point = sampler.ask()
        if point is None:
            break
        best = min(best, ask(point))
        sampler.tell(point, (ask(point),), 0.0)
    return float(best)


def main() -> None:
    """Search every space and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, the smallest space only")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", default="edap", help="field of a cost: edap, edap_core, energy_joule, ...")
    parser.add_argument("--folder", default="auto", help="cache of costs")
    args = parser.parse_args()
    seeds = 2 if args.quick else args.seeds
    print(f"{'space':60s} {'points':>6s} {'method':10s} {'found':>7s} {'largest gap':>12s}")
    for name, (network, hardware, content) in list(SPACES.items())[: 1 if args.quick else None]:
        oracle = CostOracle(hardware, args.folder)
        space = make_space(content, xs.load_network(network), oracle.hardware)
        ask = measure(space, oracle, args.figure)
        budget = int(SHARE * space.count)
        found = {
            method: [search(kind, space, seed, budget, ask) for seed in range(seeds)]
            for method, kind in SAMPLERS.items()
        }
        optimum = min(map(ask, space))
        for method, values in found.items():
            hits = sum(value <= optimum * (1 + 1e-12) for value in values)
            print(
                f"{name:60s} {budget:>4d} of {space.count} {method:10s} {hits:>3d} of {seeds} "
                f"{100 * (max(values) / optimum - 1):10.2f} %",
                flush=True,
            )
    if args.quick:
        return
    oracle = CostOracle("nax", args.folder)
    space = make_space({"*": {"array": [16, 32, 64, 128]}}, xs.load_network("resnet20"), oracle.hardware)
    ask = measure(space, oracle, args.figure)
    rule = min(map(ask, list_rules(space)))
    for budget in (200, 400):
        for method, kind in SAMPLERS.items():
            values = [search(kind, space, seed, budget, ask) for seed in range(seeds)]
            print(
                f"ResNet-20's arrays, {budget} points, {method:10s} best {min(values):.4e}, worst {max(values):.4e}; "
                f"best rule by stage {rule:.4e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
