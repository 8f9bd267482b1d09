"""Network x hardware -> plan: every layer's own hardware, its arrays, copies and place on the chip.

Arrays are placed in the order of the layers: copy by copy, stripe by stripe, column block by column block, row
blocks (and the two arrays of a pair) side by side, so that most partial sums meet inside one tile. Tiles are
filled one after the other and may hold arrays of several layers; an array takes one slot whatever its size. Where
on the chip a tile lies is decided where traffic is known (``mapping.placement``, :mod:`xbarsim.timing.place`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.mapping.choose import choose_hardware, share_choices
from xbarsim.mapping.epitome import EpitomePlan, plan_epitome
from xbarsim.mapping.partition import (
    LayerMatrix,
    Partition,
    Stripe,
    describe_matrix,
    partition_matrix,
)
from xbarsim.mapping.replicate import choose_copies
from xbarsim.mapping.turn import assign_turns, count_parts, count_slots, fit_chips
from xbarsim.mvm import is_paired, stream_count
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.network import Network, input_is_signed, name_parts, split_layers


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One weight layer on its arrays."""

    name: str
    """Layer name."""
    kind: str
    """``conv2d`` or ``linear``."""
    hardware: Hardware
    """Hardware of this layer, per-layer choices included."""
    matrix: LayerMatrix
    """The layer as matrices."""
    partition: Partition
    """How they are cut."""
    signed: bool
    """Whether inputs can be negative."""
    replication: int
    """Copies that share the windows."""
    first_array: int
    """Position of the first array in placement order, within its turn."""
    turn: int = 0
    """Which load of the arrays it belongs to."""
    epitome: EpitomePlan | None = None
    """Index tables of a convolution that runs patch by patch; the matrix is then its epitome."""

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
        return self.activation_bits + (self.epitome.extra_bits if self.epitome else 0)

    @property
    def rounds(self) -> int:
        """Passes through the arrays that one window takes, one after the other."""
        return self.epitome.round_count if self.epitome else 1

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
    def groups_per_stripe(self) -> int:
        """Groups of a full stripe."""
        return self.partition.stripe.groups

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
        return stream_count(self.input_bits, self.hardware.dac.bits, self.signed)

    @property
    def paired(self) -> bool:
        """Whether a crossbar is two arrays of opposite polarity."""
        return is_paired(self.hardware)

    @property
    def crossbars(self) -> int:
        """Crossbars of all copies, a pair of opposite polarity counted once."""
        return self.partition.crossbars * self.replication

    @property
    def arrays(self) -> int:
        """Physical arrays of all copies."""
        return self.crossbars * (2 if self.paired else 1)

    @property
    def used_cells(self) -> int:
        """Cells of one polarity that hold a weight slice, all copies."""
        return self.partition.used_cells * self.replication

    @property
    def utilization(self) -> float:
        """Share of the cells that hold a weight slice [-]."""
        crossbar = self.hardware.crossbar
        return self.used_cells / (self.crossbars * crossbar.rows * crossbar.cols)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference."""
        matrix = self.matrix
        if self.epitome is not None:
            return math.prod(self.epitome.sampler.weight_shape) * matrix.windows
        return matrix.groups * matrix.rows * matrix.cols * matrix.windows

    def stripe(self, index: int) -> Stripe:
        """Return one stripe, counted from 0."""
        full, last = self.partition.stripe, self.partition.last
        if index == self.stripes - 1:
            return last
        return full if index == 0 else Stripe(
            first_group=index * full.groups, groups=full.groups, rows=full.rows, columns=full.columns,
            row_starts=full.row_starts,
        )  # fmt: skip

    def block_columns(self, index: int = 0) -> np.ndarray:
        """Return the physical columns used by every column block of a stripe."""
        return self.stripe(index).columns.used


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network on a chip (or several)."""

    network: Network
    """The network."""
    hardware: Hardware
    """Hardware without per-layer choices, network-wide bits included."""
    layers: tuple[LayerPlan, ...]
    """Weight layers in the order of the network."""
    arrays_per_tile: int
    """Array slots of a tile."""
    tiles_used: int
    """Tiles that hold arrays."""
    tiles_per_chip: int
    """Tiles of one chip."""
    chips: int
    """Number of chips."""
    turn_count: int = 1
    """How often the arrays are programmed in one inference; 1: once for all."""

    @functools.cached_property
    def crossbars(self) -> int:
        """Crossbars of all layers, a pair counted once."""
        return sum(layer.crossbars for layer in self.layers)

    @functools.cached_property
    def arrays(self) -> int:
        """Physical arrays of all layers."""
        return sum(layer.arrays for layer in self.layers)

    @functools.cached_property
    def arrays_held(self) -> int:
        """Physical arrays that hold weights at once; fewer than ``arrays`` where layers take turns."""
        return max(layer.first_array + layer.arrays for layer in self.layers)

    @property
    def pipelined(self) -> bool:
        """Whether layers run as a pipeline over windows; in turns they run one after the other."""
        return self.hardware.timing.pipelined and self.turn_count == 1

    @property
    def tiles(self) -> int:
        """Tiles of all chips, unused ones included."""
        return self.tiles_per_chip * self.chips

    @functools.cached_property
    def utilization(self) -> float:
        """Share of the cells of all used crossbars that hold a weight slice [-]."""
        sizes = (layer.crossbars * layer.hardware.crossbar.rows * layer.hardware.crossbar.cols for layer in self.layers)
        return sum(layer.used_cells for layer in self.layers) / sum(sizes)

    @functools.cached_property
    def _by_name(self) -> dict[str, LayerPlan]:
        return {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> LayerPlan:
        """Return the plan of one layer; KeyError where there is none."""
        return self._by_name[name]

    def tiles_of(self, layer: LayerPlan, copy: int = 0) -> range:
        """Return the tiles that one copy of a layer touches, in order."""
        size = layer.arrays // layer.replication
        first = layer.first_array + copy * size
        return range(first // self.arrays_per_tile, (first + size - 1) // self.arrays_per_tile + 1)


def plan_network(
    network: Network,
    hardware: Hardware,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    may_cut: bool = True,
) -> Plan:
    """Lay a network out on arrays, tiles and chips.

    Parameters
    ----------
    network : Network
        Shapes are enough; weights are not read. The plan's own network differs where ``mapping.reload`` is ``turns``
        and a layer takes more arrays than all chips hold: such layers are cut by their outputs.
    hardware : Hardware
        The accelerator.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value, for example ``{"conv1": {"crossbar.rows": 32}}``.
    weight_bits, activation_bits : int, optional
        Bits of all layers, in place of the hardware's own.
    may_cut : bool
        Whether layers may be cut; if not, what is larger than all chips is refused.

    Returns
    -------
    Plan
        Layers with their arrays and places.

    Raises
    ------
    ConfigError
        If a choice names no layer, a key or value is wrong, or the network has no weight layer.
    MappingError
        If the arrays do not fit where ``chip.count`` is a number.
    """
    bits = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    hardware = hardware.override({key: value for key, value in bits.items() if value is not None})
    nodes = network.layers
    if not nodes:
        raise ConfigError(f"network {network.name}: no convolution or linear layer to map")
    chosen = choose_hardware([node.name for node in nodes], hardware, layers, network.name)
    matrices = [describe_matrix(node) for node in nodes]
    cuts = [partition_matrix(matrix, chosen[node.name], node.name) for matrix, node in zip(matrices, nodes)]
    signs = [input_is_signed(network, node.name) for node in nodes]
    epitomes = [plan_epitome(node, chosen[node.name]) for node in nodes]
    own = [chosen[node.name] for node in nodes]
    split = _cut_for_turns(network, hardware, matrices, cuts, own) if may_cut else {}
    if split:
        names = {name: name_parts(name, count) for name, count in split.items()}
        shared = share_choices(layers, [node.name for node in nodes], names)
        return plan_network(split_layers(network, split), hardware, layers=shared)
    once = [cut.crossbars * (2 if is_paired(each) else 1) for cut, each in zip(cuts, own)]
    turns = assign_turns([node.name for node in nodes], once, hardware)
    copies = [1] * len(nodes) if turns[-1] else choose_copies(hardware, own, matrices, cuts, signs, epitomes)
    placed: list[LayerPlan] = []
    at = 0
    for index, (node, matrix, cut, signed, copy, epitome) in enumerate(
        zip(nodes, matrices, cuts, signs, copies, epitomes)
    ):
        if index and turns[index] != turns[index - 1]:
            at = 0
        layer = LayerPlan(
            name=node.name, kind=node.kind, hardware=chosen[node.name], matrix=matrix, partition=cut, signed=signed,
            replication=copy, first_array=at, epitome=epitome, turn=turns[index],
        )  # fmt: skip
        placed.append(layer)
        at += layer.arrays
    per_tile = hardware.chip.arrays_per_core * hardware.chip.cores_per_tile
    held = max(layer.first_array + layer.arrays for layer in placed)
    tiles_per_chip, chips = fit_chips(held, hardware)
    return Plan(
        network=network,
        hardware=hardware,
        layers=tuple(placed),
        arrays_per_tile=per_tile,
        tiles_used=-(-held // per_tile),
        tiles_per_chip=tiles_per_chip,
        chips=chips,
        turn_count=turns[-1] + 1,
    )


def _cut_for_turns(
    network: Network,
    hardware: Hardware,
    matrices: list[LayerMatrix],
    cuts: list[Partition],
    own: list[Hardware],
) -> dict[str, int]:
    """Return the parts of every layer that is to be cut because all chips hold fewer arrays than it takes."""
    slots = count_slots(hardware)
    if hardware.mapping.reload == "never" or slots is None or hardware.device.write is None:
        return {}
    split = {}
    for node, matrix, cut, each in zip(network.layers, matrices, cuts, own):
        if cut.crossbars * (2 if is_paired(each) else 1) > slots and node.groups == 1 and node.epitome is None:
            parts = count_parts(matrix, each, slots)
            if parts is not None:
                split[node.name] = parts
    return split
