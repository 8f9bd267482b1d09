"""The key ``device.write``: what it takes to program a cell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Positive, Record


class Write(Record):
    """Programming pulses of a cell; needed where weights are reloaded while the chip works."""

    volt: Positive
    """Voltage of a pulse [V]."""
    pulse_s: Positive
    """Length of a pulse, verification included [s]."""
    pulses: Annotated[float, Field(ge=1)] = 1.0
    """Mean pulses until a cell is where it shall be [-]."""
    drivers: Literal["array", "core", "tile", "chip"] = "tile"
    """What has write drivers of its own; its arrays are written one after the other, the cells of a row together."""
    endurance: Positive | None = None
    """Pulses that a cell survives; None is not known [-]."""
