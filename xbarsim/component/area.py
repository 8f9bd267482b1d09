"""Number of instances of a component, and their share of the area of a chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """Return the area of components of a whole chip.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class ChipArea:
    """Parts of the area of all chips."""

    layer_m2: tuple[float, ...]
    """One array of every layer, with its share of core and tile [m2]."""
    unused_m2: float
    """The same for an array that no layer uses [m2]."""
    shared_m2: float
    """Components of a whole chip [m2]."""

    def sum_up(self, held: Sequence[int], slots: int, chips: int) -> float:
        """Return the area of all chips.

        Parameters
        ----------
        held : sequence of int
            Arrays of every layer.
        slots : int
            Arrays of all chips, unused ones included.
        chips : int
            Chips.

        Returns
        -------
        float
            Area [m2].
        """
        used = sum(count * each for count, each in zip(held, self.layer_m2))
        return used + (slots - sum(held)) * self.unused_m2 + chips * self.shared_m2


def measure_chip(hardware: Hardware, layers: Sequence[Hardware]) -> ChipArea:
    """Compute the parts of the area of all chips.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.
    layers : sequence of Hardware
        Hardware of every layer; layers usually share few records.

    Returns
    -------
    ChipArea
        Areas of arrays and of what chips share [m2].
    """
    known = [(hardware, slot_area(hardware))]
    for layer in layers:
        if all(layer is not each for each, _ in known):
            known.append((layer, slot_area(layer)))
    return ChipArea(
        layer_m2=tuple(next(area for each, area in known if each is layer) for layer in layers),
        unused_m2=known[0][1],
        shared_m2=shared_area(hardware),
    )
