"""A builder that defines networks operation by operation and computes the shape of every value.

It is used for the networks that ship and for the YAML form; settings are defined in the records of kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS, NOT_IN_YAML, REQUIRED, Kind
from xbarsim.network.shapes import infer_shape


class NetworkBuilder:
    """Collects nodes; each reads the one before it unless told otherwise."""

    def __init__(self, name: str, input_shape: Iterable[int]) -> None:
        self.name = name
        self.input_shape = tuple(input_shape)
        self.last = INPUT
        self._nodes: list[Node] = []
        self._shapes: dict[str, tuple[int, ...]] = {INPUT: self.input_shape}
        self._counts: dict[str, int] = {}

    def add(
        self, kind: str, name: str | None = None, inputs: Iterable[str] | None = None, settings: Mapping[str, Any] = {}
    ) -> str:
        """Add an operation.

        Parameters
        ----------
        kind : str
            Key of :data:`~xbarsim.network.kinds.KINDS`.
        name : str, optional
            Kind and a running number if left out.
        inputs : iterable of str, optional
            What it reads; the operation before it if left out.
        settings : mapping
            Settings of the kind.

        Returns
        -------
        str
            The name, for use as an input.

        Raises
        ------
        ConfigError
            If kind, settings, inputs or shapes do not fit.
        """
        record = KINDS.get(kind)
        if record is None or record.settings is NOT_IN_YAML:
            known = [name for name, each in KINDS.items() if each.settings is not NOT_IN_YAML]
            raise ConfigError(f"kind: {kind!r} is unknown{suggest_or_list(kind, known)}")
        if name is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{kind}{self._counts[kind]}"
        sources = (self.last,) if inputs is None else tuple(inputs)
        if name in self._shapes:
            raise ConfigError(f"name: {name!r} is used twice; rename one of the layers")
        for source in sources:
            if source not in self._shapes:
                raise ConfigError(f"inputs: {source!r} is not defined above")
        shapes = [self._shapes[source] for source in sources]
        if not shapes:
            raise ConfigError("inputs: must name at least one")
        attributes = record.attributes(read_settings(record, settings), shapes[0])
        node = Node(name=name, kind=kind, inputs=sources, attributes=attributes)
        self._shapes[name] = infer_shape(node, shapes)
        self._nodes.append(node)
        self.last = name
        return name

    def shape(self, name: str | None = None) -> tuple[int, ...]:
        """Return the shape, without the batch, at a name or at the last operation."""
        return self._shapes[self.last if name is None else name]

    def build(self, output: str = "") -> Network:
        """Return the finished network."""
        return Network(name=self.name, nodes=tuple(self._nodes), input_shape=self.input_shape, output=output)


def read_settings(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a kind, checked and with defaults filled in; ConfigError names the key."""
    known = kind.settings or {}
    for key in given:
        if key not in known:
            raise ConfigError(f"{key}: unknown key of {kind.name}{suggest_or_list(key, known)}")
    settings = {}
    for key, setting in known.items():
        if key not in given and setting.default is REQUIRED:
            raise ConfigError(f"{key}: missing for {kind.name}")
        value = given.get(key, setting.default)
        try:
            settings[key] = None if value is None and setting.default is None else setting.read(value)
        except ValueError as rule:
            raise ConfigError(f"{key}: {value!r} is not {rule}") from None
    return settings
