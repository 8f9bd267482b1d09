"""Sections that name a class of a table by ``kind``; the class defines the settings.

The tables belong to higher subpackages and are found by ``xbarsim.plugin``, so that a hardware file can name classes
that users have registered.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list
from xbarsim.plugin import find_table

PluginSources: TypeAlias = dict[tuple[str, str], str | None]
"""Table and name of a class -> hash of its source; None where it ships with the package."""


def setting_names(cls: type[Any]) -> list[str]:
    """Return the names of the settings of a class.

    Parameters
    ----------
    cls : type
        A dataclass or a pydantic model.

    Returns
    -------
    list of str
        Fields, in order.

    Raises
    ------
    ConfigError
        If the class is neither, or has a setting called ``kind``.
    """
    if issubclass(cls, BaseModel):
        names = list(cls.model_fields)
    elif dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls) if field.init]
    else:
        raise ConfigError(f"{cls.__name__} is neither a dataclass nor a pydantic model")
    if "kind" in names:
        raise ConfigError(f"{cls.__name__}.kind: this name is reserved; rename the setting")
    return names


@functools.lru_cache(maxsize=64)
def _adapt(cls: type[Any]) -> TypeAdapter[Any]:
    """Return what validates the settings of a class; making one takes a hundred times as long as using it."""
    return TypeAdapter(cls)


def build_kind(table: str, kind: str, settings: Mapping[str, Any]) -> Any:
    """Make an object of a registered class from its settings.

    Parameters
    ----------
    table : str
        Key of ``xbarsim.plugin.OWNERS``.
    kind : str
        Name of the class.
    settings : mapping
        Keys of the section other than ``kind``.

    Returns
    -------
    object
        Of the class, which validated the settings.

    Raises
    ------
    ConfigError
        If there is no such class, or a setting is unknown, missing or wrong; begins with the key.
    """
    known = find_table(table)
    if kind not in known:
        raise ConfigError(f"kind: {kind!r} is not a known {table}{suggest_or_list(kind, list(known))}")
    cls: Any = known[kind]
    names = setting_names(cls)
    for key in settings:
        if key not in names:
            what = suggest_or_list(key, names) if names else f"; {kind} has no settings"
            raise ConfigError(f"{key}: unknown key{what}")
    try:
        return _adapt(cls).validate_python(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "kind"
        if first["type"] in ("missing", "missing_argument"):
            raise ConfigError(f"{key}: missing; {kind} needs it") from None
        rule = first["msg"].removeprefix("Value error, ").replace("Input should be ", "should be ")
        raise ConfigError(f"{key}: {first['input']!r} is not allowed: {rule}") from None


def check_kind(
    table: str, kind: str, settings: Mapping[str, Any], *, only_added: bool = False, prefix: str = ""
) -> None:
    """Refuse, within a pydantic validator, a section whose class cannot be made.

    Parameters
    ----------
    table, kind, settings
        As in :func:`build_kind`.
    only_added : bool
        Refuse classes that ship with the package, too.
    prefix : str
        Put before the name of a setting in messages.

    Raises
    ------
    PydanticCustomError
        Of type ``kind``; its message begins with the key.
    """
    try:
        build_kind(table, kind, settings)
        if only_added and find_table(table).fingerprint(kind) is None:
            raise ConfigError(
                f"kind: {kind!r} ships with the package and is always applied; configure it in device.{kind}"
            )
    except ConfigError as error:
        message = str(error) if str(error).startswith("kind: ") else f"{prefix}{error}"
        raise PydanticCustomError("kind", "{message}", {"message": message}) from None


def list_kinds(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the classes that a hardware record names.

    Parameters
    ----------
    content : mapping
        The record as plain data.

    Returns
    -------
    list of (str, str)
        Table and name of each.
    """
    kinds = [("device_law", law["kind"]) for law in content["device"]["laws"]]
    if content["adc"]["kind"] != "uniform":
        kinds.append(("converter", content["adc"]["kind"]))
    return kinds + [("component_law", kind) for kind in _list_laws(content["components"])]


def _list_laws(components: Mapping[str, Any]) -> list[str]:
    """Return the laws that components and their parts name."""
    found = []
    for each in components.values():
        found += [each["kind"]] if each["kind"] is not None else []
        found += _list_laws(each.get("parts") or {})
    return found


def find_sources(kinds: Iterable[tuple[str, str]]) -> PluginSources:
    """Find the sources of classes as they are now.

    Parameters
    ----------
    kinds : iterable of (str, str)
        Table and name of each, from :func:`list_kinds`.

    Returns
    -------
    dict
        Table and name -> hash of the source; None for a class that ships with the package.
    """
    return {(table, kind): find_table(table).fingerprint(kind) for table, kind in kinds}


def stamp_kinds(content: dict[str, Any]) -> dict[str, Any]:
    """Prepare the content of a hardware record for its hash.

    Parameters
    ----------
    content : dict
        The record as plain data.

    Returns
    -------
    dict
        Without the keys of plug-ins where none is named, and with the source hashes of those that users added.
    """
    device, adc = dict(content["device"]), dict(content["adc"])
    if not device["laws"]:
        del device["laws"]
    if adc["kind"] == "uniform":
        del adc["kind"], adc["settings"]
    for key in ("clips", "rounds"):
        if adc[key]:
            del adc[key]
    components = {
        name: {key: value for key, value in component.items() if value is not None or key not in ("kind", "supply")}
        for name, component in content["components"].items()
    }
    timing = {key: value for key, value in content["timing"].items() if (key, value) != ("supply", None)}
    found = find_sources(list_kinds(content))
    sources = {f"{table}:{kind}": source for (table, kind), source in found.items() if source or table != "converter"}
    stamped = {**content, "device": device, "adc": adc, "timing": timing, "components": components}
    return {**stamped, "plugins": sources} if sources else stamped
