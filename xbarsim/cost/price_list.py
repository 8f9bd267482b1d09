"""What the components of one hardware record cost: prices of actions, static power and area of instances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xbarsim.component import action_energy, count_instances, idle_power, is_off_chip, rate_component
from xbarsim.component.law import CostLaw
from xbarsim.config import Hardware
from xbarsim.cost.array_read import AssumedReads, assume_reads
from xbarsim.cost.unpriced import list_priced
from xbarsim.kept import KeptResults
from xbarsim.mapping import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """Cost of one component with the hardware of a layer."""

    action: str
    """Action that the component is charged for."""
    action_joule: float
    """Energy of one action [J]."""
    instances: float
    """Instances for one array (a fraction where arrays share one); for one chip if ``is_chip``."""
    area_m2: float
    """Area of those instances [m2]."""
    idle_watt: float
    """Static power of those instances [W]."""
    is_chip: bool
    """Whether it belongs to a whole chip; its instances, area and power are those of a full chip."""
    is_off_chip: bool
    """Whether it is off-chip I/O, of which a chip has the share of its tiles."""
    reads_arrays: bool
    """Whether its price depends on the power of array reads, which differs from layer to layer."""

    def count_chips(self, plan: Plan) -> float:
        """Return how many full chips have as much of it as the chips of a plan."""
        share = plan.hardware.chip.off_chip_share(plan.tiles_per_chip) if self.is_off_chip else 1
        return float(plan.chips * share)


Tags = dict[str, Tag]


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceList:
    """What the components of one hardware record cost, which several layers may share."""

    hardware: Hardware
    """The record itself, not an equal one."""
    tags: Tags
    """Component -> what it costs."""
    reads: AssumedReads | None
    """Power of array reads; None where no price depends on it."""
    priced: frozenset[str]
    """Counted actions with a price."""
    idle_watt: Mapping[str, float]
    """Component -> static power of its share of one array, where there is any [W]."""

    @classmethod
    def make(cls, hardware: Hardware) -> PriceList:
        """Return the prices of a hardware record."""
        found = _LISTS.get(id(hardware))
        if found is None:
            tags = list_prices(hardware)
            reads = assume_reads(hardware) if any(tag.reads_arrays for tag in tags.values()) else None
            idle = {name: tag.idle_watt for name, tag in tags.items() if tag.idle_watt and not tag.is_chip}
            made = cls(hardware=hardware, tags=tags, reads=reads, priced=list_priced(hardware), idle_watt=idle)
            found = _LISTS.put(id(hardware), (hardware,), made)
        return found

    def share_area(self, arrays: float) -> tuple[dict[str, float], float]:
        """Return the area of a number of arrays with their share of core and tile, by component, and its sum [m2]."""
        key = (id(self), arrays)
        found = _AREAS.get(key)
        if found is None:
            area = share_area(self.tags, arrays)
            found = _AREAS.put(key, (self,), (area, math.fsum(area.values())))
        return found


_LISTS: KeptResults[PriceList] = KeptResults(512)
_AREAS: KeptResults[tuple[dict[str, float], float]] = KeptResults(4096)


def list_prices(hardware: Hardware) -> Tags:
    """Return the costs of all components by name.

    Parameters
    ----------
    hardware : Hardware
        Hardware of a layer.

    Returns
    -------
    dict
        Component -> tag.
    """
    tags = {}
    for name, component in hardware.components.items():
        rating, is_chip = rate_component(name, hardware), component.per == "chip"
        instances = component.count if is_chip else count_instances(component, hardware, "array")
        tags[name] = Tag(
            action=component.action or name,
            action_joule=action_energy(rating),
            instances=instances,
            area_m2=instances * rating.area_m2,
            idle_watt=instances * idle_power(rating),
            is_chip=is_chip,
            is_off_chip=is_off_chip(name, hardware),
            reads_arrays=isinstance(component, CostLaw) and component.reads_arrays,
        )
    return tags


def price_idle(tags: Tags, arrays: float, interval_s: float) -> dict[str, float]:
    """Return the static energy of a number of arrays with their share of core and tile.

    Parameters
    ----------
    tags : dict
        Costs of the components.
    arrays : float
        Physical arrays [-].
    interval_s : float
        Time between two inferences [s].

    Returns
    -------
    dict
        Component -> energy of one inference [J]; absent where it is zero.
    """
    return {
        name: arrays * tag.idle_watt * interval_s for name, tag in tags.items() if tag.idle_watt and not tag.is_chip
    }


def share_area(tags: Tags, arrays: float) -> dict[str, float]:
    """Return the area of a number of arrays with their share of core and tile.

    Parameters
    ----------
    tags : dict
        Costs of the components.
    arrays : float
        Physical arrays [-].

    Returns
    -------
    dict
        Component -> area [m2].
    """
    return {name: arrays * tag.area_m2 for name, tag in tags.items() if not tag.is_chip}
