"""A small vision transformer on arrays, beside ResNet-20, a convolutional network of 79 % of its multiply-accumulates.

Takes networks and images from the folder named by XBARSIM_SHARED:

    XBARSIM_SHARED=... python benchmarks/validation/vit.py [--images 500] [--explain 40] [--hardware reference]

The first table holds the accuracy of the float network, of eight-bit integers on ideal arrays and of the hardware, and
the energy of one inference; the second the causes of what is lost, over a part of the images.
Images that calibrate are none of those that are judged.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

import xbarsim as xs
from xbarsim.network import run_network

NETWORKS = ("vit_cifar10", "resnet20_cifar10")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CALIBRATION = 64


def load_images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return normalised images, (images, 3, 32, 32), and their labels."""
    data = np.load(path)
    images = data["images"].astype(np.float32) / np.float32(255)
    mean, std = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (MEAN, STD))
    return (images - mean) / std, data["labels"]


def run_runtime(path: Path, images: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime computes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(len(images))])


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--explain", type=int, default=40, help="images whose losses are explained; 0 for none")
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    images, labels = load_images(shared / "data" / "cifar10_test_500.npz")
    calibration, _ = load_images(shared / "data" / "cifar10_train_4660.npz")
    images, labels, calibration = images[: given.images], labels[: given.images], calibration[:CALIBRATION]
    print("| network | MMAC | largest difference from ONNX Runtime | float | 8 bits | on arrays | energy, uJ |")
    print("|---|---|---|---|---|---|---|")
    networks = {name: shared / "models" / f"{name}.onnx" for name in NETWORKS}
    for name, path in networks.items():
        network = xs.load_network(path)
        expected, found = run_runtime(path, images), run_network(network, images, threads=given.threads)
        difference = np.abs(expected - found).max() / np.abs(expected).max()
        report = xs.simulate(network, given.hardware, images, labels, calibration=calibration, threads=given.threads)
        accuracy, macs = report.accuracy, sum(layer.macs for layer in network.layers)
        print(
            f"| {name} | {macs / 1e6:.1f} | {difference:.1e} | {accuracy.reference:.1%} | {accuracy.quantized:.1%} | "
            f"{accuracy.hardware:.1%} | {report.cost.energy_joule * 1e6:.2f} |",
            flush=True,
        )
    if not given.explain:
        return
    print("\n| network | cause | alone, points | share, points |\n|---|---|---|---|")
    part = slice(0, given.explain)
    for name, path in networks.items():
        causes = xs.explain(
            xs.load_network(path), given.hardware, images[part], labels[part], calibration=calibration,
            parts=("causes",), threads=given.threads,
        ).causes  # fmt: skip
        for row in causes.itertuples():
            print(f"| {name} | {row.cause} | {row.alone_points:.1f} | {row.share_points:.1f} |", flush=True)


if __name__ == "__main__":
    main()
