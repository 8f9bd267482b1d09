"""How much of EfficientNet-Lite0 remedies without training give back on ``reference``: same arrays, cells and wires.

Takes model and images from the folder named by XBARSIM_SHARED (about a second for each image, chip and core):

    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --images 200 --trials 3
    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --images 25 --only "all"

Agreement is the share of images whose highest output is that of the float network; the cosine is that of all outputs of
a chip with those of the float network. Images that calibrate are none of those that are judged.
"""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xbarsim as xs
from xbarsim.network.execute import run_network

SERIAL = {"mapping.groups": "serial"}
OUTPUT = {"adc.output_correction": True}
GAIN = {"adc.gain_correction": True}
ROWS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "output correction": OUTPUT,
    "gain correction": GAIN,
    "groups in turn": SERIAL,
    "groups in turn, output correction": {**SERIAL, **OUTPUT},
    "groups on 36 x 32 arrays, output correction": {
        "mapping.groups": "stripes",
        "mapping.group_array": {"rows": 36, "cols": 32},
        **OUTPUT,
    },
    "all three: groups in turn, output and gain correction": {**SERIAL, **OUTPUT, **GAIN},
    "all three, fitted on the chip": {**SERIAL, **OUTPUT, **GAIN, "adc.correction_inputs": "hardware"},
    "all three, fitted over 4 other chips": {**SERIAL, **OUTPUT, **GAIN, "adc.correction_chips": 4},
}
"""Remedies, each with its changes of the hardware file."""


def main() -> None:
    """Print the table in Markdown, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=25)
    parser.add_argument("--calibration", type=int, default=8, help="images that set ranges and corrections")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--only", default="", help="run the rows whose name begins so")
    arguments = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    images, labels = load_images(shared, arguments.images + arguments.calibration)
    images, calibration = images[: arguments.images], images[arguments.images :]
    network = xs.load_network(str(shared / "models" / "efficientnet_lite0.onnx"))
    reference = run_network(network, images, threads=arguments.threads)
    plain = xs.load_hardware(arguments.hardware)
    base = xs.estimate(network, plain).cost
    print("| remedy | agreement | each chip | cosine | accuracy | energy | area | time between images |")
    print("|---|---|---|---|---|---|---|---|")
    for name, keys in ROWS.items():
        if not name.startswith(arguments.only):
            continue
        hardware = plain.override(keys)
        report = xs.simulate(
            network,
            hardware,
            images,
            labels[: len(images)],
            calibration=calibration,
            trials=arguments.trials,
            threads=arguments.threads,
        )
        agreed = [float(np.mean(outputs.argmax(1) == reference.argmax(1))) for outputs in report.outputs]
        cosine = float(np.mean([measure_cosine(outputs, reference) for outputs in report.outputs]))
        cost = xs.estimate(network, hardware).cost
        print(
            f"| {name} | {np.mean(agreed):.1%} | {' '.join(f'{each:.1%}' for each in agreed)} | {cosine:.3f} | "
            f"{report.accuracy.hardware:.1%} | {cost.energy_joule / base.energy_joule:.2f} | "
            f"{cost.area_m2 / base.area_m2:.2f} | {base.throughput_hz / cost.throughput_hz:.1f} |",
            flush=True,
        )


def load_images(shared: Path, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Decode images in an order of chance, the same for any number, (count, 3, 224, 224), and their labels."""
    from PIL import Image

    data = np.load(shared / "data" / "imagenet_sample_500.npz")
    chosen = np.random.default_rng(0).permutation(len(data["labels"]))[:count]
    images = np.empty((count, 3, 224, 224), dtype=np.float32)
    for place, i in enumerate(chosen):
        with Image.open(io.BytesIO(data["jpeg"][data["offsets"][i] : data["offsets"][i + 1]].tobytes())) as image:
            images[place] = ((np.asarray(image.convert("RGB"), dtype=np.float32) - 127) / 128).transpose(2, 0, 1)
    return images, data["labels"][chosen].astype(np.int64)


def measure_cosine(found: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the cosine between all outputs of two runs."""
    a, b = found.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


if __name__ == "__main__":
    main()
