"""Named random streams.

A stream depends on its key alone, never on which streams were drawn before it, how many threads ran, or in
which order layers were programmed. Every purpose has a generator of its own, which makes results reproducible bit
for bit.
"""

from __future__ import annotations

import hashlib
import operator
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, show_value

LARGEST_SEED = 2**63 - 1
"""Largest seed; every generator takes it."""


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

    Raises
    ------
    ConfigError
        If the seed is not a whole number of at least 0.
    """
    return np.random.Generator(np.random.Philox(key=stream_key(seed, name, *key)))


def stream_key(seed: int, name: str, *key: int | str) -> int:
    """Hash a stream's name to the 128-bit key of its counter-based generator; ConfigError if the seed is not whole."""
    text = "\x1f".join([str(check_seed(seed)), name, *(str(part) for part in key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def check_seed(seed: Any, name: str = "seed") -> int:
    """Refuse a seed that is not a whole number from 0 to :data:`LARGEST_SEED`.

    Parameters
    ----------
    seed : object
        What a user gave.
    name : str
        Argument or key, for the message.

    Returns
    -------
    int
        The seed.

    Raises
    ------
    ConfigError
        If it has a fraction, is negative or too large, or is no number.
    """
    try:
        whole = -1 if isinstance(seed, (bool, np.bool_)) else operator.index(seed)
    except TypeError:
        whole = -1
    if not 0 <= whole <= LARGEST_SEED:
        raise ConfigError(f"{name}: {show_value(seed)} is not a whole number from 0 to 2**63 - 1")
    return whole
