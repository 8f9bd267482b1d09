"""Ratings at the supply voltage of the hardware."""

from __future__ import annotations

from xbarsim.config import Component, Hardware, Rating
from xbarsim.config.supply import Supply, interpolate_power


def scale_energy(supply: Supply, volt: float) -> float:
    """Return the energy of an action at a voltage.

    Parameters
    ----------
    supply : Supply
        Law or measured table.
    volt : float
        Voltage [V].

    Returns
    -------
    float
        As a factor of the energy at ``supply.volt`` [-].
    """
    table = supply.measured_energy
    if table is not None:
        return interpolate_power(table, volt) / interpolate_power(table, supply.volt)
    return float((volt / supply.volt) ** supply.exponent)


def supply_rating(rating: Rating, component: Component, hardware: Hardware) -> Rating:
    """Scale a rating from the voltage of a component's numbers to that of the hardware.

    Parameters
    ----------
    rating : Rating
        At ``component.supply.volt``: power [W], rate [Hz] and energy of one action [J].
    component : Component
        Its ``supply``; without one nothing changes.
    hardware : Hardware
        ``process.supply_volt``.

    Returns
    -------
    Rating
        Energy by the law of the section ``supply``, power by energy and rate, static power by its own exponent.
    """
    supply, volt = component.supply, hardware.supply_volt
    if supply is None or volt is None:
        return rating
    energy, rate = scale_energy(supply, volt), supply.scale_rate(volt)
    leakage = (volt / supply.volt) ** supply.leakage_exponent
    moving = max(0.0, rating.power_watt - rating.leakage_watt)
    return Rating.model_construct(
        power_watt=moving * energy * rate + min(rating.power_watt, rating.leakage_watt) * leakage,
        area_m2=rating.area_m2,
        rate_hz=None if rating.rate_hz is None else rating.rate_hz * rate,
        energy_joule=None if rating.energy_joule is None else rating.energy_joule * energy,
        leakage_watt=rating.leakage_watt * leakage,
    )
