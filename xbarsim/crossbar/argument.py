"""What callers of the circuit room hand in, checked by one table: numbers of each kind, and arrays of numbers.

Truth values and texts are no numbers here: ``True`` ohm is a slip, not 1 ohm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.errors import ConfigError, ShapeError


class ArgumentKind(NamedTuple):
    """What an argument is."""

    words: str
    """End of the message that refuses another value."""
    accepts: Callable[[Any], bool]
    """Whether it takes a number."""
    is_whole: bool
    """Whether the number must be an integer."""


RESISTANCE = ArgumentKind("a finite resistance of zero or more", lambda x: 0 <= x < math.inf, False)
CONDUCTANCE = ArgumentKind("a finite conductance of zero or more", lambda x: 0 <= x < math.inf, False)
CAPACITANCE = ArgumentKind("a finite capacitance of zero or more", lambda x: 0 <= x < math.inf, False)
VOLTAGE = ArgumentKind("a finite voltage of more than zero", lambda x: 0 < x < math.inf, False)
CURRENT = ArgumentKind("a finite current above 0", lambda x: 0 < x < math.inf, False)
COUNT = ArgumentKind("a whole number of at least 1", lambda x: x >= 1, True)
ARRAYS = ArgumentKind("a number of arrays of zero or more", lambda x: x >= 0, True)
SHARES = ArgumentKind("a finite share of zero or more", lambda x: 0 <= x < math.inf, False)


def tolerance(least: float) -> ArgumentKind:
    """Return the kind of a relative tolerance from ``least`` to below 1."""
    return ArgumentKind(f"between {least:g} and 1", lambda x: least <= x < 1, False)


def check_number(name: str, value: Any, kind: ArgumentKind) -> float:
    """Return a number of a kind, and refuse what is none.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : object
        What was given.
    kind : ArgumentKind
        What it should be.

    Returns
    -------
    float
        The same number: sums with one of few bits would have few bits too.

    Raises
    ------
    ConfigError
        If there is something to refuse.
    """
    kinds = "iu" if kind.is_whole else "fiu"
    is_number = isinstance(value, (int, float, np.number, np.ndarray)) and np.ndim(value) == 0
    if not (is_number and np.asarray(value).dtype.kind in kinds and kind.accepts(value)):
        raise ConfigError(f"{name}: {shorten(value)} is not {kind.words}")
    return float(value)


def check_numbers(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return an array of numbers as it is given.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : array_like, any shape
        Numbers.

    Returns
    -------
    ndarray, shape of ``value``
        The same, of a real type of numbers.

    Raises
    ------
    ShapeError
        If rows differ in length, or anything is not a real number.
    """
    try:
        values = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name}: {error}") from None
    if values.dtype.kind not in "fiu":
        raise ShapeError(f"{name}: {values.dtype} is not a real number type")
    return values


def check_shares(name: str, value: ArrayLike, rows: int, ndim: int) -> NDArray[np.float64]:
    """Return inputs as shares of a full one.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : array_like, (..., rows)
        Shares [-].
    rows : int
        Rows of the array.
    ndim : int
        Number of axes.

    Returns
    -------
    ndarray, shape of ``value``
        In float64.

    Raises
    ------
    ShapeError
        If they are not finite numbers of zero or more in the right shape.
    """
    values = check_numbers(name, value)
    if values.ndim != ndim or values.shape[-1] != rows:
        raise ShapeError(f"{name}: shape {values.shape} is not ({'reads, ' * (ndim - 1)}{rows})")
    good = np.isfinite(values) & (values >= 0)
    if not good.all():
        raise ShapeError(f"{name}: {values[~good][0]} is not {SHARES.words}")
    return values.astype(np.float64)


def shorten(value: Any) -> str:
    """Return what stands for a value in a message, at most 60 characters."""
    text = " ".join((str(value) if isinstance(value, (float, np.number)) else repr(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
