"""How a hardware record looks in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim.errors import show_value
from xbarsim.notebook import Face, count_words
from xbarsim.units import format_si

if TYPE_CHECKING:
    from xbarsim.config.hardware import Hardware

MOST_OVERRIDES = 12
"""Overrides that are shown one by one."""


def show_hardware(hardware: Hardware) -> Face:
    """Return what a notebook shows of a hardware record.

    Parameters
    ----------
    hardware : Hardware
        Any record.

    Returns
    -------
    Face
        Arrays, cells, converters and overrides.
    """
    array, device = hardware.crossbar, hardware.device
    adc = "ideal ADC" if hardware.adc_bits is None else f"{hardware.adc_bits}-bit ADC"
    facts = [f"{array.rows} x {array.cols} arrays", f"{device.cell_bits}-bit cells", adc]
    facts.append(f"{hardware.weight_bits}-bit weights")
    changed = hardware.overrides
    if changed:
        facts.append(count_words(len(changed), "override"))
    wires = f"{array.r_wl_ohm:g} ohm a word-line segment, {array.r_bl_ohm:g} ohm a bit-line segment"
    levels = f"{format_si(device.g_off_siemens, 'S')} to {format_si(device.g_on_siemens, 'S')}"
    pairs = [
        ("description", hardware.description),
        ("arrays", f"{array.rows} x {array.cols}, {array.topology}"),
        ("wires", wires),
        ("cells", f"{count_words(device.cell_bits, 'bit')}, {levels}"),
        ("weights", f"{count_words(hardware.weight_bits, 'bit')}, {hardware.encoding}"),
        ("inputs", f"{count_words(hardware.activation_bits, 'bit')}, {hardware.dac.bits} in a read"),
        ("converters", f"{adc}, {hardware.adc.full_scale}"),
        ("file", hardware.origin),
    ]
    shown = list(changed.items())[:MOST_OVERRIDES]
    pairs += [(f"override {key}", show_value(value)) for key, value in shown]
    if len(changed) > len(shown):
        pairs.append(("", f"{len(changed) - len(shown)} more overrides"))
    return Face(
        title=f"Hardware {hardware.name}",
        text=", ".join(facts),
        pairs=tuple((name, value) for name, value in pairs if value),
        note=".override({key: value}) returns a changed copy; xbarsim hardware show prints all keys",
    )
