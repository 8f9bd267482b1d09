"""Kernels of training: inputs of a layer rounded to codes, and the way back, in one pass over the values each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, separate_kernel

Values = NDArray[np.float32]


@inlined
def find_code(steps: np.float32, is_binary: bool) -> np.float32:
    """Return the code of a value given in steps, before it is clipped."""
    if is_binary:
        return np.float32(1.0 if steps >= 0.0 else -1.0)
    nearest: np.float32 = np.rint(steps)
    return nearest


@separate_kernel
def round_inputs(
    x: Values, step: np.float32, low: np.float32, high: np.float32, is_binary: bool, kept: NDArray[np.uint8],
    out: Values,
) -> None:  # fmt: skip
    """Set ``out`` to ``x`` rounded to the codes from ``low`` to ``high``, except where a bit says to keep the value.

    Value ``i`` is kept as it is where bit ``i // m`` of byte ``i % m`` is set, ``m >= x.size / 8`` being the number of
    bytes: values of one bit lie side by side, so that the loop over them runs in SIMD lanes.
    """
    for bit in range(8):
        first = bit * kept.size
        for i in range(min(kept.size, x.size - first)):
            value = x[first + i]
            code = find_code(value / step, is_binary)
            rounded = min(max(code, low), high) * step
            out[first + i] = value if (kept[i] >> bit) & 1 else rounded


@separate_kernel
def pass_gradients(
    x: Values, step: np.float32, low: np.float32, high: np.float32, is_binary: bool, kept: NDArray[np.uint8],
    gradient: Values, by_x: Values, by_step: Values,
) -> None:  # fmt: skip
    """Set the derivatives of the loss by ``x`` and, value by value, by ``step`` from those by what was rounded.

    Rounding itself passes gradients unchanged (straight-through); clipped values pass none to ``x``. Arguments as in
    :func:`round_inputs`; the derivative by ``step`` is the sum over ``by_step``.
    """
    for bit in range(8):
        first = bit * kept.size
        for i in range(min(kept.size, x.size - first)):
            steps = x[first + i] / step
            code = find_code(steps, is_binary)
            is_inside = low <= code <= high
            slope = min(max(code, low), high) - (steps if is_inside else np.float32(0.0))
            is_kept = (kept[i] >> bit) & 1 == 1
            given = gradient[first + i]
            by_x[first + i] = given if is_kept or is_inside else np.float32(0.0)
            by_step[first + i] = np.float32(0.0) if is_kept else given * slope
