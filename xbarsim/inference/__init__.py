"""Mapped network x images -> outputs, accuracy, error per layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._lazy import load_lazily

if TYPE_CHECKING:
    from xbarsim.inference.accuracy import Accuracy as Accuracy
    from xbarsim.inference.accuracy import Score as Score
    from xbarsim.inference.accuracy import measure_accuracy as measure_accuracy
    from xbarsim.inference.fidelity import LayerError as LayerError
    from xbarsim.inference.simulate import Outcome as Outcome
    from xbarsim.inference.simulate import simulate_network as simulate_network

_SOURCES = {
    "xbarsim.inference.accuracy": ("Accuracy", "Score", "measure_accuracy"),
    "xbarsim.inference.fidelity": ("LayerError",),
    "xbarsim.inference.simulate": ("Outcome", "simulate_network"),
}

__all__ = [name for names in _SOURCES.values() for name in names]


if not TYPE_CHECKING:  # a module's __getattr__ tells type checkers that every name exists
    __getattr__, __dir__ = load_lazily("xbarsim.inference", _SOURCES)
