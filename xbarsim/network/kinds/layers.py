"""Weight layers: convolution and fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.convolve import convolve, slide_sizes
from xbarsim.network.kinds.record import (
    NO_KERNEL,
    NO_TORCH,
    ONE,
    REQUIRED,
    Codes,
    Kind,
    LayerQuery,
    LayerRule,
    Moments,
    Reach,
    Setting,
    Shape,
    TimingClass,
)
from xbarsim.network.kinds.rule import always, check_image, no_work, unknown_sign
from xbarsim.network.kinds.setting import at_least, read_pair, read_sides, read_whole
from xbarsim.network.onnx_layers import read_gemm
from xbarsim.network.onnx_windows import read_conv, read_recurrent, read_transposed
from xbarsim.network.onnx_writers import write_conv, write_linear
from xbarsim.network.product import multiply_vectors

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _check_weight(node: Node, weight: Shape, outputs: int) -> None:
    if node.weight is not None and node.weight.shape != weight:
        raise ConfigError(f"layer {node.name}: weight has shape {node.weight.shape}, expected {weight}")
    if node.bias is not None and node.bias.shape != (outputs,):
        raise ConfigError(f"layer {node.name}: bias has shape {node.bias.shape}, expected {(outputs,)}")


def _unit_moments(inputs: Sequence[Moments]) -> Moments:
    """Return what random weights are drawn for: mean 0, variance 1."""
    return 0.0, 1.0


_COUNT = Setting(default=REQUIRED, read=at_least(1, read_whole))


# ---- conv2d

_CONV2D_KEYS = {
    "in_channels": _COUNT,
    "out_channels": _COUNT,
    "kernel": Setting(default=REQUIRED, read=at_least(1, read_pair)),
    "stride": Setting(default=1, read=at_least(1, read_pair)),
    "padding": Setting(default=0, read=at_least(0, read_sides)),
    "dilation": Setting(default=1, read=at_least(1, read_pair)),
    "groups": Setting(default=1, read=at_least(1, read_whole)),
}


def _conv2d_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = check_image(node, inputs[0])
    a = node.attributes
    fan_in, outputs, groups = a["in_channels"], a["out_channels"], a["groups"]
    if channels != fan_in:
        raise ConfigError(f"layer {node.name}: expects {fan_in} input channels, its input has {channels}")
    if min(fan_in, outputs, groups, *a["kernel"], *a["stride"], *a["dilation"]) < 1 or min(a["padding"]) < 0:
        given = ", ".join(f"{key} {list(v) if isinstance(v, tuple) else v}" for key, v in a.items())
        raise ConfigError(
            f"layer {node.name}: channels, kernel, stride, dilation and groups must be at least 1, padding at least 0; "
            f"given are {given}"
        )
    if fan_in % groups or outputs % groups:
        raise ConfigError(f"layer {node.name}: {fan_in} and {outputs} channels do not divide into {groups} groups")
    _check_weight(node, _conv2d_weight(node), outputs)
    return (outputs, *slide_sizes((height, width), a))


def _conv2d_weight(node: Node) -> Shape:
    a = node.attributes
    return (a["out_channels"], a["in_channels"] // a["groups"], *a["kernel"])


def _conv2d_rows(node: Node) -> int:
    rows: int = node.attributes["in_channels"] // node.groups * math.prod(node.attributes["kernel"])
    return rows


def _conv2d_attributes(settings: dict[str, Any], shape: Shape) -> dict[str, Any]:
    settings = dict(settings)
    return {"in_channels": shape[0], "out_channels": settings.pop("channels"), **settings}


def _run_conv2d(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    assert node.weight is not None
    return convolve(inputs[0], node.weight, node.attributes, bias=node.bias)


def _torch_conv2d(torch: Any, node: Node, x: Any, weight: Any, bias: Any, pad_value: float) -> Any:
    a, functional = node.attributes, torch.nn.functional
    top, left, bottom, right = a["padding"]
    padding: Any = (top, left)
    if (top, left) != (bottom, right) or pad_value:
        x, padding = functional.pad(x, (left, right, top, bottom), value=pad_value), 0
    return functional.conv2d(x, weight, bias, a["stride"], padding, a["dilation"], a["groups"])


def _resize_conv2d(node: Node, kernel: int) -> dict[str, Any]:
    a = node.attributes
    grown = [dilation * (kernel - old) for old, dilation in zip(a["kernel"], a["dilation"])]
    if any(size % 2 for size in grown):
        raise ConfigError(f"{node.name}: kernel {kernel} cannot be centred in the kernel {a['kernel']}")
    high, wide = (size // 2 for size in grown)
    top, left, bottom, right = a["padding"]
    padding = (top + high, left + wide, bottom + high, right + wide)
    if min(padding) < 0:
        raise ConfigError(f"{node.name}: kernel {kernel} would need a negative padding (now {a['padding']})")
    return {"kernel": (kernel, kernel), "padding": padding}


def _describe_conv2d(node: Node, source: Shape) -> dict[str, Any]:
    attributes = {key: value for key, value in node.attributes.items() if key in _CONV2D_KEYS}
    return {**attributes, "height": source[1], "width": source[2]}


def _build_conv2d(shape: Mapping[str, Any]) -> tuple[dict[str, Any], Shape]:
    return {key: shape[key] for key in _CONV2D_KEYS}, (shape["in_channels"], shape["height"], shape["width"])


# ---- linear


def _linear_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    fan_in, outputs = node.attributes["in_features"], node.attributes["out_features"]
    if min(fan_in, outputs) < 1:
        raise ConfigError(f"layer {node.name}: in_features and out_features must be at least 1")
    if inputs[0][-1] != fan_in:
        raise ConfigError(f"layer {node.name}: expects {fan_in} input features, its input has {inputs[0][-1]}")
    _check_weight(node, _linear_weight(node), outputs)
    return (*inputs[0][:-1], outputs)


def _linear_weight(node: Node) -> Shape:
    return node.attributes["out_features"], node.attributes["in_features"]


def _linear_rows(node: Node) -> int:
    rows: int = node.attributes["in_features"]
    return rows


def _run_linear(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    assert node.weight is not None
    return multiply_vectors(inputs[0], node.weight, node.bias)


def _resize_linear(node: Node, kernel: int) -> dict[str, Any]:
    raise ConfigError(f"{node.name}: a linear layer has no kernel")


def _describe_linear(node: Node, source: Shape) -> dict[str, Any]:
    return {"in_features": node.rows, "out_features": node.columns, "vectors": math.prod(source[:-1])}


def _build_linear(shape: Mapping[str, Any]) -> tuple[dict[str, Any], Shape]:
    features, vectors = shape["in_features"], shape["vectors"]
    attributes = {"in_features": features, "out_features": shape["out_features"]}
    return attributes, (features,) if vectors == 1 else (vectors, features)


RECORDS = (
    Kind(
        name="conv2d",
        inputs=ONE,
        shape=_conv2d_shape,
        sign=unknown_sign,
        run=_run_conv2d,
        torch=NO_TORCH,
        codes=Codes.MULTIPLIES,
        moments=_unit_moments,
        layer=LayerRule(
            rows=_conv2d_rows,
            inputs="in_channels",
            outputs="out_channels",
            windows=lambda node: math.prod(node.shape[1:]),
            weight_shape=_conv2d_weight,
            geometry=("kernel", "stride", "padding", "dilation"),
            resize=_resize_conv2d,
            query=LayerQuery(
                keys={**_CONV2D_KEYS, "height": _COUNT, "width": _COUNT}, describe=_describe_conv2d, build=_build_conv2d
            ),
            output_axis=1,
            scratch=lambda node: node.windows * node.rows * node.groups,  # windows laid out for one product
            multiply=lambda node, codes, weight, pad: convolve(codes, weight, node.attributes, pad),
            torch=_torch_conv2d,
        ),
        timing=TimingClass.LAYER,
        work=no_work,
        reach=always(Reach.KERNEL),
        settings={
            "channels": Setting(default=REQUIRED, read=read_whole),
            "kernel": Setting(default=REQUIRED, read=read_pair),
            "stride": Setting(default=1, read=read_pair),
            "padding": Setting(default=0, read=read_sides),
            "dilation": Setting(default=1, read=read_pair),
            "groups": Setting(default=1, read=read_whole),
        },
        attributes=_conv2d_attributes,
        onnx_read={"Conv": read_conv},
        onnx_write=write_conv,
    ),
    Kind(
        name="linear",
        inputs=ONE,
        shape=_linear_shape,
        sign=unknown_sign,
        run=_run_linear,
        torch=NO_TORCH,
        codes=Codes.MULTIPLIES,
        moments=_unit_moments,
        layer=LayerRule(
            rows=_linear_rows,
            inputs="in_features",
            outputs="out_features",
            windows=lambda node: math.prod(node.shape[:-1]),
            weight_shape=_linear_weight,
            geometry=NO_KERNEL,
            resize=_resize_linear,
            query=LayerQuery(
                keys={
                    "in_features": _COUNT,
                    "out_features": _COUNT,
                    "vectors": Setting(default=1, read=at_least(1, read_whole)),
                },
                describe=_describe_linear,
                build=_build_linear,
            ),
            output_axis=-1,
            scratch=lambda node: 0,
            multiply=lambda node, codes, weight, pad: multiply_vectors(codes, weight),
            torch=lambda torch, node, x, weight, bias, pad: torch.nn.functional.linear(x, weight, bias),
        ),
        timing=TimingClass.LAYER,
        work=no_work,
        reach=always(Reach.OWN),
        settings={"features": Setting(default=REQUIRED, read=read_whole)},
        attributes=lambda settings, shape: {"in_features": shape[-1], "out_features": settings["features"]},
        onnx_read={
            "Gemm": read_gemm,
            "ConvTranspose": read_transposed,
            **dict.fromkeys(("LSTM", "GRU", "RNN"), read_recurrent),
        },
        onnx_write=write_linear,
    ),
)
