"""NAX on ResNet-20 and CIFAR-10: one array size everywhere, and sizes mixed layer by layer.

    python benchmarks/validation/nax.py --network resnet20.onnx --data test.npz --calibration train.npz --images 500

For each of NAX's sizes the trained network is simulated on `nax` (ADC bits follow the array: 6, 7, 8, 9), then an
evolutionary search over the size of every layer minimises EDAP, and its best design is simulated on the same images:
once over all sizes, and once over those no larger than the single size of least EDAP, because wires take their
toll with size. Kernels and weights stay as trained. Published trends stand beside (DAC 2022, arXiv 2106.12125).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.search import make_search, run_search

SIZES = (16, 32, 64, 128)
PUBLISHED = {16: "6-bit ADC", 32: "7-bit ADC", 64: "8-bit ADC", 128: "9-bit ADC, loses the most accuracy"}
TREND = "mixed sizes; EDAP -17 % and accuracy +0.8 % (arXiv), -30 % and +0.9 % (DAC abstract), kernels searched too"


def on_arrays(size: int) -> dict[str, Any]:
    """Return the keys of a square array."""
    return {"crossbar.rows": size, "crossbar.cols": size}


def search_sizes(
    network: str, changes: dict[str, Any], points: int, sizes: tuple[int, ...]
) -> dict[str, dict[str, Any]]:
    """Return the array of every layer that makes EDAP least."""
    content = {
        "network": network, "hardware": "nax", "set": changes, "points": points, "objectives": {"cost.edap": "min"},
        "space": {"*": {"array": list(sizes)}}, "evolution": {"population": 8},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        result = run_search(make_search(content), folder)
    options = result.space.options(result.entries[result.chosen].point)
    return {name: on_arrays(option["array"]) for name, option in options.items()}  # type: ignore[index]


def main() -> None:
    """Print one row a design in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="trained ResNet-20, .onnx")
    parser.add_argument("--data", required=True)
    parser.add_argument("--calibration", default=None)
    parser.add_argument("--normalize", default="imagenet")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--points", type=int, default=400, help="designs that the search prices")
    parser.add_argument("--variation", type=float, default=0.0, help="programming error as a fraction of the target")
    parser.add_argument("--only", default="", help="simulate designs whose label begins so, for example mixed")
    arguments = parser.parse_args()
    network, data = xs.load_network(arguments.network), load_data(arguments.data).take(arguments.images)
    images = normalize_images(data.images, arguments.normalize)
    known = None
    if arguments.calibration:
        known = normalize_images(load_data(arguments.calibration, "train").images[:64], arguments.normalize)
    changes: dict[str, Any] = {}
    if arguments.variation:
        changes = {"device.programming.distribution": "normal", "device.programming.sigma": arguments.variation}
    hardware = xs.load_hardware("nax", changes)
    print(f"{network.name}, {len(images)} images, {arguments.trials} trials, nax {changes or ''}\n")
    print("| arrays | accuracy | lost | energy | delay | area | EDAP | seconds | published |")
    print("|---|---|---|---|---|---|---|---|---|")
    designs: dict[str, Any] = {f"{size} x {size}": {"*": on_arrays(size)} for size in SIZES}
    best = min(SIZES, key=lambda size: xs.estimate(network, hardware, {"*": on_arrays(size)}).edap)
    for label, sizes in (("mixed", SIZES), (f"mixed, up to {best}", tuple(size for size in SIZES if size <= best))):
        designs[label] = search_sizes(arguments.network, changes, arguments.points, sizes)
    for label, layers in designs.items():
        if arguments.only and not label.startswith(arguments.only):
            continue
        started = time.perf_counter()
        report = xs.simulate(
            network, hardware, images, data.labels, calibration=known, layers=layers, trials=arguments.trials
        )
        found, cost = report.accuracy, report.cost
        size = layers["*"]["crossbar.rows"] if "*" in layers else None
        print(
            f"| {label} | {found.hardware:.2%} | {found.degradation:+.2%} | {cost.energy_joule * 1e6:.1f} uJ "
            f"| {cost.delay_s * 1e3:.3f} ms | {cost.area_m2 * 1e6:.2f} mm2 | {cost.edap:.3e} J s m2 "
            f"| {time.perf_counter() - started:.0f} | {TREND if size is None else PUBLISHED[size]} |",
            flush=True,
        )
    print(f"\nfloat network {found.reference:.2%}, integers on ideal hardware {found.quantized:.2%}")
    for label in [label for label in designs if label.startswith("mixed")]:
        print(f"{label}:", ", ".join(f"{name} {choice['crossbar.rows']}" for name, choice in designs[label].items()))


if __name__ == "__main__":
    main()
