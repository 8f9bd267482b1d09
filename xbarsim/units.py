"""Units and SI prefixes for display. Stored quantities are plain SI floats; prefixes exist only in text and figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

PREFIXES = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P",
}  # fmt: skip
"""Power of ten -> prefix."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What closes the name of a stored quantity."""

    symbol: str
    """As in tables and figures."""
    words: str
    """As in a sentence, in the plural."""
    example: str
    """A usual value, as it is written in a file."""


UNITS = {
    "siemens": Unit(symbol="S", words="siemens", example="5e-6"),
    "ohm": Unit(symbol="ohm", words="ohm", example="2.5"),
    "volt": Unit(symbol="V", words="volt", example="0.2"),
    "farad": Unit(symbol="F", words="farad", example="1e-15"),
    "watt": Unit(symbol="W", words="watt", example="2e-3"),
    "joule": Unit(symbol="J", words="joule", example="2e-12"),
    "kelvin": Unit(symbol="K", words="kelvin", example="300"),
    "hz": Unit(symbol="Hz", words="hertz", example="1e9"),
    "s": Unit(symbol="s", words="seconds", example="1e-8"),
    "m": Unit(symbol="m", words="metres", example="65e-9"),
    "m2": Unit(symbol="m2", words="square metres", example="1e-9"),
    "db": Unit(symbol="dB", words="decibels", example="30"),
    "bits": Unit(symbol="bit", words="bits", example="8"),
    "bytes": Unit(symbol="B", words="bytes", example="1024"),
}
"""Last part of a name -> unit."""


def format_si(value: float | None, unit: str, digits: int = 3) -> str:
    """Write a quantity with the prefix that leaves one to three digits before the point.

    Parameters
    ----------
    value : float or None
        Quantity in the base unit.
    unit : str
        Base unit, for example ``"J"``. Areas are given in m2 and shown in mm2 or um2, since prefixes
        of squared units mislead.
    digits : int
        Significant digits.

    Returns
    -------
    str
        For example ``"41.3 pJ"``; ``"-"`` where there is no value.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if unit == "m2":
        return f"{value * 1e12:.{digits}g} um2" if abs(value) < 1e-9 else f"{value * 1e6:.{digits}g} mm2"
    if value == 0 or math.isinf(value):
        return f"{value:g} {unit}".rstrip()
    exponent = min(15, max(-18, 3 * math.floor(math.log10(abs(value)) / 3 + 1e-12)))
    scaled = value / 10.0**exponent
    if float(f"{abs(scaled):.{digits}g}") >= 1000 and exponent < 15:  # 999.9 rounds up into the next prefix
        exponent += 3
        scaled = value / 10.0**exponent
    return f"{scaled:.{digits}g} {PREFIXES[exponent]}{unit}".rstrip()
