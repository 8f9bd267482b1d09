"""Normalisation: a factor and an offset by channel, softmax, layer normalisation.

Softmax and layer normalisation go over a vector several times: each result depends on sums over all of it. They are
steps of their own on the vector unit. Every pass counts one operation a number (a comparison, sum, product, quotient or
function value each), a sum or a largest value of n numbers n - 1. Neglected: the larger cost of quotients, exponentials
and roots, and reading the vector anew for every pass: it stays in the unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.record import (
    NO_LAYER,
    NOT_IN_YAML,
    ONE,
    Codes,
    Kind,
    Reach,
    Setting,
    Shape,
    TimingClass,
    Work,
    WorkRule,
)
from xbarsim.network.kinds.rule import (
    always,
    count_operands,
    never_negative,
    one_activation,
    raster,
    rectified_moments,
    same_moments,
    same_shape,
    unknown_sign,
)
from xbarsim.network.kinds.setting import as_given, count_axis, read_real, read_whole
from xbarsim.network.onnx_layers import read_batch_norm
from xbarsim.network.onnx_operators import read_layer_norm, read_peak, read_softmax
from xbarsim.network.onnx_writers import write_layer_norm, write_peak, write_scale, write_softmax

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _scale_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    for field in (node.weight, node.bias):
        if field is not None and field.shape != (inputs[0][0],):
            raise ConfigError(
                f"node {node.name}: a scale of shape {field.shape} does not fit an input of shape {inputs[0]}"
            )
    return inputs[0]


def _scale_sign(node: Node, inputs: Sequence[bool]) -> bool:
    fields = [field for field in (node.weight, node.bias) if field is not None]
    return all(inputs) and node.weight is not None and all(bool(np.all(field >= 0)) for field in fields)


def _scale(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    shape = (-1,) + (1,) * (inputs[0].ndim - 2)
    y = inputs[0] if node.weight is None else inputs[0] * node.weight.reshape(shape)
    return y if node.bias is None else np.add(y, node.bias.reshape(shape))


def _softmax(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Sum in double precision."""
    x = np.moveaxis(inputs[0], node.attributes.get("axis", 1), -1)
    powers = np.exp(np.ascontiguousarray(x - x.max(axis=-1, keepdims=True)))
    shares = powers / powers.sum(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.moveaxis(shares, -1, node.attributes.get("axis", 1))


def _layer_norm(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    axes = tuple(range(node.attributes["axis"], x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + node.attributes["epsilon"])
    y = y if node.weight is None else y * node.weight
    return np.asarray(y if node.bias is None else y + node.bias).astype(np.float32)


def _peak_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return (*inputs[0][:-1], 1)


def _peak(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the largest magnitude of every vector; of zeros the smallest number that divides them to zeros."""
    largest = np.abs(inputs[0]).max(axis=-1, keepdims=True)
    y: np.ndarray = np.maximum(largest, np.finfo(np.float32).tiny)
    return y


def _peak_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    return inputs[0].abs().amax(dim=-1, keepdim=True).clamp(min=float(np.finfo(np.float32).tiny))


def _peak_count(size: int) -> int:
    """Count magnitudes (n) and the largest of them (n - 1)."""
    return 2 * size - 1


def _scale_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    shape = (-1,) + (1,) * (inputs[0].ndim - 2)
    y = inputs[0]
    if node.weight is not None:
        y = y * torch.tensor(node.weight, device=y.device).reshape(shape)
    return y if node.bias is None else y + torch.tensor(node.bias, device=y.device).reshape(shape)


def _layer_norm_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    weight, bias = (None if part is None else torch.tensor(part) for part in (node.weight, node.bias))
    axes = x.shape[node.attributes["axis"] :]
    return torch.nn.functional.layer_norm(x, axes, weight, bias, node.attributes["epsilon"])


Axes = Callable[["Node", Shape], tuple[int, ...]]


def _softmax_axes(node: Node, shape: Shape) -> tuple[int, ...]:
    return (node.attributes.get("axis", 1),)


def _last_axis(node: Node, shape: Shape) -> tuple[int, ...]:
    return (len(shape),)


def _layer_norm_axes(node: Node, shape: Shape) -> tuple[int, ...]:
    return tuple(range(node.attributes["axis"], len(shape) + 1))


def _vector_work(axes: Axes, count: Callable[[int], int]) -> WorkRule:
    """Return the work of one window when a vector along ``axes`` of n numbers takes ``count(n)`` operations."""

    def work(node: Node, inputs: Sequence[Shape]) -> Work:
        size = math.prod(inputs[0][axis - 1] for axis in axes(node, inputs[0]))
        total = math.prod(inputs[0]) // size * count(size)
        windows, _ = raster(node.shape)
        return Work(
            operands=count_operands(node, inputs), operations=max(1, -(-total // windows)), activations=0, factors=None
        )

    return work


def _vector_reach(axes: Axes) -> Callable[[Node, Sequence[Shape]], Reach]:
    """Return the rule that a window is enough where its numbers are the vector, and a row where the row is."""

    def reach(node: Node, inputs: Sequence[Shape]) -> Reach:
        own = 1 if len(inputs[0]) == 3 else len(inputs[0])
        along = axes(node, inputs[0])
        return Reach.OWN if along == (own,) else Reach.ROW if along == (len(inputs[0]),) else Reach.ALL

    return reach


def _softmax_count(size: int) -> int:
    """Count the largest value (n - 1), differences (n), exponentials (n), their sum (n - 1) and quotients (n)."""
    return 5 * size - 2


def _layer_norm_count(size: int) -> int:
    """Count the operations of a vector of n numbers.

    Mean: n - 1 sums, 1 quotient; differences n; squares n; their mean: n - 1 sums, 1 quotient; offset, root and
    reciprocal 3; products with the reciprocal n; gains n; offsets n. Gains and offsets count whether the node carries
    them or not, because a network of shapes carries none.
    """
    return 7 * size + 3


RECORDS = (
    Kind(
        name="scale",
        inputs=ONE,
        shape=_scale_shape,
        sign=_scale_sign,
        run=_scale,
        torch=_scale_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VALUES,
        work=one_activation,
        reach=always(Reach.OWN),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read={"BatchNormalization": read_batch_norm},
        onnx_write=write_scale,
    ),
    Kind(
        name="softmax",
        inputs=ONE,
        shape=same_shape,
        sign=never_negative,
        run=_softmax,
        torch=lambda torch, node, inputs: inputs[0].softmax(dim=node.attributes.get("axis", 1)),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VECTOR,
        work=_vector_work(_softmax_axes, _softmax_count),
        reach=_vector_reach(_softmax_axes),
        settings={"axis": Setting(default=1, read=read_whole)},
        attributes=count_axis,
        onnx_read={"Softmax": read_softmax},
        onnx_write=write_softmax,
    ),
    Kind(
        name="peak",
        inputs=ONE,
        shape=_peak_shape,
        sign=never_negative,
        run=_peak,
        torch=_peak_torch,
        codes=Codes.LOSES,
        moments=rectified_moments,
        layer=NO_LAYER,
        timing=TimingClass.VECTOR,
        work=_vector_work(_last_axis, _peak_count),
        reach=_vector_reach(_last_axis),
        settings={},
        attributes=as_given,
        onnx_read={"Peak": read_peak},
        onnx_write=write_peak,
    ),
    Kind(
        name="layer_norm",
        inputs=ONE,
        shape=same_shape,
        sign=unknown_sign,
        run=_layer_norm,
        torch=_layer_norm_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VECTOR,
        work=_vector_work(_layer_norm_axes, _layer_norm_count),
        reach=_vector_reach(_layer_norm_axes),
        settings={"axis": Setting(default=-1, read=read_whole), "epsilon": Setting(default=1e-5, read=read_real)},
        attributes=count_axis,
        onnx_read={"LayerNormalization": read_layer_norm},
        onnx_write=write_layer_norm,
    ),
)
