"""Conductances -> sensed currents: exact and approximate solvers of the array's circuit."""

from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.currents import CurrentReport, solve_currents, solve_currents_report
from xbarsim.crossbar.netlist import write_netlist
from xbarsim.crossbar.operating import solve_operating_point
from xbarsim.crossbar.power import ArrayCircuit, ReadPower, describe_circuit, find_power
from xbarsim.crossbar.read import solve_reads
from xbarsim.crossbar.relaxation import ReadReport
from xbarsim.crossbar.response import solve_operator, solve_patterns
from xbarsim.crossbar.settling import SettlingReport, solve_settling
from xbarsim.crossbar.topology import TOPOLOGIES, Topology
from xbarsim.crossbar.transfer import TransferReport, solve_transfer, solve_transfer_report
from xbarsim.crossbar.wires import Wires

__all__ = [
    "TOPOLOGIES", "ArrayCircuit", "CurrentReport", "Lines", "ReadPower", "ReadReport", "SettlingReport", "Topology",
    "TransferReport", "Wires", "describe_circuit", "find_power", "solve_currents", "solve_currents_report",
    "solve_operating_point", "solve_operator", "solve_patterns", "solve_reads", "solve_settling", "solve_transfer",
    "solve_transfer_report", "write_netlist",
]  # fmt: skip
