"""Weight layers described in code: a convolution, a fully connected layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from xbarsim.network.graph import INPUT, Node

Pair = int | tuple[int, int]


def make_conv2d(
    name: str,
    in_channels: int,
    out_channels: int,
    kernel: Pair,
    *,
    inputs: Iterable[str] = (INPUT,),
    stride: Pair = 1,
    padding: int | tuple[int, ...] = 0,
    dilation: Pair = 1,
    groups: int = 1,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> Node:
    """Describe a convolution.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_channels, out_channels : int
        Channels; both divisible by ``groups``.
    kernel, stride, dilation : int or (int, int)
        Along height and width.
    padding : int, (int, int) or (int, int, int, int)
        Zeros on all sides; at height and width; at top, left, bottom, right.
    inputs : iterable of str
        The one node that feeds the layer.
    groups : int
        Groups that see separate channels.
    weight : ndarray, (out_channels, in_channels / groups, kh, kw), optional
    bias : ndarray, (out_channels,), optional

    Returns
    -------
    Node
        Of kind ``conv2d``.
    """
    sides = as_pair(padding) * 2 if isinstance(padding, int) or len(padding) == 2 else tuple(padding)
    attributes = {
        "in_channels": in_channels, "out_channels": out_channels, "kernel": as_pair(kernel), "stride": as_pair(stride),
        "padding": sides, "dilation": as_pair(dilation), "groups": groups,
    }  # fmt: skip
    return Node(name=name, kind="conv2d", inputs=tuple(inputs), attributes=attributes, weight=weight, bias=bias)


def make_linear(
    name: str,
    in_features: int,
    out_features: int,
    *,
    inputs: Iterable[str] = (INPUT,),
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> Node:
    """Describe a fully connected layer, applied along the last axis.

    Parameters
    ----------
    name : str
        Name of the node.
    in_features, out_features : int
        Lengths of the last axis before and after.
    inputs : iterable of str
        The node that it reads; the network's input if left out.
    weight : ndarray, (out, in), optional
        Real weights; shapes only if left out.
    bias : ndarray, (out,), optional
        Real bias.

    Returns
    -------
    Node
    """
    attributes = {"in_features": in_features, "out_features": out_features}
    return Node(name=name, kind="linear", inputs=tuple(inputs), attributes=attributes, weight=weight, bias=bias)


def as_pair(value: Any) -> tuple[int, int]:
    """Return one number for height and width, or a pair, as a pair."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
