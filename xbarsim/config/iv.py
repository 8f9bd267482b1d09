"""The key ``device.iv``: current-voltage characteristics of cells.

Every form is ``i = g * f(v)`` with ``f(v) = v`` at ``reference_volt`` (at 0: with slope 1 there), odd or not, and
rising with the voltage everywhere that cells get to.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from xbarsim.config.record import Fraction, NonNegative, Positive, Record

Array = NDArray[np.float64]


class Sinh(Record):
    """Hopping or tunnelling: ``f(v) ~ sinh(v / scale_volt)``."""

    kind: Literal["sinh"] = "sinh"
    """Form of the curve."""
    scale_volt: Positive
    """Scale of the voltage in the sinh function [V]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which the cell has its programmed conductance; 0: the slope at zero voltage [V]."""


class Polynomial(Record):
    """Fitted curve: ``f(v) ~ v + c2 v^2 + c3 v^3 + ...``."""

    kind: Literal["polynomial"] = "polynomial"
    """Form of the curve."""
    coefficients: Annotated[tuple[float, ...], Field(min_length=1, max_length=8)]
    """Coefficients c2, c3, ... of the square, the cube and so on, relative to the linear one [1/V, 1/V^2, ...]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which the cell has its programmed conductance; 0: the slope at zero voltage [V]."""


class Selector(Record):
    """A threshold switch in series with the cell: off below ``threshold_volt``, on above, with a smooth transition."""

    kind: Literal["selector"] = "selector"
    """Form of the curve."""
    threshold_volt: Positive
    """Voltage across the cell at which the selector is half on [V]."""
    width_volt: Positive
    """Width of the transition: below the threshold the conductance grows by a factor of e for each ``width_volt``
    [V]."""
    off_ratio: Fraction = 0.0
    """Conductance of the selector in the off state relative to the on state [-]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which the cell has its programmed conductance; 0: far above the threshold [V]."""


Iv = Annotated[Sinh | Polynomial | Selector, Field(discriminator="kind")]
"""Any form of current over voltage."""

CLOSED = 40.0
"""Widths from its threshold beyond which a selector neither closes nor opens further: rounding hides the rest [-]."""

Curve: TypeAlias = Sinh | Polynomial | Selector


def cell_current(iv: Curve | None, v: ArrayLike) -> tuple[Array, Array]:
    """Return current and differential conductance of a cell of 1 S.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Form of the curve; None is ohmic.
    v : array_like, any shape
        Voltage across the cell [V].

    Returns
    -------
    tuple of ndarray
        Current [A] and its slope [S], to be multiplied by the conductance of the cell, shape of ``v``.
    """
    v = np.asarray(v, dtype=np.float64)
    if iv is None:
        return v.copy(), np.ones_like(v)
    current, slope = curve_shape(iv, v)
    if iv.reference_volt > 0:
        at, _ = curve_shape(iv, np.float64(iv.reference_volt))
        factor = iv.reference_volt / float(at)
        current, slope = current * factor, slope * factor
    return current, slope


def secant_conductance(iv: Curve | None, volt: float) -> float:
    """Return current over voltage at one voltage, relative to the conductance that a cell is programmed to [-].

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Form of the curve; None is ohmic.
    volt : float
        Voltage across the cell, more than zero [V].

    Returns
    -------
    float
        1 for an ohmic cell, and where ``volt`` is ``reference_volt``.
    """
    return float(cell_current(iv, volt)[0]) / volt


def curve_shape(iv: Curve, v: Any) -> tuple[Any, Any]:
    """Return a curve and its slope before they are scaled to the reference voltage.

    Parameters
    ----------
    iv : Sinh, Polynomial or Selector
        Form of the curve.
    v : float or ndarray, any shape
        Voltage across the cell [V].

    Returns
    -------
    tuple
        Current [A] and slope [S] of a cell of 1 S, shape of ``v``.
    """
    if isinstance(iv, Sinh):
        return iv.scale_volt * np.sinh(v / iv.scale_volt), np.cosh(v / iv.scale_volt)
    if isinstance(iv, Polynomial):
        terms = np.array([0.0, 1.0, *iv.coefficients])
        polynomial = np.polynomial.polynomial
        return polynomial.polyval(v, terms), polynomial.polyval(v, polynomial.polyder(terms))
    x = np.clip((np.abs(v) - iv.threshold_volt) / iv.width_volt, -CLOSED, CLOSED)
    step = 1.0 / (1.0 + np.exp(-x))
    share = iv.off_ratio + (1.0 - iv.off_ratio) * step
    slope = share + np.abs(v) * (1.0 - iv.off_ratio) * step * (1.0 - step) / iv.width_volt
    return v * share, slope
