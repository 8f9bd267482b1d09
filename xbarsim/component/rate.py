"""Rating of one instance of a component on the hardware of a layer."""

from __future__ import annotations

from xbarsim.component.law import OperatingPoint, Rated
from xbarsim.config import Hardware, Rating


def rate_component(
    name: str, hardware: Hardware, *, mean_level: float | None = None, input_activity: float | None = None
) -> Rating:
    """Return the rating of one instance of a component on some hardware.

    Parameters
    ----------
    name : str
        Key of ``hardware.components``.
    hardware : Hardware
        Hardware of the layer: resolution, array size and device decide.
    mean_level, input_activity : float, optional
        As in ``hardware.activity``, which holds where they are left out [-].

    Returns
    -------
    Rating
        Power [W], area [m2], rate [Hz] and energy of one action [J], by the law of the component.

    Warns
    -----
    ModelRangeWarning
        Once for each key outside a component's table, where the nearest two entries are extrapolated.
    """
    assumed = hardware.activity
    law: Rated = hardware.components[name]  # type: ignore[assignment]
    return law.rate(
        OperatingPoint(
            name,
            hardware,
            assumed.mean_level if mean_level is None else mean_level,
            assumed.input_activity if input_activity is None else input_activity,
        )
    )
