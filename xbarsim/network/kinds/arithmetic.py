"""Arithmetic on two or more activations, and with constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.record import (
    MANY,
    NO_LAYER,
    TWO,
    Codes,
    Factors,
    Kind,
    Moments,
    Operation,
    Reach,
    Shape,
    TimingClass,
    TorchOperation,
    Work,
)
from xbarsim.network.kinds.rule import (
    always,
    count_operands,
    one_activation,
    raster,
    same_moments,
    show_shapes,
    sign_of_inputs,
    unknown_sign,
)
from xbarsim.network.kinds.setting import as_given
from xbarsim.network.onnx_einsum import read_einsum
from xbarsim.network.onnx_layers import read_matmul
from xbarsim.network.onnx_operators import read_binary
from xbarsim.network.onnx_writers import write_binary, write_simple

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _broadcast(node: Node, inputs: Sequence[Shape]) -> Shape:
    shapes = [(1, *shape) for shape in inputs]
    if "constant" in node.attributes:
        shapes.append(tuple(node.attributes["constant"].shape))
    rank = max(map(len, shapes))
    shape = []
    for sizes in zip(*((1,) * (rank - len(each)) + tuple(each) for each in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ConfigError(
                f"node {node.name}: {node.kind} has inputs of shapes {show_shapes(inputs)}, which do not match"
            )
        shape.append(max(sizes))
    if shape[0] != 1 or rank > max(len(each) + 1 for each in inputs):
        raise ConfigError(
            f"node {node.name}: {node.kind} has a constant with a batch axis; it must be the same for all images"
        )
    return tuple(shape[1:])


def _binary(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Operation:
    def run(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
        constant = node.attributes.get("constant")
        if constant is not None:
            first, second = (constant, inputs[0]) if node.attributes.get("reverse") else (inputs[0], constant)
            return function(first, second)
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return run


def _binary_sign(node: Node, inputs: Sequence[bool]) -> bool:
    return all(inputs) and bool(np.all(node.attributes.get("constant", np.zeros(1)) >= 0))


def _binary_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Combine operands pairwise: one operation less than operands a value, whether an operand has a number for each
    value or serves several. With a constant, change single values.
    """
    if len(inputs) == 1:
        return one_activation(node, inputs)
    _, values = raster(node.shape)
    operations = values * (len(inputs) - 1)
    return Work(operands=count_operands(node, inputs), operations=max(1, operations), activations=0, factors=None)


def _added_moments(inputs: Sequence[Moments]) -> Moments:
    return math.fsum(mean for mean, _ in inputs), math.fsum(variance for _, variance in inputs)


def _multiplied_moments(inputs: Sequence[Moments]) -> Moments:
    if len(inputs) == 1:
        return inputs[0]
    (mean, variance), (other, spread) = inputs[:2]
    return mean * other, (mean**2 + variance) * (other**2 + spread) - (mean * other) ** 2


def multiply_shapes(node: Node, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of a product of two stacks of matrices; ConfigError where they do not fit."""
    first, second = inputs
    if len(first) < 2 or len(first) != len(second) or first[:-2] != second[:-2] or first[-1] != second[-2]:
        raise ConfigError(f"node {node.name}: matmul cannot multiply shapes {first} and {second}")
    return (*first[:-1], second[-1])


def multiply_matrices(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply two stacks of matrices.

    Parameters
    ----------
    node : Node
        The product.
    inputs : sequence of ndarray
        Matrices (..., M, K) and (..., K, N) [-].

    Returns
    -------
    ndarray, (..., M, N)
        Products [-].
    """
    y: np.ndarray = np.matmul(np.ascontiguousarray(inputs[0]), np.ascontiguousarray(inputs[1]))
    return y


def _matmul_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Multiply and add along the inner axis for every value."""
    _, values = raster(node.shape)
    first, second = inputs
    stacks, operations = math.prod(first[:-2]), values * first[-1]
    factors = Factors(stacks=stacks, rows=first[-2], inner=first[-1], cols=second[-1])
    return Work(
        operands=count_operands(node, inputs), operations=max(1, operations), activations=0, factors=factors
    )  # fmt: skip


def _binary_torch(name: str) -> TorchOperation:
    def run(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
        function, constant = getattr(torch, name), node.attributes.get("constant")
        if constant is not None:
            other = torch.as_tensor(np.array(constant), device=inputs[0].device)
            pair = (other, inputs[0]) if node.attributes.get("reverse") else (inputs[0], other)
            return function(*pair)
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return run


RECORDS = (
    Kind(
        name="add",
        inputs=MANY,
        shape=_broadcast,
        sign=_binary_sign,
        run=_binary(np.add),
        torch=_binary_torch("add"),
        codes=Codes.LOSES,
        moments=_added_moments,
        layer=NO_LAYER,
        timing=TimingClass.BINARY,
        work=_binary_work,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Add": read_binary("add"), "Sum": read_binary("add")},
        onnx_write=write_binary("Add"),
    ),
    Kind(
        name="sub",
        inputs=MANY,
        shape=_broadcast,
        sign=unknown_sign,
        run=_binary(np.subtract),
        torch=_binary_torch("sub"),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.BINARY,
        work=_binary_work,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Sub": read_binary("sub")},
        onnx_write=write_binary("Sub"),
    ),
    Kind(
        name="mul",
        inputs=MANY,
        shape=_broadcast,
        sign=_binary_sign,
        run=_binary(np.multiply),
        torch=_binary_torch("mul"),
        codes=Codes.LOSES,
        moments=_multiplied_moments,
        layer=NO_LAYER,
        timing=TimingClass.BINARY,
        work=_binary_work,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Mul": read_binary("mul")},
        onnx_write=write_binary("Mul"),
    ),
    Kind(
        name="div",
        inputs=MANY,
        shape=_broadcast,
        sign=_binary_sign,
        run=_binary(np.divide),
        torch=_binary_torch("div"),
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.BINARY,
        work=_binary_work,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Div": read_binary("div")},
        onnx_write=write_binary("Div"),
    ),
    Kind(
        name="matmul",
        inputs=TWO,
        shape=multiply_shapes,
        sign=sign_of_inputs,
        run=multiply_matrices,
        torch=lambda torch, node, inputs: inputs[0] @ inputs[1],
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.PRODUCT,
        work=_matmul_work,
        reach=always(Reach.ROW_AND_ALL),
        settings={},
        attributes=as_given,
        onnx_read={"MatMul": read_matmul, "Einsum": read_einsum},
        onnx_write=write_simple("MatMul"),
    ),
)
