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

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.crossbar import solve_transfer
from xbarsim.device import load_measured, program_cells, read_noise_sigma, secant_conductance
from xbarsim.mvm.layout import MOST_TABLE_BITS, ColumnLayout, pad_lanes
from xbarsim.mvm.remap import remap_columns

CHUNK_CELLS = 1 << 21
"""Cells that are programmed and solved at a time: 16 MB of float64 conductances."""


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
    mean_level: float
    """Mean level of the cells that hold weights, as a fraction of the highest [-]."""


def program_arrays(
    encoded: EncodedWeights,
    layout: ColumnLayout,
    row_starts: NDArray[np.int64],
    hardware: Hardware,
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
    seed, trial, layer : int, int, str
        Key of the device's random streams; arrays of a chunk share one.
    threads : int, optional
        Threads to solve circuits on; the result does not depend on it.

    Returns
    -------
    ProgrammedMatrix
        Effective matrix in level units.
    """
    polarities, slices, rows, outputs = encoded.digits.shape
    planes = hardware.converted_polarities * slices
    padded = pad_lanes(outputs)
    has_unit = hardware.has_unit_column
    columns = planes * padded + (pad_lanes(layout.blocks) if has_unit else 0)
    blocks = len(row_starts) - 1
    matrix = np.zeros((rows, columns), dtype=np.float32)
    loss = np.ones((blocks, columns), dtype=np.float32)
    is_noisy = hardware.device.read_noise.sigma > 0
    noise = np.zeros((rows, columns) if is_noisy else (0, 0), dtype=np.uint8)
    noise_unit = np.zeros((blocks, columns if is_noisy else 0), dtype=np.float32)
    noise_levels = count_noise_levels(hardware.dac.bits)
    has_reference = hardware.has_reference_column
    width = layout.cols + has_unit + has_reference
    chunk = max(1, CHUNK_CELLS // (polarities * hardware.crossbar.rows * width))
    measured = _load_arrays(hardware, layer, (blocks, layout.blocks, polarities), width)
    for r, (begin, end) in enumerate(pairwise(row_starts)):
        for first in range(0, layout.blocks, chunk):
            last = min(first + chunk, layout.blocks)
            s, o = np.nonzero((layout.block_of >= first) & (layout.block_of < last))
            place = (layout.block_of[s, o] - first, layout.column_of[s, o])
            digits = np.zeros((last - first, width, polarities, hardware.crossbar.rows), dtype=np.uint8)
            digits[place[0], place[1], :, : end - begin] = encoded.digits[:, s, begin:end, o]  # (column, polarity, row)
            if has_unit:
                digits[:, layout.cols, :, : end - begin] = 1
            key = f"{layer}/{r}/{first}"
            unit_place = np.full(last - first, layout.cols)
            reference = np.full(last - first, width - 1) if has_reference else None
            if hardware.mapping.remap == "columns" and measured is None:
                counts = np.zeros((last - first, width))
                counts[place] = encoded.slice_weights[s]
                if has_unit:  # all outputs share it
                    counts[:, layout.cols] = encoded.unit_weight * np.sqrt(layout.cols / slices)
                if has_reference:  # and all columns this one
                    counts[:, -1] = np.sqrt(np.square(counts).sum(axis=1))
                moved = remap_columns(digits, counts, hardware.device, seed=seed, trial=trial, layer=key)
                place, unit_place = (place[0], moved[place]), moved[:, layout.cols - 1 + has_unit]
                reference = moved[:, -1] if has_reference else None
                np.put_along_axis(digits, moved[:, :, np.newaxis, np.newaxis], digits.copy(), axis=1)
            given = None if measured is None else measured[r, first:last]
            result = _respond(
                digits, given, hardware, reference=reference, seed=seed, trial=trial, layer=key, threads=threads
            )
            target = s * padded + o
            units = planes * padded + np.arange(first, last)
            for p, (response, ideal, variance) in enumerate(result):
                into = target + p * slices * padded
                for column, at in ((into, place), (units, (np.arange(last - first), unit_place))):
                    if column is units and not has_unit:
                        continue
                    found = response[at][:, : end - begin]
                    matrix[begin:end, column] = found.T
                    loss[r, column] = _loss(found, ideal[at][:, : end - begin])
                    if is_noisy:
                        found, unit = _round_variance(variance[at][:, : end - begin], noise_levels)
                        noise[begin:end, column], noise_unit[r, column] = found.T, unit
    return ProgrammedMatrix(
        matrix=matrix,
        noise=noise,
        noise_unit=noise_unit,
        loss=loss,
        planes=planes,
        padded=padded,
        mean_level=float(encoded.digits.mean(dtype=np.float64)) / (hardware.device.levels - 1),
    )


def _load_arrays(hardware: Hardware, layer: str, stack: tuple[int, int, int], width: int) -> NDArray[np.float64] | None:
    """Load a layer's measured arrays as (row block, column block, polarity, row, column), None without a file."""
    path, rows = hardware.device.measured, hardware.crossbar.rows
    if path is None:
        return None
    return load_measured(path, layer, (int(np.prod(stack)), rows, width)).reshape(*stack, rows, width)


def _respond(
    digits: NDArray[np.uint8],
    measured: NDArray[np.float64] | None,
    hardware: Hardware,
    *,
    reference: NDArray[np.int64] | None,
    seed: int,
    trial: int,
    layer: str,
    threads: int | None,
) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Program arrays given as (array, column, polarity, row); return response, digits and variance by polarity.

    Arrays come back as (array, column, row) in level units, the two polarities merged where currents are
    subtracted before conversion. ``measured`` (array, polarity, row, column) are conductances to take as they are,
    ``reference`` the column of off cells of each array.
    """
    device, wires = hardware.device, hardware.crossbar
    arrays = digits.transpose(0, 2, 3, 1)
    g = measured
    if g is None:
        g = program_cells(np.ascontiguousarray(arrays), device, seed=seed, trial=trial, layer=layer)
        if device.iv is not None:
            g *= secant_conductance(device.iv, device.read_volt)
    t = solve_transfer(
        g,
        r_wl_ohm=wires.r_wl_ohm,
        r_bl_ohm=wires.r_bl_ohm,
        r_source_ohm=wires.r_source_ohm,
        r_sink_ohm=wires.r_sink_ohm,
        method=wires.method,
        threads=threads,
    )
    step = device.g_step_siemens
    sigma = (read_noise_sigma(t, device) / step) ** 2 if device.read_noise.sigma > 0 else np.zeros_like(t)
    if hardware.has_signed_sums:
        signed = arrays.astype(np.int16)
        parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]
        parts = [((t[:, 0] - t[:, 1]) / step, signed[:, 0] - signed[:, 1], sigma[:, 0] + sigma[:, 1])]
    else:
        off: Any = device.g_off_siemens
        if reference is not None:
            at = reference[:, np.newaxis, np.newaxis, np.newaxis]
            off = np.take_along_axis(t, at, axis=3)
            sigma = sigma + np.take_along_axis(sigma, at, axis=3)
        parts = [(a / step, arrays[:, p], sigma[:, p]) for p, a in enumerate((t - off).swapaxes(0, 1))]
    return [(a.transpose(0, 2, 1), b.transpose(0, 2, 1), c.transpose(0, 2, 1)) for a, b, c in parts]


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
