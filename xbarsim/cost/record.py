"""Records of the cost of one inference, by layer and by component."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from xbarsim.component import OFF_CHIP
from xbarsim.notebook import Face, Shown


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Activity of a layer measured in a simulation; replaces the assumptions in the hardware file."""

    mean_level: float
    """Mean level of the cells that hold weights, of both cells of pairs, as a fraction of the highest level [-]."""
    input_activity: float
    """Mean squared word-line voltage relative to full scale squared [-]."""
    array_watt: float | None = None
    """Mean power of an array of the layer over the pulses of a read [W]; None: assumed, as without a simulation."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Cost of a layer, a digital operation, the input, the output, or the rest of the chip."""

    name: str
    """Name of the network node; ``input``, ``output`` or ``chip``."""
    kind: str
    """Kind of the node; ``input``, ``output`` or ``chip``."""
    crossbars: int = 0
    """Crossbars, a pair of opposite polarity counted once."""
    arrays: int = 0
    """Physical arrays; array slots without weights for ``chip``."""
    replication: int = 1
    """Number of replicas."""
    utilization: float = 0.0
    """Fraction of the cells that hold a weight slice [-]."""
    windows: int = 0
    """Windows of one inference."""
    rounds: int = 1
    """Consecutive rounds of array reads for one window; more than one for epitomes."""
    index_table_bits: int = 0
    """Size of the index tables of its epitome (IFAT, IFRT and OFAT) [bit]."""
    macs: int = 0
    """Multiply-accumulate operations of one inference."""
    operations: int = 0
    """Digital operations of the network in one inference, two for a multiply-accumulate of a product of activations."""
    start_s: float = 0.0
    """Start of the first window [s]."""
    finish_s: float = 0.0
    """Arrival of the last result [s]."""
    busy_s: float = 0.0
    """Busy time of its busiest arrays, or of its digital unit, in one inference [s]."""
    energy_joule: float = 0.0
    """Energy of one inference [J]."""
    area_m2: float = 0.0
    """Share of its arrays in the area of cores and tiles [m2]."""
    energy_by_component: Mapping[str, float] = field(default_factory=dict)
    """Component -> energy [J]."""
    area_by_component: Mapping[str, float] = field(default_factory=dict)
    """Component -> area [m2]."""


@dataclass(frozen=True, kw_only=True)
class ComponentCost:
    """Cost of all instances of a component."""

    component: str
    """Name in the hardware file."""
    action: str
    """Action that the component is charged for, or the formula that counts it."""
    actions: int | float
    """Number of actions in one inference; whole, but for actions counted by a formula."""
    instances: float
    """Number of instances."""
    action_energy_joule: float
    """Energy of all actions of one inference [J]."""
    idle_energy_joule: float
    """Static energy during the time between two inferences [J]."""
    energy_joule: float
    """Sum of action and idle energy [J]."""
    area_m2: float
    """Area of all instances [m2]."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Cost(Shown):
    """Cost of one inference, and size of the chips."""

    energy_joule: float
    """Energy of one inference, including idle components [J]."""
    delay_s: float
    """Latency of one inference, from input to output [s]."""
    throughput_hz: float
    """Inferences per second in steady state [Hz]."""
    area_m2: float
    """Area of all chips, including unused tiles and I/O [m2]."""
    cycles: int
    """Delay in cycles."""
    crossbars: int
    """Crossbars, a pair of opposite polarity counted once."""
    arrays: int
    """Physical arrays that hold weights."""
    tiles: int
    """Tiles, including unused ones."""
    utilization: float
    """Fraction of the cells of used crossbars that hold a weight slice [-]."""
    layers: tuple[LayerCost, ...] = ()
    """Cost by layer; the parts sum to ``energy_joule`` and ``area_m2``."""
    components: tuple[ComponentCost, ...] = ()
    """Cost by component; the parts sum to ``energy_joule`` and ``area_m2``."""
    turns: int = 1
    """Loads of the arrays in one inference; 1: programmed once for all inferences, which is not part of the cost."""
    programming_s: float = 0.0
    """Time to program all weights once; included in the delay with weight reloading [s]."""
    programming_joule: float = 0.0
    """Energy to program all weights once; included in the energy with weight reloading [J]."""
    lifetime_inferences: float | None = None
    """Number of inferences until cells that are rewritten in each of them wear out [-]."""
    unpriced: Mapping[str, int] = field(default_factory=dict)
    """Actions that are counted and cost nothing, since no component has a price for them -> their number."""

    def _show(self) -> Face:
        from xbarsim.cost.face import show_cost

        return show_cost(self)

    @property
    def edap(self) -> float:
        """Energy times delay times area [J s m2]."""
        return self.energy_joule * self.delay_s * self.area_m2

    @property
    def core_area_m2(self) -> float:
        """Area of all chips without off-chip I/O [m2]."""
        return self.area_m2 - math.fsum(each.area_m2 for each in self.components if each.action == OFF_CHIP)

    @property
    def edap_core(self) -> float:
        """Energy times delay times core area [J s m2]."""
        return self.energy_joule * self.delay_s * self.core_area_m2

    @property
    def power_watt(self) -> float:
        """Energy times throughput [W]."""
        return self.energy_joule * self.throughput_hz

    @property
    def tops(self) -> float:
        """Operations per second; a multiply-accumulate of a weight layer counts as two [1e12/s]."""
        return 2e-12 * sum(layer.macs for layer in self.layers) * self.throughput_hz

    @property
    def tops_total(self) -> float:
        """Operations per second of arrays and digital units: also products of activations, sums, pooling [1e12/s]."""
        return self.tops + 1e-12 * sum(layer.operations for layer in self.layers) * self.throughput_hz

    @property
    def tops_per_watt(self) -> float:
        """Operations per joule [1e12/J]."""
        return self.tops / self.power_watt if self.power_watt else 0.0

    @property
    def tops_per_mm2(self) -> float:
        """Operations per second and square millimetre [1e12/s/mm2]."""
        return self.tops / (self.area_m2 * 1e6) if self.area_m2 else 0.0
