"""The key ``device.write``: what it takes to program a cell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Positive, Record


class Verify(Record):
    """Cells are read after every pulse and pulsed again until they are close enough to their targets."""

    tolerance: Positive
    """How far from its target a cell is left alone, as a fraction of ``relative_to`` [-]."""
    relative_to: Literal["target", "range"] = "range"
    """What ``tolerance`` is a fraction of: the cell's own target, or on minus off conductance."""
    max_pulses: Annotated[int, Field(ge=1, le=10_000)]
    """Pulses after which a cell is given up, and stays where the last one left it [-]."""


class Write(Record):
    """Programming pulses of a cell; needed where weights are reloaded while the chip works."""

    volt: Positive
    """Voltage of a pulse [V]."""
    pulse_s: Positive
    """Length of a pulse, verification included [s]."""
    pulses: Annotated[float, Field(ge=1)] | None = None
    """Mean pulses until a cell is where it shall be; None is one, or as many as ``verify`` takes [-]."""
    verify: Verify | None = None
    """Write, read back and write again; None takes ``device.programming`` as what is left in the end."""
    drivers: Literal["array", "core", "tile", "chip"] = "tile"
    """What has write drivers of its own; its arrays are written one after the other, the cells of a row together."""
    endurance: Positive | None = None
    """Pulses that a cell survives; None is not known [-]."""
