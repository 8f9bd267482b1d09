"""Work of one step of a network, from which actions are counted.

The timing simulation creates these records; every record of :data:`~xbarsim.component.action.ACTIONS` counts from them.
"""

from __future__ import annotations

from typing import NamedTuple

from xbarsim.config.hardware import Hardware


class ArrayWork(NamedTuple):
    """Work of the arrays of a layer for one window; zeros for steps without arrays."""

    streams: int
    """Array reads, one after the other, of one window."""
    polarities: int
    """Physical arrays of a crossbar."""
    crossbars: int
    """Crossbars read in one stream, each once for every round that reads it."""
    rows: int
    """Word lines of these crossbars that are driven."""
    conversions: int
    """Columns that are converted after one stream, or after all of them where reads are added up."""
    cells: int
    """Cells of driven rows and used columns of these crossbars, in one polarity."""
    input_bits: int
    """Bits of an input."""
    results: int
    """Sums of products that leave the crossbars, partial sums of row blocks counted apart."""
    sum_bits: int
    """Bits of a sum of products."""
    additions: int
    """Additions of partial sums of row blocks and rounds."""
    input_additions: int
    """Additions of inputs before they reach the arrays of an epitome."""
    lookup_bits: int
    """Bits read from the index tables of an epitome."""


NO_ARRAYS = ArrayWork(
    streams=0, polarities=0, crossbars=0, rows=0, conversions=0, cells=0, input_bits=0, results=0, sum_bits=0,
    additions=0, input_additions=0, lookup_bits=0,
)  # fmt: skip
"""Work of arrays of a step without weights."""


class StepWork(NamedTuple):
    """Work of one step in one inference."""

    kind: str
    """Kind of the operator; ``input`` and ``output`` for the ends of the network."""
    unit: str
    """Name of the part of a tile that works on its windows, such as ``vector``."""
    hardware: Hardware
    """Hardware of the layer, for other steps that of the plan."""
    written: int
    """Cells written in every inference, weights or not; 0 where weights stay."""
    windows: int
    """Windows of one inference."""
    operations: int
    """Operations of one window on a digital unit."""
    activated: int
    """Values of one window that pass an activation function."""
    result_bits: int
    """Bits of the result of one window."""
    arrays: ArrayWork
    """Arrays of a layer."""
    read_bits: int
    """Bits of operands read from buffers in one inference."""
    bus_bits: int
    """Bits moved over the buses of tiles in one inference."""
    hop_bits: int
    """Bits of partial sums and results in one inference, once for every link that they pass."""
    sent: int
    """Windows whose result leaves its tile."""
    arrivals: int
    """Results of one window that arrive at other tiles, all windows together."""

    @property
    def is_end(self) -> bool:
        """Whether this is the input or the output of the network."""
        return self.kind in ("input", "output")

    @property
    def conversions(self) -> int:
        """Conversions in one inference: of every read, or of every window where its reads are added up."""
        is_summed = self.hardware.dac.accumulate == "analog"
        return (self.windows if is_summed else self.reads) * self.arrays.conversions

    @property
    def reads(self) -> int:
        """Reads of every crossbar in one inference."""
        return self.windows * self.arrays.streams
