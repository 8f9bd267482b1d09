"""Single ONNX nodes: shapes by ONNX's own inference, values of constant nodes, small models that hold one node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.onnx_einsum import count_products
from xbarsim.network.onnx_layers import Operator, Unfit, Unsupported
from xbarsim.network.onnx_qonnx import QONNX_DOMAINS, QUANTISERS
from xbarsim.network.onnx_value import FLOATS, GraphValue
from xbarsim.network.onnx_writers import BODIES, FUNCTIONS

FLOAT = 1
"""Element type float32 in ONNX. Source: onnx.proto, TensorProto.DataType."""
DOMAINS = ("", "ai.onnx", "com.microsoft", FUNCTIONS)
_BLOCKED = "com.microsoft.nchwc"
"""Domain of operators whose images are cut into blocks of channels, as many as a processor has lanes."""
_EARLY = {"LayerNormalization": 17}
"""Operator that ONNX Runtime writes for earlier versions of ONNX too -> version that defines it."""
_SAME = {"Gelu", "QuickGelu", "FastGelu", "BiasGelu", "QLinearSigmoid", "QLinearLeakyRelu", "SkipLayerNormalization"}
"""Operators of com.microsoft, of which onnx knows no shapes, whose output has the shape of their first input."""
_PAIRS = {"QLinearAdd", "QLinearMul"}
RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
"""Operators that draw: never folded."""


class Unknown(Unsupported):
    """A node of whose result the definition gives no shape."""


def read_operator(proto: Any) -> Operator:
    """Return a node with plain attributes."""
    import onnx

    attributes = {}
    for item in proto.attribute:
        value = onnx.helper.get_attribute_value(item)
        attributes[item.name] = value.decode() if isinstance(value, bytes) else value
    name = proto.name or (proto.output[0] if proto.output else proto.op_type)
    return Operator(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes)


def remake_operator(operator: Operator, inputs: Sequence[str]) -> Any:
    """Return a node like an operator, on other inputs."""
    import onnx

    return onnx.helper.make_node(
        operator.kind, list(inputs), list(operator.outputs), name=operator.name, **operator.attributes
    )


def evaluate(proto: Any, constants: Mapping[str, np.ndarray], opsets: Any) -> list[Any]:
    """Compute a node whose inputs are all constant; Unsupported where that cannot be."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    def describe(name: str) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None)

    names = [name for name in proto.output if name]
    graph = onnx.helper.make_graph([proto], "fold", [describe(name) for name in constants], list(map(describe, names)))
    single = onnx.helper.make_model(graph, opset_imports=opsets)
    try:
        return list(ReferenceEvaluator(single).run(names, dict(constants)))
    except Exception:  # NumPy's and the evaluator's own errors, by operator
        shapes = ", ".join(f"{value.dtype} {value.shape}" for value in constants.values())
        raise Unsupported(f"its constants ({shapes}) cannot be worked out by onnx's evaluator") from None


def infer_outputs(
    proto: Any, shapes: Mapping[str, tuple[int, tuple[int, ...]]], constants: Mapping[str, np.ndarray], opsets: Any
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return element type and shape of the outputs of a node.

    Parameters
    ----------
    proto : onnx.NodeProto
        The node.
    shapes : mapping
        Computed input -> element type and shape.
    constants : mapping
        Constant input -> value.
    opsets : sequence of onnx.OperatorSetIdProto
        Versions.

    Returns
    -------
    dict
        Output -> element type and shape; Unsupported where a size depends on values, Unfit where operands do not fit.
    """
    try:
        return _infer_by_definition(proto, shapes, constants, opsets)
    except Unknown as unknown:  # an operator of a vendor, or one whose definition says nothing of shapes
        try:
            return _infer_by_running(proto, shapes, constants, opsets)
        except Unsupported as problem:
            raise Unsupported(str(unknown) or str(problem)) from None


def _infer_by_definition(
    proto: Any, shapes: Mapping[str, tuple[int, tuple[int, ...]]], constants: Mapping[str, np.ndarray], opsets: Any
) -> dict[str, tuple[int, tuple[int, ...]]]:
    import onnx

    if proto.domain in QONNX_DOMAINS and proto.op_type in QUANTISERS:
        return {proto.output[0]: shapes[proto.input[0]]}
    if (proto.domain, proto.op_type) in BODIES:
        kind, shape = shapes[proto.input[0]]
        return {proto.output[0]: (kind, (*shape[:-1], 1))}  # every function of this package reduces the last axis
    if proto.domain == "com.microsoft":
        return _infer_microsoft(proto, shapes)
    if proto.domain == _BLOCKED:
        raise Unsupported("laid out by ONNX Runtime for one kind of processor; save the model with ORT_ENABLE_EXTENDED")
    if _holds_vendor(proto):  # versions of onnx up to 1.19 at least end with a segmentation fault
        raise Unknown
    versions = {item.domain: item.version for item in opsets}
    version = versions.get(proto.domain, versions.get("ai.onnx" if not proto.domain else "", 1))
    try:
        schema = onnx.defs.get_schema(proto.op_type, max(version, _EARLY.get(proto.op_type, 1)), proto.domain)
    except Exception:
        raise Unknown("an operator that ONNX does not define") from None
    if schema.deprecated:  # GroupNormalization of opset 18: onnx tells no shapes, ONNX Runtime runs it
        raise Unknown
    describe = onnx.helper.make_tensor_type_proto
    types = {name: describe(*each) for name, each in shapes.items()}
    data = {}
    for name, value in constants.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        types[name] = describe(kind, value.shape)
        if value.size <= 4096:
            data[name] = onnx.numpy_helper.from_array(value)
    sizes = {name: shape for name, (_, shape) in shapes.items()} | {
        name: each.shape for name, each in constants.items()
    }
    misfit = Unfit(
        f"operands of shapes {', '.join(map(str, sizes.values()))}, or its attributes, violate its definition"
    )
    if proto.op_type == "Gemm" and not _inner_axes_agree(proto, sizes):
        raise misfit
    try:
        found = onnx.shape_inference.infer_node_outputs(schema, proto, types, data, None, list(opsets), 10)
    except Exception:  # of its own kind, with the library's own words
        raise misfit from None
    return {name: _read_type(each) for name, each in found.items() if name}


def _inner_axes_agree(proto: Any, sizes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether the summed axes of a Gemm have one size; versions of onnx up to 1.19 at least do not check it."""
    flags = {item.name: item.i for item in proto.attribute}
    first, second = (sizes[name] for name in proto.input[:2])
    if len(first) != 2 or len(second) != 2:
        return False
    return first[0 if flags.get("transA", 0) else 1] == second[1 if flags.get("transB", 0) else 0]


def _holds_vendor(proto: Any) -> bool:
    """Return whether a body of a node has an operator that ONNX does not define."""
    bodies = [graph for item in proto.attribute for graph in (item.g, *item.graphs)]
    return any(each.domain not in ("", "ai.onnx") or _holds_vendor(each) for body in bodies for each in body.node)


def _read_type(described: Any) -> tuple[int, tuple[int, ...]]:
    if described.HasField("sequence_type"):
        raise Unsupported("its result is a sequence of tensors")
    if not described.HasField("tensor_type") or not described.tensor_type.HasField("shape"):
        raise Unknown
    dims = described.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") for dim in dims):
        raise Unsupported("sizes of its result depend on values")
    kind = described.tensor_type.elem_type
    return (FLOAT if kind in FLOATS else kind), tuple(dim.dim_value for dim in dims)


def _infer_microsoft(proto: Any, shapes: Mapping[str, Any]) -> dict[str, tuple[int, tuple[int, ...]]]:
    given = [shapes[name] for name in proto.input if name in shapes]
    if proto.op_type in _SAME and given and not any(proto.output[1:]):
        return {proto.output[0]: given[0]}
    if proto.op_type in _PAIRS and given:
        return {proto.output[0]: (given[0][0], np.broadcast_shapes(*(shape for _, shape in given)))}
    raise Unknown


def _infer_by_running(
    proto: Any, shapes: Mapping[str, tuple[int, tuple[int, ...]]], constants: Mapping[str, np.ndarray], opsets: Any
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Let ONNX Runtime run a node on zeros and on ones; Unsupported where it cannot, or where sizes differ."""
    import onnx

    from xbarsim.network.kinds.opaque import run_session, start_session

    tensors = {name: GraphValue(kind=kind, shape=shape, wide=shape) for name, (kind, shape) in shapes.items()}
    names = [name for name in proto.output if name]
    found: list[dict[str, tuple[int, tuple[int, ...]]]] = []
    try:
        model, fed = make_single(proto, names, tensors, constants, opsets, onnx.TensorProto.UNDEFINED)
        session = start_session(model)
        for value in (0, 1):
            given = {name: np.full(each.shape, value, numpy_type(each.kind)) for name, each in tensors.items()}
            results = map(np.asarray, run_session(session, names, given | fed))
            kinds = ((onnx.helper.np_dtype_to_tensor_dtype(each.dtype), each.shape) for each in results)
            each_type = [(FLOAT if kind in FLOATS else kind, shape) for kind, shape in kinds]
            found.append(dict(zip(names, each_type, strict=True)))
    except (ConfigError, ValueError, KeyError):
        raise Unsupported("the shape of its result is not known, to ONNX Runtime neither") from None
    if found[0] != found[1]:
        raise Unsupported("sizes of its result depend on values")
    return found[0]


def make_single(
    proto: Any,
    outputs: Sequence[str],
    tensors: Mapping[str, GraphValue],
    constants: Mapping[str, np.ndarray],
    opsets: Any,
    kind: int,
) -> tuple[bytes, dict[str, np.ndarray]]:
    """Wrap a node in a model of its own.

    Parameters
    ----------
    proto : onnx.NodeProto
        The node.
    outputs : sequence of str
        Which of its outputs the model gives.
    tensors : mapping
        Computed inputs in order -> what is known of them.
    constants : mapping
        Constant inputs; small ones become initializers.
    opsets : sequence of onnx.OperatorSetIdProto
        Versions.
    kind : int
        Element type of the outputs.

    Returns
    -------
    bytes, dict
        The model, and the constants that are fed to it.
    """
    import onnx

    node = onnx.NodeProto()
    node.CopyFrom(proto)
    for item in node.attribute:
        if node.op_type == "Cast" and item.name == "to" and item.i in FLOATS:
            item.i = FLOAT
    describe = onnx.helper.make_tensor_value_info
    inputs = [describe(name, each.kind, each.shape) for name, each in tensors.items()]
    small, large = [], {}
    for name, value in constants.items():
        if value.size <= 1024:
            small.append(onnx.numpy_helper.from_array(value, name))
        else:
            large[name] = value
            inputs.append(describe(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
    results = [
        onnx.ValueInfoProto(name=name) if kind == onnx.TensorProto.UNDEFINED else describe(name, kind, None)
        for name in outputs
    ]
    graph = onnx.helper.make_graph([node], "one", inputs, results, small)
    versions = [item for item in opsets if item.domain in DOMAINS]
    if node.domain and node.domain not in [item.domain for item in versions]:
        versions.append(onnx.helper.make_opsetid(node.domain, 1))
    return onnx.helper.make_model(graph, opset_imports=versions, ir_version=9).SerializeToString(), large


_MOVES = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Concat", "Gather", "Expand", "Tile",
    "Pad", "Identity", "Cast", "DepthToSpace", "SpaceToDepth", "GatherElements", "GatherND", "ScatterND", "Where",
    "ScatterElements", "Trilu", "Shape",
}  # fmt: skip


def count_operations(operator: Operator, inputs: Sequence[tuple[int, ...]], result: tuple[int, ...]) -> int:
    """Count the operations of one inference from shapes alone.

    Parameters
    ----------
    operator : Operator
        What is counted.
    inputs : sequence of tuple of int
        Shapes of all its inputs, constants among them.
    result : tuple of int
        Shape of its output.

    Returns
    -------
    int
        Multiply-accumulates of products, convolutions and recurrent layers; nothing for operators that move values; for
        all others one for every number of the largest operand: an approximation.
    """
    size = math.prod(result)
    if operator.kind in _MOVES:
        return 0
    if operator.kind in ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul"):
        return size * inputs[0][-1]
    if operator.kind == "MatMulNBits":
        return size * int(operator.attributes["K"])
    if operator.kind in ("Attention", "MultiHeadAttention"):
        return _count_attention(inputs, size)
    if operator.kind == "Gemm":
        return size * inputs[0][0 if operator.attributes.get("transA", 0) else -1]
    if operator.kind in ("Conv", "FusedConv", "ConvInteger", "QLinearConv"):
        kernel = inputs[3] if operator.kind == "QLinearConv" else inputs[1]
        return size * math.prod(kernel[1:])
    if operator.kind == "ConvTranspose":
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if operator.kind in ("LSTM", "GRU", "RNN"):
        return inputs[0][0] * inputs[0][1] * (math.prod(inputs[1]) + math.prod(inputs[2]))
    if operator.kind == "Einsum":
        return count_products(operator.attributes["equation"], inputs)
    return max([size, *map(math.prod, inputs)])


def _count_attention(inputs: Sequence[tuple[int, ...]], size: int) -> int:
    """Count the products of an attention; of com.microsoft's, whose second operand is a matrix, its projections too."""
    if len(inputs[1]) == 2:
        tokens = inputs[0][-2]
        return math.prod(inputs[0]) * inputs[1][1] + 2 * size * tokens
    return (math.prod(inputs[0]) + size) * inputs[1][-2]


def numpy_type(kind: int) -> str:
    """Return the name of NumPy's type for an ONNX element type."""
    import onnx

    return str(onnx.helper.tensor_dtype_to_np_dtype(kind))


def check_types(kinds: Sequence[int]) -> None:
    """Refuse element types that NumPy has no own type for: they cannot be passed to ONNX Runtime or taken from it."""
    for name in map(numpy_type, kinds):
        if name == "object" or np.dtype(name).isbuiltin != 1:
            raise Unsupported(f"values of type {name}, which ONNX Runtime does not exchange")


def encode_operator(real: str, codes: str, grid: Mapping[str, Any]) -> tuple[Operator, Any, dict[str, np.ndarray]]:
    """Return an operator that turns values into codes of a grid, and the constants that it needs.

    Parameters
    ----------
    real, codes : str
        Tensors that it reads and makes.
    grid : mapping
        ``scale``, ``zero_point``, ``bits`` and ``signed``.

    Returns
    -------
    Operator, onnx.NodeProto, dict
    """
    import onnx

    kind = {4: "INT4", 8: "INT8", 16: "INT16", 32: "INT32"}[grid["bits"]]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(getattr(onnx.TensorProto, kind if grid["signed"] else f"U{kind}"))
    constants = {
        f"{codes}::scale": np.array(grid["scale"], np.float32),
        f"{codes}::zero": np.array(grid["zero_point"]).astype(dtype),
    }
    proto = onnx.helper.make_node("QuantizeLinear", [real, *constants], [codes], name=f"{codes}::codes")
    return read_operator(proto), proto, constants
