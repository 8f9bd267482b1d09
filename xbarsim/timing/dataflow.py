"""Dependencies between windows: those that must have arrived before a window of another operation can start.

A network becomes a list of *steps*: the input, every weight layer, every operation that a digital unit carries out
(pooling, sums of two branches, products of activations) and the output. Operations that only move values (pads,
slices, reshapes, concatenations) become part of the edges between steps. Operations on single values, for example
ReLU, belong to the step that computes the value.

An image value (C, H, W) is a raster of H * W windows of C numbers; a sequence (T, F) is T windows; a vector is one.
The network's own input arrives row by row.
Where all windows of a row wait for the same, as in products and softmax of stacks of matrices (S, M, N), the row is a
*class*: its N windows pass the machine as one event (:mod:`xbarsim.timing._serve`), so that time and memory grow with
the length of a sequence and not with its square.

Values arrive in raster order (a buffer keeps one pointer for each stream that it receives), so that one number for
each window of the consumer is sufficient: the last window of the producer that it needs.

If the dependencies cannot be determined after a rearrangement, all windows are needed, which is a safe bound.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.network import INPUT, Network, Node
from xbarsim.network.kinds import KINDS, TimingClass
from xbarsim.network.kinds.record import Factors, Reach, Shape
from xbarsim.network.kinds.rule import raster
from xbarsim.network.order import number_steps, timing_class
from xbarsim.network.stored import STORE, STORED_PRODUCT

POOLS = tuple(name for name, kind in KINDS.items() if kind.timing is TimingClass.POOL)
"""Kinds of step on the pooling unit; other digital steps run on the vector unit."""

Need = NDArray[np.int32]
View = tuple[tuple[int, Need, Need], ...]
"""(producing step, last class of it needed, first class of it needed by this or any later one), by class; arrays of
length 1 where all need the same."""
LONG = 1 << 14
"""Windows above which the rows of a digital step are classes even if no other step works on them row by row."""
Operands = tuple[Need, Need]


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
    group: int = 1
    """Windows of a class, which wait for the same and run as one event."""
    operands: int = 0
    """Numbers that a digital step reads for one window."""
    operations: int = 0
    """Operations of one window on the step's digital unit."""
    factors: Factors | None = None
    """Sizes of a product of activations, whose operands are read again as far as no store keeps them."""
    activated: int = 0
    """Numbers of one window that go through an activation function afterwards."""

    @property
    def classes(self) -> int:
        """Classes of one inference, single windows where they are not alike."""
        return self.windows // self.group

    @property
    def arithmetic(self) -> int:
        """Digital operations of one window, two for a multiply-accumulate of a product."""
        return self.operations * (1 if self.factors is None else 2) + self.activated

    def count_operands(self, store_bits: int, bits: int, tiles: int = 1) -> int:
        """Return how many numbers a digital step reads for one window, on average and rounded up.

        Parameters
        ----------
        store_bits : int
            Bits that the unit keeps of the operands of a product.
        bits : int
            Bits of a number.
        tiles : int
            Tiles that share the rows of a product.

        Returns
        -------
        int
            Numbers; more than ``operands`` where a product reads some of them again.
        """
        if self.factors is None:
            return self.operands
        return -(-self.factors.count_reads(store_bits // bits, tiles) // self.windows)

    edges: list[tuple[int, Need]] = field(default_factory=list)
    """(producing step, last class of it needed by each class of this one; -1 where none is)."""
    keeps: list[Need] = field(default_factory=list)
    """For each edge the first class that this class or any later one needs; earlier ones can be discarded."""


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """All steps of a network by depth and name, the input first and the output last."""

    steps: tuple[Step, ...]
    """The steps."""
    index: Mapping[str, int]
    """Name of a weight layer -> its step."""


@functools.lru_cache(maxsize=64)
def trace_dataflow(network: Network, *, by_class: bool = True) -> Dataflow:
    """Turn a network into steps and edges.

    Parameters
    ----------
    network : Network
        Shapes are enough.
    by_class : bool
        Whether windows of a row that wait for the same are a class; if not, every window is an event.

    Returns
    -------
    Dataflow
        Cached for each network.
    """
    windows, values = raster(network.input_shape)
    width = network.input_shape[-1] if len(network.input_shape) == 3 else 1
    steps = [Step(name="input", kind="input", windows=windows // width, values=values * width)]
    rows = (np.arange(windows) // width).astype(np.int32)
    views: dict[str, View] = {INPUT: ((0, rows, rows),)}
    shapes: dict[str, tuple[int, ...]] = {INPUT: network.input_shape}
    groups = {INPUT: 1}
    index: dict[str, int] = {}
    for node in network.nodes:
        inputs = [Source(view=views[name], shape=shapes[name], group=groups[name]) for name in node.inputs]
        shapes[node.name] = node.shape
        groups[node.name] = _choose_group(node, inputs) if by_class else 1
        match timing_class(node):
            case TimingClass.MOVE:
                views[node.name] = _join(_look(node, inputs, groups[node.name]))
            case TimingClass.VALUES:
                views[node.name], groups[node.name] = inputs[0].view, inputs[0].group
                each = KINDS[node.kind].work(node, _shapes(inputs)).activations
                for source, _, _ in inputs[0].view:
                    steps[source].activated += steps[source].values * each
            case _:
                step = _make_step(node, inputs, groups[node.name])
                index[node.name] = len(steps)
                own = np.arange(step.classes, dtype=np.int32)
                views[node.name] = ((len(steps), own, own),)
                steps.append(step)
    final = views[network.output]
    count, width = raster(network.output_shape)
    group = groups[network.output]
    output = Step(name="output", kind="output", windows=count, values=width, group=group, operands=width)
    _connect(output, [_through(final, None, output.classes)])
    steps.append(output)
    return _renumber(steps, index, number_steps(network))


def _renumber(steps: list[Step], index: Mapping[str, int], numbers: Mapping[str, int]) -> Dataflow:
    """Put steps between input and output in their canonical order."""
    places = [0, *(1 + numbers[step.name] for step in steps[1:-1]), len(steps) - 1]
    for step in steps:
        moved = [((places[source], need), keep) for (source, need), keep in zip(step.edges, step.keeps)]
        moved.sort(key=lambda each: each[0][0])
        step.edges, step.keeps = [edge for edge, _ in moved], [keep for _, keep in moved]
    ordered = sorted(zip(places, steps), key=lambda pair: pair[0])
    return Dataflow(steps=tuple(step for _, step in ordered), index={name: places[at] for name, at in index.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What an operator reads from one of its inputs."""

    view: View
    """Steps that make the value, and which of their classes each of its positions needs and keeps."""
    shape: tuple[int, ...]
    """Shape of the value, without the batch."""
    group: int
    """Windows of the value at one position: those of a row, or one."""

    @property
    def size(self) -> int:
        """Positions."""
        return raster(self.shape)[0] // self.group

    def last(self) -> Source:
        """Return what the last position alone needs."""
        return replace(self, view=tuple((source, need[-1:], keep[:1]) for source, need, keep in self.view))


def _shapes(inputs: Sequence[Source]) -> list[tuple[int, ...]]:
    return [each.shape for each in inputs]


def _choose_group(node: Node, inputs: Sequence[Source]) -> int:
    """Return the windows of a class: those of a row where a digital step or what follows it works row by row."""
    if timing_class(node) is TimingClass.WRITE:
        return raster(node.shape)[0]
    if node.kind == STORED_PRODUCT and len(node.shape) == 3:
        return node.shape[2]
    if node.is_layer or len(node.shape) != 3:
        return 1
    alike = any(each.group > 1 and each.shape[1:] == node.shape[1:] for each in inputs)
    is_move = timing_class(node) is TimingClass.MOVE
    match KINDS[node.kind].reach(node, _shapes(inputs)):
        case Reach.ROW | Reach.ROW_AND_ALL:
            alike = True
        case Reach.ALL:
            alike = not is_move and (alike or raster(node.shape)[0] > LONG)
        case Reach.OWN:
            pass
        case _:
            alike = False
    return node.shape[2] if alike else 1


def _make_step(node: Node, inputs: Sequence[Source], group: int) -> Step:
    if node.is_layer:
        windows, values, group = node.windows, node.columns * node.groups, 1
    elif node.kind == STORE:
        windows, values, group = 1, 0, 1  # cells keep what is written
    else:
        windows, values = raster(node.shape)
    work = KINDS[node.kind].work(node, _shapes(inputs))
    step = Step(
        name=node.name, kind=node.kind, windows=windows, values=values, group=group, operands=work.operands,
        operations=work.operations, factors=work.factors,
    )  # fmt: skip
    _connect(step, [_spread(view, step.classes) for view in _look(node, inputs, group)])
    return step


def _look(node: Node, inputs: Sequence[Source], group: int) -> list[View]:
    """Return what the classes of a node need of each input."""
    operands: Operands | None = None
    shape = inputs[0].shape
    count = (node.windows if node.is_layer else raster(node.shape)[0]) // group
    match KINDS[node.kind].reach(node, _shapes(inputs)):
        case Reach.OWN:
            pass
        case Reach.KERNEL:
            operands = _find_operands(node.attributes, shape, node.shape)
        case Reach.ALL:
            return [_all_of(each.view) for each in inputs]
        case Reach.ROW:
            return [_through_rows(each, node.shape, group) for each in inputs]
        case Reach.ROW_AND_ALL:
            first, *rest = inputs
            shape = (1, node.windows, 1) if node.is_layer and len(node.shape) == 3 else node.shape
            return [_through_rows(first, shape, group), *(_all_of(each.view) for each in rest)]
        case Reach.LAST:
            inputs = [each.last() for each in inputs]
        case Reach.RANGES:
            ranges = zip(shape[1:], node.attributes["ranges"][1:])
            ends = [np.array(range(size)[slice(*each)]) for size, each in ranges]
            operands = (_flat(ends, shape[2]),) * 2
        case Reach.PADS:
            operands = _find_padded(node.attributes["pads"][1:], shape)
    seen = [(each, _regroup(each, group, count)) for each in inputs]
    return [_through(own.view, _at_positions(operands, each), count, each.size) for each, own in seen]


def _at_positions(operands: Operands | None, source: Source) -> Operands | None:
    """Turn places in a raster of windows into positions of a value whose rows may be classes."""
    return None if operands is None else (operands[0] // source.group, operands[1] // source.group)


def _regroup(source: Source, group: int, count: int) -> Source:
    """Return a value whose rows are positions where those of its consumer are, and its own are not."""
    if source.group > 1 or group == 1 or source.size != count * group:
        return source
    view = tuple(
        (step, need[group - 1 :: group], keep[::group]) if len(need) == source.size else (step, need, keep)
        for step, need, keep in source.view
    )
    return replace(source, view=view, group=group)


def _through_rows(source: Source, shape: Shape, group: int) -> View:
    """Look at a value through windows, each of which needs its whole row."""
    if len(shape) != 3:
        return _through(source.view, None, raster(shape)[0])
    width = source.shape[2]
    rows = np.repeat(np.arange(shape[1]), shape[2] // group)
    last, first = (rows * width + width - 1).astype(np.int32), (rows * width).astype(np.int32)
    return _through(source.view, _at_positions((last, first), source), len(rows), source.size)


def _all_of(view: View) -> View:
    """Return a view that needs everything at its only position."""
    return tuple((source, need.max(keepdims=True), keep.min(keepdims=True)) for source, need, keep in view)


def _spread(view: View, count: int) -> View:
    """Write out what is the same for all classes."""
    return tuple(
        (source, need, keep) if len(need) == count else (source, np.repeat(need, count), np.repeat(keep, count))
        for source, need, keep in view
    )


def _find_operands(attributes: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Operands:
    """Return the raster index of the last and of the first input pixel under every position of a sliding kernel."""
    low, high = [], []
    for axis in (0, 1):
        size, reach = before[axis + 1], attributes["kernel"][axis] - 1
        reach *= attributes.get("dilation", (1, 1))[axis]
        first = np.arange(after[axis + 1]) * attributes["stride"][axis] - attributes["padding"][axis]
        low.append(np.clip(first, 0, size - 1))
        high.append(np.clip(first + reach, 0, size - 1))
    return _flat(high, before[2]), _flat(low, before[2])


def _flat(ends: list[Any], width: int) -> Need:
    flat: Need = (np.asarray(ends[0])[:, np.newaxis] * width + np.asarray(ends[1])).astype(np.int32).ravel()
    return flat


def _through(view: View, operands: Operands | None, windows: int, size: int = 0) -> View:
    """Look at a view through windows with the given last and first raster positions; None is one to one if it fits.

    Positions count in a raster of ``size``; they say nothing of a producer with other windows, such as a linear layer.
    """
    seen = []
    for source, need, keep in view:
        if operands is not None and len(need) in (1, size):
            last, first = operands if len(need) == size else (np.minimum(each, 0) for each in operands)
            found, kept = np.where(last < 0, -1, need[last]), keep[first]
        elif len(need) == windows:
            found, kept = need, keep
        else:
            found, kept = np.full(windows, need[-1], dtype=np.int32), np.full(windows, keep[0], dtype=np.int32)
        kept = np.minimum.accumulate(kept[::-1])[::-1]
        seen.append((source, np.maximum.accumulate(found), kept))
    return tuple(seen)


def _connect(step: Step, views: list[View]) -> None:
    """Give a step its edges."""
    for source, need, keep in _join(views):
        step.edges.append((source, need))
        step.keeps.append(keep)


def _join(views: list[View]) -> View:
    """Merge edges from the same producer."""
    merged: dict[int, tuple[int, Need, Need]] = {}
    for view in views:
        for source, need, keep in view:
            if source in merged:
                _, other_need, other_keep = merged[source]
                need, keep = np.maximum(need, other_need), np.minimum(keep, other_keep)
            merged[source] = (source, need, keep)
    return tuple(merged[source] for source in sorted(merged))


def _find_padded(pads: Any, shape: tuple[int, ...]) -> Operands:
    """Return the raster index behind every pixel of a padded image; the last is -1 where all up to it is padding."""
    rows, cols = (
        np.minimum(np.arange(-before, size + after), size - 1) for (before, after), size in zip(pads, shape[1:])
    )
    first = _flat([np.maximum(rows, 0), np.maximum(cols, 0)], shape[2])
    return np.where(np.repeat(rows, len(cols)) < 0, -1, first).astype(np.int32), first
