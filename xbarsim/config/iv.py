"""The key ``device.iv``: how a cell's current depends on its voltage, around the conductance that it is programmed to.

Every form is ``i = g * f(v)`` with ``f(v) = v`` at ``reference_volt`` (at 0: with slope 1 there), odd or not, and
rising with the voltage everywhere that cells get to.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Fraction, NonNegative, Positive, Record


class Sinh(Record):
    """Hopping or tunnelling: ``f(v) ~ sinh(v / scale_volt)``."""

    kind: Literal["sinh"] = "sinh"
    """Form."""
    scale_volt: Positive
    """Voltage that bends the curve [V]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which a cell has the conductance that it is programmed to; 0 is the slope at no voltage [V]."""


class Polynomial(Record):
    """Fitted curve: ``f(v) ~ v + c2 v^2 + c3 v^3 + ...``."""

    kind: Literal["polynomial"] = "polynomial"
    """Form."""
    coefficients: Annotated[tuple[float, ...], Field(min_length=1, max_length=8)]
    """c2, c3, ...: coefficients of the square, the cube and so on, relative to the linear one [1/V, 1/V^2, ...]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which a cell has the conductance that it is programmed to; 0 is the slope at no voltage [V]."""


class Selector(Record):
    """A threshold switch in series: off below ``threshold_volt``, on above, with a smooth step between."""

    kind: Literal["selector"] = "selector"
    """Form."""
    threshold_volt: Positive
    """Voltage across the cell at which the selector is half open [V]."""
    width_volt: Positive
    """Width of the step: the selector opens by a factor e for each ``width_volt`` below the threshold [V]."""
    off_ratio: Fraction = 0.0
    """Conductance of the closed selector relative to the open one [-]."""
    reference_volt: NonNegative = 0.0
    """Voltage at which a cell has the conductance that it is programmed to; 0 is well above the threshold [V]."""


Iv = Annotated[Sinh | Polynomial | Selector, Field(discriminator="kind")]
"""Any form of current over voltage."""
