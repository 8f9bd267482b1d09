"""Choices as keys of results: checked, written as text, and counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, show_value
from xbarsim.mapping.choose import PER_LAYER
from xbarsim.names import suggest_or_list
from xbarsim.search.design import SPECIAL, Choice, check_axes


def count_records(answer: Any) -> int:
    """Return the records that a result is made of.

    Parameters
    ----------
    answer : object
        A cost, a design or anything else.

    Returns
    -------
    int
        One, and one for each layer.
    """
    parts: Any = getattr(answer, "layers", ())  # of a cost or a design
    return 1 + len(parts)


def write_choices(layers: Mapping[str, Choice] | None) -> str:
    """Return choices as text, in their order, since the later of two globs wins.

    Parameters
    ----------
    layers : mapping or None
        Layer or glob -> choice.

    Returns
    -------
    str
        JSON.

    Raises
    ------
    ConfigError
        If they are no mapping, or a value is not a number, text or list.
    """
    try:
        return json.dumps(list((layers or {}).items()), default=refuse_value)
    except (TypeError, ValueError, AttributeError):
        raise ConfigError(f"layers: {str(layers)[:80]} is not a mapping of layers to choices") from None


def check_choice(choice: Any) -> dict[str, Any]:
    """Return a choice as a dictionary.

    Parameters
    ----------
    choice : mapping or None
        Dotted key or axis -> value.

    Returns
    -------
    dict
        The same; empty for None.

    Raises
    ------
    ConfigError
        If it is something else, an axis is unknown, or two set one key.
    """
    if choice is None:
        return {}
    if not isinstance(choice, Mapping) or not all(isinstance(key, str) for key in choice):
        raise ConfigError(f"choice: {show_value(choice)} is not a mapping of dotted keys to values")
    for axis in choice:
        if axis not in SPECIAL and axis.split(".")[0] not in Hardware.model_fields:
            known = dict.fromkeys((*SPECIAL, *PER_LAYER))
            raise ConfigError(f"choice: {axis}: unknown axis{suggest_or_list(axis, known)}")
    check_axes("choice", choice)
    return dict(choice)


def hash_array(values: np.ndarray) -> str:
    """Return a hash of type, shape and values.

    Parameters
    ----------
    values : ndarray, (...)
        Any array.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(f"{values.dtype.str}{values.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def refuse_value(value: Any) -> Any:
    """Return a number of NumPy as one of Python, for ``json.dumps(default=)``.

    Parameters
    ----------
    value : object
        What JSON does not have.

    Returns
    -------
    int, float or bool
        The number.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if isinstance(value, np.generic):
        return value.item()
    raise ConfigError(f"choice: {value!r} is not a number, text or list")
