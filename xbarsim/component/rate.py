"""Rating of one instance of a component on the hardware of a layer."""

from __future__ import annotations

from xbarsim.component.law import OperatingPoint, Rated
from xbarsim.component.supply import supply_rating
from xbarsim.config import Hardware, Rating
from xbarsim.kept import KeptResults

_RATINGS: KeptResults[Rating] = KeptResults(4096)


def rate_component(
    name: str,
    hardware: Hardware,
    *,
    mean_level: float | None = None,
    input_activity: float | None = None,
    array_watt: float | None = None,
) -> Rating:
    """Return the rating of one instance of a component on some hardware.

    Parameters
    ----------
    name : str
        Key of ``hardware.components``.
    hardware : Hardware
        Hardware of the layer: resolution, array size and device decide.
    mean_level, input_activity : float, optional
        Mean level of the cells that hold weights and mean squared input, as fractions; those that the hardware file
        assumes where they are left out [-].
    array_watt : float, optional
        Mean power of an array over the pulses of a read; that of a full one where it is left out [W].

    Returns
    -------
    Rating
        Power [W], area [m2], rate [Hz] and energy of one action [J], by the law of the component.

    Warns
    -----
    ModelRangeWarning
        Once for each key outside a component's table, where the nearest two entries are extrapolated.
    """
    if mean_level is None and input_activity is None and array_watt is None:
        key = (id(hardware), name)
        found = _RATINGS.get(key)
        if found is not None:
            return found
        assumed = (hardware.assumed_level, hardware.activity.input_activity, None)
        return _RATINGS.put(key, (hardware,), _rate(name, hardware, *assumed))
    level = hardware.assumed_level if mean_level is None else mean_level
    activity = hardware.activity.input_activity if input_activity is None else input_activity
    return _rate(name, hardware, level, activity, array_watt)


def _rate(name: str, hardware: Hardware, level: float, activity: float, watt: float | None) -> Rating:
    component = hardware.components[name]
    law: Rated = component  # type: ignore[assignment]
    rating = law.rate(OperatingPoint(name, hardware, level, activity, watt))
    return supply_rating(rating, component, hardware)
