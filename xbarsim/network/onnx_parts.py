"""What operators are made of that are read as several others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_layers import CodeGrid, Operator, code_type

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader


class Parts:
    """The operators that one operator is made of."""

    def __init__(self, graph: GraphReader, op: Operator) -> None:
        self.graph, self.op, self.nodes = graph, op, list[Any]()

    def add(self, kind: str, inputs: list[str], part: str, **attributes: Any) -> str:
        """Add an operator, and return the name of its output, which is made of the name of the part."""
        from onnx import helper

        name = f"{self.op.name}::{part}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def finish(self, kind: str, inputs: list[str], place: int = 0, **attributes: Any) -> list[Any]:
        """Add the operator that gives an output of the whole, and return all operators."""
        self.add(kind, inputs, f"output{place}", **attributes)
        self.nodes[-1].output[0] = self.op.outputs[place]
        return self.nodes

    def constant(self, value: Any, part: str, kind: type = np.float32) -> str:
        """Add a constant of a type, and return its name."""
        return self.graph.keep_constant(f"{self.op.name}::{part}", np.asarray(value, kind))

    def value(self, place: int) -> str:
        """Return the real values of an operand, whose scale and zero point stand behind it."""
        codes, scale, zero = self.op.inputs[place : place + 3]
        if self.graph.is_constant(codes):
            return self.weight(place, self.graph.required(self.op, place + 1), place + 2, 0)
        return self.add("DequantizeLinear", [codes, scale, *([zero] if zero else [])], f"value{place}")

    def weight(self, place: int, scale: np.ndarray, zero: int, axis: int) -> str:
        """Return the real values of constant codes with scales, () or (outputs,), along an axis."""
        codes, shift = self.graph.required(self.op, place), self.graph.constant(self.op, zero)
        bits, _ = code_type(codes)
        shift = np.zeros(1, np.int64) if shift is None else shift.astype(np.int64)
        fields = [field.reshape(()) if field.size == 1 else field for field in (scale.astype(np.float32), shift)]
        grid = CodeGrid(codes.astype(np.int64), fields[0], fields[1], axis, bits)
        return self.graph.keep_codes(f"{self.op.name}::weight{place}", grid, self.op.inputs[place])


Expander = Callable[[Parts], list[Any]]
"""Takes an operator apart, see :data:`xbarsim.network.onnx_expand.EXPANDERS`."""
