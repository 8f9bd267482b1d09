"""Arrays whose first value lies at the start of a line of the cache.

NumPy aligns arrays to 16 bytes. Lanes that are loaded and stored one after the other then cross from one line of the
cache to the next: measured, lines of nonlinear cells take 2 to 2.7 times as long where arrays begin at no multiple
of 32 bytes, which changes from process to process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE_BYTES = 64
"""A line of the cache, and a 512-bit register [bytes]."""


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of zeros that begins with a line of the cache.

    Parameters
    ----------
    shape : int or tuple of int
        Its shape.
    dtype : dtype
        Type of its values.

    Returns
    -------
    ndarray
        C-contiguous.
    """
    kind = np.dtype(dtype)
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    room = np.zeros(count * kind.itemsize + LINE_BYTES, dtype=np.uint8)
    first = -room.ctypes.data % LINE_BYTES
    return room[first : first + count * kind.itemsize].view(kind).reshape(shape)
