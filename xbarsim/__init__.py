"""xbarsim: exact and fast simulation of memristive crossbars and processing-in-memory chips.

The names below are loaded when they are first used, so that ``import xbarsim`` itself is fast. Type
checkers and editors see the imports under ``TYPE_CHECKING``; a test keeps the two lists equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._lazy import load_lazily

if TYPE_CHECKING:
    from xbarsim import config as config
    from xbarsim import cost as cost
    from xbarsim import crossbar as crossbar
    from xbarsim import data as data
    from xbarsim import device as device
    from xbarsim import inference as inference
    from xbarsim import mapping as mapping
    from xbarsim import mvm as mvm
    from xbarsim import network as network
    from xbarsim import nn as nn
    from xbarsim import report as report
    from xbarsim import search as search
    from xbarsim import timing as timing
    from xbarsim.api import Chip as Chip
    from xbarsim.api import Epitome as Epitome
    from xbarsim.api import Hardware as Hardware
    from xbarsim.api import estimate as estimate
    from xbarsim.api import from_torch as from_torch
    from xbarsim.api import load_chip as load_chip
    from xbarsim.api import load_hardware as load_hardware
    from xbarsim.api import load_network as load_network
    from xbarsim.api import program as program
    from xbarsim.api import simulate as simulate
    from xbarsim.diagnosis import explain as explain
    from xbarsim.errors import ConfigError as ConfigError
    from xbarsim.errors import MappingError as MappingError
    from xbarsim.errors import ShapeError as ShapeError
    from xbarsim.errors import SolverError as SolverError
    from xbarsim.errors import XbarsimError as XbarsimError
    from xbarsim.plugin import register as register
    from xbarsim.search import CostOracle as CostOracle
    from xbarsim.train import quantize as quantize

__version__ = "0.1.0"

_FACADE = (
    "Chip", "Epitome", "Hardware", "estimate", "from_torch", "load_chip", "load_hardware", "load_network", "program",
    "simulate",
)  # fmt: skip
_SEARCH = ("CostOracle",)
_DIAGNOSIS = ("explain",)
_ERRORS = ("ConfigError", "MappingError", "ShapeError", "SolverError", "XbarsimError")
_PLUGIN = ("register",)
_TRAIN = ("quantize",)
_ROOMS = (
    "config", "cost", "crossbar", "data", "device", "inference", "mapping", "mvm", "network", "nn", "report",
    "search", "timing",
)  # fmt: skip
_SOURCES = {
    "xbarsim.api": _FACADE, "xbarsim.search": _SEARCH, "xbarsim.diagnosis": _DIAGNOSIS, "xbarsim.errors": _ERRORS,
    "xbarsim.plugin": _PLUGIN, "xbarsim.train": _TRAIN,
}  # fmt: skip
_HOMES = {name: module for module, names in _SOURCES.items() for name in names}

__all__ = ["__version__", *_HOMES, *_ROOMS]


if not TYPE_CHECKING:  # a module's __getattr__ tells type checkers that every name exists
    __getattr__, __dir__ = load_lazily("xbarsim", _SOURCES, _ROOMS)
