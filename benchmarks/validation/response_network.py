"""ResNet-20 on arrays whose circuits depend on their inputs: fitted responses beside solved reads and linear circuits.

For each row the accuracy on 500 images of CIFAR-10 with ohmic cells, with the linear circuit that cells are often
replaced by (their secant at the read voltage; inputs on the rows instead of gates), and with fitted responses; and on
some images how far logits move if every read is solved as a circuit of its own, beside how far they move from one chip
to the next, each programmed with a variation of 5 %. Takes model and images from the folder named by XBARSIM_SHARED:

    XBARSIM_SHARED=... python benchmarks/validation/response_network.py --keep FOLDER
    XBARSIM_SHARED=... python benchmarks/validation/response_network.py --keep FOLDER --only "nax 16"

Solved images take up to minutes each, and so does the image on which the errors of layers are measured when a chip is
programmed whose reads are solved; with ``--exact 0`` none is solved. Their logits are kept in the folder, and a
later run goes on with them; they hold for one version of the package only, whose fitted responses set the ranges of the
converters.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import xbarsim as xs
from xbarsim.config.iv import cell_current

Logits = NDArray[np.float32]

CALIBRATION = 64
"""Images that scales, ranges and responses come from."""
VARIED = {"device.programming": {"distribution": "normal", "relative_to": "target", "sigma": 0.05}}
"""Variation of the chips that are compared, that of hwconfigs/reference.yaml."""
SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}


class Row(NamedTuple):
    """Arrays and cells of one row of the table."""

    hardware: str
    changes: dict[str, Any]
    """Keys that make the circuit depend on its inputs."""
    kept: dict[str, Any]
    """Other keys."""


def _size(rows: int) -> dict[str, Any]:
    return {"crossbar.rows": rows, "crossbar.cols": rows}


ROWS = {
    "reference, gate-driven": Row("reference", {"crossbar.topology": "1t1r_gate", "crossbar.r_sl_ohm": 2.5}, {}),
    "nax 16, sinh 0.1 V": Row("nax", SINH, _size(16)),
    "nax 32, sinh 0.1 V": Row("nax", SINH, _size(32)),
    "nax 64, sinh 0.1 V": Row("nax", SINH, _size(64)),
    "nax 128, sinh 0.1 V": Row("nax", SINH, _size(128)),
}


class Task(NamedTuple):
    """Network and images."""

    network: xs.Network
    images: Logits
    labels: NDArray[np.int64]
    exact: int
    """Images whose reads are solved."""

    @property
    def few(self) -> Logits:
        """Images whose reads are solved, behind those of the calibration."""
        return self.images[CALIBRATION : CALIBRATION + self.exact]

    def program(self, hardware: xs.Hardware, trial: int = 0) -> xs.Chip:
        """Program a chip with the images of the calibration."""
        return xs.program(self.network, hardware, self.images[:CALIBRATION], trial=trial, threads=1)

    def simulate(self, hardware: xs.Hardware) -> xs.Report:
        """Simulate all images."""
        return xs.simulate(
            self.network, hardware, self.images, self.labels, calibration=self.images[:CALIBRATION], threads=1
        )


def main() -> None:
    """Print the table in Markdown, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="images that accuracies are of")
    parser.add_argument("--exact", type=int, default=10, help="images whose reads are all solved; may be 0")
    parser.add_argument("--only", default="", help="run the rows whose name begins so")
    parser.add_argument("--keep", type=Path, required=True, help="folder of the logits of solved images")
    arguments = parser.parse_args()
    shared = Path(os.environ["XBARSIM_SHARED"])
    data = np.load(shared / "data" / "cifar10_test_500.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = ((data["images"] / 255.0 - mean[:, None, None]) / deviation[:, None, None]).astype(np.float32)
    network = xs.load_network(str(shared / "models" / "resnet20_cifar10.onnx"))
    task = Task(network, pixels[: arguments.images], data["labels"][: arguments.images], arguments.exact)
    print(
        "| arrays and cells | ohmic cells | linear circuit | fitted | fit: rms, largest [lsb] | solved images ", end=""
    )
    print("| fitted - solved | linear - solved | chip - chip | same class |\n|---" + "|---" * 9 + "|")
    for title, row in ROWS.items():
        if title.startswith(arguments.only):
            started = time.process_time()
            print(_write_row(title, row, task, arguments.keep), flush=True)
            print(f"<!-- {time.process_time() - started:.0f} CPU s -->", flush=True)


def _write_row(title: str, row: Row, task: Task, folder: Path) -> str:
    """Return one row of the table."""
    hardware = xs.load_hardware(row.hardware, {**row.kept, **row.changes})
    linear = _replace_cells(row, hardware)
    plain = task.simulate(xs.load_hardware(row.hardware, row.kept))
    replaced, found = task.simulate(linear), task.simulate(hardware)
    fits = found.layers.dropna(subset=["fit_rms_lsb"])
    accuracies = (
        f"| {title} | {_percent(plain)} | {_percent(replaced)} | {_percent(found)} "
        f"| {fits['fit_rms_lsb'].max():.3f}, {fits['fit_max_lsb'].max():.2f} | {task.exact} |"
    )
    if not task.exact:
        return accuracies + " - | - | - | - |"
    fitted, solved = task.program(hardware)(task.few), _solve(title, row, task, folder)
    chips = [
        task.program(xs.load_hardware(row.hardware, {**row.kept, **row.changes, **VARIED}), t)(task.few)
        for t in range(2)
    ]
    far = _distance(task.program(linear)(task.few), solved)
    same = int((fitted.argmax(axis=1) == solved.argmax(axis=1)).sum())
    return (
        f"{accuracies} {_distance(fitted, solved):.3f} | {far:.3f} | {_distance(*chips):.3f} "
        f"| {same} of {len(solved)} |"
    )


def _replace_cells(row: Row, hardware: xs.Hardware) -> xs.Hardware:
    """Return hardware of ohmic cells with the secant of the cells at the read voltage, without gates."""
    device = hardware.device
    secant = (
        1.0 if device.is_ohmic else float(cell_current(device.iv, np.array(device.read_volt))[0] / device.read_volt)
    )
    cells = {"device.g_on_siemens": device.g_on_siemens * secant, "device.g_off_siemens": device.g_off_siemens * secant}
    return xs.load_hardware(row.hardware, {**row.kept, **(cells if secant != 1.0 else {})})


def _solve(title: str, row: Row, task: Task, folder: Path) -> Logits:
    """Return the logits of images whose reads are all solved, those that the folder keeps and further ones."""
    folder.mkdir(parents=True, exist_ok=True)
    chip: xs.Chip | None = None
    found = []
    for i, image in enumerate(task.few):
        path = folder / f"{title.replace(' ', '_').replace(',', '')}-{i}.npy"
        if not path.exists():
            if chip is None:
                exact = {**row.kept, **row.changes, "crossbar.method": "exact"}
                chip = task.program(xs.load_hardware(row.hardware, exact))
            np.save(path, chip(image[np.newaxis]))
        found.append(np.load(path)[0])
    return np.stack(found)


def _distance(one: Logits, other: Logits) -> float:
    """Return the root mean square by which logits differ."""
    return float(np.sqrt(np.mean(np.square(one.astype(np.float64) - other))))


def _percent(report: xs.Report) -> str:
    return f"{100 * float(report.accuracy.hardware):.1f} %"


if __name__ == "__main__":
    main()
