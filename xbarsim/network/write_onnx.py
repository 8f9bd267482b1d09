"""Export of networks to ONNX files (extra ``onnx``).

Weight layers are named after their weights, as in the import: reading the file back gives the same layers under the
same names. Grids of a quantised network are written as QuantizeLinear and DequantizeLinear, widths of weights that ONNX
has no type for in the model's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS
from xbarsim.network.onnx_writers import WEIGHT_BITS

OPSET = 17
NARROW_OPSET = 21
"""First opset whose QuantizeLinear takes codes of 4 and 16 bits."""


def write_onnx(network: Network, path: str | Path) -> Path:
    """Write a network as an ONNX file with a free batch size.

    Parameters
    ----------
    network : Network
        With weights.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If ONNX is missing, weights are, a node has no ONNX operator here, or the file cannot be written.
    """
    model = build_model(network, [network.output])
    try:
        Path(path).write_bytes(model.SerializeToString())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    return Path(path)


def build_model(network: Network, outputs: Sequence[str]) -> Any:
    """Write a network as an ONNX model with a free batch size.

    Parameters
    ----------
    network : Network
        With weights.
    outputs : sequence of str
        Nodes whose values the model gives.

    Returns
    -------
    onnx.ModelProto
        Checked.

    Raises
    ------
    ConfigError
        If ONNX is missing, weights are, or a node has no ONNX operator here.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise ConfigError("writing ONNX needs the extra: pip install 'xbarsim[onnx]'") from None
    if not network.has_weights:
        raise ConfigError(f"network {network.name}: has no weights to write")
    graph = GraphWriter()
    for node in network.nodes:
        writer = KINDS[node.kind].onnx_write
        if writer is None:
            raise ConfigError(f"network {network.name}: {node.name}: a {node.kind} node cannot be written as ONNX")
        writer(graph, node, node.inputs)

    def describe(*names: str) -> list[Any]:
        shapes: dict[str, list[Any]] = {name: ["batch", *network.shape_of(name)] for name in names}
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    model = helper.make_model(
        helper.make_graph(graph.nodes, network.name, describe(INPUT), describe(*outputs), graph.constants),
        opset_imports=[helper.make_opsetid("", NARROW_OPSET if graph.narrow else OPSET)],
        producer_name="xbarsim",
    )
    model.ir_version = min(model.ir_version, 10 if graph.narrow else 8)
    if graph.weight_bits:
        helper.set_model_props(model, {WEIGHT_BITS: json.dumps(graph.weight_bits)})
    onnx.checker.check_model(model)
    return model


class GraphWriter:
    """Nodes and constants of the file being written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.narrow = False
        self.weight_bits: dict[str, int] = {}

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Add a constant of a NumPy type and return its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name))
        return name

    def codes(self, name: str, values: Any, bits: int, signed: bool) -> str:
        """Add a constant of integer codes, of the narrowest type that holds ``bits``, and return its name."""
        from onnx import TensorProto, helper

        width = next(width for width in (4, 8, 16) if bits <= width)
        self.narrow = self.narrow or width != 8
        kind = getattr(TensorProto, f"{'' if signed else 'U'}INT{width}")
        whole = np.asarray(values, dtype=np.int32)
        self.constants.append(helper.make_tensor(name, kind, whole.shape, whole.reshape(-1).tolist()))
        return name

    def weight(self, node: Node) -> str:
        """Add the weights of a layer, as codes and scales where they lie on a grid, and return the tensor's name."""
        name, scale = f"{node.name}.weight", node.attributes.get("weight_scale")
        assert node.weight is not None
        if scale is None:
            return self.constant(name, node.weight)
        bits = int(node.attributes["weight_bits"])
        steps = np.asarray(scale, np.float32).reshape(-1)
        codes = np.rint(node.weight / steps.reshape((-1,) + (1,) * (node.weight.ndim - 1)))
        if bits not in (4, 8, 16):
            self.weight_bits[node.name] = bits
        operands = [self.codes(f"{name}_quantized", codes, bits, True), self.constant(f"{name}_scale", steps)]
        self.add("DequantizeLinear", node, operands, output=name, axis=0)
        return name

    def add(
        self, operator: str, node: Node, inputs: Sequence[str], *, output: str | None = None, **attributes: Any
    ) -> str:
        """Add an ONNX operator that computes a node, or a tensor of another name, and return the tensor's name."""
        from onnx import helper

        name = output or node.name
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name
