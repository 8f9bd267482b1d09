"""How much current arrays of NAX's sizes lose: the ratio of ideal to sensed current on a trained ResNet-20.

    python benchmarks/validation/nax_ratio.py --shared ../shared [--source 500 --sink 100 --segment 2.5]

The released functional model of NAX's authors (github.com/Aayush-Ankit/puma-functional-model, geneix/mvm_dataset.py)
holds the range of that ratio that its network of currents was trained on, on arrays of a ResNet-20 with 2-bit slices
and 1-bit streams: 0.8824 .. 0.9935, 0.8742 .. 1.0156, 0.8609 .. 1.0944 and 0.8473 .. 1.2905 at 16, 32, 64 and 128. It
does not hold the resistances. Here: the same kind of arrays (at most the first two by two of each convolution, both
polarities), inputs from CIFAR-10 images, ohmic cells, and cells that follow sinh(v / 0.25 V), whose ratio without any
wire is 0.851 at the read voltage of 0.25 V. Bent cells take Newton steps, so they see fewer arrays and vectors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import xbarsim as xs
from xbarsim.config.iv import Sinh
from xbarsim.data import load_data, normalize_images
from xbarsim.mvm.encoding import encode_weights
from xbarsim.network import Network, quantize_input, quantize_network, run_network
from xbarsim.rng import stream

PUBLISHED = {16: (0.8824, 0.9935), 32: (0.8742, 1.0156), 64: (0.8609, 1.0944), 128: (0.8473, 1.2905)}
WIRES = {"r_source_ohm": 500.0, "r_sink_ohm": 100.0, "r_wl_ohm": 2.5, "r_bl_ohm": 2.5}
"""As in hwconfigs/nax.yaml [ohm]."""
BENT = Sinh(scale_volt=0.25)
BENT_ARRAYS, BENT_VECTORS = 6, 4
MOST_ZEROS = 1e-3
"""Columns with a smaller share of the array's largest ideal current are left out: their ratio says little [-]."""


def cut_arrays(
    network: Network, images: np.ndarray, size: int, vectors: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield levels (size, size) of arrays, and one-bit inputs (vectors, size) that drive them."""
    hardware = xs.load_hardware("nax")
    quantized = quantize_network(
        network, images, weight_bits=hardware.weight_bits, activation_bits=hardware.activation_bits
    )
    seen: dict[str, np.ndarray] = {}
    run_network(network, images, observe=lambda name, value: seen.update({name: value}), block=len(images))
    for node in network.layers:
        if node.kind != "conv2d":
            continue
        layer = quantized.layers[node.name]
        codes = quantize_input(layer, seen[node.inputs[0]])
        top, left, bottom, right = node.attributes["padding"]
        codes = np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)))
        windows = np.lib.stride_tricks.sliding_window_view(codes, node.attributes["kernel"], axis=(2, 3))
        rows = windows.transpose(0, 2, 3, 4, 5, 1).reshape(-1, node.rows)
        rng = stream(0, "benchmark.nax_ratio", node.name, size)
        picked = rows[rng.integers(0, len(rows), vectors)]
        bits = (picked >> rng.integers(0, hardware.activation_bits - 1, (vectors, 1))) & 1
        matrix = layer.weight.transpose(2, 3, 1, 0).reshape(-1, layer.weight.shape[0])
        encoded = encode_weights(
            matrix, "differential", weight_bits=layer.weight_bits, cell_bits=hardware.device.cell_bits
        )
        levels = encoded.digits.transpose(0, 2, 3, 1).reshape(2, len(matrix), -1)  # slices of a weight side by side
        for polarity in levels:
            for row in range(0, min(len(matrix), 2 * size), size):
                for column in range(0, min(polarity.shape[1], 2 * size), size):
                    part = polarity[row : row + size, column : column + size]
                    driven = bits[:, row : row + size]
                    room = ((0, size - part.shape[0]), (0, size - part.shape[1]))
                    yield np.pad(part, room), np.pad(driven, ((0, 0), (0, size - driven.shape[1])))


def measure_ratios(
    network: Network, images: np.ndarray, size: int, wires: dict[str, float], *, is_bent: bool, vectors: int = 32
) -> np.ndarray:
    """Return ideal over sensed current of every column that carries one."""
    device = xs.load_hardware("nax").device
    arrays = list(cut_arrays(network, images, size, BENT_VECTORS if is_bent else vectors))
    if is_bent:  # those that carry most and least, and some between
        arrays.sort(key=lambda pair: float(pair[0].mean() * pair[1].mean()))
        arrays = [arrays[i] for i in np.linspace(0, len(arrays) - 1, BENT_ARRAYS).round().astype(int)]
    found = []
    for levels, bits in arrays:
        g = device.g_off_siemens + levels * device.g_step_siemens
        v = bits[bits.any(axis=1)] * device.read_volt
        if not len(v):
            continue
        ideal = v @ g
        sensed = xs.crossbar.solve_currents(g, v, iv=BENT if is_bent else None, threads=1, **wires)
        carries = ideal > MOST_ZEROS * ideal.max()
        found.append((ideal / np.where(carries, sensed, 1.0))[carries])
    return np.concatenate(found)


def collect(shared: Path, wires: dict[str, float]) -> list[dict[str, float]]:
    """Return published and our ranges, one row a size."""
    network = xs.load_network(str(shared / "models" / "resnet20_cifar10.onnx"))
    data = load_data(shared / "data" / "cifar10_train_4660.npz").take(16)
    images = normalize_images(data.images, "imagenet")
    rows = []
    for size, (least, most) in PUBLISHED.items():
        row = {"size": size, "published_least": least, "published_most": most}
        for name, is_bent in (("ohmic", False), ("sinh", True)):
            ratios = measure_ratios(network, images, size, wires, is_bent=is_bent)
            row[f"{name}_least"], row[f"{name}_most"] = float(ratios.min()), float(ratios.max())
        rows.append(row)
    return rows


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with models/ and data/")
    parser.add_argument("--source", type=float, default=WIRES["r_source_ohm"], help="driver [ohm]")
    parser.add_argument("--sink", type=float, default=WIRES["r_sink_ohm"], help="sensor [ohm]")
    parser.add_argument("--segment", type=float, default=WIRES["r_wl_ohm"], help="segment of a line [ohm]")
    given = parser.parse_args()
    wires = {"r_source_ohm": given.source, "r_sink_ohm": given.sink}
    wires |= {"r_wl_ohm": given.segment, "r_bl_ohm": given.segment}
    print("| array | published | ohmic cells | sinh cells |\n|---|---|---|---|")
    for row in collect(given.shared, wires):
        parts = [f"{row[f'{name}_least']:.3f} .. {row[f'{name}_most']:.3f}" for name in ("published", "ohmic", "sinh")]
        print(f"| {row['size']:.0f} | {' | '.join(parts)} |", flush=True)


if __name__ == "__main__":
    main()
