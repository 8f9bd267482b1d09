"""Epitome versions of a trained ResNet-20: arrays against accuracy, by bits, scales and hardware.

    python benchmarks/validation/epitome.py --shared ../shared --save FOLDER [--page docs/epitomes.md]

Trains the designs of ``epitome_training.py`` (see there how), plain network and structured pruning at equal array count
beside them, and runs each on the 500 lossless test images at 9, 5 and 3 bits. A difference below 4 points is within the
95 % interval. With ``--save`` nothing is computed twice: trained weights and rows of the table are kept, and a run that
was interrupted goes on where it was.

Weight bits are those of the trained stages; the other layers have 8 (9 where those have 9). Ideal hardware equals the
integer network bit for bit, so its column is that of the integers. Non-ideal hardware is ``epim`` with arrays
of 64 x 64 and wires of 2.5 ohm a segment (5 % variation, 8-bit converters that clip nothing), one chip.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from epitome_training import DESIGNS, HARDWARE, SCALES, train_designs, train_rounded
from resnet20 import Images, load_images, load_teacher
from torch import nn

import xbarsim as xs
from xbarsim.api import Shared
from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

BITS = (9, 5, 3)
ROUNDED_BITS = 3
CALIBRATION = 64
HEADING = (
    "| design | weight bits | crossbars | fewer | scales | ideal | non-ideal | ideal, trained | non-ideal, trained |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"

Row = dict[str, Any]


def list_rows(names: Iterable[str], bits: Iterable[int]) -> list[tuple[str, int, str, bool]]:
    """Return (design, weight bits, scales, whether it trained with rounded weights) of every row."""
    found = []
    for width in bits:
        for name in names:
            for scales in SCALES if DESIGNS[name].epitomes else ("channel",):
                found.append((name, width, scales, False))
                if width == ROUNDED_BITS and scales != "array":
                    found.append((name, width, scales, True))
    return found


def measure(network: Any, shared: Any, key: tuple[str, int, str], data: Mapping[str, Images], images: int) -> Row:
    """Run a network on the test images and return what the table needs; ``key``: design, weight bits, scales."""
    name, bits, scales = key
    trained = DESIGNS[name].trained
    x, labels = data["test"].first(images)
    changes: dict[str, Any] = {**HARDWARE, "weight_bits": bits}
    if scales != "channel":
        changes["epitome.quantization"] = scales
    others = {"*": {"weight_bits": max(8, bits)}, trained: {"weight_bits": bits}}
    known = data["train"].first(CALIBRATION)[0]
    report = xs.simulate(
        network, xs.load_hardware("epim", changes), x.contiguous().numpy(), labels.numpy(),
        calibration=known.contiguous().numpy(), layers=others, shared=shared, threads=1,
    )  # fmt: skip
    cost, accuracy = report.cost, report.accuracy
    return {
        "crossbars": cost.crossbars, "delay_s": cost.delay_s, "energy_joule": cost.energy_joule,
        "float": accuracy.reference, "ideal": accuracy.quantized, "real": accuracy.hardware, "images": images,
    }  # fmt: skip


def tabulate(
    models: Mapping[str, nn.Module], rounded: Mapping[tuple[str, str], nn.Module], data: Mapping[str, Images],
    options: argparse.Namespace,
) -> list[Row]:  # fmt: skip
    """Measure every row, or take it from what an earlier run kept."""
    path = options.save and options.save / "rows.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []
    known = {tuple(row["key"]): row for row in kept}
    networks: dict[tuple[str, str], Any] = {}
    rows = []
    for key in list_rows(options.designs, options.bits):
        name, bits, scales, is_rounded = key
        row = known.get((*key, options.images))
        if row is None:
            source = (name, scales if is_rounded else "")
            if source not in networks:
                module = rounded[name, scales] if is_rounded else models[name]
                module = module.to(memory_format=torch.contiguous_format)
                networks[source] = xs.from_torch(module, (3, 32, 32)), Shared()
            started = time.process_time()
            row = measure(*networks[source], key[:3], data, options.images)
            row |= {"key": [*key, options.images], "cpu_s": round(time.process_time() - started, 1)}
            print(json.dumps(row), flush=True)
            if path:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        rows.append({**row, "design": name, "bits": bits, "scales": scales, "rounded": is_rounded})
    return rows


def write_table(rows: list[Row]) -> str:
    """Write the rows as a Markdown table; what trained with rounded weights stands in columns of its own."""
    lines = [HEADING]
    trained = {(row["design"], row["bits"], row["scales"]): row for row in rows if row["rounded"]}
    plain = {
        (DESIGNS[row["design"]].trained, row["bits"]): row["crossbars"]
        for row in rows if row["design"].startswith("plain")
    }  # fmt: skip
    for row in rows:
        if row["rounded"]:
            continue
        again = trained.get((row["design"], row["bits"], row["scales"]))
        alike = plain.get((DESIGNS[row["design"]].trained, row["bits"]))
        fewer = f"{alike / row['crossbars']:.2f}" if alike else ""
        shown = [f"{100 * r[key]:.1f}" if r else "" for r in (row, again) for key in ("ideal", "real")]
        scales = "plain min-max" if row["scales"] == "min_max" else f"by {row['scales']}"
        first = (row["design"], str(row["bits"]), str(row["crossbars"]), fewer, scales)
        lines.append("| " + " | ".join((*first, *shown)) + " |")
    return "\n".join(lines)


def write_floats(rows: list[Row]) -> str:
    """Write what every design reaches with float weights, and what it costs with the fewest bits."""
    bits = min(row["bits"] for row in rows)
    found = {row["design"]: row for row in rows if not row["rounded"] and row["bits"] == bits}
    lines = [
        f"| design | float accuracy [%] | crossbars, {bits} bits | delay [ms] | energy [uJ] |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in found.items():
        cost = f"{row['crossbars']} | {1e3 * row['delay_s']:.3f} | {1e6 * row['energy_joule']:.1f}"
        lines.append(f"| {name} | {100 * row['float']:.1f} | {cost} |")
    return "\n".join(lines)


def plot(rows: list[Row]) -> Any:
    """Draw crossbars against accuracy, a panel for each width; every design with the scales that serve it best."""
    kinds = (("epitome", PALETTE[0], "o"), ("pruned", PALETTE[1], "s"), ("plain", PALETTE[2], "^"))
    with style():
        figure, grid = new_figure(WIDTH_INCH, 3.8, cols=len(BITS), sharey=True)
        for axes, bits in zip(grid[0], BITS):
            for kind, colour, marker in kinds:
                for is_whole in (False, True):
                    points = best_points(rows, kind, bits, is_whole)
                    crossbars, ideal, real = (list(part) for part in zip(*points.values())) if points else ([], [], [])
                    line = "none" if is_whole else "-"
                    axes.plot(crossbars, ideal, marker, ls=line, lw=1, ms=5, color=colour)
                    axes.plot(crossbars, real, marker, ls="none", ms=8, mfc="none", color=colour)
                    for name, (at, high, _) in points.items() if kind == "epitome" else ():
                        axes.annotate(name, (at, high), xytext=(5, -10), textcoords="offset points", fontsize=7)
            axes.set_title(f"{bits} bits" + (", trained with them" if bits == ROUNDED_BITS else ""))
            axes.set_xlabel("crossbars of 64 x 64")
        grid[0, 0].set_ylabel("accuracy [%]")
        for kind, colour, marker in kinds:
            grid[0, 0].plot([], [], marker, color=colour, ms=5, label=kind)
        grid[0, 0].plot([], [], "o", color=INK, ms=5, label="ideal hardware")
        grid[0, 0].plot([], [], "o", color=INK, ms=8, mfc="none", label="non-ideal")
        grid[0, 0].legend(loc="lower right")
    return figure


def best_points(rows: list[Row], kind: str, bits: int, is_whole: bool) -> dict[str, tuple[int, float, float]]:
    """Return crossbars and accuracies in % of one kind of design, by name, those with the fewest crossbars first.

    Ideal and non-ideal hardware; of several scales, and of training with and without rounding, the best on ideal one.
    """
    found: dict[str, tuple[int, float, float]] = {}
    for row in rows:
        design = DESIGNS[row["design"]]
        own = "epitome" if design.epitomes else "pruned" if design.is_new else "plain"
        point = (row["crossbars"], 100 * row["ideal"], 100 * row["real"])
        if (own, row["bits"], design.trained == "layer*") != (kind, bits, is_whole):
            continue
        if row["design"] not in found or point[1] > found[row["design"]][1]:
            found[row["design"]] = point
    return dict(sorted(found.items(), key=lambda item: item[1][0]))


def main() -> None:
    """Train and tabulate every design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with models/ and data/")
    parser.add_argument("--steps", type=int, default=700, help="batches that train the last stage of each design")
    parser.add_argument("--whole-steps", type=int, default=400, help="batches that train whole networks")
    parser.add_argument("--rounded-steps", type=int, default=150, help="batches with rounded weights, last stage")
    parser.add_argument("--whole-rounded-steps", type=int, default=100, help="the same for whole networks")
    parser.add_argument("--jpegs", type=int, default=50_000, help="images of the JPEG copy to train on")
    parser.add_argument("--images", type=int, default=500, help="test images")
    parser.add_argument("--bits", type=int, nargs="+", default=BITS, help="weight bits")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS), metavar="DESIGN")
    parser.add_argument("--save", type=Path, help="folder that keeps trained weights and rows from run to run")
    parser.add_argument("--page", type=Path, help="page whose table is replaced; the figure goes to figures/ beside it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    teacher, data = load_teacher(options.shared), load_images(options.shared, options.jpegs)
    steps = {"layer3.*": options.steps, "layer*": options.whole_steps}
    again = {"layer3.*": options.rounded_steps, "layer*": options.whole_rounded_steps}
    models = train_designs(teacher, options.designs, data, steps, options.save)
    few = ROUNDED_BITS in options.bits
    rounded = train_rounded(teacher, models, data, again, ROUNDED_BITS, options.save) if few else {}
    rows = tabulate(models, rounded, data, options)
    text = f"{write_floats(rows)}\n\n{write_table(rows)}"
    print(text)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        before, after = page.partition(BEGIN)[0], page.partition(END)[2]
        options.page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
        with style():
            plot(rows).savefig(options.page.parent / "figures" / "epitome.png", facecolor="white", dpi=160)


if __name__ == "__main__":
    main()
