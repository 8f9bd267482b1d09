"""Readers of settings in the YAML form, and how settings become attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xbarsim.network.kinds.record import Shape


def read_whole(value: Any) -> int:
    """Return a whole number; ValueError states the rule."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def at_least(least: int, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of whole numbers that refuses those below a bound.

    Parameters
    ----------
    least : int
        The bound.
    read : callable
        Reads one whole number or a tuple of them.

    Returns
    -------
    callable
        The same, with the bound.
    """

    def read_bounded(value: Any) -> Any:
        found = read(value)
        if min(found if isinstance(found, tuple) else (found,)) < least:
            raise ValueError(f"at least {least}")
        return found

    return read_bounded


def read_real(value: Any) -> float:
    """Return a number; ValueError states the rule."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number")
    return float(value)


def read_flag(value: Any) -> bool:
    """Return true or false; ValueError states the rule."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def read_wholes(value: Any) -> tuple[int, ...]:
    """Return a list of whole numbers; ValueError states the rule."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of whole numbers")
    return tuple(map(read_whole, value))


def read_pair(value: Any) -> tuple[int, int]:
    """Return height and width; ValueError states the rule."""
    sizes = (value, value) if isinstance(value, int) else value
    if not isinstance(sizes, (list, tuple)) or len(sizes) != 2:
        raise ValueError("a whole number, or two for height and width")
    height, width = read_wholes(sizes)
    return height, width


def read_sides(value: Any) -> tuple[int, ...]:
    """Return top, left, bottom and right; ValueError states the rule."""
    sizes = (value,) * 4 if isinstance(value, int) else read_wholes(value)
    if len(sizes) not in (2, 4):
        raise ValueError("a whole number, two (height, width) or four (top, left, bottom, right)")
    return sizes if len(sizes) == 4 else sizes * 2


def read_ranges(value: Any) -> tuple[Any, ...]:
    """Return a list of whole numbers for every axis; ValueError states the rule."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, (list, tuple)) for item in value):
        raise ValueError("a list with one list of whole numbers for every axis but the batch")
    return tuple(map(read_wholes, value))


def as_given(settings: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Take settings as attributes."""
    return settings


def count_axis(settings: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Count a negative ``axis`` from the front, the batch included."""
    axis = settings["axis"]
    return {**settings, "axis": axis + len(shape) + 1 if axis < 0 else axis}
