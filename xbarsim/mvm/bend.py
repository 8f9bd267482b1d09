"""What is fitted behind an operator where the circuit depends on its inputs: a curve for every column.

Where wires and cells interact, what a column senses differs from the operator's sum ``d`` by what the bit line loses at
the currents of this very read. What is known of these: ``d`` itself; how much the read drives in all, the load ``n``,
the sum of its inputs, each counted by the resistance that its current shares with those of others; and where along the
column the currents flow, from the sums ``p`` over the rows before some cuts. So

    sensed = d (1 + c0 + c1 d + c2 n) + c3 n + c4 m (p' - d / 2) + p (c5 + c6 n) + ...

with the sum ``p'`` up to the middle and the tilt ``m``, the inputs of the first half less those of the second. The load
of a column of its own counts each input also by the current of the column's cells in that row: for the difference of
two columns that is the sum of both, since currents that are taken from each other still load their lines. The forms
differ in how many cuts they have and in which load, the cheapest one has none: ``d (1 + c0 + c1 d)``. A layer takes the
first whose error on other reads is small.

Numbers are fitted by least squares to reads that were solved exactly. Where inputs are voltages of several heights,
each counts by the current that it drives through a cell that bends, and sums have a second product (``height``): the
weight of that is fitted to each column first, so that it is part of ``d`` afterwards. All in level units. Sums
have a fixed order, and no linear algebra of a library is used: the same bits everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.mvm._records import MOST_TABLE_BITS, QUADRATIC, Curves
from xbarsim.mvm.height import amplify

Floats = NDArray[np.float64]

HEAVIEST = 15
"""Weight of the row whose current passes most; whole weights add up exactly in any order."""
DAMPING = 1e-5
"""What is added to the squares of terms, each relative to its largest value, so that columns without current have a
fit. Our choice: far below the share of any term that matters."""
ENOUGH = 10.0
"""Largest root-mean-square error on reads that were kept back for which no more reads are taken, over the error asked.
Our choice: more reads gain little where a form is wrong."""
LOAD_STEPS = 255
"""Largest load of a column of its own for inputs of few bits: sums of its cells are uint8."""
LOAD_ROOM = 1.25
"""Largest load of a column of its own over the largest of the fit. Our choice: a quarter for denser reads."""
ROW_UNIT = 8
"""Cuts are at multiples of this many rows, which is a byte of a bit plane; rows of a byte count alike in loads."""


class CurveForm(NamedTuple):
    """What a curve is made of."""

    sections: int
    """Sections of rows, whose sums are told apart."""
    has_load: bool
    """Whether the load counts."""
    is_own: bool
    """Whether the load counts the cells of each column."""

    def cut(self, rows: int) -> NDArray[np.int64]:
        """Return the rows before which sections of an array of ``rows`` rows end but for the last, (sections - 1,)."""
        ends = np.rint(rows * np.arange(1, self.sections) / self.sections / ROW_UNIT).astype(np.int64) * ROW_UNIT
        return ends if (np.diff(np.r_[0, ends, rows]) > 0).all() else ends[:0]


FORMS = (
    CurveForm(1, False, False),
    CurveForm(1, True, False),
    CurveForm(2, True, False),
    CurveForm(1, True, True),
    CurveForm(2, True, True),
    CurveForm(4, True, True),
)
"""From the cheapest to the dearest."""


class Sensed(NamedTuple):
    """What columns sense in some reads, (reads, columns)."""

    sums: Floats
    """What converters see [level units]."""
    straight: Floats
    """What the operator alone gives [level units]."""
    loads: Floats
    """Loads of the reads, (reads, 1) where they are the same for all columns [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bend:
    """The curves of a layer's columns and how far they are off."""

    terms: NDArray[np.float32]
    """(row blocks, terms, columns) c0, c1 ... of every column; zero where a column has no cells."""
    weights: NDArray[np.int32]
    """(K,) what an input of each row counts in the load of its read."""
    tilts: NDArray[np.int32]
    """(K,) 1 for rows of the first half of an array, -1 for the others."""
    own: NDArray[np.uint8]
    """(K, columns) what an input of each row counts in the load of a column of its own; (0, 0) for one load."""
    limit: float
    """Largest load of a column of its own; larger ones count as that [-]."""
    cuts: NDArray[np.int64]
    """(sections - 1,) rows of an array before which a section ends."""
    error: NDArray[np.float32]
    """(row blocks, reads, columns) error on reads kept back; NaN where a row block has fewer [level units]."""
    highest: NDArray[np.float32]
    """(row blocks, columns) largest magnitude of a sum that a curve was fitted on [level units]."""
    heaviest: NDArray[np.float32]
    """(row blocks, columns) largest load of a read that curves were fitted on [-]."""
    amplitudes: NDArray[np.float32]
    """(inputs of a read,) what stands for each input where cells bend; empty where an input stands for itself."""
    low_amplitudes: NDArray[np.float32]
    """(inputs of a read,) what it counts in the second matrix; empty as ``amplitudes``."""
    low_cells: NDArray[np.float32]
    """(K, columns) second matrix: what rows add at the lowest input beyond its amplitude; (0, 0) without amplitudes
    [level units]."""

    def drive(self, inputs: NDArray[Any]) -> Floats:
        """Return the amplitudes of inputs in steps of a driver, any shape."""
        return amplify(inputs, self.amplitudes)

    def read(
        self, inputs: NDArray[Any], cells: Floats, rows: slice, r: int, columns: NDArray[np.int64] | slice = slice(None)
    ) -> Sensed:
        """Return what columns of a row block sense, in float64.

        Parameters
        ----------
        inputs : ndarray, (reads, rows of the row block)
            In steps of a driver.
        cells : ndarray, (rows of the row block, columns)
            Operator of the columns asked for [level units].
        rows : slice
            Rows of the row block.
        r : int
            Row block.
        columns : ndarray of int or slice
            Columns that ``cells`` is of; all by default.

        Returns
        -------
        Sensed
            (reads, columns).
        """
        driven = self.drive(inputs)
        sums = driven @ cells
        if self.low_cells.size:
            sums = sums + amplify(inputs, self.low_amplitudes) @ self.low_cells[rows][:, columns].astype(np.float64)
        parts = [driven[:, :cut] @ cells[:cut] for cut in self.cuts.tolist()]
        if self.own.size:
            loads = np.minimum(driven @ self.own[rows][:, columns].astype(np.float64), self.limit)
        else:
            loads = (driven @ self.weights[rows].astype(np.float64))[:, np.newaxis]
        tilt = (driven @ self.tilts[rows].astype(np.float64))[:, np.newaxis]
        terms = self.terms[r][:, columns].astype(np.float64)
        found: Floats = np.zeros_like(sums)
        listed = list_terms(sums, parts, loads if len(terms) > QUADRATIC else None, tilt)
        for c, each in zip(terms, listed, strict=True):
            found = found + c * each
        return Sensed(sums + found, sums, loads)

    def curves(self, step: float) -> Curves:
        """Return the curves as kernels take them, for sums on a grid of ``1 / step`` level units."""
        c = self.terms
        first = [1 + c[:, 0], c[:, 1] / np.float32(step)]
        if c.shape[1] > QUADRATIC:
            first += [c[:, 2], c[:, 3] * np.float32(step)]
        terms = np.ascontiguousarray(np.concatenate([np.stack(first, axis=1), c[:, 4:]], axis=1))
        return Curves(
            terms, self.weights, self.tilts, self.own, np.float32(self.limit), self.cuts, self.amplitudes,
            self.low_amplitudes, self.low_cells,
        )  # fmt: skip


def list_terms(sums: Floats, parts: list[Floats], loads: Floats | None, tilt: Floats) -> list[Floats]:
    """Return what the numbers of a curve count, in their order.

    Parameters
    ----------
    sums : ndarray, (columns, reads) or (reads, columns)
        Sums over all rows [level units].
    parts : list of ndarray, the same shape
        Sums over the rows before each cut [level units].
    loads : ndarray, of a shape that goes with it, or None
        Loads of the reads; None where they do not count [-].
    tilt : ndarray, of a shape that goes with it
        Tilts of the reads [-].

    Returns
    -------
    list of ndarray
        The terms, shape of ``sums``.
    """
    found = [sums, sums * sums]
    if loads is None:
        return found
    found += [sums * loads, np.broadcast_to(loads, sums.shape)]
    if parts:
        found.append(tilt * (parts[len(parts) // 2] - 0.5 * sums))
    for part in parts:
        found += [part, part * loads]
    return found


def weigh_rows(hardware: Hardware, row_starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return what an input of each row counts in a load: how much its current costs the other rows of a column.

    That is the resistance that its path along the column shares with theirs, mean over all rows. Rows of a byte count
    alike.

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
    mean = np.repeat([mean[i : i + ROW_UNIT].mean() for i in range(0, len(mean), ROW_UNIT)], ROW_UNIT)[: len(mean)]
    weights = np.rint(HEAVIEST * (mean / mean.max() if mean.max() > 0 else np.ones(crossbar.rows)))
    starts = np.repeat(row_starts[:-1], np.diff(row_starts))
    found: NDArray[np.int32] = np.maximum(1, weights).astype(np.int32)[np.arange(int(row_starts[-1])) - starts]
    return found


def tilt_rows(rows: int, row_starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return what an input of each row counts in a tilt.

    Parameters
    ----------
    rows : int
        Rows of an array.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.

    Returns
    -------
    ndarray of int32, (K,)
        1 for rows before the cut of two halves, -1 for the others.
    """
    place = np.arange(int(row_starts[-1])) - np.repeat(row_starts[:-1], np.diff(row_starts))
    halves = CurveForm(2, True, False).cut(rows)
    found: NDArray[np.int32] = np.where(place < (halves[0] if halves.size else rows), 1, -1).astype(np.int32)
    return found


def weigh_cells(current: Floats, weights: NDArray[np.int32], driven: Floats, limit: float) -> NDArray[np.uint8]:
    """Return what an input of each row counts in the loads of columns.

    Parameters
    ----------
    current : ndarray, (columns, rows)
        Current of all cells that load a column's lines, for each row [level units].
    weights : ndarray of int32, (rows,)
        What an input of each row counts in a load of all columns.
    driven : ndarray, (reads, rows)
        Amplitudes of the inputs that curves are fitted on.
    limit : float
        Largest load [-].

    Returns
    -------
    ndarray of uint8, (columns, rows)
        So that the largest load leaves a fifth of the range.
    """
    each = np.maximum(current, 0.0) * weights
    largest = np.maximum(np.einsum("ci,ri->cr", each, driven).max(axis=1), 1e-30)
    found: NDArray[np.uint8] = np.minimum(
        np.rint(each * (limit / LOAD_ROOM / largest)[:, np.newaxis]), LOAD_STEPS
    ).astype(np.uint8)
    return found


def find_limit(hardware: Hardware) -> float:
    """Return the largest load of a column of its own: that of uint8, or more where sums are floats."""
    bits = hardware.dac.driver_bits
    return float(LOAD_STEPS * (1 if bits <= MOST_TABLE_BITS else (1 << bits) - 1))


def fit_terms(terms: list[Floats], missing: Floats) -> Floats:
    """Fit the curves of some columns.

    Parameters
    ----------
    terms : list of ndarray, (columns, reads)
        From :func:`list_terms`.
    missing : ndarray, (columns, reads)
        What exact solves give, less the sums of the operator [level units].

    Returns
    -------
    ndarray, (terms, columns)
        c0, c1 ...
    """
    stack = np.stack(terms)
    count, _, reads = stack.shape
    scale = np.maximum(np.abs(stack).max(axis=2), 1e-30)
    stack = stack / scale[:, :, np.newaxis]
    normal = np.empty((count, *stack.shape[:1], stack.shape[1]))
    for a in range(count):
        for b in range(a, count):
            normal[a, b] = normal[b, a] = np.einsum("cr,cr->c", stack[a], stack[b])
    normal[np.arange(count), np.arange(count)] += DAMPING * reads
    wanted = np.einsum("acr,cr->ac", stack, missing)
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
