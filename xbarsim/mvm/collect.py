"""The curves of a layer while those of its arrays are added, and the choice of their form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.mvm.bend import Bend, CurveForm, find_limit, tilt_rows, weigh_rows
from xbarsim.mvm.fit import ChunkFits, RowPlaces, list_forms
from xbarsim.mvm.height import find_low_amplitudes
from xbarsim.mvm.place import Chunk, Sheet
from xbarsim.mvm.probe import Probes
from xbarsim.mvm.respond import find_lines

PEAK = 10.0
"""Largest error over the root mean square that is asked, beyond which a form is not good. Our choice: a form that errs
alike everywhere stays below half of this; without a load, single dense reads are further off."""


@dataclass(kw_only=True, eq=False)
class _FormCurves:
    """Curves of one form; arrays as in :class:`~xbarsim.mvm.bend.Bend`."""

    terms: NDArray[np.float32]
    own: NDArray[np.uint8]
    error: NDArray[np.float32]
    highest: NDArray[np.float32]
    heaviest: NDArray[np.float32]
    low_cells: NDArray[np.float32]

    def measure(self) -> float:
        """Return the error on reads kept back: the root mean square, or the largest one over ``PEAK`` if more.

        Columns without cells are left out [level units].
        """
        error = self.error[:, :, (self.highest > 0).any(axis=0)]
        error = error[np.isfinite(error)].astype(np.float64)
        return max(float(np.sqrt(np.mean(np.square(error)))), float(np.abs(error).max()) / PEAK) if error.size else 0.0


class CollectedCurves:
    """The solved reads of a layer's arrays while they are added, and the curves that are fitted to them.

    Parameters
    ----------
    probes : Probes
        Reads that are kept back.
    sheet : Sheet
        Columns of the layer.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    hardware : Hardware
        Array size, wires, cells and drivers.
    level : float
        Mean level of the cells that hold weights, as a fraction of the highest [-].
    """

    def __init__(
        self, probes: Probes, sheet: Sheet, row_starts: NDArray[np.int64], hardware: Hardware, level: float
    ) -> None:
        self._hardware, self._columns, self._rows = hardware, sheet.columns, int(row_starts[-1])
        self._shape = len(row_starts) - 1, max(len(each) for each in probes.kept_back)
        self._weights = weigh_rows(hardware, row_starts)
        self._tilts = tilt_rows(hardware.crossbar.rows, row_starts)
        drive = float(np.concatenate(probes.drive).mean())
        self._amplitudes = find_low_amplitudes(hardware, find_lines(hardware), level, drive)
        self._chunks: list[ChunkFits] = []

    def rows(self, chunk: Chunk) -> RowPlaces:
        """Return what inputs of the rows of a chunk count."""
        rows = slice(chunk.begin, chunk.end)
        return RowPlaces(self._weights[rows], self._tilts[rows], self._amplitudes)

    def add(self, fits: ChunkFits) -> None:
        """Add the solved reads of some arrays."""
        self._chunks.append(fits)

    def finish(self) -> Bend:
        """Return the curves of the cheapest form that is good, or of the best one; dearer ones are not fitted."""
        curves: dict[CurveForm, _FormCurves] = {}
        errors: dict[CurveForm, float] = {}
        for form in list_forms(self._hardware):
            curves[form] = self._put_in_order(form)
            errors[form] = curves[form].measure()
            if errors[form] <= self._hardware.crossbar.fit_error_levels:
                break
        form = min(errors, key=errors.__getitem__)
        return Bend(
            **vars(curves[form]),
            weights=self._weights,
            tilts=self._tilts,
            limit=find_limit(self._hardware),
            cuts=form.cut(self._hardware.crossbar.rows),
            amplitudes=self._amplitudes.full,
            low_amplitudes=self._amplitudes.low,
        )

    def _put_in_order(self, form: CurveForm) -> _FormCurves:
        """Return the curves of one form, columns in logical order."""
        curves: _FormCurves | None = None
        for fits in self._chunks:
            chunk = fits.chunk
            for p, fit in enumerate(fits.fit(form)):
                column = chunk.target + p * chunk.stride
                if curves is None:
                    curves = self._make(len(fit.terms), form)
                curves.terms[chunk.row_block][:, column] = fit.terms
                curves.error[chunk.row_block][: len(fit.error), column] = fit.error
                curves.highest[chunk.row_block, column] = fit.highest
                curves.heaviest[chunk.row_block, column] = fit.heaviest
                if self._amplitudes.full.size:
                    curves.low_cells[chunk.begin : chunk.end, column] = fit.low_cells.T
                if form.is_own:
                    curves.own[chunk.begin : chunk.end, column] = fit.own.T
        assert curves is not None
        return curves

    def _make(self, terms: int, form: CurveForm) -> _FormCurves:
        """Allocate room for the columns of a layer."""
        blocks, reads = self._shape
        return _FormCurves(
            terms=np.zeros((blocks, terms, self._columns), dtype=np.float32),
            own=np.zeros((self._rows, self._columns) if form.is_own else (0, 0), dtype=np.uint8),
            error=np.full((blocks, reads, self._columns), np.nan, dtype=np.float32),
            highest=np.zeros((blocks, self._columns), dtype=np.float32),
            heaviest=np.zeros((blocks, self._columns), dtype=np.float32),
            low_cells=np.zeros((self._rows, self._columns) if self._amplitudes.full.size else (0, 0), dtype=np.float32),
        )
