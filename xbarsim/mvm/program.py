"""From weights to programmed arrays, and to one effective matrix in level units.

The response of an array to word-line voltages is a matrix, its transfer operator (``crossbar``). The operators of all
arrays of a layer are divided by the conductance of one level step, and the off-current is subtracted: the known one, or
that of a reference column in the same array (it cancels in an analog difference). The columns are then brought into
logical order, which gives one matrix of K rows whose row blocks are the arrays. Arrays are programmed in chunks of
limited size and discarded; only the effective matrix is kept, in float32.

The known off-current exceeds the actual one if IR drop reduces it. With converters that have no negative codes, the
sums of weakly conducting columns are then lost. Neglected for reference columns: the noise that they add is the same in
all columns of an array; the cost of their cells and of the subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.device import load_measured
from xbarsim.mvm.bend import Bend
from xbarsim.mvm.collect import CollectedCurves
from xbarsim.mvm.fit import solve_columns
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.mvm.place import Chunk, Sheet, array_width, make_sheet, place_digits
from xbarsim.mvm.power import MatrixPower, PowerCollector
from xbarsim.mvm.probe import Probes
from xbarsim.mvm.respond import ChunkArrays, ColumnPart, program_chunk
from xbarsim.mvm.solved import SolvedReads


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgrammedMatrix:
    """Response of the arrays of a layer, in level units; columns are (plane, output), then unit columns."""

    matrix: NDArray[np.float32]
    """(K, columns) response of a column to a row."""
    noise: NDArray[np.float32]
    """(K, columns) variance of a read, for the square of an input, of 8 binary digits; (0, 0) without [squared level
    units]."""
    shot: NDArray[np.float32]
    """(K, columns) variance of a read, for an input, of 8 binary digits; (0, 0) without [squared level units]."""
    still: NDArray[np.float32]
    """(row blocks, columns) variance of a read whatever its inputs; (0, 0) without [squared level units]."""
    loss: NDArray[np.float32]
    """(row blocks, columns) factor that brings a column's response closest to its digits in the least-squares
    sense; 1 for an ideal array."""
    planes: int
    """Column sums that one output needs in one row block: polarities converted apart times slices."""
    padded: int
    """Outputs rounded up to whole registers."""
    converters: NDArray[np.int64]
    """(columns,) converter of every column, by the first column that it converts."""
    mean_level: float
    """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
    bend: Bend | None
    """What columns sense for a sum of the matrix, where the circuit depends on its input; None: the sum."""
    solved: SolvedReads | None
    """The arrays themselves, where every read is solved; None elsewhere."""
    power: MatrixPower
    """What the power of reads follows from."""

    @cached_property
    def largest(self) -> float:
        """Largest magnitude in the matrix [level units]."""
        return float(np.abs(self.matrix).max(initial=0.0))


def program_arrays(
    encoded: EncodedWeights,
    layout: ColumnLayout,
    row_starts: NDArray[np.int64],
    hardware: Hardware,
    groups: ReadGroups,
    *,
    seed: int,
    trial: int,
    layer: str,
    probes: Probes | None,
    keeps_samples: bool = True,
    threads: int | None = None,
) -> ProgrammedMatrix:
    """Program every array of a layer and return its effective matrix.

    Parameters
    ----------
    encoded : EncodedWeights
        Digits.
    layout : ColumnLayout
        Places of the columns.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    hardware : Hardware
        Device, wires and array size.
    groups : ReadGroups
        Groups that are read one after the other.
    seed, trial, layer : int, int, str
        Key of the device's random streams; arrays of a chunk share one.
    probes : Probes or None
        Reads to fit a response on; None where the operator is all there is.
    keeps_samples : bool
        Whether some arrays are kept, on which it can be measured what lines take of the power of reads.
    threads : int, optional
        Threads to solve circuits on; the result does not depend on it.

    Returns
    -------
    ProgrammedMatrix
        Effective matrix in level units.
    """
    if groups.count > 1:  # cells that no read needs stay off
        encoded = replace(encoded, digits=encoded.digits * groups.is_driven)
    sheet = make_sheet(encoded, layout, hardware, groups)
    collected = _Collected.make(len(row_starts) - 1, encoded.digits.shape[2], sheet, hardware)
    stack = (len(row_starts) - 1, layout.blocks, encoded.digits.shape[0])
    measured = _load_arrays(hardware, layer, stack, array_width(layout, hardware))
    kept: list[ChunkArrays] = []
    power = PowerCollector(hardware, layout, row_starts, keeps_samples=keeps_samples)
    level = float(encoded.digits.mean(dtype=np.float64)) / (hardware.device.levels - 1)
    curves = None if probes is None else CollectedCurves(probes, sheet, row_starts, hardware, level)
    for chunk in place_digits(encoded, layout, row_starts, hardware, groups, seed=seed, trial=trial, layer=layer):
        given = None if measured is None else measured[chunk.row_block, chunk.blocks.start : chunk.blocks.stop]
        arrays = program_chunk(chunk, given, hardware, seed=seed, trial=trial, threads=threads)
        parts = arrays.respond(None if probes is None else probes.drive[chunk.row_block])
        collected.add(chunk, parts)
        power.add(chunk.row_block, chunk.blocks, arrays.g)
        if hardware.response == "exact":
            kept.append(arrays)
        if probes is not None and curves is not None:
            curves.add(solve_columns(arrays, parts, probes, curves.rows(chunk)))
    return ProgrammedMatrix(
        matrix=collected.matrix,
        noise=collected.noise,
        shot=collected.shot,
        still=collected.still,
        loss=collected.loss,
        planes=sheet.planes,
        padded=sheet.padded,
        converters=sheet.converters,
        mean_level=level,
        bend=None if curves is None else curves.finish(),
        solved=SolvedReads(arrays=tuple(kept), columns=sheet.columns) if hardware.response == "exact" else None,
        power=power.finish(),
    )


@dataclass(kw_only=True, eq=False)
class _Collected:
    """The effective matrix while arrays are added to it; arrays as in :class:`ProgrammedMatrix`."""

    matrix: NDArray[np.float32]
    noise: NDArray[np.float32]
    shot: NDArray[np.float32]
    still: NDArray[np.float32]
    loss: NDArray[np.float32]

    @classmethod
    def make(cls, blocks: int, rows: int, sheet: Sheet, hardware: Hardware) -> _Collected:
        """Allocate room for the row blocks of a matrix."""
        noise = hardware.device.read_noise
        has_shot = (noise.bandwidth_hz is not None and noise.fano > 0) or hardware.dac.pulses > 1
        has_shot = has_shot and hardware.device.has_noisy_reads and hardware.dac.bits > 1
        none = (0, 0)
        return cls(
            matrix=np.zeros((rows, sheet.columns), dtype=np.float32),
            noise=np.zeros((rows, sheet.columns) if hardware.device.has_noisy_reads else none, dtype=np.float32),
            shot=np.zeros((rows, sheet.columns) if has_shot else none, dtype=np.float32),
            still=np.zeros((blocks, sheet.columns) if noise.bandwidth_hz is not None else none, dtype=np.float32),
            loss=np.ones((blocks, sheet.columns), dtype=np.float32),
        )

    def add(self, chunk: Chunk, parts: list[ColumnPart]) -> None:
        """Put the columns of some arrays back in logical order."""
        at, rows, r = (chunk.array, chunk.column), chunk.end - chunk.begin, chunk.row_block
        for p, part in enumerate(parts):
            column = chunk.target + p * chunk.stride
            found, digits, noise, shot = (values[at][:, :rows] for values in part[:4])
            if chunk.is_driven is not None:
                found, digits, noise, shot = (values * chunk.is_driven for values in (found, digits, noise, shot))
            self.matrix[chunk.begin : chunk.end, column] = found.T
            self.loss[r, column] = _loss(found, digits)
            if self.noise.size:
                if not self.shot.size:  # inputs of one bit are their own squares
                    noise = noise + shot
                self.noise[chunk.begin : chunk.end, column] = _shorten(noise.T)
                if self.shot.size:
                    self.shot[chunk.begin : chunk.end, column] = _shorten(shot.T)
                if self.still.size:  # of rows that are not driven, too
                    self.still[r, column] = part.still[at].sum(axis=1)


def _load_arrays(hardware: Hardware, layer: str, stack: tuple[int, int, int], width: int) -> NDArray[np.float64] | None:
    """Load a layer's measured arrays as (row block, column block, polarity, row, column), None without a file."""
    path, rows = hardware.device.measured, hardware.crossbar.rows
    if path is None:
        return None
    return load_measured(path, layer, (int(np.prod(stack)), rows, width)).reshape(*stack, rows, width)


def _shorten(variance: NDArray[Any]) -> NDArray[np.float32]:
    """Round to 8 binary digits (0.4 %), few enough for products with squared inputs to be exact in float32."""
    bits: NDArray[np.uint32] = np.ascontiguousarray(variance, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def _loss(found: NDArray[Any], ideal: NDArray[Any]) -> NDArray[np.float64]:
    """Return the factor per column that brings ``found`` closest to ``ideal``; 1 where a column is empty."""
    energy = np.einsum("ij,ij->i", found, found)
    overlap = np.einsum("ij,ij->i", found, ideal.astype(np.float64))
    return np.where((energy > 0) & (overlap > 0), overlap / np.where(energy > 0, energy, 1.0), 1.0)
