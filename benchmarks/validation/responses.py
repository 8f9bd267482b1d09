"""Errors of fitted responses on reads of a trained network that were kept back, in steps of the converters.

Programs ResNet-20 with the first images as calibration, and takes the errors that ``report.layers`` shows, of three
layers and of all; the network is then run on some images. Each row asks for an error of its own. Takes model and images
from the folder named by XBARSIM_SHARED (a minute or two for each row):

    XBARSIM_SHARED=... python benchmarks/validation/responses.py
    XBARSIM_SHARED=... python benchmarks/validation/responses.py --images 500 --only "nax 64"

Each row is compared with the same arrays of ohmic cells in a passive topology, which answer by their operator: ``run``
is the ratio of the seconds of the hardware pass, ``set-up`` that of programming, solving and fitting.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import xbarsim as xs

LAYERS = ("layer1.1.conv1", "layer2.1.conv2", "layer3.1.conv1")
SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
SHARP = {"device.iv": {"kind": "sinh", "scale_volt": 0.05}}
EQUAL = {"device.iv": {"kind": "sinh", "scale_volt": 0.05, "reference_volt": 0.2}}
LARGE = {"crossbar.rows": 128, "crossbar.cols": 128}


class Row(NamedTuple):
    """Arrays and cells of one row of the table."""

    hardware: str
    changes: dict[str, Any]
    asked: float
    """Error asked of the responses [level units]."""


ROWS = {
    "reference, gate-driven 1T1R": Row("reference", {"crossbar.topology": "1t1r_gate", "crossbar.r_sl_ohm": 2.5}, 0.02),
    "reference, sinh 0.1 V": Row("reference", SINH, 0.04),
    "reference, sinh 0.05 V": Row("reference", SHARP, 0.08),
    "reference, sinh 0.05 V, currents as ohmic at 0.2 V": Row("reference", EQUAL, 0.04),
    "nax 64, sinh 0.1 V": Row("nax", SINH, 0.04),
    "nax 64, sinh 0.05 V": Row("nax", SHARP, 0.08),
    "nax 128, sinh 0.1 V": Row("nax", {**LARGE, **SINH}, 0.07),
    "nax 128, sinh 0.05 V": Row("nax", {**LARGE, **SHARP}, 0.14),
}
LINEAR = ("device.iv", "crossbar.topology", "crossbar.r_sl_ohm")
"""Keys that are left out beside each row."""


class Run(NamedTuple):
    """What one simulation gave."""

    setup: float
    run: float
    accuracy: float
    layers: Any


def main() -> None:
    """Print the table in Markdown, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64, help="images that the network is run on")
    parser.add_argument("--calibration", type=int, default=64)
    parser.add_argument("--asked", type=float, help="crossbar.fit_error_levels of all rows; each its own if left out")
    parser.add_argument("--only", default="", help="run the rows whose name begins so")
    arguments = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    data = np.load(shared / "data" / "cifar10_test_500.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = (data["images"] / 255.0 - mean[:, None, None]) / deviation[:, None, None]
    images, labels, count = pixels.astype(np.float32), data["labels"], arguments.calibration
    network = xs.load_network(str(shared / "models" / "resnet20_cifar10.onnx"))

    def simulate(name: str, changes: dict[str, Any]) -> Run:
        last = slice(count, count + arguments.images) if count + arguments.images <= len(images) else slice(None)
        hardware = xs.load_hardware(name, changes)
        report = xs.simulate(
            network, hardware, images[last], labels[last], calibration=images[:count], threads=1, batch_size=16
        )
        seconds = report.seconds
        return Run(seconds.setup, seconds.run, float(report.accuracy.hardware), report.layers)

    print("| arrays and cells | three layers: rms, largest [lsb] | all layers: rms, largest [lsb] | outside | ", end="")
    print("accuracy | run | set-up |\n|---|---|---|---|---|---|---|")
    for title, (name, changes, asked) in ROWS.items():
        if not title.startswith(arguments.only):
            continue
        started = time.process_time()
        plain = simulate(name, {key: value for key, value in changes.items() if key not in LINEAR})
        found = simulate(name, {**changes, "crossbar.fit_error_levels": arguments.asked or asked})
        fits = found.layers.dropna(subset=["fit_rms_lsb"]).set_index("name")
        some = fits.loc[list(LAYERS)]
        print(
            f"| {title} | {some['fit_rms_lsb'].max():.3f}, {some['fit_max_lsb'].max():.2f} "
            f"| {fits['fit_rms_lsb'].max():.3f}, {fits['fit_max_lsb'].max():.2f} | {fits['fit_outside'].max():.4f} "
            f"| {100 * found.accuracy:.1f} % | {found.run / plain.run:.2f} | {found.setup / plain.setup:.2f} |",
            flush=True,
        )
        print(f"<!-- {time.process_time() - started:.0f} CPU s -->")


if __name__ == "__main__":
    main()
