"""xbarsim: exact and fast simulation of memristive crossbars and processing-in-memory chips.

The names below load what they need when they are first used, so that ``import xbarsim`` itself costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_FACADE = ("Epitome", "Hardware", "estimate", "from_torch", "load_hardware", "load_network", "simulate")
_SEARCH = ("CostOracle",)
_ERRORS = ("ConfigError", "MappingError", "ShapeError", "SolverError", "XbarsimError")
_ROOMS = (
    "config", "cost", "crossbar", "data", "device", "inference", "mapping", "mvm", "network", "report", "search",
    "timing",
)  # fmt: skip

__all__ = ["__version__", *_FACADE, *_SEARCH, *_ERRORS, *_ROOMS]


def __getattr__(name: str) -> Any:
    """Load the facade's functions and the rooms on first use (PEP 562)."""
    if name in _FACADE:
        return getattr(importlib.import_module("xbarsim.api"), name)
    if name in _SEARCH:
        return getattr(importlib.import_module("xbarsim.search"), name)
    if name in _ERRORS:
        return getattr(importlib.import_module("xbarsim.errors"), name)
    if name in _ROOMS:
        return importlib.import_module(f"xbarsim.{name}")
    raise AttributeError(f"module 'xbarsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be loaded."""
    return sorted(__all__)
