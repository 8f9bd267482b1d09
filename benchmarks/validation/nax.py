"""NAX on ResNet-20 and CIFAR-10: one array size everywhere, sizes mixed layer by layer, and what a search found.

    python benchmarks/validation/nax.py --shared ../shared --out nax-designs [--found nax] [--page docs/nax.md]

Each of NAX's sizes (ADC bits follow the array: 6, 7, 8, 9) carries the trained network on all 500 lossless test images,
as it is and after fine-tuning through the hardware on 4,660 training images. So does a mixed design: an evolutionary
search over the size of every layer alone, up to the single size of least EDAP, that makes EDAP least; kernels and
weights as trained. ``--found`` adds results of ``xbarsim search nax examples/search_nax.yaml``, which are fine-tuned
by the search in the same way; here they are measured as trained too, larger kernels being the trained ones within
zeros. A last table varies what is done about wires: how the off-current is taken, and a gain trimmed for each column.

Every design is kept in the output folder (NAME.json, NAME.onnx), so that a run that was killed goes on. ``--page``
writes the page with all tables and its figure; it computes nothing that is kept already.
Published trends: DAC 2022, arXiv 2106.12125.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import nax_ratio
from nax_page import write_page
from resnet20 import decode_jpegs

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.network.write_onnx import write_onnx
from xbarsim.search import make_search, open_space, run_search
from xbarsim.search.supernet import SuperNetwork
from xbarsim.train import finetune

SIZES = (16, 32, 64, 128)
BUDGET = {"epochs": 2, "batch": 32, "rate": 1e-4, "weight_decay": 1e-4, "shift": 2, "flip": True}
"""Fine-tuning, as in examples/search_nax.yaml."""


def on_arrays(size: int) -> dict[str, Any]:
    """Return the keys of a square array."""
    return {"crossbar.rows": size, "crossbar.cols": size}


def search_sizes(network: str, points: int, sizes: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Return the array of every layer that makes EDAP least."""
    content = {
        "network": network, "hardware": "nax", "points": points, "objectives": {"cost.edap": "min"},
        "space": {"*": {"array": list(sizes)}}, "evolution": {"population": 8},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        result = run_search(make_search(content), folder, cache=None)
    options = result.space.options(result.entries[result.chosen].point)
    return {name: on_arrays(option["array"]) for name, option in options.items()}  # type: ignore[index]


def measure_design(
    folder: Path, label: str, layers: dict[str, Any], network: str, train: Any, test: Any
) -> dict[str, Any]:
    """Simulate a design, fine-tune it, simulate it again; what is kept in the folder is not computed again."""
    kept = folder / f"{label.replace(' ', '-')}.json"
    if kept.exists():
        return json.loads(kept.read_text())  # type: ignore[no-any-return]
    started = time.process_time()
    found: dict[str, Any] = {
        "label": label,
        "arrays": {glob: choice["crossbar.rows"] for glob, choice in layers.items()},
    }
    tuned = finetune(network, "nax", *train, layers=layers, **BUDGET)  # type: ignore[arg-type]
    write_onnx(tuned, kept.with_suffix(".onnx"))
    for when, net in (("before", xs.load_network(network)), ("after", tuned)):
        report = xs.simulate(net, "nax", *test, calibration=train[0][:64], layers=layers, threads=1)
        cost = report.cost
        found[when] = {
            "accuracy": report.accuracy.hardware, "quantized": report.accuracy.quantized,
            "reference": report.accuracy.reference, "edap": cost.edap, "energy_joule": cost.energy_joule,
            "delay_s": cost.delay_s, "area_m2": cost.area_m2, "images": len(test[0]),
        }  # fmt: skip
    found["cpu_s"] = time.process_time() - started
    kept.write_text(json.dumps(found, indent=2) + "\n")
    return found


def open_searched(search_folder: Path) -> tuple[str, xs.Network, dict[str, Any]]:
    """Return the hash of a search, and its design with the backbone's own weights."""
    about = json.loads((search_folder / "search.json").read_text())
    search = make_search(about["search"])
    space, _ = open_space(search)
    point = space.point(json.loads((search_folder / "architecture.json").read_text())["options"])
    design = space.design(point)
    return about["hash"], SuperNetwork(space, search.seed).weights_of(design.network, point), design.layers


def measure_as_trained(
    folder: Path, name: str, network: Any, layers: dict[str, Any], train: Any, images: Any
) -> dict[str, float]:
    """Return accuracies of a design that is not fine-tuned; kept likewise."""
    kept = folder / f"{name}.json"
    if not kept.exists():
        report = xs.simulate(network, "nax", *images, calibration=train[0][:64], layers=layers, threads=1)
        found = {"accuracy": report.accuracy.hardware, "reference": report.accuracy.reference}
        kept.write_text(json.dumps({**found, "images": len(images[0])}, indent=2) + "\n")
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


LOSSY_IMAGES = 5000
"""Test images of the JPEG copy, on which designs as trained are compared once more."""


def load_lossy(shared: Path) -> tuple[Any, Any]:
    """Return normalised test images of the JPEG copy, and their labels."""
    pixels, labels = decode_jpegs(shared / "data" / "cifar10_jpeg_test_5000.npz", LOSSY_IMAGES)
    return normalize_images(pixels, "imagenet"), labels


SENSING_IMAGES = 200
SENSING: dict[str, dict[str, Any]] = {
    "off-current of ideal wires": {"adc.off_current": "known"},
    "off-current of a column: `nax`": {},
    "off-current of a column, gain trimmed by column": {"adc.gain_correction": True},
}
"""What is done about wires -> changes of `nax`."""


def measure_sensing(folder: Path, network: str, train: Any, test: Any) -> dict[str, dict[str, float]]:
    """Return accuracies of the trained network as it is, by what is done about wires and by size; kept likewise."""
    kept = folder / "sensing.json"
    found: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.exists() else {}
    for way, changes in SENSING.items():
        row = found.setdefault(way, {})
        for size in SIZES:
            if str(size) not in row:
                hardware = xs.load_hardware("nax", {**changes, **on_arrays(size)})
                few = (part[:SENSING_IMAGES] for part in test)
                report = xs.simulate(network, hardware, *few, calibration=train[0][:64], threads=1)
                row[str(size)] = report.accuracy.hardware
                kept.write_text(json.dumps(found, indent=2) + "\n")
    return found


def measure_ratios(folder: Path, shared: Path) -> list[dict[str, float]]:
    """Return what arrays lose of their currents, as ``nax_ratio.py`` does; kept likewise."""
    kept = folder / "ratios.json"
    if not kept.exists():
        kept.write_text(json.dumps(nax_ratio.collect(shared, nax_ratio.WIRES), indent=2) + "\n")
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


def main() -> None:
    """Measure what is not kept yet, print one row a design, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with models/ and data/")
    parser.add_argument("--out", type=Path, required=True, help="folder of designs that are kept")
    parser.add_argument("--found", type=Path, nargs="*", default=[], help="results of the differentiable search")
    parser.add_argument("--page", type=Path, default=None, help="Markdown page to write")
    parser.add_argument("--points", type=int, default=400, help="designs that the search of sizes prices")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    network = str(arguments.shared / "models" / "resnet20_cifar10.onnx")
    parts = []
    for name in ("cifar10_train_4660.npz", "cifar10_test_500.npz"):
        data = load_data(arguments.shared / "data" / name)
        parts.append((normalize_images(data.images, "imagenet"), data.labels))
    designs: dict[str, Any] = {f"array {size}": {"*": on_arrays(size)} for size in SIZES}
    best = min(SIZES, key=lambda size: xs.estimate(network, "nax", layers={"*": on_arrays(size)}).edap)
    sizes = tuple(size for size in SIZES if size <= best)
    designs[f"mixed up to {best}"] = search_sizes(network, arguments.points, sizes)
    found = []
    for label, layers in designs.items():
        found.append(measure_design(arguments.out, label, layers, network, *parts))
        before, after = found[-1]["before"], found[-1]["after"]
        print(
            f"{label:16s}  {before['accuracy']:.1%} -> {after['accuracy']:.1%}  {after['edap']:.3e} J s m2", flush=True
        )
    sensing = measure_sensing(arguments.out, network, *parts)
    for way, row in sensing.items():
        print(f"{way:28s}", "  ".join(f"{size} {accuracy:.1%}" for size, accuracy in row.items()), flush=True)
    if arguments.page is not None:
        ratios = measure_ratios(arguments.out, arguments.shared)
        lossy_images = load_lossy(arguments.shared)
        lossy, searched = {}, {}
        for label, layers in designs.items():
            name = f"lossy-{label.replace(' ', '-')}"
            lossy[label] = measure_as_trained(arguments.out, name, network, layers, parts[0], lossy_images)
        for folder in arguments.found:
            key, net, layers = open_searched(folder)
            pair = [(f"searched-{key}", parts[1]), (f"lossy-{key}", lossy_images)]
            searched[folder], lossy[str(folder)] = (
                measure_as_trained(arguments.out, name, net, layers, parts[0], images) for name, images in pair
            )
        write_page(arguments.page, found, sensing, ratios, searched, lossy)
        print(f"wrote {arguments.page}")


if __name__ == "__main__":
    main()
