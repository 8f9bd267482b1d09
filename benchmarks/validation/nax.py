"""NAX on ResNet-20 and CIFAR-10: single array sizes, rules, and searches, with and without accuracy, at equal budget.

    python benchmarks/validation/nax.py --shared ../shared --out nax-designs [--page docs/nax.md] [--seeds 3]

Designs without any search: NAX's four sizes, and the rule by stage of least EDAP. Searches of EDAP alone, 400 designs
and several seeds each: random, hill climbing (one layer at a time), evolution, local search, and the gradient search of
costs. Searches with accuracy: gradient, with ideal and with non-ideal arrays, on trained weights (examples/
search_nax.yaml). Every design carries the trained network on the 500 lossless test images; nothing is fine-tuned.

Results are kept in the output folder, so that a run that was killed goes on. ``--page`` writes the page with all tables
and its figure, and leaves its last sections as they are; it computes nothing that is kept already. Published trends:
DAC 2022, arXiv 2106.12125.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nax_page import write_page

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.rng import stream
from xbarsim.search import CostOracle, load_search, make_search, make_space, run_search
from xbarsim.search.baseline import list_rules
from xbarsim.search.run import make_sampler
from xbarsim.search.space import Point, Space

SIZES = (16, 32, 64, 128)
BUDGET = 400
"""Designs that a search of EDAP alone prices."""
METHODS = ("random", "hill climbing", "evolution", "local", "differentiable")
EXAMPLE = Path(__file__).parents[2] / "examples" / "search_nax.yaml"
FILES = ("network", "data", "train", "calibration")
"""Keys of the search file that are files below ``--shared``."""


def on_arrays(size: int) -> dict[str, Any]:
    """Return the keys of a square array."""
    return {"crossbar.rows": size, "crossbar.cols": size}


def climb(space: Space, seed: int, ask: Callable[[Point], float]) -> Iterator[float]:
    """Yield the best value after every design of a hill climbing: one option of one layer at a time, with restarts."""
    rng = stream(seed, "nax.climb")
    at, best = space.native(), float("inf")
    while True:
        value = ask(at)
        best = min(best, value)
        yield best
        tried = 0
        moves = [(slot, option) for slot, each in enumerate(space.slots) for option in range(each.count)]
        while tried < len(moves):
            for number in rng.permutation(len(moves)):
                slot, option = moves[number]
                point = (*at[:slot], option, *at[slot + 1 :])
                tried += 1
                if point == at:
                    continue
                found = ask(point)
                best = min(best, found)
                yield best
                if found < value:
                    at, value, tried = point, found, 0
                if tried >= len(moves):
                    break
        at = space.sample(rng)


def search_costs(method: str, space: Space, oracle: CostOracle, seed: int) -> dict[str, Any]:
    """Return the best design of a search of EDAP alone, and the best value after every design."""
    known: dict[Point, float] = {}

    def ask(point: Point) -> float:
        if point not in known:
            design = space.design(point)
            known[point] = oracle.cost(design.network, design.layers).edap
        return known[point]

    best: list[float] = []
    if method == "hill climbing":
        steps = climb(space, seed, ask)
        while len(known) < BUDGET:
            next(steps)
            best = [*best, *[min(known.values())] * (len(known) - len(best))]
    else:
        content = {
            "network": "resnet20", "hardware": "nax", "method": method, "seed": seed, "space": {"*": {"array": SIZES}},
            "objectives": {"cost.edap": "min"}, **({"evolution": {"population": 8}} if method == "evolution" else {}),
        }  # fmt: skip
        sampler = make_sampler(make_search(content), space, oracle)
        while len(best) < BUDGET and (point := sampler.ask()) is not None:
            best.append(min([ask(point), *best[-1:]]))
            sampler.tell(point, (ask(point),), 0.0)
    point = min(known, key=known.__getitem__)
    arrays = {name: option["array"] for name, option in space.options(point).items()}  # type: ignore[index]
    return {"method": method, "seed": seed, "arrays": arrays, "edap": known[point], "best": best}


def search_gradient(folder: Path, shared: Path, mode: str, seed: int) -> dict[str, Any]:
    """Return the design that the gradient search with accuracy found; its folder goes on after a kill."""
    search = load_search(EXAMPLE)
    settings = search.differentiable.model_copy(update={"mode": mode})
    files = {name: str(shared / getattr(search, name).partition("shared/")[2]) for name in FILES}
    search = search.model_copy(update={"differentiable": settings, "seed": seed, **files})
    result = run_search(search, folder)
    metrics = dict(result.entries[result.chosen].metrics or {})
    found = json.loads((folder / "architecture.json").read_text())
    kept = ("polish", "undecided", "cpu_seconds", "layers", "options", "descent")
    measured = {name.partition(".")[2]: value for name, value in metrics.items() if name.startswith("cost.")}
    return {
        **{name: found[name] for name in kept}, **measured, "mode": mode, "seed": seed, "price": settings.price,
        "epochs": settings.epochs, "accuracy": metrics["accuracy.hardware"],
        "quantized": metrics["accuracy.quantized"], "reference": metrics["accuracy.reference"],
        "images": search.images or 500,
    }  # fmt: skip


def keep(path: Path, work: Callable[[], Any]) -> Any:
    """Return what a file holds; work it out where there is none."""
    if not path.exists():
        started = time.process_time()
        found = work()
        path.write_text(json.dumps({**found, "cpu_s": time.process_time() - started}, indent=2) + "\n")
        print(path.name, f"{time.process_time() - started:.0f} s", flush=True)
    return json.loads(path.read_text())


def measure_design(network: Any, layers: dict[str, Any], train: Any, test: Any) -> dict[str, Any]:
    """Simulate a design with the weights of the network as they are."""
    report = xs.simulate(network, "nax", *test, calibration=train[0][:64], layers=layers, threads=1)
    cost, accuracy = report.cost, report.accuracy
    assert accuracy is not None
    return {
        "accuracy": float(accuracy.hardware), "quantized": float(accuracy.quantized),
        "reference": float(accuracy.reference), "edap": cost.edap, "edap_core": cost.edap_core,
        "energy_joule": cost.energy_joule, "delay_s": cost.delay_s, "area_m2": cost.area_m2, "images": len(test[0]),
    }  # fmt: skip


def main() -> None:
    """Measure what is not kept yet, print one row a design, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with models/ and data/")
    parser.add_argument("--out", type=Path, required=True, help="folder of designs that are kept")
    parser.add_argument("--page", type=Path, default=None, help="Markdown page to write")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of searches of EDAP alone")
    parser.add_argument("--gradient-seeds", type=int, default=1, help="seeds of searches with accuracy")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    network = str(arguments.shared / "models" / "resnet20_cifar10.onnx")
    parts = []
    for name in ("cifar10_train_4660.npz", "cifar10_test_500.npz"):
        data = load_data(arguments.shared / "data" / name)
        parts.append((normalize_images(data.images, "imagenet"), data.labels))
    oracle = CostOracle("nax", out / "cache")
    space = make_space({"*": {"array": SIZES}}, xs.load_network(network), oracle.hardware)
    designs: dict[str, dict[str, int]] = {f"array {size}": {"*": size} for size in SIZES}
    rule = min(list_rules(space), key=lambda point: oracle.cost(*_parts(space, point)).edap)
    designs["best rule by stage"] = {name: option["array"] for name, option in space.options(rule).items()}  # type: ignore[index]
    runs = [
        keep(
            out / f"{method.replace(' ', '-')}-{seed}.json", lambda m=method, s=seed: search_costs(m, space, oracle, s)
        )
        for method in METHODS
        for seed in range(arguments.seeds)
    ]
    for run in runs:
        designs[f"{run['method']}, seed {run['seed']}"] = run["arrays"]
    found: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for label, arrays in designs.items():
        name = json.dumps(arrays, sort_keys=True)
        if name not in measured:
            layers = {layer: on_arrays(size) for layer, size in arrays.items()}
            path = out / f"design-{label.replace(' ', '-').replace(',', '')}.json"
            measured[name] = keep(path, lambda x=layers: measure_design(network, x, *parts))
        found[label] = {**measured[name], "arrays": arrays}
        print(f"{label:24s} {found[label]['accuracy']:.1%} {found[label]['edap']:.3e} J s m2", flush=True)
    searched = []
    for mode in ("non-ideal", "ideal"):
        for seed in range(arguments.gradient_seeds):
            folder = out / f"gradient-{mode}-{seed}"
            run = keep(
                out / f"gradient-{mode}-{seed}.json",
                lambda f=folder, m=mode, s=seed: search_gradient(f, arguments.shared, m, s),
            )
            searched.append(run)
            print(mode, seed, f"{searched[-1]['accuracy']:.1%} {searched[-1]['edap']:.3e} J s m2", flush=True)
    if arguments.page is not None:
        write_page(arguments.page, found, runs, searched)


def _parts(space: Space, point: Point) -> tuple[Any, Any]:
    design = space.design(point)
    return design.network, design.layers


if __name__ == "__main__":
    main()
