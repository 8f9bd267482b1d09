"""Export of networks to ONNX files (extra ``onnx``).

Weight layers are named after their weights, as in the import: reading the file back gives the same layers under the
same names. Grids of a quantised network are written as QuantizeLinear and DequantizeLinear, widths of weights that ONNX
has no type for in the model's metadata.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS
from xbarsim.network.kinds.ends import OUTPUTS
from xbarsim.network.onnx_writers import AXES_ARE_INPUTS, BODIES, WEIGHT_BITS
from xbarsim.rng import stream
from xbarsim.store import write_file

OPSET = 17
"""Opset of files whose operators need no newer one."""
NARROW_OPSET = 21
"""First opset whose QuantizeLinear takes codes of 4 and 16 bits."""
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
"""Opset -> version of the format that belongs to it."""


def write_onnx(network: Network, path: str | Path) -> Path:
    """Write a network as an ONNX file with a free batch size.

    Parameters
    ----------
    network : Network
        With weights. Several outputs become outputs of the file, each under its name.
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
    last = next((node for node in network.nodes if node.name == network.output), None)
    if last is not None and last.kind == OUTPUTS:
        model = build_model(network, dict(zip(last.attributes["names"], last.inputs, strict=True)))
    else:
        model = build_model(network, {network.output: network.output})
    return write_file(path, model.SerializeToString())


def build_model(network: Network, outputs: Mapping[str, str]) -> Any:
    """Write a network as an ONNX model with a free batch size.

    Parameters
    ----------
    network : Network
        With weights.
    outputs : mapping of str
        Output of the model -> node whose values it gives.

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
    graph = _write_nodes(network, outputs, OPSET)
    if graph.opset != OPSET:  # operators of a file are written in the opset of the whole
        graph = _write_nodes(network, outputs, graph.opset)
    graph.name_outputs(outputs)

    def describe(names: Mapping[str, str]) -> list[Any]:
        shapes: dict[str, list[Any]] = {name: ["batch", *network.shape_of(node)] for name, node in names.items()}
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    functions = graph.close()
    own = [helper.make_opsetid(domain, 1) for domain in sorted({each.domain for each in functions} | graph.domains)]
    model = helper.make_model(
        helper.make_graph(graph.nodes, network.name, describe({INPUT: INPUT}), describe(outputs), graph.constants),
        opset_imports=[helper.make_opsetid("", graph.opset), *own],
        producer_name="xbarsim",
        functions=functions,
    )
    model.ir_version = min(model.ir_version, IR_VERSIONS.get(graph.opset, model.ir_version))
    if graph.weight_bits:
        helper.set_model_props(model, {WEIGHT_BITS: json.dumps(graph.weight_bits)})
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:  # an operator that opsets have given up, for example
        reason = str(error).splitlines()[0][:160]
        raise ConfigError(
            f"network {network.name}: cannot be written as ONNX: {reason}; keep the network in Python"
        ) from None
    return model


def _write_nodes(network: Network, outputs: Mapping[str, str], opset: int) -> GraphWriter:
    shapes = {INPUT: network.input_shape} | {node.name: node.shape for node in network.nodes}
    graph = GraphWriter(opset, shapes)
    for node in network.nodes:
        if node.kind == OUTPUTS and node.name not in outputs.values():
            continue
        writer = KINDS[node.kind].onnx_write
        if writer is None:
            raise ConfigError(f"network {network.name}: {node.name}: a {node.kind} node cannot be written as ONNX")
        writer(graph, node, node.inputs)
    return graph


def _is_same(node: Node, model: Any) -> bool:
    """Whether a model computes what an opaque node does: onnx converts some operators to others that do not."""
    shape = [(2, math.prod(shape)) for _, _, shape in node.attributes["feeds"]]
    rng = stream(0, "network.write_onnx")
    values = [rng.integers(-2, 3, each).astype(np.float32) for each in shape]
    other = dataclasses.replace(node, attributes={**node.attributes, "model": model.SerializeToString()})
    try:
        found, expected = (KINDS[node.kind].run(each, values) for each in (other, node))
    except ConfigError:
        return False
    return np.allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(), equal_nan=True)


class GraphWriter:
    """Nodes and constants of the file being written.

    Parameters
    ----------
    opset : int
        Fewest that the file has.
    shapes : mapping
        Node -> shape of its value, images apart.
    """

    def __init__(self, opset: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.opset, self.shapes = opset, shapes
        self.domains: set[str] = set()
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
        if width != 8:
            self.raise_opset(NARROW_OPSET)
        kind = getattr(TensorProto, f"{'' if signed else 'U'}INT{width}")
        whole = np.asarray(values, dtype=np.int32)
        self.constants.append(helper.make_tensor(name, kind, whole.shape, whole.reshape(-1).tolist()))
        return name

    def name_outputs(self, outputs: Mapping[str, str]) -> None:
        """Give values (output -> node) the names of outputs; another tensor of such a name gets another one."""
        from onnx import helper

        taken = {name for node in self.nodes for name in node.output}
        wanted = {name: node for name, node in outputs.items() if name != node}
        for name in wanted:
            if name not in taken:
                continue
            other = f"{name}_"
            while other in taken or other in outputs:
                other += "_"
            taken.add(other)
            for node in self.nodes:
                for names in (node.input, node.output):
                    names[:] = [other if each == name else each for each in names]
            wanted = {output: other if source == name else source for output, source in wanted.items()}
        for name, source in wanted.items():
            self.nodes.append(helper.make_node("Identity", [source], [name], name=name))

    def raise_opset(self, opset: int) -> None:
        """Ask for an opset that is at least as new."""
        self.opset = max(self.opset, opset)

    def convert(self, node: Node) -> Any:
        """Return the model of an opaque node in the opset of the file."""
        import onnx

        model = onnx.load_from_string(node.attributes["model"])
        self.domains |= {item.domain for item in model.opset_import if item.domain not in ("", "ai.onnx")}
        version = max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=OPSET)
        self.raise_opset(version)
        if version == self.opset:
            return model
        try:
            converted = onnx.version_converter.convert_version(model, self.opset)
        except Exception:  # its own errors, which differ by version
            converted = None
        if converted is None or not _is_same(node, converted):
            raise ConfigError(
                f"{node.name}: {node.attributes['operator']} of opset {version} cannot be written in opset "
                f"{self.opset}; try: export the network in opset {self.opset} before"
            )
        return converted

    def close(self) -> list[Any]:
        """Fit reductions to the opset, and return the functions that nodes call."""
        from onnx import helper

        for node in self.nodes:
            axes = next((each for each in node.attribute if each.name == "axes"), None)
            if self.opset >= AXES_ARE_INPUTS and node.op_type.startswith("Reduce") and axes is not None:
                node.input.append(self.constant(f"{node.name}.axes", list(axes.ints), np.int64))
                node.attribute.remove(axes)
        called = {(node.domain, node.op_type) for node in self.nodes}
        opset = [helper.make_opsetid("", self.opset)]
        return [
            helper.make_function(domain, name, inputs, ["y"], write_body(self.opset), opset)
            for (domain, name), (inputs, write_body) in BODIES.items()
            if (domain, name) in called
        ]

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
        self,
        operator: str,
        node: Node,
        inputs: Sequence[str],
        *,
        output: str | None = None,
        label: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add an ONNX operator that computes a node, or a tensor of another name, and return the tensor's name.

        Parameters
        ----------
        operator : str
            The operator.
        node : Node
            What it belongs to.
        inputs : sequence of str
            Tensors that it reads.
        output : str, optional
            The tensor, if not the node's.
        label : str, optional
            Name of the operator, if not the tensor's: layers without a telling weight are called after it.
        **attributes
            Of the operator.

        Returns
        -------
        str
        """
        from onnx import helper

        name = output or node.name
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=label or name, **attributes))
        return name
