"""Which windows of which operations must have arrived before another operation's window can start.

A network becomes a list of *steps*: the input, every weight layer, every operation that a digital unit carries out
(pooling, sums of two branches, products of activations) and the output. Operations that only move values (pads,
slices, reshapes, concatenations) become part of the edges between steps; operations on single values (ReLU and
its like) are done by the step that makes the value.

An image value (C, H, W) is a raster of H * W windows of C numbers; a sequence (T, F) is T windows; a vector is one.
The network's own input arrives row by row.
Values arrive in raster order (a buffer keeps one pointer for each stream that it receives), so that one number for
each window of the consumer says it all: the last window of the producer that it needs.

Where a rearrangement hides which window needs which, all windows are needed: a bound that is never too early.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.network import INPUT, Network, Node

POOLS = ("max_pool", "avg_pool", "global_avg_pool", "mean")
TWO_OPERANDS = ("add", "sub", "mul", "div")
MOVES = ("pad", "slice", "concat", "flatten", "reshape", "transpose", "quantize")

Need = NDArray[np.int32]
View = tuple[tuple[int, Need], ...]


@dataclass(kw_only=True)
class Step:
    """One stage of the machine's pipeline over windows."""

    name: str
    """Name of the network node; ``input`` and ``output`` for the ends."""
    kind: str
    """Kind of the node; ``input`` and ``output`` for the ends."""
    windows: int
    """Windows of one inference."""
    values: int
    """Numbers of one window's result."""
    operands: int = 0
    """Numbers that a digital step reads for one window."""
    operations: int = 0
    """Operations of one window on the step's digital unit."""
    activated: int = 0
    """Numbers of one window that go through an activation function afterwards."""
    edges: list[tuple[int, Need]] = field(default_factory=list)
    """(producing step, last window of it needed by each window of this one; -1 where none is)."""


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """All steps of a network in topological order, the input first and the output last."""

    steps: tuple[Step, ...]
    """The steps."""
    index: dict[str, int]
    """Name of a weight layer -> its step."""


@functools.lru_cache(maxsize=64)
def trace_dataflow(network: Network) -> Dataflow:
    """Turn a network into steps and edges.

    Parameters
    ----------
    network : Network
        Shapes are enough.

    Returns
    -------
    Dataflow
        Cached for each network.
    """
    windows, values = _raster(network.input_shape)
    width = network.input_shape[-1] if len(network.input_shape) == 3 else 1
    steps = [Step(name="input", kind="input", windows=windows // width, values=values * width)]
    views: dict[str, View] = {INPUT: ((0, (np.arange(windows) // width).astype(np.int32)),)}
    shapes: dict[str, tuple[int, ...]] = {INPUT: network.input_shape}
    index: dict[str, int] = {}
    for node in network.nodes:
        inputs = [views[name] for name in node.inputs]
        before = [shapes[name] for name in node.inputs]
        shapes[node.name] = node.shape
        if node.is_layer or _is_digital(node):
            step = _make_step(node, inputs, before)
            index[node.name] = len(steps)
            views[node.name] = ((len(steps), np.arange(step.windows, dtype=np.int32)),)
            steps.append(step)
        elif node.kind in MOVES:
            views[node.name] = _move(node, inputs, before)
        else:
            views[node.name] = inputs[0]
            for source, _ in inputs[0]:
                steps[source].activated += steps[source].values
    final = views[network.output]
    count, width = _raster(network.output_shape)
    output = Step(name="output", kind="output", windows=count, values=width, operands=width)
    output.edges = _join([_through(final, None, count)])
    steps.append(output)
    return Dataflow(steps=tuple(steps), index=index)


def _is_digital(node: Node) -> bool:
    return node.kind in POOLS or node.kind == "matmul" or (node.kind in TWO_OPERANDS and len(node.inputs) > 1)


def _raster(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return windows and numbers of each for the shape of a value."""
    if len(shape) == 3:
        return shape[1] * shape[2], shape[0]
    return math.prod(shape[:-1]), shape[-1]


def _make_step(node: Node, inputs: list[View], shapes: list[tuple[int, ...]]) -> Step:
    if node.is_layer:
        windows = node.windows
        values = node.columns * node.groups
        step = Step(name=node.name, kind=node.kind, windows=windows, values=values)
        window = node.attributes if node.kind == "conv2d" else None
    else:
        windows, values = _raster(node.shape)
        operands = sum(math.prod(shape) for shape in shapes) // windows
        window, operations = None, operands - values
        if node.kind in ("max_pool", "avg_pool"):
            window, operands = node.attributes, values * math.prod(node.attributes["kernel"])
            operations = operands
        elif node.kind in POOLS:
            operations = operands
        elif node.kind == "matmul":
            operations = values * shapes[0][-1]
        step = Step(
            name=node.name,
            kind=node.kind,
            windows=windows,
            values=values,
            operands=operands,
            operations=max(1, operations),
        )
    if window is None:
        step.edges = _join([_through(view, None, windows) for view in inputs])
    else:
        last = _last_operand(window, shapes[0], node.shape)
        step.edges = _join([_through(view, last, windows) for view in inputs])
    return step


def _last_operand(attributes: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Need:
    """Return the raster index of the last input pixel under every position of a sliding kernel."""
    ends = []
    for axis in (0, 1):
        size, reach = before[axis + 1], attributes["kernel"][axis] - 1
        reach *= attributes.get("dilation", (1, 1))[axis]
        last = np.arange(after[axis + 1]) * attributes["stride"][axis] - attributes["padding"][axis] + reach
        ends.append(np.clip(last, 0, size - 1))
    return (ends[0][:, np.newaxis] * before[2] + ends[1]).astype(np.int32).ravel()


def _through(view: View, last: Need | None, windows: int) -> View:
    """Look at a view through windows that each end at raster position ``last``; None is one to one where it fits."""
    seen = []
    for source, need in view:
        if last is not None:
            found = np.where(last < 0, -1, need[last])
        elif len(need) == windows:
            found = need
        else:
            found = np.full(windows, need[-1], dtype=np.int32)
        seen.append((source, np.maximum.accumulate(found)))
    return tuple(seen)


def _join(views: list[View]) -> list[tuple[int, Need]]:
    """Merge edges from the same producer."""
    merged: dict[int, Need] = {}
    for view in views:
        for source, need in view:
            merged[source] = np.maximum(merged[source], need) if source in merged else need
    return sorted(merged.items())


def _move(node: Node, inputs: list[View], shapes: list[tuple[int, ...]]) -> View:
    windows, _ = _raster(node.shape)
    last = None
    if len(node.shape) == 3 and node.kind == "slice":
        rows, cols = (range(size)[slice(*each)] for size, each in zip(shapes[0][1:], node.attributes["ranges"][1:]))
        last = (np.array(rows)[:, np.newaxis] * shapes[0][2] + np.array(cols)).astype(np.int32).ravel()
    elif len(node.shape) == 3 and node.kind == "pad":
        last = _padded(node.attributes["pads"][1:], shapes[0])
    elif node.kind == "concat" and len(node.shape) == 3 and node.attributes.get("axis", 1) != 1:
        inputs = [((source, need[-1:]),) for view in inputs for source, need in view]
    return tuple(_join([_through(view, last, windows) for view in inputs]))


def _padded(pads: Any, shape: tuple[int, ...]) -> Need:
    """Return the raster index behind every pixel of a padded image, -1 where all up to it is padding."""
    ends = []
    for (before, after), size in zip(pads, shape[1:]):
        ends.append(np.minimum(np.arange(-before, size + after), size - 1))
    rows, cols = ends
    last = rows[:, np.newaxis] * shape[2] + np.maximum(cols, 0)
    return np.where(rows[:, np.newaxis] < 0, -1, last).astype(np.int32).ravel()
