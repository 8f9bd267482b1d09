"""Networks -> ONNX files (extra ``onnx``), so that what was trained or chosen here runs anywhere.

Weight layers are called after their weights, as on import: reading the file back gives the same layers under the same
names. A network that was quantised in its file is written with its float weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node

OPSET = 17

Writer = Callable[["_Graph", Node, Sequence[str]], None]


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
    graph = _Graph()
    for node in network.nodes:
        writer = WRITERS.get(node.kind)
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


class _Graph:
    """Nodes and constants of the file being written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name))
        return name

    def add(self, operator: str, node: Node, inputs: Sequence[str], **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), [node.name], name=node.name, **attributes))


def _layer(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    operands = [*inputs, graph.constant(f"{node.name}.weight", node.weight)]
    if node.kind == "conv2d":
        if node.bias is not None:
            operands.append(graph.constant(f"{node.name}.bias", node.bias))
        given = node.attributes
        graph.add(
            "Conv", node, operands, kernel_shape=given["kernel"], strides=given["stride"], pads=given["padding"],
            dilations=given["dilation"], group=given["groups"],
        )  # fmt: skip
        return
    if len(node.shape) == 1:
        bias = np.zeros(node.columns) if node.bias is None else node.bias
        graph.add("Gemm", node, [*operands, graph.constant(f"{node.name}.bias", bias)], transB=1)
        return
    raise ConfigError(f"{node.name}: a linear layer over several vectors cannot be written as ONNX")


def _simple(operator: str, *attributes: str) -> Writer:
    def write(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
        graph.add(operator, node, inputs, **{key: float(node.attributes[key]) for key in attributes})

    return write


def _binary(operator: str) -> Writer:
    def write(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
        constant = node.attributes.get("constant")
        operands = list(inputs)
        if constant is not None:
            operands.insert(
                0 if node.attributes.get("reverse") else 1, graph.constant(f"{node.name}.constant", constant)
            )
        if len(operands) > 2 and operator != "Add":
            raise ConfigError(f"{node.name}: {node.kind} of {len(operands)} operands cannot be written as ONNX")
        graph.add("Sum" if len(operands) > 2 else operator, node, operands)

    return write


def _pool(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    given = node.attributes
    own: dict[str, Any] = {"ceil_mode": int(given.get("ceil_mode", False))}
    if node.kind == "avg_pool":
        own["count_include_pad"] = int(given.get("count_include_pad", False))
    elif tuple(given.get("dilation", (1, 1))) != (1, 1):
        own["dilations"] = given["dilation"]
    operator = "MaxPool" if node.kind == "max_pool" else "AveragePool"
    sides = {"kernel_shape": given["kernel"], "strides": given["stride"], "pads": given["padding"]}
    graph.add(operator, node, inputs, **sides, **own)


def _mean(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    axes = list(node.attributes.get("axes", (2, 3)))
    graph.add("ReduceMean", node, inputs, axes=axes, keepdims=int(node.attributes.get("keepdims", True)))


def _clip(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    limits = [
        graph.constant(f"{node.name}.{key}", node.attributes[key]) if key in node.attributes else ""
        for key in ("min", "max")
    ]
    graph.add("Clip", node, [*inputs, *limits])


def _scale(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    channels = node.shape[0]
    parts = {
        "scale": np.ones(channels) if node.weight is None else node.weight,
        "shift": np.zeros(channels) if node.bias is None else node.bias,
        "mean": np.zeros(channels),
        "variance": np.ones(channels),
    }
    names = [graph.constant(f"{node.name}.{key}", values) for key, values in parts.items()]
    graph.add("BatchNormalization", node, [*inputs, *names], epsilon=0.0)


def _pad(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    pads = node.attributes["pads"]
    sides = [0, *(before for before, _ in pads), 0, *(after for _, after in pads)]
    operands = [*inputs, graph.constant(f"{node.name}.pads", sides, np.int64)]
    mode = node.attributes.get("mode", "constant")
    if mode == "constant":
        operands.append(graph.constant(f"{node.name}.value", node.attributes.get("value", 0.0)))
    graph.add("Pad", node, operands, mode=mode)


def _slice(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    far = np.iinfo(np.int64)
    starts, ends, steps = [], [], []
    for start, stop, step in node.attributes["ranges"]:
        starts.append(start)
        ends.append((far.min if step < 0 else far.max) if stop is None else stop)
        steps.append(step)
    columns = {"starts": starts, "ends": ends, "axes": range(1, len(starts) + 1), "steps": steps}
    names = [graph.constant(f"{node.name}.{key}", list(values), np.int64) for key, values in columns.items()]
    graph.add("Slice", node, [*inputs, *names])


def _reshape(graph: _Graph, node: Node, inputs: Sequence[str]) -> None:
    graph.add("Reshape", node, [*inputs, graph.constant(f"{node.name}.shape", [-1, *node.shape], np.int64)])


WRITERS: dict[str, Writer] = {
    "conv2d": _layer, "linear": _layer, "relu": _simple("Relu"), "clip": _clip, "sigmoid": _simple("Sigmoid"),
    "tanh": _simple("Tanh"), "erf": _simple("Erf"), "sqrt": _simple("Sqrt"), "hard_swish": _simple("HardSwish"),
    "leaky_relu": _simple("LeakyRelu", "alpha"), "hard_sigmoid": _simple("HardSigmoid", "alpha", "beta"),
    "softmax": lambda graph, node, inputs: graph.add("Softmax", node, inputs, axis=node.attributes.get("axis", 1)),
    "max_pool": _pool, "avg_pool": _pool, "global_avg_pool": _mean, "mean": _mean, "scale": _scale,
    "add": _binary("Add"), "sub": _binary("Sub"), "mul": _binary("Mul"), "div": _binary("Div"),
    "matmul": _simple("MatMul"), "pad": _pad, "slice": _slice, "reshape": _reshape,
    "flatten": lambda graph, node, inputs: graph.add("Flatten", node, inputs, axis=1),
    "concat": lambda graph, node, inputs: graph.add("Concat", node, inputs, axis=node.attributes.get("axis", 1)),
    "transpose": lambda graph, node, inputs: graph.add("Transpose", node, inputs, perm=node.attributes["order"]),
}  # fmt: skip
"""Kind of node -> what it is in ONNX."""
