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
    amplify,
    find_amplitudes,
    find_limit,
    fit_terms,
    list_terms,
    weigh_cells,
)
from xbarsim.mvm.probe import Probes
from xbarsim.mvm.respond import ChunkArrays, ColumnPart

Floats = NDArray[np.float64]


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


class RowPlaces(NamedTuple):
    """What inputs of rows count in loads and tilts, (rows,)."""

    weights: NDArray[np.int32]
    tilts: NDArray[np.int32]


class SolvedColumns(NamedTuple):
    """Some reads of columns, and what they are."""

    driven: Floats
    """(reads, rows) amplitudes of the inputs."""
    cells: Floats
    """(columns, rows) operator [level units]."""
    sensed: Floats
    """(columns, reads) what exact solves give [level units]."""

    def list_terms(
        self, form: CurveForm, rows: int, place: RowPlaces, own: NDArray[np.uint8], limit: float
    ) -> list[Floats]:
        """Return the terms of a form, (columns, reads), for an array of ``rows`` rows."""
        if form.is_own:
            loads = np.minimum(_sum(own.astype(np.float64), self.driven), limit)
        else:
            loads = (self.driven @ place.weights.astype(np.float64))[np.newaxis]
        parts = [_sum(self.cells[:, :cut], self.driven[:, :cut]) for cut in form.cut(rows).tolist()]
        tilt = (self.driven @ place.tilts.astype(np.float64))[np.newaxis]
        return list_terms(_sum(self.cells, self.driven), parts, loads, tilt)


def fit_columns(
    arrays: ChunkArrays, parts: list[ColumnPart], probes: Probes, place: RowPlaces
) -> dict[CurveForm, list[ColumnFit]]:
    """Fit a curve of every form for every column of a chunk, on more reads where the first are too few.

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
    dict of list of ColumnFit
        By form and part, columns in the order of the chunk's places.
    """
    chunk = arrays.chunk
    at, rows, r = (chunk.array, chunk.column), chunk.end - chunk.begin, chunk.row_block
    cells = [part.response[at][:, :rows].astype(np.float32).astype(np.float64) for part in parts]
    truth = arrays.sense(probes.kept_back[r])
    amplitudes, size = find_amplitudes(arrays.hardware), arrays.hardware.crossbar.rows
    checked = amplify(probes.kept_back[r], amplitudes)
    fits: dict[CurveForm, list[ColumnFit]] = {}
    for reads in (probes.fitted[r], probes.refined[r]):
        driven, solved = amplify(reads, amplitudes), arrays.sense(reads)
        fits = {form: [] for form in FORMS if form.sections == 1 or form.cut(size).size}
        for p, part in enumerate(parts):
            own = weigh_cells(part.load[at][:, :rows], place.weights, driven, find_limit(arrays.hardware))
            known, other = (
                SolvedColumns(driven, cells[p], solved[p][at]),
                SolvedColumns(checked, cells[p], truth[p][at]),
            )
            for form, found in fits.items():
                found.append(_fit_form(form, known, other, place, own, arrays.hardware))
        best = min(np.mean([np.square(fit.error).mean() for fit in found]) for found in fits.values())
        if np.sqrt(best) <= ENOUGH or len(probes.refined[r]) == len(reads):
            break
    return fits


def _fit_form(
    form: CurveForm,
    known: SolvedColumns,
    other: SolvedColumns,
    place: RowPlaces,
    own: NDArray[np.uint8],
    hardware: Hardware,
) -> ColumnFit:
    """Fit curves of one form to known reads, and check them on others."""
    size, limit = hardware.crossbar.rows, find_limit(hardware)
    listed = known.list_terms(form, size, place, own, limit)
    terms = fit_terms(listed, known.sensed - listed[0])
    checked = other.list_terms(form, size, place, own, limit)
    found: Floats = np.zeros_like(checked[0])
    for c, each in zip(terms, checked, strict=True):
        found = found + c[:, np.newaxis] * each
    found = checked[0] + found
    heaviest = np.abs(listed[3]).max(axis=1)
    none = np.zeros((0, 0), dtype=np.uint8)
    return ColumnFit(
        terms, (found - other.sensed).T, np.abs(listed[0]).max(axis=1), heaviest, own if form.is_own else none
    )


def _sum(cells: Floats, driven: Floats) -> Floats:
    """Return the sums of the operator, (columns, reads), added in one order everywhere."""
    found: Floats = np.einsum("ci,ri->cr", cells, driven)
    return found
