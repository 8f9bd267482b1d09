"""Tables of named classes that users may add to: device laws, converters, component laws, metrics, samplers.

A room that can be extended keeps one :class:`Table`. What ships with the package is added when the room is imported;
``xbarsim.register`` adds what a user wrote. Hardware YAML says ``kind: name`` and never names code: the module that
registers the class is imported by the program that uses it, or by the command line's ``--plugin``.

A class that a plug-in added changes results, so its source belongs to every hash: :meth:`Table.fingerprint`.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list

_NAME = re.compile(r"[a-z][a-z0-9_]*")

OWNERS = {
    "device_law": ("xbarsim.device.law", "LAWS"),
    "converter": ("xbarsim.converter.kind", "CONVERTERS"),
    "component_law": ("xbarsim.component.law", "LAWS"),
    "metric": ("xbarsim.report.metric", "METRICS"),
    "sampler": ("xbarsim.search.sampler", "SAMPLERS"),
}
"""Kind of class -> module and name of its table. Imported when asked for, since tables live in rooms above."""


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
        return name in self._classes

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
            raise ConfigError(f"{what}: a name is lower-case letters, digits and underscores")
        if not isinstance(cls, type):
            raise ConfigError(f"{what}: {cls!r} is not a class")
        if name in self._classes and not (name in self._added and self._added[name] == _hash_source(cls)):
            raise ConfigError(f"{what}: this name is taken; choose another")
        for method in self.methods:
            if not callable(getattr(cls, method, None)):
                raise ConfigError(f"{what}: {cls.__name__} has no method {method}; needed: {', '.join(self.methods)}")
        if self._check is not None:
            self._check(name, cls)
        self._classes[name] = cls
        if plugin:
            self._added[name] = _hash_source(cls)

    def fingerprint(self, name: str) -> str | None:
        """Return the hash of the source of a class that a plug-in added; None for what ships."""
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
    """Add a class of one's own to the tables that hardware files and options name.

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
    """Return what plug-ins added, as ``kind:name`` -> hash of the source, sorted; rooms not yet imported have none."""
    import sys

    found = {}
    for kind, (module, attribute) in OWNERS.items():
        if module in sys.modules:
            table: Table = getattr(sys.modules[module], attribute)
            found |= {f"{kind}:{name}": value for name, value in table.added.items()}
    return dict(sorted(found.items()))


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
