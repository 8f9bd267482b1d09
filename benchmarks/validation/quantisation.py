"""ResNet-20 in few bits after training: rounding to nearest, least squares and learned rounding.

    XBARSIM_SHARED=FOLDER python benchmarks/validation/quantisation.py --page docs/quantisation.md

The folder holds ``models/resnet20_cifar10.onnx`` and the CIFAR-10 images of ``data``. All layers have the stated bits
on ideal hardware; 2,048 lossless training images calibrate, without labels. The table, also as Markdown with ``--page``
between the page's markers, has accuracy and agreement with the float network on 500 lossless test images, accuracy on
5,000 images from JPEG files, and the CPU time of :func:`xbarsim.quantize` on one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from resnet20 import decode_jpegs

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.network import quantize_network, run_integer, run_network

WIDTHS = ((8, 8), (4, 8), (4, 4), (3, 8))
METHODS = ("nearest", "least_squares", "learned")
CALIBRATED, LOSSY = 2048, 5000
MARKERS = ("<!-- table -->", "<!-- end of table -->")


def main() -> None:
    """Measure and print the table, and write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    network = xs.load_network(shared / "models/resnet20_cifar10.onnx")
    test, train = (load_data(shared / f"data/cifar10_{name}.npz") for name in ("test_500", "train_4660"))
    sets = [(test.images, test.labels), decode_jpegs(shared / "data/cifar10_jpeg_test_5000.npz", LOSSY)]
    images = [normalize_images(pixels, "imagenet") for pixels, _ in sets]
    calibration = normalize_images(train.images[:CALIBRATED], "imagenet")
    floats = [run_network(network, part).argmax(axis=1) for part in images]
    shares = [100 * np.mean(found == labels) for found, (_, labels) in zip(floats, sets, strict=True)]
    lines = [
        "| bits | method | accuracy [%] | agreement [%] | accuracy, JPEG [%] | CPU time [s] |",
        "|---|---|---|---|---|---|",
        f"| float | | {shares[0]:.1f} | | {shares[1]:.1f} | |",
    ]
    print("\n".join(lines), flush=True)
    for weight_bits, activation_bits in WIDTHS:
        for method in METHODS:
            started = time.process_time()
            fixed = xs.quantize(
                network, calibration, weight_bits=weight_bits, activation_bits=activation_bits, method=method
            )
            seconds = time.process_time() - started
            integers = quantize_network(fixed, None, weight_bits=weight_bits, activation_bits=activation_bits)
            found = [run_integer(integers, part).argmax(axis=1) for part in images]
            shares = [100 * np.mean(part == labels) for part, (_, labels) in zip(found, sets, strict=True)]
            agreement = 100 * np.mean(found[0] == floats[0])
            cells = [f"W{weight_bits}A{activation_bits}", f"`{method}`", f"{shares[0]:.1f}", f"{agreement:.1f}"]
            lines.append("| " + " | ".join([*cells, f"{shares[1]:.1f}", f"{seconds:.0f}"]) + " |")
            print(lines[-1], flush=True)
    if options.page:
        before, rest = options.page.read_text().split(MARKERS[0])
        after = rest.split(MARKERS[1])[1]
        options.page.write_text(f"{before}{MARKERS[0]}\n" + "\n".join(lines) + f"\n{MARKERS[1]}{after}")
        print(f"wrote {options.page}")


if __name__ == "__main__":
    main()
