"""What is fitted behind an operator where the circuit depends on its inputs: a curve for every column.

Where wires and cells interact, what a column senses differs from the operator's sum ``d`` by what the bit line loses at
the currents of this very read, and these are known by two numbers: ``d`` itself, and how much the read drives in all,
the load ``n``: the sum of its inputs, each counted by the resistance that its current shares with those of others. So

    sensed = d (1 + c0 + c1 d + c2 n) + c3 n

with four numbers a column, fitted by least squares to reads that were solved exactly, and checked on others. For the
difference of two columns ``d`` alone would not do: currents that are taken from each other still load their lines.
Where inputs are voltages of several heights, each counts by the current that it drives through a cell that bends.

All in level units. Sums have a fixed order, and no linear algebra of a library is used: the same bits everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.iv import cell_current
from xbarsim.mvm._records import Curves

Floats = NDArray[np.float64]

TERMS = 4
"""Numbers of a column."""
HEAVIEST = 15
"""Weight of the row whose current passes most; whole weights add up exactly in any order."""
DAMPING = 1e-5
"""What is added to the squares of terms, each relative to its largest value, so that columns without current have a
fit. Our choice: far below the share of any term that matters."""
ENOUGH = 0.25
"""Largest root-mean-square error on reads that were kept back for which no more reads are taken [level units]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bend:
    """The curves of a layer's columns and how far they are off."""

    terms: NDArray[np.float32]
    """(row blocks, TERMS, columns) c0, c1 ... of every column; zero where a column has no cells."""
    weights: NDArray[np.int32]
    """(K,) what an input of each row counts in the load of its read."""
    error: NDArray[np.float32]
    """(row blocks, reads, columns) error on reads kept back; NaN where a row block has fewer [level units]."""
    highest: NDArray[np.float32]
    """(row blocks, columns) largest magnitude of a sum that a curve was fitted on [level units]."""
    heaviest: NDArray[np.float32]
    """(row blocks,) largest load of a read that curves were fitted on [-]."""
    amplitudes: NDArray[np.float32]
    """(inputs of a read,) what stands for each input where cells bend; empty where an input stands for itself."""

    def drive(self, inputs: NDArray[Any]) -> Floats:
        """Return the amplitudes of inputs in steps of a driver, any shape."""
        return amplify(inputs, self.amplitudes)

    def weigh(self, inputs: Floats, rows: slice) -> Floats:
        """Return the loads of reads, (reads,), from the amplitudes of their inputs, (reads, rows), of some rows."""
        return inputs @ self.weights[rows].astype(np.float64)

    def apply(self, sums: Floats, loads: Floats, r: int, columns: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Return what columns of a row block sense, (reads, columns), in float64.

        Parameters
        ----------
        sums : ndarray, (reads, columns)
            Sums of the operator [level units].
        loads : ndarray, (reads,)
            Loads of the reads [-].
        r : int
            Row block.
        columns : ndarray of int or slice
            Columns that ``sums`` is of; all by default.
        """
        return bend_sums(sums, loads, self.terms[r][:, columns].astype(np.float64))

    def curves(self, step: float) -> Curves:
        """Return the curves as kernels take them, for sums on a grid of ``1 / step`` level units."""
        c = self.terms
        terms = np.stack([1 + c[:, 0], c[:, 1] / np.float32(step), c[:, 2], c[:, 3] * np.float32(step)], axis=1)
        return Curves(terms, self.weights, self.amplitudes)


def bend_sums(sums: Floats, loads: Floats, terms: Floats) -> Floats:
    """Return what columns sense, (reads, columns), for their sums (reads, columns) and loads (reads,)."""
    n = loads[:, np.newaxis]
    found: Floats = sums * ((1.0 + terms[0] + terms[1] * sums) + terms[2] * n) + terms[3] * n
    return found


def find_amplitudes(hardware: Hardware) -> NDArray[np.float32]:
    """Return what stands for each input of a read where cells bend: current over that of a full input, in steps.

    Parameters
    ----------
    hardware : Hardware
        Curve of the cells, coding of inputs and topology.

    Returns
    -------
    ndarray of float32, (inputs of a read,)
        Empty where inputs are no voltages across cells, or cells are ohmic: an input then stands for itself.
    """
    device, bits = hardware.device, hardware.dac.driver_bits
    if device.is_ohmic or bits == 1 or hardware.crossbar.layout.inputs == "gates":
        return np.zeros(0, dtype=np.float32)
    steps = np.arange(1 << bits) / ((1 << bits) - 1)
    current = cell_current(device.iv, steps * device.read_volt)[0]
    found: NDArray[np.float32] = (current / current[-1] * ((1 << bits) - 1)).astype(np.float32)
    return found


def amplify(inputs: NDArray[Any], amplitudes: NDArray[np.float32]) -> Floats:
    """Return the amplitudes of inputs; without amplitudes the inputs.

    Parameters
    ----------
    inputs : ndarray of int, any shape
        In steps of a driver.
    amplitudes : ndarray of float32, (inputs of a read,)
        From :func:`find_amplitudes`.

    Returns
    -------
    ndarray, shape of ``inputs``
        In steps of a driver.
    """
    if not amplitudes.size:
        return np.asarray(inputs, dtype=np.float64)
    found: Floats = amplitudes.astype(np.float64)[np.rint(inputs).astype(np.int64)]
    return found


def weigh_rows(hardware: Hardware, row_starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return what an input of each row counts in a load: how much its current costs the other rows of a column.

    That is the resistance that its path along the column shares with theirs, mean over all rows.

    Parameters
    ----------
    hardware : Hardware
        Lines along the columns, sensors and drivers.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.

    Returns
    -------
    ndarray of int32, (K,)
        Between 1 and ``HEAVIEST``; all equal where lines along the columns have no resistance or two kinds of ends.
    """
    crossbar, layout = hardware.crossbar, hardware.crossbar.layout
    place = np.arange(crossbar.rows)
    near, far = 1 + np.minimum.outer(place, place), crossbar.rows - np.maximum.outer(place, place)
    segments = {"near": near, "far": far}
    shared = crossbar.r_sink_ohm + crossbar.r_bl_ohm * segments.get(layout.sense, np.ones_like(near))
    if layout.source_lines == "columns":
        shared = shared + crossbar.r_source_ohm
        shared = shared + crossbar.r_sl_ohm * segments.get(layout.drive, np.ones_like(near))
    mean = shared.mean(axis=0)
    weights = np.rint(HEAVIEST * (mean / mean.max() if mean.max() > 0 else np.ones(crossbar.rows)))
    starts = np.repeat(row_starts[:-1], np.diff(row_starts))
    found: NDArray[np.int32] = np.maximum(1, weights).astype(np.int32)[np.arange(int(row_starts[-1])) - starts]
    return found


def fit_terms(sums: Floats, loads: Floats, sensed: Floats) -> Floats:
    """Fit the curves of some columns.

    Parameters
    ----------
    sums : ndarray, (columns, reads)
        Sums of the operator [level units].
    loads : ndarray, (reads,)
        Weighted sums of the inputs [-].
    sensed : ndarray, (columns, reads)
        What exact solves give [level units].

    Returns
    -------
    ndarray, (TERMS, columns)
        c0, c1 ...
    """
    n = np.broadcast_to(loads, sums.shape)
    terms = np.stack([sums, sums * sums, sums * n, n])
    scale = np.maximum(np.abs(terms).max(axis=2), 1e-30)
    terms = terms / scale[:, :, np.newaxis]
    normal = np.einsum("acr,bcr->abc", terms, terms)
    normal[np.arange(TERMS), np.arange(TERMS)] += DAMPING * sums.shape[1]
    wanted = np.einsum("acr,cr->ac", terms, sensed - sums)
    found: Floats = _eliminate(normal, wanted) / scale
    return found


def _eliminate(matrix: Floats, right: Floats) -> Floats:
    """Solve small positive definite systems side by side: (n, n, systems) and (n, systems) -> (n, systems)."""
    matrix, right = matrix.copy(), right.copy()
    for k in range(len(right)):
        for i in range(k + 1, len(right)):
            factor = matrix[i, k] / matrix[k, k]
            matrix[i, k:] -= factor * matrix[k, k:]
            right[i] -= factor * right[k]
    for k in range(len(right) - 1, -1, -1):
        for j in range(k + 1, len(right)):
            right[k] -= matrix[k, j] * right[j]
        right[k] /= matrix[k, k]
    return right
