"""Write what a change of structure must not move: costs of every zoo network on every hardware file, and outputs.

    python benchmarks/validation/golden.py --out before.json
    python benchmarks/validation/golden.py --out after.json --against before.json

Costs are the key numbers, the table of layers, the table of components and the action counts of every pair of a zoo
network and a hardware file, each float as its exact hexadecimal digits. Outputs are the SHA-256 of the raw outputs of
one chip, with programming variation (10 %) and read noise (2 %) on: the digits network, and ``resnet20_cifar10.onnx``
on 100 images where ``XBARSIM_SHARED`` (or ``../shared``) holds it. Outputs are compared on one machine alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import xbarsim as xs

NETWORKS = (
    "lenet5", "vgg8", "vgg16", "alexnet", "resnet18", "resnet20", "resnet32", "resnet50", "resnet101", "mobilenetv2",
)  # fmt: skip
OUTPUT_HARDWARE = ("reference", "nax", "isaac")
NOISE = {
    "device.programming.distribution": "normal", "device.programming.sigma": 0.1,
    "device.read_noise.sigma": 0.02,
}  # fmt: skip
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def exact(value: Any) -> Any:
    """Return a value as JSON that keeps every bit."""
    if isinstance(value, (float, np.floating)):
        return float(value).hex()
    return int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else str(value)


def costs(network: str, hardware: str) -> dict[str, Any]:
    """Return the cost of one network on one file: totals, layers, components, actions."""
    try:
        report = xs.estimate(network, hardware)
    except xs.XbarsimError as error:
        return {"refused": str(error)}
    names = (
        "energy_joule", "delay_s", "throughput_hz", "area_m2", "edap", "power_watt", "cycles", "crossbars", "arrays",
        "tiles", "utilization", "tops", "tops_per_watt", "tops_per_mm2",
    )  # fmt: skip
    return {
        "cost": {name: exact(getattr(report.cost, name)) for name in names},
        "actions": {key: exact(count) for key, count in sorted(report.activity.totals.items())},
        "layers": table(report.layers),
        "components": table(report.components),
    }


def table(frame: Any) -> dict[str, list[Any]]:
    """Return a table by columns."""
    return {str(name): [exact(value) for value in frame[name].tolist()] for name in frame.columns}


def outputs(network: Any, images: np.ndarray, hardware: str) -> dict[str, str]:
    """Return hashes of the raw outputs of one noisy chip, and of the cost that it measured."""
    record = xs.load_hardware(hardware).override(NOISE)
    report = xs.simulate(network, record, images, seed=3)
    return {
        "outputs": hashlib.sha256(np.ascontiguousarray(report.outputs).tobytes()).hexdigest(),
        "energy_joule": exact(report.cost.energy_joule),
        "snr": hashlib.sha256(report.layers["snr_db"].to_numpy().tobytes()).hexdigest(),
    }


def shared_folder() -> Path:
    """Return the folder of real models and images; it need not exist."""
    return Path(os.environ.get("XBARSIM_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def measure() -> dict[str, Any]:
    """Return everything."""
    from xbarsim.config import list_hardware
    from xbarsim.data import load_data

    found: dict[str, Any] = {"costs": {}, "outputs": {}}
    for hardware in list_hardware():
        for network in NETWORKS:
            found["costs"][f"{network} on {hardware}"] = costs(network, hardware)
    digits = load_data("digits").images[:200].astype(np.float32) / 255
    for hardware in OUTPUT_HARDWARE:
        found["outputs"][f"digits on {hardware}"] = outputs("digits", digits, hardware)
    folder = shared_folder()
    if (folder / "models").is_dir():
        network = xs.load_network(folder / "models" / "resnet20_cifar10.onnx")
        pixels = np.load(folder / "data" / "cifar10_test_500.npz")["images"][:100].astype(np.float32) / 255
        images = (pixels - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
        for hardware in OUTPUT_HARDWARE:
            found["outputs"][f"resnet20 on {hardware}"] = outputs(network, images.astype(np.float32), hardware)
    return found


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Return one line for each value that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = dict.fromkeys((*before, *after))
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{path}/{key}")]
    return [] if before == after else [f"{path}: {before} -> {after}"]


def main() -> int:
    """Write, and compare where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--against", type=Path, help="file written before; exit code 1 where a value differs")
    options = parser.parse_args()
    found = measure()
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"wrote {options.out}: {len(found['costs'])} costs, {len(found['outputs'])} outputs")
    if options.against is None:
        return 0
    lines = differences(json.loads(options.against.read_text()), found)
    print("\n".join(line[:300] for line in lines[:40]) or "nothing moved")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
