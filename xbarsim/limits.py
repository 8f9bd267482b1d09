"""Largest counts: what is refused before anything of that size is built.

The limits are far above what is useful and below what fills the memory of a machine or takes days without a sign of
life. Every limit is one record, which messages, checks and the schema read.
"""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, show_value


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Largest count of one thing."""

    most: int
    """Largest count that is accepted."""
    things: str
    """What is counted, in the plural."""
    way_out: str
    """What a user can do instead."""


LIMITS: Mapping[str, Limit] = {
    "points": Limit(most=1_000_000, things="points", way_out="use fewer values, or a random design"),
    "values": Limit(most=1_000_000, things="values", way_out="use a larger step, or a count"),
    "trials": Limit(most=100_000, things="trials", way_out="use fewer; a thousand give narrow intervals"),
    "threads": Limit(most=4096, things="threads", way_out="use as many as the machine has cores"),
    "workers": Limit(most=4096, things="workers", way_out="use as many as the machine has cores"),
    "tiles": Limit(most=10_000_000, things="tiles", way_out="lower chip.tiles or chip.count, or say auto"),
    "weights": Limit(most=10**11, things="weights of a layer", way_out="divide the layer"),
    "activations": Limit(
        most=1000, things="activation functions", way_out="give the number that every output passes, mostly 0 or 1"
    ),
    "epitome": Limit(
        most=50_000_000, things="weights of an epitome or its convolution", way_out="use fewer rows or channels"
    ),
    "sparse": Limit(
        most=500_000_000, things="entries of a sparse tensor, which is read as a dense one", way_out="divide the tensor"
    ),
    "windows": Limit(most=50_000_000, things="windows of a layer", way_out="use smaller inputs"),
    "arrays": Limit(
        most=10_000_000, things="arrays", way_out="use larger arrays (crossbar.rows, crossbar.cols) or fewer replicas"
    ),
}
"""Name -> limit."""


def check_limit(name: str, count: int, where: str) -> None:
    """Refuse a count above its limit.

    Parameters
    ----------
    name : str
        Key of :data:`LIMITS`.
    count : int
        How many there would be.
    where : str
        File, key, network or layer, which begins the message.

    Raises
    ------
    ConfigError
        If there would be too many.
    """
    limit = LIMITS[name]
    if count > limit.most:
        shown = f"{count:,}" if count < 10**15 else f"{float(min(count, 10**300)):.3g}"
        raise ConfigError(f"{where}: {shown} {limit.things} are more than {limit.most:,}; {limit.way_out}")


def check_count(name: str, value: Any, least: int = 1) -> int | None:
    """Refuse a count that is not whole, too small, or above the limit of its name.

    Parameters
    ----------
    name : str
        Argument or option; a key of :data:`LIMITS` has a largest value too.
    value : object
        What a user gave; None passes.
    least : int
        Smallest value.

    Returns
    -------
    int or None
        The value.

    Raises
    ------
    ConfigError
        If it is wrong.
    """
    if value is None:
        return None
    try:
        count = least - 1 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        count = least - 1
    if count < least:
        raise ConfigError(f"{name}: {show_value(value)} is not a whole number of at least {least}")
    if name in LIMITS:
        check_limit(name, count, name)
    return count


def check_memory(needed_bytes: int, where: str, way_out: str) -> None:
    """Refuse what cannot fit the memory of this machine.

    Parameters
    ----------
    needed_bytes : int
        Lower bound of what would be held at once [bytes].
    where : str
        What needs it, which begins the message.
    way_out : str
        What a user can do instead.

    Raises
    ------
    ConfigError
        If it is more than the machine has.
    """
    found = find_memory()
    if found is not None and needed_bytes > found:
        raise ConfigError(
            f"{where}: needs at least {needed_bytes / 1e9:,.1f} GB of memory, but this machine has {found / 1e9:,.1f} "
            f"GB; {way_out}"
        )


def find_memory() -> int | None:
    """Return the memory of this machine, or of the container that the process runs in [bytes]; None if unknown."""
    sizes = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
        sizes.append(int(file.read()))
    return min(sizes, default=None)
