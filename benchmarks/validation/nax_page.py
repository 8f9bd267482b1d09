"""The page and the figure about NAX's search, from the results that ``nax.py`` keeps and that the search writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from xbarsim.report.style import INK, PALETTE, WIDTH_INCH, new_figure, style

FLOOR = 84
"""Least accuracy that the figure shows [%]; what lies below is drawn at its edge, with its figure beside it."""
HEAD = """# NAX: kernels and arrays searched together

NAX (DAC 2022, arXiv 2106.12125) asks which kernel and which array size suits each layer of a network. Its space on
ResNet-20: kernels of 3, 5 and 7, arrays of 16, 32, 64 and 128, layer by layer, and a zero operator that leaves a
residual branch out. The figures of this page come from

```
xbarsim search nax examples/search_nax.yaml --out nax            # goes on where it was when it was killed
python benchmarks/validation/nax.py --shared ../shared --out nax-designs --found nax --page docs/nax.md
```

Accuracies are measured on 500 lossless CIFAR-10 test images; their 95 % interval reaches about 2.5 points to either
side. The hardware is `nax` without variation of cells, so that every loss comes from drivers, wires and converters.
Converter ranges are calibrated on 64 training images. Fine-tuning takes two epochs through the hardware on 4,660
lossless training images. EDAP is that of the whole chip. Areas and EDAP of the designs, of the figure and of the
comparisons below are older: they contain the whole link of a full chip, which is now priced per tile
(`chip.full_tiles`); the section on present prices shows by how much that moves them.
The search file has the settings of the last search below; the
text names what differs in the others. Prices are the weights (lambdas) of expected latency, energy and area in the
loss, each relative to the most expensive uniform network; NAX prices latency and energy alone.

500 images cannot tell close designs apart. All designs are therefore also run, without fine-tuning, on 5,000 more test
images, a lossy copy (JPEG), on which the float network reaches {float_lossy:.1%}; the interval between two designs on
the same images is about a point.
"""
PRESENT = """## At present prices

Off-chip I/O is priced per tile, so that small chips are no longer all alike in area. Energy stays the same, and delay
within 0.1 %:

| arrays | area | EDAP | EDAP without off-chip I/O |
|---|---|---|---|
| 16 everywhere | 44.13 mm2 | 3.372e-12 J s m2 | 2.536e-12 J s m2 |
| 32 everywhere | 12.58 mm2 | 1.105e-12 J s m2 | 8.572e-13 J s m2 |
| 64 everywhere | 4.85 mm2 | 5.742e-13 J s m2 | 4.760e-13 J s m2 |
| 128 everywhere | 2.92 mm2 | 5.620e-13 J s m2 | 4.981e-13 J s m2 |
| searched d | 8.71 mm2 | 5.015e-13 J s m2 | 3.965e-13 J s m2 |

The command is `xbarsim estimate resnet20 --hardware nax --set crossbar.rows=64 --set crossbar.cols=64`, and for
searched d `--layer` for its layers. Large arrays gain most. Searched d still has the least EDAP of these, 55 % less
than 32 everywhere, to which it is compared below, and 13 % less than 64 everywhere, whose accuracy as trained is 4
points lower. No search was repeated with accuracy at these prices. Priced alone, the best known arrays of
ResNet-20 have 2.633e-13 J s m2 (`python benchmarks/validation/searches.py`).
"""
TRENDS = """## Beside the published trends

| NAX | here |
|---|---|
| arrays of 128 lose the most accuracy (arXiv) | {largest} |
| the networks found have mixed array sizes | {mixed} |
| EDAP -17 % at +0.8 points (arXiv), -30 % at +0.9 (DAC abstract), against the best ResNet-20 | {against} |

Designs are compared by the better of their two accuracies, and on lossy images without fine-tuning. A larger kernel is
the trained kernel padded with zeros, so that a searched design can run without fine-tuning too. Two epochs on 4,660
images, all of which the network was trained on, recover most of what arrays of 64 and 128 lose; where nothing is lost,
they cost a point or two. Searched designs give the first stage, whose layers have the most windows and would hold up
the pipeline, the smallest and fastest arrays, and later stages larger ones, which take less energy and area for more
weights. No search leaves a layer out: even at the highest of these prices, a branch lowers the cross-entropy by more
than it costs. Results depend on the seed: b and c, which differ in nothing else, end a sixth apart in EDAP and two
points apart on lossy images. Higher prices with smaller steps (d) do better in both. The search adds up the latencies
of layers, whereas a pipelined chip is as fast as its slowest layer. Energies, delays and areas are PUMA's per-size
figures with the entry for 16 extended by us: compare ratios, not absolute values.
"""
RATIOS = """## What arrays lose

The source code that NAX's authors released (`puma-functional-model`, `geneix/mvm_dataset.py`) states the range of the
ratio of ideal to sensed current on a ResNet-20, but not the resistances behind it. The table compares it with arrays of
the trained ResNet-20, driven by its own activations, with 500 ohm for drivers, 100 ohm for sensors and 2.5 ohm for each
segment of a wire (values recalled, not verified; `python benchmarks/validation/nax_ratio.py --shared ../shared`):

"""
RATIOS_TAIL = """
Cells that bend as sinh(v / 0.25 V) carry 1.175 times the current of their slope at 0.25 V, which alone gives a ratio of
0.851: published ratios below 1 suggest such cells, but the published source does not say which. With them our ratios
come within {off:.0%} of the published largest ratio at 64 and 128, so nothing speaks against the resistances; at 16 and
32 ours spread less than theirs. `simulate` replaces the curve of a cell by its secant at the read voltage. It thus
neglects that cells of such a curve conduct less where the voltage sags, which relieves the wires, and overstates the
loss of arrays of 128.
"""
SENSING = """## How the off-current is taken

A cell at its lowest level still carries a sixth of the full current. With ideal wires its off-current is larger than
with real ones: if the ideal one is subtracted, sums of weak columns fall below zero, where a converter has no codes.
The authors' released code lets the off-current shrink with the column. `nax` therefore subtracts the current of a
column of off cells in the same array (`adc.off_current: column`). The table gives the accuracy of the trained network,
without fine-tuning, on the first 200 images, by the size of all arrays:

"""

VARIATION = """
## Fine-tuning against variation

Arrays of 32 whose cells vary by 20 % of their target conductance, tested on three chips that training has not seen
(those of `seed + 1`):

```
xbarsim finetune resnet20.onnx --hardware nax --set crossbar.rows=32 --set crossbar.cols=32 \\
        --set device.programming.distribution=normal --set device.programming.sigma=0.2 --data train.npz \\
        --test test.npz --normalize imagenet --epochs 2 --batch 32 --rate 3e-4 --trials 3 --out tuned.onnx
```

Accuracy rises from 36.5 to 68.7 %, where the float network has 91.0 %: 59 % of the loss is recovered. At 10 % variation
the same command raises it from 82.7 to 87.3 %.
"""


def load_found(folder: Path, as_trained: float, lossy: float, letter: str) -> dict[str, Any]:
    """Return the architecture that a search chose, with its settings and a label that tells letter and prices."""
    found = json.loads((folder / "architecture.json").read_text())
    search = json.loads((folder / "search.json").read_text())["search"]
    settings = search["differentiable"]
    label = f"searched {letter}, prices " + " / ".join(f"{settings[term]:g}" for term in ("latency", "energy", "area"))
    label += f", seed {search['seed']}" if search["seed"] else ""
    return {**found, "settings": settings, "label": label, "as_trained": as_trained, "lossy": lossy}


def list_designs(
    designs: list[dict[str, Any]], searched: list[dict[str, Any]], lossy: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Return label, accuracies before and after fine-tuning and costs, one row a design; searched ones last."""
    rows = []
    for design in designs:
        label = design["label"].replace("array ", "") + " everywhere" if "array" in design["label"] else design["label"]
        rows.append({**design["after"], "label": label, "before": design["before"]["accuracy"]})
        rows[-1] |= {"trained": design["before"]["reference"], "lossy": lossy[design["label"]]["accuracy"]}
    for found in searched:
        metrics = found["metrics"]
        row = {name.partition(".")[2]: value for name, value in metrics.items() if name.startswith("cost.")}
        accuracy = {name: metrics[f"accuracy.{name}"] for name in ("quantized", "reference")}
        row |= {**accuracy, "accuracy": metrics["accuracy.hardware"], "label": found["label"]}
        row |= {"before": found["as_trained"], "lossy": found["lossy"]}
        rows.append(row)
    return rows


def tabulate(rows: list[dict[str, Any]]) -> str:
    """Return the table of designs in Markdown."""
    lines = [
        "| arrays | as trained | on 5,000 lossy images | fine-tuned | the same on ideal arrays | energy | delay | area "
        "| EDAP |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['label']} | {row['before']:.1%} | {row['lossy']:.1%} | {row['accuracy']:.1%} | {row['quantized']:.1%} "
        f"| {row['energy_joule'] * 1e6:.1f} uJ | {row['delay_s'] * 1e3:.3f} ms | {row['area_m2'] * 1e6:.2f} mm2 "
        f"| {row['edap']:.3e} J s m2 |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def tabulate_layers(layers: list[dict[str, Any]]) -> str:
    """Return kernel and array of every layer in Markdown."""
    lines = ["| layer | kernel | array |", "|---|---|---|"]
    for row in layers:
        chosen = ("left out", "") if row["removed"] else (row.get("kernel") or "", row["array"])
        lines.append(f"| {row['layer']} | {chosen[0]} | {chosen[1]} |")
    return "\n".join(lines) + "\n"


def compare_trends(rows: list[dict[str, Any]], searched: list[dict[str, Any]]) -> str:
    """Say what holds of the published trends."""

    def reach(row: dict[str, Any]) -> float:
        return float(max(row["before"], row["accuracy"]))

    uniform = [row for row in rows if row["label"].endswith("everywhere")]
    best = max(uniform, key=reach)
    cheapest = min(uniform, key=lambda row: float(row["edap"]))
    others = [(best, "best accuracy"), (cheapest, "least EDAP")]
    if best is cheapest:
        others = [(best, "best accuracy and least EDAP")]
    lost = [f"{100 * (row['trained'] - row['accuracy']):.1f}" for row in uniform]
    at_first, on_lossy = ([f"{row[key]:.1%}" for row in uniform] for key in ("before", "lossy"))
    largest = (
        f"accuracy as trained, by size: {', '.join(at_first)}; on lossy images: {', '.join(on_lossy)}; "
        "points below the float network once fine-tuned: "
    )
    mixed, against = [], []
    for found in searched:
        counts: dict[int, int] = {}
        for layer in found["layers"]:
            if not layer["removed"]:
                counts[layer["array"]] = counts.get(layer["array"], 0) + 1
        on = ", ".join(f"{count} on {size}" for size, count in sorted(counts.items()))
        mixed.append(f"{found['label']}: layers by array: {on}")
    for row in rows:
        if row not in uniform:
            parts = [
                f"EDAP {row['edap'] / other['edap'] - 1:+.0%} at "
                f"{100 * (reach(row) - reach(other)):+.1f} points (lossy images: "
                f"{100 * (row['lossy'] - other['lossy']):+.1f}) against {other['label']} ({why})"
                for other, why in others
            ]
            against.append(f"{row['label']}: " + ", ".join(parts))
    return TRENDS.format(
        largest=largest + ", ".join(lost), mixed="<br>".join(mixed) or "not searched", against="<br>".join(against)
    )


def describe_search(found: dict[str, Any]) -> str:
    """Say what a search was told, what it took and what it saw."""
    settings, last = found["settings"], found["history"][-1]
    text = (
        f"*{found['label']}* (lambdas of expected latency, energy and area; first chance of a zero operator "
        f"{settings['zero_chance']:g}): epochs of weights alone: {settings['warmup']}, of weights and "
        f"probabilities in turn: {settings['epochs']}, gate_rate {settings['gate_rate']:g}, on one thread. "
        f"Cross-entropy on images held back, seen through the arrays: {last['validation_loss']:.2f} in the last epoch. "
        "With fine-tuning and simulation "
        f"{found['cpu_seconds'] / 60:.1f} minutes of CPU time, {found['seconds'] / 60:.0f} minutes on a machine of two "
        "cores that had other work too."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def draw(rows: list[dict[str, Any]], searched: list[dict[str, Any]]) -> Any:
    """Return the figure: accuracy against EDAP, and kernel and array of every layer of the last searched design."""
    with style():
        figure, ((left, right),) = new_figure(WIDTH_INCH, 3.9, cols=2, width_ratios=[1.15, 1])
        beside = -10
        for row in sorted(rows, key=lambda row: float(row["edap"])):
            kind = 0 if row["label"].endswith("everywhere") else 2 if row["label"].startswith("searched") else 1
            x, y = row["edap"] * 1e12, 100 * row["accuracy"]
            start = max(100 * row["before"], FLOOR)
            left.plot([x, x], [start, y], color=PALETTE[kind], lw=0.8, alpha=0.5)
            left.plot(x, start, "o" if 100 * row["before"] >= FLOOR else "v", ms=5, mfc="white", color=PALETTE[kind])
            if 100 * row["before"] < FLOOR:
                left.annotate(
                    f"{row['before']:.0%}", (x, FLOOR), xytext=(-6, 0), textcoords="offset points", ha="right",
                    va="center", fontsize=8,
                )  # fmt: skip
            left.plot(x, y, "*" if kind == 2 else "o", ms=11 if kind == 2 else 6, color=PALETTE[kind])
            name = row["label"].split(",")[0].replace(" everywhere", "").replace("searched ", "")
            side = ("center", "left", "center")[kind]
            at, shift = (y, (beside, -3)) if kind == 2 else (max(start, y), (0, 7))
            left.annotate(name, (x, at), xytext=shift, textcoords="offset points", ha=side, fontsize=8)
            beside = -beside if kind == 2 else beside
        left.plot([], [], "o", ms=5, mfc="white", color=INK, label="as trained")
        left.plot([], [], "o", ms=6, color=INK, label="fine-tuned through the hardware")
        left.plot([], [], "*", ms=11, color=PALETTE[2], label="searched")
        left.set_xlabel("EDAP of the chip [1e-12 J s m²]")
        left.set_ylabel("accuracy on the hardware [%]")
        left.set_xscale("log")
        left.set_xticks([1, 2, 3, 4, 5], labels=["1", "2", "3", "4", "5"])
        left.minorticks_off()
        left.margins(x=0.12)
        left.set_ylim(FLOOR - 1, 95)
        left.set_title("one size everywhere, and mixed")
        left.legend(loc="lower left")
        if searched:
            _draw_layers(right, searched[-1]["layers"])
    return figure


def _draw_layers(axes: Any, layers: list[dict[str, Any]]) -> None:
    sizes = (16, 32, 64, 128)
    for at, row in enumerate(layers):
        if row["removed"]:
            axes.text(0.05, at, "left out", va="center", fontsize=7, style="italic")
            continue
        length = sizes.index(row["array"]) + 1
        axes.barh(at, length, height=0.7, color=PALETTE[0], alpha=0.3 + 0.17 * length)
        kernel = row.get("kernel")
        text = f"{row['array']}" + (f", kernel {kernel}" if kernel else "")
        axes.text(length + 0.08, at, text, va="center", fontsize=7)
    axes.set_yticks(range(len(layers)), [row["layer"] for row in layers], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 6.2)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.set_title("searched: arrays and kernels")


def write_page(
    page: Path,
    designs: list[dict[str, Any]],
    sensing: dict[str, Any],
    ratios: list[dict[str, float]],
    folders: Mapping[Path, Mapping[str, float]],
    lossy: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the page, and its figure beside it.

    ``folders``: searches, and accuracies of their designs as trained; ``lossy``: those on lossy images, by label or
    folder.
    """
    searched = [
        load_found(folder, found["accuracy"], lossy[str(folder)]["accuracy"], letter)
        for (folder, found), letter in zip(folders.items(), ascii_lowercase)
    ]
    rows = list_designs(designs, searched, lossy)
    float_lossy = next(iter(lossy.values()))["reference"]
    parts = [HEAD.format(float_lossy=float_lossy), "## Designs\n", tabulate(rows)]
    picture = page.parent / "figures" / "nax.png"
    draw(rows, searched).savefig(picture, dpi=150, facecolor="white")
    parts.append(f"![accuracy against EDAP, and the last searched design layer by layer](figures/{picture.name})\n")
    parts.append(PRESENT)
    if searched:
        parts += ["## What the searches found\n", *map(describe_search, searched)]
        parts.append(f"Layer by layer, *{searched[-1]['label']}*:\n\n{tabulate_layers(searched[-1]['layers'])}")
    parts.append(compare_trends(rows, searched))
    lines = [RATIOS + "| array | published | ohmic cells | sinh cells |", "|---|---|---|---|"]
    for row in ratios:
        ranges = [f"{row[f'{name}_least']:.3f} .. {row[f'{name}_most']:.3f}" for name in ("published", "ohmic", "sinh")]
        lines.append(f"| {row['size']:.0f} | {' | '.join(ranges)} |")
    off = max(abs(row["sinh_most"] / row["published_most"] - 1) for row in ratios if row["size"] >= 64)
    parts += ["\n".join(lines), RATIOS_TAIL.format(off=off)]
    lines = [SENSING + "| | 16 | 32 | 64 | 128 |", "|---|---|---|---|---|"]
    lines += [
        f"| {way} | " + " | ".join(f"{accuracy:.1%}" for accuracy in row.values()) + " |"
        for way, row in sensing.items()
    ]
    parts.append("\n".join(lines) + "\n" + VARIATION)
    page.write_text("\n".join(parts), encoding="utf-8")
