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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xbarsim.component import action_energy, rate_component, write_energy
from xbarsim.component.law import WriteLaw
from xbarsim.config import Hardware
from xbarsim.config.verify import mean_pulses
from xbarsim.cost.operate import Operation, operate
from xbarsim.cost.price_list import PriceList, Tag, Tags, price_idle, share_area
from xbarsim.cost.record import ComponentCost, Cost, LayerCost, Measured
from xbarsim.cost.unpriced import find_unpriced
from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing import Activity, StepActivity
from xbarsim.timing.program import program_seconds, written_cells

PROGRAMMING = "programming"
"""Name of the component record for writing cells in turns, and operands of products."""
REST = "chip"
"""Name of the record for unused arrays, chip-wide components and off-chip traffic."""


class LayerFigures(NamedTuple):
    """What the record of a layer says of its arrays, whatever the design around it."""

    crossbars: int
    """Crossbars, a pair of opposite polarity counted once."""
    arrays: int
    """Physical arrays."""
    replication: int
    """Number of replicas."""
    utilization: float
    """Fraction of the cells that hold a weight slice [-]."""
    rounds: int
    """Consecutive rounds of array reads for one window."""
    index_table_bits: int
    """Size of the index tables of its epitome [bit]."""
    macs: int
    """Multiply-accumulate operations of one inference."""


NO_ARRAYS = LayerFigures(0, 0, 1, 0.0, 1, 0, 0)
"""Of a step without arrays."""
_ENERGIES: KeptResults[dict[str, float]] = KeptResults(4096)
_SHAPES: KeptResults[LayerFigures] = KeptResults(1024)


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
    by_hardware = {id(each.hardware): each for each in lists}
    parts: list[LayerCost] = []
    interval, clock = activity.interval_s, plan.hardware.clock_hz
    for step in activity.steps:
        layer = step.layer
        prices = lists[0] if layer is None else by_hardware[id(layer.hardware)]
        found = None if measured is None else measured.get(step.name)
        energy = _price_actions(prices, step, found)
        area: tuple[dict[str, float], float] = ({}, 0.0)
        if layer is not None:
            held = _describe_shape(layer).arrays * plan.arrays_held / plan.arrays
            for name, watt in prices.idle_watt.items():
                energy[name] = energy.get(name, 0.0) + held * watt * interval
            area = prices.share_area(held)
        parts.append(_layer_cost(step, energy, area, clock))
    parts.append(_price_rest(plan, lists[0].tags, interval))
    return _sum_up(Bill(plan=plan, activity=activity, lists=tuple(lists), parts=tuple(parts)))


def _price_actions(prices: PriceList, step: StepActivity, measured: Measured | None) -> dict[str, float]:
    """Return the energy of the counted actions, by component; a new dictionary."""
    layer = step.layer
    if measured is not None and layer is not None:
        return _work_out(prices, step, operate(layer, measured, prices.reads))
    key = (id(step.counts), id(prices), None if layer is None else (id(layer.node), layer.signed))
    found = _ENERGIES.get(key)
    if found is None:
        at = None if layer is None else operate(layer, None, prices.reads)
        records = (step.counts, prices, None if layer is None else layer.node)
        found = _ENERGIES.put(key, records, _work_out(prices, step, at))
    return found.copy()


def _work_out(prices: PriceList, step: StepActivity, at: Operation | None) -> dict[str, float]:
    hardware, counts = prices.hardware, step.counts
    energy = {}
    for name, tag in prices.tags.items():
        count = counts.get(tag.action, 0)
        each = tag.action_joule
        # with the assumptions of the file, components cost what their tags say, but for array reads
        if count and at is not None and (tag.reads_arrays or not at.is_assumed):
            each = action_energy(rate_component(name, hardware, **at.conditions))
        if count and each:
            energy[name] = count * each
    if step.layer is not None and counts.get("write") and not _has_write_law(hardware):
        energy[PROGRAMMING] = counts["write"] * write_energy(hardware)
    return energy


def _describe_shape(layer: LayerPlan) -> LayerFigures:
    key = (id(layer.node), id(layer.hardware), layer.signed, layer.replicas)
    found = _SHAPES.get(key)
    if found is None:
        tables = sum(layer.epitome.table_bits.values()) if layer.epitome else 0
        shape = LayerFigures(
            layer.crossbars, layer.arrays, layer.replicas, layer.utilization, layer.rounds, tables, layer.macs
        )
        found = _SHAPES.put(key, (layer.node, layer.hardware), shape)
    return found


def _layer_cost(
    step: StepActivity, energy: dict[str, float], area: tuple[dict[str, float], float], clock: float
) -> LayerCost:
    shape = NO_ARRAYS if step.layer is None else _describe_shape(step.layer)
    return LayerCost(
        name=step.name,
        kind=step.kind,
        crossbars=shape.crossbars,
        arrays=shape.arrays,
        replication=shape.replication,
        utilization=shape.utilization,
        windows=step.windows,
        rounds=shape.rounds,
        index_table_bits=shape.index_table_bits,
        macs=shape.macs,
        operations=step.operations,
        start_s=step.start_cycles / clock,
        finish_s=step.finish_cycles / clock,
        busy_s=step.busy_cycles / clock,
        energy_joule=math.fsum(energy.values()),
        area_m2=area[1],
        energy_by_component=energy,
        area_by_component=area[0],
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
    arrays: dict[int, float] = {id(each.hardware): 0 for each in lists}
    arrays[id(plan.hardware)] = plan.tiles * plan.arrays_per_tile - plan.arrays_held
    for step, part in zip(activity.steps, parts):
        if step.layer is not None:
            arrays[id(step.layer.hardware)] += part.arrays * share
    held = [(arrays[id(each.hardware)], each.tags) for each in lists]
    joules = _gather([part.energy_by_component for part in parts])
    areas = _gather([part.area_by_component for part in parts])
    totals = activity.totals
    found = []
    for name, own in lists[0].tags.items():
        if own.is_chip:
            shares: list[tuple[float, Tag]] = [(own.count_chips(plan), own)]
        else:
            shares = [(count, tags[name]) for count, tags in held]
        idle = math.fsum(count * tag.idle_watt for count, tag in shares) * activity.interval_s
        energy = math.fsum(joules.get(name, ()))
        found.append(
            ComponentCost(
                component=name,
                action=own.action,
                actions=totals.get(own.action, 0),
                instances=math.fsum(count * tag.instances for count, tag in shares),
                action_energy_joule=max(0.0, energy - idle),
                idle_energy_joule=idle,
                energy_joule=energy,
                area_m2=math.fsum(areas.get(name, ())),
            )
        )
    energy = math.fsum(joules.get(PROGRAMMING, ()))
    if energy:
        found.append(
            ComponentCost(
                component=PROGRAMMING, action="write", actions=totals.get("write", 0), instances=plan.arrays_held,
                action_energy_joule=energy, idle_energy_joule=0.0, energy_joule=energy, area_m2=0.0,
            )
        )  # fmt: skip
    return tuple(found)


def _gather(parts: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the parts of every component."""
    found: dict[str, list[float]] = {}
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    return found


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
        programming_joule=math.fsum(
            written_cells(layer) * write_energy(layer.hardware) for layer in plan.layers if not layer.is_product
        ),
        lifetime_inferences=_lifetime(plan),
        unpriced=find_unpriced(
            activity.steps, {id(each.hardware): each.priced for each in bill.lists}, id(plan.hardware)
        ),
    )


def _lifetime(plan: Plan) -> float | None:
    """Return the inferences until the first cells are worn out; None where they are not rewritten or it is unknown.

    Every turn may write every cell that it holds, so that cells of arrays used in all turns are written in each. Cells
    of a product are written once in each inference, or in every second one where two sets take turns.
    """
    rewritten = [layer for layer in plan.layers if plan.turn_count > 1 or layer.is_product]
    lives = [
        device.write.endurance / mean_pulses(device) * sets / plan.turn_count
        for device, sets in ((layer.hardware.device, layer.sets) for layer in rewritten)
        if device.write is not None and device.write.endurance is not None
    ]
    return min(lives, default=None)
