"""Rules that several kinds share: shapes, signs, moments, work and reach."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.record import Moments, Operation, Reach, ReachRule, Shape, TorchOperation, Work

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

NO_WORK = Work(operands=0, operations=0, activations=0, factors=None)


# ---- shapes


def same_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the first input."""
    return inputs[0]


def check_image(node: Node, shape: Shape) -> Shape:
    """Return a shape of three axes; ConfigError names the node of any other."""
    if len(shape) != 3:
        raise ConfigError(f"node {node.name}: {node.kind} needs (channels, height, width), not {shape}")
    return shape


def show_shapes(inputs: Sequence[Shape]) -> str:
    """Return shapes as text for messages."""
    return ", ".join(str(shape) for shape in inputs)


def raster(shape: Shape) -> tuple[int, int]:
    """Return windows and numbers of each for the shape of a value.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W): H W windows of C numbers; (..., F): windows of F numbers.

    Returns
    -------
    tuple of int
        Windows, and numbers of one window.
    """
    if len(shape) == 3:
        return shape[1] * shape[2], shape[0]
    return math.prod(shape[:-1]), shape[-1] if shape else 1


# ---- signs


def never_negative(node: Node, inputs: Sequence[bool]) -> bool:
    """Say that an output is never negative."""
    return True


def unknown_sign(node: Node, inputs: Sequence[bool]) -> bool:
    """Say that an output may be negative."""
    return False


def sign_of_inputs(node: Node, inputs: Sequence[bool]) -> bool:
    """Say that an output is never negative where no input is."""
    return all(inputs)


# ---- moments


def same_moments(inputs: Sequence[Moments]) -> Moments:
    """Return mean and variance of the first input."""
    return inputs[0]


def rectified_moments(inputs: Sequence[Moments]) -> Moments:
    """Return mean and variance of max(x, 0) for a normal x."""
    mean, variance = inputs[0]
    deviation = math.sqrt(variance)
    share = 0.5 * (1.0 + math.erf(mean / deviation / math.sqrt(2.0)))
    density = math.exp(-0.5 * mean**2 / variance) / math.sqrt(2.0 * math.pi)
    first = mean * share + deviation * density
    return first, (mean**2 + variance) * share + mean * deviation * density - first**2


def logistic_moments(inputs: Sequence[Moments]) -> Moments:
    """Return mean and variance of a value between 0 and 1."""
    return 0.5, 0.05


# ---- work of one window


def no_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Count nothing: values only move, or arrays do the work, which the mapping counts."""
    return NO_WORK


def one_activation(node: Node, inputs: Sequence[Shape]) -> Work:
    """Count one operation of the activation unit for every value."""
    return Work(operands=0, operations=0, activations=1, factors=None)


def count_operands(node: Node, inputs: Sequence[Shape]) -> int:
    """Return how many numbers of its inputs one window reads when every number is read once."""
    windows, _ = raster(node.shape)
    return sum(math.prod(shape) for shape in inputs) // windows


# ---- reach


def always(reach: Reach) -> ReachRule:
    """Return the rule that gives one answer for every node."""
    return lambda node, inputs: reach


# ---- values


def elementwise(function: Callable[[np.ndarray], np.ndarray]) -> Operation:
    """Turn a function of NumPy into an operation.

    Parameters
    ----------
    function : callable
        ``(x) -> y`` with x and y of one shape, float32 [-].

    Returns
    -------
    callable
        ``(node, inputs) -> output``.
    """
    return lambda node, inputs: function(np.ascontiguousarray(inputs[0]))


def torch_elementwise(path: str) -> TorchOperation:
    """Return the operation that applies a function of PyTorch, such as ``nn.functional.hardswish``."""
    return lambda torch, node, inputs: operator.attrgetter(path)(torch)(inputs[0])
