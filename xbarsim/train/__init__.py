"""Training through hardware: networks as PyTorch modules, the model of the arrays in them, and fine-tuning; integers
chosen on calibration images.

Modules that need PyTorch (extra ``torch``) import it when they are imported; this one does not.
"""

from xbarsim.train.finetune import finetune
from xbarsim.train.integers import quantize

__all__ = ["finetune", "quantize"]
