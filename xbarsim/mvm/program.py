"""Weights -> digits -> programmed arrays -> one effective matrix in level units.

What an array does to a vector of word-line voltages is one matrix, its transfer operator (``crossbar``). Here the
operators of all arrays of a layer are divided by the conductance of one level step, the off-current is subtracted
(it cancels in an analog difference): the known one, or that of a reference column in the same array. Then the columns
are put back in logical order, so that the engine sees one matrix of K rows whose row blocks are the arrays. Arrays are
programmed in bounded chunks and dropped; only the effective matrix is kept, in float32.

A known off-current is more than what arrives where wires shrink it; with converters that cannot go below zero, weak
columns are then lost. Neglected of reference columns: that the noise they add is the same in all columns of an array,
and what their cells and the subtraction cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.crossbar import Wires, solve_response
from xbarsim.device import load_measured, program_cells, read_noise_sigma
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import MOST_TABLE_BITS, ColumnLayout
from xbarsim.mvm.place import Chunk, Sheet, array_width, make_sheet, place_digits

WIRES = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
"""Resistances of ``hardware.crossbar``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgrammedMatrix:
    """What the arrays of a layer do, in level units; columns are (plane, output), then unit columns."""

    matrix: NDArray[np.float32]
    """(K, columns) response of a column to a row."""
    noise: NDArray[np.uint8]
    """(K, columns) variance of that response from read to read, in units of ``noise_unit``; (0, 0) without."""
    noise_unit: NDArray[np.float32]
    """(row blocks, columns) unit of ``noise`` [squared level units]."""
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
    for chunk in place_digits(encoded, layout, row_starts, hardware, groups, seed=seed, trial=trial, layer=layer):
        given = None if measured is None else measured[chunk.row_block, chunk.blocks.start : chunk.blocks.stop]
        collected.add(chunk, _respond(chunk, given, hardware, seed=seed, trial=trial, threads=threads))
    return ProgrammedMatrix(
        matrix=collected.matrix,
        noise=collected.noise,
        noise_unit=collected.noise_unit,
        loss=collected.loss,
        planes=sheet.planes,
        padded=sheet.padded,
        converters=sheet.converters,
        mean_level=float(encoded.digits.mean(dtype=np.float64)) / (hardware.device.levels - 1),
    )


class ColumnPart(NamedTuple):
    """What columns of arrays do, (array, column, row), in level units: one polarity, or the difference of two."""

    response: NDArray[Any]
    """Response to a row."""
    digits: NDArray[Any]
    """Response that ideal cells would have."""
    variance: NDArray[Any]
    """Variance of the response from read to read."""


@dataclass(kw_only=True, eq=False)
class _Collected:
    """The effective matrix while arrays are added to it; arrays as in :class:`ProgrammedMatrix`."""

    matrix: NDArray[np.float32]
    noise: NDArray[np.uint8]
    noise_unit: NDArray[np.float32]
    loss: NDArray[np.float32]
    noise_levels: int

    @classmethod
    def make(cls, blocks: int, rows: int, sheet: Sheet, hardware: Hardware) -> _Collected:
        """Allocate room for the row blocks of a matrix."""
        is_noisy = hardware.device.read_noise.sigma > 0
        return cls(
            matrix=np.zeros((rows, sheet.columns), dtype=np.float32),
            noise=np.zeros((rows, sheet.columns) if is_noisy else (0, 0), dtype=np.uint8),
            noise_unit=np.zeros((blocks, sheet.columns if is_noisy else 0), dtype=np.float32),
            loss=np.ones((blocks, sheet.columns), dtype=np.float32),
            noise_levels=count_noise_levels(hardware.dac.bits),
        )

    def add(self, chunk: Chunk, parts: list[ColumnPart]) -> None:
        """Put the columns of some arrays back in logical order."""
        at, rows, r = (chunk.array, chunk.column), chunk.end - chunk.begin, chunk.row_block
        for p, part in enumerate(parts):
            column = chunk.target + p * chunk.stride
            found, digits, variance = (values[at][:, :rows] for values in part)
            if chunk.is_driven is not None:
                found, digits, variance = (values * chunk.is_driven for values in (found, digits, variance))
            self.matrix[chunk.begin : chunk.end, column] = found.T
            self.loss[r, column] = _loss(found, digits)
            if self.noise.size:
                noise, unit = _round_variance(variance, self.noise_levels)
                self.noise[chunk.begin : chunk.end, column], self.noise_unit[r, column] = noise.T, unit


def _load_arrays(hardware: Hardware, layer: str, stack: tuple[int, int, int], width: int) -> NDArray[np.float64] | None:
    """Load a layer's measured arrays as (row block, column block, polarity, row, column), None without a file."""
    path, rows = hardware.device.measured, hardware.crossbar.rows
    if path is None:
        return None
    return load_measured(path, layer, (int(np.prod(stack)), rows, width)).reshape(*stack, rows, width)


def _respond(
    chunk: Chunk,
    measured: NDArray[np.float64] | None,
    hardware: Hardware,
    *,
    seed: int,
    trial: int,
    threads: int | None,
) -> list[ColumnPart]:
    """Program arrays and return what their columns do, by polarity, or merged where currents are subtracted.

    ``measured`` (array, polarity, row, column) are conductances to take as they are [S].
    """
    device, crossbar = hardware.device, hardware.crossbar
    arrays = chunk.digits.transpose(0, 2, 3, 1)
    g = measured
    if g is None:
        g = program_cells(np.ascontiguousarray(arrays), device, seed=seed, trial=trial, layer=chunk.key)
    wires = Wires(**{name: getattr(crossbar, name) for name in WIRES})
    if device.secant != 1.0:
        g = g * device.secant
    t = solve_response(g, wires, method=crossbar.method, threads=threads).linear
    if device.secant != 1.0:  # off-current, level step and noise are told by the conductances that cells are written to
        t = t / device.secant
    step = device.g_step_siemens
    sigma = (read_noise_sigma(t, device) / step) ** 2 if device.read_noise.sigma > 0 else np.zeros_like(t)
    if hardware.has_signed_sums:
        signed = arrays.astype(np.int16)
        parts = [ColumnPart((t[:, 0] - t[:, 1]) / step, signed[:, 0] - signed[:, 1], sigma[:, 0] + sigma[:, 1])]
    else:
        off: Any = device.g_off_siemens
        if chunk.reference is not None:
            at = chunk.reference[:, np.newaxis, np.newaxis, np.newaxis]
            off = np.take_along_axis(t, at, axis=3)
            sigma = sigma + np.take_along_axis(sigma, at, axis=3)
        parts = [ColumnPart(a / step, arrays[:, p], sigma[:, p]) for p, a in enumerate((t - off).swapaxes(0, 1))]
    return [ColumnPart(*(values.transpose(0, 2, 1) for values in part)) for part in parts]


def count_noise_levels(dac_bits: int) -> int:
    """Return the largest variance that a cell may hold so that a group of rows fits a byte of a table."""
    if dac_bits > MOST_TABLE_BITS:
        return 255
    return 255 // ((8 // dac_bits) * ((1 << dac_bits) - 1) ** 2)


def _round_variance(variance: NDArray[Any], levels: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Round variances, (columns, rows), to bytes; what one row loses, the next gains, so sums stay true."""
    unit = variance.max(axis=1) / levels
    total = np.cumsum(variance / np.where(unit > 0, unit, 1.0)[:, np.newaxis], axis=1)
    return np.diff(np.floor(total + 0.5), axis=1, prepend=0.0).astype(np.uint8), unit


def _loss(found: NDArray[Any], ideal: NDArray[Any]) -> NDArray[np.float64]:
    """Return the factor per column that brings ``found`` closest to ``ideal``; 1 where a column is empty."""
    energy = np.einsum("ij,ij->i", found, found)
    overlap = np.einsum("ij,ij->i", found, ideal.astype(np.float64))
    return np.where((energy > 0) & (overlap > 0), overlap / np.where(energy > 0, energy, 1.0), 1.0)
