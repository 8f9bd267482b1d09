"""What pricing hands back: the cost of one inference, by layer and by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    energy_by_component: Mapping[str, float] = field(default_factory=dict)
    """Component -> energy [J]."""
    area_by_component: Mapping[str, float] = field(default_factory=dict)
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

    @property
    def edap(self) -> float:
        """Energy times delay times area [J s m2]."""
        return self.energy_joule * self.delay_s * self.area_m2

    @property
    def power_watt(self) -> float:
        """Energy times throughput [W]."""
        return self.energy_joule * self.throughput_hz

    @property
    def tops(self) -> float:
        """Operations a second, two for each multiply-accumulate of the network's weight layers [1e12/s]."""
        return 2e-12 * sum(layer.macs for layer in self.layers) * self.throughput_hz

    @property
    def tops_per_watt(self) -> float:
        """Operations for each joule [1e12/J]."""
        return self.tops / self.power_watt if self.power_watt else 0.0

    @property
    def tops_per_mm2(self) -> float:
        """Operations a second for each square millimetre [1e12/s/mm2]."""
        return self.tops / (self.area_m2 * 1e6) if self.area_m2 else 0.0
