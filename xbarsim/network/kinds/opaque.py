"""Operators without a record of their own: run by ONNX Runtime, image by image, in single files that hold one operator.

Neither how long they take nor what they cost on the machine is modelled: their operations are counted from shapes (see
:func:`~xbarsim.network.onnx_infer.count_operations`) as an action of their own. ONNX Runtime runs on one thread, so
that bits depend on neither batch nor threads; other CPUs may give other bits.
"""

from __future__ import annotations

import functools
import mmap
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.record import (
    MANY,
    NO_LAYER,
    NO_TORCH,
    NOT_IN_YAML,
    NOT_READ,
    Codes,
    Kind,
    Reach,
    Shape,
    TimingClass,
    Work,
)
from xbarsim.network.kinds.rule import always, count_operands, raster, same_moments, unknown_sign
from xbarsim.network.kinds.setting import as_given
from xbarsim.network.onnx_writers import write_opaque

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


SHARED = ("replace the existing tensor", "Initializer with same name exists")
"""What ONNX Runtime says where two operators share a constant that it turns into uint8: in newer and older versions."""
WEIGHT_ZERO = {"MatMulInteger": 3}
"""Operator whose weights ONNX Runtime turns into uint8 -> place of their zero point, which may be left out. Versions up
to 1.23 at least read it all the same, and end the process."""


@functools.lru_cache(maxsize=1024)
def open_session(model: bytes) -> Any:
    """Return ONNX Runtime's session of a model, as :func:`start_session`; a later call returns the same."""
    return start_session(model)


def start_session(model: bytes | str, *, keeps_memory: bool = True) -> Any:
    """Start a session of ONNX Runtime on one thread.

    Rewriting of quantised parts is left out: it moves rounding steps and changes results by up to a step of the codes
    (0.8 of 20 on the digits network in four bits, 1e-5 without). All other optimisations stay. On CPUs without VNNI,
    weights of integer products are turned into uint8, since sums of uint8 times int8 saturate at 16 bits there.

    Parameters
    ----------
    model : bytes or str
        A serialised ``onnx.ModelProto``, or the path of a file.
    keeps_memory : bool
        Whether memory of one run is kept for the next.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ConfigError
        If ONNX Runtime is not installed, or cannot run the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError("running this network needs the package onnxruntime: pip install 'xbarsim[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = keeps_memory
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.add_session_config_entry("session.x64quantprecision", "1")
    providers = ["CPUExecutionProvider"]
    try:
        model = _complete_zeros(model)
        try:
            return onnxruntime.InferenceSession(model, options, providers=providers)
        except Exception as error:
            if not any(words in str(error) for words in SHARED):
                raise
            return onnxruntime.InferenceSession(_separate_constants(model), options, providers=providers)
    except Exception as error:  # whatever it raises is about the model
        reason = "lacks an operator" if type(error).__name__ == "NotImplemented" else "finds an operator broken"
        raise ConfigError(
            f"ONNX Runtime {onnxruntime.__version__} {reason}{_quote_node(error)}; try: another version of "
            "onnxruntime, or outputs= before this part"
        ) from None


def _complete_zeros(model: bytes | str) -> bytes | str:
    """Return a model in which int8 weights of products of whole numbers have the zero point that may be left out."""
    if not any(_mentions(model, kind.encode()) for kind in WEIGHT_ZERO):
        return model
    import onnx

    proto = onnx.load(model) if isinstance(model, str) else onnx.load_from_string(model)
    kinds = {each.name: each.data_type for each in proto.graph.initializer}
    made = [node for node in proto.graph.node if node.op_type == "Constant"]
    kinds |= {node.output[0]: item.t.data_type for node in made for item in node.attribute if item.name == "value"}
    zero, is_whole = onnx.numpy_helper.from_array(np.int8(0), "zero of int8 weights"), True
    for node in proto.graph.node:
        place = WEIGHT_ZERO.get(node.op_type, 0)
        if place and kinds.get(node.input[1]) == onnx.TensorProto.INT8 and not any(node.input[place:]):
            node.input[:] = [*node.input[:place], *[""] * (place - len(node.input)), zero.name]
            is_whole = False
    if is_whole:
        return model
    proto.graph.initializer.append(zero)
    written: bytes = proto.SerializeToString()
    return written


def _mentions(model: bytes | str, word: bytes) -> bool:
    """Return whether a serialised model or a file contains a word."""
    if isinstance(model, bytes):
        return word in model
    with Path(model).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(word) >= 0


def _separate_constants(model: bytes | str) -> bytes:
    """Return a model in which every int8 constant is read in one place."""
    import onnx

    proto = onnx.load(model) if isinstance(model, str) else onnx.load_from_string(model)
    stored = {each.name: each for each in proto.graph.initializer if each.data_type == onnx.TensorProto.INT8}
    used: set[str] = set()
    for number, node in enumerate(proto.graph.node):
        for place, name in enumerate(node.input):
            if name in used:
                copy = proto.graph.initializer.add()
                copy.CopyFrom(stored[name])
                node.input[place] = copy.name = f"{name}:{number}:{place}"
            elif name in stored:
                used.add(name)
    written: bytes = proto.SerializeToString()
    return written


def lift_weights(path: Path) -> bytes | None:
    """Return a model whose products of codes have weights of uint8, 128 above those of int8, which computes the same.

    ONNX Runtime does so itself where sums would saturate, but not for QLinearMatMul as opset 21 defines it.

    Parameters
    ----------
    path : Path
        An ONNX file.

    Returns
    -------
    bytes or None
        A serialised ``onnx.ModelProto``; None where there is nothing to lift.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    if not any(node.op_type == "QLinearMatMul" for node in model.graph.node):
        return None
    onnx.load_external_data_for_model(model, str(path.parent))
    stored = {each.name: each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT8}
    lifted: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "QLinearMatMul" or not {node.input[3], node.input[5]} <= stored.keys():
            continue
        for place in (3, 5):  # weights and their zero point
            name = f"{node.input[place]}:uint8"
            if name not in lifted:
                codes = onnx.numpy_helper.to_array(stored[node.input[place]]).astype(np.int16) + 128
                model.graph.initializer.append(onnx.numpy_helper.from_array(codes.astype(np.uint8), name))
                lifted.add(name)
            node.input[place] = name
    written: bytes = model.SerializeToString()
    return written if lifted else None


def run_session(session: Any, outputs: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """Run a session.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From :func:`start_session`.
    outputs : sequence of str or None
        What it gives, all if None.
    feeds : mapping
        Input -> value.

    Returns
    -------
    list
        The outputs.

    Raises
    ------
    ConfigError
        If an operator cannot take these values.
    """
    try:
        return list(session.run(outputs, feeds))
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):  # its own errors share no class
            raise
        reason = str(error).rsplit(" : ", 1)[-1].rsplit("Status Message: ", 1)[-1]
        raise ConfigError(
            f"ONNX Runtime stops{_quote_node(error)}: {' '.join(reason.split())[:150]}; try: give values that the "
            "operator takes"
        ) from None


def _quote_node(error: Exception) -> str:
    """Return which node an error of ONNX Runtime speaks of, nothing where it names none."""
    found = re.search(r"(?:node[^'\"]{0,20}Name:|[Nn]ode \(|node with name )\s*['\"]?([^'\")\s]{1,60})", str(error))
    return f" (node {found[1]})" if found else ""


def describe_opaque(nodes: Sequence[Node]) -> dict[str, str]:
    """Return what a report says of operators that ONNX Runtime runs, nothing where there are none.

    Parameters
    ----------
    nodes : sequence of Node
        Nodes of a network.

    Returns
    -------
    dict
        ``opaque``: the operators, and that bits hold on this CPU and version alone.
    """
    names = sorted({node.attributes["operator"] for node in nodes if node.kind == "opaque"})
    if not names:
        return {}
    from importlib import metadata

    try:
        version = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    counted = "operations are counted from shapes (approximate), and another CPU or version may give other bits"
    return {"opaque": f"ONNX Runtime {version} runs {', '.join(names)}: {counted}"}


def _shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return tuple(node.attributes["shape"])


def _run(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Run one image after the other: no operator can mix them."""
    given = node.attributes
    session = open_session(given["model"])
    fixed = dict(given["constants"])
    results = []
    for image in range(len(inputs[0])):
        feeds = dict(fixed)
        for (name, kind, shape), value in zip(given["feeds"], inputs, strict=True):
            feeds[name] = np.ascontiguousarray(value[image], dtype=kind).reshape(shape)
        (result,) = run_session(session, None, feeds)
        results.append(np.asarray(result).reshape(node.shape))
    return np.stack(results)


def _work(node: Node, inputs: Sequence[Shape]) -> Work:
    windows, _ = raster(node.shape)
    operations = -(-node.attributes["operations"] // windows)
    return Work(
        operands=max(1, count_operands(node, inputs)), operations=max(1, operations), activations=0, factors=None
    )


RECORDS = (
    Kind(
        name="opaque",
        inputs=MANY,
        shape=_shape,
        sign=unknown_sign,
        run=_run,
        torch=NO_TORCH,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VECTOR,
        work=_work,
        reach=always(Reach.ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=write_opaque,
    ),
)
