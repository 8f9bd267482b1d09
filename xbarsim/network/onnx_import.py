"""ONNX models -> :class:`~xbarsim.network.graph.Network`.

Constant parts of the graph are folded, batch normalisation goes into the convolution before it, and layers are
called after their weight initializers. Models quantised in QDQ form keep scales and zero points exactly. The
first axis of the input is the batch; every other size must be known. What is not supported is refused as a
whole: one error lists every such node.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import OPERATORS
from xbarsim.network.onnx_layers import BATCH, CodeGrid, Operator, Unsupported, dequantize_constant
from xbarsim.network.shapes import infer_shape

_DOMAINS = ("", "ai.onnx", "com.microsoft")
_MEANINGLESS = re.compile(r"^(\w+::)?(\w*?_)?\d+$|^(val|const\w*|transpose\w*|t|getitem)_?\d*$")
_SUFFIX = re.compile(r"(_quantized|_DequantizeLinear\w*|_QuantizeLinear\w*|\.weight)+$")


def load_onnx(path: str | Path) -> Network:
    """Read an ONNX file.

    Parameters
    ----------
    path : str or Path
        The file; external data are looked for beside it.

    Returns
    -------
    Network
        Named after the file.

    Raises
    ------
    ConfigError
        If the file is missing or damaged, or uses operators or shapes that are not supported.
    """
    onnx = _require_onnx()
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # protobuf raises its own errors, which differ by version
        raise ConfigError(f"{path}: not an ONNX model, or a damaged one") from None
    if not model.graph.node or not model.opset_import:
        raise ConfigError(f"{path}: not an ONNX model, or a damaged one")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise ConfigError(f"{path}: external data cannot be read: {str(error).splitlines()[0]}") from None
    return import_model(model, path.stem, str(path))


def import_model(model: Any, name: str, origin: str) -> Network:
    """Turn a loaded ``onnx.ModelProto`` into a network.

    Parameters
    ----------
    model : onnx.ModelProto
        With its weights in memory.
    name : str
        Name of the network.
    origin : str
        Where the model came from, for messages.

    Returns
    -------
    Network

    Raises
    ------
    ConfigError
        As :func:`load_onnx`.
    """
    _require_onnx()
    try:
        with np.errstate(all="ignore"):  # values that are not finite are refused by the network
            return GraphReader(model, name).read()
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(origin) else f"{origin}: {text}") from None


def _require_onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise ConfigError("reading ONNX models needs the package onnx: pip install 'xbarsim[onnx]'") from None
    return onnx


class GraphReader:
    """Walks an ONNX graph once and collects nodes; operators use it through the methods without underscore."""

    def __init__(self, model: Any, name: str) -> None:
        self._model, self._name = model, name
        self._constants: dict[str, np.ndarray] = {}
        self._roots: dict[str, str] = {}  # constant -> the initializer that it was made from
        self.grids: dict[str, CodeGrid] = {}  # constants that were dequantised
        self._sources: dict[str, str] = {}
        self._nodes: dict[str, Node] = {}
        self._unknown: set[str] = set()
        graph = model.graph
        reads = [tensor for node in graph.node for tensor in node.input] + [value.name for value in graph.output]
        self.reads = Counter(reads)
        self.opset = max((item.version for item in model.opset_import if item.domain in _DOMAINS[:2]), default=1)
        self.fixed_batch: int | None = None

    def read(self) -> Network:
        """Return the network."""
        graph = self._model.graph
        if len(graph.output) != 1:
            raise ConfigError(f"has {len(graph.output)} outputs, exactly one is supported")
        self._read_initializers()
        self._input_shape = self._read_input()
        problems = []
        for proto in graph.node:
            operator = _read_operator(proto)
            try:
                self._read_node(operator, proto)
                continue
            except Unsupported as problem:
                reason = f": {problem}" if str(problem) else ""
            except ConfigError:
                raise
            except (LookupError, TypeError, ValueError, ArithmeticError):
                reason = ": attributes or inputs that break the operator's definition"
            problems.append(f"{operator.kind} (node {operator.name}{reason})")
            self._unknown.update(operator.outputs)
        if problems:
            raise ConfigError(f"unsupported operators: {'; '.join(problems)}")
        output = self._sources.get(graph.output[0].name)
        if output is None or output == INPUT:
            raise ConfigError(f"output {graph.output[0].name!r} is not computed from the input")
        nodes = _reachable(self._nodes, output)
        return Network(name=self._name, nodes=nodes, input_shape=self._input_shape, output=output)

    def constant(self, operator: Operator, index: int) -> np.ndarray | None:
        """Return a constant input of an operator.

        Parameters
        ----------
        operator : Operator
            What is being read.
        index : int
            Which input.

        Returns
        -------
        ndarray or None
            Of the shape that the file gives it; None where it is left out.

        Raises
        ------
        Unsupported
            If the input is computed.
        """
        if index >= len(operator.inputs) or not operator.inputs[index]:
            return None
        if operator.inputs[index] not in self._constants:
            raise Unsupported(f"input {operator.inputs[index]} is not a constant")
        return self._constants[operator.inputs[index]]

    def required(self, operator: Operator, index: int) -> np.ndarray:
        """Return a constant input that an operator needs.

        Parameters
        ----------
        operator : Operator
            What is being read.
        index : int
            Which input.

        Returns
        -------
        ndarray, any shape
            The constant, of the shape that the file gives it.

        Raises
        ------
        Unsupported
            If the input is computed or left out.
        """
        value = self.constant(operator, index)
        if value is None:
            raise Unsupported(f"input {index} is missing")
        return value

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is a constant."""
        return tensor in self._constants

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of a computed tensor, without the batch."""
        source = self._source(tensor)
        return self._input_shape if source == INPUT else self._nodes[source].shape

    def node_of(self, tensor: str) -> Node | None:
        """Return the node that computes a tensor, None for the network's input."""
        return self._nodes.get(self._source(tensor))

    def alias(self, operator: Operator, tensor: str) -> None:
        """Let an operator's first output be another tensor."""
        self._sources[operator.outputs[0]] = self._source(tensor)

    def replace(self, operator: Operator, node: Node) -> None:
        """Replace an earlier node of the same name; an operator's first output becomes its value."""
        self._nodes[node.name] = dataclasses.replace(node, shape=self._nodes[node.name].shape)
        self._sources[operator.outputs[0]] = node.name

    def add(
        self,
        operator: Operator,
        kind: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] = {},
        *,
        name: str | None = None,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
        output: int = 0,
    ) -> None:
        """Add a node.

        Parameters
        ----------
        operator : Operator
            What is being read.
        kind : str
            Kind of the node.
        inputs : sequence of str
            Tensors that it reads.
        attributes : mapping
            Attributes of the node.
        name : str, optional
            The operator's name if left out; a number makes it unique.
        weight : ndarray, optional
            Weight of the node, outputs first [-].
        bias : ndarray, (outputs,), optional
            Bias of the node [-].
        output : int
            Which output of the operator the node computes.
        """
        sources = tuple(self._source(tensor) for tensor in inputs)
        unique = self._unique(name or operator.name)
        shapes = [self._input_shape if source == INPUT else self._nodes[source].shape for source in sources]
        node = Node(name=unique, kind=kind, inputs=sources, attributes=attributes, weight=weight, bias=bias)
        self._nodes[unique] = dataclasses.replace(node, shape=infer_shape(node, shapes))
        self._sources[operator.outputs[output]] = unique

    def layer_name(self, operator: Operator, weight: str) -> str:
        """Name a layer after the initializer of its weight, or after its node where that says nothing."""
        root = _SUFFIX.sub("", self._roots.get(weight, ""))
        return root if root and not _MEANINGLESS.match(root) else _module_path(operator.name)

    def _source(self, tensor: str) -> str:
        if tensor not in self._sources:
            raise Unsupported(f"input {tensor} is a constant" if tensor in self._constants else f"no input {tensor!r}")
        return self._sources[tensor]

    def _unique(self, name: str) -> str:
        count, unique = 1, name
        while unique in self._nodes or unique == INPUT:
            count += 1
            unique = f"{name}_{count}"
        return unique

    def _read_initializers(self) -> None:
        from onnx import numpy_helper

        for tensor in self._model.graph.initializer:
            try:
                self._constants[tensor.name] = numpy_helper.to_array(tensor)
            except Exception as error:
                raise ConfigError(f"initializer {tensor.name} cannot be read: {str(error).splitlines()[0]}") from None
            self._roots[tensor.name] = tensor.name

    def _read_input(self) -> tuple[int, ...]:
        inputs = [value for value in self._model.graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise ConfigError(f"has {len(inputs)} inputs, exactly one is supported")
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in inputs[0].type.tensor_type.shape.dim]
        if len(sizes) < 2:
            raise ConfigError(f"input {inputs[0].name} needs a batch axis and at least one other")
        for axis, size in enumerate(sizes[1:], start=1):
            if not size or size < 1:
                raise ConfigError(f"input {inputs[0].name}: axis {axis} has no fixed size; only the batch may vary")
        self.fixed_batch = sizes[0]
        self._sources[inputs[0].name] = INPUT
        return tuple(int(size or 0) for size in sizes[1:])

    def _read_node(self, operator: Operator, proto: Any) -> None:
        tensors = [tensor for tensor in operator.inputs if tensor]
        convert = OPERATORS.get(operator.kind) if proto.domain in _DOMAINS else None
        foldable = all(tensor in self._constants for tensor in tensors)
        if foldable and proto.domain in _DOMAINS:
            self._fold(operator, proto)
        elif operator.kind == "Shape":
            shape = np.array([BATCH, *self.shape(tensors[0])], np.int64)
            start, end = operator.attributes.get("start", 0), operator.attributes.get("end")
            self._constants[operator.outputs[0]] = shape[start:end]
        elif convert is None:
            raise Unsupported
        elif self._unknown.isdisjoint(tensors):
            convert(self, operator)
        else:
            self._unknown.update(operator.outputs)

    def _fold(self, operator: Operator, proto: Any) -> None:
        """Compute an operator whose inputs are all constant."""
        if operator.kind == "DequantizeLinear":
            grid = dequantize_constant(self, operator)
            self.grids[operator.outputs[0]] = grid
            values = [grid.values()]
        else:
            values = _evaluate(proto, {name: self._constants[name] for name in operator.inputs if name}, self._model)
        for name, value in zip(operator.outputs, values, strict=False):
            if name:
                self._constants[name] = np.asarray(value)
                if operator.inputs and operator.inputs[0] in self._roots:
                    self._roots[name] = self._roots[operator.inputs[0]]


def _read_operator(proto: Any) -> Operator:
    import onnx

    attributes = {}
    for item in proto.attribute:
        value = onnx.helper.get_attribute_value(item)
        attributes[item.name] = value.decode() if isinstance(value, bytes) else value
    name = proto.name or (proto.output[0] if proto.output else proto.op_type)
    return Operator(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes)


def _evaluate(proto: Any, constants: dict[str, np.ndarray], model: Any) -> list[Any]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    def describe(name: str) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None)

    names = [name for name in proto.output if name]
    graph = onnx.helper.make_graph([proto], "fold", [describe(name) for name in constants], list(map(describe, names)))
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    try:
        return list(ReferenceEvaluator(single).run(names, constants))
    except Exception as error:
        raise Unsupported(f"cannot be evaluated: {str(error).splitlines()[0] if str(error) else error!r}") from None


def _module_path(name: str) -> str:
    """Turn an exporter's node name into a module path: /layer1/layer1.0/conv1/Conv -> layer1.0.conv1."""
    parts = [part for part in name.split("/") if part]
    if len(parts) > 1 and re.fullmatch(r"(Conv|Gemm|MatMul)(_\d+)?", parts[-1]):
        parts.pop()
    path: list[str] = []
    for part in parts:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path) or name


def _reachable(nodes: dict[str, Node], output: str) -> tuple[Node, ...]:
    needed, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name != INPUT and name not in needed:
            needed.add(name)
            waiting.extend(nodes[name].inputs)
    return tuple(node for name, node in nodes.items() if name in needed)
