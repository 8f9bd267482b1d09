"""Tables of named classes that users may add to: device laws, converters, component laws, metrics, samplers.

Each extensible subpackage has a :class:`Table`. Classes that ship are added when the subpackage is imported, and
``xbarsim.register`` adds classes of users. Hardware files contain ``kind: name`` and no code: the module that registers
the class is imported by the program, or by ``--plugin`` on the command line.

A class of a plug-in may change results, so its source is part of every hash: :meth:`Table.fingerprint`.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from xbarsim.errors import ConfigError
from xbarsim.kept import forget
from xbarsim.names import suggest_or_list

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX = "_xbarsim_plugin_"

OWNERS = {
    "device_law": ("xbarsim.device.law", "LAWS"),
    "converter": ("xbarsim.converter.kind", "CONVERTERS"),
    "component_law": ("xbarsim.component.law", "LAWS"),
    "metric": ("xbarsim.report.outputs", "METRICS"),
    "sampler": ("xbarsim.search.sampler", "SAMPLERS"),
}
"""Kind of class -> module and name of its table. Imported when asked for, since tables live in rooms above."""


HARDWARE_KINDS = ("device_law", "converter", "component_law")
"""Kinds of classes that hardware names."""


class Table:
    """Classes of one kind by name.

    Parameters
    ----------
    kind : str
        Key of :data:`OWNERS`, named in messages.
    methods : tuple of str
        Methods that every class has; a class without one is refused when it is added.
    check : callable, optional
        ``check(name, cls)`` refuses what else is wrong with a class, by a ConfigError.
    """

    def __init__(
        self, kind: str, methods: tuple[str, ...], check: Callable[[str, type[Any]], None] | None = None
    ) -> None:
        self.kind, self.methods = kind, methods
        self._check = check
        self._classes: dict[str, type[Any]] = {}
        self._added: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._classes

    def __getitem__(self, name: str) -> type[Any]:
        """Return a class by its name; ConfigError lists what exists."""
        try:
            return self._classes[name]
        except KeyError:
            raise ConfigError(f"{self.kind} {name!r}: unknown{suggest_or_list(name, list(self._classes))}") from None

    def add(self, name: str, cls: type[Any], *, plugin: bool = False) -> None:
        """Add a class under a name.

        Parameters
        ----------
        name : str
            What hardware YAML and options say: lower-case letters, digits and underscores.
        cls : type
            The class.
        plugin : bool
            Whether a user added it; its source then enters hashes.

        Raises
        ------
        ConfigError
            If the name is taken or not a plain word, or the class lacks a method or breaks a rule of the table.
        """
        what = f"{self.kind} {name!r}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"{what}: a name consists of lower-case letters, digits and underscores")
        if not isinstance(cls, type):
            raise ConfigError(f"{what}: {cls!r} is not a class")
        if name in self._classes and not (name in self._added and self._added[name] == _hash_source(cls)):
            raise ConfigError(f"{what}: this name is already used; choose another")
        for method in self.methods:
            if not callable(getattr(cls, method, None)):
                raise ConfigError(f"{what}: {cls.__name__} has no method {method}; needed: {', '.join(self.methods)}")
        if self._check is not None:
            self._check(name, cls)
        self._classes[name] = cls
        forget()
        if plugin:
            self._added[name] = _hash_source(cls)

    def fingerprint(self, name: str) -> str | None:
        """Return the hash of the source of a class that a plug-in added; None for classes that ship."""
        return self._added.get(name)

    @property
    def added(self) -> dict[str, str]:
        """Name -> hash of the source, of every class that a plug-in added."""
        return dict(self._added)


def find_table(kind: str) -> Table:
    """Return the table of a kind of class.

    Parameters
    ----------
    kind : str
        Key of :data:`OWNERS`.

    Returns
    -------
    Table
        The table that the room of this kind keeps.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if kind not in OWNERS:
        raise ConfigError(f"register: kind {kind!r} cannot be added{suggest_or_list(kind, list(OWNERS))}")
    module, name = OWNERS[kind]
    table: Table = getattr(importlib.import_module(module), name)
    return table


def register(kind: str, name: str, cls: type[Any]) -> None:
    """Register a class under a name that hardware files and options can use.

    Parameters
    ----------
    kind : str
        ``device_law``, ``converter``, ``component_law``, ``metric`` or ``sampler``.
    name : str
        What hardware YAML (``kind: name``) or an option then says.
    cls : type
        The class; the documentation of each kind says what it offers.

    Raises
    ------
    ConfigError
        If there is no such kind, the name is taken, or the class lacks what its kind needs.
    """
    find_table(kind).add(name, cls, plugin=True)


def list_plugins() -> dict[str, str]:
    """Return the classes that plug-ins added, as ``kind:name`` -> hash of the source, sorted; rooms not yet imported
    have none."""
    found = {f"{kind}:{name}": value for kind, table in _find_loaded().items() for name, value in table.added.items()}
    return dict(sorted(found.items()))


def select_plugins(*contents: Any, names: Iterable[str] = ()) -> dict[str, str]:
    """Return the plug-ins that a result depends on.

    Parameters
    ----------
    *contents : Any
        Hardware records, settings, choices: device laws, converters and component laws count where a text of them is
        their name.
    names : iterable of str
        Metrics and samplers in use, as ``kind:name``; those that ship with the package are left out.

    Returns
    -------
    dict
        ``kind:name`` -> hash of the source, sorted.
    """
    added = list_plugins()
    if not added:
        return {}
    texts = set(_list_texts(contents))
    used = {f"{kind}:{name}" for kind in HARDWARE_KINDS for name in texts} | set(names)
    return {name: value for name, value in added.items() if name in used}


def hash_plugins(plugins: Mapping[str, str]) -> str:
    """Return one hash of what :func:`select_plugins` returned; 16 hex digits, nothing where there are none."""
    return hashlib.sha256(repr(sorted(plugins.items())).encode()).hexdigest()[:16] if plugins else ""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A class that a plug-in added, in a form that can be sent to another process."""

    kind: str
    """Key of :data:`OWNERS`."""
    name: str
    """Its name in the table."""
    module: str
    """Module that defines it."""
    qualname: str
    """Its name in that module."""
    fingerprint: str
    """Hash of its source."""
    path: str
    """File of the module."""
    source: str
    """Text of the file."""

    @property
    def can_travel(self) -> bool:
        """Whether another process can import it: not from a notebook, the main program or a function's body."""
        return self.module != "__main__" and "<locals>" not in self.qualname and bool(self.source)


def pack_plugins(names: Collection[str]) -> tuple[Parcel, ...]:
    """Pack classes that plug-ins added, to be sent to worker processes before anything else.

    Parameters
    ----------
    names : collection of str
        ``kind:name`` of each, as :func:`select_plugins` gives them.

    Returns
    -------
    tuple of Parcel
        One for each class.
    """
    return tuple(
        _pack(kind, name, table[name], fingerprint)
        for kind, table in _find_loaded().items()
        for name, fingerprint in table.added.items()
        if f"{kind}:{name}" in names
    )


def unpack_plugins(parcels: Iterable[Parcel]) -> None:
    """Add the classes that another process packed.

    Parameters
    ----------
    parcels : iterable of Parcel
        From :func:`pack_plugins`. A module that cannot be imported here is made from the text that came along.

    Raises
    ------
    ConfigError
        If a class here has another source than there, or cannot be imported.
    """
    for parcel in parcels:
        table = find_table(parcel.kind)
        if table.fingerprint(parcel.name) != parcel.fingerprint:
            cls: Any = _import_module(parcel)
            for part in parcel.qualname.split("."):
                cls = getattr(cls, part)
            if table.fingerprint(parcel.name) != parcel.fingerprint:  # else importing the module has registered it
                table.add(parcel.name, cls, plugin=True)
        if table.fingerprint(parcel.name) != parcel.fingerprint:
            raise ConfigError(f"{parcel.kind} {parcel.name!r}: worker has another version of module {parcel.module}")


def load_plugin(spec: str) -> None:
    """Import a module that registers classes; a module that was loaded before is left as it is.

    Parameters
    ----------
    spec : str
        Name of a module on Python's path, or path of a ``.py`` file.

    Raises
    ------
    ConfigError
        If it cannot be imported; one line that says why.
    """
    try:
        if spec.endswith(".py"):
            _load_file(_name_file(Path(spec)), Path(spec))
        else:
            importlib.import_module(spec)
    except ModuleNotFoundError as error:
        hint = "" if error.name != spec else f"; a file is named with its ending, {spec}.py"
        raise ConfigError(f"plug-in {spec}: {error}{hint}") from None
    except ConfigError as error:
        raise ConfigError(f"plug-in {spec}: {error}") from None
    except SyntaxError as error:
        raise ConfigError(f"plug-in {spec}: line {error.lineno}: {error.msg}") from None
    except Exception as error:
        raise ConfigError(f"plug-in {spec}: {type(error).__name__}: {error}") from None


def _find_loaded() -> dict[str, Table]:
    """Return the tables of the rooms that are imported; others hold no plug-in."""
    return {
        kind: getattr(sys.modules[module], name) for kind, (module, name) in OWNERS.items() if module in sys.modules
    }


def _list_texts(content: Any) -> Iterator[str]:
    """Yield every text among the values of records, mappings and lists."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, tuple)):
        for item in content:
            yield from _list_texts(item)
    elif isinstance(content, (Mapping, BaseModel)):
        yield from _list_texts(list(dict(content).values()))


def _pack(kind: str, name: str, cls: type[Any], fingerprint: str) -> Parcel:
    path = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    try:
        source = Path(path).read_text(encoding="utf-8") if path.endswith(".py") else ""
    except OSError:
        source = ""
    return Parcel(
        kind=kind, name=name, module=cls.__module__, qualname=cls.__qualname__, fingerprint=fingerprint, path=path,
        source=source,
    )  # fmt: skip


def _import_module(parcel: Parcel) -> Any:
    if parcel.module in sys.modules:
        return sys.modules[parcel.module]
    try:
        if not parcel.module.startswith(_PREFIX):
            return importlib.import_module(parcel.module)
    except ModuleNotFoundError:
        pass
    import tempfile

    path = Path(parcel.path)
    if not path.is_file() or path.read_text(encoding="utf-8") != parcel.source:  # another machine
        path = Path(tempfile.mkdtemp(prefix="xbarsim-plugin-"), path.name)
        path.write_text(parcel.source, encoding="utf-8")
    return _load_file(parcel.module, path)


def _name_file(path: Path) -> str:
    """Return the name under which a file is imported; files of one name in two folders are told apart."""
    return f"{_PREFIX}{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"


def _load_file(name: str, path: Path) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise ConfigError("no such file")
    spec = spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _hash_source(cls: type[Any]) -> str:
    """Hash the file that defines a class, because what the class calls there belongs to it."""
    try:
        source = inspect.getsource(inspect.getmodule(cls) or cls)
    except (OSError, TypeError):
        try:
            source = inspect.getsource(cls)
        except (OSError, TypeError):
            source = f"{cls.__module__}.{cls.__qualname__}"
    return hashlib.sha256(source.encode()).hexdigest()[:16]
