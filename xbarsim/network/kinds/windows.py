"""Windows laid out as vectors, and added back into images: what lets convolutions of any form be linear layers.

A convolution of three axes is a linear layer over unfolded windows. A transposed convolution is a linear layer over the
pixels of its input, whose results are added where they overlap: arrays see every input once, and none of the zeros that
a convolution over a stretched image would read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.record import (
    NO_LAYER,
    NOT_IN_YAML,
    NOT_READ,
    ONE,
    Codes,
    Kind,
    Reach,
    Shape,
    TimingClass,
    Work,
)
from xbarsim.network.kinds.rule import always, count_operands, no_work, raster, same_moments, sign_of_inputs
from xbarsim.network.kinds.setting import as_given
from xbarsim.network.onnx_writers import write_fold, write_unfold

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def count_windows(size: Sequence[int], a: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the number of windows along every axis.

    Parameters
    ----------
    size : sequence of int
        Sizes of an image along the axes of the kernel.
    a : mapping
        ``kernel``, ``stride``, ``dilation`` and ``padding`` (first all sides before, then all behind).

    Returns
    -------
    tuple of int
        Sizes of the result of a convolution.
    """
    axes = len(size)
    return tuple(
        (size[i] + a["padding"][i] + a["padding"][axes + i] - a["dilation"][i] * (a["kernel"][i] - 1) - 1)
        // a["stride"][i]
        + 1
        for i in range(axes)
    )


def _taps(counts: Sequence[int], a: Mapping[str, Any]) -> Iterator[tuple[slice, ...]]:
    """Yield, for each kernel position, where its windows lie in a padded image."""
    for place in itertools.product(*map(range, a["kernel"])):
        starts = [at * step for at, step in zip(place, a["dilation"], strict=True)]
        yield tuple(
            slice(start, start + (counts[axis] - 1) * a["stride"][axis] + 1, a["stride"][axis])
            for axis, start in enumerate(starts)
        )


def _unfold_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    channels, *size = inputs[0]
    if len(size) != len(node.attributes["kernel"]):
        raise ConfigError(
            f"node {node.name}: a kernel of {len(node.attributes['kernel'])} axes does not fit an input of shape "
            f"{inputs[0]}"
        )
    return math.prod(count_windows(size, node.attributes)), channels * math.prod(node.attributes["kernel"])


def _unfold(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    a, x = node.attributes, inputs[0]
    axes, counts = x.ndim - 2, count_windows(x.shape[2:], node.attributes)
    sides = [(a["padding"][i], a["padding"][axes + i]) for i in range(axes)]
    padded = np.pad(x, [(0, 0), (0, 0), *sides])
    parts = [padded[(slice(None), slice(None), *tap)].reshape(*x.shape[:2], -1) for tap in _taps(counts, a)]
    windows = np.stack(parts, axis=2)  # images, channels, kernel, windows
    return np.ascontiguousarray(windows.reshape(len(x), -1, windows.shape[-1]).transpose(0, 2, 1))


def _unfold_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    a, x = node.attributes, inputs[0]
    axes, counts = x.ndim - 2, count_windows(x.shape[2:], a)
    sides = [side for i in reversed(range(axes)) for side in (a["padding"][i], a["padding"][axes + i])]
    padded = torch.nn.functional.pad(x, sides)
    parts = [padded[(slice(None), slice(None), *tap)].reshape(*x.shape[:2], -1) for tap in _taps(counts, a)]
    windows = torch.stack(parts, dim=2)
    return windows.reshape(len(x), -1, windows.shape[-1]).transpose(1, 2)


def _fold_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    windows, numbers = inputs[0]
    channels, left = divmod(numbers, math.prod(node.attributes["kernel"]))
    if left or math.prod(node.attributes["windows"]) != windows:
        raise ConfigError(f"node {node.name}: {inputs[0]} is too small for the windows {node.attributes['windows']}")
    return (channels, *node.attributes["size"])


def _held(a: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the sizes that hold all windows and the result."""
    return tuple(
        max(
            (a["windows"][i] - 1) * a["stride"][i] + a["dilation"][i] * (a["kernel"][i] - 1) + 1, a["padding"][i] + size
        )
        for i, size in enumerate(a["size"])
    )


def _inner(a: Mapping[str, Any]) -> tuple[slice, ...]:
    """Return where the result lies in what is held."""
    sides = (slice(pad, pad + size) for pad, size in zip(a["padding"], a["size"], strict=True))
    return (slice(None), slice(None), *sides)


def _fold(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Add windows up in the order of kernel positions."""
    a, x, channels = node.attributes, inputs[0], node.shape[0]
    parts = x.transpose(0, 2, 1).reshape(len(x), channels, math.prod(a["kernel"]), *a["windows"])
    total = np.zeros((len(x), channels, *_held(a)), x.dtype)
    for place, tap in enumerate(_taps(a["windows"], a)):
        total[(slice(None), slice(None), *tap)] += parts[:, :, place]
    return np.ascontiguousarray(total[_inner(a)])


def _fold_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    a, x, channels = node.attributes, inputs[0], node.shape[0]
    parts = x.transpose(1, 2).reshape(len(x), channels, math.prod(a["kernel"]), *a["windows"])
    total = x.new_zeros((len(x), channels, *_held(a)))
    for place, tap in enumerate(_taps(a["windows"], a)):
        total[(slice(None), slice(None), *tap)] += parts[:, :, place]
    return total[_inner(a)]


def _fold_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Add all numbers but the first of every sum; where windows do not overlap there is nothing to add."""
    windows, _ = raster(node.shape)
    additions = max(0, math.prod(inputs[0]) - math.prod(node.shape))
    operations = max(1, -(-additions // windows))
    return Work(operands=max(1, count_operands(node, inputs)), operations=operations, activations=0, factors=None)


RECORDS = (
    Kind(
        name="unfold",
        inputs=ONE,
        shape=_unfold_shape,
        sign=sign_of_inputs,
        run=_unfold,
        torch=_unfold_torch,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=write_unfold,
    ),
    Kind(
        name="fold",
        inputs=ONE,
        shape=_fold_shape,
        sign=sign_of_inputs,
        run=_fold,
        torch=_fold_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.VECTOR,
        work=_fold_work,
        reach=always(Reach.ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=write_fold,
    ),
)
