"""What has been read of an ONNX graph so far, and what the readers of operators ask of it and do to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.network.graph import INPUT, Node
from xbarsim.network.kinds import KINDS
from xbarsim.network.onnx_infer import DOMAINS
from xbarsim.network.onnx_layers import CodeGrid, Operator, Unsupported, name_layer
from xbarsim.network.onnx_reads import count_reads, origin_of, reachable
from xbarsim.network.onnx_value import GraphValue
from xbarsim.network.shapes import infer_shape


class GraphState:
    """Constants, tensors and nodes; readers of operators use it through the methods without underscore."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._input_shape: tuple[int, ...] = ()
        self._constants: dict[str, np.ndarray] = {}
        self._wide: dict[str, np.ndarray] = {}  # constants that differ for the second batch size
        self._roots: dict[str, str] = {}  # constant -> the initializer that it was made from
        self.grids: dict[str, CodeGrid] = {}  # constants that were dequantised
        self._codes: dict[str, dict[str, Any]] = {}  # integer tensors carried as real values -> their grid
        self._tensors: dict[str, GraphValue] = {}
        self._sources: dict[str, str] = {}
        self._nodes: dict[str, Node] = {}
        self.reads, self._readers, self._origins = count_reads(model.graph)
        self._opsets = [item for item in model.opset_import if item.domain in DOMAINS]
        self.opset = max((item.version for item in self._opsets if item.domain in DOMAINS[:2]), default=1)

    # ---- what readers of operators ask

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

    def keep_constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant that the file does not hold, and return its name.

        Parameters
        ----------
        name : str
            What operators read.
        value : ndarray, any shape
            The constant [-].
        """
        self._constants[name] = value
        return name

    def keep_codes(self, name: str, grid: CodeGrid, source: str) -> str:
        """Add the real values of constant codes, and return their name.

        Parameters
        ----------
        name : str
            What operators read.
        grid : CodeGrid
            The codes.
        source : str
            Constant of the file that holds the codes.
        """
        self.grids[name] = grid
        self._roots[name] = self._roots.get(source, "")
        return self.keep_constant(name, grid.values())

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is a constant."""
        return tensor in self._constants

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of a computed tensor whose first axis is the batch, without the batch."""
        if self.tensor(tensor).dropped != 0:
            raise Unsupported("the batch is not the first axis")
        return self.tensor(tensor).shape[1:]

    def shape_of(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of a constant or computed tensor for one image, every axis of the file's tensor."""
        return self._constants[tensor].shape if tensor in self._constants else self.tensor(tensor).shape

    def tensor(self, tensor: str) -> GraphValue:
        """Return what is known of a computed tensor."""
        if tensor not in self._tensors:
            raise Unsupported(f"input {tensor} is a constant" if tensor in self._constants else f"no input {tensor!r}")
        return self._tensors[tensor]

    def value_shape_of(self, source: str) -> tuple[int, ...]:
        """Return the shape of a node's value, or of the network's input."""
        return self._input_shape if source == INPUT else self._nodes[source].shape

    def node_of(self, tensor: str) -> Node | None:
        """Return the node that computes a tensor, None for the network's input."""
        return self._nodes.get(self._source(tensor))

    def layer_before(self, tensor: str) -> Node | None:
        """Return the layer whose output channels are axis 1 of a tensor, under another shape perhaps."""
        node = self.node_of(tensor)
        if node is not None and node.kind == "reshape" and node.shape[0] == self.value_shape_of(node.inputs[0])[0]:
            node = self._nodes.get(node.inputs[0])
        if node is None or not node.is_layer:
            return None
        return node if len(node.shape) == (3 if node.has_kernel else 1) else None

    def is_sole(self, tensor: str) -> bool:
        """Whether one operator alone reads a tensor, under any of its names."""
        return self._readers.get(origin_of(self._origins, tensor), 0) == 1

    def grid(self, tensor: str) -> dict[str, Any] | None:
        """Return the grid of integer codes that are carried as real values, None for other tensors."""
        return self._codes.get(tensor)

    def is_input(self, tensor: str) -> bool:
        """Whether a tensor is the network's input itself."""
        return self._source(tensor) == INPUT

    # ---- what readers of operators do

    def is_nonnegative(self, tensor: str) -> bool:
        """Whether a computed value is never negative, as far as the operators before it say."""
        found = {INPUT: False}
        for node in reachable(self._nodes, self._source(tensor)):
            found[node.name] = KINDS[node.kind].sign(node, [found[source] for source in node.inputs])
        return found[self._source(tensor)]

    def is_signed(self, tensor: str) -> bool:
        """Whether a computed value comes from signed codes alone, to which no constant is added."""
        waiting = [self._source(tensor)]
        while waiting:
            node = self._nodes.get(waiting.pop())
            if node is None or (node.kind == "add" and "constant" in node.attributes):
                return False
            if "signed" not in node.attributes:
                waiting.extend(node.inputs)
            elif not node.attributes["signed"]:
                return False
        return True

    def alias(self, operator: Operator, tensor: str) -> None:
        """Let an operator's first output be another tensor."""
        self._sources[operator.outputs[0]] = self._source(tensor)

    def mark_codes(self, tensor: str, grid: Mapping[str, Any]) -> None:
        """Say that a tensor holds integer codes, while its node puts out the values that they stand for."""
        self._codes[tensor] = dict(grid)

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
        sources = [self._source(tensor) for tensor in inputs]
        self._sources[operator.outputs[output]] = self._append(
            name or operator.name, kind, sources, attributes, weight=weight, bias=bias
        )

    def reshaped(self, operator: Operator, tensor: str, shape: Sequence[int]) -> str:
        """Return a tensor that holds a value under another shape.

        Parameters
        ----------
        operator : Operator
            What is being read.
        tensor : str
            The value.
        shape : sequence of int
            Its new shape, images apart.

        Returns
        -------
        str
            The tensor itself where it has this shape.
        """
        source = self._source(tensor)
        if self.value_shape_of(source) == tuple(shape):
            return tensor
        name = f"{tensor}::{'x'.join(map(str, shape))}"
        if name not in self._sources:
            self._sources[name] = self._append(f"{operator.name}_reshape", "reshape", [source], {"shape": tuple(shape)})
        return name

    def transposed(self, operator: Operator, tensor: str, order: Sequence[int]) -> str:
        """Return a tensor that holds a value with its axes in another order.

        Parameters
        ----------
        operator : Operator
            What is being read.
        tensor : str
            The value.
        order : sequence of int
            Its axes in their new order; the first one is that of images, which stays.

        Returns
        -------
        str
            The tensor itself where the order is the same.
        """
        if tuple(order) == tuple(range(len(order))):
            return tensor
        name = f"{tensor}::{'-'.join(map(str, order))}"
        if name not in self._sources:
            attributes = {"order": tuple(order)}
            self._sources[name] = self._append(
                f"{operator.name}_transpose", "transpose", [self._source(tensor)], attributes
            )
        return name

    def layer_name(self, operator: Operator, weight: str) -> str:
        """Name a layer after the initializer of its weight, or after its node where that says nothing."""
        return name_layer(self._roots.get(weight, ""), operator.name)

    def _append(
        self,
        name: str,
        kind: str,
        sources: Sequence[str],
        attributes: Mapping[str, Any],
        *,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> str:
        count, unique = 1, name
        while unique in self._nodes or unique == INPUT:
            count += 1
            unique = f"{name}_{count}"
        node = Node(name=unique, kind=kind, inputs=tuple(sources), attributes=attributes, weight=weight, bias=bias)
        shapes = [self.value_shape_of(source) for source in sources]
        self._nodes[unique] = dataclasses.replace(node, shape=infer_shape(node, shapes))
        return unique

    def _count_branch(self, graph: Any) -> None:
        """Count the readers inside a branch that is taken."""
        reads, readers, origins = count_reads(graph)
        self.reads.update(reads)
        self._readers.update(readers)
        self._origins.update(origins)

    def _source(self, tensor: str) -> str:
        if tensor not in self._sources:
            raise Unsupported(f"input {tensor} is a constant" if tensor in self._constants else f"no input {tensor!r}")
        return self._sources[tensor]
