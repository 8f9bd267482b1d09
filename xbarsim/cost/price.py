"""Counts and cycles -> energy, delay, area: by layer, by component and for the whole.

Energy of one inference is every action times its energy, plus what components draw whether or not they act for the
time between two inferences. Area is the chip as configured, unused tiles and I/O included. A layer carries the
share of its arrays in cores and tiles; what no layer uses, and what belongs to a whole chip, stands in a record of
its own, so that the parts sum to the whole.

Neglected: wiring and white space between tiles, clock distribution where no component carries it, and programming.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xbarsim.config import Hardware
from xbarsim.config.rating import count_instances, rate_component, read_energy
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing import Activity, StepActivity

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
    base = plan.hardware
    clock = base.timing.clock_hz
    slots = plan.tiles * plan.arrays_per_tile
    parts: list[LayerCost] = []
    for step in activity.steps:
        layer, hardware = step.layer, step.layer.hardware if step.layer else base
        found = (measured or {}).get(step.name)
        energy = _price_actions(hardware, step.counts, found)
        area: dict[str, float] = {}
        if layer is not None:
            idle = price_share(hardware, layer.arrays, activity.interval_s, area)
            energy = {name: energy.get(name, 0.0) + idle.get(name, 0.0) for name in {**energy, **idle}}
        parts.append(_layer_cost(step, layer, energy, area, clock))
    parts.append(_price_rest(plan, slots - plan.arrays, activity.interval_s))
    components = _by_component(plan, activity, parts, slots)
    return _sum_up(plan, activity, parts, components)


def _price_actions(hardware: Hardware, counts: Mapping[str, int], found: Measured | None) -> dict[str, float]:
    """Return the energy of the counted actions, by component."""
    energy = {}
    for name, component in hardware.components.items():
        count = counts.get(component.action or name, 0)
        if not count:
            continue
        if component.from_device and found is not None:
            each = read_energy(hardware, found.mean_level, found.input_activity)
        else:
            each = rate_component(name, hardware).action_joule
        if each:
            energy[name] = count * each
    return energy


def price_share(hardware: Hardware, arrays: int, interval_s: float, area: dict[str, float]) -> dict[str, float]:
    """Return the idle energy of so many arrays with their share of core and tile, by component; fill in ``area``."""
    energy = {}
    for name, component in hardware.components.items():
        if component.per == "chip":
            continue
        rating = rate_component(name, hardware)
        share = arrays * count_instances(component, hardware, "array")
        area[name] = share * rating.area_m2
        if rating.idle_watt:
            energy[name] = share * rating.idle_watt * interval_s
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
        macs=layer.macs if layer else 0,
        start_s=step.start_cycles / clock,
        finish_s=step.finish_cycles / clock,
        busy_s=step.busy_cycles / clock,
        energy_joule=sum(energy.values()),
        area_m2=sum(area.values()),
        energy_by_component=energy,
        area_by_component=area,
    )


def _price_rest(plan: Plan, unused: int, interval_s: float) -> LayerCost:
    """Return the record of unused array slots and of what belongs to whole chips."""
    area: dict[str, float] = {}
    energy = price_share(plan.hardware, unused, interval_s, area)
    for name, component in plan.hardware.components.items():
        if component.per == "chip":
            rating = rate_component(name, plan.hardware)
            area[name] = component.count * plan.chips * rating.area_m2
            if rating.idle_watt:
                energy[name] = component.count * plan.chips * rating.idle_watt * interval_s
    return LayerCost(
        name=REST, kind=REST, arrays=unused, energy_joule=sum(energy.values()), area_m2=sum(area.values()),
        energy_by_component=energy, area_by_component=area,
    )  # fmt: skip


def _by_component(plan: Plan, activity: Activity, parts: list[LayerCost], slots: int) -> tuple[ComponentCost, ...]:
    """Cut the same energy and area by component."""
    unused = slots - plan.arrays
    found = []
    for name, component in plan.hardware.components.items():
        action = component.action or name
        energy = sum(part.energy_by_component.get(name, 0.0) for part in parts)
        if component.per == "chip":
            instances = component.count * plan.chips
            idle = instances * rate_component(name, plan.hardware).idle_watt
        else:
            held = [(layer.hardware, layer.arrays) for layer in plan.layers] + [(plan.hardware, unused)]
            shares = [(hardware, arrays * count_instances(component, hardware, "array")) for hardware, arrays in held]
            instances = sum(share for _, share in shares)
            idle = sum(share * rate_component(name, hardware).idle_watt for hardware, share in shares)
        idle *= activity.interval_s
        found.append(
            ComponentCost(
                component=name,
                action=action,
                actions=activity.totals.get(action, 0),
                instances=instances,
                action_energy_joule=max(0.0, energy - idle),
                idle_energy_joule=idle,
                energy_joule=energy,
                area_m2=sum(part.area_by_component.get(name, 0.0) for part in parts),
            )
        )
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
        arrays=plan.arrays,
        tiles=plan.tiles,
        utilization=plan.utilization,
        tops=tops,
        tops_per_watt=tops / power if power else 0.0,
        tops_per_mm2=tops / (area * 1e6) if area else 0.0,
        layers=tuple(parts),
        components=components,
    )
