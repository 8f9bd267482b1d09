"""How often searches find the best design of spaces that can be enumerated, within 5 % of their points.

    python benchmarks/validation/searches.py [--quick] [--accuracy] [--seeds 10] [--folder FOLDER]

Every space is evaluated whole; then every method searches it with ten seeds, with as many points as 5 % of the space.
Of the gradient search (``differentiable``, descent and exact search), the prices of single layers in its table count as
points too. Prints a table: in how many seeds the optimum was found, and the largest gap. ResNet-20's array sizes on
``nax``, whose space is too large, are compared with the best of all runs and of all rules by stage, with 400 points.

``--accuracy`` searches three spaces of the digits network for the least EDAP with a limit on the accuracy that is lost.
Every option of every layer is programmed, and the accuracy of every design is simulated, on the 500 test images (mean
of three chips where cells vary; kept in FOLDER/spaces). Local search, evolution and random designs are told what
designs cost and by how much they break the limit; the others have the surrogate for accuracy, which learns from the
designs that they ask for. Local search is also run with the surrogate deciding what is simulated: a further row gives
what it finds, and the simulations.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from whole_space import WholeSpace, check_designs, simulate_space

import xbarsim as xs
from xbarsim.search import (
    CostOracle,
    EvolutionSampler,
    LocalSampler,
    ModelSampler,
    RandomSampler,
    make_search,
    make_space,
    open_space,
)
from xbarsim.search.baseline import MOST, list_rules
from xbarsim.search.descent import GradientSampler
from xbarsim.search.evaluate import load_images, weigh_metrics
from xbarsim.search.space import Point, Space
from xbarsim.search.surrogate import LayerOracle, Surrogate

SHARE = 0.05
"""Points of a search, as a share of the space [-]."""
SAMPLERS = {
    "local": LocalSampler, "model": ModelSampler, "evolution": EvolutionSampler, "random": RandomSampler,
}  # fmt: skip
GRADIENT = "differentiable"
CHECKED = 3
"""Designs of a space that are compared with ``simulate`` [-]."""

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


VARIED = {"device.programming.distribution": "normal", "device.programming.sigma": 0.15}
ACCURACY_SPACES: dict[str, tuple[float, dict[str, Any], dict[str, dict[str, Any]]]] = {
    "digits, arrays and converters, reference": (
        0.01, {"hardware": "reference", "trials": 3},
        {"*": {"array": [32, 64, 128], "adc.bits": [3, 4, 6]}, "conv*": {"device.cell_bits": [1, 2]}},
    ),
    "digits, cell bits and converters, 15 % variation": (
        0.03, {"hardware": "nax", "trials": 3, "set": VARIED},
        {"*": {"device.cell_bits": [1, 2, 4], "adc.bits": [4, 5, 6, 7]}, "fc": {"array": [32, 64]}},
    ),
    "digits, arrays and inputs, nax": (
        0.003, {"hardware": "nax"},
        {"*": {"array": [16, 32, 64, 128], "dac.bits": [1, 2, 4]}, "fc": {"adc.bits": [6, 7]}},
    ),
}  # fmt: skip
"""Name -> accuracy that designs may lose [-], keys of a search file, and its space."""


def measure(space: Space, oracle: CostOracle, figure: str) -> Callable[[Point], float]:
    """Return a function that gives a figure of a point, each worked out once."""
    known: dict[Point, float] = {}

    def ask(point: Point) -> float:
        if point not in known:
            design = space.design(point)
            known[point] = float(getattr(oracle.cost(design.network, design.layers), figure))
        return known[point]

    return ask


def search(
    method: str, space: Space, oracle: CostOracle, seed: int, points: int, ask: Callable[[Point], float], figure: str
) -> float:
    """Return the smallest value that a sampler finds."""
    best = np.inf
    if method == GRADIENT:
        sampler: Any = GradientSampler(space, oracle, seed=seed, goals={f"cost.{figure}": "min"}, constraints={})
        points -= sampler.model.queries if space.count < MOST else 0
    else:
        sampler = SAMPLERS[method](space, seed=seed, first=[space.native(), *space.homogeneous().values()])
    for _ in range(points):
        point = sampler.ask()
        if point is None:
            break
        best = min(best, ask(point))
        sampler.tell(point, (ask(point),), 0.0)
    return float(best)


def search_accuracies(seeds: int, folder: Path, most: int | None) -> None:
    """Search the spaces with accuracy and print a row for every method."""
    print(f"{'space':50s} {'points':>12s} {'method':14s} {'found':>8s} {'largest gap':>12s}")
    for number, (name, (loss, given, content)) in enumerate(list(ACCURACY_SPACES.items())[:most]):
        plain = make_search({
            "network": "digits", "data": "digits", "space": content, **given, "method": "local",
            "objectives": {"cost.edap": "min"}, "constraints": {"accuracy.degradation": {"max": loss}},
        })  # fmt: skip
        space, hardware = open_space(plain)
        oracle, images = LayerOracle(hardware, folder), load_images(plain)
        assert images is not None
        whole = simulate_space(plain, space, hardware, images, folder / "spaces" / f"{number}.npz")
        check_designs(plain, space, oracle, images, whole, CHECKED)
        case = Case(plain, space, oracle, whole, measure(space, oracle, "edap"))
        budget = int(SHARE * space.count)
        rows = {
            method: [search_limited(method, case, seed, budget)[0] for seed in range(seeds)]
            for method in (*SAMPLERS, GRADIENT)
        }
        kept = [point for point in space if whole.reference - whole.accuracies[point] <= loss]
        optimum = min(map(case.price, kept))
        print(f"{len(kept)} of {space.count} designs keep the limit; least EDAP {optimum:.4e} J s m2")
        for method, values in rows.items():
            hits = sum(value <= optimum * (1 + 1e-12) for value in values)
            print(
                f"{name:50s} {budget:>4d} of {space.count} {method:14s} {hits:>3d} of {seeds} "
                f"{100 * (max(values) / optimum - 1):10.2f} %",
                flush=True,
            )
        ends = [search_limited("local", case, seed, budget, may_skip=True) for seed in range(seeds)]
        hits = sum(best <= optimum * (1 + 1e-12) for best, _, _ in ends)
        error = 100 * float(np.sqrt(np.mean(np.square([each for *_, errors in ends for each in errors]))))
        print(
            f"local with surrogate: {hits} of {seeds}, {np.mean([count for _, count, _ in ends]):.0f} of {budget} "
            f"designs simulated, error of predictions {error:.1f} points",
            flush=True,
        )


class Case(NamedTuple):
    """A space whose designs are all known."""

    search: Any
    space: Space
    oracle: CostOracle
    whole: WholeSpace
    price: Callable[[Point], float]


def search_limited(
    method: str, case: Case, seed: int, points: int, *, may_skip: bool = False
) -> tuple[float, int, list[float]]:
    """Return the least EDAP, of designs that keep the limit, that a method finds, its simulations and errors.

    Only with ``may_skip`` designs take predicted accuracies.
    """
    space, surrogate = case.space, Surrogate(case.search, case.space)
    sampler: Any
    if method == GRADIENT:
        sampler = GradientSampler(
            space, case.oracle, seed=seed, goals=case.search.goals, constraints=case.search.constraints,
            surrogate=surrogate,
        )  # fmt: skip
        points -= sampler.model.queries
    else:
        sampler = SAMPLERS[method](space, seed=seed, first=[space.native(), *space.homogeneous().values()])
    if isinstance(sampler, ModelSampler):
        sampler.guide(chance=surrogate.chance)
    learns = may_skip or method == GRADIENT or isinstance(sampler, ModelSampler)
    best, simulated = np.inf, 0
    for _ in range(points):
        point = sampler.ask()
        if point is None:
            break
        cost = {"cost.edap": case.price(point)}
        metrics = surrogate.skip(point, cost) if may_skip else None
        if metrics is None:
            simulated += 1
            metrics = {**cost, **case.whole.metrics(point)}
            if learns:
                surrogate.learn(point, metrics, case.whole.snr(space, point))
            if weigh_metrics(case.search, metrics)[1] == 0:
                best = min(best, metrics["cost.edap"])
        sampler.tell(point, *weigh_metrics(case.search, metrics))
    return float(best), simulated, surrogate.errors


def main() -> None:
    """Search every space and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, the smallest space only")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", default="edap", help="field of a cost: edap, edap_core, energy_joule, ...")
    parser.add_argument("--folder", type=Path, help="cache of costs and accuracies")
    parser.add_argument("--accuracy", action="store_true", help="spaces with accuracy in place of those of cost")
    args = parser.parse_args()
    seeds = 2 if args.quick else args.seeds
    if args.accuracy:
        folder = args.folder or Path("searches")
        search_accuracies(seeds, folder, 1 if args.quick else None)
        return
    print(f"{'space':60s} {'points':>6s} {'method':14s} {'found':>7s} {'largest gap':>12s}")
    for name, (network, hardware, content) in list(SPACES.items())[: 1 if args.quick else None]:
        oracle = CostOracle(hardware, args.folder or "auto")
        space = make_space(content, xs.load_network(network), oracle.hardware)
        ask = measure(space, oracle, args.figure)
        budget = int(SHARE * space.count)
        found = {
            method: [search(method, space, oracle, seed, budget, ask, args.figure) for seed in range(seeds)]
            for method in (*SAMPLERS, GRADIENT)
        }
        optimum = min(map(ask, space))
        for method, values in found.items():
            hits = sum(value <= optimum * (1 + 1e-12) for value in values)
            print(
                f"{name:60s} {budget:>4d} of {space.count} {method:14s} {hits:>3d} of {seeds} "
                f"{100 * (max(values) / optimum - 1):10.2f} %",
                flush=True,
            )
    if args.quick:
        return
    oracle = CostOracle("nax", args.folder or "auto")
    space = make_space({"*": {"array": [16, 32, 64, 128]}}, xs.load_network("resnet20"), oracle.hardware)
    ask = measure(space, oracle, args.figure)
    rule = min(map(ask, list_rules(space)))
    for budget in (200, 400):
        for method in (*SAMPLERS, GRADIENT):
            values = [search(method, space, oracle, seed, budget, ask, args.figure) for seed in range(seeds)]
            print(
                f"ResNet-20's arrays, {budget} points, {method:14s} best {min(values):.4e}, worst {max(values):.4e}; "
                f"best rule by stage {rule:.4e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
