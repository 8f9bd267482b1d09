"""What differs between two hardware records, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xbarsim.config.hardware import Hardware

_TEXTS = ("name", "description", "sources")
"""Keys that say what a file is, not what the hardware is."""


@dataclass(frozen=True, kw_only=True)
class KeyDifference:
    """A key with two values."""

    key: str
    """Dotted key."""
    first: Any
    """Value in the first record; None where the key is absent or null."""
    second: Any
    """Value in the second record."""


def compare_hardware(first: Hardware, second: Hardware) -> tuple[KeyDifference, ...]:
    """List the keys whose values differ, inherited and default values included.

    Parameters
    ----------
    first, second : Hardware
        Records.

    Returns
    -------
    tuple of KeyDifference
        In the order of the keys of a file; names, descriptions and sources are left out. A section that only one of
        them has is listed key by key.
    """
    one, two = (dict(_flatten(record.model_dump(mode="json", exclude=set(_TEXTS)))) for record in (first, second))
    keys = list(dict.fromkeys([*one, *two]))
    order = {key: number for number, key in enumerate(keys)}
    found = [key for key in keys if one.get(key) != two.get(key) and not key.endswith(".source")]
    return tuple(
        KeyDifference(key=key, first=one.get(key), second=two.get(key))
        for key in sorted(found, key=lambda key: (_rank(key, keys), order[key]))
    )


def _rank(key: str, keys: list[str]) -> int:
    """Return where the section of a key stands, so that keys of the second record alone join their section."""
    section = key.split(".")[0]
    return next(number for number, known in enumerate(keys) if known.split(".")[0] == section)


def _flatten(content: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings under their dotted keys; empty ones and null yield nothing."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(value, f"{before}.{key}" if before else str(key))
    elif content is not None:
        yield before, content
