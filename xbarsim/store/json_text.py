"""Strict JSON: no NaN and no Infinity, which other readers refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def encode_json(value: Any, indent: int | None = None) -> str:
    """Return a value as strict JSON.

    Parameters
    ----------
    value : object
        What JSON knows; numbers that are not finite become null.
    indent : int, optional
        As for :func:`json.dumps`.

    Returns
    -------
    str
        The text.
    """
    return json.dumps(_replace(value), indent=indent, allow_nan=False)


def decode_json(text: bytes | str) -> Any:
    """Read strict JSON; ValueError for NaN and Infinity too.

    Parameters
    ----------
    text : bytes or str
        The text.

    Returns
    -------
    object
        The value.
    """
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _replace(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_replace_key(key): _replace(item) for key, item in value.items()}
    return [_replace(item) for item in value] if isinstance(value, (list, tuple)) else value


def _replace_key(key: Any) -> Any:
    return str(key) if isinstance(key, float) and not math.isfinite(key) else key
