"""What constants are for one image, where a file fixes a batch or makes them from the size of the batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from xbarsim.network.onnx_layers import Mixing, Operator
from xbarsim.network.onnx_value import BROADCASTS, SHAPE_INPUTS, GraphValue, is_same, settle_constant

RECURRENT = ("LSTM", "GRU", "RNN")
RECURRENT_AXES: Mapping[int, int] = {4: 0, 5: 1, 6: 1}
"""Input of a recurrent operator (lengths, states) -> its axis of images."""


def fit_constants(
    operator: Operator,
    computed: Mapping[str, GraphValue],
    given: Mapping[str, np.ndarray],
    wide: Mapping[str, np.ndarray],
    times: int,
    is_fixed: bool,
) -> dict[str, np.ndarray]:
    """Return the constants of an operator that are others for a batch of one than those at hand.

    Parameters
    ----------
    operator : Operator
        Reads the constants.
    computed : mapping
        Its computed inputs.
    given : mapping
        Its constant inputs: for a batch of one, or for the batch that the file fixes.
    wide : mapping
        Those that differ for the second batch size.
    times : int
        The second batch size.
    is_fixed : bool
        Whether the file fixes it.

    Returns
    -------
    dict
        Name -> value for a batch of one.

    Raises
    ------
    Mixing
        If a value depends on the number of images, or on the place of an image in its batch.
    """
    sizes = {name for i, name in enumerate(operator.inputs) if i in SHAPE_INPUTS.get(operator.kind, ())}
    places = _batch_places(operator, computed, given)
    if not is_fixed:
        for name, more in wide.items():
            if name == places:
                if _own_places(given[name], more, computed[operator.inputs[0]], times) is None:
                    raise Mixing(f"its indices {name[:60]} pick entries of other images of a batch")
            elif name not in sizes and settle_constant(given[name], more, times) is None:
                raise Mixing(f"its operand {name[:60]} depends on the number of images in a batch")
        return {}
    batched = [each for each in computed.values() if each.batch is not None]
    if times == 1 or not batched:
        return {}
    fitted = {}
    for name, value in given.items():
        if name in sizes:
            fit = _fit_sizes(operator, batched[0], value, times)
        elif name == places:
            own = _own_places(None, value, computed[operator.inputs[0]], times)
            fit = value if own is None else own
        else:
            fit = _fit_values(operator, batched, name, value, times)
        if fit is not value:
            fitted[name] = fit
    return fitted


def _batch_places(
    operator: Operator, computed: Mapping[str, GraphValue], given: Mapping[str, np.ndarray]
) -> str | None:
    """Return the constant indices of a Gather along the axis that holds the images, None for other operators."""
    if operator.kind != "Gather" or operator.inputs[0] not in computed or operator.inputs[1] not in given:
        return None
    tensor = computed[operator.inputs[0]]
    axis = operator.attributes.get("axis", 0) % max(1, len(tensor.shape))
    return operator.inputs[1] if axis == tensor.batch and tensor.inside == 1 else None


def _own_places(one: np.ndarray | None, more: np.ndarray, tensor: GraphValue, times: int) -> np.ndarray | None:
    """Return indices within one image, None where those of some image point into another or differ from the first's."""
    assert tensor.batch is not None
    size = tensor.shape[tensor.batch]
    for axis in range(more.ndim):
        if more.shape[axis] % times or (one is not None and one.shape[axis : axis + 1] == more.shape[axis : axis + 1]):
            continue
        first, *others = np.split(more, times, axis=axis)
        fits = first.size and first.min() >= 0 and first.max() < size and (one is None or np.array_equal(one, first))
        if fits and all(np.array_equal(first + place * size, part) for place, part in enumerate(others, 1)):
            return first
    return None


def _fit_sizes(operator: Operator, tensor: GraphValue, sizes: np.ndarray, times: int) -> np.ndarray:
    """Return the target of a reshape or the like for one image."""
    if sizes.ndim != 1 or sizes.dtype.kind != "i" or operator.kind not in ("Reshape", "Expand", "Resize"):
        return sizes
    fitted = sizes.copy()
    assert tensor.batch is not None
    if operator.kind == "Reshape":
        axis = _target_axis(tensor, [int(size) for size in sizes], times)
    else:
        axis = len(sizes) - len(tensor.shape) + tensor.batch
    if axis is not None and 0 <= axis < len(sizes) and sizes[axis] > 0 and sizes[axis] % times == 0:
        fitted[axis] = sizes[axis] // times
        return fitted
    return sizes


def _target_axis(tensor: GraphValue, sizes: list[int], times: int) -> int | None:
    """Return the axis of a reshape's target that holds the images, None where it is inferred or kept."""
    full = [tensor.wide[axis] if size == 0 and axis < len(tensor.wide) else size for axis, size in enumerate(sizes)]
    if -1 in full:
        free = full.index(-1)
        full[free] = math.prod(tensor.wide) // max(1, math.prod(size for size in full if size != -1))
    before = 1
    for axis, size in enumerate(full):
        inside, left = divmod(tensor.before, before)
        if not left and inside and size % (inside * times) == 0:
            return axis
        before *= size
    return None


def _fit_values(operator: Operator, batched: list[GraphValue], name: str, value: np.ndarray, times: int) -> np.ndarray:
    """Return one image's part of a constant that repeats it for every image of a fixed batch."""
    if operator.kind in RECURRENT:
        return _split_equal(name, value, RECURRENT_AXES.get(operator.inputs.index(name)), times)
    if operator.kind not in BROADCASTS and operator.kind not in ("Concat", "Gemm", "MatMul"):
        return value
    rank = max(len(each.shape) for each in batched)
    axis = batched[0].batch
    assert axis is not None
    axis += value.ndim - (rank if operator.kind != "MatMul" or value.ndim > 2 else 99)
    axis += rank - len(batched[0].shape)
    if operator.kind == "Gemm" and operator.inputs.index(name) != 2:
        return value
    return _split_equal(name, value, axis, times)


def _split_equal(name: str, value: np.ndarray, axis: int | None, times: int) -> np.ndarray:
    """Return one image's part of a constant that holds a part for each along an axis, else the constant."""
    if axis is None or not 0 <= axis < value.ndim or value.shape[axis] != times:
        return value
    parts = np.split(value, times, axis=axis)
    if any(not is_same(part, parts[0]) for part in parts):
        raise Mixing(f"its operand {name[:60]} differs by the place of an image in its batch of {times}")
    return parts[0]
