"""Peak rating of a tile and a chip: full arrays that read without a pause, and what they need.

A component counts with its rated power, or, where it has none, with its leakage and the energy of its actions at the
rate at which full arrays cause them. Actions between layers (activations, pooling, packets) are not part of a plate.
"""

from __future__ import annotations

from dataclasses import dataclass

from xbarsim.component import action_energy, count_instances, is_off_chip, rate_component
from xbarsim.config import Hardware
from xbarsim.cost.array_read import assume_full_watt
from xbarsim.mapping import plan_network, settle_pulse
from xbarsim.mapping.period import pass_cycles, sweep_period
from xbarsim.mvm import stream_count
from xbarsim.mvm.layout import count_slices, usable_columns
from xbarsim.network import Network, Node
from xbarsim.network.kinds import LAYER_RULES
from xbarsim.timing.counts import count_actions
from xbarsim.timing.layout import lay_out


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Peak figures; an operation is a multiplication or an addition, two for each multiply-accumulate."""

    tops: float
    """Operations per second with full arrays [1e12/s]."""
    power_watt: float
    """Power of all components: rated, or of their actions with full arrays [W]."""
    area_m2: float
    """Area of all components [m2]."""
    core_area_m2: float
    """Area without off-chip I/O [m2]."""

    @property
    def tops_per_watt(self) -> float:
        """Operations per joule [1e12/J]."""
        return self.tops / self.power_watt if self.power_watt else 0.0

    @property
    def tops_per_mm2(self) -> float:
        """Operations per second and square millimetre [1e12/s/mm2]."""
        return self.tops / (self.area_m2 * 1e6) if self.area_m2 else 0.0


def rate_tile(hardware: Hardware) -> Peak:
    """Return the peak rating of a tile, including its share of components that several tiles use together.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    Peak
        Tile without chip-wide components.
    """
    return _add_up(hardware, hardware.chip.arrays_per_tile, "tile")


def rate_chip(hardware: Hardware) -> Peak | None:
    """Return the peak rating of a chip.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    Peak or None
        None where ``chip.tiles`` is auto.
    """
    tiles = hardware.chip.tiles
    return None if tiles == "auto" else _add_up(hardware, tiles * hardware.chip.arrays_per_tile, "chip")


def _add_up(hardware: Hardware, arrays: int, per: str) -> Peak:
    """Return the rating of so many arrays that all read, which are those of a tile or of a chip."""
    hardware = settle_pulse(hardware, f"hardware {hardware.name}")
    rates, power, area, core = action_rates(hardware), 0.0, 0.0, 0.0
    tiles, watt = arrays // hardware.chip.arrays_per_tile, assume_full_watt(hardware)
    for name, component in hardware.components.items():
        is_chip, is_link = component.per == "chip", is_off_chip(name, hardware)
        if is_chip and per == "tile":
            continue
        instances = component.count if is_chip else tiles * count_instances(component, hardware, "tile")
        if is_chip and is_link:
            instances *= float(hardware.chip.off_chip_share(tiles))
        rating = rate_component(name, hardware, array_watt=watt)
        power += instances * (rating.power_watt or rating.leakage_watt)
        if not rating.power_watt:
            power += arrays * rates.get(component.action or name, 0.0) * action_energy(rating)
        area += instances * rating.area_m2
        core += 0.0 if is_link else instances * rating.area_m2
    tops = arrays / hardware.arrays_per_crossbar * _array_ops(hardware) * 1e-12
    return Peak(tops=tops, power_watt=power, area_m2=area, core_area_m2=core)


def _array_ops(hardware: Hardware) -> float:
    """Return the operations a second of a full array, or pair of arrays, that reads without a pause."""
    macs = hardware.crossbar.rows * usable_columns(hardware) / count_slices(hardware)
    return 2 * macs / _pass_seconds(hardware)


def _pass_seconds(hardware: Hardware) -> float:
    """Return how long a full array works on one input vector without a sign [s]."""
    streams = stream_count(hardware.activation_bits, hardware.dac.bits, signed=False)
    occupancy, _ = pass_cycles(hardware, streams, sweep_period(hardware, usable_columns(hardware)))
    return occupancy / hardware.clock_hz


def action_rates(hardware: Hardware) -> dict[str, float]:
    """Return how often an array that is full and reads without a pause causes each action.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    dict of str to float
        Action -> actions of one physical array in a second [Hz].
    """
    rows, cols = hardware.crossbar.rows, usable_columns(hardware)
    full = {
        "chip.tiles": "auto", "chip.count": "auto", "mapping.replication": "none", "mapping.replicas": None,
        "mapping.reload": "never",
    }  # fmt: skip
    attributes, shape = LAYER_RULES["linear"].query.build({"in_features": rows, "out_features": cols, "vectors": 1})
    layer = Node(name="layer", kind="linear", inputs=("unsigned",), attributes=attributes)
    network = Network(name="full", nodes=(Node(name="unsigned", kind="relu"), layer), input_shape=shape)
    plan = plan_network(network, hardware.override(full))
    layout = lay_out(plan)
    counts = next(
        found for step, found in zip(layout.steps, count_actions(plan, layout)) if step.step.name == layer.name
    )
    seconds = plan.arrays * _pass_seconds(hardware)
    return {name: count / seconds for name, count in counts.items()}
