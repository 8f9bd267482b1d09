"""The section ``process``: the technology for which numbers are given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from xbarsim.config.record import Record


class Process(Record):
    """A CMOS technology and its supply."""

    node_m: Annotated[float, Field(ge=7e-9, le=130e-9)]
    """Technology node [m]."""
    supply_volt: Annotated[float, Field(ge=0.5, le=1.3)]
    """Supply voltage [V]."""
