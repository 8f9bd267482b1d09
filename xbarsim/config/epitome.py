"""The section ``epitome``: execution of convolutions with epitomes."""

from __future__ import annotations

from typing import Literal

from xbarsim.config.record import Record


class EpitomeRules(Record):
    """Execution of convolutions with epitomes; see ``mapping.epitome``."""

    output_wrapping: bool = True
    """Compute output patches with equal weights once and copy the result (feature map reuse)."""
    input_wrapping: bool = False
    """Add the inputs of patches with equal weights before they are applied to the arrays; inputs become wider."""
    quantization: Literal["array", "column", "min_max"] = "array"
    """Weight scales: one for each array or each output column, with a clipping range that weights elements by the
    number of their uses; or ``min_max``, one for the layer, which covers the range of its values."""
