"""SI prefixes for display. Stored quantities are plain SI floats; prefixes exist only in text and figures."""

from __future__ import annotations

import math

_PREFIXES = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P",
}  # fmt: skip


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
    return f"{scaled:.{digits}g} {_PREFIXES[exponent]}{unit}".rstrip()
