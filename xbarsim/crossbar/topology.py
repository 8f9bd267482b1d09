"""The table of array topologies: where lines are driven, where they are sensed, and what inputs do.

Every topology has ``rows`` x ``cols`` cells between two lines each. A cell's first line runs along its row and is
driven by the row's input; or, where inputs open gates, it is a source line at the read voltage, along the columns or
along the rows. Its second line is the bit line of its column, sensed at 0 V. A line has one segment before its first
cell and one after its last towards every driver or sensor.

An open gate is a share ``v_in / read_volt`` of the cell's conductance (on or off, or the share of time that it is
open); the leakage of closed gates is neglected, and so is their capacitance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xbarsim.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Topology:
    """How the lines of an array are laid out, driven and sensed."""

    name: str
    """What callers type."""
    covers: str
    """What it stands for, in a line."""
    inputs: Literal["rows", "gates"] = "rows"
    """What inputs do: drive the rows' lines, or open the rows' gates."""
    source_lines: Literal["rows", "columns"] = "rows"
    """Which way the cells' first line runs."""
    drive: Literal["near", "far", "both", "alternate"] = "near"
    """End of the first line that is driven: at column 0 (or row 0 for lines along the columns), the other, both, or
    in turn: even lines at the near end and odd lines at the far end."""
    sense: Literal["far", "near", "alternate"] = "far"
    """End of the bit line that is sensed: past the last row, before row 0, or in turn."""
    floating: bool = False
    """Rows without input and columns that are not sensed are left open instead of grounded."""
    has_selector: bool = False
    """Cells are in series with a selector, so that ``iv`` must be given."""

    @property
    def is_ladder(self) -> bool:
        """Whether columns decouple into ladders of two rails, each driven and sensed at one end."""
        return self.inputs == "gates" and self.source_lines == "columns" and self.drive in ("near", "far")

    @property
    def is_plain(self) -> bool:
        """Whether it is, up to a flip of axes, the passive array of the transfer operator."""
        one_end = self.drive in ("near", "far") and self.sense in ("near", "far")
        return self.inputs == "rows" and one_end and not self.floating


_TABLE = (
    Topology(name="passive", covers="passive array, rows driven at column 0, columns sensed past the last row"),
    Topology(name="passive_near", covers="passive array, sensed at the end of row 0", sense="near"),
    Topology(name="passive_both", covers="passive array, rows driven from both sides", drive="both"),
    Topology(name="passive_interleaved", covers="passive array, odd rows driven from the far side", drive="alternate"),
    Topology(
        name="passive_interleaved_both",
        covers="passive array, odd rows driven from the far side and odd columns sensed at row 0",
        drive="alternate",
        sense="alternate",
    ),
    Topology(
        name="passive_floating", covers="passive array, rows of no input and columns not sensed open", floating=True
    ),
    Topology(name="1t1r", covers="1T1R array, all gates open, inputs drive the source lines along the rows"),
    Topology(
        name="1t1r_gate",
        covers="1T1R array, inputs open gates, source lines along the columns driven at row 0; columns decouple",
        inputs="gates",
        source_lines="columns",
    ),
    Topology(
        name="1t1r_gate_near",
        covers="as 1t1r_gate, bit lines sensed at the end where the source lines are driven",
        inputs="gates",
        source_lines="columns",
        sense="near",
    ),
    Topology(
        name="1t1r_gate_rows",
        covers="1T1R array, inputs open gates, source lines along the rows; columns stay coupled",
        inputs="gates",
    ),
    Topology(name="1s1r", covers="passive array of cells with a selector, given as iv", has_selector=True),
    Topology(
        name="1s1r_floating",
        covers="as 1s1r, rows of no input and columns not sensed open",
        floating=True,
        has_selector=True,
    ),
)

TOPOLOGIES: dict[str, Topology] = {topology.name: topology for topology in _TABLE}
"""Every topology by name."""


def find_topology(name: str | Topology) -> Topology:
    """Return a topology by name; a record of one's own passes through.

    Parameters
    ----------
    name : str or Topology
        Name in :data:`TOPOLOGIES`, or a record.

    Returns
    -------
    Topology
        The record.

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    if isinstance(name, Topology):
        return name
    try:
        return TOPOLOGIES[name]
    except (KeyError, TypeError):
        raise ConfigError(f"topology: {name!r} is not one of {', '.join(TOPOLOGIES)}") from None
