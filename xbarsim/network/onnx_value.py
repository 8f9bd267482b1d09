"""What is known of the tensors of an ONNX graph: element type, shape for one image, where the images of a batch lie.

Every shape is worked out twice: for a batch of one image, which is what the network computes, and for a second size of
the batch (two, or what the file fixes). Where the two differ lies the batch. No number stands for an unknown size.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.network.onnx_layers import Mixing, Operator, Unsupported

FLOATS = (1, 10, 11, 16)
"""Element types float, float16, double and bfloat16: all are computed in float32."""

SHAPE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "Reshape": (1,), "Expand": (1,), "Slice": (1, 2, 3, 4), "Tile": (1,), "Resize": (2, 3), "Split": (1,),
    "Upsample": (1,), "Pad": (1, 3), "Squeeze": (1,), "Unsqueeze": (1,), "CenterCropPad": (1,), "TopK": (1,),
}  # fmt: skip
"""ONNX operator -> its inputs that say sizes, not values."""

ALONG: Mapping[str, int | None] = {
    "Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "CumSum": None, "LayerNormalization": -1, "TopK": -1,
    "Concat": None,
    "ArgMax": 0, "ArgMin": 0, "Gather": 0, "GatherElements": 0, "ScatterElements": 0, "LpNormalization": -1,
}  # fmt: skip
"""ONNX operator that mixes entries along its attribute ``axis`` -> the default of that attribute."""

BROADCASTS = {
    "Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min", "Mean", "Where", "And", "Or", "Xor", "Equal", "Greater",
    "Less", "GreaterOrEqual", "LessOrEqual", "Mod", "BitShift", "PRelu", "BitwiseAnd", "BitwiseOr",
}  # fmt: skip

ROUNDING = 64 * float(np.finfo(np.float32).eps)
"""Relative difference of float32 sums of some thousand terms in two orders."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphValue:
    """A computed tensor of the graph."""

    kind: int
    """ONNX element type; float stands for every float type."""
    shape: tuple[int, ...]
    """Shape for one image, every axis of the file's tensor."""
    wide: tuple[int, ...]
    """Shape for the second batch size."""
    inside: int = 1
    """Entries of the batch axis that go before the images of the batch: 1 where images come first in it."""

    @property
    def batch(self) -> int | None:
        """Axis that holds the images of a batch, None where none does or the file fixes a batch of one."""
        found = [axis for axis, (one, more) in enumerate(zip(self.shape, self.wide, strict=True)) if one != more]
        return found[0] if found else None

    @property
    def dropped(self) -> int | None:
        """Axis of size one that the network leaves out, None where it leaves out none."""
        if self.shape == self.wide:
            return 0 if self.shape[:1] == (1,) else None
        axis = self.batch
        return axis if axis is not None and self.shape[axis] == 1 else None

    @property
    def value_shape(self) -> tuple[int, ...]:
        """Shape of the network's value, images apart; a scalar has one entry."""
        gone = self.dropped
        kept = tuple(size for axis, size in enumerate(self.shape) if axis != gone)
        return kept or (1,)

    @property
    def before(self) -> int:
        """Numbers of one image that lie before the first image's own, in the order of memory."""
        axis = self.batch
        return 1 if axis is None else math.prod(self.shape[:axis]) * self.inside

    def axis(self, axis: int) -> int:
        """Return the axis of the network's value, images counted as axis 0, for an axis of the file's tensor.

        Parameters
        ----------
        axis : int
            Axis of the file's tensor, from either end.

        Returns
        -------
        int
            Axis of the value; Unsupported where it is the one left out.
        """
        axis %= max(len(self.shape), 1)
        gone = self.dropped
        if axis == gone:
            raise Unsupported("over the batch")
        return axis + 1 - (gone is not None and axis > gone)


def find_batch(shape: Sequence[int], wide: Sequence[int], times: int) -> int | None:
    """Return the axis that grows with the batch; Mixing where more than one does, or one grows in another way."""
    if len(shape) != len(wide):
        raise Mixing("the number of axes depends on the number of images")
    grown = [axis for axis, (one, more) in enumerate(zip(shape, wide, strict=True)) if one != more]
    if len(grown) > 1 or any(wide[axis] != shape[axis] * times for axis in grown):
        raise Mixing("its result grows with the batch along no single axis")
    return grown[0] if grown else None


def place_output(
    operator: Operator, inputs: Mapping[str, GraphValue], kind: int, shape: Any, wide: Any, times: int
) -> GraphValue:
    """Describe an output of an operator, and refuse what mixes the images of a batch.

    Parameters
    ----------
    operator : Operator
        What computes it.
    inputs : mapping
        Its computed inputs by name.
    kind : int
        Element type of the output.
    shape, wide : sequence of int
        Shape of the output for one image and for the second batch size.
    times : int
        The second batch size.

    Returns
    -------
    GraphValue
    """
    plain = GraphValue(kind=kind, shape=tuple(shape), wide=tuple(wide))
    sources = [each for each in inputs.values() if each.batch is not None]
    if times == 1 or not sources:
        return plain
    if operator.kind == "DynamicQuantizeLinear":
        raise Mixing("its range covers all images of a batch")
    axis = find_batch(shape, wide, times)
    if axis is None:
        raise Mixing("its result is one for all images of a batch")
    if operator.kind != "Gather" or operator.inputs[1] in inputs:  # of constant indices `onnx_batch` knows more
        _check_axes(operator, inputs.get(operator.inputs[0]))
    before, inside = math.prod(shape[:axis]), 1
    if operator.kind in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        inside, left = divmod(sources[0].before, before)
        if left or not inside or shape[axis] % inside:
            raise Mixing(f"a reshape of {sources[0].wide} to {tuple(wide)} that tears images apart")
    elif any(each.inside > 1 for each in sources):
        inside = max(each.inside for each in sources)
    if operator.kind in BROADCASTS:
        _check_broadcast(sources, len(shape), axis)
    return dataclasses.replace(plain, inside=inside)


def _check_axes(operator: Operator, first: GraphValue | None) -> None:
    if first is None:
        return
    if operator.kind in ("LSTM", "GRU", "RNN") and first.batch != 1 - operator.attributes.get("layout", 0):
        raise Mixing("its steps are the images of the batch")
    if operator.kind in ALONG:
        axis = operator.attributes.get("axis", ALONG[operator.kind])
        if axis is not None and axis % len(first.shape) == first.batch:
            raise Mixing("it operates along the batch")


def _check_broadcast(sources: Sequence[GraphValue], rank: int, axis: int) -> None:
    for each in sources:
        assert each.batch is not None
        if rank - len(each.shape) + each.batch != axis:
            raise Mixing("the batches of its operands lie along different axes")


def fold_float(values: np.ndarray) -> np.ndarray:
    """Return float16, double and bfloat16 values as float32, all others as they are.

    Parameters
    ----------
    values : ndarray, any shape
        A constant.

    Returns
    -------
    ndarray, shape of ``values``
        The constant as the network holds it.
    """
    floating = values.dtype.kind == "f" or values.dtype.name == "bfloat16"
    return values.astype(np.float32) if floating and values.dtype != np.float32 else values


def settle_constant(one: np.ndarray, more: np.ndarray, times: int) -> np.ndarray | None:
    """Return a constant that is the same for every image, None where it depends on the number of images.

    Parameters
    ----------
    one, more : ndarray, any shape
        Its values for a batch of one and for the second batch size.
    times : int
        The second batch size.

    Returns
    -------
    ndarray or None
        ``one``, where ``more`` repeats it for every image.
    """
    if one.shape == more.shape:
        return one if is_same(one, more) else None
    if one.ndim != more.ndim:
        return None
    grown = [axis for axis in range(one.ndim) if one.shape[axis] != more.shape[axis]]
    if len(grown) != 1 or more.shape[grown[0]] != one.shape[grown[0]] * times:
        return None
    return one if is_same(np.concatenate([one] * times, axis=grown[0]), more) else None


def is_same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two constants are equal but for rounding: a product of matrices rounds differently for another batch.

    Parameters
    ----------
    first, second : ndarray, any shape
        The constants.

    Returns
    -------
    bool
        Whether shapes are equal and values differ by at most :data:`ROUNDING` of the largest; codes not at all.
    """
    if first.shape != second.shape or np.array_equal(first, second):
        return first.shape == second.shape
    if first.dtype != np.float32 or second.dtype != np.float32:
        return False
    return bool(np.allclose(first, second, rtol=0, atol=ROUNDING * float(np.abs(first).max()), equal_nan=True))
