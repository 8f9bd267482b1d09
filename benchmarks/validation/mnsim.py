"""MNSIM 2.0's VGG8 and ResNet-18 at its settings, step by step, and what each step changes.

python benchmarks/validation/mnsim.py [FILE]   writes the page docs/mnsim.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import xbarsim as xs
from xbarsim.cost.record import ComponentCost, Cost

DATA = Path(__file__).parent / "data" / "networks"
PRINTED = {"mnsim_vgg8": (1272, 1390.0, 4.45e-3), "mnsim_resnet18": (1968, 2129.0, 1.06e-3)}
"""Network -> crossbars, area [mm2] and energy of an inference [J] that MNSIM 2.0 prints."""
ADC_SHARE, BUFFER_SHARE, ARRAY_SHARE = 0.77, 0.22, 0.72
"""Shares of converters and buffers in the energy of VGG8, and of crossbars in its area."""
CELL_M2 = ARRAY_SHARE * 1390e-6 / (2 * 1272 * 256 * 256)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A setting that is made equal, in addition to those before."""

    what: str
    """What it is."""
    keys: dict[str, object]
    """Its keys."""


STEPS = (
    Step(what="`mnsim` as it ships", keys={}),
    Step(
        what="9-bit weights and inputs, as its networks are quantised (`network.py`)",
        keys={"weight_bits": 9, "activation_bits": 9},
    ),
    Step(what="slices of a weight never share an array", keys={"mapping.slices": "separate"}),
    Step(
        what="differences of a pair before conversion, 128 converters for each pair",
        keys={"adc.subtract": "analog", "adc.per_array": 64},
    ),
    Step(
        what=f"a cell of {CELL_M2 * 1e12:.1f} um2, from the share of crossbars in its area",
        keys={"components.array.area_m2": CELL_M2 * 256 * 256},
    ),
    Step(
        what="power of a converter for (6 + 2) / 1 GHz in each conversion (`ADC.py`)",
        keys={"components.adc.table": None, "components.adc.area_m2": 1.65e-9, "components.adc.rate_hz": 1e9,
              "components.adc.energy_joule": 1.008e-11},
    ),
)  # fmt: skip
HEAD = """# MNSIM's networks at its settings

MNSIM 2.0 prints crossbars (pairs of arrays), area and energy of its VGG8 and ResNet-18 for CIFAR-10 with its default
hardware. The networks are those of its file `MNSIM/Interface/network.py`: the last convolution of its VGG8 has 1,024
channels and no padding, and the shortcuts of its ResNet-18 are convolutions of 3 x 3. The tables set the hardware file
`mnsim` equal to MNSIM step by step; each row keeps the settings of the rows before. The page is written by
`python benchmarks/validation/mnsim.py`.
"""


def run(network: str, count: int) -> Cost:
    """Return the cost of a network with the first steps."""
    keys = {key: value for step in STEPS[:count] for key, value in step.keys.items()}
    return xs.estimate(str(DATA / f"{network}.yaml"), xs.load_hardware("mnsim", keys)).cost


def find(cost: Cost, name: str) -> ComponentCost:
    """Return the cost of a component."""
    return next(each for each in cost.components if each.component == name)


def energy(cost: Cost, name: str) -> float:
    """Return the energy of a component [J]."""
    return find(cost, name).energy_joule


def count_columns(network: str) -> float:
    """Return the columns of all crossbars in all their reads, with weights or not."""
    keys = {key: value for step in STEPS for key, value in step.keys.items()}
    own = {"per": "array", "action": "reads * crossbars * array_cols", "energy_joule": 1e-15, "source": "a count"}
    hardware = xs.load_hardware("mnsim", {**keys, "components.columns": own})
    return find(xs.estimate(str(DATA / f"{network}.yaml"), hardware).cost, "columns").actions


def write_table(network: str) -> str:
    """Write what every step gives, and MNSIM's figures."""
    crossbars, area, joule = PRINTED[network]
    lines = ["| setting | crossbars | area [mm2] | energy [mJ] |", "|---|---|---|---|"]
    for count in range(1, len(STEPS) + 1):
        cost = run(network, count)
        figures = f"{cost.crossbars:,} | {cost.area_m2 * 1e6:,.0f} | {cost.energy_joule * 1e3:.3f}"
        lines.append(f"| {STEPS[count - 1].what} | {figures} |")
    lines.append(f"| MNSIM 2.0 | {crossbars:,} | {area:,.0f} | {joule * 1e3:.2f} |")
    return "\n".join(lines)


def write_page() -> str:
    """Write the page."""
    cost = run("mnsim_vgg8", len(STEPS))
    joule = PRINTED["mnsim_vgg8"][2]
    converters, buffers = ADC_SHARE * joule / energy(cost, "adc"), BUFFER_SHARE * joule / energy(cost, "buffer")
    whole = count_columns("mnsim_vgg8") / find(cost, "adc").actions
    errors = []
    for network, (_, area, _) in PRINTED.items():
        errors.append(f"{100 * (run(network, len(STEPS)).area_m2 * 1e6 / area - 1):+.1f} %")
    text = f"""## What remains

- **Crossbars** are equal. Two settings matter: 9-bit weights have 8 slices, and each slice begins in arrays of its own.
- **Area** differs by {errors[0]} (VGG8) and {errors[1]} (ResNet-18). MNSIM's adders, registers and buffers are not
  among its published defaults; `mnsim` has ISAAC's in their place. The area of the cell is derived from MNSIM's own
  share and is the only figure taken from a result.
- **Energy of converters** (VGG8): MNSIM's is {converters:.2f} times ours. MNSIM charges each conversion with the power
  of the converter for 8 ns, although its converter makes one every nanosecond; the last row contains this factor of 8.
  If all 256 columns of every crossbar were converted, weights or not, ours would be {whole:.2f} times as large. A
  factor of {converters / whole:.2f} has no explanation in the files of MNSIM that could be read.
- **Energy of buffers** (VGG8): MNSIM's is {buffers:.0f} times ours. It has a model of its own for the power of buffers,
  whose numbers are not among the published defaults; `mnsim` has ISAAC's energy of a bit.
"""
    parts = [
        HEAD,
        "## VGG8\n",
        write_table("mnsim_vgg8"),
        "",
        "## ResNet-18\n",
        write_table("mnsim_resnet18"),
        "",
        text,
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "mnsim.md"
    target.write_text(write_page(), encoding="utf-8")
    print(f"wrote {target}")
