"""How much of EfficientNet-Lite0 remedies without training give back on ``reference``: same arrays, cells and wires.

Takes model and images from the folder named by XBARSIM_SHARED (about two CPU minutes for each chip, and a second or two
for each of its images). Outputs are kept in a folder, block by block: a run that was killed goes on where it was, and
chips can be shared out among processes. Figures go to a file, from which the table of a page is written:

    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --images 200 --trials 3 --only "verified, both" \
        --keep enet --results enet.json --page docs/remedies.md
    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --images 200 --only "as it" --keep enet --chip 2
    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --explain causes --images 200 --trials 3 \
        --keep enet --page docs/remedies.md
    XBARSIM_SHARED=... python benchmarks/validation/efficientnet.py --explain remedies --images 25 --keep enet \
        --page docs/remedies.md

Agreement is the share of images whose highest output is that of the float network; the cosine is that of all outputs of
a chip with those of the float network. Images that calibrate are none of those that are judged.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xbarsim as xs
from xbarsim.inference.machine import run_machine
from xbarsim.inference.simulate import program_network
from xbarsim.mapping import plan_network
from xbarsim.network import quantize_network, run_integer
from xbarsim.network.execute import run_network

SERIAL = {"mapping.groups": "serial"}
OUTPUT = {"adc.output_correction": True}
BOTH = {**OUTPUT, "adc.gain_correction": True}
VERIFIED = {
    "device.write.verify": {"tolerance": 0.025, "relative_to": "target", "max_pulses": 20},
    "device.write.pulses": None,
}
"""Cells are written until they are within half of their standard deviation, as the remedy of ``explain`` does."""
NINE = {"weight_bits": 9}
"""What the four 2-bit cells of a weight in a pair can hold."""
ROWS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "output correction": OUTPUT,
    "both corrections": BOTH,
    "groups in turn, both corrections": {**SERIAL, **BOTH},
    "groups in turn, both corrections, 9-bit weights": {**SERIAL, **BOTH, **NINE},
    "groups on 36 x 32 arrays, output correction": {
        "mapping.groups": "stripes",
        "mapping.group_array": {"rows": 36, "cols": 32},
        **OUTPUT,
    },
    "verified": VERIFIED,
    "verified, 9-bit weights": {**VERIFIED, **NINE},
    "verified, both corrections": {**VERIFIED, **BOTH},
    "verified, both corrections, 9-bit weights": {**VERIFIED, **BOTH, **NINE},
}
"""Remedies, each with its changes of the hardware file."""
HEAD = (
    "| changes of `reference` | images x chips | agreement | cosine | accuracy | integers: agreement, cosine | "
    "energy | area | time |",
    "|---|" + 8 * "---|",
)
BLOCK = 25
"""Images whose outputs are kept together."""
TRIED = ("output and gain correction", "one group per read, *", "weights that fill the cells", "write and verify")
"""Remedies that ``--explain`` tries, alone and put together."""
END = "<!-- end of table -->"
SEED = 0


def main() -> None:
    """Measure rows, print them, and write them where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=25)
    parser.add_argument("--calibration", type=int, default=16, help="images that set ranges and corrections")
    parser.add_argument("--trials", type=int, default=1, help="chips")
    parser.add_argument("--chip", type=int, help="compute this chip alone and print no row")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hardware", default="reference")
    parser.add_argument(
        "--only", default="", help="run the rows whose name begins so; a name in full is that row alone"
    )
    parser.add_argument("--keep", type=Path, default=Path("efficientnet"), help="folder of outputs")
    parser.add_argument("--results", type=Path, help="JSON file of figures, row by row")
    parser.add_argument("--page", type=Path, help="page whose table is written anew: from --results, or of --explain")
    parser.add_argument("--explain", metavar="PART,...", help="run xs.explain for these parts, kept in --keep")
    options = parser.parse_args()
    bench = Bench(options)
    if options.explain is not None:
        bench.explain(options.explain.split(","), options.page)
        return
    for name in [options.only] if options.only in ROWS else [name for name in ROWS if name.startswith(options.only)]:
        chips = [bench.run(name, chip) for chip in ([options.chip] if options.chip is not None else bench.chips)]
        if options.chip is None:
            found = bench.judge(name, np.stack(chips))
            print(show_row(name, found), flush=True)
            if options.results is not None:
                update_results(options.results, name, found)
    if options.page is not None:
        rows = json.loads(options.results.read_text())
        write_table(options.page, "measured", [*HEAD, *(show_row(name, rows[name]) for name in ROWS if name in rows)])


class Bench:
    """Network, images and the float network's outputs."""

    def __init__(self, options: argparse.Namespace) -> None:
        shared = Path(os.environ["XBARSIM_SHARED"])
        images, labels = load_images(shared, options.images + options.calibration)
        self.images, self.calibration = images[: options.images], images[options.images :]
        self.labels, self.threads, self.keep = labels[: options.images], options.threads, options.keep
        self.chips = range(options.trials)
        self.network = xs.load_network(str(shared / "models" / "efficientnet_lite0.onnx"))
        self.plain = xs.load_hardware(options.hardware)
        self.reference = run_network(self.network, self.images, threads=self.threads)

    def explain(self, parts: list[str], page: Path | None) -> None:
        """Print what causes take and what remedies give back, in points of agreement, and write it into a page."""
        found = xs.explain(
            self.network, self.plain, self.images, calibration=self.calibration, trials=len(self.chips), seed=SEED,
            threads=self.threads, parts=parts, remedies=TRIED, checkpoint=self.keep / "explain",
        )  # fmt: skip
        tables = {}
        if found.shares:
            cosine = {row.cause: row.share_points for row in found.shares["cosine"]}
            tables["causes"] = [
                "| cause | alone | share | 95 % interval | switched off | share of cosine |",
                "|---|" + 5 * "---|",
                *(
                    f"| {row.cause} | {row.alone_points:.1f} | {row.share_points:.1f} | {row.low:.1f} to "
                    f"{row.high:.1f} | {row.removed_points:+.1f} | {cosine[row.cause]:.1f} |"
                    for row in found.shares["agreement"]
                ),
            ]
        if found.gains:
            tables["remedies"] = [
                "| remedy | points | agreement | cosine | energy | area | delay |",
                "|---|" + 6 * "---|",
                *(
                    f"| {row.remedy} | {row.points:+.1f} | {row.agreement:.0f}% | {row.cosine:.3f} | "
                    f"{row.energy_ratio:.2f} | {row.area_ratio:.2f} | {row.delay_ratio:.2f} |"
                    for row in found.gains
                ),
            ]
        for part, lines in tables.items():
            print("\n".join(lines), flush=True)
            if page is not None:
                write_table(page, part, lines)

    def run(self, name: str, chip: int) -> NDArray[np.float32]:
        """Return outputs of all images on a chip, (images, classes); blocks that are kept are not computed again."""
        folder = self.find_folder(name)
        paths = [folder / f"{chip}-{start}.npy" for start in range(0, len(self.images), BLOCK)]
        if not all(path.exists() for path in paths):
            for path, outputs in zip(paths, self.compute(name, chip, [not path.exists() for path in paths])):
                if outputs is not None:
                    beside = path.with_suffix(f".{os.getpid()}.npy")
                    np.save(beside, outputs)
                    beside.rename(path)
                    print(f"{name}: chip {chip}, {path.stem}", flush=True)
        return np.concatenate([np.load(path) for path in paths])

    def find_folder(self, name: str) -> Path:
        """Return the folder of a row's outputs, named by what they depend on."""
        about = [xs.__version__, self.plain.model_dump_json(), ROWS[name], len(self.images), BLOCK, SEED]
        digest = hashlib.sha256(json.dumps(about).encode())
        digest.update(self.calibration.tobytes())
        folder: Path = self.keep / f"{name.replace(' ', '_').replace(',', '')}-{digest.hexdigest()[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def compute(self, name: str, chip: int, is_missing: list[bool]) -> Iterator[NDArray[np.float32] | None]:
        """Program a chip and yield the outputs of blocks of images, None for those that are there."""
        plan = plan_network(self.network, self.plain.override(ROWS[name]))
        quantized = self.quantize(name)
        machines, _ = program_network(quantized, plan, self.calibration, seed=SEED, trial=chip, threads=self.threads)
        for k, wanted in enumerate(is_missing):
            block = self.images[k * BLOCK : (k + 1) * BLOCK]
            yield (
                None
                if not wanted
                else run_network(
                    quantized.network,
                    block,
                    lambda node, x, first=k * BLOCK: run_machine(
                        machines[node.name], x, first_image=first, threads=self.threads
                    ),
                    block=5,
                )
            )

    def quantize(self, name: str) -> Any:
        """Return the network in the integers of a row."""
        hardware = self.plain.override(ROWS[name])
        return quantize_network(
            self.network, self.calibration, weight_bits=hardware.weight_bits,
            activation_bits=hardware.activation_bits, threads=self.threads,
        )  # fmt: skip

    def judge(self, name: str, outputs: NDArray[np.float32]) -> dict[str, Any]:
        """Return the figures of a row for the outputs of its chips, (chips, images, classes)."""
        base, cost = (xs.estimate(self.network, hw).cost for hw in (self.plain, self.plain.override(ROWS[name])))
        integers = run_integer(self.quantize(name), self.images, threads=self.threads)
        return {
            "images": len(self.images),
            "agreement": [self.agree(each) for each in outputs],
            "cosine": [measure_cosine(each, self.reference) for each in outputs],
            "accuracy": [float(np.mean(each.argmax(1) == self.labels)) for each in outputs],
            "integers": [self.agree(integers), measure_cosine(integers, self.reference)],
            "ratios": [
                cost.energy_joule / base.energy_joule,
                cost.area_m2 / base.area_m2,
                base.throughput_hz / cost.throughput_hz,
            ],
        }  # fmt: skip

    def agree(self, outputs: NDArray[np.float32]) -> float:
        """Return the share of images on which outputs and the float network choose the same class."""
        return float(np.mean(outputs.argmax(1) == self.reference.argmax(1)))


def show_row(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    agreed, ratios = found["agreement"], " | ".join(f"{ratio:.2f}" for ratio in found["ratios"])
    each = f" ({', '.join(f'{share:.1%}' for share in agreed)})" if len(agreed) > 1 else ""
    integers = f"{found['integers'][0]:.1%}, {found['integers'][1]:.3f}"
    return (
        f"| {name} | {found['images']} x {len(agreed)} | {np.mean(agreed):.1%}{each} | "
        f"{np.mean(found['cosine']):.3f} | {np.mean(found['accuracy']):.1%} | {integers} | {ratios} |"
    )


def update_results(path: Path, name: str, found: dict[str, Any]) -> None:
    """Put the figures of a row into the file of results."""
    rows = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**rows, name: found}, indent=1) + "\n")


def write_table(page: Path, name: str, lines: list[str]) -> None:
    """Write lines between the markers of a table on a page."""
    before, mark, rest = page.read_text().partition(f"<!-- EfficientNet-Lite0, {name} -->")
    assert mark, f"{page}: no marker for the table {name}"
    after = rest.partition(END)[2]
    page.write_text(f"{before}{mark}\n" + "\n".join(lines) + f"\n{END}{after}")


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
