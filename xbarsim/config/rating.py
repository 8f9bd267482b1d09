"""What one instance of a component costs at the resolution and array size of a layer."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping

from xbarsim.config.hardware import Component, Hardware, Rating
from xbarsim.config.scaling import Process, scale_area, scale_energy
from xbarsim.config.survey import survey_area, survey_energy
from xbarsim.errors import ModelRangeWarning

_warned: set[tuple[str, int]] = set()


def rate_component(name: str, hardware: Hardware) -> Rating:
    """Work out the rating of one instance of a component on some hardware.

    Parameters
    ----------
    name : str
        Key of ``hardware.components``.
    hardware : Hardware
        Hardware of the layer: resolution, array size and device decide.

    Returns
    -------
    Rating
        Table looked up or interpolated (or the survey's converter), scaled to the cells of the array and to the
        technology of the hardware, energy of an array read worked out.

    Warns
    -----
    ModelRangeWarning
        Once for each key outside a component's table, where the nearest two entries are extrapolated.
    """
    component = hardware.components[name]
    rating: Rating = component
    if component.table:
        key = hardware.crossbar.rows if component.by == "rows" else _bits(component.action or name, hardware)
        rating = interpolate_rating(component.table, key, f"components.{name}")
    if component.survey:
        rating = _survey(component, _bits(component.action or name, hardware), component.process or hardware.process)
    elif component.process and hardware.process and component.process != hardware.process:
        rating = _rescale(rating, component.process, hardware.process)
    scale = 1.0 if component.cells is None else hardware.crossbar.rows * hardware.crossbar.cols / component.cells
    energy = read_energy(hardware) if component.from_device else rating.energy_joule
    if scale == 1.0 and energy == rating.energy_joule:
        return rating
    return Rating.model_construct(
        power_watt=rating.power_watt * scale,
        area_m2=rating.area_m2 * scale,
        rate_hz=rating.rate_hz,
        energy_joule=energy if component.from_device or energy is None else energy * scale,
        leakage_watt=rating.leakage_watt * scale,
    )


def _survey(component: Component, bits: int, process: Process | None) -> Rating:
    assert component.rate_hz is not None
    assert process is not None
    energy = survey_energy(bits, component.rate_hz)
    return Rating.model_construct(
        power_watt=energy * component.rate_hz + component.leakage_watt,
        area_m2=survey_area(bits, component.rate_hz, process.node_m),
        rate_hz=component.rate_hz,
        energy_joule=energy,
        leakage_watt=component.leakage_watt,
    )


def _rescale(rating: Rating, old: Process, new: Process) -> Rating:
    energy = scale_energy(old, new)
    return Rating.model_construct(
        power_watt=rating.power_watt * energy,
        area_m2=rating.area_m2 * scale_area(old, new),
        rate_hz=rating.rate_hz,
        energy_joule=None if rating.energy_joule is None else rating.energy_joule * energy,
        leakage_watt=rating.leakage_watt * energy,
    )


def interpolate_rating(table: Mapping[int, Rating], key: int, name: str = "table") -> Rating:
    """Interpolate a table of ratings geometrically, and extrapolate with the slope of its last two entries.

    Parameters
    ----------
    table : mapping of int to Rating
        At least one entry.
    key : int
        Where to look.
    name : str
        Named in the warning.

    Returns
    -------
    Rating
        Every figure that both neighbours give; a figure that is zero or absent in one is absent.
    """
    if key in table:
        return table[key]
    keys = sorted(table)
    if not keys[0] < key < keys[-1] and (name, key) not in _warned:
        _warned.add((name, key))
        warnings.warn(f"{name}: {key} lies outside its table {keys}; extrapolated", ModelRangeWarning, stacklevel=3)
    if len(keys) == 1:
        return table[keys[0]]
    upper = min(max(bisect_left(keys, key), 1), len(keys) - 1)
    low, high = keys[upper - 1], keys[upper]
    share = (key - low) / (high - low)

    def between(field: str) -> float | None:
        first, second = getattr(table[low], field), getattr(table[high], field)
        return math.exp((1 - share) * math.log(first) + share * math.log(second)) if first and second else None

    return Rating.model_construct(
        power_watt=between("power_watt") or 0.0,
        area_m2=between("area_m2") or 0.0,
        rate_hz=between("rate_hz"),
        energy_joule=between("energy_joule"),
        leakage_watt=between("leakage_watt") or 0.0,
    )


def read_energy(hardware: Hardware, mean_level: float | None = None, input_activity: float | None = None) -> float:
    """Return the energy that the cells of one array dissipate in one read.

    Every cell of a driven row conducts for the length of the pulse: rows * cols * mean conductance *
    mean squared voltage * pulse. Wires and sneak paths are neglected.

    Parameters
    ----------
    hardware : Hardware
        Device, array size, pulse and clock.
    mean_level, input_activity : float, optional
        As in ``hardware.activity``, which holds where they are left out [-].

    Returns
    -------
    float
        Energy of one array and one read [J].
    """
    device, timing = hardware.device, hardware.timing
    level = hardware.activity.mean_level if mean_level is None else mean_level
    active = hardware.activity.input_activity if input_activity is None else input_activity
    conductance = device.g_off_siemens + level * (device.g_on_siemens - device.g_off_siemens)
    pulse = timing.pulse_s or hardware.read_cycles / timing.clock_hz
    return hardware.crossbar.rows * hardware.crossbar.cols * conductance * active * device.read_volt**2 * pulse


def count_instances(component: Component, hardware: Hardware, per: str) -> float:
    """Return the instances of a component in one array, core, tile or chip (``per``), those inside included.

    A component counted for something larger than ``per`` gives the share that ``per`` has in it, so that the shares
    of all parts of a chip add up to its whole.
    """
    chip, crossbar = hardware.chip, hardware.crossbar
    arrays = {
        "row": 1 / crossbar.rows, "col": 1 / crossbar.cols, "adc": 1 / hardware.adc.per_array, "array": 1,
        "core": chip.arrays_per_core, "tile": chip.arrays_per_core * chip.cores_per_tile,
    }  # fmt: skip
    return component.count * arrays[per] / arrays[component.per]


def _bits(action: str, hardware: Hardware) -> int:
    if action == "dac":
        return hardware.dac.bits
    return hardware.adc_bits or 16  # ideal converters are priced as the widest
