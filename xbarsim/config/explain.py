"""Errors of a validation as one line: dotted key, value, rule and file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from xbarsim.config.component import Component
from xbarsim.errors import show_value
from xbarsim.names import suggest
from xbarsim.plugin import find_table
from xbarsim.units import UNITS

_PLAIN = {
    "Input should be ": "", "Input should ": "", "a valid boolean": "true or false",
    "a valid integer": "a whole number", "a valid number": "a number", "a valid string": "text",
    "a valid dictionary": "a mapping of keys to values", "a valid tuple": "a list", "a valid list": "a list",
    ", unable to parse string as an integer": "",
    ", unable to parse string as a number": "",
}  # fmt: skip
"""Words of pydantic -> words of YAML."""
_COUNT = re.compile(r"\w+ should have at (least|most) (\d+) items? after validation, not (?:more|\d+)")
"""What pydantic says of lists and mappings that are too short or too long."""
_CLASS = re.compile(r" or instance of \w+")
"""What pydantic says of a record that may be given as an object of Python."""
_REMOVED = {
    "timing.method": "was removed, since closed forms took as long as simulating every cycle; leave it out",
}
"""Dotted key of former versions -> what became of it."""


def explain_error(error: ValidationError, record: type[BaseModel], origin: str) -> str:
    """Turn the first error of a validation into one line.

    Parameters
    ----------
    error : pydantic.ValidationError
        What the validation raised.
    record : type
        Class that was asked for.
    origin : str
        File that the values came from.

    Returns
    -------
    str
        Dotted key, value, rule and file.
    """
    first = error.errors(include_url=False)[0]
    path = [str(part) or "''" for part in first["loc"]]
    where = f" ({origin})" if origin else ""
    if ".".join(path) in _REMOVED:
        return f"{'.'.join(path)}: {_REMOVED['.'.join(path)]}{where}"
    if first["type"] == "extra_forbidden":
        return f"{'.'.join(path)}: unknown key{_suggest_key(record, path)}{where}"
    if first["type"] == "invalid_key":
        text = show_value(first["input"] if not path else first["loc"][-1])
        return f"{'.'.join([*path[:-1], text])}: a key must be text; put it in quotes, or leave it out{where}"
    if first["type"] == "kind":
        return f"{'.'.join(path)}.{first['msg']}{where}"
    if first["type"] == "value_error":  # raised by a record of ours, which names the key
        rule = first["msg"].removeprefix("Value error, ")
        key = (
            f"{'.'.join(path)}: " if path and not rule.startswith(path[0]) else ""
        )  # records that stand under any name
        return f"{key}{rule}{where}"
    if first["type"] == "missing":
        return f"{'.'.join(path)}: missing{where}"
    # members of a union append their own branch to the key; it is removed
    known = _known_prefix(record, path)
    if not known:
        return f"{first['msg']}{where}"
    rules = [item["msg"] for item in error.errors(include_url=False) if _known_prefix(record, item["loc"]) == known]
    rule = " or ".join(dict.fromkeys(map(_name_rule, rules)))
    hint = _hint_number(known[-1], first["input"]) if "number" in rule else ""
    return f"{'.'.join(known)}: {show_value(first['input'])} is not allowed: should be {rule}{hint}{where}"


def _suggest_key(record: type[BaseModel], path: list[str]) -> str:
    """Return what may be meant by an unknown key: a known one, or a section with the key in it."""
    *above, last = path
    section, dot, rest = last.partition(".")
    if dot and find_keys(record, [*above, section]):
        return f"; in a file, write {section}: {{{rest}: ...}}"
    known = find_keys(record, above)
    if last in known and above[:1] == ["components"]:  # of another law than the one that the other keys stand for
        laws = find_table("component_law")
        owners = [name for name in laws if last in laws[name].model_fields]
        return f"; it belongs to kind: {' or '.join(owners)}; give {'.'.join(above)}.kind" if owners else ""
    return suggest(last, known)


def _hint_number(key: str, value: Any) -> str:
    """Return the way out where text was given that may be a number with a unit, a comma or underscores."""
    if not (isinstance(value, str) and any(character.isdigit() for character in value)):
        return ""
    unit = UNITS.get(key.rpartition("_")[2])
    return f"; write a plain number{f' in {unit.words}' if unit else ''}, such as {unit.example if unit else 8}"


def _name_rule(text: str) -> str:
    text = _COUNT.sub(r"at \1 \2 entries", _CLASS.sub("", text))
    for found, plain in _PLAIN.items():
        text = text.replace(found, plain)
    return text


def _fields(record: Any) -> dict[str, Any] | None:
    """Return the fields of a record class, None for anything else."""
    record = getattr(record, "__origin__", record) if hasattr(record, "__metadata__") else record
    if record is Component:  # any law may price it
        laws = find_table("component_law")
        return {name: field.annotation for law in laws for name, field in laws[law].model_fields.items()}
    # Python 3.10 takes tuple[int, ...] for a class too
    if isinstance(record, type) and not hasattr(record, "__origin__") and issubclass(record, BaseModel):
        return {field.alias or name: field.annotation for name, field in record.model_fields.items()}
    return None


def _step(record: Any, key: str) -> Any:
    """Return what lies behind one key of a record class or of a ``dict[str, Record]`` annotation."""
    fields = _fields(record)
    if fields is not None:
        return fields.get(key)
    parts = [part for part in getattr(record, "__args__", ()) if part is not type(None)]
    if len(parts) == 1 and _fields(parts[0]) is not None:  # a record or nothing: pydantic names no branch
        return _step(parts[0], key)
    for part in parts:
        if getattr(record, "__origin__", None) is dict:
            part = record.__args__[1]
        if _fields(part) is not None:
            return part
        if getattr(part, "__origin__", None) is dict:
            return _step(part, key)
    return None


def _known_prefix(record: Any, path: Iterable[Any]) -> list[str]:
    known: list[str] = []
    for part in path:
        record = _step(record, str(part))
        if record is None:
            break
        known.append(str(part))
    return known


def find_keys(record: Any, path: list[str]) -> list[str]:
    """Return the keys of the record that lies behind a path of keys; none where that is a value."""
    for part in path:
        record = _step(record, part)
    return list(_fields(record) or ())
