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
_SERIES = "{value} ohm, many times the resistance of a cell; {value} mohm is written {milli}"
_SIEMENS = "{value} S, more than a cell conducts; {value} uS is written {micro}, nS {nano}"
_PERCENT = "{value} is {hundred} %; {value} % is written {percent}"
_FACTORS = {
    "value": 1.0, "hundred": 1e2, "percent": 1e-2, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "femto": 1e-15,
    "mega": 1e6, "giga": 1e9, "years": 1 / 31557600,
}  # fmt: skip
KEY_RANGES = (
    KeyRange(key="device.read_volt", most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.write.volt", most=100.0, way=_MILLIVOLT),
    KeyRange(key="crossbar.r_wl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.r_bl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.r_sl_ohm", most=1000.0, way=_WIRE),
    KeyRange(key="crossbar.c_wl_farad", most=1e-11, way=_SEGMENT),
    KeyRange(key="crossbar.c_bl_farad", most=1e-11, way=_SEGMENT),
    KeyRange(key="device.programming.sigma", most=1.5, way=_PERCENT),
    KeyRange(key="device.read_noise.sigma", most=0.8, way=_PERCENT),
    KeyRange(key="device.read_noise.bandwidth_hz", least=1e3, way="{value} Hz; {value} GHz is written {giga}"),
    KeyRange(key="device.read_noise.integration_s", most=10.0, way="{value} s; {value} ns is written {nano}"),
    KeyRange(key="device.stuck.on_rate", most=0.5, way=_PERCENT),
    KeyRange(key="device.stuck.off_rate", most=0.5, way=_PERCENT),
    KeyRange(key="device.drift.nu", most=0.5, way=_PERCENT),
    KeyRange(key="device.drift.nu.at_on", most=0.5, way=_PERCENT),
    KeyRange(key="device.drift.time_s", most=1e10, way="{value} s are {years} years; {value} ns is written {nano}"),
    KeyRange(key="device.iv.scale_volt", most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.iv.threshold_volt", most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.iv.width_volt", most=5.0, way=_MILLIVOLT),
    KeyRange(key="device.write.verify.tolerance", most=1.5, way=_PERCENT),
    KeyRange(key="adc.gain_sigma", most=0.5, way=_PERCENT),
    KeyRange(
        key="adc.quantile",
        least=0.9,
        way="{value}: only {hundred} % of the sums lie in the range; converters are given 0.99 or more",
    ),
    KeyRange(key="adc.saturation_ampere", most=1.0, way="{value} A; {value} uA is written {micro}"),
    KeyRange(key="mapping.area_budget_m2", most=1.0, way="{value} m2; {value} mm2 is written {micro}"),
    KeyRange(key="components.*.rate_hz", least=3e4, way="{value} Hz; {value} MHz is written {mega}"),
)
"""All ranges. Conductances, times and prices have detectors of their own, which also refuse."""
CELL_RANGES = (
    KeyRange(key="device.programming.sigma_siemens", most=100.0, way=_SIEMENS),
    KeyRange(key="device.relaxation.sigma_siemens", most=1.0, way=_SIEMENS),
    KeyRange(key="device.relaxation.growth_siemens", most=1.0, way=_SIEMENS),
    KeyRange(key="device.relaxation.mean_siemens", most=1.0, way=_SIEMENS),
    KeyRange(key="crossbar.g_leak_siemens", most=1.0, way=_SIEMENS),
    KeyRange(key="crossbar.r_source_ohm", most=4.0, way=_SERIES),
    KeyRange(key="crossbar.r_sink_ohm", most=4.0, way=_SERIES),
    KeyRange(key="crossbar.r_access_ohm", most=20.0, way=_SERIES),
)
"""Ranges of sizes, relative to the conductance or resistance of a cell in the on state."""
GAPS = (
    KeyRange(
        key="device.temperature_kelvin", least=10.0, most=70.0,
        way="{value} K, between liquid helium and liquid nitrogen; {value} degrees Celsius is written {kelvin}",
    ),
    KeyRange(
        key="device.write.endurance", least=1.0, most=20.0,
        way="{value} pulses in the life of a cell; ten to the power of {value} is written 1e{value}",
    ),
)  # fmt: skip
"""Where a value between the two ends is doubted: nothing is used there, but another unit is often meant."""
LARGEST_OFFSET = 0.25
"""Largest offset of converters, relative to their range."""
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
    on = float(hardware.device.g_on_siemens)
    for known in KEY_RANGES:
        for key, value in _find_values(hardware, known.key):
            if value and not known.least <= value <= known.most:
                return _write_doubt(known, key, value)
    for known in CELL_RANGES:
        cell = on if known.key.endswith("_siemens") else 1 / on
        for key, value in _find_values(hardware, known.key):
            if abs(value) > known.most * cell:
                return _write_doubt(known, key, value)
    for known in GAPS:
        for key, value in _find_values(hardware, known.key):
            if known.least < value < known.most:
                return _write_doubt(known, key, value)
    adc = hardware.adc
    if isinstance(adc.bits, int) and adc.offset_sigma_lsb > LARGEST_OFFSET * 2**adc.bits:
        return (
            f"adc.offset_sigma_lsb: {adc.offset_sigma_lsb:.4g} steps of a converter that has {2**adc.bits:,}; "
            "an offset in volts is divided by the step"
        )
    for name, component in hardware.components.items():
        power = getattr(component, "power_watt", None) or 0.0
        if power > LARGEST_POWER_WATT.get(component.per, LARGEST_SHARE_WATT):
            return f"components.{name}.power_watt: {power:.4g} W each; {power:.4g} mW is written {power * 1e-3:.4g}"
    return ""


def _write_doubt(known: KeyRange, key: str, value: float) -> str:
    shown = {name: f"{value * factor:.4g}" for name, factor in _FACTORS.items()}
    return f"{key}: {known.way.format_map({**shown, 'kelvin': f'{value + 273.15:.5g}'})}"


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
    for each in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(each, (int, float)):
            yield key, float(each)
