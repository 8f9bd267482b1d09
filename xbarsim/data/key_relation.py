"""Relations between keys of hardware files that hold in published chips; where one does not, a unit is wrong.

Each relation looks at a hardware record and returns one line with its figures and the way out, nothing where all is
well. Limits are wide, as those of :mod:`xbarsim.data.key_range`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xbarsim.data.key_range import KeyRange, find_ratings, find_values, write_doubt

LARGEST_OFFSET = 0.25
"""Largest error of converters in steps, relative to their number of codes."""
LARGEST_DENSITY = 1e8
"""Largest power of a component in one square metre of it [W/m2]; processors have 1e6, single converters 1e7."""
SLOWEST_HZ = 3e4
"""Rate of a component below which an action of more than 1 nJ means another unit [Hz]; converters of implants are
slower and take less."""
LARGEST_RATIO = 1e13
"""Largest ratio of on to off conductance; oxide semiconductors reach 3e12 (Belmonte et al., IEDM 2020)."""
SMALLEST_RATIO = 1.02
"""Smallest such ratio; magnetic junctions have 1.5 to 3."""
LONGEST_READ_S = 1e6
"""Longest read that is doubted [s]; hardware with longer ones is refused for its cycles. Our choice."""
_SIEMENS = "{value} S, more than a cell conducts; {value} uS is written {micro}, nS {nano}"
_SERIES = "{value} ohm, many times the resistance of a cell; {value} mohm is written {milli}"
CELL_RANGES = (
    KeyRange(key="device.relaxation.sigma_siemens", most=1.0, way=_SIEMENS),
    KeyRange(key="device.relaxation.growth_siemens", most=0.5, way=_SIEMENS),
    KeyRange(key="device.relaxation.mean_siemens", most=0.5, way=_SIEMENS),
    KeyRange(key="crossbar.g_leak_siemens", most=0.1, way=_SIEMENS),
    KeyRange(key="crossbar.r_source_ohm", most=4.0, way=_SERIES),
    KeyRange(key="crossbar.r_sink_ohm", most=4.0, way=_SERIES),
    KeyRange(key="crossbar.r_access_ohm", most=20.0, way=_SERIES),
)
"""Ranges of sizes, relative to the conductance or resistance of a cell in the on state."""
_TARGETS = np.linspace(0, 1, 11)
"""Targets, relative to the range of conductances, at which the polynomials of laws are evaluated [-]. Our choice."""
LSB_KEYS = (
    "adc.offset_sigma_lsb", "adc.noise_lsb", "adc.inl_lsb", "adc.settings.offset_sigma_lsb",
    "adc.settings.comparator_sigma_lsb",
)  # fmt: skip
"""Errors of converters that are given in steps."""


def find_relation_doubt(hardware: Any) -> str:
    """Return the first relation of keys that does not hold, with the way out.

    Parameters
    ----------
    hardware : Hardware
        Its record.

    Returns
    -------
    str
        One line; nothing where all is well.
    """
    return next((text for relation in RELATIONS if (text := relation(hardware))), "")


def _cell_sizes(hardware: Any) -> str:
    on = float(hardware.device.g_on_siemens)
    for known in CELL_RANGES:
        cell = on if known.key.endswith("_siemens") else 1 / on
        for key, value in find_values(hardware, known.key):
            if abs(value) > known.most * cell:
                return write_doubt(known, key, value)
    return ""


def _conductance_ratio(hardware: Any) -> str:
    on, off = float(hardware.device.g_on_siemens), float(hardware.device.g_off_siemens)
    if off > 0 and not SMALLEST_RATIO <= on / off <= LARGEST_RATIO:
        return (
            f"device.g_off_siemens: {off:.4g} S, a ratio of {on / off:.4g} to g_on_siemens: {on:.4g} S; give both in "
            "siemens (uS is written e-6, nS e-9)"
        )
    return ""


def _deviation(hardware: Any) -> str:
    """Standard deviations given as polynomials of the target, over all targets."""
    device, on = hardware.device, float(hardware.device.g_on_siemens)
    laws = [("device.programming.sigma_siemens", device.programming.sigma_siemens)]
    laws += [("device.relaxation.later[].sigma_siemens", each.sigma_siemens) for each in device.relaxation.later]
    for key, law in laws:
        if len(law) and (most := float(np.polynomial.polynomial.polyval(_TARGETS, law).max())) > on:
            return (
                f"{key}: a standard deviation of {most:.4g} S, more than the on conductance of {on:.4g} S; "
                f"{most:.4g} uS is written {most * 1e-6:.4g}"
            )
    return ""


def _voltages(hardware: Any) -> str:
    device = hardware.device
    read, write, iv = float(device.read_volt), device.write, device.iv
    if write is not None and read > 1.25 * write.volt:  # a little above in cells that are read at another node
        return (
            f"device.read_volt: {read:.4g} V is above device.write.volt: {write.volt:.4g} V, so that reads would "
            "write; give both in volts"
        )
    curve = {} if iv is None else vars(iv)
    scale, threshold = curve.get("scale_volt"), curve.get("threshold_volt")
    if scale is not None and read > 20 * scale:
        return (
            f"device.iv.scale_volt: {scale:.4g} V, of which device.read_volt: {read:.4g} V is {read / scale:.4g} "
            "times; published fits have 0.1 to 1 V"
        )
    if threshold is not None and read < threshold - 10 * curve["width_volt"]:
        return (
            f"device.iv.threshold_volt: {threshold:.4g} V is above device.read_volt: {read:.4g} V, so that selectors "
            "stay off in every read; read above the threshold"
        )
    return ""


def _stuck(hardware: Any) -> str:
    stuck = hardware.device.stuck
    both = stuck.on_rate + stuck.off_rate
    if both > 0.5:
        return f"device.stuck: {100 * both:.4g} % of the cells are stuck; 1 % is written 0.01"
    return ""


def _drift(hardware: Any) -> str:
    drift = hardware.device.drift
    if isinstance(drift.nu, (int, float)) and drift.nu < 0:
        return (
            f"device.drift.nu: {drift.nu:.4g}, with which conductances grow; the law is (t / t0)**-nu with nu above 0"
        )
    if 0 < drift.time_s < drift.reference_s:
        return (
            f"device.drift.time_s: {drift.time_s:.4g} s is before reference_s: {drift.reference_s:.4g} s, so that "
            "nothing drifts; an hour is written 3600, a day 86400"
        )
    return ""


def _steps(hardware: Any) -> str:
    adc = hardware.adc
    if not isinstance(adc.bits, int):
        return ""
    for name in LSB_KEYS:
        for key, value in find_values(hardware, name):
            if abs(value) > LARGEST_OFFSET * 2**adc.bits:
                return (
                    f"{key}: {value:.4g} steps of a converter that has {2**adc.bits:,}; "
                    "an error in volts is divided by the step"
                )
    return ""


def _saturation(hardware: Any) -> str:
    limit, device = hardware.adc.saturation_ampere, hardware.device
    if limit is None:
        return ""
    cell = float(device.g_on_siemens * device.read_volt)
    column = cell * hardware.crossbar.rows
    if 0.5 * cell <= limit <= 1e4 * column:
        return ""
    return (
        f"adc.saturation_ampere: {limit:.4g} A, where a cell gives {cell:.4g} A and a whole column {column:.4g} A; "
        f"{limit:.4g} uA is written {limit * 1e-6:.4g}, nA {limit * 1e-9:.4g}"
    )


def _read_time(hardware: Any) -> str:
    timing = hardware.timing
    read = timing.read_cycles / timing.clock_hz
    if read > LONGEST_READ_S:
        return ""
    if read > 1e-2:
        return (
            f"timing.read_cycles: {timing.read_cycles} cycles of {timing.clock_hz:.4g} Hz are {read:.4g} s for one "
            "read of an array; cycles are no time, and 100 MHz is written 100e6"
        )
    pulse = timing.pulse_s
    if isinstance(pulse, float) and pulse < 1e-6 * read:
        return (
            f"timing.pulse_s: {pulse:.4g} s, where one read takes {read:.4g} s (read_cycles / clock_hz); "
            "10 ns is written 10e-9"
        )
    return ""


def _converter_share(hardware: Any) -> str:
    per, cols = hardware.adc.per_array, hardware.crossbar.cols
    if per > cols:
        return f"adc.per_array: {per:.4g} converters for {cols} columns; columns that share one are written as cols / n"
    return ""


def _supply(hardware: Any) -> str:
    timing, process = hardware.timing, hardware.process
    if process is None:
        return ""
    known = [("timing.supply.volt", timing.supply)]
    known += [(f"{key}.supply.volt", vars(each).get("supply")) for key, each, _ in find_ratings(hardware)]
    for key, supply in known:
        if supply is not None and not 0.25 < supply.volt / process.supply_volt < 4:
            return (
                f"{key}: {supply.volt:.4g} V, where process.supply_volt is {process.supply_volt:.4g} V; "
                "give both in volts"
            )
    return ""


def _rating(hardware: Any) -> str:
    """Power against area, energy and leakage of one component."""
    for key, rating, _ in find_ratings(hardware):
        power, area, leakage = rating.power_watt, rating.area_m2, rating.leakage_watt
        rate, energy = rating.rate_hz, rating.energy_joule
        is_rated = not vars(rating).get("from_device")  # else the power is that of the cells
        if is_rated and area and power / area > LARGEST_DENSITY:
            return (
                f"{key}.power_watt: {power:.4g} W on {area:.4g} m2 are {power / area * 1e-6:.4g} W/mm2; mW is written "
                "e-3, um2 e-12, mm2 e-6"
            )
        if rate and rate < SLOWEST_HZ and not 0 < power / rate < 1e-9:
            return f"{key}.rate_hz: {rate:.4g} Hz; {rate:.4g} MHz is written {rate * 1e6:.4g}, GHz {rate * 1e9:.4g}"
        if rate and power / rate > 1e-6:
            return (
                f"{key}.rate_hz: {power:.4g} W at {rate:.4g} Hz are {power / rate:.4g} J for one action; MHz is "
                "written e6, mW e-3"
            )
        if energy and rate and energy * rate > 1e3:
            return f"{key}.energy_joule: {energy:.4g} J at {rate:.4g} Hz are {energy * rate:.4g} W; pJ is written e-12"
        if energy and leakage > 1e6 * energy * (rate or 1e9):
            return f"{key}.leakage_watt: {leakage:.4g} W beside {energy:.4g} J for one action; nW is written e-9"
    return ""


RELATIONS: tuple[Callable[[Any], str], ...] = (
    _cell_sizes, _conductance_ratio, _deviation, _voltages, _stuck, _drift, _steps, _saturation, _read_time,
    _converter_share, _supply, _rating,
)  # fmt: skip
"""All relations, in the order in which they are asked."""
