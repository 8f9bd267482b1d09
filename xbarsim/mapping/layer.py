"""A layer mapped to arrays: its hardware, its partition and its position."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.config.coding import CODINGS
from xbarsim.errors import ConfigError
from xbarsim.kept import KeptResults
from xbarsim.limits import check_limit
from xbarsim.mapping.epitome import EpitomePlan, plan_epitome
from xbarsim.mapping.partition import LayerMatrix, Partition, Stripe, describe_matrix, partition_matrix
from xbarsim.mvm import stream_count
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.network import Node
from xbarsim.network.stored import STORED_PRODUCT

_DRAFTS: KeptResults[LayerDraft] = KeptResults(1024)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerDraft:
    """A weight layer that is partitioned but not yet placed."""

    node: Node
    """The layer in its network."""
    hardware: Hardware
    """Hardware of this layer, per-layer choices included."""
    matrix: LayerMatrix
    """The layer as matrices."""
    partition: Partition
    """How they are cut."""
    signed: bool
    """Whether inputs can be negative."""
    epitome: EpitomePlan | None
    """Index tables of a convolution that runs patch by patch; the matrix is then its epitome."""
    polarities: int
    """Physical arrays of a crossbar: 2 of opposite polarity, or 1."""
    sets: int
    """Sets of arrays that hold the same matrix in turn: 2 where one is written while the other is read."""
    turn: int
    """Which load of the arrays it belongs to."""
    replicas: int
    """Replicas that share the windows."""

    @property
    def name(self) -> str:
        """Layer name."""
        return self.node.name

    @property
    def kind(self) -> str:
        """Kind of the node, such as ``conv2d``."""
        return self.node.kind

    @property
    def is_product(self) -> bool:
        """Whether it is a product of activations, one of which is written into arrays in every inference."""
        return self.node.kind == STORED_PRODUCT

    @property
    def weight_bits(self) -> int:
        """Bits of a weight."""
        return self.hardware.weight_bits

    @property
    def activation_bits(self) -> int:
        """Bits of an input."""
        return self.hardware.activation_bits

    @property
    def quantization(self) -> dict[str, Any]:
        """What quantisation has to know of the layer's hardware: widths, and the arrays of an epitome."""
        found: dict[str, Any] = {"weight_bits": self.weight_bits, "activation_bits": self.activation_bits}
        if self.hardware.mapping.weight_range != 1:
            found["weight_range"] = self.hardware.mapping.weight_range
        if self.epitome is not None:
            found["epitome"] = {
                "quantization": self.hardware.epitome.quantization,
                "row_starts": self.row_starts,
                "column_starts": self.columns.starts,
            }
        return found

    @property
    def columns(self) -> ColumnLayout:
        """Where the physical columns of a full stripe lie."""
        return self.partition.stripe.columns

    @property
    def input_bits(self) -> int:
        """Bits of what drives the arrays: an input, or a sum of several (see :class:`EpitomePlan`)."""
        extra = self.epitome.extra_bits if self.epitome else 0
        is_binary = self.signed and self.activation_bits == 1  # sums of -1 and 1 reach both ends of their range
        return self.activation_bits + extra + (1 if extra and is_binary else 0)

    @property
    def rounds(self) -> int:
        """Passes through the arrays that one window takes, one after the other: of an epitome, or group by group."""
        return self.epitome.round_count if self.epitome else self.partition.stripe.rounds

    @property
    def driven_share(self) -> float:
        """Word lines in use that a read drives, as a fraction: 1 but where groups are read one after the other [-]."""
        full, last = self.partition.stripe, self.partition.last
        lines = (self.stripes - 1) * full.rows + last.rows
        return lines / ((self.stripes - 1) * full.rows * full.rounds + last.rows * last.rounds)

    @property
    def windows(self) -> int:
        """Input vectors of one inference."""
        return self.matrix.windows

    @property
    def rows(self) -> int:
        """K: rows of one group's matrix."""
        return self.matrix.rows

    @property
    def cols(self) -> int:
        """N: weight columns of one group's matrix."""
        return self.matrix.cols

    @property
    def groups(self) -> int:
        """Groups of the convolution (1 for a dense layer)."""
        return self.matrix.groups

    @property
    def stripes(self) -> int:
        """Block-diagonal matrices that the groups are gathered in."""
        return self.partition.stripes

    @property
    def row_starts(self) -> np.ndarray:
        """Row-block boundaries of a full stripe, (row_blocks + 1,) int64."""
        return np.array(self.partition.stripe.row_starts, dtype=np.int64)

    @property
    def rows_order(self) -> str:
        """Order of a convolution's rows: ``packed`` (kh, kw, cin) or ``whole_kernels`` (cin, kh, kw)."""
        return self.partition.rows_order

    @property
    def row_blocks(self) -> int:
        """Row blocks of a full stripe."""
        return len(self.partition.stripe.row_starts) - 1

    @property
    def col_blocks(self) -> int:
        """Column blocks of a full stripe."""
        return self.partition.stripe.col_blocks

    @property
    def columns_per_weight(self) -> int:
        """Physical columns of a weight in one polarity."""
        return self.columns.slices

    @property
    def streams(self) -> int:
        """Array reads of one pass of a window."""
        dac = self.hardware.dac
        return stream_count(self.input_bits, dac.bits, self.signed, dac.coding_for(self.input_bits))

    @property
    def replica_arrays(self) -> int:
        """Physical arrays of one replica."""
        return self.partition.crossbars * self.polarities

    @property
    def crossbars(self) -> int:
        """Crossbars of all replicas and sets, a pair of opposite polarity counted once."""
        return self.partition.crossbars * self.replicas * self.sets

    @property
    def arrays(self) -> int:
        """Physical arrays of all replicas and sets."""
        return self.partition.crossbars * self.replicas * self.sets * self.polarities

    @property
    def used_cells(self) -> int:
        """Cells of one polarity that hold a weight slice, all replicas and sets."""
        return self.partition.used_cells * self.replicas * self.sets

    @property
    def cells(self) -> int:
        """Cells of one polarity, used or not, all replicas and sets."""
        return self.crossbars * self.hardware.crossbar.rows * self.hardware.crossbar.cols

    @property
    def utilization(self) -> float:
        """Share of the cells that hold a weight slice [-]."""
        return self.used_cells / self.cells

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference."""
        matrix = self.matrix
        if self.epitome is not None:
            return math.prod(self.epitome.sampler.weight_shape) * matrix.windows
        return matrix.groups * matrix.rows * matrix.cols * matrix.windows

    @property
    def wanted_columns(self) -> np.ndarray:
        """Physical columns that each round of an epitome converts in each column block, (rounds, col_blocks)."""
        assert self.epitome is not None
        held = np.pad(np.cumsum(self.columns.held, axis=1), ((0, 0), (1, 0)))
        return np.asarray((held[:, self.epitome.columns[:, 1]] - held[:, self.epitome.columns[:, 0]]).T)

    def stripe(self, index: int) -> Stripe:
        """Return one stripe, counted from 0."""
        full, last = self.partition.stripe, self.partition.last
        if index == self.stripes - 1:
            return last
        return full if index == 0 else Stripe(
            first_group=index * full.groups, groups=full.groups, rows=full.rows, columns=full.columns,
            row_starts=full.row_starts, rounds=full.rounds,
        )  # fmt: skip

    def block_columns(self, index: int = 0) -> np.ndarray:
        """Return the physical columns used by every column block of a stripe, (column blocks,)."""
        return self.stripe(index).columns.used


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan(LayerDraft):
    """One weight layer on its arrays."""

    first_array: int
    """Position of the first array in placement order, within its turn."""


def draft_layer(node: Node, hardware: Hardware, *, signed: bool) -> LayerDraft:
    """Cut a layer into arrays.

    Parameters
    ----------
    node : Node
        A weight layer.
    hardware : Hardware
        What it runs on, per-layer choices included.
    signed : bool
        Whether its inputs can be negative.

    Returns
    -------
    LayerDraft
        One replica in the first turn.

    Raises
    ------
    MappingError
        If the node is no weight layer.
    ConfigError
        If the layer is empty, inputs that an epitome adds up become too wide, or nothing stands for its padding.
    """
    key = (id(node), id(hardware), signed)
    found = _DRAFTS.get(key)
    return found if found is not None else _DRAFTS.put(key, (node, hardware), _cut_layer(node, hardware, signed=signed))


def _cut_layer(node: Node, hardware: Hardware, *, signed: bool) -> LayerDraft:
    matrix = describe_matrix(node)
    check_limit("windows", matrix.windows, f"layer {node.name}")
    check_limit("weights", matrix.groups * matrix.rows * matrix.cols, f"layer {node.name}")
    partition = partition_matrix(matrix, hardware, node.name)
    draft = LayerDraft(
        node=node, hardware=hardware, matrix=matrix, partition=partition, signed=signed,
        epitome=plan_epitome(node, hardware), polarities=hardware.arrays_per_crossbar,
        sets=2 if node.kind == STORED_PRODUCT and hardware.mapping.dynamic_products == "double_arrays" else 1,
        turn=0, replicas=1,
    )  # fmt: skip
    if hardware.adc.bits == "auto" and hardware.adc_bits_of(draft.input_bits) != hardware.adc_bits:
        # Inputs that an epitome adds up are wider: its converters have, and are priced at, the bits that its sums need.
        # Copied unchecked, since auto may exceed the bits that a file may give.
        adc = hardware.adc.model_copy(update={"bits": hardware.adc_bits_of(draft.input_bits)})
        draft = dataclasses.replace(draft, hardware=hardware.model_copy(update={"adc": adc}))
    coding = hardware.dac.coding_for(draft.input_bits)
    has_zero = not signed or CODINGS[coding].sends_zero(draft.input_bits)
    if not has_zero and (draft.epitome is not None or np.any(node.attributes.get("padding", 0))):
        others = " or ".join(name for name, other in CODINGS.items() if other.sends_zero(draft.input_bits))
        at_rest = "padding" if draft.epitome is None else "rows at rest of an epitome"
        raise ConfigError(
            f"layer {node.name}: dac.signed: {coding} has codes for inputs of -1 and 1 (activation_bits: 1), none for "
            f"{at_rest}; choose {others} for this layer"
        )
    return draft


def place_layers(drafts: Sequence[LayerDraft]) -> tuple[tuple[LayerPlan, ...], int]:
    """Place the arrays of layers end to end, from the first array on in every turn.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers in the order of the network, their turns and replicas chosen.

    Returns
    -------
    layers : tuple of LayerPlan
        The same layers with their places.
    held : int
        Arrays that hold weights at once: those of the largest turn.
    """
    placed, turn, end, held = [], 0, 0, 0
    for draft in drafts:
        if draft.turn != turn:
            turn, end = draft.turn, 0
        placed.append(LayerPlan(**{**vars(draft), "first_array": end}))
        end += draft.arrays
        held = max(held, end)
    return tuple(placed), held
