"""The table of remedies: what a designer may change on the same hardware to get accuracy back, without training.

A remedy is a set of overrides. One that the hardware has already is left out, and one that the configuration refuses is
listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xbarsim.config import Hardware

Changes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One way to lose less."""

    name: str
    """Name in tables."""
    about: str
    """What it does, in a line."""
    choose: Callable[[Hardware], Changes | None]
    """Hardware -> dotted key -> value; None where it makes no sense there."""
    is_grouped: bool
    """Whether it is meant for grouped (depthwise) layers alone."""


def _always(changes: Changes) -> Callable[[Hardware], Changes | None]:
    return lambda hardware: changes


def _with_converter(changes: Changes) -> Callable[[Hardware], Changes | None]:
    return lambda hardware: changes if hardware.adc_bits is not None else None


def _add_bits(more: int) -> Callable[[Hardware], Changes | None]:
    def choose(hardware: Hardware) -> Changes | None:
        bits = hardware.adc_bits
        return None if bits is None or bits + more > 16 else {"adc.bits": bits + more}

    return choose


def _with_pairs(changes: Changes) -> Callable[[Hardware], Changes | None]:
    return lambda hardware: changes if hardware.polarities == 2 else None


def _halve_arrays(hardware: Hardware) -> Changes | None:
    rows, cols = hardware.crossbar.rows, hardware.crossbar.cols
    return {"crossbar.rows": rows // 2, "crossbar.cols": cols // 2} if min(rows, cols) >= 16 else None


def _shrink_arrays(hardware: Hardware) -> Changes | None:
    rows, cols = hardware.crossbar.rows, hardware.crossbar.cols
    return {"crossbar.rows": min(rows, 36), "crossbar.cols": min(cols, 32)} if rows > 36 or cols > 32 else None


def _move_columns(hardware: Hardware) -> Changes | None:
    stuck = hardware.device.stuck
    return {"mapping.remap": "columns"} if stuck.on_rate + stuck.off_rate > 0 else None


_TABLE = (
    Remedy(
        name="output correction", about="a digital gain and offset for each output, fitted to the calibration images",
        choose=_always({"adc.output_correction": True}), is_grouped=False,
    ),
    Remedy(
        name="gain correction", about="each column's gain undoes its mean loss in the wires",
        choose=_always({"adc.gain_correction": True}), is_grouped=False,
    ),
    Remedy(
        name="output and gain correction", about="both of them",
        choose=_always({"adc.output_correction": True, "adc.gain_correction": True}), is_grouped=False,
    ),
    Remedy(
        name="calibrated range", about="the converter's step with the least error in the layer's output",
        choose=_with_converter({"adc.full_scale": "calibrated"}), is_grouped=False,
    ),
    Remedy(
        name="range of 99.95 %", about="the converter's range holds 99.95 % of the calibration sums",
        choose=_with_converter({"adc.full_scale": "quantile", "adc.quantile": 0.9995}), is_grouped=False,
    ),
    Remedy(
        name="range of 99.5 %", about="the converter's range holds 99.5 % of the calibration sums",
        choose=_with_converter({"adc.full_scale": "quantile", "adc.quantile": 0.995}), is_grouped=False,
    ),
    Remedy(
        name="one ADC bit more", about="twice as many codes", choose=_add_bits(1), is_grouped=False,
    ),
    Remedy(
        name="two ADC bits more", about="four times as many codes", choose=_add_bits(2), is_grouped=False,
    ),
    Remedy(
        name="digital subtraction", about="both columns of a pair are converted",
        choose=_with_pairs({"adc.subtract": "digital"}), is_grouped=False,
    ),
    Remedy(
        name="analog subtraction", about="the currents of a pair are subtracted and converted once",
        choose=_with_pairs({"adc.subtract": "analog"}), is_grouped=False,
    ),
    Remedy(
        name="differential pairs", about="signed weights in pairs of cells",
        choose=_always({"encoding": "differential"}), is_grouped=False,
    ),
    Remedy(
        name="one bit a cell", about="more cells for a weight, each with two levels",
        choose=_always({"device.cell_bits": 1}), is_grouped=False,
    ),
    Remedy(
        name="one input bit a read", about="more reads, each with two voltages",
        choose=_always({"dac.bits": 1}), is_grouped=False,
    ),
    Remedy(
        name="arrays of half the size", about="shorter wires and smaller sums",
        choose=_halve_arrays, is_grouped=False,
    ),
    Remedy(
        name="small arrays, grouped layers", about="grouped layers on arrays of at most 36 x 32 cells",
        choose=_shrink_arrays, is_grouped=True,
    ),
    Remedy(
        name="column of off cells", about="off-currents are taken away as an own column measures them",
        choose=lambda hardware: None if hardware.has_signed_sums else {"adc.off_current": "column"}, is_grouped=False,
    ),
    Remedy(
        name="columns in another order", about="columns are placed where stuck cells change them least",
        choose=_move_columns, is_grouped=False,
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
