"""Fit of the curves of a chunk of arrays to reads that are solved exactly, and their errors on other reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.mvm.bend import (
    ENOUGH,
    FORMS,
    CurveForm,
    find_limit,
    fit_terms,
    list_terms,
    weigh_cells,
)
from xbarsim.mvm.height import Amplitudes, amplify
from xbarsim.mvm.place import Chunk
from xbarsim.mvm.probe import Probes
from xbarsim.mvm.respond import ChunkArrays, ColumnPart

Floats = NDArray[np.float64]

LOAD = 3
"""Place of the load among the terms of a curve."""


class ColumnFit(NamedTuple):
    """The curves of some columns and their errors."""

    terms: Floats
    """(terms, columns) numbers of the curves."""
    error: Floats
    """(reads, columns) error on reads kept back [level units]."""
    highest: Floats
    """(columns,) largest magnitude of a sum that a curve was fitted on [level units]."""
    heaviest: Floats
    """(columns,) largest load of a read that it was fitted on [-]."""
    own: NDArray[np.uint8]
    """(columns, rows) what an input of each row counts in the load of a column; (0, 0) for one load."""
    low_cells: NDArray[np.float32]
    """(columns, rows) second matrix; (columns, 0) where inputs stand for themselves [level units]."""


class RowPlaces(NamedTuple):
    """What inputs of rows count in loads and tilts, (rows,), and what stands for them."""

    weights: NDArray[np.int32]
    tilts: NDArray[np.int32]
    amplitudes: Amplitudes


class SolvedColumns(NamedTuple):
    """Some reads of columns, and what they are."""

    driven: Floats
    """(reads, rows) amplitudes of the inputs."""
    cells: NDArray[np.float32]
    """(columns, rows) operator [level units]."""
    low_driven: Floats
    """(reads, rows) amplitudes of the inputs for the second matrix; (reads, 0) without one."""
    low_cells: NDArray[np.float32]
    """(columns, rows) second matrix, or (columns, 0) [level units]."""
    sensed: Floats
    """(columns, reads) what exact solves give [level units]."""

    def find_sums(self) -> Floats:
        """Return the sums of reads, (columns, reads), of both matrices [level units]."""
        sums = _sum(self.cells.astype(np.float64), self.driven)
        return sums + self.find_low_sums() if self.low_cells.size else sums

    def find_low_sums(self) -> Floats:
        """Return the sums of the second matrix, (columns, reads) [level units]."""
        return _sum(self.low_cells.astype(np.float64), self.low_driven)

    def weigh_low_cells(self) -> NDArray[np.float32]:
        """Return the second matrix, (columns, rows), times a factor for each column that brings sums near those sensed.

        The factor is fitted beside the curve of the cheapest form.
        """
        if not self.low_cells.size:
            return self.low_cells
        sums, low = self.find_sums(), self.find_low_sums()
        found = fit_terms([sums, sums * sums, low], self.sensed - sums)
        weighed: NDArray[np.float32] = (self.low_cells * (1.0 + found[2])[:, np.newaxis]).astype(np.float32)
        return weighed

    def list_terms(
        self, form: CurveForm, rows: int, place: RowPlaces, own: NDArray[np.uint8], limit: float
    ) -> list[Floats]:
        """Return the terms of a form, (columns, reads), for an array of ``rows`` rows."""
        cells = self.cells.astype(np.float64)
        loads = self.find_loads(form, place, own, limit) if form.has_load else None
        parts = [_sum(cells[:, :cut], self.driven[:, :cut]) for cut in form.cut(rows).tolist()]
        tilt = (self.driven @ place.tilts.astype(np.float64))[np.newaxis]
        return list_terms(self.find_sums(), parts, loads, tilt)

    def find_loads(self, form: CurveForm, place: RowPlaces, own: NDArray[np.uint8], limit: float) -> Floats:
        """Return the loads of the reads, (columns, reads), or (1, reads) where they are the same for all columns."""
        if form.is_own:
            return np.minimum(_sum(own.astype(np.float64), self.driven), limit)
        found: Floats = (self.driven @ place.weights.astype(np.float64))[np.newaxis]
        return found


class SolvedPart(NamedTuple):
    """What is known of the columns of one part of a chunk."""

    load: NDArray[np.float32]
    """(columns, rows) current of all cells that load a column's lines [level units]."""
    known: SolvedColumns
    """Reads to fit."""
    other: SolvedColumns
    """Reads to check."""


class ChunkFits:
    """The fits of the columns of a chunk to reads that were solved, each form when it is asked for.

    Parameters
    ----------
    chunk : Chunk
        Places of the columns.
    parts : list of SolvedPart
        Solved reads of each part.
    place : RowPlaces
        What an input of each row counts.
    hardware : Hardware
        Array size and drivers.
    """

    def __init__(
        self,
        chunk: Chunk,
        parts: list[SolvedPart],
        place: RowPlaces,
        hardware: Hardware,
    ) -> None:
        self.chunk, self._parts = chunk, parts
        self._place, self._hardware = place, hardware
        self._found: dict[CurveForm, list[ColumnFit]] = {}

    def fit(self, form: CurveForm) -> list[ColumnFit]:
        """Return the curves of one form, by part; columns in the order of the chunk's places."""
        if form not in self._found:
            self._found[form] = [self._fit_part(form, part) for part in self._parts]
        return self._found[form]

    def _fit_part(self, form: CurveForm, part: SolvedPart) -> ColumnFit:
        """Fit curves of one form to known reads, and check them on others."""
        known, other, place = part.known, part.other, self._place
        size, limit = self._hardware.crossbar.rows, find_limit(self._hardware)
        own = np.zeros((0, 0), dtype=np.uint8)
        if form.is_own:
            own = weigh_cells(part.load.astype(np.float64), place.weights, known.driven, limit)
        listed = known.list_terms(form, size, place, own, limit)
        terms = fit_terms(listed, known.sensed - listed[0])
        checked = other.list_terms(form, size, place, own, limit)
        found: Floats = np.zeros_like(checked[0])
        for c, each in zip(terms, checked, strict=True):
            found = found + c[:, np.newaxis] * each
        error = (checked[0] + found - other.sensed).T
        loads = listed[LOAD] if form.has_load else known.find_loads(form, place, own, limit)
        heaviest = np.broadcast_to(loads.max(axis=1), len(terms.T))
        return ColumnFit(terms, error, np.abs(listed[0]).max(axis=1), heaviest, own, known.low_cells)


def list_forms(hardware: Hardware) -> list[CurveForm]:
    """Return the forms that arrays of this size have, from the cheapest to the dearest."""
    return [form for form in FORMS if form.sections == 1 or form.cut(hardware.crossbar.rows).size]


def solve_columns(arrays: ChunkArrays, parts: list[ColumnPart], probes: Probes, place: RowPlaces) -> ChunkFits:
    """Solve reads of a chunk to fit curves to, and more where no form is near the error that is asked.

    Parameters
    ----------
    arrays : ChunkArrays
        Programmed arrays.
    parts : list of ColumnPart
        Their operators.
    probes : Probes
        Reads to solve.
    place : RowPlaces
        What an input of each row of the row block counts.

    Returns
    -------
    ChunkFits
        Solved reads, and fits to them.
    """
    chunk, hardware = arrays.chunk, arrays.hardware
    at, rows, r = (chunk.array, chunk.column), chunk.end - chunk.begin, chunk.row_block
    most, amplitudes = ENOUGH * hardware.crossbar.fit_error_levels, place.amplitudes
    cells = [part.response[at][:, :rows].astype(np.float32) for part in parts]
    low = [np.zeros((len(each), 0), dtype=np.float32) for each in cells]
    if amplitudes.full.size:
        low = [each[at][:, :rows].astype(np.float32) for each in arrays.respond_low(probes.drive[r], amplitudes)]

    def solve(reads: NDArray[np.int64]) -> list[SolvedColumns]:
        driven, sensed = amplify(reads, amplitudes.full), arrays.sense(reads)
        low_driven = amplify(reads, amplitudes.low)[:, : low[0].shape[1]]
        return [SolvedColumns(driven, cells[p], low_driven, low[p], found[at]) for p, found in enumerate(sensed)]

    def fit(reads: NDArray[np.int64]) -> ChunkFits:
        found = []
        for p, known in enumerate(solve(reads)):
            weighed, load = known.weigh_low_cells(), parts[p].load[at][:, :rows].astype(np.float32)
            found.append(SolvedPart(load, known._replace(low_cells=weighed), other[p]._replace(low_cells=weighed)))
        return ChunkFits(chunk, found, place, hardware)

    other = solve(probes.kept_back[r])
    fits = fit(probes.fitted[r])
    errors = (_measure(fits.fit(form)) for form in list_forms(hardware))
    if len(probes.refined[r]) <= len(probes.fitted[r]) or any(error <= most for error in errors):
        return fits
    return fit(probes.refined[r])


def _measure(fits: list[ColumnFit]) -> float:
    """Return the root-mean-square error of the columns of a chunk [level units]."""
    return float(np.sqrt(np.mean([np.square(fit.error).mean() for fit in fits])))


def _sum(cells: Floats, driven: Floats) -> Floats:
    """Return the sums of the operator, (columns, reads), added in one order everywhere."""
    found: Floats = np.einsum("ci,ri->cr", cells, driven)
    return found
