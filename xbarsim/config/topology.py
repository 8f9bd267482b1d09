"""The table of array topologies: drivers, sensors and the role of the inputs.

Every topology has ``rows`` x ``cols`` cells between two lines each. A cell's first line runs along its row and is
driven by the row's input; or, where inputs open gates, it is a source line at the read voltage, along the columns or
along the rows. Its second line is the bit line of its column, sensed at 0 V. A line has one segment before its first
cell and one after its last towards every driver or sensor.

An open gate is a share ``v_in / read_volt`` of the cell's conductance (on or off, or the share of time that it is
open). A closed gate has a conductance of its own in series with the cell, none unless it is given. The capacitance of
gates is neglected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xbarsim.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Topology:
    """How the lines of an array are laid out, driven and sensed, and how its circuit is solved."""

    name: str
    """Name."""
    covers: str
    """Description in one line."""
    inputs: Literal["rows", "gates"]
    """Role of the inputs: they drive the lines of the rows, or the gates of the rows."""
    source_lines: Literal["rows", "columns"]
    """Direction of the first line of the cells."""
    drive: Literal["near", "far", "both", "alternate"]
    """End of the first line that is driven: at column 0 (or row 0 for lines along the columns), the other, both, or
    in turn: even lines at the near end and odd lines at the far end."""
    sense: Literal["far", "near", "alternate"]
    """End of the bit line that is sensed: past the last row, before row 0, or in turn: even columns past the last row
    and odd columns before row 0."""
    floating: bool
    """Rows without input and columns that are not sensed are left open instead of grounded."""
    has_selector: bool
    """Cells are in series with a selector, so that ``iv`` must be given."""
    has_transistor: bool
    """Cells are in series with an access transistor."""
    solver: Literal["operator", "columns", "nodes"]
    """How ohmic cells are solved: by the transfer operator of the passive array (up to a flip of axes), column by
    column in closed form, or by relaxing lines in turn, which any topology allows and nonlinear cells always take."""

    def __post_init__(self) -> None:
        """Refuse a way of solving that does not hold for the circuit."""
        one_end = self.drive in ("near", "far") and self.sense in ("near", "far") and not self.floating
        fits = {
            "operator": one_end and self.is_linear and self.source_lines == "rows",
            "columns": one_end and self.inputs == "gates" and self.source_lines == "columns",
            "nodes": True,
        }
        if not fits.get(self.solver, False):
            raise ConfigError(
                f"topology {self.name}: solver: {self.solver!r} does not hold for its circuit; 'nodes' does"
            )

    @property
    def is_linear(self) -> bool:
        """Whether one operator holds for all inputs where cells are ohmic; else the circuit depends on the input."""
        return self.inputs == "rows" and not self.floating

    @property
    def response(self) -> Literal["operator", "fitted"]:
        """What serves a network whose cells are ohmic: the operator, where one holds for all inputs, or a response that
        is fitted to exact solves. Nonlinear cells in wires always take the latter."""
        return "operator" if self.is_linear else "fitted"


_TABLE = (
    Topology(
        name="passive",
        covers="passive array, rows driven at column 0, columns sensed past the last row",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=False,
        solver="operator",
    ),
    Topology(
        name="passive_near",
        covers="passive array, rows driven at column 0, columns sensed before row 0",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="near",
        floating=False,
        has_selector=False,
        has_transistor=False,
        solver="operator",
    ),
    Topology(
        name="passive_both",
        covers="passive array, rows driven from both sides",
        inputs="rows",
        source_lines="rows",
        drive="both",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=False,
        solver="nodes",
    ),
    Topology(
        name="passive_interleaved",
        covers="passive array, odd rows driven from the far side",
        inputs="rows",
        source_lines="rows",
        drive="alternate",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=False,
        solver="nodes",
    ),
    Topology(
        name="passive_interleaved_both",
        covers="passive array, odd rows driven from the far side and odd columns sensed at row 0",
        inputs="rows",
        source_lines="rows",
        drive="alternate",
        sense="alternate",
        floating=False,
        has_selector=False,
        has_transistor=False,
        solver="nodes",
    ),
    Topology(
        name="passive_floating",
        covers="passive array, rows without an input and columns without a sensor float",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=True,
        has_selector=False,
        has_transistor=False,
        solver="nodes",
    ),
    Topology(
        name="1t1r",
        covers="1T1R array, all gates open, inputs drive the source lines along the rows",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=True,
        solver="operator",
    ),
    Topology(
        name="1t1r_gate",
        covers="1T1R array, inputs open gates, source lines along the columns driven at row 0; columns decouple",
        inputs="gates",
        source_lines="columns",
        drive="near",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=True,
        solver="columns",
    ),
    Topology(
        name="1t1r_gate_near",
        covers="as 1t1r_gate, bit lines sensed at the end where the source lines are driven",
        inputs="gates",
        source_lines="columns",
        drive="near",
        sense="near",
        floating=False,
        has_selector=False,
        has_transistor=True,
        solver="columns",
    ),
    Topology(
        name="1t1r_gate_rows",
        covers="1T1R array, inputs open gates, source lines along the rows; columns stay coupled",
        inputs="gates",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=False,
        has_selector=False,
        has_transistor=True,
        solver="nodes",
    ),
    Topology(
        name="1s1r",
        covers="passive array of cells with a selector, whose curve is given as iv",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=False,
        has_selector=True,
        has_transistor=False,
        solver="operator",
    ),
    Topology(
        name="1s1r_floating",
        covers="as 1s1r, rows without an input and columns without a sensor float",
        inputs="rows",
        source_lines="rows",
        drive="near",
        sense="far",
        floating=True,
        has_selector=True,
        has_transistor=False,
        solver="nodes",
    ),
)

TOPOLOGIES: dict[str, Topology] = {topology.name: topology for topology in _TABLE}
"""Every topology by name."""
