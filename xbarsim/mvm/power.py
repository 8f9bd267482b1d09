"""Power that the drivers of a matrix give in its reads, from the programmed conductances and the layer's own inputs.

Without resistance in lines the power is a sum over cells: the mean power of every row's input times the conductance of
the row. Both are known for all arrays and inputs. What lines take is a ratio that differs little between arrays of one
layer and between reads: it is measured on a few reads of a few arrays, which are kept when the layer is programmed.
Arrays are grouped by what they hold (:class:`Stratum`); reads are chosen with a chance in proportion to their power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.converter import Streams, split_inputs
from xbarsim.crossbar import ArrayCircuit, describe_circuit, find_power
from xbarsim.mvm.layout import ColumnLayout

Floats = NDArray[np.float64]

ALL = 4
"""Arrays of a run up to which all are kept. Our choice: as many as there are strata."""
READS = 16
"""Reads of a kept array that are looked at, side by side in one block of the solver."""


class Stratum(NamedTuple):
    """Arrays of a matrix that hold alike."""

    is_last_row: bool
    """Whether they are in the last row block, which may be filled in part."""
    run: int
    """Run of columns, such as a slice that is stored separately."""
    is_last_column: bool
    """Whether they are in the last column block of the run, which may be filled in part."""


class KeptPair(NamedTuple):
    """An array that stands for its stratum, with that of the other polarity."""

    row_block: int
    """Row block."""
    column_block: int
    """Column block."""
    g: NDArray[np.float32]
    """(polarities, rows, columns) programmed conductances [S]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixPower:
    """What the power of reads of a matrix follows from."""

    siemens: Floats
    """(column blocks, K) conductance of all cells of a row, both polarities together, transistors in series; where
    closed gates conduct, what open ones add to it [S]."""
    leaked: Floats
    """(row blocks, column blocks) conductance of all cells of arrays behind closed gates, like ``siemens`` [S]."""
    kept: tuple[KeptPair, ...]
    """Arrays for what lines take: all where there are few, else the middle one of every stratum; none where lines take
    nothing."""
    run_blocks: int
    """Column blocks of a run."""
    row_starts: NDArray[np.int64]
    """(row blocks + 1,) first row of every row block, and K."""

    def classify(self, row_block: int, column_block: int) -> Stratum:
        """Return the stratum of an array."""
        run, place = divmod(column_block, self.run_blocks)
        return Stratum(row_block == len(self.row_starts) - 2, run, place == self.run_blocks - 1)

    def sum_ideal(self, activity: Floats, reads: float) -> dict[Stratum, float]:
        """Add up the power of arrays without resistance in lines, for the square of a volt.

        Parameters
        ----------
        activity : ndarray, (K,) or (column blocks, K)
            Mean power of the inputs of each row relative to full inputs, summed over reads [-].
        reads : float
            Mean number of reads of an array that were summed over [-].

        Returns
        -------
        dict of Stratum to float
            Sum over the arrays of a stratum [S].
        """
        by_block = np.add.reduceat(self.siemens * activity, self.row_starts[:-1], axis=1)
        found: dict[Stratum, float] = {}
        for column_block, values in enumerate(by_block.tolist()):
            for row_block, value in enumerate(values):
                key = self.classify(row_block, column_block)
                found[key] = found.get(key, 0.0) + value + reads * float(self.leaked[row_block, column_block])
        return found


class PowerCollector:
    """Collects the conductances of a matrix while its arrays are programmed, chunk by chunk.

    Parameters
    ----------
    hardware : Hardware
        Circuit of the arrays.
    layout : ColumnLayout
        Column blocks.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    keeps_samples : bool
        Whether arrays are kept where lines take something.
    """

    def __init__(
        self, hardware: Hardware, layout: ColumnLayout, row_starts: NDArray[np.int64], *, keeps_samples: bool
    ) -> None:
        self._circuit, self._layout, self._row_starts = describe_circuit(hardware), layout, row_starts
        self._arrays = hardware.arrays_per_crossbar  # a reference that others share is not counted
        self._siemens: Floats = np.zeros((layout.blocks, int(row_starts[-1])))
        self._leaked: Floats = np.zeros((len(row_starts) - 1, layout.blocks))
        self._kept: list[KeptPair] = []
        is_needed = keeps_samples and not self._circuit.is_ideal
        self._wanted = self._choose(len(row_starts) - 1) if is_needed else set()

    def _choose(self, row_blocks: int) -> set[tuple[int, int]]:
        """Return row and column block of the array in the middle of every stratum, of all where there are few."""
        each, runs = self._layout.run_blocks, self._layout.runs
        if row_blocks * each <= ALL:
            return {(row, column) for row in range(row_blocks) for column in range(each * runs)}
        rows, columns = {row_blocks - 1, (row_blocks - 1) // 2}, {each - 1, (each - 1) // 2}
        return {(row, run * each + column) for run in range(runs) for row in rows for column in columns}

    def add(self, row_block: int, blocks: range, g: Floats) -> None:
        """Add some arrays of a row block.

        Parameters
        ----------
        row_block : int
            Row block.
        blocks : range
            Column blocks.
        g : ndarray, (arrays, polarities, rows, columns)
            Programmed conductances [S].
        """
        begin, end = self._row_starts[row_block : row_block + 2]
        g = g[:, : self._arrays]
        cells = self._circuit.conduct(g[:, :, : end - begin])
        if self._circuit.lines.g_leak_siemens:
            closed = self._circuit.leak(g)
            cells = cells - closed[:, :, : end - begin]
            self._leaked[row_block, blocks.start : blocks.stop] = closed.sum(axis=(1, 2, 3))
        self._siemens[blocks.start : blocks.stop, begin:end] = cells.sum(axis=3).sum(axis=1)
        for block in blocks:
            if (row_block, block) in self._wanted:
                self._kept.append(KeptPair(row_block, block, g[block - blocks.start].astype(np.float32)))

    def finish(self) -> MatrixPower:
        """Return what was collected."""
        return MatrixPower(
            siemens=self._siemens, leaked=self._leaked, kept=tuple(self._kept), run_blocks=self._layout.run_blocks,
            row_starts=self._row_starts,
        )  # fmt: skip


def weigh_codes(streams: Streams, hardware: Hardware) -> Floats:
    """Return the mean power of every input over its reads, relative to full inputs.

    Parameters
    ----------
    streams : Streams
        Reads of an input.
    hardware : Hardware
        Circuit of the arrays.

    Returns
    -------
    ndarray, (inputs,)
        By input, from the smallest one on [-].
    """
    reads = streams.reads
    values = split_inputs(np.arange(reads.lowest, reads.highest + 1), reads)
    opening = values / ((1 << reads.dac_bits) - 1)
    found: Floats = describe_circuit(hardware).weigh(opening).mean(axis=0)
    return found


def measure_losses(
    power: MatrixPower, vectors: NDArray[Any], streams: Streams, hardware: Hardware, turns: NDArray[np.bool_] | None
) -> dict[Stratum, float]:
    """Measure what lines leave of the power of reads, on the arrays that were kept.

    Parameters
    ----------
    power : MatrixPower
        Arrays.
    vectors : ndarray of int, (vectors, K)
        Inputs of the layer.
    streams : Streams
        How they are sent.
    hardware : Hardware
        Circuit of the arrays.
    turns : ndarray of bool, (turns, K), or None
        Rows that are driven in each of several reads of a vector, which take turns; None where all are.

    Returns
    -------
    dict of Stratum to float
        Power relative to that without resistance in lines; nothing for a stratum without a kept array [-].
    """
    circuit, reads = describe_circuit(hardware), streams.reads
    sent = split_inputs(vectors.astype(np.int64), reads) / ((1 << reads.dac_bits) - 1)
    if turns is not None:
        sent = sent * turns[np.arange(len(vectors)) % len(turns)]
    found: dict[Stratum, list[float]] = {}
    for row_block, column_block, g in power.kept:
        begin, end = list(pairwise(power.row_starts.tolist()))[row_block]
        opening = np.zeros((sent.shape[0] * sent.shape[1], hardware.crossbar.rows))
        opening[:, : end - begin] = sent[:, :, begin:end].reshape(-1, end - begin)
        chosen = choose_reads(opening, power.siemens[column_block, begin:end], circuit)
        if not len(chosen):
            continue
        seen = find_power(g.astype(np.float64), chosen, circuit, threads=1)
        ratio = float(np.mean(seen.watt.sum(axis=0) / seen.ideal_watt.sum(axis=0)))
        found.setdefault(power.classify(row_block, column_block), []).append(ratio)
    return {key: float(np.mean(ratios)) for key, ratios in found.items()}


def choose_reads(opening: Floats, siemens: Floats, circuit: ArrayCircuit) -> Floats:
    """Choose reads with a chance in proportion to their power, spread evenly over small and large ones.

    Parameters
    ----------
    opening : ndarray, (reads, rows)
        Inputs as shares of full ones [-].
    siemens : ndarray, (used rows,)
        Conductance of each row [S].
    circuit : ArrayCircuit
        Power of an input.

    Returns
    -------
    ndarray, (``READS``, rows)
        Some may occur twice; none where no read drives a row [-].
    """
    watt = np.einsum("ri,i->r", circuit.weigh(opening[:, : len(siemens)]), siemens)
    order = np.argsort(watt, kind="stable")
    total = np.cumsum(watt[order])
    if not total[-1] > 0:
        return opening[:0]
    at = (np.arange(READS) + 0.5) / READS * total[-1]
    chosen: Floats = opening[order[np.searchsorted(total, at)]]
    return chosen


def add_up(ideal: Mapping[Stratum, float], left: Mapping[Stratum, float], hardware: Hardware) -> float:
    """Add up the power of the arrays of a matrix.

    Parameters
    ----------
    ideal : mapping
        From :meth:`MatrixPower.sum_ideal` [S].
    left : mapping
        From :func:`measure_losses`, of this matrix or one like it; a stratum that is not there takes the mean [-].
    hardware : Hardware
        Circuit of the arrays.

    Returns
    -------
    float
        Sum over arrays and reads [W].
    """
    other = float(np.mean(list(left.values()))) if left else 1.0
    total = math.fsum(value * left.get(key, other) for key, value in ideal.items())
    return describe_circuit(hardware).full_watt * total
