"""Peak rating of a tile and a chip: all components at their rated power, all arrays reading without a pause."""

from __future__ import annotations

from dataclasses import dataclass

from xbarsim.component import action_energy, count_instances, rate_component
from xbarsim.config import Hardware
from xbarsim.mvm import stream_count
from xbarsim.mvm.layout import count_slices, usable_columns
from xbarsim.timing.slots import pass_cycles, sweep_period


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Peak figures; an operation is a multiplication or an addition, two for each multiply-accumulate."""

    tops: float
    """Operations per second with full arrays [1e12/s]."""
    power_watt: float
    """Sum of the rated power of all components [W]."""
    area_m2: float
    """Area of all components [m2]."""

    @property
    def tops_per_watt(self) -> float:
        """Operations per joule [1e12/J]."""
        return self.tops / self.power_watt if self.power_watt else 0.0

    @property
    def tops_per_mm2(self) -> float:
        """Operations per second and square millimetre [1e12/s/mm2]."""
        return self.tops / (self.area_m2 * 1e6) if self.area_m2 else 0.0


def rate_tile(hardware: Hardware) -> Peak:
    """Return the peak rating of a tile, including its share of components that several tiles use together.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    Peak
        Tile without chip-wide components.
    """
    power, area = _rate_parts(hardware, "tile")
    return Peak(tops=_tile_ops(hardware) * 1e-12, power_watt=power, area_m2=area)


def rate_chip(hardware: Hardware) -> Peak | None:
    """Return the peak rating of a chip.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    Peak or None
        None where ``chip.tiles`` is auto.
    """
    tiles = hardware.chip.tiles
    if tiles == "auto":
        return None
    tile = rate_tile(hardware)
    power, area = _rate_parts(hardware, "chip")
    return Peak(tops=tile.tops * tiles, power_watt=tile.power_watt * tiles + power, area_m2=tile.area_m2 * tiles + area)


def rated_power(name: str, hardware: Hardware) -> float:
    """Return the power of one instance at full speed [W]."""
    rating = rate_component(name, hardware)
    if rating.power_watt or not action_energy(rating):
        return rating.power_watt
    component = hardware.components[name]
    rate = rating.rate_hz
    if rate is None and component.action in ("array", None) and name == "array":
        rate = hardware.clock_hz / hardware.read_cycles
    return rating.leakage_watt + action_energy(rating) * (rate or 0.0)


def _rate_parts(hardware: Hardware, per: str) -> tuple[float, float]:
    """Return power and area of the components of one tile, or of those that belong to one chip."""
    power = area = 0.0
    for name, component in hardware.components.items():
        if (component.per == "chip") != (per == "chip"):
            continue
        instances = component.count if per == "chip" else count_instances(component, hardware, "tile")
        power += instances * rated_power(name, hardware)
        area += instances * rate_component(name, hardware).area_m2
    return power, area


def _tile_ops(hardware: Hardware) -> float:
    """Return the operations a second of a tile whose arrays are full and read without a pause."""
    chip, crossbar = hardware.chip, hardware.crossbar
    arrays = chip.arrays_per_tile / hardware.arrays_per_crossbar
    macs = crossbar.rows * usable_columns(hardware) / count_slices(hardware)
    streams = stream_count(hardware.activation_bits, hardware.dac.bits, signed=False)
    occupancy, _ = pass_cycles(hardware, streams, sweep_period(hardware, usable_columns(hardware)))
    return 2 * arrays * macs * hardware.clock_hz / occupancy
