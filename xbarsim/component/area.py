"""Number of instances of a component, and their share of the area of a chip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xbarsim.component.action import OFF_CHIP
from xbarsim.component.rate import rate_component
from xbarsim.config import Component, Hardware
from xbarsim.config.chip import ChipSize


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
    return math.fsum(
        count_instances(component, hardware, "array") * rate_component(name, hardware).area_m2
        for name, component in hardware.components.items()
        if component.per != "chip"
    )


def is_off_chip(name: str, hardware: Hardware) -> bool:
    """Tell whether a component is off-chip I/O, which is not part of the core area.

    Parameters
    ----------
    name : str
        Key of ``hardware.components``.
    hardware : Hardware
        The accelerator.

    Returns
    -------
    bool
        Whether it is charged for the action ``off_chip``.
    """
    return (hardware.components[name].action or name) == OFF_CHIP


def shared_area(hardware: Hardware, *, off_chip: bool) -> float:
    """Return the area of components of a whole chip.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.
    off_chip : bool
        Whether to return that of off-chip I/O of a full chip, or that of all others.

    Returns
    -------
    float
        Area of those components that are counted for a chip [m2].
    """
    return math.fsum(
        component.count * rate_component(name, hardware).area_m2
        for name, component in hardware.components.items()
        if component.per == "chip" and is_off_chip(name, hardware) == off_chip
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChipArea:
    """Parts of the area of all chips."""

    layer_m2: tuple[float, ...]
    """One array of every layer, with its share of core and tile [m2]."""
    unused_m2: float
    """The same for an array that no layer uses [m2]."""
    shared_m2: float
    """Components of a whole chip, without off-chip I/O [m2]."""
    off_chip_m2: float
    """Off-chip I/O of a full chip [m2]."""
    chip: ChipSize
    """Hierarchy of the chip, which tells the share of its tiles in a full chip."""

    def sum_up(self, held: Sequence[int], tiles_per_chip: int, chips: int) -> float:
        """Return the area of all chips.

        Parameters
        ----------
        held : sequence of int
            Arrays of every layer.
        tiles_per_chip : int
            Tiles of a chip, unused ones included.
        chips : int
            Chips.

        Returns
        -------
        float
            Area [m2].
        """
        used = math.fsum(count * each for count, each in zip(held, self.layer_m2))
        slots = tiles_per_chip * chips * self.chip.arrays_per_tile
        shared = self.shared_m2 + self.off_chip_m2 * float(self.chip.off_chip_share(tiles_per_chip))
        return used + (slots - sum(held)) * self.unused_m2 + chips * shared


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
        shared_m2=shared_area(hardware, off_chip=False),
        off_chip_m2=shared_area(hardware, off_chip=True),
        chip=hardware.chip,
    )
