"""Published macros out of the files in data/, each a single array: what a full layer costs, over supply and precision.

At most half of the published figures of a macro are inputs of its file; the others are predicted. The page shows for
each sweep the median error and the share of points within 25 %, and every point beyond with its reason.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import macro_figures as published

from xbarsim.component import action_energy, rate_component, read_energy
from xbarsim.config import Hardware, load_hardware
from xbarsim.cost import price_layer
from xbarsim.cost.record import Cost

DATA = Path(__file__).parent / "data"
NEAR = 0.25
"""Largest deviation of a point that needs no reason."""
LONGEST = 14
"""Most points of a sweep that are shown one by one."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A published figure beside ours."""

    sweep: str
    """What it belongs to, unit included."""
    at: str
    """Where: voltage, precision."""
    published: float
    """Value of the source."""
    ours: float
    """Value of xbarsim."""
    is_input: bool = False
    """Whether the file contains it, so that it is not predicted."""
    why: str = ""
    """Why it is off."""

    @property
    def error(self) -> float:
        """Deviation, as a fraction of the published value."""
        return self.ours / self.published - 1


@dataclass(frozen=True, kw_only=True)
class Macro:
    """A published macro."""

    name: str
    """Title of its table."""
    file: str
    """File that describes it."""
    collect: Callable[[], Iterator[Point]]
    """Function that computes its points."""
    fitted: int = 0
    """Constants that the source fitted to these points; each counts as an input."""
    about: str = ""
    """What has to be known about the inputs."""


def load(name: str, **changes: object) -> Hardware:
    """Load a macro; double underscores in the names of keys stand for dots."""
    return load_hardware(DATA / f"{name}.yaml", {key.replace("__", "."): value for key, value in changes.items()})


def run(hardware: Hardware, outputs: int) -> Cost:
    """Return the cost of a linear layer that fills the array, for many vectors."""
    shape = {"in_features": hardware.crossbar.rows, "out_features": outputs, "vectors": 64}
    return price_layer("linear", shape, hardware)


def femtojoule(cost: Cost) -> float:
    """Return the energy of a multiply-accumulate [fJ]."""
    return 2e3 / cost.tops_per_watt


def shared(cost: Cost, name: str) -> float:
    """Return the energy of a component for each vector [J]."""
    return cost.layers[0].energy_by_component[name] / cost.layers[0].windows


def collect_colonnade() -> Iterator[Point]:
    """Energy over widths and supply, throughput over widths and pipeline registers."""

    def at(bits: int, inputs: int, volt: float, registers: int = 16) -> Cost:
        adders = bits + 7 + 128 // registers + 2
        keys = {"weight_bits": bits, "activation_bits": inputs, "timing__read_cycles": adders}
        keys["encoding"] = "offset" if bits == 1 else "twos_complement"
        return run(load("colonnade_2021", process__supply_volt=volt, **keys), 128 // (bits + 7))

    for bits, row in published.COLONNADE_WEIGHT_BITS.items():
        for volt, value in zip((0.6, 0.7, 0.8), row, strict=True):
            yield Point(
                sweep="energy, 1-bit inputs [fJ/MAC]", at=f"{bits}-bit weights, {volt} V", published=value,
                ours=femtojoule(at(bits, 1, volt)), is_input=bits == 8,
            )  # fmt: skip
    for bits, row in published.COLONNADE_BITS.items():
        for volt, value in zip((0.6, 0.7, 0.8), row, strict=True):
            yield Point(
                sweep="energy, inputs as wide as weights [fJ/MAC]", at=f"{bits} bits, {volt} V", published=value,
                ours=femtojoule(at(bits, bits, volt)),
                why="the published energy of wide weights rises by more than the reads of their input bits",
            )  # fmt: skip
    for bits, row in published.COLONNADE_GOPS.items():
        for registers, value in zip((1, 2, 4, 8, 16), row, strict=True):
            yield Point(
                sweep="throughput [GOPS]", at=f"{bits} bits, {registers} registers a column", published=value,
                ours=at(bits, bits, 0.8, registers).tops * 1e3, is_input=(bits, registers) == (1, 16),
                why="long chains of adders take less than a full delay each in the published macro",
            )  # fmt: skip


def collect_jia() -> Iterator[Point]:
    """Energy by part, efficiency and density over supply, throughput over input bits."""
    low, high = (run(load("jia_2020", process__supply_volt=volt), 256) for volt in (0.85, 1.2))
    for part, name, values in (("converter", "adc", (1.79, 3.56)), ("array", "cim", (9.7, 20.4)),
                               ("datapath", "datapath", (8.3, 14.7))):  # fmt: skip
        for cost, volt, value in zip((low, high), (0.85, 1.2), values, strict=True):
            ours = shared(cost, name) / 256 * 1e12
            unit_column = " (257 conversions with the column that measures the inputs)" if name == "adc" else ""
            yield Point(
                sweep="energy of a column [pJ]", at=f"{part}, {volt} V", published=value, ours=ours,
                is_input=volt == 0.85, why=f"C V^2{unit_column}",
            )  # fmt: skip
    for cost, volt, tops, watt, density in ((low, 0.85, 0.874, 400, 0.24), (high, 1.2, 2.185, 192, 0.6)):
        area = sum(cost.layers[0].area_by_component[name] for name in ("adc", "cim")) * 1e6
        energy = shared(cost, "adc") + shared(cost, "cim")
        macs = cost.layers[0].macs / cost.layers[0].windows
        yield Point(
            sweep="throughput, 1 bit [TOPS]", at=f"{volt} V", published=tops, ours=cost.tops, is_input=True,
        )  # fmt: skip
        yield Point(
            sweep="efficiency of array and converters [TOPS/W]", at=f"{volt} V", published=watt,
            ours=2e-12 * macs / energy,
        )  # fmt: skip
        yield Point(
            sweep="density of array and converters [TOPS/mm2]", at=f"{volt} V", published=density, ours=cost.tops / area
        )
    for bits, value in published.JIA_TOPS.items():
        ours = run(load("jia_2020", activation_bits=bits), 256).tops
        why = "the memory around the published macro limits 8-bit inputs"
        yield Point(sweep="throughput over input bits [TOPS]", at=f"{bits} bits", published=value, ours=ours, why=why)


def collect_wang() -> Iterator[Point]:
    """Efficiency and density over supply."""
    for volt, (density, watt) in published.WANG.items():
        cost = run(load("wang_2022", process__supply_volt=volt), 16)
        yield Point(
            sweep="efficiency [TOPS/W]", at=f"{volt} V", published=watt, ours=cost.tops_per_watt, is_input=volt == 1.0
        )
        yield Point(
            sweep="density [TOPS/mm2]", at=f"{volt} V", published=density, ours=cost.tops_per_mm2, is_input=volt == 0.7
        )


def collect_neurram() -> Iterator[Point]:
    """Energy by part, efficiency and throughput over the precision, from that of 8-bit inputs."""
    for bits, (parts, tops, watt) in published.NEURRAM.items():
        cost = run(load("neurram_2022", activation_bits=max(1, bits - 1)), 256)
        at, is_input = f"{bits}-bit inputs, {bits + 2}-bit outputs", bits == 8
        for name, value in zip(("word_lines", "neurons", "input_pulses"), parts, strict=True):
            ours = shared(cost, name) / 65536 * 1e15
            yield Point(sweep=f"{name} [fJ/operation]", at=at, published=value, ours=ours, is_input=is_input)
        yield Point(sweep="efficiency [TOPS/W]", at=at, published=watt, ours=cost.tops_per_watt)
        ours = 48 * cost.tops
        yield Point(sweep="throughput of 48 cores [TOPS]", at=at, published=tops, ours=ours, is_input=is_input)


def collect_sinangil() -> Iterator[Point]:
    """Energy of a 7 nm macro over its outputs and its supply."""

    def energy(output: int, volt: float) -> float:
        keys = {"process.supply_volt": volt, "device.read_volt": volt, "components.adc.process": None}
        hardware = load_hardware("sram_7nm", {**keys, "components.adc.supply": {"volt": 0.8}})
        converters = hardware.crossbar.cols * action_energy(rate_component("adc", hardware))
        return converters + read_energy(hardware, mean_level=output / 15, input_activity=1.0)

    for output, value in published.SINANGIL_OUTPUTS.items():
        yield Point(
            sweep="energy over outputs, 0.8 V [pJ]", at=f"mean output {output}", published=value,
            ours=energy(output, 0.8) * 1e12, is_input=output in (0, 15), why="linear in the outputs here",
        )  # fmt: skip
    for volt, value in published.SINANGIL_SUPPLY.items():
        yield Point(
            sweep="energy over supply, largest outputs [pJ]", at=f"{volt} V", published=value,
            ours=energy(15, volt) * 1e12, is_input=volt == 0.8,
        )  # fmt: skip


def collect_digital() -> Iterator[Point]:
    """Clock, area and efficiency of four digital macros from one area, delay and capacitance of a gate."""
    for name, (period, area, watt) in published.DIGITAL.items():
        hardware = load(name)
        cost = run(hardware, hardware.crossbar.cols // 8 * hardware.chip.arrays_per_core)
        title = name.removeprefix("isscc_").replace("_", " ", 1).replace("_", ".")
        period_ns = 1e9 * hardware.read_cycles / hardware.clock_hz
        yield Point(sweep="clock period [ns]", at=f"ISSCC {title}", published=period, ours=period_ns)
        yield Point(sweep="area [mm2]", at=f"ISSCC {title}", published=area, ours=cost.area_m2 * 1e6)
        if watt is not None:
            yield Point(sweep="efficiency [TOPS/W]", at=f"ISSCC {title}", published=watt, ours=cost.tops_per_watt)


MACROS = (
    Macro(name="Colonnade (JSSC 2021), digital SRAM, 65 nm", file="colonnade_2021", collect=collect_colonnade),
    Macro(name="Jia et al. (JSSC 2020), charge-domain SRAM, 65 nm", file="jia_2020", collect=collect_jia),
    Macro(name="Wang et al. (VLSI 2022), C-2C SRAM, 22 nm", file="wang_2022", collect=collect_wang),
    Macro(name="NeuRRAM (Nature 2022), RRAM, 130 nm", file="neurram_2022", collect=collect_neurram),
    Macro(name="Sinangil et al. (JSSC 2021), SRAM, 7 nm", file="hwconfigs/sram_7nm", collect=collect_sinangil),
    Macro(
        name="Four digital SRAM macros, 28 nm (ISSCC 2022 and 2023)",
        file="isscc_2022_15_5, isscc_2022_11_7, isscc_2023_7_2, isscc_2023_16_3", collect=collect_digital, fitted=3,
        about=" Area, delay and capacitance of a gate were fitted by ZigZag-IMC to these four macros and count as "
        "inputs; the macros differ by the gates that their adders and multipliers consist of.",
    ),
)  # fmt: skip
TITLE = "Macros over supply and precision"


def summarise(points: list[Point]) -> tuple[float, float]:
    """Return the median error and the share of predicted points within 25 %."""
    errors = [abs(point.error) for point in points if not point.is_input]
    return statistics.median(errors), sum(error <= NEAR for error in errors) / len(errors)


def write_macro(macro: Macro, points: list[Point]) -> str:
    """Write the tables of a macro: its sweeps, the points of short sweeps, and every miss."""
    median, near = summarise(points)
    inputs = sum(point.is_input for point in points) + macro.fitted
    lines = [
        f"### {macro.name}", "",
        f"`{macro.file}`: {len(points)} points, of which {inputs} are inputs. Predicted: median error "
        f"{100 * median:.1f} %, {100 * near:.0f} % of points within 25 %.{macro.about}", "",
        "| sweep | points | inputs | median error | within 25 % | largest error |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    sweeps = list(dict.fromkeys(point.sweep for point in points))
    for sweep in sweeps:
        own = [point for point in points if point.sweep == sweep]
        errors = sorted((abs(point.error), point.error) for point in own if not point.is_input)
        given = len(own) - len(errors)
        if errors:
            middle, share = summarise(own)
            row = f"{100 * middle:.1f} % | {100 * share:.0f} % | {100 * errors[-1][1]:+.1f} %"
        else:
            row = "all given | |"
        lines.append(f"| {sweep} | {len(own)} | {given} | {row} |")
    short = [p for p in points if sum(other.sweep == p.sweep for other in points) <= LONGEST]
    if short:
        lines += ["", "| figure | at | published | xbarsim | error |", "|---|---|---|---|---|"]
        for p in short:
            error = "input" if p.is_input else f"{100 * p.error:+.1f} %"
            lines.append(f"| {p.sweep} | {p.at} | {p.published:.4g} | {p.ours:.4g} | {error} |")
    missed = [point for point in points if not point.is_input and abs(point.error) > NEAR]
    if missed:
        lines += ["", "Beyond 25 %:", ""]
        lines += [f"- {p.sweep}, {p.at}: {100 * p.error:+.0f} %: {p.why}." for p in missed]
    return "\n".join([*lines, ""])


def write_section() -> tuple[str, bool]:
    """Write the section of the page, and tell whether every macro keeps the limits."""
    head = (
        "The files of `benchmarks/validation/data` describe published macros. Each one computes a layer that fills its "
        "arrays. The figures are those of the papers, as CiMLoop and ZigZag-IMC transcribe them. A point is an *input* "
        "if the file contains its value; all others are predicted. RAELLA (ISCA 2023) is not included. The parts of "
        "its paper that were accessible, and its public models (CiMLoop; AccelForge 1.0.467, `raella_isca_2023`), give "
        "no figures of a macro: they compare whole networks with other accelerators, and speculation with none within "
        "the model. A ratio of two models would validate neither.\n"
    )  # fmt: skip
    parts, kept = [head], True
    for macro in MACROS:
        points = list(macro.collect())
        median, near = summarise(points)
        inputs = macro.fitted + sum(point.is_input for point in points)
        kept = kept and median <= 0.10 and near >= 0.80 and 2 * inputs <= len(points)
        parts.append(write_macro(macro, points))
    return "\n".join(parts), kept


if __name__ == "__main__":
    text, is_kept = write_section()
    print(f"## {TITLE}\n\n{text}")
    sys.exit(not is_kept)
