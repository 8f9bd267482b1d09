"""Loading of hardware files to an immutable :class:`~xbarsim.config.hardware.Hardware`.

Strict: a repeated key, an unknown key or a value out of range is refused in one line that names the dotted
key, the value, the rule and the file. ``base:`` inherits from another file, ``device: {base: devices/NAME}`` takes the
cell from one; overrides use dotted keys.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import weakref
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from xbarsim.config.device import Device
from xbarsim.config.explain import explain_error, find_keys
from xbarsim.config.hardware import Hardware
from xbarsim.config.kind import PluginSources, find_sources, list_kinds, stamp_kinds
from xbarsim.config.source import list_leaves, mark_change, read_key
from xbarsim.errors import ConfigError
from xbarsim.kept import KeptResults
from xbarsim.names import is_place, suggest, suggest_or_list
from xbarsim.yaml_file import load_yaml

HardwareT = TypeVar("HardwareT", bound=Hardware)

_NO_FILE = "given"
"""Name, and place in messages, of hardware whose content is given without a file."""
_CONTENTS: dict[int, tuple[str, PluginSources]] = {}
"""Identity of a record in use -> its content as JSON, and the sources of the plug-ins that it names."""
_LOADED: KeptResults[Hardware] = KeptResults(16)
"""Class, file and what it says -> record: a file that is named again gives the record for which plans are known."""


def list_hardware() -> list[str]:
    """Return the names of the hardware files that ship with the package, sorted."""
    return sorted(item.stem for item in _package_folder().glob("*.yaml"))


def list_devices() -> list[str]:
    """Return the names of the device files that ship with the package, sorted: ``devices/NAME``."""
    return sorted(f"devices/{item.stem}" for item in _package_folder().glob("devices/*.yaml"))


def find_hardware(name: str | Path, beside: Path | None = None) -> Path:
    """Return the file of a shipped name, or of a path relative to ``beside``."""
    text = str(name)
    is_device = text.startswith("devices/")
    if not text.endswith((".yaml", ".yml")) and ("/" not in text or is_device):
        known = list_devices() if is_device else list_hardware()
        if text in known:
            return _package_folder() / f"{text}.yaml"
        names = suggest_or_list(text, known)
        raise ConfigError(f"hardware {text!r}: not a .yaml file and not a shipped name{names}")
    path = Path(text) if beside is None else beside / text
    if not is_place(path, file=True):
        raise ConfigError(f"{path}: no such file")
    return path


def read_hardware_tree(
    path: Path, _seen: tuple[Path, ...] = (), content: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Read a hardware file (its ``content``, where that is given) and everything it inherits, merged key by key."""
    path = path.resolve()
    if path in _seen:
        raise ConfigError(f"{_shown(path)}: base: the file inherits from itself; name another file")
    content = load_yaml(path) if content is None else copy.deepcopy(dict(content))
    base = content.pop("base", None)
    content.setdefault("name", path.stem)
    below = None if base is None else _find_base("base", base, path)
    tree = {} if below is None else read_hardware_tree(below, (*_seen, path))
    device = content.get("device")
    if isinstance(device, dict):
        for key in ("measured", "levels_file"):
            if isinstance(device.get(key), str):
                device[key] = str(path.parent / device[key])
        if "base" in device:
            cell = _find_base("device.base", device.pop("base"), path)
            below, found = below or cell, read_hardware_tree(cell, (*_seen, path))
            tree = {**tree, "device": found.get("device"), "sources": _device_sources(tree, found)}
    if below is not None:
        _follow_file(tree, content, path, below)
    return _merge(tree, content)


def _follow_file(tree: dict[str, Any], content: dict[str, Any], path: Path, below: Path) -> None:
    """Let the sources that a file inherits follow the keys that it sets; its own ones are merged afterwards."""
    for key in (leaf.removeprefix(".") for leaf in list_leaves(content, "")):
        if read_key(tree, key) != read_key(content, key):
            mark_change(tree, key, where=_shown(path), file=_shown(below))


def _find_base(key: str, base: Any, path: Path) -> Path:
    if not isinstance(base, str):
        raise ConfigError(f"{key}: {base!r} is not a name or a path ({_shown(path)})")
    try:
        return find_hardware(base, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error} ({_shown(path)})") from None


def _device_sources(tree: dict[str, Any], found: dict[str, Any]) -> dict[str, str]:
    """Return the sources of a tree whose device is replaced by a found one."""

    def is_device(key: str) -> bool:
        return key == "device" or key.startswith("device.")

    kept = {key: text for key, text in (tree.get("sources") or {}).items() if not is_device(key)}
    return kept | {key: text for key, text in (found.get("sources") or {}).items() if is_device(key)}


def load_device(name: str | Path) -> Device:
    """Load the device section of a file.

    Parameters
    ----------
    name : str or Path
        A shipped name (see :func:`list_devices`), or the path of a YAML file with a section ``device``.

    Returns
    -------
    Device
        Validated and frozen.

    Raises
    ------
    ConfigError
        If a file, key or value is wrong; one line.
    """
    path = find_hardware(name)
    try:
        return Device.model_validate(read_hardware_tree(path).get("device", {}))
    except ValidationError as error:
        raise ConfigError(f"device.{explain_error(error, Device, _shown(path)).removeprefix('device.')}") from None


def load_hardware(
    name: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    record: type[HardwareT] = Hardware,  # type: ignore[assignment]
) -> HardwareT:
    """Load a hardware description.

    Parameters
    ----------
    name : str, Path or mapping
        A shipped name (see :func:`list_hardware`), the path of a YAML file, or the content of such a file, whose
        paths are relative to the current folder.
    overrides : mapping, optional
        Dotted key -> value, applied last.
    record : type, optional
        Class of the record.

    Returns
    -------
    Hardware
        Validated and frozen.

    Raises
    ------
    ConfigError
        If a file, key or value is wrong; one line.
    """
    content = name if isinstance(name, Mapping) else None
    path = find_hardware(name) if not isinstance(name, Mapping) else Path(_NO_FILE)
    tree, given = read_hardware_tree(path, content=content), dict(overrides or {})
    replaced: dict[str, Any] = {}
    if given:
        try:
            replaced = {key: read_key(record.model_validate(tree), key) for key in given}
        except ValidationError:  # an override may complete a file
            replaced = {key: read_key(tree, key) for key in given}
    elif content is None:
        return _load_unchanged(record, tree, path)
    _set_all(tree, given, record, _shown(path))
    return _validate(record, tree, _shown(path), given, replaced)


def _load_unchanged(record: type[HardwareT], tree: dict[str, Any], path: Path) -> HardwareT:
    """Return the record of a file, the same one while neither the file nor a plug-in changes."""
    key = record, path.resolve(), repr(tree)
    known = _LOADED.get(key)
    if isinstance(known, record):
        return known
    hardware = _validate(record, tree, _shown(path), {}, {})
    if not hardware.device.files:  # those are read anew
        _LOADED.put(key, (), hardware)
    return hardware


def override_record(hardware: Hardware, changes: Mapping[str, Any], record: type[HardwareT]) -> HardwareT:
    """Copy a hardware record with dotted keys replaced, validated anew.

    Parameters
    ----------
    hardware : Hardware
        Record to copy; it stays as it is.
    changes : mapping
        Dotted key -> value.
    record : type
        Class of the copy.

    Returns
    -------
    Hardware
        Of class ``record``.

    Raises
    ------
    ConfigError
        If a key is unknown or a value breaks a rule.
    """
    tree = dict(hardware)  # sections as records: only what changes is validated anew
    _set_all(tree, changes, record, hardware.origin)
    replaced = {key: read_key(hardware, key) for key in changes} | dict(hardware.replaced)
    return _validate(record, tree, hardware.origin, {**hardware.overrides, **changes}, replaced)


def hash_hardware(hardware: Hardware) -> str:
    """Hash everything in a record that can change a result; names and sources are left out.

    For files with measurements the hash covers their content.

    Parameters
    ----------
    hardware : Hardware
        The record.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    text = _write_content(hardware)
    files = {key: hash_file(Path(path)) for key, path in hardware.device.files.items()}
    if files:
        text = json.dumps({**json.loads(text), "files": files}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write_content(hardware: Hardware) -> str:
    """Write what counts of a record as JSON: once for a record that never changes, while its plug-ins do not either."""
    key = id(hardware)
    text, sources = _CONTENTS.get(key, ("", {}))
    if not text:
        weakref.finalize(hardware, _CONTENTS.pop, key, None).atexit = False
    if not text or sources != find_sources(sources):
        texts: dict[str, Any] = dict.fromkeys(("name", "description", "sources"), True)
        content = hardware.model_dump(
            mode="json",
            exclude={**texts, "components": {"__all__": {"source": True, "parts": {"__all__": {"source"}}}}},
        )
        text = json.dumps(stamp_kinds(content), sort_keys=True)
        _CONTENTS[key] = text, find_sources(list_kinds(content))
    return text


def hash_file(path: Path) -> str:
    """Hash the content of a file, or of every file of a folder.

    Parameters
    ----------
    path : Path
        File or folder.

    Returns
    -------
    str
        64 hexadecimal digits; those of nothing where there is no such file.
    """
    digest = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file():
            digest.update(each.relative_to(path).as_posix().encode() if path.is_dir() else b"")
            digest.update(hashlib.sha256(each.read_bytes()).digest())
    return digest.hexdigest()


def _validate(
    record: type[HardwareT], tree: dict[str, Any], origin: str, overrides: dict[str, Any], replaced: dict[str, Any]
) -> HardwareT:
    try:
        hardware = record.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain_error(error, record, origin)) from None
    hardware._origin, hardware._overrides, hardware._replaced = origin, overrides, replaced
    return hardware


def _set_all(tree: dict[str, Any], changes: Mapping[str, Any], record: type[BaseModel], origin: str) -> None:
    """Replace dotted keys in a tree of dictionaries and records; its sources follow."""
    for key, value in changes.items():
        is_new = key != "device.base" and read_key(tree, key) != value
        _set(tree, key, value, record)
        if is_new:
            mark_change(tree, key, where="here", file=origin)
    given = [key.removeprefix("adc.") for key in changes if key.startswith("adc.")]
    if given and isinstance(tree.get("adc"), dict):
        _drop_inherited_range(tree["adc"], given)


def _set(tree: dict[str, Any], dotted: str, value: Any, record: type[BaseModel]) -> None:
    """Replace one dotted key in a tree of dictionaries and records; what lies on the way becomes dictionaries."""
    if dotted == "device.base":
        found = read_hardware_tree(find_hardware(value))
        tree.update(device=found.get("device"), sources=_device_sources(tree, found))
        return
    parts = dotted.split(".")
    at: Any = tree
    for depth, part in enumerate(parts[:-1]):
        keys = find_keys(record, parts[:depth])
        if keys and part not in keys:
            raise ConfigError(f"{dotted}: unknown key{suggest(part, keys)}")
        below = at.get(part)
        if isinstance(below, BaseModel):
            below = below.model_dump()
        elif not isinstance(below, dict) and below is not None:
            raise ConfigError(f"{dotted}: {'.'.join(parts[: depth + 1])} is a value, not a section")
        at[part] = dict(below or {})
        at = at[part]
    at[parts[-1]] = value


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
            if key == "adc":
                _drop_inherited_range(merged[key], value)
        else:
            merged[key] = value
    return merged


def _drop_inherited_range(adc: dict[str, Any], given: Collection[str]) -> None:
    """Drop the inherited ``full_scale`` where ``quantile`` is given alone, and the reverse: they are one choice."""
    has_quantile, has_kind = "quantile" in given, "full_scale" in given
    if has_quantile != has_kind:
        adc.pop("full_scale" if has_quantile else "quantile", None)


@functools.cache
def _package_folder() -> Path:
    """Return the folder of the files that ship: inside the installed package, or in the clone that is imported.

    In a clone the folder lies beside the package. It is looked for there first, since Python that starts in a clone
    imports the package of the clone, whether or not another one is installed.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "hwconfigs", package.parent / "hwconfigs"):
        if (folder / "__init__.py").is_file():
            return folder
    return Path(str(resources.files("xbarsim.hwconfigs"))).resolve()


def _shown(path: Path) -> str:
    """Shorten the path of a shipped file to hwconfigs/NAME.yaml."""
    if path in (Path(_NO_FILE), Path(_NO_FILE).resolve()):
        return _NO_FILE
    path = path.resolve()
    return f"hwconfigs/{path.relative_to(_package_folder())}" if path.is_relative_to(_package_folder()) else str(path)
