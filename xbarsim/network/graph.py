"""The layer graph of a network: frozen records, order, checks, shapes and a content hash.

A :class:`Network` is a directed acyclic graph with one input and one output. It knows no hardware. Activations
are (B, C, H, W) or (B, ..., F); shapes in the records leave the batch out, axis numbers in attributes count it
(axis 1 is the first after the batch). Weight layers are ``conv2d`` with weight (out, in / groups, kh, kw) and
``linear`` with weight (out, in). Networks without weights carry the same attributes and serve for cost.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds import LAYER_RULES, LayerRule
from xbarsim.network.kinds.ends import OUTPUTS
from xbarsim.network.shapes import infer_shape
from xbarsim.notebook import Face, Shown

if TYPE_CHECKING:
    from xbarsim.network.epitome import Epitome, LayerEpitome

INPUT = "input"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One operation of a network.

    Attributes
    ----------
    name : str
        Unique in the network; ``"input"`` is taken by the network's input.
    kind : str
        Key of :data:`xbarsim.network.kinds.KINDS`, for example ``"conv2d"``, ``"relu"`` or ``"add"``.
    inputs : tuple of str
        Names of the nodes that feed this one, or ``"input"``.
    attributes : mapping
        Settings of the kind. ``conv2d``: ``in_channels``, ``out_channels``, ``kernel`` (kh, kw), ``stride``,
        ``padding`` (top, left, bottom, right), ``dilation``, ``groups``; ``linear``: ``in_features``, ``out_features``.
    weight : ndarray or None
        float32, read-only; None in networks that carry shapes only.
    bias : ndarray, (out,) or None
        float32, read-only; None counts as zero.
    shape : tuple of int
        Output shape without the batch; filled in by :class:`Network`.
    epitome : LayerEpitome or None
        Of a ``conv2d`` whose ``weight`` is sampled from a small tensor; the weight is what the samples rebuild.
    """

    name: str
    kind: str
    inputs: tuple[str, ...] = (INPUT,)
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weight: np.ndarray | None = dataclasses.field(default=None, repr=False)
    bias: np.ndarray | None = dataclasses.field(default=None, repr=False)
    shape: tuple[int, ...] = ()
    epitome: LayerEpitome | None = None

    @property
    def is_layer(self) -> bool:
        """Whether the node is a weight layer, to be mapped to arrays."""
        return self.kind in LAYER_RULES

    @property
    def has_kernel(self) -> bool:
        """Whether the node is a weight layer whose kernel slides over an image."""
        return self.is_layer and bool(rule_of(self).geometry)

    @property
    def groups(self) -> int:
        """Number of groups of a convolution, 1 for a linear layer."""
        groups: int = self.attributes.get("groups", 1)
        return groups

    @functools.cached_property
    def rows(self) -> int:
        """Weights that one output sums over: the flattened kernel of one group."""
        return rule_of(self).rows(self)

    @functools.cached_property
    def columns(self) -> int:
        """Outputs of one group."""
        outputs: int = self.attributes[rule_of(self).outputs]
        return outputs // self.groups

    @functools.cached_property
    def windows(self) -> int:
        """Input vectors that one inference multiplies with this layer."""
        return rule_of(self).windows(self)

    @functools.cached_property
    def weight_count(self) -> int:
        """Number of weights, biases not counted."""
        return self.rows * self.columns * self.groups

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return self.weight_count * self.windows


def rule_of(node: Node) -> LayerRule:
    """Return what a weight layer is to arrays; ConfigError for any other node."""
    try:
        return LAYER_RULES[node.kind]
    except KeyError:
        raise ConfigError(f"node {node.name}: a {node.kind} node has no weights in arrays") from None


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Network(Shown):
    """A checked network: nodes in topological order with their shapes.

    Attributes
    ----------
    name : str
        Shown in reports.
    nodes : tuple of Node
        Given in any order; kept in a topological order that follows the given one where it can.
    input_shape : tuple of int
        Shape of one image, (C, H, W) or (F,).
    output : str
        Name of the node whose value is the result; the last node if left out.

    Raises
    ------
    ConfigError
        If names repeat, an input is unknown, the graph has a cycle or a dead end, shapes do not fit, or a weight
        is NaN or infinite; the message names the node.
    """

    name: str
    nodes: tuple[Node, ...]
    input_shape: tuple[int, ...]
    output: str = ""

    def __post_init__(self) -> None:
        set_field = functools.partial(object.__setattr__, self)
        set_field("input_shape", _check_input_shape(self.name, self.input_shape))
        nodes = [_freeze_weights(node) for node in self.nodes]
        if not nodes:
            raise ConfigError(f"network {self.name}: has no nodes")
        set_field("output", self.output or nodes[-1].name)
        ordered = _sort(self.name, nodes)
        _check_ends(self.name, ordered, self.output)
        set_field("nodes", _with_shapes(ordered, self.input_shape))

    def _show(self) -> Face:
        from xbarsim.network.face import show_network

        return show_network(self)

    @functools.cached_property
    def layers(self) -> tuple[Node, ...]:
        """The weight layers, in topological order."""
        return tuple(node for node in self.nodes if node.is_layer)

    @functools.cached_property
    def _index(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """Return a node by its name; ConfigError if there is none."""
        try:
            return self._index[name]
        except KeyError:
            raise ConfigError(f"network {self.name}: has no node {name!r}") from None

    @functools.cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """Name (or ``"input"``) -> the nodes that read its value."""
        found: dict[str, list[Node]] = {name: [] for name in (INPUT, *self._index)}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape, without the batch, of a node's output or of ``"input"``."""
        return self.input_shape if name == INPUT else self.node(name).shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the result of one image."""
        return self.node(self.output).shape

    @property
    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each output -> shape of one image, where the network has several; empty where it has one.

        Their values lie behind one another in one vector, whose shape is :attr:`output_shape`.
        """
        end = self.node(self.output)
        if end.kind != OUTPUTS:
            return {}
        return {name: self.shape_of(source) for name, source in zip(end.attributes["names"], end.inputs, strict=True)}

    def split_outputs(self, values: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
        """Take several outputs apart.

        Parameters
        ----------
        values : ndarray, (..., *output_shape)
            Results of the network.

        Returns
        -------
        ndarray or dict
            Arrays (..., *shape) by name where the network has several outputs, else ``values``, (..., *output_shape).
        """
        shapes = self.output_shapes
        if not shapes:
            return values
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
        parts = np.split(values, ends, axis=-1)
        return {
            name: part.reshape(*values.shape[:-1], *shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    @functools.cached_property
    def has_weights(self) -> bool:
        """Whether every weight layer carries weights, so that the network can be run."""
        return all(node.weight is not None for node in self.layers)

    @property
    def file_bits(self) -> dict[str, dict[str, int]]:
        """Layer -> ``weight_bits`` and ``activation_bits`` that the network's file fixes, for ``layers=``."""
        from xbarsim.network.sign import find_quantizer

        found = {}
        for node in self.layers:
            quantizer = find_quantizer(self, node.inputs[0])
            bits = {} if quantizer is None else {"activation_bits": quantizer.attributes["bits"]}
            if "weight_bits" in node.attributes:
                bits = {"weight_bits": node.attributes["weight_bits"], **bits}
            if bits:
                found[node.name] = bits
        return found

    def require_weights(self) -> None:
        """Refuse to go on without weights: ConfigError."""
        if not self.has_weights:
            raise ConfigError(
                f"network {self.name}: has shapes but no weights; to run it, give a trained one (an .onnx file), or "
                "load it in Python with weights='random'; its cost is known without (estimate)"
            )

    @functools.cached_property
    def hash(self) -> str:
        """Short hash of everything that can change a result; see :func:`~xbarsim.network.fingerprint.hash_network`."""
        from xbarsim.network.fingerprint import hash_network

        return hash_network(self)

    def replace_nodes(self, nodes: Mapping[str, Node]) -> Network:
        """Return a copy in which the nodes of the given names are replaced, checked anew."""
        changed = tuple(nodes.get(node.name, node) for node in self.nodes)
        return Network(name=self.name, nodes=changed, input_shape=self.input_shape, output=self.output)

    def with_token_scales(self, layers: str | Sequence[str] = "*") -> Network:
        """Return a copy whose linear layers have an input scale for every token.

        Parameters
        ----------
        layers : str or sequence of str
            Names or globs of layers; convolutions, and layers whose input scale the network's file fixes, stay as they
            are.

        Returns
        -------
        Network
            The same in floats; see :func:`~xbarsim.network.token.scale_tokens`.

        Raises
        ------
        ConfigError
            If a glob matches no layer, or none of the layers can be scaled.
        """
        from xbarsim.network.token import scale_tokens

        return scale_tokens(self, layers)

    def with_epitomes(self, choices: Mapping[str, Epitome | None]) -> Network:
        """Return a copy in which convolutions are sampled from epitomes.

        Parameters
        ----------
        choices : mapping
            Name or glob of convolutions -> epitome, or None for a plain convolution; the later one wins. Applied even
            where the epitome is larger than the layer. Weights become the closest ones that can be sampled.

        Returns
        -------
        Network
            Of the same shapes.

        Raises
        ------
        ConfigError
            If a glob matches no convolution, or an epitome does not serve a layer.
        """
        from xbarsim.network.compact import convert_network

        return convert_network(self, choices)


def _check_input_shape(name: str, shape: Iterable[int]) -> tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        raise ConfigError(f"network {name}: input_shape: {shape!r} is not a list of sizes") from None
    if not sizes or min(sizes) < 1:
        raise ConfigError(f"network {name}: input_shape: {sizes} needs sizes of at least 1")
    return sizes


def _freeze_weights(node: Node) -> Node:
    """Return a node whose weights are finite, read-only float32."""
    if node.weight is None and node.bias is None:
        return node
    weight = _frozen(node.name, "weight", node.weight)
    if node.epitome is not None and weight is not None and weight is not node.weight:
        rebuilt = node.epitome.rebuild()
        if rebuilt is None or not np.array_equal(weight, rebuilt):
            raise ConfigError(
                f"layer {node.name}: its weight differs from the one rebuilt from its epitome; change the epitome "
                "instead of the weight"
            )
    return dataclasses.replace(node, weight=weight, bias=_frozen(node.name, "bias", node.bias))


def _frozen(name: str, field: str, values: np.ndarray | None) -> np.ndarray | None:
    if values is None:
        return None
    if isinstance(values, np.ndarray) and values.dtype == np.float32 and not values.flags.writeable:
        frozen = values
    else:
        frozen = np.array(values, dtype=np.float32)
        frozen.flags.writeable = False
    with np.errstate(invalid="ignore"):  # a sum is NaN or infinite where an entry is
        total = np.sum(frozen, dtype=np.float64)
    if not np.isfinite(total):
        raise ConfigError(f"layer {name}: {field} holds NaN or infinite values")
    return frozen


def _sort(name: str, nodes: list[Node]) -> list[Node]:
    """Order nodes so that inputs come first (Kahn), stable with respect to the given order."""
    index: dict[str, Node] = {}
    for node in nodes:
        if node.name in index or node.name == INPUT:
            raise ConfigError(f"network {name}: node name {node.name!r} is used twice")
        index[node.name] = node
    for node in nodes:
        for source in node.inputs:
            if source != INPUT and source not in index:
                raise ConfigError(f"network {name}: node {node.name}: input {source!r} does not exist")
    done = {INPUT}
    ordered: list[Node] = []
    waiting = nodes
    while waiting:
        later = []
        for node in waiting:
            if all(source in done for source in node.inputs):
                done.add(node.name)
                ordered.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ConfigError(f"network {name}: cycle through {', '.join(node.name for node in later[:5])}")
        waiting = later
    return ordered


def _check_ends(name: str, nodes: list[Node], output: str) -> None:
    """Refuse an output that does not exist and nodes whose value nobody uses."""
    read = {source for node in nodes for source in node.inputs} | {output}
    if output not in {node.name for node in nodes}:
        raise ConfigError(f"network {name}: output {output!r} does not exist")
    dead = [node.name for node in nodes if node.name not in read]
    if dead:
        raise ConfigError(f"network {name}: node {dead[0]} does not reach the output {output}")


def _with_shapes(nodes: list[Node], input_shape: tuple[int, ...]) -> tuple[Node, ...]:
    shapes = {INPUT: input_shape}
    shaped = []
    for node in nodes:
        shape = infer_shape(node, [shapes[source] for source in node.inputs])
        shapes[node.name] = shape
        shaped.append(node if node.shape == shape else dataclasses.replace(node, shape=shape))
    return tuple(shaped)
