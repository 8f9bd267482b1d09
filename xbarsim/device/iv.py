"""Current and slope of a cell at a voltage, for every form of ``device.iv``, and the same as a SPICE expression.

Static curves: history, self-heating and switching during the read are neglected.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.iv import Polynomial, Selector, Sinh
from xbarsim.errors import ConfigError

Array = NDArray[np.float64]
Curve: TypeAlias = Sinh | Polynomial | Selector
MOST_BEND = 300.0
"""Largest ratio of voltage to ``scale_volt`` of a sinh, short of overflow [-]."""


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
    current, slope = _shape(iv, v)
    if iv.reference_volt > 0:
        at, _ = _shape(iv, np.float64(iv.reference_volt))
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


def check_curve(iv: Curve | None, volt: float) -> None:
    """Refuse a curve that does not rise everywhere within ``-volt .. volt``, where a circuit may have many answers.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Form of the curve; None is ohmic.
    volt : float
        Largest voltage that a cell can see [V].

    Raises
    ------
    ConfigError
        If the curve falls or overflows within that range.
    """
    if iv is None:
        return
    if isinstance(iv, Sinh) and max(volt, iv.reference_volt) > MOST_BEND * iv.scale_volt:
        raise ConfigError(f"iv.scale_volt: {iv.scale_volt:g} V is too small for cells at {volt:g} V")
    if isinstance(iv, Polynomial):
        terms = [(n + 2) * c for n, c in enumerate(iv.coefficients)][::-1]
        roots = np.roots([*terms, 1.0]) if any(terms) else np.zeros(0)
        real = roots[np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots.real))].real
        inside = real[np.abs(real) <= max(volt, iv.reference_volt)]
        if inside.size:
            raise ConfigError(f"iv.coefficients: the current falls from {inside.min():.3g} V on; it must rise")


def write_expression(iv: Curve | None, g: float, v: str) -> str:
    """Write the current of a cell as a SPICE expression.

    Parameters
    ----------
    iv : Sinh, Polynomial, Selector or None
        Form of the curve; None is ohmic.
    g : float
        Conductance that the cell is programmed to [S].
    v : str
        Expression of the voltage across the cell.

    Returns
    -------
    str
        Expression [A].
    """
    if iv is None:
        return f"{g!r}*{v}"
    if iv.reference_volt > 0:
        g = float(g * iv.reference_volt / float(_shape(iv, np.float64(iv.reference_volt))[0]))
    if isinstance(iv, Sinh):
        return f"{g * iv.scale_volt!r}*sinh({v}/{iv.scale_volt!r})"
    if isinstance(iv, Polynomial):
        inner = "1"
        for n, c in reversed(list(enumerate(iv.coefficients))):
            inner = f"{c!r}" if n == len(iv.coefficients) - 1 else f"({c!r}+{v}*{inner})"
        return f"{g!r}*{v}*(1+{v}*{inner})"
    step = f"1/(1+exp(({iv.threshold_volt!r}-abs({v}))/{iv.width_volt!r}))"
    return f"{g!r}*{v}*({iv.off_ratio!r}+{1 - iv.off_ratio!r}*{step})"


def _shape(iv: Curve, v: Any) -> tuple[Any, Any]:
    """Return f(v) and its slope before scaling to the reference voltage."""
    if isinstance(iv, Sinh):
        return iv.scale_volt * np.sinh(v / iv.scale_volt), np.cosh(v / iv.scale_volt)
    if isinstance(iv, Polynomial):
        terms = np.array([0.0, 1.0, *iv.coefficients])
        polynomial = np.polynomial.polynomial
        return polynomial.polyval(v, terms), polynomial.polyval(v, polynomial.polyder(terms))
    x = np.clip((np.abs(v) - iv.threshold_volt) / iv.width_volt, -700.0, 700.0)
    step = 1.0 / (1.0 + np.exp(-x))
    share = iv.off_ratio + (1.0 - iv.off_ratio) * step
    slope = share + np.abs(v) * (1.0 - iv.off_ratio) * step * (1.0 - step) / iv.width_volt
    return v * share, slope
