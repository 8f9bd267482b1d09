"""Curves of current over voltage: the range in which they may be solved, and how SPICE writes them.

Current and slope are those of :func:`xbarsim.config.iv.cell_current`. Static curves: history, self-heating and
switching during the read are neglected.
"""

from __future__ import annotations

import numpy as np

from xbarsim.config.iv import Curve, Polynomial, Sinh, curve_shape
from xbarsim.errors import ConfigError

MOST_BEND = 300.0
"""Largest ratio of voltage to ``scale_volt`` of a sinh, short of overflow [-]."""


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
        g = float(g * iv.reference_volt / float(curve_shape(iv, np.float64(iv.reference_volt))[0]))
    if isinstance(iv, Sinh):
        return f"{g * iv.scale_volt!r}*sinh({v}/{iv.scale_volt!r})"
    if isinstance(iv, Polynomial):
        inner = "1"
        for n, c in reversed(list(enumerate(iv.coefficients))):
            inner = f"{c!r}" if n == len(iv.coefficients) - 1 else f"({c!r}+{v}*{inner})"
        return f"{g!r}*{v}*(1+{v}*{inner})"
    step = f"1/(1+exp(({iv.threshold_volt!r}-abs({v}))/{iv.width_volt!r}))"
    return f"{g!r}*{v}*({iv.off_ratio!r}+{1 - iv.off_ratio!r}*{step})"
