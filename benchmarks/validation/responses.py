"""Errors of fitted responses on reads that were kept back, in steps of the converters, and their price.

Programs ResNet-20 with the first images as calibration, and takes the errors that ``report.layers`` shows, of three
layers and of all. Each row asks for an error of its own. Takes model and images from the folder named by XBARSIM_SHARED
(a minute or two for each row):

    XBARSIM_SHARED=... python benchmarks/validation/responses.py
    XBARSIM_SHARED=... python benchmarks/validation/responses.py --asked 0.05 --only "nax 64"
    XBARSIM_SHARED=... python benchmarks/validation/responses.py --patterns

Each row is compared with the same arrays of ohmic cells in a passive topology, which answer by their operator, in CPU
time of one thread: ``run`` is the ratio for images through a programmed chip, both in turn, ``set-up`` that of
programming, solving and fitting.

With ``--patterns`` the weights of layer3.1.conv1 are programmed alone, for random inputs: every bit of a vector is one
with the same chance, which is 5 to 50 % and differs from vector to vector.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import xbarsim as xs
from xbarsim.mvm import program_matrix

LAYERS = ("layer1.1.conv1", "layer2.1.conv2", "layer3.1.conv1")
SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
SHARP = {"device.iv": {"kind": "sinh", "scale_volt": 0.05}}
EQUAL = {"device.iv": {"kind": "sinh", "scale_volt": 0.05, "reference_volt": 0.2}}
LARGE = {"crossbar.rows": 128, "crossbar.cols": 128}
SMALL = {"crossbar.rows": 32, "crossbar.cols": 32}


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
    "nax 32, sinh 0.1 V, voltages of 16 heights": Row("nax", {**SMALL, **SINH, "dac.bits": 4}, 0.05),
    "nax 64, sinh 0.1 V": Row("nax", SINH, 0.04),
    "nax 64, sinh 0.05 V": Row("nax", SHARP, 0.08),
    "nax 128, sinh 0.1 V": Row("nax", {**LARGE, **SINH}, 0.07),
    "nax 128, sinh 0.05 V": Row("nax", {**LARGE, **SHARP}, 0.14),
}
LINEAR = ("device.iv", "crossbar.topology", "crossbar.r_sl_ohm")
"""Keys that are left out beside each row."""


VECTORS = 512
"""Random vectors."""


class Tried(NamedTuple):
    """A chip and its price."""

    chip: xs.Chip
    setup: float
    """CPU time of programming [s]."""


def main() -> None:
    """Print the table in Markdown, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16, help="images that are timed, five times")
    parser.add_argument("--calibration", type=int, default=64)
    parser.add_argument("--asked", type=float, help="crossbar.fit_error_levels of all rows; each its own if left out")
    parser.add_argument("--only", default="", help="run the rows whose name begins so")
    parser.add_argument("--patterns", action="store_true", help="random patterns in place of those of images")
    arguments = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    network = xs.load_network(str(shared / "models" / "resnet20_cifar10.onnx"))
    data = np.load(shared / "data" / "cifar10_test_500.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = (data["images"] / 255.0 - mean[:, None, None]) / deviation[:, None, None]
    images, count = pixels.astype(np.float32), arguments.calibration
    print(
        "| arrays and cells | rms, largest [lsb] |\n|---|---|"
        if arguments.patterns
        else "| arrays and cells | three layers: rms, largest [lsb] | all layers: rms, largest [lsb] | outside | run "
        "| set-up |\n|---|---|---|---|---|---|"
    )
    for title, (name, changes, asked) in ROWS.items():
        if not title.startswith(arguments.only):
            continue
        started = time.process_time()
        bent = {**changes, "crossbar.fit_error_levels": arguments.asked or asked}
        if arguments.patterns:
            print(_write_patterns(title, network, xs.load_hardware(name, bent)), flush=True)
        else:
            plain = _program(
                network, name, {key: value for key, value in changes.items() if key not in LINEAR}, images[:count]
            )
            found = _program(network, name, bent, images[:count])
            print(_write_row(title, plain, found, images[count : count + arguments.images]), flush=True)
        print(f"<!-- {time.process_time() - started:.0f} CPU s -->", flush=True)


def _program(network: xs.Network, name: str, changes: dict[str, Any], images: np.ndarray) -> Tried:
    """Program a chip."""
    started = time.process_time()
    chip = xs.program(network, xs.load_hardware(name, changes), images, threads=1)
    return Tried(chip, time.process_time() - started)


def _write_row(title: str, plain: Tried, found: Tried, images: np.ndarray) -> str:
    """Return the row of a chip with fitted responses beside one of ohmic cells."""
    seconds: list[list[float]] = [[], []]
    for turn in range(6):
        for each, tried in zip(seconds, (plain, found), strict=True):
            started = time.process_time()
            tried.chip(images)
            if turn:  # the first compiles
                each.append(time.process_time() - started)
    fits = found.chip.layers.dropna(subset=["fit_rms_lsb"]).set_index("name")
    some = fits.loc[list(LAYERS)]
    return (
        f"| {title} | {some['fit_rms_lsb'].max():.3f}, {some['fit_max_lsb'].max():.2f} "
        f"| {fits['fit_rms_lsb'].max():.3f}, {fits['fit_max_lsb'].max():.2f} | {fits['fit_outside'].max():.4f} "
        f"| {min(seconds[1]) / min(seconds[0]):.2f} | {found.setup / plain.setup:.2f} |"
    )


def _write_patterns(title: str, network: xs.Network, hardware: xs.Hardware) -> str:
    """Return the row of one layer with random inputs."""
    bits = hardware.weight_bits, hardware.activation_bits
    floats = next(node for node in network.nodes if node.name == LAYERS[-1]).weight
    weights = floats.reshape(len(floats), -1).T
    weights = np.rint(weights / np.abs(weights).max() * ((1 << (bits[0] - 1)) - 1)).astype(np.int64)
    rng = np.random.default_rng(0)
    density = rng.uniform(0.05, 0.5, (VECTORS, 1, 1))
    ones = rng.random((VECTORS, len(weights), bits[1])) < density
    codes = ones @ (1 << np.arange(bits[1]))
    engine = program_matrix(weights, hardware, weight_bits=bits[0], activation_bits=bits[1], codes=codes, threads=1)
    fit = engine.calibrate(codes, threads=1).survey(codes, threads=1).fit
    assert fit is not None
    return f"| {title} | {fit.rms_lsb:.3f}, {fit.max_lsb:.2f} |"


if __name__ == "__main__":
    main()
