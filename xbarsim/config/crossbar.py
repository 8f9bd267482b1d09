"""The section ``crossbar``: size, topology and wire resistances of an array, and the method of solution."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from xbarsim.config.record import NonNegative, Positive, Record, check_name
from xbarsim.config.topology import TOPOLOGIES, Topology


def _check_topology(name: str) -> str:
    return check_name(name, TOPOLOGIES)


def _describe_topologies(schema: dict[str, Any]) -> None:
    kinds = "; ".join(f"{item.name}: {item.covers}" for item in TOPOLOGIES.values())
    schema.update(enum=list(TOPOLOGIES), description=f"Lines of an array, where they are driven and sensed. {kinds}.")


TopologyName = Annotated[str, AfterValidator(_check_topology), Field(json_schema_extra=_describe_topologies)]
"""Name of a topology in :data:`xbarsim.config.topology.TOPOLOGIES`."""


class Crossbar(Record):
    """One array and its wires."""

    rows: Annotated[int, Field(ge=1, le=4096)]
    """Word lines of an array."""
    cols: Annotated[int, Field(ge=1, le=4096)]
    """Bit lines of an array."""
    topology: TopologyName = "passive"
    """Layout of the lines, drivers and sensors; see docs/topologies.md."""
    r_wl_ohm: NonNegative = 0.0
    """Resistance of a word-line segment between neighbouring cells; no effect where inputs drive gates [ohm]."""
    r_bl_ohm: NonNegative = 0.0
    """Resistance of a bit-line segment between neighbouring cells [ohm]."""
    r_sl_ohm: NonNegative = 0.0
    """Resistance of a source-line segment between neighbouring cells; only where inputs drive gates [ohm]."""
    r_source_ohm: NonNegative = 0.0
    """Output resistance of a word-line driver, or of a source-line driver where inputs drive gates [ohm]."""
    r_sink_ohm: NonNegative = 0.0
    """Input resistance of a bit-line sensor [ohm]."""
    r_access_ohm: NonNegative = 0.0
    """On resistance of the access transistor in series with each cell; only in 1T1R topologies. The level step and the
    known off-current are those of cells without it [ohm]."""
    g_leak_siemens: NonNegative = 0.0
    """Conductance of a closed access transistor, in series with its cell; only where inputs drive gates. 0 is an ideal
    switch. In networks, converters are zeroed with all gates closed: the current of a column without any input is taken
    from that of every read [S]."""
    c_wl_farad: NonNegative = 0.0
    """Capacitance of a segment of the lines along the rows; used by ``timing.pulse_s: settled`` [F]."""
    c_bl_farad: NonNegative = 0.0
    """Capacitance of a segment of the lines along the columns; used by ``timing.pulse_s: settled`` [F]."""
    method: Literal["auto", "exact", "fitted", "closed_form", "ideal"] = "auto"
    """How circuits are solved. ``exact``: by an operator where one holds for all inputs, else read by read, slowly.
    ``fitted``: by an operator and a curve for each column, fitted to reads that are solved exactly. ``auto`` is exact
    where an operator holds, else fitted. ``closed_form`` solves each line once and ``ideal`` leaves the wires out; both
    take nonlinear cells for ohmic ones of the same current at ``device.read_volt``."""
    fit_error_levels: Positive = 0.05
    """Error asked of fitted responses: a layer takes the cheapest form whose root-mean-square error on reads kept back
    is at most this, and whose largest error is at most ten times this, or else the best form; arrays where every form
    is off ten times as far are fitted to more reads. Only where responses are fitted; the default is a sixth of what
    rounding to whole steps does [level units]."""

    @property
    def has_losses(self) -> bool:
        """Whether some line that carries current has a resistance."""
        first = self.r_wl_ohm if self.layout.inputs == "rows" else self.r_sl_ohm
        return any((first, self.r_bl_ohm, self.r_source_ohm, self.r_sink_ohm))

    @property
    def layout(self) -> Topology:
        """The record of ``topology``."""
        return TOPOLOGIES[self.topology]

    @model_validator(mode="after")
    def _check_keys(self) -> Crossbar:
        for message in self._contradictions():
            raise PydanticCustomError("kind", "{message}", {"message": message})
        return self

    def _contradictions(self) -> list[str]:
        """Say which keys do not go together, and what to do about each."""
        layout, found = self.layout, []
        if self.r_sl_ohm and layout.inputs != "gates":
            found.append(
                f"r_sl_ohm: {self.r_sl_ohm:g} is not used with crossbar.topology: {self.topology}, whose inputs "
                "drive the rows; give r_wl_ohm, or choose 1t1r_gate, 1t1r_gate_near or 1t1r_gate_rows"
            )
        if self.r_access_ohm and not layout.has_transistor:
            found.append(
                f"r_access_ohm: {self.r_access_ohm:g} is not used with crossbar.topology: {self.topology}, whose "
                "cells have no transistor; leave it out, or choose 1t1r or a topology with gate inputs"
            )
        if self.g_leak_siemens and layout.inputs != "gates":
            found.append(
                f"g_leak_siemens: {self.g_leak_siemens:g} is not used with crossbar.topology: {self.topology}, where "
                "no transistor closes; leave it out, or choose 1t1r_gate, 1t1r_gate_near or 1t1r_gate_rows"
            )
        if self.g_leak_siemens * self.r_access_ohm > 1:
            found.append(
                f"g_leak_siemens: {self.g_leak_siemens:g} lets closed transistors conduct better than open ones; give "
                f"at most 1 / r_access_ohm, {1 / self.r_access_ohm:g}"
            )
        if self.method == "closed_form" and layout.solver != "operator":
            found.append(
                f"method: closed_form holds for lines with one driven and one sensed end, not for crossbar.topology: "
                f"{self.topology}; choose auto"
            )
        return found
