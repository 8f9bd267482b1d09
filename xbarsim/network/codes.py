"""Integer codes of activations: their range, and rounding of real values.

Codes of b bits are 0 .. 2^b - 1, or two's complement where they are signed. Signed codes of one bit are -1 and 1, the
sign of the value (binary activations, as in XNOR-Net: Rastegari et al., ECCV 2016); zero counts as positive. What
pads an image is no activation: it is code 0 there too, which drives nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def is_binary(bits: int, signed: bool) -> bool:
    """Return whether codes are -1 and 1."""
    return signed and bits == 1


def code_range(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and largest code."""
    if is_binary(bits, signed):
        return -1, 1
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def round_codes(steps: Floats, zero_point: int, bits: int, signed: bool) -> Floats:
    """Round to codes.

    Parameters
    ----------
    steps : ndarray of float, any shape
        Real values in steps; overwritten.
    zero_point : int
        Code of the real value 0.
    bits : int
        Bits of a code.
    signed : bool
        Whether codes may be negative.

    Returns
    -------
    ndarray, shape and type of ``steps``
        ``clip(round(steps) + zero_point)``, and the sign where codes are -1 and 1. NaN stays NaN.
    """
    if is_binary(bits, signed):
        np.copysign(1, steps + 0.0, out=steps, where=~np.isnan(steps))
        return steps
    low, high = code_range(bits, signed)
    np.rint(steps, out=steps)
    if zero_point:
        steps += steps.dtype.type(zero_point)
    np.clip(steps, low, high, out=steps)
    return steps
