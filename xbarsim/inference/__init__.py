"""Mapped network x images -> outputs, accuracy, error per layer."""

from xbarsim.inference.accuracy import Accuracy, Score, check_labels, measure_accuracy

__all__ = ["Accuracy", "Score", "check_labels", "measure_accuracy"]
