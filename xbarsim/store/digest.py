"""Hashes of arrays, for results that are identified by their inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def hash_arrays(arrays: Iterable[np.ndarray | None]) -> str:
    """Return a hash of arrays.

    Parameters
    ----------
    arrays : iterable of ndarray or None, any shape
        Type and shape count too.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.dtype.str}{array.shape}".encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
