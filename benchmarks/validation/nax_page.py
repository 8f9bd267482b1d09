"""The page and the figure about NAX's search, from the results that ``nax.py`` keeps."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.report.style import PALETTE, WIDTH_INCH, new_figure, style

KEPT = "## What arrays lose"
"""Heading from which the page is left as it is."""
HEAD = """# NAX: kernels and arrays searched together

NAX (DAC 2022, arXiv 2106.12125) asks which kernel and which array size suits each layer of a network. Its space on
ResNet-20: kernels of 3, 5 and 7, arrays of 16, 32, 64 and 128, layer by layer, and a zero operator that leaves a
residual branch out. The figures of this page, up to *What arrays lose*, come from

```
python benchmarks/validation/nax.py --shared ../shared --out nax-designs --page docs/nax.md
xbarsim search nax examples/search_nax.yaml --out nax            # one of its searches, with non-ideal arrays
```

Accuracies are measured on 500 lossless CIFAR-10 test images, with the weights as trained: nothing is fine-tuned. The
float network reaches {reference:.1%}. Intervals are those of 95 % (Wilson) over images. The hardware is `nax` without
variation of cells, so that every loss comes from drivers, wires and converters; converter ranges are calibrated on 64
training images. The sections from *What arrays lose* on are older; they do not depend on prices.

## Designs

Searches of EDAP alone price {budget} designs and choose array sizes; the table gives every seed.
{accuracy}
"""
ACCURACY = """The gradient searches with accuracy have the whole space, kernels and zero operators included, and
minimise cross-entropy + {price:g} ln(EDAP) on training images, through ideal arrays or through the model of real ones.
Larger kernels are the trained ones within zeros, so that they cost more and gain nothing here.
"""
NO_ACCURACY = """The gradient searches with accuracy (`examples/search_nax.yaml`), through ideal and through real
arrays, were not run at the present prices. An older one, with NAX's sums of layer prices, found a design of 92.6 % as
trained, whose EDAP is now 5.015e-13 J s m2; its description is in versions of this page up to 2026-11-27.
"""
TRENDS = """## Beside the published trends

| NAX | here |
|---|---|
| arrays of 128 lose the most accuracy (arXiv) | points below the float network, by size: {lost} |
| the networks found have mixed array sizes | {mixed} |
| EDAP -17 % at +0.8 points (arXiv), -30 % at +0.9 (DAC abstract), against the best ResNet-20 | {against} |

{sentence}

Searches of EDAP alone end on designs whose accuracy no user would take: arrays of 128 in later layers save area and
energy, and nothing in EDAP knows what they lose. The first stage, whose layers have the most windows and hold up the
pipeline, gets the smallest and fastest arrays; later stages larger ones. Energies, delays and areas are PUMA's per-size
figures with the entry for 16 extended by us: compare ratios, not absolute values. 500 images cannot tell designs apart
that are closer than about 2 points. Not repeated at these prices: designs that are fine-tuned through the hardware,
kernels that are trained, and accuracies on lossy images.

"""


def find_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval of 95 % of a share of ``count`` images."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def show_accuracy(row: Mapping[str, Any]) -> str:
    """Return an accuracy with its interval."""
    low, high = find_interval(row["accuracy"], row["images"])
    return f"{100 * row['accuracy']:.1f} ({100 * low:.1f} .. {100 * high:.1f})"


def tabulate(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of designs in Markdown."""
    lines = [
        "| design | accuracy [%] | energy [uJ] | delay [ms] | area [mm2] | EDAP [J s m2] | without off-chip I/O |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {label} | {show_accuracy(row)} | {row['energy_joule'] * 1e6:.1f} | {row['delay_s'] * 1e3:.3f} "
        f"| {row['area_m2'] * 1e6:.2f} | {row['edap']:.3e} | {row['edap_core']:.3e} |"
        for label, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def tabulate_searches(found: Mapping[str, Any], runs: list[dict[str, Any]]) -> str:
    """Return what searches of EDAP alone reached, and how soon, in Markdown."""
    target = min(run["edap"] for run in runs)
    lines = [
        "| search of EDAP alone | EDAP by seed [1e-13 J s m2] | gap of the median | accuracy by seed [%] "
        "| designs until within 0.5 % |",
        "|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(run["method"] for run in runs):
        own = [run for run in runs if run["method"] == method]
        edaps = [run["edap"] for run in own]
        soon = [next((n for n, v in enumerate(run["best"], 1) if v <= 1.005 * target), None) for run in own]
        accuracies = [found[f"{method}, seed {run['seed']}"]["accuracy"] for run in own]
        lines.append(
            f"| {NAMES.get(method, method)} | {' / '.join(f'{1e13 * edap:.3f}' for edap in edaps)} "
            f"| {100 * (float(np.median(edaps)) / target - 1):.1f} % "
            f"| {' / '.join(f'{100 * accuracy:.1f}' for accuracy in accuracies)} "
            f"| {' / '.join('never' if n is None else str(n) for n in soon)} |"
        )
    return "\n".join(lines) + "\n"


NAMES = {"differentiable": "gradient of costs"}


def count_arrays(layers: list[dict[str, Any]]) -> str:
    """Say how many layers a design has on each array size, which kernels are not 3, and what is left out."""
    alive = [row for row in layers if not row["removed"]]
    sizes = sorted({row["array"] for row in alive})
    text = ", ".join(f"{sum(row['array'] == size for row in alive)} on {size}" for size in sizes)
    larger = sum(row.get("kernel") not in (None, 3) for row in alive)
    gone = len(layers) - len(alive)
    return (
        text + (f"; {larger} kernels larger than 3" if larger else "") + (f"; {gone} layers left out" if gone else "")
    )


def describe_search(run: Mapping[str, Any]) -> str:
    """Say what a gradient search with accuracy did."""
    polish, undecided = run["polish"], run["undecided"]
    return (
        f"*gradient, {run['mode']} arrays, seed {run['seed']}*: {run['epochs']} epochs of architecture steps; "
        f"{len(undecided)} of {len(run['options'])} choices undecided at their end; the exact search priced "
        f"{polish['designs']} designs, {polish['enumerated']} of them enumerated, and lowered the loss from "
        f"{polish['first_loss']:.2f} to {polish['loss']:.2f}. {run['cpu_seconds'] / 60:.1f} minutes of CPU time. "
        f"Layers by array: {count_arrays(run['layers'])}.\n"
    )


def compare_trends(rows: Mapping[str, Mapping[str, Any]], searched: list[dict[str, Any]]) -> str:
    """Say what holds of the published trends."""
    uniform = {label: row for label, row in rows.items() if label.endswith("everywhere")}
    lost = [f"{100 * (row['reference'] - row['accuracy']):.1f}" for row in uniform.values()]
    name = max(uniform, key=lambda label: (uniform[label]["accuracy"], -uniform[label]["edap"]))
    best = uniform[name]
    mixed = [f"{label(run)}: {count_arrays(run['layers'])}" for run in searched]
    against, gains = [], []
    for run in searched:
        saved, gained = run["edap"] / best["edap"] - 1, 100 * (run["accuracy"] - best["accuracy"])
        gains.append((saved, gained, run))
        against.append(f"{label(run)}: EDAP {saved:+.0%} at {gained:+.1f} points against {name}")
    has_mixed = all(len({row["array"] for row in run["layers"] if not row["removed"]}) > 1 for run in searched)
    worst = min(uniform, key=lambda label: uniform[label]["accuracy"])
    held = [f"{worst} loses the most accuracy"] + (["mixed sizes come out"] if has_mixed else [])
    real = [(saved, gained) for saved, gained, run in gains if run["mode"] == "non-ideal"]
    saved, gained = min(real) if real else (0.0, 0.0)
    if saved < 0:
        held.append(f"the search through real arrays saves EDAP ({saved:+.0%})")
    missed = (
        "" if gained > 0 else f"; not reproduced: a gain of accuracy ({gained:+.1f} points), with kernels not trained"
    )
    if not has_mixed:
        missed += (
            "; searches that see accuracy ended on one size, so that mixed sizes and less EDAP at equal accuracy are "
        )
        missed += "not reproduced"
    if not real:
        missed = "; whether accuracy rises as EDAP falls was not tried at these prices"
    return TRENDS.format(
        lost=", ".join(lost), mixed="<br>".join(mixed), against="<br>".join(against),
        sentence=textwrap.fill(f"In one sentence: reproduced is that {' and that '.join(held)}{missed}.", 120),
    )  # fmt: skip


def label(run: Mapping[str, Any]) -> str:
    """Return the name of a gradient search with accuracy, or of the design of least EDAP."""
    if run["mode"] == "no":
        return "least EDAP of all searches"
    return f"gradient, {run['mode']} arrays" + (f", seed {run['seed']}" if run["seed"] else "")


def draw(rows: Mapping[str, Mapping[str, Any]], layers: list[dict[str, Any]]) -> Any:
    """Return the figure: accuracy against EDAP, and array of every layer of the last searched design."""
    with style():
        figure, ((left, right),) = new_figure(WIDTH_INCH, 3.9, cols=2, width_ratios=[1.15, 1])
        for name, row in rows.items():
            kind = 0 if "everywhere" in name else 1 if "rule" in name else 2
            low, high = (100 * end for end in find_interval(row["accuracy"], row["images"]))
            x, y = row["edap"] * 1e13, 100 * row["accuracy"]
            left.plot([x, x], [low, high], color=PALETTE[kind], lw=1.0)
            left.plot(x, y, "*" if kind == 2 else "o", ms=11 if kind == 2 else 6, color=PALETTE[kind])
            short = name.replace(" everywhere", "").replace("gradient, ", "").replace(" arrays", "")
            left.annotate(short, (x, y), xytext=(6, -3), textcoords="offset points", fontsize=7)
        left.set_xlabel("EDAP of the chip [1e-13 J s m²]")
        left.set_ylabel("accuracy, as trained [%]")
        left.set_xscale("log")
        left.set_xticks([3, 5, 10, 30], labels=["3", "5", "10", "30"])
        left.minorticks_off()
        left.margins(x=0.2)
        left.set_title("one size everywhere, by rule, and searched")
        _draw_layers(right, layers)
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
    axes.set_title("searched, layer by layer")


def write_page(
    page: Path, found: Mapping[str, dict[str, Any]], runs: list[dict[str, Any]], searched: list[dict[str, Any]]
) -> None:
    """Write the page up to :data:`KEPT`, and its figure beside it.

    ``found``: designs by label; ``runs``: searches of EDAP alone; ``searched``: gradient searches with accuracy.
    """
    singles = [name for name in found if "seed" not in name]
    rows = {name.replace("array ", "") + (" everywhere" if "array" in name else ""): found[name] for name in singles}
    local = next((run for run in runs if run["method"] == "local"), None)
    rows |= {label(run): run for run in searched}
    last = next((run for run in reversed(searched) if run["mode"] == "non-ideal"), None)
    if last is None:  # the design of least EDAP, chosen without accuracy
        run = local or runs[0]
        last = {**found[f"{run['method']}, seed {run['seed']}"], "mode": "no", "seed": 0}
        last["layers"] = [{"layer": name, "array": size, "removed": False} for name, size in run["arrays"].items()]
        rows[label(last)] = last
        shown = [last]
    else:
        shown = searched
    head = HEAD.format(
        reference=next(iter(found.values()))["reference"], budget=max(len(run["best"]) for run in runs),
        accuracy=ACCURACY.format(price=searched[0]["price"]) if searched else NO_ACCURACY,
    )  # fmt: skip
    figure = page.parent / "figures" / "nax.png"
    draw(rows, last["layers"]).savefig(figure, dpi=150, facecolor="white")
    parts = [
        head + tabulate(rows),
        f"![accuracy against EDAP, and the searched design layer by layer](figures/{figure.name})\n",
        tabulate_searches(found, runs),
        *(["## What the gradient searches did\n", *map(describe_search, searched)] if searched else []),
        compare_trends(rows, shown),
    ]
    kept = page.read_text(encoding="utf-8").partition(KEPT)[2] if page.exists() else ""
    page.write_text("\n".join(parts).rstrip() + ("\n\n" + KEPT + kept if kept else "\n"), encoding="utf-8")
