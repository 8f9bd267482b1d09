"""Where the windows of a convolution lie in a flattened image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def window_places(size: Sequence[int], a: Mapping[str, Any]) -> np.ndarray:
    """Return the places that every window reads.

    Parameters
    ----------
    size : sequence of int
        Sizes of the padded image along the axes of the kernel.
    a : mapping
        ``kernel``, ``stride`` and ``dilation``.

    Returns
    -------
    ndarray of int64, (windows, numbers of a kernel)
        Indices into the image in the order of memory.
    """
    starts = [
        range(0, length - a["dilation"][axis] * (a["kernel"][axis] - 1), a["stride"][axis])
        for axis, length in enumerate(size)
    ]
    steps = [range(0, kernel * spread, spread) for kernel, spread in zip(a["kernel"], a["dilation"], strict=True)]
    first, more = (np.array(list(itertools.product(*each)), np.int64) for each in (starts, steps))
    scale = np.cumprod([1, *size[:0:-1]])[::-1]
    places: np.ndarray = (first @ scale)[:, None] + (more @ scale)[None]
    return places
