"""How many instances of a component there are, and what they take of a chip's area."""

from __future__ import annotations

from xbarsim.component.rate import rate_component
from xbarsim.config import Component, Hardware


def count_instances(component: Component, hardware: Hardware, per: str) -> float:
    """Return the instances of a component in one array, core, tile or chip (``per``), those inside included.

    A component counted for something larger than ``per`` gives the share that ``per`` has in it, so that the shares
    of all parts of a chip add up to its whole.

    Parameters
    ----------
    component : Component
        What is counted.
    hardware : Hardware
        Array size, converters of an array, arrays of a core and cores of a tile.
    per : str
        ``array``, ``core``, ``tile`` or ``chip``.

    Returns
    -------
    float
        Instances [-].
    """
    chip, crossbar = hardware.chip, hardware.crossbar
    arrays = {
        "row": 1 / crossbar.rows, "col": 1 / crossbar.cols, "adc": 1 / hardware.adc.per_array, "array": 1,
        "core": chip.arrays_per_core, "tile": chip.arrays_per_tile,
    }  # fmt: skip
    return component.count * arrays[per] / arrays[component.per]


def slot_area(hardware: Hardware) -> float:
    """Return the area of one array with its share of core and tile.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    float
        Area of all components that do not belong to a whole chip [m2].
    """
    return sum(
        count_instances(component, hardware, "array") * rate_component(name, hardware).area_m2
        for name, component in hardware.components.items()
        if component.per != "chip"
    )


def shared_area(hardware: Hardware) -> float:
    """Return the area of what belongs to a whole chip.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    float
        Area of all components that are counted for a chip [m2].
    """
    return sum(
        component.count * rate_component(name, hardware).area_m2
        for name, component in hardware.components.items()
        if component.per == "chip"
    )
