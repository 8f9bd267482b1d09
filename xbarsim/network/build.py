"""A builder that writes networks down operation by operation and knows the shape at every point.

It serves the zoo and the YAML form, so one table holds the settings that a kind takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list
from xbarsim.network.graph import INPUT, Network, Node, as_pair, make_conv2d, make_linear
from xbarsim.network.shapes import SHAPES, infer_shape

_REQUIRED = object()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _wholes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of whole numbers")
    return tuple(map(_whole, value))


def _one_or_two(value: Any) -> tuple[int, int]:
    sizes = (value, value) if isinstance(value, int) else value
    if not isinstance(sizes, (list, tuple)) or len(sizes) != 2:
        raise ValueError("a whole number, or two for height and width")
    return as_pair(_wholes(sizes))


def _sides(value: Any) -> tuple[int, ...]:
    sizes = (value,) * 4 if isinstance(value, int) else _wholes(value)
    if len(sizes) not in (2, 4):
        raise ValueError("a whole number, two (height, width) or four (top, left, bottom, right)")
    return sizes if len(sizes) == 4 else sizes * 2


def _ranges(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, (list, tuple)) for item in value):
        raise ValueError("a list with one list of whole numbers for every axis but the batch")
    return tuple(map(_wholes, value))


_Setting = tuple[Any, Callable[[Any], Any]]
_POOL: dict[str, _Setting] = {
    "kernel": (_REQUIRED, _one_or_two), "stride": (None, _one_or_two), "padding": (0, _sides),
    "ceil_mode": (False, _flag),
}  # fmt: skip

SETTINGS: dict[str, dict[str, _Setting]] = {
    **{kind: {} for kind in SHAPES if kind not in ("scale", "quantize")},
    "conv2d": {
        "channels": (_REQUIRED, _whole), "kernel": (_REQUIRED, _one_or_two), "stride": (1, _one_or_two),
        "padding": (0, _sides), "dilation": (1, _one_or_two), "groups": (1, _whole),
    },
    "linear": {"features": (_REQUIRED, _whole)},
    "max_pool": _POOL,
    "avg_pool": {**_POOL, "count_include_pad": (True, _flag)},
    "global_avg_pool": {"keepdims": (False, _flag)},
    "mean": {"axes": (_REQUIRED, _wholes), "keepdims": (False, _flag)},
    "clip": {"min": (_REQUIRED, _real), "max": (_REQUIRED, _real)},
    "leaky_relu": {"alpha": (0.01, _real)},
    "hard_sigmoid": {"alpha": (1 / 6, _real), "beta": (0.5, _real)},
    "gelu": {"approximate": (False, _flag)},
    "layer_norm": {"axis": (-1, _whole), "epsilon": (1e-5, _real)},
    "softmax": {"axis": (1, _whole)},
    "concat": {"axis": (1, _whole)},
    "pad": {"pads": (_REQUIRED, _ranges), "value": (0.0, _real)},
    "slice": {"ranges": (_REQUIRED, _ranges)},
    "reshape": {"shape": (_REQUIRED, _wholes)},
    "transpose": {"order": (_REQUIRED, _wholes)},
}  # fmt: skip
"""Kind -> setting -> (default, reader); a reader raises ValueError with the rule."""


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
            Key of :data:`SETTINGS`.
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
        if kind not in SETTINGS:
            raise ConfigError(f"kind: {kind!r} is unknown{suggest_or_list(kind, SETTINGS)}")
        if name is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{kind}{self._counts[kind]}"
        sources = (self.last,) if inputs is None else tuple(inputs)
        if name in self._shapes:
            raise ConfigError(f"name: {name!r} is used twice")
        for source in sources:
            if source not in self._shapes:
                raise ConfigError(f"inputs: {source!r} does not exist above")
        shapes = [self._shapes[source] for source in sources]
        if not shapes:
            raise ConfigError("inputs: must name at least one")
        node = self._node(kind, name, sources, shapes[0], read_settings(kind, settings))
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

    def _node(
        self, kind: str, name: str, sources: tuple[str, ...], shape: tuple[int, ...], settings: dict[str, Any]
    ) -> Node:
        if kind == "conv2d":
            channels = settings.pop("channels")
            return make_conv2d(name, shape[0], channels, settings.pop("kernel"), inputs=sources, **settings)
        if kind == "linear":
            return make_linear(name, shape[-1], settings["features"], inputs=sources)
        if "stride" in settings and settings["stride"] is None:
            settings["stride"] = settings["kernel"]
        if settings.get("axis", 1) < 0:
            settings["axis"] += len(shape) + 1
        return Node(name=name, kind=kind, inputs=sources, attributes=settings)


def read_settings(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a kind, checked and with defaults filled in; ConfigError names the key."""
    known = SETTINGS[kind]
    for key in given:
        if key not in known:
            raise ConfigError(f"{key}: unknown key of {kind}{suggest_or_list(key, known)}")
    settings = {}
    for key, (default, read) in known.items():
        if key not in given and default is _REQUIRED:
            raise ConfigError(f"{key}: missing for {kind}")
        value = given.get(key, default)
        try:
            settings[key] = None if value is None and default is None else read(value)
        except ValueError as rule:
            raise ConfigError(f"{key}: {value!r} is not {rule}") from None
    return settings
