"""Mapped network x images -> outputs, accuracy, error per layer."""

from xbarsim.inference.accuracy import Accuracy, Score, measure_accuracy
from xbarsim.inference.fidelity import LayerError
from xbarsim.inference.simulate import Outcome, simulate_network

__all__ = ["Accuracy", "LayerError", "Outcome", "Score", "measure_accuracy", "simulate_network"]
