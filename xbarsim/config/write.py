"""The section ``device.write``: programming pulses of a cell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Positive, Record


class Verify(Record):
    """Write and verify: cells are read after every pulse and pulsed again until they are within a tolerance."""

    tolerance: Positive
    """Largest accepted deviation from the target, as a fraction of ``relative_to`` [-]."""
    relative_to: Literal["target", "range"] = "range"
    """What ``tolerance`` is a fraction of: the cell's own target, or on minus off conductance."""
    max_pulses: Annotated[int, Field(ge=1, le=10_000)]
    """Largest number of pulses; a cell then keeps the conductance of the last one [-]."""


class Write(Record):
    """Programming pulses of a cell; needed where weights are reloaded during inference."""

    volt: Positive
    """Voltage of a pulse [V]."""
    pulse_s: Positive
    """Length of a pulse, including verification [s]."""
    pulses: Annotated[float, Field(ge=1)] | None = None
    """Mean number of pulses of a cell; None: one, or the number that ``verify`` takes [-]."""
    verify: Verify | None = None
    """Write and verify; None: ``device.programming`` is the error that remains after writing."""
    drivers: Literal["array", "core", "tile", "chip"] = "tile"
    """Unit with write drivers of its own. Its arrays are written one after another, and the cells of a row together."""
    endurance: Positive | None = None
    """Number of pulses that a cell endures; None: unknown [-]."""
