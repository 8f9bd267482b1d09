"""Walks an ONNX graph once and collects the nodes of a network.

A network computes one image, so the graph is read for a batch of one. Beside it goes a second batch size, followed
through shapes and through constants that are made of shapes: a graph that mixes the images of a batch, or whose values
depend on how many there are, is refused. Operators with a record of their own become nodes of its kind; all others
become ``opaque`` nodes. Integer codes between QuantizeLinear and DequantizeLinear are carried as the real values they
stand for as long as they only move; where something computes with them they are made into codes again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network
from xbarsim.network.kinds import OPERATORS
from xbarsim.network.onnx_batch import RECURRENT, fit_constants
from xbarsim.network.onnx_expand import EXPANDERS, expand_operator
from xbarsim.network.onnx_infer import (
    DOMAINS,
    RANDOM,
    check_types,
    count_operations,
    encode_operator,
    evaluate,
    infer_outputs,
    make_single,
    numpy_type,
    read_operator,
    remake_operator,
)
from xbarsim.network.onnx_input import read_inputs
from xbarsim.network.onnx_layers import Broken, Mixing, Operator, Unfit, Unsupported, dequantize_constant
from xbarsim.network.onnx_qonnx import QONNX_DOMAINS, QUANTISERS, expand_quantiser, quantize_constant
from xbarsim.network.onnx_reads import (
    all_reads,
    choose_outputs,
    describe_mixing,
    describe_problems,
    join_outputs,
    reachable,
)
from xbarsim.network.onnx_state import GraphState
from xbarsim.network.onnx_value import fold_float, place_output
from xbarsim.network.shapes import infer_shape

_MOVES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather"}
"""Operators that only move values: they are read for any element type."""
_CODE_MOVES = _MOVES | {"MaxPool", "Identity", "Concat"}
"""Operators that do to codes what they do to the values that the codes stand for."""
_BROKEN = "attributes or inputs that violate the operator's definition"


class GraphReader(GraphState):
    """Reads one graph."""

    def __init__(
        self, model: Any, name: str, input_shape: Any = None, outputs: str | Sequence[str] | None = None
    ) -> None:
        super().__init__(model)
        self._name, self._asked, self._wanted = name, input_shape, outputs
        self._unknown: set[str] = set()
        self._problems: list[tuple[str, str, str]] = []
        self.times, self.is_fixed = 2, False
        self._left = self.reads.copy()

    def read(self) -> Network:
        """Return the network."""
        graph = self._model.graph
        self.outputs = choose_outputs(graph, self._wanted)
        self._read_initializers()
        self.inputs = entry = read_inputs(graph, set(self._constants), self._asked)
        self.times, self.is_fixed = entry.times, entry.is_fixed
        for name, tensor in entry.tensors.items():
            self._tensors[name], self._sources[name] = tensor, INPUT
        self._input_shape = entry.shape
        for node in entry.nodes:
            self._nodes[node.name] = dataclasses.replace(
                node, shape=infer_shape(node, [self.value_shape_of(node.inputs[0])])
            )
        self._sources.update(entry.sources)
        for proto in graph.node:
            self._read_node(proto)
            self._forget(proto)
        if any(name in self._unknown or (self._problems and name not in self._sources) for name in self.outputs):
            raise ConfigError(describe_problems(self._problems))
        sources = {name: self._finish(name) for name in self.outputs}
        last = sources[self.outputs[0]]
        if len(sources) > 1:
            end = join_outputs(self._nodes, sources)
            self._nodes[end.name], last = end, end.name
        nodes = reachable(self._nodes, last)
        return Network(name=self._name, nodes=nodes, input_shape=self._input_shape, output=last)

    def _read_initializers(self) -> None:
        from onnx import numpy_helper

        tensors = self._model.graph.initializer
        while tensors:
            tensor = tensors.pop()  # the file's copy goes as the array comes
            try:
                self._constants[tensor.name] = fold_float(numpy_helper.to_array(tensor))
            except Exception:  # errors of NumPy and onnx, by element type
                raise ConfigError(
                    f"initializer {tensor.name[:60]} cannot be read: its data do not fill the shape "
                    f"{tuple(tensor.dims)}, or its element type is unknown; try: write the file again"
                ) from None
            self._roots[tensor.name] = tensor.name

    def _read_node(self, proto: Any) -> None:
        try:
            operator = read_operator(proto)
        except (TypeError, ValueError):
            raise ConfigError(f"{proto.op_type} (node {proto.name[:60]}): {_BROKEN}; try: export it again") from None
        tensors = [tensor for tensor in operator.inputs if tensor]
        try:
            if not self._unknown.isdisjoint(tensors):
                self._unknown.update(operator.outputs)
            elif operator.kind == "If" and operator.inputs[0] in self._constants:
                self._inline(operator, proto)
            elif operator.kind in ("Shape", "Size") and tensors[0] in self._tensors:
                self._read_shape(operator)
            elif operator.kind not in RANDOM and all(tensor in self._constants for tensor in all_reads(proto)):
                self._fold(operator, proto)
            else:
                self._read_computed(operator, proto)
            return
        except Mixing as problem:
            raise ConfigError(describe_mixing(operator, str(problem))) from None
        except Unsupported as problem:
            reason = str(problem)
        except ConfigError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError):
            reason = _BROKEN
        self._problems.append((operator.kind, operator.name, reason))
        self._unknown.update(operator.outputs)

    def _forget(self, proto: Any) -> None:
        """Let go of constants that nobody reads any more: the network holds what it needs."""
        for name in all_reads(proto):
            self._left[name] -= 1
            if not self._left[name]:
                self._constants.pop(name, None)
                self._wide.pop(name, None)
                self.grids.pop(name, None)

    def _inline(self, operator: Operator, proto: Any) -> None:
        """Read the branch that a constant condition takes."""
        taken = "then_branch" if bool(self._constants[operator.inputs[0]].reshape(())) else "else_branch"
        branch = next((item.g for item in proto.attribute if item.name == taken), None)
        if branch is None or len(branch.output) != len(operator.outputs):
            raise Broken(f"{taken} is missing or has other outputs")
        from onnx import numpy_helper

        self._count_branch(branch)
        for tensor in branch.initializer:
            self._constants[tensor.name] = fold_float(numpy_helper.to_array(tensor))
        for each in branch.node:
            self._read_node(each)
        for value, output in zip(branch.output, operator.outputs, strict=True):
            tables: Any = (self._constants, self._wide, self._roots, self._tensors, self._sources, self._codes)
            for table in tables:
                if value.name in table:
                    table[output] = table[value.name]
            if value.name in self._unknown:
                self._unknown.add(output)

    def _read_shape(self, operator: Operator) -> None:
        tensor = self._tensors[operator.inputs[0]]
        one, more = (np.array(shape, np.int64) for shape in (tensor.shape, tensor.wide))
        if operator.kind == "Size":
            one, more = one.prod(), more.prod()
        else:
            start, end = operator.attributes.get("start", 0), operator.attributes.get("end")
            one, more = one[start:end], more[start:end]
        self._keep(operator.outputs[0], more if self.is_fixed else one, more)

    def _keep(self, name: str, one: np.ndarray, more: np.ndarray | None) -> None:
        """Keep a constant, and its second value where that differs."""
        self._constants[name] = one = fold_float(one)
        if more is not None and (one.shape != more.shape or not np.array_equal(one, more)):
            self._wide[name] = more

    def _fold(self, operator: Operator, proto: Any) -> None:
        """Compute an operator whose inputs are all constant."""
        reads = all_reads(proto)
        if operator.kind == "DequantizeLinear":
            self._constants[operator.outputs[0]], grid = dequantize_constant(self, operator)
            if grid is not None:
                self.grids[operator.outputs[0]] = grid
        elif proto.domain in QONNX_DOMAINS:
            self._constants[operator.outputs[0]], codes = quantize_constant(self, operator)
            if codes is not None:
                self.grids[operator.outputs[0]] = codes
        else:
            opsets = self._model.opset_import
            values = evaluate(proto, {name: self._constants[name] for name in reads}, opsets)
            second: list[Any] = [None] * len(values)
            if any(name in self._wide for name in reads):
                second = evaluate(proto, {name: self._wide.get(name, self._constants[name]) for name in reads}, opsets)
            outputs = [name for name in operator.outputs if name]
            for name, (one, more) in zip(outputs, zip(values, second, strict=True), strict=True):
                self._keep(name, np.asarray(one), None if more is None else np.asarray(more))
        if operator.kind == "Transpose" and reads[0] in self.grids:
            self.grids[operator.outputs[0]] = self.grids[reads[0]].transpose(operator.attributes.get("perm"))
        if reads and reads[0] in self._roots:
            for name in operator.outputs:
                self._roots[name] = self._roots[reads[0]]

    def _read_computed(self, operator: Operator, proto: Any) -> None:
        """Read an operator that depends on the network's input."""
        operator, proto = self._settle(operator, proto)
        is_whole = proto.domain not in DOMAINS or operator.kind not in EXPANDERS
        parts = [] if is_whole else expand_operator(self, operator)
        if not parts:
            self._place(operator, proto)
            if self._read_native(operator, proto):
                return
            if proto.domain in QONNX_DOMAINS and operator.kind in QUANTISERS:
                parts = expand_quantiser(self, operator)
        for each in parts:
            self._read_node(each)
        if parts:
            return
        for name in all_reads(proto):
            if name in self._codes:
                self._encode(name)
        for index, output in enumerate(operator.outputs):
            if output and (self.reads[output] or index == 0):
                self._add_opaque(operator, proto, output)

    def _settle(self, operator: Operator, proto: Any) -> tuple[Operator, Any]:
        """Give an operator the constants of a batch of one."""
        given = {name: self._constants[name] for name in operator.inputs if name in self._constants}
        computed = {name: self._tensors[name] for name in operator.inputs if name in self._tensors}
        wide = {name: self._wide[name] for name in given if name in self._wide}
        fitted = fit_constants(operator, computed, given, wide, self.times, self.is_fixed)
        if not fitted:
            return operator, proto
        renamed = {name: f"{name}::{operator.name}" for name in fitted}
        for name, value in fitted.items():
            self._wide[renamed[name]] = self._wide.get(name, self._constants[name])
            self._constants[renamed[name]] = value
        changed = type(proto)()
        changed.CopyFrom(proto)
        inputs = [renamed.get(name, name) for name in operator.inputs]
        del changed.input[:]
        changed.input.extend(inputs)
        return dataclasses.replace(operator, inputs=tuple(inputs)), changed

    def _place(self, operator: Operator, proto: Any) -> None:
        """Work out what is known of the outputs of an operator."""
        reads = all_reads(proto)
        constants = {name: self._constants[name] for name in reads if name in self._constants}
        tensors = {name: self.tensor(name) for name in reads if name not in constants}
        opsets = self._model.opset_import
        shapes = {name: (each.kind, each.shape) for name, each in tensors.items()}
        wide = {name: (each.kind, each.wide) for name, each in tensors.items()}
        more_constants = constants | {name: self._wide[name] for name in constants if name in self._wide}
        try:
            one = infer_outputs(proto, shapes, constants, opsets)
        except Unfit:
            if not self.is_fixed:
                raise
            infer_outputs(proto, wide, more_constants, opsets)  # Unfit again where the batch is not the cause
            raise Mixing(f"its operands fit each other for a batch of {self.times} alone, not for one image") from None
        more = one
        if self.times > 1 and any(each.batch is not None for each in tensors.values()):
            more = infer_outputs(proto, wide, more_constants, opsets)
        for name, (kind, shape) in one.items():
            found = place_output(operator, tensors, kind, shape, more[name][1], self.times)
            self._tensors[name] = found

    def _read_native(self, operator: Operator, proto: Any) -> bool:
        """Read an operator by the record of a kind; leave no trace and say no where that cannot be."""
        convert = OPERATORS.get(operator.kind) if proto.domain in DOMAINS + QONNX_DOMAINS else None
        if convert is None or not self._fits_types(operator):
            return False
        nodes, sources, codes = dict(self._nodes), dict(self._sources), dict(self._codes)
        try:
            convert(self, operator)
            if any(self.reads[name] and name not in self._sources for name in operator.outputs):
                raise Unsupported("an output that its record does not give")
            for name in operator.outputs:
                if name in self._sources and name in self._tensors:
                    self._sources[name] = self._source(self.reshaped(operator, name, self._tensors[name].value_shape))
            self._carry_codes(operator)
        except (Broken, Mixing):
            raise
        except (Unsupported, ConfigError, LookupError, TypeError, ValueError, ArithmeticError):
            self._nodes, self._sources, self._codes = nodes, sources, codes
            return False
        return True

    def _fits_types(self, operator: Operator) -> bool:
        """Whether every computed input holds real values, or the operator only moves them."""
        lengths = 4 if operator.kind in RECURRENT else None  # whole numbers, one an image
        inputs = (name for place, name in enumerate(operator.inputs) if place != lengths)
        computed = [name for name in inputs if name in self._tensors]
        if operator.kind == "DequantizeLinear":
            return True
        if any(name in self._codes for name in computed):
            grids = [self._codes.get(name) for name in computed]
            return operator.kind in _CODE_MOVES and len(computed) == grids.count(grids[0])
        return operator.kind in _MOVES | {"Identity", "Cast", "Concat"} or all(
            self._tensors[name].kind == 1 for name in computed
        )

    def _carry_codes(self, operator: Operator) -> None:
        """Let codes that were only moved stay codes of the same grid."""
        grid = self._codes.get(operator.inputs[0])
        if grid is None or operator.kind not in _CODE_MOVES:
            return
        if operator.kind == "Concat" and any(name in self._constants for name in operator.inputs):
            raise Unsupported("constants among codes")
        for name in operator.outputs:
            if name in self._sources:
                self._codes[name] = grid

    def _encode(self, name: str) -> None:
        """Turn values that stand for codes into the codes themselves."""
        grid, tensor = self._codes.pop(name), self._tensors[name]
        real = f"{name}::real"
        self._sources[real], self._tensors[real] = self._sources[name], dataclasses.replace(tensor, kind=1)
        operator, proto, constants = encode_operator(real, name, grid)
        self._constants |= constants
        self._add_opaque(operator, proto, name)

    def _add_opaque(self, operator: Operator, proto: Any, output: str, operations: int | None = None) -> None:
        """Add a node that ONNX Runtime runs."""
        reads = all_reads(proto)
        constants = {name: self._constants[name] for name in reads if name in self._constants}
        tensors = {name: self.tensor(name) for name in reads if name not in constants}
        result = self._tensors[output]
        check_types([each.kind for each in (*tensors.values(), result)])
        model, fed = make_single(proto, [output], tensors, constants, self._model.opset_import, result.kind)
        known: dict[str, tuple[int, ...]] = {name: each.shape for name, each in (tensors | constants).items()}
        places = [*operator.inputs, *(name for name in reads if name not in operator.inputs)]
        shapes = [known.get(name, ()) for name in places]  # by place: an operand may be read twice, or left out
        attributes = {
            "operator": operator.kind, "model": model, "shape": result.value_shape, "constants": tuple(fed.items()),
            "feeds": tuple((name, numpy_type(each.kind), each.shape) for name, each in tensors.items()),
            "operations": count_operations(operator, shapes, result.shape) if operations is None else operations,
        }  # fmt: skip
        self._sources[output] = self._append(
            operator.name, "opaque", [self._source(name) for name in tensors], attributes
        )

    def add_rest(
        self,
        operator: Operator,
        tensor: str,
        shape: Sequence[int],
        constants: Mapping[str, np.ndarray],
        operations: int,
    ) -> None:
        """Let ONNX Runtime run an operator on a value that is its first input but for a layer, with other constants.

        Parameters
        ----------
        operator : Operator
            What is run; its first output is the layer's node for now.
        tensor : str
            Name for the layer's value.
        shape : sequence of int
            Shape of the value for one image, every axis of the file's tensor.
        constants : mapping
            Inputs of the operator behind the first; those behind them stay as they are.
        operations : int
            Operations of one inference that remain.
        """
        first = self._tensors[operator.inputs[0]]
        self._sources[tensor] = self._sources.pop(operator.outputs[0])
        self._tensors[tensor] = dataclasses.replace(first, shape=tuple(shape), wide=(*first.wide[:-1], shape[-1]))
        self._constants |= constants
        proto = remake_operator(operator, (tensor, *constants, *operator.inputs[1 + len(constants) :]))
        for index, output in enumerate(operator.outputs):
            if output and (self.reads[output] or index == 0):
                self._add_opaque(read_operator(proto), proto, output, operations)

    def _finish(self, name: str) -> str:
        """Return the node of the network's output."""
        if self._sources.get(name, INPUT) == INPUT:
            raise ConfigError(
                f"output {name[:60]!r} is not computed from the input: it is constant, or the input itself; try: "
                "outputs= with others"
            )
        if self._tensors[name].before != 1:
            raise ConfigError(
                f"output {name!r}: the images of a batch lie along axis {self._tensors[name].batch}, not along the "
                "first; end the network with a Transpose that brings them there"
            )
        if name in self._codes:
            self._encode(name)
        return self._sources[name]
