"""Cut one weight layer into arrays.

A layer is a matrix of K rows (its flattened kernel) and N weight columns; a weight takes S physical columns,
one for each bit slice. Rows are cut into row blocks and columns into column blocks (:mod:`xbarsim.mvm.layout`),
and one block of each meets in one crossbar. A grouped convolution is block diagonal: as many groups as fit into
one array form a dense *stripe*, and every stripe is cut like a plain matrix, so that a depthwise layer is charged
for the arrays that it really occupies. The groups of a stripe are read at once, or, with ``mapping.groups: serial``, in
*rounds*: one after the other, each with its own rows driven and its own columns converted.

Neglected: sparsity (zero weights take cells like any others) and spare columns.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mvm.layout import ColumnLayout, layout_columns
from xbarsim.network import Node
from xbarsim.network.graph import rule_of


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMatrix:
    """A weight layer as matrices: ``groups`` of them, each ``rows`` x ``cols`` weights."""

    groups: int
    """Independent matrices (1 for a dense layer)."""
    rows: int
    """Rows of one group: input channels of the group times kernel size."""
    cols: int
    """Weight columns of one group: its output channels."""
    kernel_rows: int
    """Rows of one input channel: kernel height times width; 1 without a kernel."""
    windows: int
    """Input vectors of one inference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stripe:
    """Groups that share arrays as one dense block-diagonal matrix."""

    first_group: int
    """Index of the first group."""
    groups: int
    """Number of groups."""
    rows: int
    """Rows of the block-diagonal matrix."""
    columns: ColumnLayout
    """Where its physical columns lie."""
    row_starts: tuple[int, ...]
    """Boundaries of the row blocks, first 0, last ``rows``."""
    rounds: int
    """Reads, one after the other, that its groups take: 1 where all are read at once, else one for each."""

    @property
    def round_columns(self) -> int:
        """Physical columns that the fullest column block converts in one round."""
        return self.columns.most_used // self.rounds

    @property
    def cols(self) -> int:
        """Weight columns of the block-diagonal matrix."""
        return self.columns.outputs

    @property
    def col_blocks(self) -> int:
        """Column blocks."""
        return self.columns.blocks

    @property
    def crossbars(self) -> int:
        """Crossbars of the stripe, a pair of opposite polarity counted once."""
        return (len(self.row_starts) - 1) * self.col_blocks


class ArrayFill(NamedTuple):
    """What an array holds, and what a read of it drives."""

    rows: int
    """Rows that hold weights."""
    cols: int
    """Regular columns that hold weights."""
    driven: float
    """Mean number of rows that a read drives."""
    groups: int
    """Groups that share the array as diagonal blocks; the cells between blocks hold weights of zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """How a layer is cut; the last stripe may be smaller than the others."""

    rows_order: str
    """Order of a convolution's rows: ``packed`` (kh, kw, cin) or ``whole_kernels`` (cin, kh, kw)."""
    stripe: Stripe
    """First stripe."""
    stripes: int
    """Number of stripes."""
    last: Stripe
    """Last stripe; the first one where there is only one."""
    crossbars: int
    """Crossbars of all stripes."""
    used_cells: int
    """Cells that hold a weight slice (one polarity)."""
    fills: Mapping[ArrayFill, int]
    """Reads of crossbars in one stream of one window, by what they hold and drive."""


def describe_matrix(node: Node) -> LayerMatrix:
    """Read a network node as matrices.

    Parameters
    ----------
    node : Node
        A weight layer of a network.

    Returns
    -------
    LayerMatrix
        Its geometry; that of its epitome where it has one.

    Raises
    ------
    MappingError
        If the node is no weight layer.
    """
    if node.epitome is not None:  # always packed: one row for every element
        channels, *sizes = node.epitome.sampler.epitome_shape
        return LayerMatrix(groups=1, rows=math.prod(sizes), cols=channels, kernel_rows=1, windows=node.windows)
    if node.is_layer:
        groups, rows = node.groups, node.rows
        kernel_rows: int = rows * groups // node.attributes[rule_of(node).inputs]
        return LayerMatrix(groups=groups, rows=rows, cols=node.columns, kernel_rows=kernel_rows, windows=node.windows)
    raise MappingError(f"{node.name}: a {node.kind} node has no weights to map")


def partition_matrix(matrix: LayerMatrix, hardware: Hardware, name: str = "") -> Partition:
    """Cut a layer into stripes, row blocks and column blocks.

    Parameters
    ----------
    matrix : LayerMatrix
        The layer.
    hardware : Hardware
        Array size, cell bits, encoding, weight bits and mapping rules of this layer.
    name : str
        Name of the layer, for the message.

    Returns
    -------
    Partition
        Stripes and counts.

    Raises
    ------
    ConfigError
        If the layer is empty.
    """
    if min(matrix.groups, matrix.rows, matrix.cols, matrix.windows) < 1:
        size = f"{matrix.groups} x {matrix.rows} x {matrix.cols} weights and {matrix.windows} windows"
        raise ConfigError(f"layer {name or '(unnamed)'}: nothing to map: {size}")
    columns, rules = layout_columns(matrix.cols, hardware), hardware.mapping
    return _cut_matrix(matrix, columns, hardware.crossbar.rows, rules.rows, is_serial=rules.groups == "serial")


@functools.lru_cache(maxsize=4096)
def _cut_matrix(
    matrix: LayerMatrix, group: ColumnLayout, rows_per_array: int, order: str, *, is_serial: bool
) -> Partition:
    """Cut a matrix whose groups have a column layout; layers of one shape share what comes out."""
    per_stripe = min(max(1, min(rows_per_array // matrix.rows, group.fitting)), matrix.groups)
    if order == "whole_kernels" and (matrix.kernel_rows > rows_per_array or matrix.kernel_rows == 1):
        order = "packed"

    def cut(first: int, groups: int) -> Stripe:
        rows = groups * matrix.rows
        columns = group if groups == 1 else replace(group, outputs=groups * matrix.cols)
        step = rows_per_array
        if order == "whole_kernels":
            step -= step % matrix.kernel_rows
        starts = (*range(0, rows, step), rows)
        rounds = groups if is_serial else 1
        return Stripe(first_group=first, groups=groups, rows=rows, columns=columns, row_starts=starts, rounds=rounds)

    stripes = -(-matrix.groups // per_stripe)
    whole = cut(0, per_stripe)
    first_of_last = (stripes - 1) * per_stripe
    last = whole if stripes == 1 else cut(first_of_last, matrix.groups - first_of_last)
    return Partition(
        rows_order=order,
        stripe=whole,
        stripes=stripes,
        last=last,
        crossbars=(stripes - 1) * whole.crossbars + last.crossbars,
        used_cells=matrix.groups * matrix.rows * matrix.cols * group.slices,
        fills=_count_fills(whole, stripes - 1) + _count_fills(last, 1),
    )


def _count_fills(stripe: Stripe, times: int) -> Counter[ArrayFill]:
    """Count the reads of a number of equal stripes by filling."""
    found: Counter[ArrayFill] = Counter()
    used = Counter(stripe.columns.used.tolist())
    for rows, blocks in Counter(end - begin for begin, end in itertools.pairwise(stripe.row_starts)).items():
        for cols, count in used.items():
            fill = ArrayFill(rows, cols, rows / stripe.rounds, stripe.groups)
            found[fill] += times * blocks * count * stripe.rounds
    return +found
