"""Kernels of training, and what they must equal."""

from __future__ import annotations

import numpy as np
from reference.kernel_case import KernelCase

from xbarsim._numba import kernel
from xbarsim.train import _kernels

VALUES = 37
"""Values to round, which fill no whole number of bytes."""


def is_kept(kept):
    """Whether each value is kept as it is: bit by bit, all bytes of a bit side by side."""
    return np.unpackbits(kept[None], axis=0, bitorder="little").reshape(-1)[:VALUES].astype(bool)


def find_code(steps, is_binary):
    """Round, or take the sign."""
    return (1.0 if steps >= 0 else -1.0) if is_binary else np.rint(steps)


@kernel
def call_code(steps, is_binary):
    """Call an inlined function."""
    return _kernels.find_code(steps, is_binary)


def round_inputs(x, step, low, high, is_binary, kept, out):
    """Round value by value."""
    codes = np.clip([find_code(value / step, is_binary) for value in x], low, high)
    out[:] = np.where(is_kept(kept), x, codes.astype(np.float32) * step)


def pass_gradients(x, step, low, high, is_binary, kept, gradient, by_x, by_step):
    """Differentiate a clipped identity, and the code times the step."""
    free = np.array([find_code(value / step, is_binary) for value in x], dtype=np.float32)
    codes = np.clip(free, low, high)
    slopes = codes - np.where(codes == free, x / step, np.float32(0.0))
    by_x[:] = np.where(is_kept(kept) | (codes == free), gradient, 0)
    by_step[:] = np.where(is_kept(kept), 0, gradient * slopes)


def inputs(low, high, *, is_binary):
    """Values some of which are halfway between two codes or outside the range, and bytes of bits."""
    x = (np.arange(VALUES) - 18).astype(np.float32) * np.float32(0.25)
    kept = np.random.default_rng(3).integers(0, 256, -(-VALUES // 8), dtype=np.uint8)
    return x, np.float32(0.5), np.float32(low), np.float32(high), is_binary, kept


RULES = ((-7, 7, False), (0, 3, False), (-1, 1, True))
"""Lowest and highest code, and whether the codes are signs."""

TRAIN = (
    *(
        KernelCase(
            kernel=_kernels.find_code, call=call_code, twin=find_code,
            inputs=lambda steps=steps, sign=sign: (np.float32(steps), sign), outputs=(), rtol=0,
        )
        for steps in (-2.5, -0.0, 1.5) for sign in (False, True)
    ),
    *(
        KernelCase(
            kernel=_kernels.round_inputs, call=_kernels.round_inputs, twin=round_inputs,
            inputs=lambda low=low, high=high, sign=sign: (
                *inputs(low, high, is_binary=sign), np.zeros(VALUES, dtype=np.float32)
            ),
            outputs=(6,), rtol=0,
        )
        for low, high, sign in RULES
    ),
    *(
        KernelCase(
            kernel=_kernels.pass_gradients, call=_kernels.pass_gradients, twin=pass_gradients,
            inputs=lambda low=low, high=high, sign=sign: (
                *inputs(low, high, is_binary=sign), *np.random.default_rng(4).normal(size=(3, VALUES)).astype("f4")
            ),
            outputs=(7, 8), rtol=0,
        )
        for low, high, sign in RULES
    ),
)  # fmt: skip
