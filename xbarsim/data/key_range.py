"""Ranges of keys of hardware files outside which a value was probably written in another unit.

The ranges are wide: published devices, wires and converters lie inside them with a factor of ten to spare, where the
units that are confused differ by a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """Range of one key."""

    key: str
    """Key of a hardware file; ``*`` stands for every component."""
    least: float = 0.0
    """Smallest value that is not doubted; 0 never is."""
    most: float = float("inf")
    """Largest value that is not doubted."""
    way: str
    """How a value of another unit is written; ``{value}`` is the value, ``{milli}`` and so on are it in that unit."""


_MILLIVOLT = "{value} V; {value} mV is written {milli}"
_WIRE = "{value} ohm for one segment; {value} mohm is written {milli}"
_SEGMENT = "{value} F for one segment; {value} fF is written {femto}"
_PERCENT = "{value} is {hundred} %; {value} % is written {percent}"
_FACTORS = {"value": 1.0, "hundred": 1e2, "percent": 1e-2, "milli": 1e-3, "femto": 1e-15, "mega": 1e6}
KEY_RANGES = (
    KeyRange(key="device.read_volt", most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.write.volt", most=100.0, way=_MILLIVOLT),
    KeyRange(key="crossbar.r_wl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.r_bl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.r_sl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.c_wl_farad", most=1e-11, way=_SEGMENT),
    KeyRange(key="crossbar.c_bl_farad", most=1e-11, way=_SEGMENT),
    KeyRange(key="device.programming.sigma", most=1.5, way=_PERCENT),
    KeyRange(key="device.read_noise.sigma", most=1.5, way=_PERCENT),
    KeyRange(key="adc.gain_sigma", most=0.5, way=_PERCENT),
    KeyRange(key="components.*.rate_hz", least=1e3, way="{value} Hz; {value} MHz is written {mega}"),
)
"""All ranges. Conductances, times and prices have detectors of their own, which also refuse."""
KELVIN = (10.0, 70.0)
"""Between liquid helium and liquid nitrogen [K]: nothing is operated there, but 25 degrees Celsius is often meant."""
LARGEST_POWER_WATT = {"chip": 1e3}
"""Largest power of a component by what it is counted per, else :data:`LARGEST_SHARE_WATT` [W]."""
LARGEST_SHARE_WATT = 5.0
"""Largest power of a component that a chip has many of [W]."""


def find_range_doubt(hardware: Any) -> str:
    """Return the first key that is out of its range, with the way out.

    Parameters
    ----------
    hardware : Hardware
        Its record.

    Returns
    -------
    str
        One line; nothing where all is well.
    """
    for known in KEY_RANGES:
        for key, value in _find_values(hardware, known.key):
            if value and not known.least <= value <= known.most:
                shown = {name: f"{value * factor:.4g}" for name, factor in _FACTORS.items()}
                return f"{key}: {known.way.format_map(shown)}"
    kelvin = float(hardware.device.temperature_kelvin)
    if KELVIN[0] < kelvin < KELVIN[1]:
        return f"device.temperature_kelvin: {kelvin:.4g} K; {kelvin:.4g} degrees Celsius is {kelvin + 273.15:.5g}"
    for name, component in hardware.components.items():
        power = getattr(component, "power_watt", None) or 0.0
        if power > LARGEST_POWER_WATT.get(component.per, LARGEST_SHARE_WATT):
            return f"components.{name}.power_watt: {power:.4g} W each; {power:.4g} mW is written {power * 1e-3:.4g}"
    return ""


def _find_values(hardware: Any, key: str) -> Iterator[tuple[str, float]]:
    """Return the values of a key that are numbers, with its name."""
    first, *rest = key.split(".")
    if rest[0] == "*":
        for name, component in hardware.components.items():
            value = getattr(component, rest[1], None)
            if isinstance(value, (int, float)):
                yield f"{first}.{name}.{rest[1]}", float(value)
        return
    value = getattr(hardware, first)
    for part in rest:
        value = getattr(value, part, None)
    if isinstance(value, (int, float)):
        yield key, float(value)
