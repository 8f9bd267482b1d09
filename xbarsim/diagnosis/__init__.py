"""Analysis of lost accuracy: shares of causes and layers, and remedies."""

from xbarsim.diagnosis.cause import CAUSES, Cause
from xbarsim.diagnosis.explanation import CauseShare, Explanation, LayerShare, RemedyGain, Whole
from xbarsim.diagnosis.remedy import REMEDIES, Remedy
from xbarsim.diagnosis.run import explain

__all__ = [
    "CAUSES", "REMEDIES", "Cause", "CauseShare", "Explanation", "LayerShare", "Remedy", "RemedyGain", "Whole",
    "explain",
]  # fmt: skip
