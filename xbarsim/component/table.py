"""Ratings between the entries of a table."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping

from xbarsim.config import Rating
from xbarsim.errors import ModelRangeWarning

_warned: set[tuple[str, int]] = set()


def interpolate_rating(table: Mapping[int, Rating], key: int, name: str = "table", *, by_size: bool = False) -> Rating:
    """Interpolate a table of ratings geometrically, and extrapolate with the slope of its last two entries.

    Between two entries a figure changes by the same factor for every further bit (resolutions), or as a power of the
    key (sizes), so that one in proportion to the rows is reproduced between any two entries.

    Parameters
    ----------
    table : mapping of int to Rating
        At least one entry.
    key : int
        Where to look.
    name : str
        Named in the warning.
    by_size : bool
        Whether keys are sizes, such as the rows of an array, and not bits.

    Returns
    -------
    Rating
        Every figure that both neighbours give; a figure that is zero or absent in one is absent.
    """
    if key in table:
        return table[key]
    keys = sorted(table)
    if not keys[0] < key < keys[-1] and (name, key) not in _warned:
        _warned.add((name, key))
        warnings.warn(f"{name}: {key} lies outside its table {keys}; extrapolated", ModelRangeWarning, stacklevel=3)
    if len(keys) == 1:
        return table[keys[0]]
    upper = min(max(bisect_left(keys, key), 1), len(keys) - 1)
    low, high = keys[upper - 1], keys[upper]
    share = math.log(key / low) / math.log(high / low) if by_size else (key - low) / (high - low)

    def between(field: str) -> float | None:
        first, second = getattr(table[low], field), getattr(table[high], field)
        return math.exp((1 - share) * math.log(first) + share * math.log(second)) if first and second else None

    return Rating.model_construct(
        power_watt=between("power_watt") or 0.0,
        area_m2=between("area_m2") or 0.0,
        rate_hz=between("rate_hz"),
        energy_joule=between("energy_joule"),
        leakage_watt=between("leakage_watt") or 0.0,
    )
