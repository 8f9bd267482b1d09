"""Sources of numbers that follow what is set: no line tells about a value that was replaced.

A line that belongs to a replaced key says where the key is set. A line of a whole section may tell about any of its
keys; it names the keys that were set and the file that has the source of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_PARTLY = re.compile(r"^set ([^:;]+): (.+); for all else see (.+)$", re.DOTALL)


def find_source(sources: Mapping[str, str], key: str) -> str | None:
    """Return the key of the line that tells where a value comes from.

    Parameters
    ----------
    sources : mapping of str to str
        Dotted key or section -> text.
    key : str
        Dotted key.

    Returns
    -------
    str or None
        The key itself or the narrowest section that has a line.
    """
    parts = key.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in sources), None)


def mark_source(sources: Mapping[str, str], key: str, *, where: str, file: str) -> dict[str, str]:
    """Return sources after a key was set.

    Parameters
    ----------
    sources : mapping of str to str
        Dotted key or section -> text.
    key : str
        Dotted key or section.
    where : str
        Where it was set: ``"here"``, or a file.
    file : str
        File in which the values stand that were not set.

    Returns
    -------
    dict
        The same keys.
    """
    place = where if where == "here" else f"in {where}"

    def follow(name: str, text: str) -> str:
        if name == key or name.startswith(f"{key}."):
            return f"set {place}"
        return _mention(text, key, place, file) if key.startswith(f"{name}.") or key in text else text

    return {name: follow(name, text) for name, text in sources.items()}


def mark_change(tree: dict[str, Any], key: str, *, where: str, file: str) -> None:
    """Let the sources of a tree of dictionaries and records follow a key that was set.

    Parameters
    ----------
    tree : dict
        Keys of a hardware file; changed in place.
    key : str
        Dotted key.
    where : str
        Where it was set: ``"here"``, or a file.
    file : str
        File in which the values stand that were not set.
    """
    if key.split(".")[0] == "sources" or key.endswith(".source"):
        return
    if tree.get("sources"):
        tree["sources"] = mark_source(tree["sources"], key, where=where, file=file)
    for name, component in (tree.get("components") or {}).items():
        for owner in _list_owners(component, f"components.{name}"):
            text = read_key(tree, f"{owner}.source")
            if isinstance(text, str) and (key.startswith(f"{owner}.") or key in text):
                place = where if where == "here" else f"in {where}"
                _replace(tree, f"{owner}.source", _mention(text, key, place, file))


def _list_owners(content: Any, before: str) -> list[str]:
    """Return the dotted keys of a component and of its parts."""
    parts = content.get("parts") if isinstance(content, Mapping) else getattr(content, "parts", None)
    below = [owner for name, part in (parts or {}).items() for owner in _list_owners(part, f"{before}.parts.{name}")]
    return [before, *below]


def _replace(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; what lies on the way is copied, records become dictionaries."""
    *before, last = key.split(".")
    at = tree
    for part in before:
        below = at[part]
        at[part] = below.model_dump() if isinstance(below, BaseModel) else dict(below)
        at = at[part]
    at[last] = value


def read_key(content: Any, key: str) -> Any:
    """Return the value of a dotted key in nested dictionaries and records, None where there is none.

    Parameters
    ----------
    content : mapping or pydantic.BaseModel
        Keys of a hardware file.
    key : str
        Dotted key.

    Returns
    -------
    object
        The value; sections as dictionaries.
    """
    for part in key.split("."):
        if isinstance(content, Mapping):
            content = content.get(part)
        else:
            content = getattr(content, part, None)
    return content.model_dump() if isinstance(content, BaseModel) else content


def list_leaves(value: Any, before: str) -> list[str]:
    """Return the dotted keys of a value: its own, or those within a section.

    Parameters
    ----------
    value : object
        Value or section.
    before : str
        Its dotted key.

    Returns
    -------
    list of str
        Dotted keys.
    """
    if not isinstance(value, Mapping) or not value:
        return [before]
    return [leaf for key, item in value.items() for leaf in list_leaves(item, f"{before}.{key}")]


def _mention(text: str, key: str, place: str, file: str) -> str:
    known = _PARTLY.match(text)
    if text == f"set {place}":
        return text
    keys = [key]
    if known is not None and known[1] == place:
        keys, file = list(dict.fromkeys([*known[2].split(", "), key])), known[3]
    return f"set {place}: {', '.join(keys)}; for all else see {file}"
