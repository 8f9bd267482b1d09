"""Conductances -> sensed currents: exact and approximate solvers of the array's circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._lazy import load_lazily

if TYPE_CHECKING:
    from xbarsim.crossbar.circuit import Lines as Lines
    from xbarsim.crossbar.currents import CurrentReport as CurrentReport
    from xbarsim.crossbar.currents import solve_currents as solve_currents
    from xbarsim.crossbar.currents import solve_currents_report as solve_currents_report
    from xbarsim.crossbar.netlist import write_netlist as write_netlist
    from xbarsim.crossbar.operating import solve_operating_point as solve_operating_point
    from xbarsim.crossbar.power import ArrayCircuit as ArrayCircuit
    from xbarsim.crossbar.power import ReadPower as ReadPower
    from xbarsim.crossbar.power import describe_circuit as describe_circuit
    from xbarsim.crossbar.power import find_power as find_power
    from xbarsim.crossbar.read import solve_reads as solve_reads
    from xbarsim.crossbar.relaxation import ReadReport as ReadReport
    from xbarsim.crossbar.response import solve_operator as solve_operator
    from xbarsim.crossbar.response import solve_patterns as solve_patterns
    from xbarsim.crossbar.settling import SettlingReport as SettlingReport
    from xbarsim.crossbar.settling import solve_settling as solve_settling
    from xbarsim.crossbar.topology import TOPOLOGIES as TOPOLOGIES
    from xbarsim.crossbar.topology import Topology as Topology
    from xbarsim.crossbar.transfer import TransferReport as TransferReport
    from xbarsim.crossbar.transfer import solve_transfer as solve_transfer
    from xbarsim.crossbar.transfer import solve_transfer_report as solve_transfer_report
    from xbarsim.crossbar.wires import Wires as Wires

_SOURCES = {
    "xbarsim.crossbar.circuit": ("Lines",),
    "xbarsim.crossbar.currents": ("CurrentReport", "solve_currents", "solve_currents_report"),
    "xbarsim.crossbar.netlist": ("write_netlist",),
    "xbarsim.crossbar.operating": ("solve_operating_point",),
    "xbarsim.crossbar.power": ("ArrayCircuit", "ReadPower", "describe_circuit", "find_power"),
    "xbarsim.crossbar.read": ("solve_reads",),
    "xbarsim.crossbar.relaxation": ("ReadReport",),
    "xbarsim.crossbar.response": ("solve_operator", "solve_patterns"),
    "xbarsim.crossbar.settling": ("SettlingReport", "solve_settling"),
    "xbarsim.crossbar.topology": ("TOPOLOGIES", "Topology"),
    "xbarsim.crossbar.transfer": ("TransferReport", "solve_transfer", "solve_transfer_report"),
    "xbarsim.crossbar.wires": ("Wires",),
}

__all__ = [name for names in _SOURCES.values() for name in names]


if not TYPE_CHECKING:  # a module's __getattr__ tells type checkers that every name exists
    __getattr__, __dir__ = load_lazily("xbarsim.crossbar", _SOURCES)
