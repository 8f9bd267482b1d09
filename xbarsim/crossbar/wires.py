"""The wires of an array, and the checks of what callers hand in.

A word line is a ladder of ``cols`` cells behind a driver, a bit line a ladder of ``rows`` cells before a sensor. Wires
are resistors; capacitance and inductance are neglected, since arrays are read when they have settled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar.argument import CONDUCTANCE, RESISTANCE, check_number, check_numbers
from xbarsim.errors import ConfigError, ShapeError


@dataclass(frozen=True, kw_only=True)
class Wires:
    """Resistances of one array; zero is a perfect conductor and is handled exactly."""

    r_wl_ohm: float = 0.0
    """One word-line segment; there is one before the first cell."""
    r_bl_ohm: float = 0.0
    """One bit-line segment; there is one after the last row."""
    r_source_ohm: float = 0.0
    """Output resistance of a word-line driver."""
    r_sink_ohm: float = 0.0
    """Input resistance of a bit-line sensor."""

    def __post_init__(self) -> None:
        """Refuse what is not a finite resistance of zero or more."""
        for field in fields(self):
            object.__setattr__(self, field.name, check_number(field.name, getattr(self, field.name), RESISTANCE))

    @property
    def swapped(self) -> Wires:
        """Word- and bit-line values exchanged: the wires of the anti-transposed array."""
        return Wires(
            r_wl_ohm=self.r_bl_ohm, r_bl_ohm=self.r_wl_ohm, r_source_ohm=self.r_sink_ohm, r_sink_ohm=self.r_source_ohm
        )

    @property
    def has_word_lines(self) -> bool:
        """Whether any voltage can drop between a driver and a cell."""
        return self.r_wl_ohm > 0 or self.r_source_ohm > 0

    @property
    def has_bit_lines(self) -> bool:
        """Whether any voltage can drop between a cell and a sensor."""
        return self.r_bl_ohm > 0 or self.r_sink_ohm > 0


def check_leak(siemens: float, access_ohm: float) -> float:
    """Return the conductance of closed transistors; refuse one that is not finite, or more than that of open ones.

    Parameters
    ----------
    siemens : float
        Conductance of closed transistors [S].
    access_ohm : float
        Resistance of open ones [ohm].

    Returns
    -------
    float
        The same [S].

    Raises
    ------
    ConfigError
        If there is something to refuse.
    """
    siemens = check_number("g_leak_siemens", siemens, CONDUCTANCE)
    if siemens * access_ohm > 1:
        raise ConfigError(
            f"g_leak_siemens: {siemens:g} lets closed transistors conduct better than open ones; give at most "
            f"1 / r_access_ohm, {1 / access_ohm:g}"
        )
    return siemens


def check_ohms(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return resistances given line by line or segment by segment.

    Parameters
    ----------
    name : str
        What messages call them.
    value : array_like, (lines,) or (lines, segments)
        Resistances [ohm].

    Returns
    -------
    ndarray, shape of ``value``
        The same in float64.

    Raises
    ------
    ConfigError
        If they are not finite numbers of zero or more, or there are none.
    """
    try:
        ohms = check_numbers(name, value).astype(np.float64)
    except ShapeError:
        raise ConfigError(
            f"{name}: not an array of numbers; give one resistance, one per line, or one per segment"
        ) from None
    if not ohms.size:
        raise ConfigError(f"{name}: empty; give one resistance, one per line, or one per segment")
    if not (np.isfinite(ohms) & (ohms >= 0)).all():
        raise ConfigError(
            f"{name}: {ohms[~(np.isfinite(ohms) & (ohms >= 0))][0]} is not a finite resistance of zero or more"
        )
    return ohms


def check_conductance(g: ArrayLike) -> NDArray[np.float64]:
    """Return conductances as a contiguous stack of arrays.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].

    Returns
    -------
    ndarray, (arrays, rows, cols)
        The same values in float64, C order.

    Raises
    ------
    ShapeError
        If ``g`` is not real, finite, zero or more, and at least two-dimensional with a cell in it.
    """
    values = check_numbers("g", g)
    if values.ndim < 2 or values.shape[-1] == 0 or values.shape[-2] == 0:
        raise ShapeError(f"g: shape {values.shape} is not (..., rows, cols) with at least one row and one column")
    stack = np.ascontiguousarray(values.reshape((-1, *values.shape[-2:])), dtype=np.float64)
    low, high = (stack.min(), stack.max()) if stack.size else (0.0, 0.0)
    if not (low >= 0 and high < math.inf):  # false for NaN too
        bad = np.argwhere(~(np.isfinite(stack) & (stack >= 0)))[0]
        raise ShapeError(
            f"g: {stack[tuple(bad)]} at array {bad[0]}, row {bad[1]}, column {bad[2]} is not a finite conductance "
            "of zero or more"
        )
    return stack
