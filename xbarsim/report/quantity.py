"""How stored quantities are shown: titles, units and one SI prefix for a whole column.

Stored scalars are SI floats whose unit closes their name (``energy_joule``, ``area_m2``). For people a column
is scaled once, by its greatest value, so that its numbers can be compared by eye; areas move in steps of 1e6
(um2, mm2), since prefixes of squared units mislead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xbarsim.component import ACTIONS
from xbarsim.units import PREFIXES, UNITS

_TITLES = {
    "edap": "EDAP", "tops": "TOPS", "tops_per_watt": "TOPS/W", "tops_per_mm2": "TOPS/mm2", "adc": "ADC", "dac": "DAC",
    "snr": "SNR", "lsb": "LSB", "edap_core": "core EDAP", "tops_total": "TOPS, digital too",
}  # fmt: skip
_UNIT_OF = {"edap": "J s m2", "edap_core": "J s m2"}
_SHARES = ("share", "utilization", "clipped", "used")
_PREFIXED = ("J", "s", "W", "Hz", "S", "V", "B")


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one column of a table or axis of a figure is shown."""

    title: str
    """Name in words, without the unit."""
    unit: str
    """Unit with its prefix; empty for plain numbers."""
    factor: float
    """What stored values are multiplied by."""

    @property
    def heading(self) -> str:
        """Title with the unit in brackets."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title

    def show(self, value: Any, digits: int = 4) -> str:
        """Write one stored value in this column's unit; ``-`` where there is none.

        Parameters
        ----------
        value : object
            Number in the SI unit of the column, truth value, text or None.
        digits : int
            Significant digits.

        Returns
        -------
        str
            Number in the unit shown.
        """
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return value
        if value is None or not _is_number(value) or math.isnan(value):
            return "-"
        if isinstance(value, int) or (self.factor == 1 and float(value).is_integer() and abs(value) < 1e15):
            return f"{int(value):,}"
        return show_number(float(value) * self.factor, digits)


def show_number(value: float, digits: int = 4) -> str:
    """Write a plain number with a few significant digits, without an exponent where it can be helped.

    Parameters
    ----------
    value : float
        Number without a unit [-].
    digits : int
        Significant digits.

    Returns
    -------
    str
        The number.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e7:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def describe_column(name: str, values: Iterable[Any] = ()) -> Column:
    """Choose title, unit and prefix for a column.

    Parameters
    ----------
    name : str
        Stored name, unit included, for example ``"energy_joule"``.
    values : iterable, optional
        What the column holds; the greatest magnitude picks the prefix.

    Returns
    -------
    Column
        Title, unit and factor.
    """
    if name in _TITLES:
        return Column(title=_TITLES[name], unit=_UNIT_OF.get(name, ""), factor=1.0)
    words = name.split("_")
    unit = ""
    if len(words) > 1 and words[-1] in UNITS:
        unit = UNITS[words.pop()].symbol
    title = " ".join(_TITLES.get(word, word) for word in words)
    if not unit and words[-1] in _SHARES:
        return Column(title=title, unit="%", factor=100.0)
    numbers = [abs(float(value)) for value in values if _is_number(value) and math.isfinite(value)]
    greatest = max(numbers, default=0.0)
    if unit == "m2":
        exponent = -12 if 0 < greatest < 1e-8 else -6
        return Column(title=title, unit="um2" if exponent == -12 else "mm2", factor=10.0**-exponent)
    if unit not in _PREFIXED or greatest == 0:
        return Column(title=title, unit=unit, factor=1.0)
    exponent = min(15, max(-18, 3 * math.floor(math.log10(greatest) / 3 + 1e-12)))
    return Column(title=title, unit=f"{PREFIXES[exponent]}{unit}", factor=10.0**-exponent)


def list_unpriced(unpriced: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Write actions that are counted and have no price.

    Parameters
    ----------
    unpriced : mapping of str to int
        Action -> number in one inference.

    Returns
    -------
    list of (str, str, str)
        Action, number with its unit, and what is counted.
    """
    shown = []
    for name, count in unpriced.items():
        action = ACTIONS.get(name)
        unit, counted = (action.unit, action.counted) if action else ("operations", "")
        shown.append((name, f"{count:,} {unit}", counted))
    return shown


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (str, bool))
