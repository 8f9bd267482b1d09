"""Pooling: the largest or the mean value under a sliding kernel or along whole axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.convolve import pool_max, pool_mean, slide_sizes
from xbarsim.network.kinds.record import NO_LAYER, ONE, REQUIRED, Codes, Kind, Reach, Setting, Shape, TimingClass, Work
from xbarsim.network.kinds.rule import always, check_image, count_operands, raster, same_moments, sign_of_inputs
from xbarsim.network.kinds.setting import as_given, read_flag, read_pair, read_sides, read_wholes
from xbarsim.network.onnx_operators import read_global_pool, read_pool, read_reduce_mean
from xbarsim.network.onnx_writers import write_mean, write_pool

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _pool_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = check_image(node, inputs[0])
    a = node.attributes
    if min(*a["kernel"], *a["stride"]) < 1 or min(a["padding"]) < 0:
        raise ConfigError(f"node {node.name}: kernel and stride must be at least 1, padding at least 0")
    if any(side >= size for side, size in zip(a["padding"], (*a["kernel"], *a["kernel"]), strict=True)):
        raise ConfigError(f"node {node.name}: padding {a['padding']} is not smaller than the kernel {a['kernel']}")
    return (channels, *slide_sizes((height, width), a))


def _pool_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Read and combine every number under the kernel."""
    _, values = raster(node.shape)
    count = values * math.prod(node.attributes["kernel"])
    return Work(operands=count, operations=max(1, count), activations=0, factors=None)


def _pool_attributes(settings: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Step by the kernel where no stride is given."""
    return {**settings, "stride": settings["kernel"] if settings["stride"] is None else settings["stride"]}


def _reduced(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    kept = ((1 if axis + 1 in axes else size) if keepdims else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(kept) if keepdims or axis + 1 not in axes)


def _mean_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return _reduced(inputs[0], node.attributes["axes"], node.attributes.get("keepdims", True))


def _global_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return _reduced(check_image(node, inputs[0]), (2, 3), node.attributes.get("keepdims", True))


def _mean(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Sum in double precision."""
    axes = tuple(node.attributes.get("axes", (2, 3)))
    keep = node.attributes.get("keepdims", True)
    y: np.ndarray = np.ascontiguousarray(inputs[0]).mean(axis=axes, keepdims=keep, dtype=np.float64)
    return y.astype(np.float32)


def _mean_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Read and add every number of the input once."""
    operands = count_operands(node, inputs)
    return Work(operands=operands, operations=max(1, operands), activations=0, factors=None)


def _even_padding(node: Node) -> tuple[int, int]:
    top, left, bottom, right = node.attributes["padding"]
    if (top, left) != (bottom, right):
        raise ConfigError(f"{node.name}: cannot train through a pool with uneven padding {node.attributes['padding']}")
    return top, left


def _max_pool_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    given, padding = node.attributes, _even_padding(node)
    dilation, ceil = given.get("dilation", (1, 1)), bool(given.get("ceil_mode", False))
    return torch.nn.functional.max_pool2d(inputs[0], given["kernel"], given["stride"], padding, dilation, ceil)


def _avg_pool_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    given, padding = node.attributes, _even_padding(node)
    ceil, counts = bool(given.get("ceil_mode", False)), bool(given.get("count_include_pad", False))
    return torch.nn.functional.avg_pool2d(inputs[0], given["kernel"], given["stride"], padding, ceil, counts)


def _mean_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    axes = tuple(node.attributes.get("axes", (2, 3)))
    return inputs[0].mean(dim=axes, keepdim=node.attributes.get("keepdims", True))


_SLIDING = {
    "kernel": Setting(default=REQUIRED, read=read_pair),
    "stride": Setting(default=None, read=read_pair),
    "padding": Setting(default=0, read=read_sides),
    "ceil_mode": Setting(default=False, read=read_flag),
}

RECORDS = (
    Kind(
        name="max_pool",
        inputs=ONE,
        shape=_pool_shape,
        sign=sign_of_inputs,
        run=lambda node, inputs: pool_max(inputs[0], node.attributes),
        torch=_max_pool_torch,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.POOL,
        work=_pool_work,
        reach=always(Reach.KERNEL),
        settings=_SLIDING,
        attributes=_pool_attributes,
        onnx_read={"MaxPool": read_pool("max_pool")},
        onnx_write=write_pool("MaxPool"),
    ),
    Kind(
        name="avg_pool",
        inputs=ONE,
        shape=_pool_shape,
        sign=sign_of_inputs,
        run=lambda node, inputs: pool_mean(inputs[0], node.attributes),
        torch=_avg_pool_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.POOL,
        work=_pool_work,
        reach=always(Reach.KERNEL),
        settings={**_SLIDING, "count_include_pad": Setting(default=True, read=read_flag)},
        attributes=_pool_attributes,
        onnx_read={"AveragePool": read_pool("avg_pool")},
        onnx_write=write_pool("AveragePool"),
    ),
    Kind(
        name="global_avg_pool",
        inputs=ONE,
        shape=_global_shape,
        sign=sign_of_inputs,
        run=_mean,
        torch=_mean_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.POOL,
        work=_mean_work,
        reach=always(Reach.OWN),
        settings={"keepdims": Setting(default=False, read=read_flag)},
        attributes=as_given,
        onnx_read={"GlobalAveragePool": read_global_pool},
        onnx_write=write_mean,
    ),
    Kind(
        name="mean",
        inputs=ONE,
        shape=_mean_shape,
        sign=sign_of_inputs,
        run=_mean,
        torch=_mean_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.POOL,
        work=_mean_work,
        reach=always(Reach.OWN),
        settings={
            "axes": Setting(default=REQUIRED, read=read_wholes),
            "keepdims": Setting(default=False, read=read_flag),
        },
        attributes=as_given,
        onnx_read={"ReduceMean": read_reduce_mean},
        onnx_write=write_mean,
    ),
)
