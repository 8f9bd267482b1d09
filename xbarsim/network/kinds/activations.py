"""Functions of single values. The activation unit of the step that produces a value applies them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.kinds.record import NO_LAYER, ONE, REQUIRED, Codes, Kind, Reach, Setting, TimingClass
from xbarsim.network.kinds.rule import (
    always,
    elementwise,
    logistic_moments,
    never_negative,
    one_activation,
    rectified_moments,
    same_moments,
    same_shape,
    sign_of_inputs,
    torch_elementwise,
)
from xbarsim.network.kinds.setting import as_given, read_flag, read_real
from xbarsim.network.onnx_operators import read_clip, read_gelu, read_simple
from xbarsim.network.onnx_writers import write_clip, write_gelu, write_simple

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _relu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    y: np.ndarray = np.maximum(inputs[0], np.float32(0))
    return y


def _clip(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    low, high = node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)
    y: np.ndarray = np.minimum(np.maximum(inputs[0], np.float32(low)), np.float32(high))
    return y


def _clip_sign(node: Node, inputs: Sequence[bool]) -> bool:
    low, high = node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)
    return bool(low >= 0 or (all(inputs) and high >= 0))


def _leaky_relu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    return np.where(x < 0, x * np.float32(node.attributes["alpha"]), x)


def _hard_sigmoid(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    alpha, beta = np.float32(node.attributes["alpha"]), np.float32(node.attributes["beta"])
    y: np.ndarray = np.minimum(np.maximum(inputs[0] * alpha + beta, np.float32(0)), np.float32(1))
    return y


def _hard_swish(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    y: np.ndarray = x * np.minimum(np.maximum(x / np.float32(6) + np.float32(0.5), np.float32(0)), np.float32(1))
    return y


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # SciPy takes a while to import, and most networks do without

    y: np.ndarray = expit(x)
    return y


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    y: np.ndarray = erf(x)
    return y


def _gelu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = np.ascontiguousarray(inputs[0])
    y: np.ndarray
    if node.attributes.get("approximate", False):
        y = np.float32(0.5) * x * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)))
    else:
        y = np.float32(0.5) * x * (1 + _erf(x * np.float32(np.sqrt(0.5))))
    return y


def _hard_sigmoid_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    return (inputs[0] * node.attributes["alpha"] + node.attributes["beta"]).clamp(0, 1)


def _gelu_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    mode = "tanh" if node.attributes.get("approximate") else "none"
    return torch.nn.functional.gelu(inputs[0], approximate=mode)


RECORDS = (
    Kind(
        name="relu",
        inputs=ONE,
        shape=same_shape,
        sign=never_negative,
        run=_relu,
        torch=torch_elementwise("relu"),
        codes=Codes.KEEPS,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Relu": read_simple("relu")},
        onnx_write=write_simple("Relu"),
    ),
    Kind(
        name="clip",
        inputs=ONE,
        shape=same_shape,
        sign=_clip_sign,
        run=_clip,
        torch=lambda torch, node, inputs: inputs[0].clamp(node.attributes.get("min"), node.attributes.get("max")),
        codes=Codes.LOSES,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={"min": Setting(default=REQUIRED, read=read_real), "max": Setting(default=REQUIRED, read=read_real)},
        attributes=as_given,
        onnx_read={"Clip": read_clip},
        onnx_write=write_clip,
    ),
    Kind(
        name="leaky_relu",
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=_leaky_relu,
        torch=lambda torch, node, inputs: torch.nn.functional.leaky_relu(inputs[0], node.attributes["alpha"]),
        codes=Codes.LOSES,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={"alpha": Setting(default=0.01, read=read_real)},
        attributes=as_given,
        onnx_read={"LeakyRelu": read_simple("leaky_relu", alpha=0.01)},
        onnx_write=write_simple("LeakyRelu", "alpha"),
    ),
    Kind(
        name="sigmoid",
        inputs=ONE,
        shape=same_shape,
        sign=never_negative,
        run=elementwise(_sigmoid),
        torch=torch_elementwise("sigmoid"),
        codes=Codes.LOSES,
        moments=logistic_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Sigmoid": read_simple("sigmoid")},
        onnx_write=write_simple("Sigmoid"),
    ),
    Kind(
        name="hard_sigmoid",
        inputs=ONE,
        shape=same_shape,
        sign=never_negative,
        run=_hard_sigmoid,
        torch=_hard_sigmoid_torch,
        codes=Codes.LOSES,
        moments=logistic_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={"alpha": Setting(default=1 / 6, read=read_real), "beta": Setting(default=0.5, read=read_real)},
        attributes=as_given,
        onnx_read={"HardSigmoid": read_simple("hard_sigmoid", alpha=0.2, beta=0.5)},
        onnx_write=write_simple("HardSigmoid", "alpha", "beta"),
    ),
    Kind(
        name="tanh",
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=elementwise(np.tanh),
        torch=torch_elementwise("tanh"),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Tanh": read_simple("tanh")},
        onnx_write=write_simple("Tanh"),
    ),
    Kind(
        name="hard_swish",
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=_hard_swish,
        torch=torch_elementwise("nn.functional.hardswish"),
        codes=Codes.LOSES,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"HardSwish": read_simple("hard_swish")},
        onnx_write=write_simple("HardSwish"),
    ),
    Kind(
        name="erf",
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=elementwise(_erf),
        torch=torch_elementwise("erf"),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Erf": read_simple("erf")},
        onnx_write=write_simple("Erf"),
    ),
    Kind(
        name="sqrt",
        inputs=ONE,
        shape=same_shape,
        sign=never_negative,
        run=elementwise(np.sqrt),
        torch=torch_elementwise("sqrt"),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Sqrt": read_simple("sqrt")},
        onnx_write=write_simple("Sqrt"),
    ),
    Kind(
        name="gelu",
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=_gelu,
        torch=_gelu_torch,
        codes=Codes.LOSES,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings={"approximate": Setting(default=False, read=read_flag)},
        attributes=as_given,
        onnx_read={"Gelu": read_gelu},
        onnx_write=write_gelu,
    ),
)
