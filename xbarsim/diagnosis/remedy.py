"""The table of remedies: changes of the hardware that recover accuracy without training.

A remedy is a set of overrides. Remedies that the hardware already has, or that do not apply to it, are left out unless
they are requested by name; those that the configuration refuses are listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xbarsim.config import Hardware
from xbarsim.config.encoding import ENCODINGS

Changes = Mapping[str, Any]
MOST_WEIGHT_BITS = 16
"""Bits of the widest weights that layers compute with."""
MOST_ADC_BITS = 16
"""Bits of the widest converter."""
_IDEAL = "adc.bits: the converters are ideal"


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A change of the hardware that may reduce the loss."""

    name: str
    """Name in tables."""
    about: str
    """Description in one line."""
    choose: Callable[[Hardware], Changes | str]
    """Function of the hardware that returns overrides, or the reason why the remedy does not apply."""
    needs: Literal["any", "groups", "signs", "floats"]
    """Layers that it is for: any, grouped (depthwise) ones, those with signed inputs, or those whose weights are
    not integers in the network's file."""


NEEDS: Mapping[str, str] = {
    "any": "the network has no weight layers",
    "groups": "the network has no grouped layers",
    "signs": "no layer has signed inputs",
    "floats": "the weights are integers in the network's file",
}
"""Layers that a remedy is for -> why it does not apply where there are none."""


def _always(changes: Changes) -> Callable[[Hardware], Changes | str]:
    return lambda hardware: changes


def _with_converter(changes: Changes) -> Callable[[Hardware], Changes | str]:
    return lambda hardware: changes if hardware.adc_bits is not None else _IDEAL


def _add_bits(more: int) -> Callable[[Hardware], Changes | str]:
    def choose(hardware: Hardware) -> Changes | str:
        bits = hardware.adc_bits
        if bits is None:
            return _IDEAL
        if bits + more > MOST_ADC_BITS:
            return f"adc.bits: {bits} and {more} more are above {MOST_ADC_BITS}"
        return {"adc.bits": bits + more}

    return choose


def _with_pairs(changes: Changes) -> Callable[[Hardware], Changes | str]:
    return lambda hardware: changes if hardware.polarities == 2 else f"encoding: {hardware.encoding} has no pairs"


def _with_wide_reads(changes: Changes) -> Callable[[Hardware], Changes | str]:
    return lambda hardware: changes if hardware.dac.bits > 1 else "dac.bits: reads of 1 bit lose nothing by signs"


def _fill_cells(hardware: Hardware) -> Changes | str:
    count, bits, cell_bits = ENCODINGS[hardware.encoding].count_slices, hardware.weight_bits, hardware.device.cell_bits
    while bits < MOST_WEIGHT_BITS and count(bits + 1, cell_bits) == count(bits, cell_bits):
        bits += 1
    return {"weight_bits": bits} if bits > hardware.weight_bits else f"weights of {bits} bits already fill their cells"


def _halve_arrays(hardware: Hardware) -> Changes | str:
    rows, cols = hardware.crossbar.rows, hardware.crossbar.cols
    if min(rows, cols) < 16:
        return f"arrays of {rows} x {cols} cells are already small"
    return {"crossbar.rows": rows // 2, "crossbar.cols": cols // 2}


def _verify(hardware: Hardware) -> Changes | str:
    programming, write = hardware.device.programming, hardware.device.write
    if write is None:
        return "device.write: missing"
    if write.verify is not None:
        return "device.write.verify: already given"
    if programming.distribution == "none" or programming.sigma <= 0 or programming.sigma_siemens:
        return "device.programming: has no standard deviation relative to the conductance"
    verify = {"tolerance": programming.sigma / 2, "relative_to": programming.relative_to, "max_pulses": 20}
    return {"device.write.verify": verify, "device.write.pulses": None}


def _move_columns(hardware: Hardware) -> Changes | str:
    stuck = hardware.device.stuck
    return {"mapping.remap": "columns"} if stuck.on_rate + stuck.off_rate > 0 else "device.stuck: no cell is stuck"


def _take_off_column(hardware: Hardware) -> Changes | str:
    return "sums are signed, without off-currents" if hardware.has_signed_sums else {"adc.off_current": "column"}


_TABLE = (
    Remedy(
        name="output correction", about="a digital gain and offset for each output, fitted to the calibration images",
        choose=_always({"adc.output_correction": True}), needs="any",
    ),
    Remedy(
        name="gain correction", about="an analog gain for each column compensates its mean loss in the wires",
        choose=_always({"adc.gain_correction": True}), needs="any",
    ),
    Remedy(
        name="on-chip output correction", about="output correction fitted to the inputs of each layer on this chip",
        choose=_always({"adc.output_correction": True, "adc.correction_inputs": "hardware"}), needs="any",
    ),
    Remedy(
        name="weights clipped at 70 %",
        about="the largest weights are clipped, the others use more of the conductance range",
        choose=_always({"mapping.weight_range": 0.7}), needs="floats",
    ),
    Remedy(
        name="weights that fill the cells", about="as many bits per weight as its cells can hold",
        choose=_fill_cells, needs="floats",
    ),
    Remedy(
        name="output and gain correction", about="both of them",
        choose=_always({"adc.output_correction": True, "adc.gain_correction": True}), needs="any",
    ),
    Remedy(
        name="calibrated range", about="the converter's step with the least error in the layer's output",
        choose=_with_converter({"adc.full_scale": "calibrated"}), needs="any",
    ),
    Remedy(
        name="range of 99.95 %", about="the converter's range covers 99.95 % of the calibration sums",
        choose=_with_converter({"adc.full_scale": "quantile", "adc.quantile": 0.9995}), needs="any",
    ),
    Remedy(
        name="range of 99.5 %", about="the converter's range covers 99.5 % of the calibration sums",
        choose=_with_converter({"adc.full_scale": "quantile", "adc.quantile": 0.995}), needs="any",
    ),
    Remedy(
        name="one step per slice", about="converter steps differ between weight slices",
        choose=_with_converter({"adc.step_per": "slice"}), needs="any",
    ),
    Remedy(
        name="one step per read", about="converter steps differ between weight slices and input streams",
        choose=_with_converter({"adc.step_per": "read"}), needs="any",
    ),
    Remedy(
        name="one step per column", about="converter steps differ between columns",
        choose=_with_converter({"adc.step_per": "column"}), needs="any",
    ),
    Remedy(
        name="thresholds of least error", about="unequal steps with the least squared error of the calibration sums",
        choose=_with_converter({"adc.thresholds": "least_error"}), needs="any",
    ),
    Remedy(
        name="one more ADC bit", about="twice as many codes", choose=_add_bits(1), needs="any",
    ),
    Remedy(
        name="two more ADC bits", about="four times as many codes", choose=_add_bits(2), needs="any",
    ),
    Remedy(
        name="digital subtraction", about="both columns of a pair are converted and subtracted digitally",
        choose=_with_pairs({"adc.subtract": "digital"}), needs="any",
    ),
    Remedy(
        name="analog subtraction", about="the currents of a pair are subtracted and converted once",
        choose=_with_pairs({"adc.subtract": "analog"}), needs="any",
    ),
    Remedy(
        name="differential pairs", about="signed weights in pairs of cells",
        choose=_always({"encoding": "differential"}), needs="any",
    ),
    Remedy(
        name="one bit per cell", about="more cells for a weight, each with two levels",
        choose=_always({"device.cell_bits": 1}), needs="any",
    ),
    Remedy(
        name="one input bit per read", about="more reads, each with two voltages",
        choose=_always({"dac.bits": 1}), needs="any",
    ),
    Remedy(
        name="signs in two's complement", about="signed inputs: the low bits, then the sign bit in a separate read",
        choose=_with_wide_reads({"dac.signed": "twos_complement"}), needs="signs",
    ),
    Remedy(
        name="signs and magnitudes", about="signed inputs: positive ones, then the magnitudes of negative ones",
        choose=_with_wide_reads({"dac.signed": "sign_magnitude"}), needs="signs",
    ),
    Remedy(
        name="arrays of half the size", about="shorter wires and smaller sums",
        choose=_halve_arrays, needs="any",
    ),
    Remedy(
        name="one group per read", about="only the rows of one group are driven at a time, in more reads",
        choose=_always({"mapping.groups": "serial"}), needs="groups",
    ),
    Remedy(
        name="one group per read, both corrections", about="the same, with output and gain correction",
        choose=_always({"mapping.groups": "serial", "adc.output_correction": True, "adc.gain_correction": True}),
        needs="groups",
    ),
    Remedy(
        name="groups in small arrays", about="grouped layers in stripes on arrays of 36 x 32 cells",
        choose=_always({"mapping.groups": "stripes", "mapping.group_array": {"rows": 36, "cols": 32}}), needs="groups",
    ),
    Remedy(
        name="column of off cells", about="off-currents are measured by a column of off cells and subtracted",
        choose=_take_off_column, needs="any",
    ),
    Remedy(
        name="write and verify", about="cells are written again until they are within half of their standard deviation",
        choose=_verify, needs="any",
    ),
    Remedy(
        name="columns reordered", about="columns are placed where stuck cells change them least",
        choose=_move_columns, needs="any",
    ),
)  # fmt: skip

REMEDIES: dict[str, Remedy] = {remedy.name: remedy for remedy in _TABLE}
"""Every remedy by name."""


def is_already(hardware: Hardware, changes: Changes) -> bool:
    """Tell whether hardware has all these values.

    Parameters
    ----------
    hardware : Hardware
        The record.
    changes : mapping
        Dotted key -> value.

    Returns
    -------
    bool
        Whether the changes change nothing.
    """
    for key, value in changes.items():
        found: Any = hardware
        for part in key.split("."):
            found = getattr(found, part, None)
        if found != value:
            return False
    return True
