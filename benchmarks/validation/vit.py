"""A small vision transformer on arrays, beside ResNet-20 and a ResNet-20 of equal multiply-accumulates.

Takes networks and images from the folder named by XBARSIM_SHARED:

    XBARSIM_SHARED=... python benchmarks/validation/vit.py [--images 500] [--explain 40] [--hardware reference]

The first table holds the accuracy of the float network, of eight-bit integers on ideal arrays and of the hardware, and
the energy of one inference; the second the causes of what is lost, over a part of the images.
Images that calibrate are none of those that are judged.

The convolutional network of equal multiply-accumulates is ResNet-20 with nine channels in place of eight: every ninth
is a copy, and what reads both takes 60 % of the first and 40 % of the copy, so that the function in float is the same
(Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016). It is not trained further.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

import xbarsim as xs
from xbarsim.network import run_network

TRANSFORMER, CONVOLUTIONS = "vit_cifar10", "resnet20_cifar10"
GROUP, SHARES = 8, (0.6, 0.4)
"""Channels that get one more, and what is read of a channel and of its copy."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CALIBRATION = 64


def load_images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return normalised images, (images, 3, 32, 32), and their labels."""
    data = np.load(path)
    images = data["images"].astype(np.float32) / np.float32(255)
    mean, std = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (MEAN, STD))
    return (images - mean) / std, data["labels"]


def grow_stage(before: np.ndarray | None, width: int) -> np.ndarray:
    """Return which channel of a stage each channel of the wider stage copies.

    Parameters
    ----------
    before : ndarray of int, optional
        The same of the stage before, whose channels the shortcut puts between equal numbers of zeros.
    width : int
        Channels of the stage.

    Returns
    -------
    ndarray of int, (width * 9 / 8,)
        Numbers of channels.
    """
    if before is None:
        return np.sort(np.concatenate([np.arange(width), np.arange(GROUP - 1, width, GROUP)]))
    outer = grow_stage(None, width // 4)
    return np.concatenate([outer, width // 4 + before, width - width // 4 + outer])


def share_channels(copied: np.ndarray) -> np.ndarray:
    """Return what share of each channel is read: 1, or ``SHARES`` of a channel and its copy."""
    count = np.bincount(copied)[copied]
    is_copy = np.concatenate([[False], copied[1:] == copied[:-1]])
    return np.where(count == 1, 1.0, np.where(is_copy, SHARES[1], SHARES[0]))


def widen_network(path: Path, out: Path) -> Path:
    """Write ResNet-20 with nine channels in place of eight that computes the same, and return its path."""
    import onnx
    from onnx import numpy_helper

    stages: list[np.ndarray] = []
    for width in (16, 32, 64):
        stages.append(grow_stage(stages[-1] if stages else None, width))
    model = onnx.load(path)
    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    by_width = {len(np.unique(stage)): stage for stage in stages}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        name, bias = node.input[1:3]
        weight = values[name]
        if (read := by_width.get(weight.shape[1])) is not None:
            weight = weight[:, read] * share_channels(read).reshape(-1, *[1] * (weight.ndim - 2))
        if (written := by_width.get(len(weight))) is not None:
            weight, values[bias] = weight[written], values[bias][written]
        values[name] = weight.astype(np.float32)
    for node in model.graph.node:
        if node.op_type == "Pad":  # zeros around the channels of the stage before
            values[node.input[1]] = values[node.input[1]] * (GROUP + 1) // GROUP
        elif node.op_type == "Reshape":
            values[node.input[1]] = np.array([-1, len(stages[-1])])
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    onnx.save(model, out)
    return out


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
    with tempfile.TemporaryDirectory() as folder:
        models = shared / "models"
        wider = widen_network(models / f"{CONVOLUTIONS}.onnx", Path(folder) / f"{CONVOLUTIONS}_wider.onnx")
        paths = [models / f"{TRANSFORMER}.onnx", wider, models / f"{CONVOLUTIONS}.onnx"]
        show_accuracy(paths, given, images, labels, calibration)
        if given.explain:
            show_causes(paths, given, images[: given.explain], labels[: given.explain], calibration)


def show_accuracy(
    paths: list[Path], given: argparse.Namespace, images: np.ndarray, labels: np.ndarray, calibration: np.ndarray
) -> None:
    """Print the table of accuracies and energies."""
    print("| network | MMAC | largest difference from ONNX Runtime | float | 8 bits | on arrays | energy, uJ |")
    print("|---|---|---|---|---|---|---|")
    for path in paths:
        network = xs.load_network(path)
        expected, found = run_runtime(path, images), run_network(network, images, threads=given.threads)
        difference = np.abs(expected - found).max() / np.abs(expected).max()
        report = xs.simulate(network, given.hardware, images, labels, calibration=calibration, threads=given.threads)
        accuracy, macs = report.accuracy, sum(layer.macs for layer in network.layers)
        print(
            f"| {path.stem} | {macs / 1e6:.1f} | {difference:.1e} | {accuracy.reference:.1%} | "
            f"{accuracy.quantized:.1%} | {accuracy.hardware:.1%} | {report.cost.energy_joule * 1e6:.2f} |",
            flush=True,
        )


def show_causes(
    paths: list[Path], given: argparse.Namespace, images: np.ndarray, labels: np.ndarray, calibration: np.ndarray
) -> None:
    """Print the table of causes."""
    print("\n| network | cause | alone, points | share, points |\n|---|---|---|---|")
    for path in paths:
        causes = xs.explain(
            xs.load_network(path), given.hardware, images, labels, calibration=calibration, parts=("causes",),
            threads=given.threads,
        ).causes  # fmt: skip
        for row in causes.itertuples():
            print(f"| {path.stem} | {row.cause} | {row.alone_points:.1f} | {row.share_points:.1f} |", flush=True)


if __name__ == "__main__":
    main()
