"""Counts and cycles -> energy, delay, area: by layer, by component and for the whole.

Energy of one inference is every action times its energy, plus what components draw whether or not they act for the
time between two inferences. Area is the chip as configured, unused tiles and I/O included. A layer carries the
share of its arrays in cores and tiles; what no layer uses, and what belongs to a whole chip, stands in a record of
its own, so that the parts sum to the whole.

Neglected: wiring and white space between tiles, clock distribution where no component carries it, and the first
programming of a chip that holds all weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xbarsim.component import count_instances, rate_component, write_energy
from xbarsim.config import Hardware
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing import Activity, StepActivity
from xbarsim.timing.program import program_seconds, written_cells

PROGRAMMING = "programming"
"""Name of the component record for writing cells in turns."""
REST = "chip"
"""Name of the record for unused arrays, chip-wide components and off-chip traffic."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a simulation found for one layer, in place of the hardware file's assumptions."""

    mean_level: float
    """Mean cell level as a fraction of the highest level [-]."""
    input_activity: float
    """Mean squared word-line voltage as a fraction of full scale squared [-]."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Cost of one layer, digital operation, end of the network, or the rest of the chip."""

    name: str
    """Name of the network node; ``input``, ``output`` or ``chip``."""
    kind: str
    """Kind of the node; ``input``, ``output`` or ``chip``."""
    crossbars: int = 0
    """Crossbars, a pair of opposite polarity counted once."""
    arrays: int = 0
    """Physical arrays; array slots without weights for ``chip``."""
    replication: int = 1
    """Copies."""
    utilization: float = 0.0
    """Share of the cells that hold a weight slice [-]."""
    windows: int = 0
    """Windows of one inference."""
    rounds: int = 1
    """Passes through the arrays that one window takes, one after the other; more than one for epitomes."""
    index_table_bits: int = 0
    """Size of the tables that run its epitome: IFAT, IFRT and OFAT [bit]."""
    macs: int = 0
    """Multiply-accumulate operations of one inference."""
    start_s: float = 0.0
    """When its first window starts [s]."""
    finish_s: float = 0.0
    """When its last result has arrived [s]."""
    busy_s: float = 0.0
    """How long its busiest arrays or its unit work in one inference [s]."""
    energy_joule: float = 0.0
    """Energy of one inference [J]."""
    area_m2: float = 0.0
    """Its arrays' share of core and tile area [m2]."""
    energy_by_component: dict[str, float] = field(default_factory=dict)
    """Component -> energy [J]."""
    area_by_component: dict[str, float] = field(default_factory=dict)
    """Component -> area [m2]."""


@dataclass(frozen=True, kw_only=True)
class ComponentCost:
    """Cost of one kind of component over the whole chip."""

    component: str
    """Name in the hardware file."""
    action: str
    """Counted action it is charged for."""
    actions: int
    """How often in one inference."""
    instances: float
    """How many there are."""
    action_energy_joule: float
    """Energy of all actions of one inference [J]."""
    idle_energy_joule: float
    """Energy drawn whether or not it acts, for the time between two inferences [J]."""
    energy_joule: float
    """Both together [J]."""
    area_m2: float
    """Area of all instances [m2]."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one inference costs, and the chip it runs on."""

    energy_joule: float
    """Energy of one inference, idle components included [J]."""
    delay_s: float
    """Input to output of one inference [s]."""
    throughput_hz: float
    """Inferences a second in steady state [Hz]."""
    area_m2: float
    """All chips, unused tiles and I/O included [m2]."""
    edap: float
    """Energy times delay times area [J s m2]."""
    power_watt: float
    """Energy times throughput [W]."""
    cycles: int
    """Delay in cycles."""
    crossbars: int
    """Crossbars, a pair of opposite polarity counted once."""
    arrays: int
    """Physical arrays that hold weights."""
    tiles: int
    """Tiles, unused ones included."""
    utilization: float
    """Share of the cells of used crossbars that hold a weight slice [-]."""
    tops: float
    """Operations a second, two for each multiply-accumulate of the network's weight layers [1e12/s]."""
    tops_per_watt: float
    """The same for each watt [1e12/J]."""
    tops_per_mm2: float
    """The same for each square millimetre [1e12/s/mm2]."""
    layers: tuple[LayerCost, ...] = ()
    """Parts that sum to ``energy_joule`` and ``area_m2``."""
    components: tuple[ComponentCost, ...] = ()
    """The same sums, cut the other way."""
    turns: int = 1
    """How often the arrays are programmed in one inference; 1: once for all, not part of the cost."""
    programming_s: float = 0.0
    """Time to program all weights once; in the delay where there are several turns [s]."""
    programming_joule: float = 0.0
    """Energy to program all weights once; in the energy where there are several turns [J]."""
    lifetime_inferences: float | None = None
    """Inferences until cells that are rewritten in each are worn out [-]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """What one component costs on the hardware of a layer."""

    action: str
    """Counted action that it is charged for."""
    action_joule: float
    """Energy of one action [J]."""
    instances: float
    """Instances that one array has a share of; of one chip where ``is_chip``."""
    area_m2: float
    """Area of those instances [m2]."""
    idle_watt: float
    """Power of those instances, whether or not they act [W]."""
    is_chip: bool
    """Whether it belongs to a whole chip."""


Tags = dict[str, Tag]


def list_prices(hardware: Hardware) -> Tags:
    """Return what every component costs, by name.

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
            action_joule=rating.action_joule,
            instances=instances,
            area_m2=instances * rating.area_m2,
            idle_watt=instances * rating.idle_watt,
            is_chip=is_chip,
        )
    return tags


def price(plan: Plan, activity: Activity, *, measured: Mapping[str, Measured] | None = None) -> Cost:
    """Price one inference.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    activity : Activity
        What :func:`~xbarsim.timing.simulate_plan` counted for it.
    measured : mapping, optional
        Layer name -> cell level and input activity found in a simulation.

    Returns
    -------
    Cost
        The whole, by layer and by component.
    """
    used = {id(hardware): hardware for hardware in (plan.hardware, *(layer.hardware for layer in plan.layers))}
    lists = {key: list_prices(hardware) for key, hardware in used.items()}
    parts: list[LayerCost] = []
    for step in activity.steps:
        hardware = step.layer.hardware if step.layer else plan.hardware
        tags = lists[id(hardware)]
        energy = _price_actions(hardware, tags, step.counts, (measured or {}).get(step.name))
        area: dict[str, float] = {}
        if step.layer is not None:
            if step.counts.get("write"):
                energy[PROGRAMMING] = step.counts["write"] * write_energy(step.layer.hardware)
            held = step.layer.arrays * plan.arrays_held / plan.arrays
            for name, joule in price_share(tags, held, activity.interval_s, area).items():
                energy[name] = energy.get(name, 0.0) + joule
        parts.append(_layer_cost(step, step.layer, energy, area, plan.hardware.timing.clock_hz))
    parts.append(_price_rest(plan, lists[id(plan.hardware)], activity.interval_s))
    return _sum_up(plan, activity, parts, _by_component(plan, activity, lists, parts))


def _price_actions(
    hardware: Hardware, tags: Tags, counts: Mapping[str, int], found: Measured | None
) -> dict[str, float]:
    """Return the energy of the counted actions, by component."""
    energy = {}
    for name, tag in tags.items():
        count = counts.get(tag.action, 0)
        each = tag.action_joule
        if count and found is not None:
            at = {"mean_level": found.mean_level, "input_activity": found.input_activity}
            each = rate_component(name, hardware, **at).action_joule
        if count and each:
            energy[name] = count * each
    return energy


def price_share(tags: Tags, arrays: float, interval_s: float, area: dict[str, float]) -> dict[str, float]:
    """Return the idle energy of so many arrays with their share of core and tile, by component; fill in ``area``."""
    energy = {}
    for name, tag in tags.items():
        if not tag.is_chip:
            area[name] = arrays * tag.area_m2
            if tag.idle_watt:
                energy[name] = arrays * tag.idle_watt * interval_s
    return energy


def _layer_cost(
    step: StepActivity, layer: LayerPlan | None, energy: dict[str, float], area: dict[str, float], clock: float
) -> LayerCost:
    return LayerCost(
        name=step.name,
        kind=step.kind,
        crossbars=layer.crossbars if layer else 0,
        arrays=layer.arrays if layer else 0,
        replication=layer.replication if layer else 1,
        utilization=layer.utilization if layer else 0.0,
        windows=step.windows,
        rounds=layer.rounds if layer else 1,
        index_table_bits=sum(layer.epitome.table_bits.values()) if layer and layer.epitome else 0,
        macs=layer.macs if layer else 0,
        start_s=step.start_cycles / clock,
        finish_s=step.finish_cycles / clock,
        busy_s=step.busy_cycles / clock,
        energy_joule=sum(energy.values()),
        area_m2=sum(area.values()),
        energy_by_component=energy,
        area_by_component=area,
    )


def _price_rest(plan: Plan, tags: Tags, interval_s: float) -> LayerCost:
    """Return the record of unused array slots and of what belongs to whole chips."""
    area: dict[str, float] = {}
    unused = plan.tiles * plan.arrays_per_tile - plan.arrays_held
    energy = price_share(tags, unused, interval_s, area)
    for name, tag in tags.items():
        if tag.is_chip:
            area[name] = plan.chips * tag.area_m2
            if tag.idle_watt:
                energy[name] = plan.chips * tag.idle_watt * interval_s
    return LayerCost(
        name=REST, kind=REST, arrays=unused, energy_joule=sum(energy.values()), area_m2=sum(area.values()),
        energy_by_component=energy, area_by_component=area,
    )  # fmt: skip


def _by_component(
    plan: Plan, activity: Activity, lists: Mapping[int, Tags], parts: list[LayerCost]
) -> tuple[ComponentCost, ...]:
    """Cut the same energy and area by component."""
    base = id(plan.hardware)
    share = plan.arrays_held / plan.arrays
    held: dict[int, float] = {base: plan.tiles * plan.arrays_per_tile - plan.arrays_held}
    for layer in plan.layers:
        held[id(layer.hardware)] = held.get(id(layer.hardware), 0) + layer.arrays * share
    totals = activity.totals
    found = []
    for name, own in lists[base].items():
        shares = [(plan.chips, own)] if own.is_chip else [(arrays, lists[key][name]) for key, arrays in held.items()]
        idle = sum(count * tag.idle_watt for count, tag in shares) * activity.interval_s
        energy = sum(part.energy_by_component.get(name, 0.0) for part in parts)
        found.append(
            ComponentCost(
                component=name,
                action=own.action,
                actions=totals.get(own.action, 0),
                instances=sum(count * tag.instances for count, tag in shares),
                action_energy_joule=max(0.0, energy - idle),
                idle_energy_joule=idle,
                energy_joule=energy,
                area_m2=sum(part.area_by_component.get(name, 0.0) for part in parts),
            )
        )
    energy = sum(part.energy_by_component.get(PROGRAMMING, 0.0) for part in parts)
    if energy:
        found.append(
            ComponentCost(
                component=PROGRAMMING, action="write", actions=totals.get("write", 0), instances=plan.arrays_held,
                action_energy_joule=energy, idle_energy_joule=0.0, energy_joule=energy, area_m2=0.0,
            )
        )  # fmt: skip
    return tuple(found)


def _sum_up(plan: Plan, activity: Activity, parts: list[LayerCost], components: tuple[ComponentCost, ...]) -> Cost:
    energy, area = sum(part.energy_joule for part in parts), sum(part.area_m2 for part in parts)
    throughput = 1 / activity.interval_s
    power = energy * throughput
    tops = 2e-12 * sum(layer.macs for layer in plan.layers) * throughput
    return Cost(
        energy_joule=energy,
        delay_s=activity.delay_s,
        throughput_hz=throughput,
        area_m2=area,
        edap=energy * activity.delay_s * area,
        power_watt=power,
        cycles=activity.cycles,
        crossbars=plan.crossbars,
        arrays=plan.arrays_held,
        tiles=plan.tiles,
        utilization=plan.utilization,
        tops=tops,
        tops_per_watt=tops / power if power else 0.0,
        tops_per_mm2=tops / (area * 1e6) if area else 0.0,
        layers=tuple(parts),
        components=components,
        turns=plan.turn_count,
        programming_s=sum(program_seconds(plan)),
        programming_joule=sum(written_cells(layer) * write_energy(layer.hardware) for layer in plan.layers),
        lifetime_inferences=_lifetime(plan),
    )


def _lifetime(plan: Plan) -> float | None:
    """Return the inferences until the first cells are worn out; None where they are not rewritten or it is unknown.

    Every turn may write every cell that it holds, so that cells of arrays used in all turns are written in each.
    """
    writes = [layer.hardware.device.write for layer in plan.layers]
    lives = [write.endurance / write.pulses for write in writes if write is not None and write.endurance is not None]
    return min(lives) / plan.turn_count if plan.turn_count > 1 and lives else None
