"""Conductances -> sensed currents: exact and approximate solvers of the array's circuit."""

from xbarsim.crossbar.transfer import TransferReport, solve_transfer, solve_transfer_report
from xbarsim.crossbar.wires import Wires

__all__ = ["TransferReport", "Wires", "solve_transfer", "solve_transfer_report"]
