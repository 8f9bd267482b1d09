"""Named random streams.

A stream depends on its key alone, never on which streams were drawn before it, how many threads ran, or in
which order layers were programmed. Every purpose has a generator of its own, which makes results reproducible bit
for bit.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, name: str, *key: int | str) -> np.random.Generator:
    """Return the random generator that belongs to one purpose.

    Parameters
    ----------
    seed : int
        Seed of the whole run.
    name : str
        What is drawn, for example ``"device.programming"``.
    *key : int or str
        What it is drawn for, for example the trial number and the layer name.

    Returns
    -------
    numpy.random.Generator
        A counter-based Philox generator keyed by a hash of all arguments.
    """
    return np.random.Generator(np.random.Philox(key=stream_key(seed, name, *key)))


def stream_key(seed: int, name: str, *key: int | str) -> int:
    """Hash a stream's name to the 128-bit key of its counter-based generator."""
    text = "\x1f".join([str(int(seed)), name, *(str(part) for part in key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
