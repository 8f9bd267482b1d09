"""Ranges of keys of hardware files outside which a value was probably written in another unit.

The ranges are wide: published devices, wires and converters lie inside them with a factor of ten to spare, where the
units that are confused differ by a thousand. What depends on several keys stands in
:mod:`xbarsim.data.key_relation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """Range of one key."""

    key: str
    """Key of a hardware file, or of every component."""
    least: float = 0.0
    """Smallest value that is not doubted; 0 never is."""
    most: float = math.inf
    """Largest value that is not doubted."""
    way: str
    """How a value of another unit is written; ``{value}`` is the value, ``{milli}`` and so on are it in that unit."""


_MILLIVOLT = "{value} V; {value} mV is written {milli}, uV {micro}"
_WIRE = "{value} ohm for one segment between two cells; {value} mohm is written {milli}, kohm {kilo}"
_SEGMENT = "{value} F for one segment; {value} fF is written {femto}, aF {atto}"
_SERIES = "{value} ohm, many times the resistance of a cell; {value} mohm is written {milli}"
_LOW_SERIES = "{value} ohm; {value} kohm is written {kilo}"
_SIEMENS = "{value} S, more than a cell conducts; {value} uS is written {micro}, nS {nano}"
_PERCENT = "{value} is {hundred} %; {value} % is written {percent}"
_SECONDS = "{value} s; {value} ns is written {nano}, us {micro}"
_KELVIN = "{value} K; {value} degrees Celsius is written {kelvin}"
_SUPPLY = "{value} V; {value} mV is written {milli}"
_CONDUCTANCE = "{value} S; {value} S is less than any cell is read at: uS is written e-6, nS e-9"
_FACTORS = {
    "value": 1.0, "hundred": 1e2, "percent": 1e-2, "kilo": 1e3, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9,
    "pico": 1e-12, "femto": 1e-15, "atto": 1e-18, "mega": 1e6, "giga": 1e9, "years": 1 / 31557600,
    "square_cm": 1e-4,
}  # fmt: skip
KEY_RANGES = (
    KeyRange(key="device.g_on_siemens", least=1e-10, way=_CONDUCTANCE),
    KeyRange(key="device.read_volt", least=1e-4, most=6.0, way=_MILLIVOLT),
    KeyRange(key="device.write.volt", least=0.02, most=40.0, way=_MILLIVOLT),
    KeyRange(key="device.write.pulse_s", least=1e-11, way="{value} s; {value} s is shorter than any write: ns is e-9"),
    KeyRange(key="device.write.pulses", most=1e5, way="{value} pulses of one cell; fewer than a thousand are usual"),
    KeyRange(key="device.write.verify.tolerance", least=1e-5, most=0.6, way=_PERCENT),
    KeyRange(key="crossbar.r_wl_ohm", least=3e-3, most=200.0, way=_WIRE),
    KeyRange(key="crossbar.r_bl_ohm", least=3e-3, most=200.0, way=_WIRE),
    KeyRange(key="crossbar.r_sl_ohm", least=3e-3, most=200.0, way=_WIRE),
    KeyRange(key="crossbar.r_source_ohm", least=0.05, way=_LOW_SERIES),
    KeyRange(key="crossbar.r_sink_ohm", least=0.05, way=_LOW_SERIES),
    KeyRange(key="crossbar.r_access_ohm", least=20.0, way=_LOW_SERIES),
    KeyRange(key="crossbar.c_wl_farad", least=1e-19, most=1e-12, way=_SEGMENT),
    KeyRange(key="crossbar.c_bl_farad", least=1e-19, most=1e-12, way=_SEGMENT),
    KeyRange(key="crossbar.fit_error_levels", most=5.0, way="{value} level units, where half of one is a wrong code"),
    KeyRange(key="device.temperature_kelvin", least=1.0, most=700.0, way=_KELVIN),
    KeyRange(key="device.drift.reference_kelvin", least=1.0, most=700.0, way=_KELVIN),
    KeyRange(key="device.drift.activation_ev", least=5e-3, most=5.0,
             way="{value} eV; {value} meV is written {milli}; joules are divided by 1.602e-19"),
    KeyRange(key="device.drift.reference_s", least=1e-9, most=1e7, way=_SECONDS),
    KeyRange(key="device.drift.time_s", most=4e9, way="{value} s are {years} years; {value} ns is written {nano}"),
    KeyRange(key="device.drift.nu", most=0.5, way=_PERCENT),
    KeyRange(key="device.drift.nu.at_on", least=-0.5, most=0.5, way=_PERCENT),
    KeyRange(key="device.drift.nu_sigma", most=0.3, way=_PERCENT),
    KeyRange(key="device.drift.nu_sigma.at_on", least=-0.3, most=0.3, way=_PERCENT),
    KeyRange(key="device.programming.sigma", most=1.5, way=_PERCENT),
    KeyRange(key="device.read_noise.sigma", most=0.6, way=_PERCENT),
    KeyRange(key="device.read_noise.exponent", most=5.0, way="{value}; published exponents are below 2"),
    KeyRange(key="device.read_noise.most", least=1e-4, most=10.0, way=_PERCENT),
    KeyRange(key="device.read_noise.bandwidth_hz", least=1e3, most=1e12,
             way="{value} Hz; {value} MHz is written {mega}, GHz {giga}"),
    KeyRange(key="device.read_noise.integration_s", least=1e-12, most=10.0, way=_SECONDS),
    KeyRange(key="device.relaxation.later.*.time_s", least=1e-9, most=4e9, way=_SECONDS),
    KeyRange(key="device.stuck.on_rate", most=0.5, way=_PERCENT),
    KeyRange(key="device.stuck.off_rate", most=0.5, way=_PERCENT),
    KeyRange(key="device.telegraph.amplitude", most=0.9, way=_PERCENT),
    KeyRange(key="device.iv.scale_volt", least=5e-3, most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.iv.reference_volt", least=1e-4, most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.iv.threshold_volt", least=1e-3, most=20.0, way=_MILLIVOLT),
    KeyRange(key="device.iv.width_volt", least=1e-5, most=5.0, way=_MILLIVOLT),
    KeyRange(key="adc.gain_sigma", most=0.3, way=_PERCENT),
    KeyRange(key="adc.settings.unit_sigma", most=0.12, way=_PERCENT),
    KeyRange(key="adc.settings.slope_sigma", most=0.2, way=_PERCENT),
    KeyRange(
        key="adc.quantile",
        least=0.9,
        way="{value}: only {hundred} % of the sums lie in the range; converters are given 0.99 or more",
    ),
    KeyRange(key="adc.saturation_ampere", least=1e-12, most=0.1,
             way="{value} A; {value} uA is written {micro}, mA {milli}"),
    KeyRange(key="mapping.area_budget_m2", least=1e-9, most=0.1,
             way="{value} m2; {value} mm2 is written {micro}, cm2 {square_cm}"),
    KeyRange(key="mapping.weight_range", least=0.1, way="{value}: weights above {hundred} % of the largest clip"),
    KeyRange(key="timing.clock_hz", most=1e11, way="{value} Hz; a clock of 1 GHz is written 1e9"),
    KeyRange(key="timing.pulse_s", least=1e-12, most=2e-3, way=_SECONDS),
    KeyRange(key="timing.hop_cycles", most=1e3, way="{value} cycles for one hop; cycles are no time"),
    KeyRange(key="timing.supply.volt", least=0.15, most=6.0, way=_SUPPLY),
    KeyRange(key="timing.supply.exponent", most=5.0, way="{value}; the energy of charged capacitors has 2"),
    KeyRange(key="timing.supply.leakage_exponent", most=10.0, way="{value}; 1 is a constant current"),
    KeyRange(key="timing.supply.threshold_volt", least=0.02, most=3.0, way=_SUPPLY),
)  # fmt: skip
"""All ranges. The sizes of conductances, times and prices that cannot be meant have detectors of their own."""
RATING_RANGES = (
    KeyRange(key="rate_hz", least=200.0, most=1e13, way="{value} Hz; {value} MHz is written {mega}, GHz {giga}"),
    KeyRange(key="step_hz", least=3e4, most=1e12, way="{value} Hz; {value} MHz is written {mega}, GHz {giga}"),
    KeyRange(key="energy_joule", least=1e-20, most=1e-7,
             way="{value} J for one action; {value} pJ is written {pico}, fJ {femto}, nJ {nano}"),
    KeyRange(key="step_joule", least=1e-20, most=1e-8,
             way="{value} J for one step; {value} pJ is written {pico}, fJ {femto}"),
    KeyRange(key="area_m2", least=1e-17, way="{value} m2, smaller than a transistor; um2 is written e-12, mm2 e-6"),
    KeyRange(key="power_watt", least=1e-15, way="{value} W; uW is written e-6, nW e-9"),
    KeyRange(key="leakage_watt", least=1e-18, way="{value} W; uW is written e-6, nW e-9"),
    KeyRange(key="count", most=1e5, way="{value} instances for each unit of `per`; 0.25 where four share one"),
    KeyRange(key="value_bits", most=256.0, way="{value} bits of one value"),
)  # fmt: skip
"""Ranges of keys of components, of the values of their tables and of their parts."""
SMALL_UNITS = {"row": 5e-8, "col": 5e-8, "adc": 5e-6, "array": 2e-5, "core": 2e-4, "tile": 1e-3}
"""Largest area of a component by what it is counted per [m2]; 1e-2 of others."""
LARGEST_AREA_M2 = 1e-2
"""Largest area of a component of a chip [m2]."""
LARGEST_POWER_WATT = {"chip": 1e3, "row": 0.1, "col": 0.2, "adc": 1.0, "array": 2.0}
"""Largest power of a component by what it is counted per, else :data:`LARGEST_SHARE_WATT` [W]."""
LARGEST_SHARE_WATT = 5.0
"""Largest power of a component that a chip has many of [W]."""
GAPS = (
    KeyRange(
        key="device.temperature_kelvin", least=10.0, most=70.0,
        way="{value} K, between liquid helium and liquid nitrogen; {value} degrees Celsius is written {kelvin}",
    ),
    KeyRange(
        key="device.temperature_kelvin", least=80.0, most=160.0,
        way="{value} K, colder than liquid xenon; {value} degrees Celsius is written {kelvin}",
    ),
    KeyRange(key="device.drift.reference_kelvin", least=10.0, most=70.0, way=_KELVIN),
    KeyRange(key="device.drift.reference_kelvin", least=80.0, most=160.0, way=_KELVIN),
    KeyRange(
        key="device.write.endurance", least=0.0, most=50.0,
        way="{value} pulses in the life of a cell; ten to the power of {value} is written 1e{value}",
    ),
)  # fmt: skip
"""Where a value between the two ends is doubted: nothing is used there, but another unit is often meant."""


def _group_ranges() -> dict[str, list[tuple[str, KeyRange]]]:
    groups: dict[str, list[tuple[str, KeyRange]]] = {}
    for known in KEY_RANGES:
        section, _, name = known.key.rpartition(".")
        groups.setdefault(section, []).append((name, known))
    return groups


_SECTIONS = _group_ranges()


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
    for section, ranges in _SECTIONS.items():
        for owner in _find_owners(hardware, section):
            for name, known in ranges:
                value = owner.get(name)
                if value and isinstance(value, (int, float)) and not known.least <= value <= known.most:
                    return write_doubt(known, known.key, value)
    for known in GAPS:
        for key, value in find_values(hardware, known.key):
            if known.least < value < known.most:
                return write_doubt(known, key, value)
    for key, rating, per in find_ratings(hardware):
        found = _find_rating_doubt(key, rating, per)
        if found:
            return found
    return ""


def _find_rating_doubt(key: str, rating: Any, per: str) -> str:
    numbers = vars(rating)
    for known in RATING_RANGES:
        value = numbers.get(known.key)
        if value and isinstance(value, (int, float)) and not known.least <= value <= known.most:
            return write_doubt(known, f"{key}.{known.key}", float(value))
    for name in ("power_watt", "leakage_watt"):
        power = numbers[name]
        if power > LARGEST_POWER_WATT.get(per, LARGEST_SHARE_WATT):
            return f"{key}.{name}: {power:.4g} W each; {power:.4g} mW is written {power * 1e-3:.4g}"
    area = numbers["area_m2"]
    if area > SMALL_UNITS.get(per, LARGEST_AREA_M2):
        return (
            f"{key}.area_m2: {area:.4g} m2 for one of each {per}; {area:.4g} um2 is written {area * 1e-12:.4g}, "
            f"mm2 {area * 1e-6:.4g}"
        )
    return ""


def write_doubt(known: KeyRange, key: str, value: float) -> str:
    """Return what is said of a value out of its range.

    Parameters
    ----------
    known : KeyRange
        The range.
    key : str
        Key with its value.
    value : float
        In the unit of the key.

    Returns
    -------
    str
        One line.
    """
    shown = {name: f"{value * factor:.4g}" for name, factor in _FACTORS.items()}
    return f"{key}: {known.way.format_map({**shown, 'kelvin': f'{value + 273.15:.5g}'})}"


def find_values(hardware: Any, key: str) -> Iterator[tuple[str, float]]:
    """Return the values of a key that are numbers.

    Parameters
    ----------
    hardware : Hardware
        A record.
    key : str
        Dotted key; ``*`` stands for every item of a list.

    Returns
    -------
    iterator of tuple of str and float
        The key and its value; several where the value is a list, none where it is no number.
    """
    section, _, name = key.rpartition(".")
    for owner in _find_owners(hardware, section):
        found = owner.get(name)
        for each in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(each, (int, float)) and not isinstance(each, bool):
                yield key, float(each)


def _find_owners(hardware: Any, section: str) -> list[Mapping[str, Any]]:
    """Return the keys of a section, one mapping for each item where it is a list; nothing where it is left out."""
    owners = [hardware]
    for part in section.split("."):
        if part == "*":
            owners = [item for owner in owners for item in owner]
        else:
            owners = [found for owner in owners if (found := _list_keys(owner).get(part)) is not None]
    return [_list_keys(owner) for owner in owners]


def _list_keys(owner: Any) -> Mapping[str, Any]:
    return owner if isinstance(owner, Mapping) else getattr(owner, "__dict__", {})


def find_ratings(hardware: Any) -> Iterator[tuple[str, Any, str]]:
    """Return every rating of the components.

    Parameters
    ----------
    hardware : Hardware
        A record.

    Returns
    -------
    iterator of tuple of str, Rating and str
        Dotted key, rating, and what it is counted per; of components, of their tables and of their parts.
    """
    for name, component in hardware.components.items():
        yield from _walk_ratings(f"components.{name}", component, component.per)


def _walk_ratings(key: str, component: Any, per: str) -> Iterator[tuple[str, Any, str]]:
    yield key, component, per
    for place, rating in (component.table or {}).items():
        yield f"{key}.table.{place}", rating, per
    for name, part in (vars(component).get("parts") or {}).items():
        yield from _walk_ratings(f"{key}.parts.{name}", part, per)
