"""The functions that users call: load hardware and networks, estimate costs, simulate accuracy, program chips."""

from xbarsim.api.chip import Chip, load_chip
from xbarsim.api.hardware import Hardware, RatedHardware, load_hardware
from xbarsim.api.prepare import CALIBRATION_IMAGES
from xbarsim.api.programming import program
from xbarsim.api.run import estimate, find_cost, simulate
from xbarsim.api.shared import Shared
from xbarsim.network import Epitome, from_torch, load_network

__all__ = [
    "CALIBRATION_IMAGES", "Chip", "Epitome", "Hardware", "RatedHardware", "Shared", "estimate", "find_cost",
    "from_torch", "load_chip", "load_hardware", "load_network", "program", "simulate",
]  # fmt: skip
