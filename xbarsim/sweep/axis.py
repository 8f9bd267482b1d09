"""Axes of a sweep: parameters and their values.

An axis is a list, a range, several keys that change together, or a key tied to another one. Its key is a dotted key of
the hardware (``adc.bits``), or a key for some layers (``conv*:adc.bits``). A range on a key that takes whole numbers
is rounded to whole numbers.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from xbarsim.config import Hardware
from xbarsim.config.explain import explain_error
from xbarsim.config.record import Record
from xbarsim.errors import ConfigError
from xbarsim.limits import check_limit
from xbarsim.names import suggest

TIED = "same as "
"""How the value of a tied axis begins; the key that it follows comes behind."""


class Span(Record):
    """Values between two ends, both included."""

    start: Annotated[float, Field(alias="from")]
    """First value."""
    stop: Annotated[float, Field(alias="to")]
    """Last value."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Number of values, spread evenly (on a logarithmic scale with ``scale: log``). Only one of ``count``, ``step`` and
    ``factor`` may be given."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between two values."""
    factor: Annotated[float, Field(gt=1)] | None = None
    """Ratio of two neighbouring values."""
    scale: Literal["linear", "log"] = "linear"
    """Spacing of the values, and their distribution in random designs."""

    @model_validator(mode="after")
    def _check(self) -> Span:
        if self.stop < self.start:
            raise ValueError(f"to: {self.stop:g} is below from: {self.start:g}")
        if sum(value is not None for value in (self.count, self.step, self.factor)) > 1:
            raise ValueError("count, step and factor: give one of them")
        if (self.scale == "log" or self.factor is not None) and self.start <= 0:
            raise ValueError(f"from: {self.start:g} is not above 0, which a logarithmic range requires")
        if self.scale == "log" and self.step is not None:
            raise ValueError("step: only for scale: linear; give count or factor")
        if self.count == 1 and self.stop > self.start:
            raise ValueError("count: 1 value cannot be both ends; give at least 2, or a list of one value")
        return self

    @property
    def is_log(self) -> bool:
        """Whether the scale is logarithmic."""
        return self.scale == "log" or self.factor is not None

    @property
    def is_listed(self) -> bool:
        """Whether the range says which values it holds."""
        return any(value is not None for value in (self.count, self.step, self.factor))

    @property
    def size(self) -> int:
        """Number of values, found without building them."""
        low, high = self.start, self.stop
        if self.step is not None:
            steps = (high - low) / self.step
        elif self.factor is not None:
            steps = math.log(high / low, self.factor)
        else:
            return self.count or 2
        return math.floor(min(steps, 1e18) + 1e-9) + 1

    def values(self) -> list[float]:
        """Return the values, the ends included; both ends alone where nothing says how many."""
        low = self.start
        if self.step is not None:
            return [low + i * self.step for i in range(self.size)]
        if self.factor is not None:
            return [low * self.factor**i for i in range(self.size)]
        count = self.size
        return [self.at(i / (count - 1) if count > 1 else 0.0) for i in range(count)]

    def at(self, share: float) -> float:
        """Return the value at a share of the way from the first to the last, clear of rounding beyond the ends."""
        if share in (0.0, 1.0):
            return self.stop if share else self.start
        if self.is_log:
            return float(self.start * (self.stop / self.start) ** share)
        return self.start + share * (self.stop - self.start)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Keys that change together, and their common values."""

    keys: tuple[str, ...]
    """Dotted keys, tied ones behind the one that they follow."""
    levels: tuple[tuple[Any, ...], ...]
    """One value a key, level by level; empty for a continuous range."""
    range: Span | None = None
    """A continuous range, for random designs alone."""

    def draw(self, share: float) -> tuple[Any, ...]:
        """Return the level, or the value of a continuous range, at a share of the way through the axis."""
        if self.range is not None:
            return (self.range.at(share),) * len(self.keys)
        return self.levels[min(int(share * len(self.levels)), len(self.levels) - 1)]


def parse_axes(axes: Mapping[str, Any], *, is_grid: bool, origin: str = "") -> tuple[Axis, ...]:
    """Read the axes of a sweep file.

    Parameters
    ----------
    axes : mapping
        Key, or keys with commas between -> list, range or ``same as KEY``.
    is_grid : bool
        Whether every combination is asked for: ranges must then say which values they hold.
    origin : str
        File, for messages.

    Returns
    -------
    tuple of Axis
        In the order given.

    Raises
    ------
    ConfigError
        If an axis is empty, repeats a value or a key, is tied to nothing, or a range makes no sense.
    """
    where = f" ({origin})" if origin else ""
    found: list[Axis] = []
    tied: dict[str, str] = {}
    owner: dict[str, int] = {}
    for text, value in axes.items():
        keys = tuple(part.strip() for part in str(text).split(","))
        for key in keys:
            if not key:
                raise ConfigError(f"axes.{text}: a key is missing{where}")
            if key in owner or key in tied:
                raise ConfigError(f"axes.{key}: given twice{where}")
            if isinstance(value, str) and value.startswith(TIED):
                tied[key] = value.removeprefix(TIED).strip()
            else:
                owner[key] = len(found)
        if keys[0] in owner:
            found.append(_parse_axis(keys, value, is_grid, where))
    for key in tied:
        target = _follow(key, tied, where)
        if target not in owner:
            raise ConfigError(f"axes.{key}: {tied[key]!r} is not an axis{suggest(target, owner)}{where}")
        found[owner[target]] = _tie(found[owner[target]], target, key)
    return tuple(found)


def split_key(key: str) -> tuple[str | None, str]:
    """Split the key of an axis into the glob over layers, or None, and the dotted key."""
    glob, colon, dotted = key.rpartition(":")
    return (glob, dotted) if colon else (None, key)


def is_whole(key: str) -> bool:
    """Tell whether a dotted key of the hardware takes whole numbers and no others."""
    kind: Any = Hardware
    for part in split_key(key)[1].split("."):
        fields = getattr(kind, "model_fields", None)
        if fields is None:  # a component by its name
            arguments = typing.get_args(kind)
            kind = arguments[1] if typing.get_origin(kind) is dict else None
            continue
        if part not in fields:
            return False
        kind = fields[part].annotation
    names = set(_flatten(kind))
    return int in names and float not in names


def _parse_axis(keys: tuple[str, ...], value: Any, is_grid: bool, where: str) -> Axis:
    name = ", ".join(keys)
    if isinstance(value, Mapping):
        if len(keys) > 1:
            raise ConfigError(f"axes.{name}: keys that change together need a list of lists{where}")
        return _parse_range(name, value, is_grid, where)
    if not isinstance(value, list):
        hint = f"should be a list, a range such as {{from: 0, to: 0.2, step: 0.05}}, or '{TIED}KEY'"
        raise ConfigError(f"axes.{name}: {value!r} is not allowed: {hint}{where}")
    levels = []
    for item in value:
        row = item if len(keys) > 1 else [item]
        if not isinstance(row, list) or len(row) != len(keys):
            raise ConfigError(f"axes.{name}: {item!r} is not a list of {len(keys)} values{where}")
        if any(isinstance(part, (dict, list)) and len(keys) > 1 for part in row):
            raise ConfigError(f"axes.{name}: {item!r} contains something other than plain values{where}")
        levels.append(tuple(tuple(part) if isinstance(part, list) else part for part in row))
    return _check_levels(name, Axis(keys=keys, levels=tuple(levels)), where)


def _parse_range(name: str, value: Mapping[str, Any], is_grid: bool, where: str) -> Axis:
    try:
        item = Span.model_validate(dict(value))
    except ValidationError as error:
        raise ConfigError(f"axes.{name}.{explain_error(error, Span, '')}{where}") from None
    if is_whole(name):
        if not item.is_listed:
            item = item.model_copy(update={"factor": 2.0} if item.is_log else {"step": 1.0})
        check_limit("values", item.size, f"axes.{name}")
        whole = dict.fromkeys(round(number) for number in item.values())
        return Axis(keys=(name,), levels=tuple((number,) for number in whole))
    if item.is_listed:
        check_limit("values", item.size, f"axes.{name}")
        return _check_levels(name, Axis(keys=(name,), levels=tuple((_tidy(x),) for x in item.values())), where)
    if is_grid:
        raise ConfigError(f"axes.{name}: a range in a grid needs count, step or factor{where}")
    return Axis(keys=(name,), levels=(), range=item)


def _check_levels(name: str, axis: Axis, where: str) -> Axis:
    if not axis.levels:
        raise ConfigError(f"axes.{name}: has no values{where}")
    seen: set[str] = set()
    for level in axis.levels:
        text = repr([float(part) if type(part) is int and abs(part) < 1 << 53 else part for part in level])
        if text in seen:
            shown = level[0] if len(level) == 1 else list(level)
            raise ConfigError(f"axes.{name}: {shown!r} given twice{where}")
        seen.add(text)
    return axis


def _follow(key: str, tied: Mapping[str, str], where: str) -> str:
    """Return the axis that a tied key follows in the end."""
    seen = [key]
    while seen[-1] in tied:
        seen.append(tied[seen[-1]])
        if len(set(seen)) < len(seen):
            raise ConfigError(f"axes.{key}: refers to itself ({' -> '.join(seen)}){where}")
    return seen[-1]


def _tie(axis: Axis, target: str, key: str) -> Axis:
    at = axis.keys.index(target)
    levels = tuple((*level, level[at]) for level in axis.levels)
    return Axis(keys=(*axis.keys, key), levels=levels, range=axis.range)


def _flatten(kind: Any) -> list[Any]:
    """Return the plain types within an annotation."""
    arguments = typing.get_args(kind)
    if not arguments:
        return [kind]
    if typing.get_origin(kind) is Literal:
        return [type(item) for item in arguments]
    if typing.get_origin(kind) is Annotated:
        return _flatten(arguments[0])
    return [name for item in arguments for name in _flatten(item)]


def _tidy(number: float) -> float | int:
    """Drop digits that rounding added: 0.15000000000000002 -> 0.15."""
    tidy = float(f"{number:.12g}")
    return int(tidy) if tidy.is_integer() and abs(tidy) < 1e15 else tidy
