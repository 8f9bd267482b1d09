"""ONNX's Einsum as a weight layer, where an operand is constant, or as a product of two activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xbarsim.network.onnx_layers import Operator, Unsupported, weight_grid

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader

SPARE = "0123456789"
"""Names of the axes that ``...`` stands for, the last one first."""


def parse_equation(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Return the axes of every operand and of the result, one character each.

    Parameters
    ----------
    equation : str
        Of an Einsum, with ``...`` and without a result perhaps.
    ranks : sequence of int
        Axes of each operand.

    Returns
    -------
    operands : list of str
        One for each operand.
    result : str
        Axes of the result.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    more = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    spread = [SPARE[:count][::-1] for count in more]
    if any(count < 0 or (count and "..." not in term) for term, count in zip(terms, more, strict=True)):
        raise Unsupported("operands of other axes than its equation has")
    terms = [term.replace("...", axes) for term, axes in zip(terms, spread, strict=True)]
    widest = max(spread, key=len)
    if not arrow:
        joined = "".join(terms)
        once = sorted(axis for axis in set(joined) - set(SPARE) if joined.count(axis) == 1)
        return terms, widest + "".join(once)
    return terms, result.replace("...", widest)


def count_products(equation: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the products of numbers that an Einsum adds up, those of equal axes multiplied once.

    Parameters
    ----------
    equation : str
        Its equation.
    shapes : sequence of tuple of int
        Shapes of its operands.
    """
    terms, _ = parse_equation(equation, [len(shape) for shape in shapes])
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for axis, size in zip(term, shape, strict=True):
            sizes[axis] = max(size, sizes.get(axis, 1))
    return math.prod(sizes.values())


class Axes(NamedTuple):
    """Axes of two operands by their part in the product, one character each."""

    shared: str
    """In both operands and the result."""
    kept: str
    """In the first operand and the result."""
    summed: str
    """In both operands."""
    new: str
    """In the second operand and the result."""


def divide_axes(x: str, y: str, result: str) -> Axes:
    """Divide the axes of two operands by where they occur; Unsupported where one occurs in a single place, or twice."""
    found = Axes(
        shared="".join(axis for axis in x if axis in y and axis in result),
        kept="".join(axis for axis in x if axis not in y),
        summed="".join(axis for axis in y if axis in x and axis not in result),
        new="".join(axis for axis in y if axis not in x),
    )
    if any(len(set(term)) < len(term) for term in (x, y, result)):
        raise Unsupported("an axis twice")
    if not found.summed or sorted(result) != sorted(found.shared + found.kept + found.new):
        raise Unsupported("sums over axes of one operand, or none")
    return found


def read_einsum(graph: GraphReader, op: Operator) -> None:
    """Read an Einsum of two operands, as a linear layer where one is constant; images are the first axis."""
    fixed = [graph.is_constant(name) for name in op.inputs]
    shapes = [
        graph.required(op, place).shape if is_fixed else (1, *graph.shape(op.inputs[place]))
        for place, is_fixed in enumerate(fixed)
    ]
    terms, result = parse_equation(op.attributes["equation"], [len(shape) for shape in shapes])
    if len(terms) != 2:
        raise Unsupported("other than two operands")
    first, second = (1, 0) if fixed[0] else (0, 1)
    x, y = terms[first], terms[second]
    axes = divide_axes(x, y, result)
    sizes = dict(zip(x, shapes[first], strict=True)) | dict(zip(y, shapes[second], strict=True))
    if tuple(map(sizes.get, x)) != shapes[first] or result[0] != x[0]:
        raise Unsupported("axes that are repeated to fit, or a result that does not begin with images")

    def shape(*groups: str) -> tuple[int, ...]:
        """Shape of a value in which each group of axes is one."""
        return tuple(math.prod(sizes[axis] for axis in group) for group in groups)

    values, other = op.inputs[first], op.inputs[second]
    moved = graph.transposed(op, values, find_order(x, axes.shared + axes.kept + axes.summed))
    if any(fixed):
        if axes.shared:
            raise Unsupported("weights that differ along an axis of the values")
        if other in graph.grids and len(axes.new) != 1:
            raise Unsupported("weights in codes with several axes of outputs")
        weight = graph.required(op, second).transpose(find_order(y, axes.new + axes.summed))
        outputs, inputs = shape(axes.new, axes.summed)
        vectors = graph.reshaped(op, moved, shape(*axes.kept[1:], axes.summed))
        attributes = {
            "in_features": inputs, "out_features": outputs,
            **(weight_grid(graph, other, y.index(axes.new)) if other in graph.grids else {}),
        }  # fmt: skip
        weight = np.ascontiguousarray(weight.reshape(outputs, inputs))
        graph.add(op, "linear", [vectors], attributes, name=graph.layer_name(op, other), weight=weight)
    else:
        if axes.shared[:1] != x[0] or y[0] != x[0]:
            raise Unsupported("operands that are not of the same images")
        stack = [axes.shared[1:]] if axes.shared[1:] else []
        turned = graph.transposed(op, other, find_order(y, axes.shared + axes.summed + axes.new))
        left = graph.reshaped(op, moved, shape(*stack, axes.kept, axes.summed))
        right = graph.reshaped(op, turned, shape(*stack, axes.summed, axes.new))
        graph.add(op, "matmul", [left, right])
    made = axes.shared + axes.kept + axes.new
    whole = graph.reshaped(op, op.outputs[0], shape(*made[1:]))
    if made != result:
        graph.add(op, "transpose", [whole], {"order": find_order(made, result)}, name=f"{op.name}_transpose")


def find_order(axes: str, wanted: str) -> tuple[int, ...]:
    """Return the axes in their wanted order, as ``transpose`` takes them."""
    return tuple(map(axes.index, wanted))
