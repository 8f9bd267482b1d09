"""Training with hardware errors: networks as PyTorch modules, a model of the arrays, fine-tuning, and quantisation with
calibration images.

Modules that need PyTorch (extra ``torch``) import it when they are imported; this one does not.
"""

from xbarsim.train.finetune import finetune, tune
from xbarsim.train.integers import quantize

__all__ = ["finetune", "quantize", "tune"]
