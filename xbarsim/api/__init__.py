"""The functions that users call: load hardware and networks, estimate costs, simulate accuracy, program chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._lazy import load_lazily

if TYPE_CHECKING:
    from xbarsim.api.chip import Chip as Chip
    from xbarsim.api.chip import load_chip as load_chip
    from xbarsim.api.cost import estimate as estimate
    from xbarsim.api.cost import find_cost as find_cost
    from xbarsim.api.hardware import Hardware as Hardware
    from xbarsim.api.hardware import RatedHardware as RatedHardware
    from xbarsim.api.hardware import load_hardware as load_hardware
    from xbarsim.api.prepare import CALIBRATION_IMAGES as CALIBRATION_IMAGES
    from xbarsim.api.programming import program as program
    from xbarsim.api.run import simulate as simulate
    from xbarsim.api.shared import Shared as Shared
    from xbarsim.network import Epitome as Epitome
    from xbarsim.network import from_torch as from_torch
    from xbarsim.network import load_network as load_network

_SOURCES = {
    "xbarsim.api.chip": ("Chip", "load_chip"),
    "xbarsim.api.cost": ("estimate", "find_cost"),
    "xbarsim.api.hardware": ("Hardware", "RatedHardware", "load_hardware"),
    "xbarsim.api.prepare": ("CALIBRATION_IMAGES",),
    "xbarsim.api.programming": ("program",),
    "xbarsim.api.run": ("simulate",),
    "xbarsim.api.shared": ("Shared",),
    "xbarsim.network": ("Epitome", "from_torch", "load_network"),
}

__all__ = [name for names in _SOURCES.values() for name in names]


if not TYPE_CHECKING:  # a module's __getattr__ tells type checkers that every name exists
    __getattr__, __dir__ = load_lazily("xbarsim.api", _SOURCES)
