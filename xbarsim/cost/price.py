"""Energy, delay and area from counts and cycles: in total, by layer and by component.

The energy of one inference is the sum over all actions of their energy, plus the static power of the components during
the time between two inferences. The area is that of the chip as configured, including unused tiles and I/O. A layer
has the share of its arrays in cores and tiles. Unused arrays and chip-wide components have a record of their own, so
that the parts sum to the total.

Neglected: wiring and white space between tiles, clock distribution where no component carries it, and the first
programming of a chip that holds all weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xbarsim.component import (
    action_energy,
    count_instances,
    idle_power,
    is_off_chip,
    rate_component,
    write_energy,
)
from xbarsim.component.law import CostLaw, WriteLaw
from xbarsim.config import Hardware
from xbarsim.config.verify import mean_pulses
from xbarsim.cost.array_read import AssumedReads, assume_reads
from xbarsim.cost.operate import Operation, operate
from xbarsim.cost.record import ComponentCost, Cost, LayerCost, Measured
from xbarsim.cost.unpriced import find_unpriced, list_priced
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing import Activity, StepActivity
from xbarsim.timing.program import program_seconds, written_cells

PROGRAMMING = "programming"
"""Name of the component record for writing cells in turns."""
REST = "chip"
"""Name of the record for unused arrays, chip-wide components and off-chip traffic."""


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

    @classmethod
    def make(cls, hardware: Hardware) -> PriceList:
        """Return the prices of a hardware record."""
        tags = list_prices(hardware)
        reads = assume_reads(hardware) if any(tag.reads_arrays for tag in tags.values()) else None
        return cls(hardware=hardware, tags=tags, reads=reads, priced=list_priced(hardware))


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


def _list_all(plan: Plan) -> list[PriceList]:
    """Return one price list for each hardware record of a plan, that of the whole chip first."""
    lists = [PriceList.make(plan.hardware)]
    for layer in plan.layers:
        if all(layer.hardware is not each.hardware for each in lists):
            lists.append(PriceList.make(layer.hardware))
    return lists


def _has_write_law(hardware: Hardware) -> bool:
    """Tell whether a component of the file carries the energy of writing cells."""
    return any(isinstance(component, WriteLaw) for component in hardware.components.values())


def _find_list(lists: list[PriceList], hardware: Hardware) -> PriceList:
    """Return the prices of a hardware record."""
    return next(each for each in lists if each.hardware is hardware)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bill:
    """One inference, priced layer by layer."""

    plan: Plan
    """Network on hardware."""
    activity: Activity
    """What was counted for it."""
    lists: tuple[PriceList, ...]
    """Prices of each hardware in use, the chip's own first."""
    parts: tuple[LayerCost, ...]
    """Every step of the machine, and the rest."""


def price(plan: Plan, activity: Activity, *, measured: Mapping[str, Measured] | None = None) -> Cost:
    """Return the cost of one inference.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    activity : Activity
        Result of :func:`~xbarsim.timing.simulate_plan`.
    measured : mapping, optional
        Layer name -> cell level and input activity measured in a simulation.

    Returns
    -------
    Cost
        Total cost, with its parts by layer and by component.
    """
    lists = _list_all(plan)
    parts: list[LayerCost] = []
    for step in activity.steps:
        hardware = step.layer.hardware if step.layer else plan.hardware
        prices = _find_list(lists, hardware)
        tags = prices.tags
        at = None if step.layer is None else operate(step.layer, (measured or {}).get(step.name), prices.reads)
        energy = _price_actions(hardware, tags, step.counts, at)
        area: dict[str, float] = {}
        if step.layer is not None:
            if step.counts.get("write") and not _has_write_law(hardware):
                energy[PROGRAMMING] = step.counts["write"] * write_energy(step.layer.hardware)
            held = step.layer.arrays * plan.arrays_held / plan.arrays
            for name, joule in price_idle(tags, held, activity.interval_s).items():
                energy[name] = energy.get(name, 0.0) + joule
            area = share_area(tags, held)
        parts.append(_layer_cost(step, step.layer, energy, area, plan.hardware.clock_hz))
    parts.append(_price_rest(plan, lists[0].tags, activity.interval_s))
    return _sum_up(Bill(plan=plan, activity=activity, lists=tuple(lists), parts=tuple(parts)))


def _price_actions(
    hardware: Hardware, tags: Tags, counts: Mapping[str, int | float], at: Operation | None
) -> dict[str, float]:
    """Return the energy of the counted actions, by component."""
    energy = {}
    for name, tag in tags.items():
        count = counts.get(tag.action, 0)
        each = tag.action_joule
        # with the assumptions of the file, components cost what their tags say, but for array reads
        if count and at is not None and (tag.reads_arrays or not at.is_assumed):
            each = action_energy(rate_component(name, hardware, **at.conditions))
        if count and each:
            energy[name] = count * each
    return energy


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


def _layer_cost(
    step: StepActivity, layer: LayerPlan | None, energy: dict[str, float], area: dict[str, float], clock: float
) -> LayerCost:
    return LayerCost(
        name=step.name,
        kind=step.kind,
        crossbars=layer.crossbars if layer else 0,
        arrays=layer.arrays if layer else 0,
        replication=layer.replicas if layer else 1,
        utilization=layer.utilization if layer else 0.0,
        windows=step.windows,
        rounds=layer.rounds if layer else 1,
        index_table_bits=sum(layer.epitome.table_bits.values()) if layer and layer.epitome else 0,
        macs=layer.macs if layer else 0,
        operations=step.operations,
        start_s=step.start_cycles / clock,
        finish_s=step.finish_cycles / clock,
        busy_s=step.busy_cycles / clock,
        energy_joule=math.fsum(energy.values()),
        area_m2=math.fsum(area.values()),
        energy_by_component=energy,
        area_by_component=area,
    )


def _price_rest(plan: Plan, tags: Tags, interval_s: float) -> LayerCost:
    """Return the record of unused array slots and of what belongs to whole chips."""
    unused = plan.tiles * plan.arrays_per_tile - plan.arrays_held
    energy, area = price_idle(tags, unused, interval_s), share_area(tags, unused)
    for name, tag in tags.items():
        if tag.is_chip:
            area[name] = tag.count_chips(plan) * tag.area_m2
            if tag.idle_watt:
                energy[name] = tag.count_chips(plan) * tag.idle_watt * interval_s
    return LayerCost(
        name=REST, kind=REST, arrays=unused, energy_joule=math.fsum(energy.values()), area_m2=math.fsum(area.values()),
        energy_by_component=energy, area_by_component=area,
    )  # fmt: skip


def _by_component(bill: Bill) -> tuple[ComponentCost, ...]:
    """Cut the same energy and area by component."""
    plan, activity, lists, parts = bill.plan, bill.activity, bill.lists, bill.parts
    share = plan.arrays_held / plan.arrays
    held: list[tuple[float, Tags]] = []
    for each in lists:
        arrays: float = plan.tiles * plan.arrays_per_tile - plan.arrays_held if each is lists[0] else 0
        for layer in plan.layers:
            if layer.hardware is each.hardware:
                arrays += layer.arrays * share
        held.append((arrays, each.tags))
    totals = activity.totals
    found = []
    for name, own in lists[0].tags.items():
        if own.is_chip:
            shares: list[tuple[float, Tag]] = [(own.count_chips(plan), own)]
        else:
            shares = [(arrays, tags[name]) for arrays, tags in held]
        idle = math.fsum(count * tag.idle_watt for count, tag in shares) * activity.interval_s
        energy = math.fsum(part.energy_by_component.get(name, 0.0) for part in parts)
        found.append(
            ComponentCost(
                component=name,
                action=own.action,
                actions=totals.get(own.action, 0),
                instances=math.fsum(count * tag.instances for count, tag in shares),
                action_energy_joule=max(0.0, energy - idle),
                idle_energy_joule=idle,
                energy_joule=energy,
                area_m2=math.fsum(part.area_by_component.get(name, 0.0) for part in parts),
            )
        )
    energy = math.fsum(part.energy_by_component.get(PROGRAMMING, 0.0) for part in parts)
    if energy:
        found.append(
            ComponentCost(
                component=PROGRAMMING, action="write", actions=totals.get("write", 0), instances=plan.arrays_held,
                action_energy_joule=energy, idle_energy_joule=0.0, energy_joule=energy, area_m2=0.0,
            )
        )  # fmt: skip
    return tuple(found)


def _sum_up(bill: Bill) -> Cost:
    plan, activity, parts = bill.plan, bill.activity, bill.parts
    energy, area = math.fsum(part.energy_joule for part in parts), math.fsum(part.area_m2 for part in parts)
    throughput = 1 / activity.interval_s
    return Cost(
        energy_joule=energy,
        delay_s=activity.delay_s,
        throughput_hz=throughput,
        area_m2=area,
        cycles=activity.cycles,
        crossbars=plan.crossbars,
        arrays=plan.arrays_held,
        tiles=plan.tiles,
        utilization=plan.utilization,
        layers=parts,
        components=_by_component(bill),
        turns=plan.turn_count,
        programming_s=math.fsum(program_seconds(plan)),
        programming_joule=math.fsum(written_cells(layer) * write_energy(layer.hardware) for layer in plan.layers),
        lifetime_inferences=_lifetime(plan),
        unpriced=find_unpriced(
            activity.steps, {id(each.hardware): each.priced for each in bill.lists}, id(plan.hardware)
        ),
    )


def _lifetime(plan: Plan) -> float | None:
    """Return the inferences until the first cells are worn out; None where they are not rewritten or it is unknown.

    Every turn may write every cell that it holds, so that cells of arrays used in all turns are written in each.
    """
    lives = [
        device.write.endurance / mean_pulses(device)
        for device in (layer.hardware.device for layer in plan.layers)
        if device.write is not None and device.write.endurance is not None
    ]
    return min(lives) / plan.turn_count if plan.turn_count > 1 and lives else None
