"""MNSIM 2.0's VGG8 and ResNet-18 at its settings, step by step, and what each step changes.

python benchmarks/validation/mnsim.py [FILE]   writes the page docs/mnsim.md
"""

from __future__ import annotations

import math
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
ROWS, PARTS, PAIRS, BITS, SLICES = 256, 128, 4, 9, 8
"""Rows of an array, drivers (and converters) of a pair, pairs of a tile, bits of an input, slices of a weight."""
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


def count_conversions(network: str) -> int:
    """Return the conversions of an inference as MNSIM charges them.

    ``PE.py`` gives power to ``ceil(columns / 2)`` of the 128 converters of a pair of 256 columns, for
    ``ceil(columns / 128)`` conversions one after the other, in each of ``ceil(rows / 128)`` phases, since 128 drivers
    serve 256 rows (``PE_latency.py``); rows and columns are those of the fullest pair of a layer
    (``Tile_connection_graph.py``), and every pair of its tiles is charged.
    """
    total = 0
    for node in xs.load_network(str(DATA / f"{network}.yaml")).layers:
        sizes = {"conv2d": ("in_channels", "out_channels"), "linear": ("in_features", "out_features")}[node.kind]
        inputs, outputs = (node.attributes[key] for key in sizes)
        kernel = math.prod(node.attributes.get("kernel", (1,)))
        held = min(inputs, ROWS // kernel)
        pairs = SLICES * math.ceil(outputs / ROWS) * math.ceil(inputs / (ROWS // kernel))
        charged = math.ceil(pairs / PAIRS) * min(pairs, PAIRS)
        columns = min(outputs, ROWS)
        each = math.ceil(columns / 2) * math.ceil(columns / PARTS) * math.ceil(held * kernel / PARTS)
        total += node.windows * BITS * charged * each
    return total


def write_table(network: str) -> str:
    """Write what every step gives, and MNSIM's figures."""
    crossbars, area, joule = PRINTED[network]
    lines = ["| setting | crossbars | area [mm2] | energy [mJ] |", "|---|---|---|---|"]
    for count in range(1, len(STEPS) + 1):
        cost = run(network, count)
        figures = f"{cost.crossbars:,} | {cost.area_m2 * 1e6:,.0f} | {cost.energy_joule * 1e3:.3f}"
        lines.append(f"| {STEPS[count - 1].what} | {figures} |")
    more = energy(cost, "adc") * (count_conversions(network) / find(cost, "adc").actions - 1)
    counted = f"{cost.crossbars:,} | {cost.area_m2 * 1e6:,.0f} | {(cost.energy_joule + more) * 1e3:.3f}"
    lines.append(f"| conversions as MNSIM charges them (`PE.py`, `PE_latency.py`; below) | {counted} |")
    lines.append(f"| MNSIM 2.0 | {crossbars:,} | {area:,.0f} | {joule * 1e3:.2f} |")
    return "\n".join(lines)


def write_page() -> str:
    """Write the page."""
    cost = run("mnsim_vgg8", len(STEPS))
    joule = PRINTED["mnsim_vgg8"][2]
    converters, buffers = ADC_SHARE * joule / energy(cost, "adc"), BUFFER_SHARE * joule / energy(cost, "buffer")
    counted = {name: count_conversions(name) / find(run(name, len(STEPS)), "adc").actions for name in PRINTED}
    charged = energy(cost, "adc") * counted["mnsim_vgg8"]
    error = 100 * (charged / (ADC_SHARE * joule) - 1)
    errors = []
    for network, (_, area, _) in PRINTED.items():
        errors.append(f"{100 * (run(network, len(STEPS)).area_m2 * 1e6 / area - 1):+.1f} %")
    text = f"""## What remains

- **Crossbars** are equal. Two settings matter: 9-bit weights have 8 slices, and each slice begins in arrays of its own.
- **Area** differs by {errors[0]} (VGG8) and {errors[1]} (ResNet-18). MNSIM's adders, registers and buffers are not
  among its published defaults; `mnsim` has ISAAC's in their place. The area of the cell is derived from MNSIM's own
  share and is the only figure taken from a result.
- **Energy of converters** (VGG8): MNSIM's is {converters:.2f} times ours. MNSIM charges each conversion with the power
  of the converter for 8 ns, although its converter makes one every nanosecond; the last row
  but two contains this factor of 8.
  The rest is how conversions are counted. A pair has 128 drivers for its 256 rows, so that layers with more than
  128 rows in a pair are read in two phases, and all columns are converted in each: twice the conversions. Half of the
  converters work where a layer has at most 128 columns: half the conversions. Counted in this way conversions are
  {counted["mnsim_vgg8"]:.3f} (VGG8) and {counted["mnsim_resnet18"]:.3f} (ResNet-18) times ours, and their energy in
  VGG8 is {charged * 1e3:.2f} mJ, {error:+.1f} % from MNSIM's {ADC_SHARE * joule * 1e3:.2f} mJ (its share is rounded
  to 1 %).
  xbarsim drives all rows in use at once, as the columns' sums and the range of the converters assume.
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
