"""How often searches find the best design of spaces that can be enumerated, within 5 % of their points.

    python benchmarks/validation/searches.py [--quick] [--accuracy] [--seeds 10] [--folder FOLDER]

Every space is evaluated whole; then every method searches it with ten seeds, with as many points as 5 % of the space.
Of the gradient search (``differentiable``, descent and exact search), the prices of single layers in its table count as
points too. Prints a table: in how many seeds the optimum was found, and the largest gap. ResNet-20's array sizes on
``nax``, whose space is too large, are compared with the best of all runs and of all rules by stage, with 400 points.

``--accuracy`` searches three spaces of the digits network for the least EDAP with a limit on accuracy, half-way between
the median and the best of the space. Accuracies of a whole space are those of a surrogate that was fitted to 60 random
designs, each simulated with 100 images. The gradient search descends the EDAP and leaves the limit to its exact search.
Local search is also run with simulations, without and with a surrogate that it fits itself: the last table gives what
both find, and the simulations. Answers are kept in the folder, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.rng import stream
from xbarsim.search import (
    CostOracle,
    EvolutionSampler,
    LocalSampler,
    RandomSampler,
    make_search,
    make_space,
    open_space,
)
from xbarsim.search.baseline import MOST, list_rules
from xbarsim.search.descent import GradientSampler
from xbarsim.search.evaluate import load_images, measure_design, weigh_metrics
from xbarsim.search.run import evaluate_point
from xbarsim.search.space import Point, Space
from xbarsim.search.surrogate import LayerOracle, Surrogate

SHARE = 0.05
"""Points of a search, as a share of the space [-]."""
SAMPLERS = {"local": LocalSampler, "evolution": EvolutionSampler, "random": RandomSampler}
GRADIENT = "differentiable"
IMAGES = 100
"""Test images of the searches with accuracy [-]."""
TAUGHT = 60
"""Designs that the surrogate of a space is fitted to [-]."""

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


ACCURACY_SPACES: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "digits, arrays and converters, reference": (
        {"hardware": "reference"},
        {"*": {"array": [32, 64, 128], "adc.bits": [3, 4, 6]}, "conv*": {"device.cell_bits": [1, 2]}},
    ),
    "digits, cell bits and converters, 15 % variation": (
        {"hardware": "nax", "set": {"device.programming.distribution": "normal", "device.programming.sigma": 0.15}},
        {"*": {"device.cell_bits": [1, 2, 4], "adc.bits": [4, 5, 6, 7]}, "fc": {"array": [32, 64]}},
    ),
    "digits, arrays and inputs, nax": (
        {"hardware": "nax"},
        {"*": {"array": [16, 32, 64, 128], "dac.bits": [1, 2, 4]}, "fc": {"adc.bits": [6, 7]}},
    ),
}  # fmt: skip
"""Name -> keys of a search file, and its space."""


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


def teach(plain: Any, space: Space, oracle: LayerOracle, images: Any) -> tuple[Surrogate, list[float]]:
    """Return a surrogate of a space, fitted to random designs that have every option, and its errors on the last."""
    surrogate = Surrogate(plain, space)
    rng = stream(0, "searches.taught")
    most = max(slot.count for slot in space.slots)
    points = [tuple(index % slot.count for slot in space.slots) for index in range(most)]
    points += [space.sample(rng) for _ in range(TAUGHT - most)]
    for point in points:
        design = space.design(point)
        surrogate.learn(point, measure_design(plain, oracle, design, images), oracle.snr(plain, design, images))
    return surrogate, surrogate.errors


def search_accuracies(seeds: int, folder: str, most: int | None) -> None:
    """Search the spaces with accuracy and print a row for every method."""
    print(f"{'space':50s} {'points':>12s} {'method':14s} {'found':>8s} {'largest gap':>12s}")
    for number, (name, (given, content)) in enumerate(list(ACCURACY_SPACES.items())[:most]):
        keys = {
            "network": "digits", "data": "digits", "images": IMAGES, "space": content, **given,
            "objectives": {"cost.edap": "min"}, "constraints": {"accuracy.hardware": {"min": 0.0}},
        }  # fmt: skip
        plain = make_search({**keys, "method": "local"})
        space, hardware = open_space(plain)
        oracle, images = LayerOracle(hardware, folder), load_images(plain)
        surrogate, errors = teach(plain, space, oracle, images)
        points = list(space)
        told = dict(zip(points, map(float, surrogate.predict_all(points)[0])))
        limit = (float(np.median(list(told.values()))) + max(told.values())) / 2
        price = measure(space, oracle, "edap")

        def ask(point: Point) -> tuple[tuple[float], float]:
            return (price(point),), max(0.0, limit - told[point]) / limit  # noqa: B023

        budget = int(SHARE * space.count)
        rows = {
            method: [search_limited(method, space, oracle, seed, budget, ask) for seed in range(seeds)]
            for method in (*SAMPLERS, GRADIENT)
        }
        optimum = min(price(point) for point in points if told[point] >= limit)
        error = 100 * float(np.sqrt(np.mean(np.square(errors))))
        print(f"limit {100 * limit:.1f} %; error of predictions while the surrogate was taught: {error:.1f} points")
        for method, values in rows.items():
            hits = sum(value <= optimum * (1 + 1e-12) for value in values)
            print(
                f"{name:50s} {budget:>4d} of {space.count} {method:14s} {hits:>3d} of {seeds} "
                f"{100 * (max(values) / optimum - 1):10.2f} %",
                flush=True,
            )
        if number == 0:
            limited = {**keys, "constraints": {"accuracy.hardware": {"min": round(limit, 3)}}, "method": "local"}
            compare_surrogate(make_search(limited), space, oracle, images, budget)


def compare_surrogate(search: Any, space: Space, oracle: LayerOracle, images: Any, points: int) -> None:
    """Print what local search finds, and simulates, without and with a surrogate."""
    for seed in range(2):
        for has_surrogate in (False, True):
            best, simulated, errors = search_simulated(search, space, oracle, images, seed, points, has_surrogate)
            error = f", error {100 * float(np.sqrt(np.mean(np.square(errors)))):.1f} points" if errors else ""
            print(
                f"simulated, seed {seed}, {'with' if has_surrogate else 'without'} surrogate: EDAP {best:.4e}, "
                f"{simulated} of {points} designs simulated{error}",
                flush=True,
            )


def search_limited(
    method: str, space: Space, oracle: CostOracle, seed: int, points: int, ask: Callable[[Point], Any]
) -> float:
    """Return the smallest EDAP, of designs that keep the limit, that a sampler finds."""
    first = [space.native(), *space.homogeneous().values()]
    sampler: Any
    if method == GRADIENT:
        sampler = GradientSampler(space, oracle, seed=seed, goals={"cost.edap": "min"}, constraints={})
        points -= sampler.model.queries
    else:
        sampler = SAMPLERS[method](space, seed=seed, first=first)
    best = np.inf
    for _ in range(points):
        point = sampler.ask()
        if point is None:
            break
        values, violation = ask(point)
        best = min(best, values[0]) if violation == 0 else best
        sampler.tell(point, values, violation)
    return float(best)


def search_simulated(
    search: Any, space: Space, oracle: LayerOracle, images: Any, seed: int, points: int, has_surrogate: bool
) -> tuple[float, int, list[float]]:
    """Return the smallest EDAP within the limit that local search finds, its simulations and errors of predictions."""
    surrogate = Surrogate(search, space) if has_surrogate else None
    sampler = LocalSampler(space, seed=seed, first=[space.native(), *space.homogeneous().values()])
    best, simulated = np.inf, 0
    for _ in range(points):
        point = sampler.ask()
        if point is None:
            break
        found = evaluate_point(search, space, oracle, images, point, surrogate)
        values, violation = weigh_metrics(search, found["metrics"])
        if not found.get("predicted"):
            simulated += 1
            best = min(best, values[0]) if violation == 0 else best
            if surrogate is not None:
                surrogate.learn(point, found["metrics"], found["snr_db"])
        sampler.tell(point, values, violation)
    return float(best), simulated, surrogate.errors if surrogate else []


def main() -> None:
    """Search every space and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, the smallest space only")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", default="edap", help="field of a cost: edap, edap_core, energy_joule, ...")
    parser.add_argument("--folder", default="auto", help="cache of costs")
    parser.add_argument("--accuracy", action="store_true", help="spaces with accuracy in place of those of cost")
    args = parser.parse_args()
    seeds = 2 if args.quick else args.seeds
    if args.accuracy:
        search_accuracies(seeds, args.folder, 1 if args.quick else None)
        return
    print(f"{'space':60s} {'points':>6s} {'method':14s} {'found':>7s} {'largest gap':>12s}")
    for name, (network, hardware, content) in list(SPACES.items())[: 1 if args.quick else None]:
        oracle = CostOracle(hardware, args.folder)
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
    oracle = CostOracle("nax", args.folder)
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
