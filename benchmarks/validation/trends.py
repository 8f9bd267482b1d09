"""How accuracy falls as a chip gets worse: variation, wires, array size, converter bits.

Anyone can run it: the default network and images come with the install.

    python benchmarks/validation/trends.py                                     the table of the README
    python benchmarks/validation/trends.py --network NET.onnx --data IMAGES.npz --normalize imagenet --images 500

Each block changes one parameter of a stated chip and keeps the rest. Accuracies are means over trials (chips) with a
95 % confidence interval over images and chips. The images are the same in every row, so that neighbouring rows can
be compared more closely than their intervals suggest.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import xbarsim as xs
from xbarsim.data import load_data, normalize_images

HARSH = {"device.programming.sigma": 0.1, "crossbar.r_wl_ohm": 5.0, "crossbar.r_bl_ohm": 5.0, "adc.bits": 6}
"""The chip whose parameters are varied one by one: twice the variation and wires of ``reference``, two bits less."""

BLOCKS: tuple[tuple[str, tuple[tuple[str, dict[str, Any]], ...]], ...] = (
    (
        "variation of cells (fraction of target)",
        tuple((f"{sigma:.0%}", {"device.programming.sigma": sigma}) for sigma in (0.0, 0.05, 0.1, 0.2)),
    ),
    (
        "wire segment",
        tuple((f"{r:g} ohm", {"crossbar.r_wl_ohm": r, "crossbar.r_bl_ohm": r}) for r in (0.0, 2.5, 5.0, 10.0)),
    ),
    (
        "array size",
        tuple((f"{n} x {n}", {"crossbar.rows": n, "crossbar.cols": n}) for n in (16, 32, 64, 128, 256)),
    ),
    ("ADC bits", tuple((f"{bits}", {"adc.bits": bits}) for bits in (8, 6, 5, 4))),
    (
        "converter noise, no variation",
        tuple(
            (f"{noise:g} lsb", {"adc.noise_lsb": noise, "device.programming.sigma": 0.0})
            for noise in (0.0, 0.02, 0.05, 0.1, 0.2)
        ),
    ),
)


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--calibration", default=None)
    parser.add_argument("--normalize", default=None)
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--only", default="", help="run the blocks whose title begins so")
    arguments = parser.parse_args()
    network = xs.load_network(arguments.network)
    data = load_data(arguments.data)
    images = normalize_images(data.images[: arguments.images], arguments.normalize)
    labels = data.labels[: arguments.images]
    calibration = None
    if arguments.calibration:
        calibration = normalize_images(load_data(arguments.calibration).images[:64], arguments.normalize)
    harsh = xs.load_hardware(arguments.hardware).override(HARSH)
    stated = ", ".join(f"{key} = {value}" for key, value in HARSH.items())
    print(f"{network.name}, {len(images)} images, {arguments.trials} trials, `{harsh.name}` with {stated}\n")
    print("| changed | value | accuracy | 95 % interval | degradation |")
    print("|---|---|---|---|---|")
    for title, rows in (block for block in BLOCKS if block[0].startswith(arguments.only)):
        for value, changes in rows:
            report = xs.simulate(
                network, harsh.override(changes), images, labels, calibration=calibration, trials=arguments.trials
            )
            found = report.accuracy
            low, high = found.interval
            print(
                f"| {title} | {value} | {found.hardware:.2%} | {low:.2%} .. {high:.2%} | {found.degradation:+.2%} |",
                flush=True,
            )
    print(f"\nfloat network {found.reference:.2%}, integers on ideal hardware {found.quantized:.2%}", file=sys.stdout)


if __name__ == "__main__":
    main()
