"""Networks -> ONNX files (extra ``onnx``), so that what was trained or chosen here runs anywhere.

Weight layers are called after their weights, as on import: reading the file back gives the same layers under the same
names. A network that was quantised in its file is written with its float weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS

OPSET = 17


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

    def describe(name: str) -> list[Any]:
        shape: list[Any] = ["batch", *network.shape_of(name)]
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]

    model = helper.make_model(
        helper.make_graph(graph.nodes, network.name, describe(INPUT), describe(network.output), graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="xbarsim",
    )
    model.ir_version = min(model.ir_version, 8)
    try:
        onnx.checker.check_model(model)
        Path(path).write_bytes(model.SerializeToString())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    return Path(path)


class GraphWriter:
    """Nodes and constants of the file being written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Add a constant of a NumPy type and return its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name))
        return name

    def add(self, operator: str, node: Node, inputs: Sequence[str], **attributes: Any) -> None:
        """Add an ONNX operator that computes a node from tensors."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), [node.name], name=node.name, **attributes))
