"""Choices for layers -> a network of other shapes, and hardware keys of its layers.

A choice is a mapping of axes to values. The axes ``kernel``, ``width``, ``epitome`` and ``zero`` change the network,
``array`` stands for rows and columns of square arrays, and all others are keys of the hardware.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.names import match_names
from xbarsim.network import Epitome, Network, Node, load_network
from xbarsim.network.kinds import LAYER_RULES
from xbarsim.network.reshape import change_layer, find_branches, reshape_network
from xbarsim.report.judge import USUAL_METRIC, choose_judge

ZERO = "zero"
"""The option that removes the residual branch of a layer."""
SHAPE_AXES = ("kernel", "width", "epitome")
"""Axes with values that change the network."""

SPECIAL = (*SHAPE_AXES, ZERO, "array")
"""Axes that are no keys of the hardware."""

Choice = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Design:
    """A network and the hardware of its layers, ready for the simulator."""

    network: Network
    """Backbone with the chosen shapes; without weights where a shape is new."""
    layers: Mapping[str, dict[str, Any]]
    """Layer or glob -> dotted key -> value."""
    removed: tuple[str, ...] = ()
    """Layers left out."""


def expand_axis(axis: str, value: Any) -> dict[str, Any]:
    """Return the hardware keys that a value of an axis stands for."""
    return {"crossbar.rows": value, "crossbar.cols": value} if axis == "array" else {axis: value}


def check_axes(where: str, axes: Iterable[str]) -> None:
    """Refuse axes of one layer or glob that set the same key of the hardware.

    Parameters
    ----------
    where : str
        What the message begins with.
    axes : iterable of str
        Dotted keys or axes of search spaces.

    Raises
    ------
    ConfigError
        If two of them do, since nothing says which one counts.
    """
    owner: dict[str, str] = {}
    for axis in axes:
        for key in expand_axis(axis, None):
            if key in owner:
                raise ConfigError(f"{where}: {owner[key]} and {axis} both set {key}; leave one of them out")
            owner[key] = axis


def choose_keys(choice: Choice) -> dict[str, Any]:
    """Return the hardware keys of a choice; axes that change the network are left out."""
    keys: dict[str, Any] = {}
    for axis, value in choice.items():
        if axis not in (*SHAPE_AXES, ZERO):
            keys.update(expand_axis(axis, value))
    return keys


def make_design(network: Network, options: Iterable[tuple[str, Choice]]) -> Design:
    """Apply choices of layers to a network.

    Parameters
    ----------
    network : Network
        The backbone.
    options : iterable of tuple
        Layer, and its axis -> value; the later of two values for one axis wins. ``zero: true`` removes the layer's
        residual branch, where it is on one. Axes that a layer cannot use are left out.

    Returns
    -------
    Design
        Network and hardware keys by layer.

    Raises
    ------
    ConfigError
        If the shapes do not fit each other.
    """
    kernels: dict[str, int] = {}
    widths: dict[str, float] = {}
    epitomes: dict[str, Any] = {}
    layers: dict[str, dict[str, Any]] = {}
    removed: dict[str, bool] = {}
    branches = find_branches(network)
    for name, option in options:
        for axis, value in option.items():
            if axis in ("kernel", "epitome") and not network.node(name).has_kernel:
                continue  # tied to layers that can take it
            if axis == "kernel":
                kernels[name] = value
            elif axis == "width":
                widths[name] = value
            elif axis == "epitome":
                epitomes[name] = value
            elif axis == ZERO:
                removed[name] = value and name in branches
            else:
                layers.setdefault(name, {}).update(expand_axis(axis, value))
    gone = [name for name, is_removed in removed.items() if is_removed]
    shaped = reshape_network(network, kernels=kernels, widths=widths, removed=gone)
    alive = {node.name for node in shaped.layers}
    return Design(
        network=with_epitomes(shaped, {name: value for name, value in epitomes.items() if name in alive}),
        layers={name: choice for name, choice in layers.items() if name in alive},
        removed=tuple(node.name for node in network.layers if node.name not in alive),
    )


def apply_choices(network: Network, choices: Mapping[str, Choice]) -> Design:
    """Apply the choices of a query to a network.

    Parameters
    ----------
    network : Network
        The backbone.
    choices : mapping
        Layer or glob -> axis or dotted key -> value; the later of two globs wins. Layers of a glob that cannot use an
        axis are left as they are; a layer that is named must be able to.

    Returns
    -------
    Design
        The network itself and the choices as they are where no shape is chosen.

    Raises
    ------
    ConfigError
        If a glob matches no layer, or a value is not one of its axis or does not fit.
    """
    if not any(axis in SPECIAL for choice in choices.values() for axis in choice):
        return Design(network=network, layers={glob: dict(choice) for glob, choice in choices.items()})
    branches = find_branches(network)
    options: list[tuple[str, Choice]] = []
    for glob, choice in choices.items():
        where = f"layers.{glob}"
        for axis, value in choice.items():
            check_value(f"{where}.{axis}", axis, value)
            able = find_able(network, branches, glob, axis, where)
            options += [(name, {axis: value}) for name in able]
    try:
        return make_design(network, options)
    except ConfigError as error:
        raise ConfigError(f"layers: {error}") from None


def load_backbone(network: Network | str | Path, **ends: Any) -> Network:
    """Return a network; files are read again when they change.

    Parameters
    ----------
    network : Network, str or Path
        A network, or an argument of :func:`~xbarsim.network.load_network`.
    **ends
        ``outputs`` and ``input_shape`` of an .onnx file, as that function takes them.

    Returns
    -------
    Network
        The network.

    Raises
    ------
    ConfigError
        If there is none of this name, or the file is wrong.
    """
    if isinstance(network, Network):
        return network
    path = Path(network)
    try:
        stamp = path.stat()
    except (OSError, ValueError):  # ValueError: a zero character
        return load_network(network, **ends)  # a name of the zoo, kept there
    if path.suffix.lower() != ".onnx":  # the weights of a .yaml may lie in a file beside it
        return load_network(network, **ends)
    return _load_file(str(network), stamp.st_mtime_ns, stamp.st_size, json.dumps(ends, sort_keys=True))


@functools.lru_cache(maxsize=16)
def _load_file(path: str, stamp: int, size: int, ends: str) -> Network:
    return load_network(path, **json.loads(ends))


def has_accuracy(network: Network | str | Path, labels: ArrayLike) -> bool:
    """Tell whether accuracy can be measured.

    Parameters
    ----------
    network : Network, str or Path
        A network, or an argument of :func:`~xbarsim.network.load_network`.
    labels : array_like, (images, ...)
        What outputs should be.

    Returns
    -------
    bool
        Whether the network has several classes as its outputs, and labels are one of them an image.
    """
    net = load_backbone(network)
    try:
        choose_judge(USUAL_METRIC).check(labels, len(np.asarray(labels)), net.output_shapes or net.output_shape)
    except (ConfigError, ShapeError):
        return False
    return net.output_shape != (1,)


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """A single layer with a choice applied."""

    shape: Mapping[str, Any]
    """Shape as :meth:`~xbarsim.search.CostOracle.layer` takes it."""
    choice: Mapping[str, Any]
    """Dotted key -> value."""
    epitome: Epitome | None
    """Small tensor that the weights are sampled from."""


def choose_shape(kind: str, shape: Mapping[str, Any], choice: Choice) -> LayerChoice:
    """Apply a choice to a single layer.

    Parameters
    ----------
    kind : str
        A kind of weight layers.
    shape : mapping
        Its whole shape, from :func:`~xbarsim.cost.layer.check_shape`.
    choice : mapping
        Axis or dotted key -> value.

    Returns
    -------
    LayerChoice
        Shape, hardware keys and epitome.

    Raises
    ------
    ConfigError
        If the layer cannot use an axis, or a value does not fit.
    """
    if not any(axis in SPECIAL for axis in choice):
        return LayerChoice(shape=shape, choice=choice, epitome=None)
    for axis, value in choice.items():
        check_value(f"choice.{axis}", axis, value)
    if choice.get(ZERO):
        raise ConfigError("choice.zero: a layer on its own is on no residual branch; ask for a network")
    query = LAYER_RULES[kind].query
    attributes, source = query.build(shape)
    plain = Node(name="layer", kind=kind, attributes=attributes)
    node = change_layer(plain, source, choice.get("kernel"), choice.get("width", 1.0))
    epitome = choice.get("epitome")
    return LayerChoice(
        shape=shape if node is plain else query.describe(node, source), choice=choose_keys(choice),
        epitome=None if epitome is None else Epitome.from_mapping(epitome),
    )  # fmt: skip


def check_value(where: str, axis: str, value: Any) -> None:
    """Raise ConfigError unless a value is one that an axis can have; hardware keys are checked by the hardware.

    Parameters
    ----------
    where : str
        What the message begins with.
    axis : str
        The axis.
    value
        What is chosen.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if axis in ("kernel", "array") and not (is_number and isinstance(value, int) and value > 0):
        raise ConfigError(f"{where}: {value!r} is not a whole number above 0")
    if axis == "width" and not (is_number and 0 < value < math.inf):
        raise ConfigError(f"{where}: {value!r} is not a number above 0")
    if axis == ZERO and not isinstance(value, bool):
        raise ConfigError(f"{where}: {value!r} is not true or false")


def find_able(network: Network, branches: Mapping[str, Any], glob: str, axis: str, where: str) -> list[str]:
    """Return the layers of a glob that can use an axis.

    Parameters
    ----------
    network : Network
        The backbone.
    branches : mapping
        Its removable layers, from :func:`~xbarsim.network.reshape.find_branches`.
    glob : str
        Layer or glob.
    axis : str
        The axis; every layer can use keys of the hardware.
    where : str
        What messages begin with.

    Returns
    -------
    list of str
        At least one layer.

    Raises
    ------
    ConfigError
        If no layer of the glob, or not the layer that is named, can use it.
    """
    names = [node.name for node in network.layers]
    matched = match_names(glob, names, where)
    able = [name for name in matched if _can_take(network, branches, name, axis)]
    if not able or (glob in names and glob not in able):
        reason = {
            "zero": "only layers on a residual branch can be left out",
            "kernel": "it is not a convolution",
            "epitome": "it is not a convolution without groups",
            "width": "its channels are fixed by an addition, by groups or by the output of the network",
        }[axis]
        raise ConfigError(f"{where}.{axis}: {matched[0]} cannot use this axis: {reason}")
    return able


def with_epitomes(network: Network, epitomes: Mapping[str, Any]) -> Network:
    """Return a network with epitomes given as mappings; None leaves a convolution plain.

    Parameters
    ----------
    network : Network
        The network.
    epitomes : mapping
        Convolution -> ``{"rows": ..., "channels": ...}`` or None.

    Returns
    -------
    Network
        As :meth:`~xbarsim.network.Network.with_epitomes` returns it.

    Raises
    ------
    ConfigError
        If an epitome does not serve its layer.
    """
    wanted = {name: Epitome.from_mapping(value) for name, value in epitomes.items() if value is not None}
    return network.with_epitomes(wanted) if wanted else network


def _can_take(network: Network, branches: Mapping[str, Any], name: str, axis: str) -> bool:
    node = network.node(name)
    if axis == ZERO:
        return name in branches
    if axis in ("kernel", "epitome"):
        return node.has_kernel and (axis == "kernel" or node.groups == 1)
    if axis == "width":
        try:
            reshape_network(network, widths={name: 2.0})
        except ConfigError:
            return False
    return True
