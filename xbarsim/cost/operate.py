"""What the prices of a layer's actions depend on: cells, inputs and power of array reads, measured or assumed."""

from __future__ import annotations

from typing import NamedTuple

from xbarsim.config import AssumedActivity, Hardware
from xbarsim.cost.array_read import AssumedReads, assume_layer_watt, assume_reads
from xbarsim.cost.record import Measured
from xbarsim.mapping import LayerPlan


class Operation(NamedTuple):
    """Conditions under which a layer works."""

    mean_level: float
    """Mean level of the cells that hold weights, as a fraction of the highest level [-]."""
    input_activity: float
    """Mean squared word-line voltage as a fraction of full scale squared, rows at rest in turns included [-]."""
    array_watt: float | None
    """Mean power of an array over the pulses of a read [W]; None where no price depends on it."""
    is_assumed: bool
    """Whether level and activity are those that the hardware file assumes."""

    @property
    def conditions(self) -> dict[str, float | None]:
        """Arguments of :func:`~xbarsim.component.rate_component`."""
        return {
            "mean_level": self.mean_level, "input_activity": self.input_activity, "array_watt": self.array_watt,
        }  # fmt: skip


def operate(layer: LayerPlan, found: Measured | None, reads: AssumedReads | None) -> Operation:
    """Return what the prices of a layer's actions depend on.

    Parameters
    ----------
    layer : LayerPlan
        A mapped layer.
    found : Measured or None
        What a simulation measured.
    reads : AssumedReads or None
        Assumed power of array reads; None where no price depends on it.

    Returns
    -------
    Operation
        Measured, and where nothing was measured assumed.
    """
    hardware, share = layer.hardware, layer.driven_share
    if found is None:
        watt = None if reads is None else assume_layer_watt(layer, reads)
        return Operation(hardware.assumed_level, hardware.activity.input_activity * share, watt, share == 1.0)
    watt = found.array_watt
    if watt is None and reads is not None:
        watt = assume_layer_watt(layer, assume_reads(_assume(hardware, found)))
    return Operation(found.mean_level, found.input_activity * share, watt, False)


def _assume(hardware: Hardware, found: Measured) -> Hardware:
    """Return a hardware record that assumes what was measured."""
    level = min(1.0, found.mean_level * hardware.arrays_per_crossbar)
    activity = AssumedActivity(mean_level=level, input_activity=found.input_activity)
    return hardware.model_copy(update={"activity": activity})
