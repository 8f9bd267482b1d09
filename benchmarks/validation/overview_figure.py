"""The figure of the README: what wires take from an array, and what that does to a network.

    python benchmarks/validation/overview_figure.py      # writes docs/figures/overview.png

Left: a 128 x 128 array of `reference` cells, all at half of the highest level, solved exactly; the share of each
cell's current that its wires take. Right: accuracy of the network that comes with the install against the resistance
of one wire segment, for three array sizes, with 95 % intervals over images and chips.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

TARGET = Path(__file__).resolve().parents[2] / "docs" / "figures" / "overview.png"
SIZES = (64, 128, 256)
SEGMENTS_OHM = (0.0, 2.5, 5.0, 10.0, 15.0, 20.0)
TRIALS = 3


def solve_loss(hardware: Any) -> np.ndarray:
    """Return the share of each cell's current that the wires take, (rows, cols)."""
    device, wires = hardware.device, hardware.crossbar
    middle = (device.g_on_siemens + device.g_off_siemens) / 2
    g = np.full((wires.rows, wires.cols), middle)
    t = xs.crossbar.solve_transfer(g, r_wl_ohm=wires.r_wl_ohm, r_bl_ohm=wires.r_bl_ohm, method="exact")
    return 1 - t / g


def measure_accuracies() -> dict[int, list[Any]]:
    """Return accuracies by array size, one for each segment resistance."""
    data = load_data("digits")
    images, shared = normalize_images(data.images), xs.api.Shared()
    found: dict[int, list[Any]] = {}
    for size in SIZES:
        for ohm in SEGMENTS_OHM:
            hardware = xs.load_hardware("reference").override(
                {"crossbar.rows": size, "crossbar.cols": size, "crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm}
            )
            report = xs.simulate("digits", hardware, images, data.labels, trials=TRIALS, shared=shared)
            found.setdefault(size, []).append(report.accuracy)
    return found


def draw(loss: np.ndarray, accuracies: dict[int, list[Any]], ohm: float) -> Any:
    """Return the figure."""
    with style():
        figure, ((left, right),) = new_figure(WIDTH_INCH, 3.0, cols=2)
        drawn = left.imshow(100 * loss, cmap="viridis", origin="upper", vmin=0)
        left.set_title(f"current lost in wires of {ohm:g} ohm")
        left.set_xlabel("column, drivers on the left")
        left.set_ylabel("row, sensors below")
        left.grid(visible=False)
        figure.colorbar(drawn, ax=left, label="lost [%]")
        for number, (size, scores) in enumerate(accuracies.items()):
            middle = np.array([100 * score.hardware for score in scores])
            ends = 100 * np.array([score.interval for score in scores])
            right.plot(SEGMENTS_OHM, middle, "o-", color=PALETTE[number], label=f"{size} x {size}", markersize=4)
            right.fill_between(SEGMENTS_OHM, ends[:, 0], ends[:, 1], color=PALETTE[number], alpha=0.15, linewidth=0)
        integers = 100 * next(iter(accuracies.values()))[0].quantized
        right.axhline(integers, color=INK, linestyle="--", linewidth=1, label="ideal hardware")
        right.set_title("accuracy of the embedded network")
        right.set_xlabel("wire segment [ohm]")
        right.set_ylabel("accuracy [%]")
        right.legend(loc="lower left")
    return figure


def main() -> None:
    """Compute, draw and write."""
    hardware = xs.load_hardware("reference")
    figure = draw(solve_loss(hardware), measure_accuracies(), hardware.crossbar.r_wl_ohm)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=130, facecolor="white")
    print(f"wrote {TARGET}, {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
