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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.crossbar import Lines, Wires, solve_response
from xbarsim.device import load_measured, program_cells, read_variance, trap_stream
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.mvm.place import Chunk, Sheet, array_width, make_sheet, place_digits

WIRES = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
"""Resistances of ``hardware.crossbar``."""


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
        shot=collected.shot,
        still=collected.still,
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
    noise: NDArray[Any]
    """Variance of a read for the square of an input."""
    shot: NDArray[Any]
    """Variance of a read for an input."""
    still: NDArray[Any]
    """Variance of a read whatever its inputs."""


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
    lines = Lines(wires=wires, r_sl_ohm=crossbar.r_sl_ohm, r_access_ohm=crossbar.r_access_ohm)
    t = solve_response(g, lines, topology=crossbar.topology, method=crossbar.method, threads=threads).linear
    if device.secant != 1.0:  # off-current, level step and noise are told by the conductances that cells are written to
        t = t / device.secant
    step = device.g_step_siemens
    variances = _read_variances(t, hardware, chunk.key, seed=seed, trial=trial)
    if hardware.has_signed_sums:
        signed = arrays.astype(np.int16)
        both = [values[:, 0] + values[:, 1] for values in variances]
        parts = [ColumnPart((t[:, 0] - t[:, 1]) / step, signed[:, 0] - signed[:, 1], *both)]
    else:
        off: Any = device.g_off_siemens
        if chunk.reference is not None:
            at = chunk.reference[:, np.newaxis, np.newaxis, np.newaxis]
            off = np.take_along_axis(t, at, axis=3)
            variances = [values + np.take_along_axis(values, at, axis=3) for values in variances]
        parts = [
            ColumnPart(a / step, arrays[:, p], *(values[:, p] for values in variances))
            for p, a in enumerate((t - off).swapaxes(0, 1))
        ]
    return [ColumnPart(*(values.transpose(0, 2, 1) for values in part)) for part in parts]


def _read_variances(
    t: NDArray[np.float64], hardware: Hardware, key: str, *, seed: int, trial: int
) -> list[NDArray[np.float64]]:
    """Return the variances of reads for the square of an input, for an input, and whatever inputs, in level units.

    An input of 1 is the smallest step of voltage, or one pulse at full voltage, whose noise is that of a read and
    independent of that of other pulses; ``t`` is the response of arrays [S].
    """
    device = hardware.device
    if not device.has_noisy_reads:
        return [np.zeros_like(t)] * 3
    found = read_variance(t, device, trap_stream(seed, trial, key))
    if (pulses := hardware.dac.pulses) > 1:
        step = device.g_step_siemens * device.read_volt
        a_pulse = found.squared / device.g_step_siemens**2 + found.linear * device.read_volt / step**2
        return [np.zeros_like(t), a_pulse, pulses * found.still / step**2]
    volt = device.read_volt / ((1 << hardware.dac.bits) - 1)
    step = device.g_step_siemens * volt
    return [found.squared / device.g_step_siemens**2, found.linear * volt / step**2, found.still / step**2]


def _shorten(variance: NDArray[Any]) -> NDArray[np.float32]:
    """Round to 8 binary digits (0.4 %), few enough for products with squared inputs to be exact in float32."""
    bits: NDArray[np.uint32] = np.ascontiguousarray(variance, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def _loss(found: NDArray[Any], ideal: NDArray[Any]) -> NDArray[np.float64]:
    """Return the factor per column that brings ``found`` closest to ``ideal``; 1 where a column is empty."""
    energy = np.einsum("ij,ij->i", found, found)
    overlap = np.einsum("ij,ij->i", found, ideal.astype(np.float64))
    return np.where((energy > 0) & (overlap > 0), overlap / np.where(energy > 0, energy, 1.0), 1.0)
