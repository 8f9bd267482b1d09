"""Every key of a YAML file with its values, default, unit and meaning, taken from the JSON schema of its record.

Editors show the same descriptions, since they read the same schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_UNIT = re.compile(r"\s*\[([^\[\]]+)\](\.?)$")
Schema = Mapping[str, Any]


class Key(NamedTuple):
    """One key."""

    name: str
    """Dotted key; ``NAME`` stands for any name, ``[]`` for the items of a list."""
    values: str
    """Values that it takes, in words."""
    default: str
    """Default as it would stand in a file; ``required`` where a value must be given, nothing for a section."""
    unit: str
    """Unit; ``-`` for a number without one, nothing for what is no quantity."""
    meaning: str
    """Description, without the unit."""


class Section(NamedTuple):
    """Keys that stand together."""

    name: str
    """Dotted key of the section, with the form in parentheses where there are several; empty for the file itself."""
    about: str
    """First paragraph of its description."""
    keys: tuple[Key, ...]
    """Keys of the section itself; sections within it follow as sections."""


def list_sections(schema: Schema) -> list[Section]:
    """List the sections of a file, each followed by those within it.

    Parameters
    ----------
    schema : mapping
        JSON schema of the file, from ``write_schema`` or ``write_file_schema``.

    Returns
    -------
    list of Section
        In the order of the record. Where a section has one form without ``kind``, its other forms list only the keys
        that they add.
    """
    return list(dict.fromkeys(_walk("", "", schema, schema.get("$defs", {}))))


def _walk(name: str, prefix: str, node: Schema, parts: Mapping[str, Any]) -> Iterator[Section]:
    required = node.get("required", ())
    keys, inner = [], []
    for key, given in node.get("properties", {}).items():
        if "const" in given:
            continue  # names the form, as the section does
        text, unit = split_unit(given.get("description", ""))
        default = "required" if key in required else "" if "$ref" in given else _default(given)
        keys.append(Key(prefix + key, _values(given, parts), default, unit, text))
        inner += [(prefix + key + suffix, record) for suffix, record in _records(given, parts)]
    about = str(node.get("description", "")).split("\n\n")[0]
    yield Section(name, " ".join(about.split()), tuple(keys))
    common: dict[str, set[str]] = {}
    for outer, record in inner:
        form = _form(record)
        for section in _walk(outer + form, outer + ".", record, parts):
            known = common.setdefault(outer, set()) if form or outer in common else set()
            new = tuple(key for key in section.keys if key.name not in known)
            if new:
                yield section._replace(keys=new)
        if not form:  # keys of every form
            common[outer] = {f"{outer}.{key}" for key in record["properties"]}


def _default(given: Schema) -> str:
    if "default" in given:
        return show_value(given["default"])
    return "{}" if given.get("type") == "object" else ""


def _form(record: Schema) -> str:
    """Return which form of a section a record describes."""
    kind = record["properties"].get("kind", {})
    return f" (kind: {kind['const']})" if "const" in kind else ""


def _records(given: Schema, parts: Mapping[str, Any], suffix: str = "") -> Iterator[tuple[str, Schema]]:
    """Find the records that a key may hold, with what is put behind its name."""
    if "$ref" in given:
        given = parts[given["$ref"].rpartition("/")[2]]
    if "properties" in given:
        yield suffix, given
        return
    for choice in (*given.get("anyOf", ()), *given.get("oneOf", ())):
        yield from _records(choice, parts, suffix)
    if isinstance(given.get("items"), Mapping):
        yield from _records(given["items"], parts, suffix + "[]")
    if isinstance(given.get("additionalProperties"), Mapping):
        yield from _records(given["additionalProperties"], parts, suffix + ".NAME")


def _values(given: Schema, parts: Mapping[str, Any]) -> str:
    """Say in words which values a key takes."""
    if "$ref" in given or "properties" in given:
        return "section"
    choices = [*given.get("anyOf", ()), *given.get("oneOf", ())]
    if choices:
        return " or ".join(dict.fromkeys(_values(choice, parts) for choice in choices))
    if "enum" in given:
        return ", ".join(f"`{show_value(value)}`" for value in given["enum"])
    if "const" in given:
        return f"`{show_value(given['const'])}`"
    kind = given.get("type")
    if kind in ("integer", "number"):
        return _range("whole number" if kind == "integer" else "number", given)
    if kind == "array":
        return _list_values(given, parts)
    if kind == "object":
        inner = given.get("additionalProperties")
        return f"names with values: {_values(inner, parts)}" if isinstance(inner, Mapping) else "names with values"
    return {"boolean": "`true`, `false`", "string": "text", "null": "`null`"}.get(kind or "", "any value")


def _list_values(given: Schema, parts: Mapping[str, Any]) -> str:
    if "prefixItems" in given:
        return "list of " + ", ".join(_values(item, parts) for item in given["prefixItems"])
    items = given.get("items", {})
    kind = "sections" if "$ref" in items else _values(items, parts)
    return f"list: {kind}"


def _range(kind: str, given: Schema) -> str:
    low, high = given.get("minimum"), given.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {_number(low)} to {_number(high)}"
    bounds = {
        "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below",
    }  # fmt: skip
    found = [f"{word} {_number(given[bound])}" for bound, word in bounds.items() if bound in given]
    return f"{kind}, {', '.join(found)}" if found else kind


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def split_unit(description: str) -> tuple[str, str]:
    """Divide a description into text and unit.

    Parameters
    ----------
    description : str
        As in the schema; the unit stands in square brackets at its end.

    Returns
    -------
    tuple of str
        Text on one line, and unit; the unit is empty where there is none.
    """
    text = " ".join(description.split())
    found = _UNIT.search(text)
    if found is None:
        return text, ""
    before = text[: found.start()]
    return before if before.endswith(".") else before + ".", found.group(1)


def show_value(value: Any) -> str:
    """Return a value as it would stand in a file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {show_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(show_value, value)) + "]"
    return str(value)
