"""Shift-add: integer weights of the codes of all columns for all outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout, pad_lanes
from xbarsim.mvm.program import ProgrammedMatrix


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """Integer weights of the columns, row block by row block.

    Columns are planes of ``padded`` outputs, then one unit column per array of the row block and
    group that is read apart.
    """

    outputs: int
    padded: int
    """Outputs rounded up to whole registers."""
    columns: NDArray[np.int64]
    """(row blocks, planes) weight of the code of a plane, before flipping."""
    is_flipped: NDArray[np.bool_] | None
    """(row blocks, planes, outputs) columns whose codes have a negative weight; None without any."""
    units: NDArray[np.int64]
    """(row blocks, unit columns, outputs) weight of the code of a unit column."""
    shifts: NDArray[np.int64] | None = None
    """(planes, outputs) binary places by which the code of a column is shifted further; None: by none."""

    @property
    def planes(self) -> int:
        """Codes of one output in one row block, unit columns not counted."""
        return int(self.columns.shape[1])

    def scale(self, places: NDArray[np.int64], most: int) -> Recipe:
        """Return the recipe for codes whose unit is finer by binary places.

        Parameters
        ----------
        places : ndarray of int, (planes,) or (planes, outputs)
            Binary places of the codes of a plane, or of each of its columns.
        most : int
            Largest of them.

        Returns
        -------
        Recipe
            Of a result whose unit is finer by ``most`` places.
        """
        if places.ndim == 2:
            return replace(self, shifts=most - places, units=self.units << most)
        return replace(self, columns=self.columns << (most - places), units=self.units << most)

    def plane_signs(self, r: int) -> NDArray[np.int64]:
        """Return the signed weight of every column of a row block: (planes, outputs)."""
        weights = np.repeat(self.columns[r][:, np.newaxis], self.outputs, axis=1)
        if self.shifts is not None:
            weights <<= self.shifts
        return weights if self.is_flipped is None else np.where(self.is_flipped[r], -weights, weights)

    def combine(self, codes: NDArray[Any], r: int) -> NDArray[Any]:
        """Shift and add the codes of one row block.

        Parameters
        ----------
        codes : ndarray, (vectors, columns)
            Codes, or sums where the converter is ideal.
        r : int
            Row block.

        Returns
        -------
        ndarray, (vectors, outputs)
            In the type of ``codes``.
        """
        main = codes[:, : self.planes * self.padded].reshape(len(codes), self.planes, self.padded)
        total: NDArray[Any] = (main[:, :, : self.outputs] * self.plane_signs(r).astype(codes.dtype)).sum(axis=1)
        if self.units.shape[1]:
            first = self.planes * self.padded
            total += codes[:, first : first + self.units.shape[1]] @ self.units[r].astype(codes.dtype)
        return total

    @cached_property
    def used_columns(self) -> NDArray[np.int64]:
        """(columns,) columns that are not padding."""
        first = self.planes * self.padded
        main = (np.arange(self.planes)[:, np.newaxis] * self.padded + np.arange(self.outputs)).ravel()
        return np.concatenate([main, first + np.arange(self.units.shape[1])])

    def column_factors(self, r: int) -> NDArray[np.float64]:
        """Return what a code of each used column of a row block counts, (columns,): over all outputs where shared."""
        units = np.sqrt(np.square(self.units[r].astype(np.float64)).sum(axis=1))
        return np.concatenate([self.plane_signs(r).ravel().astype(np.float64), units])

    @cached_property
    def column_weights(self) -> NDArray[np.int32]:
        """(row blocks, planes * padded) signed weight of every column, 0 for padding."""
        blocks = len(self.columns)
        weights = np.zeros((blocks, self.planes, self.padded), dtype=np.int32)
        for r in range(blocks):
            weights[r, :, : self.outputs] = self.plane_signs(r)
        return weights.reshape(blocks, -1)

    @cached_property
    def unit_weights(self) -> NDArray[np.int32]:
        """(unit columns, padded) 1 for every unit column, 0 for padding; empty where there are none."""
        count = self.units.shape[1]
        weights: NDArray[np.int32] = (np.arange(pad_lanes(count)) < count).astype(np.int32)
        return weights

    def combine_units(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add up what unit columns count: (row blocks, vectors, columns) -> (vectors, outputs), exact below 2**53."""
        count = self.units.shape[1]
        total = np.zeros((codes.shape[1], self.outputs), dtype=np.float64)
        for r in range(len(codes)):
            total += codes[r, :, :count].astype(np.float64) @ self.units[r].astype(np.float64)
        return total.astype(np.int64)


def make_recipe(
    encoded: EncodedWeights,
    layout: ColumnLayout,
    groups: ReadGroups,
    programmed: ProgrammedMatrix,
    hardware: Hardware,
) -> Recipe:
    """Collect the weights of all columns.

    Parameters
    ----------
    encoded : EncodedWeights
        Slice weights, flipped columns and the weight of the unit column.
    layout : ColumnLayout
        Which array holds a column.
    groups : ReadGroups
        Groups that are read one after the other.
    programmed : ProgrammedMatrix
        Planes and row blocks.
    hardware : Hardware
        Levels of a cell.

    Returns
    -------
    Recipe
        Weights by row block.
    """
    n, slices = layout.outputs, layout.slices
    planes, row_blocks, level = programmed.planes, len(programmed.loss), hardware.device.levels - 1
    signs = np.repeat([1, -1], slices)[:planes]
    columns = np.tile(signs * np.resize(encoded.slice_weights, planes), (row_blocks, 1)).astype(np.int64)
    units = np.zeros((row_blocks, layout.blocks * groups.count if encoded.unit_weight else 0, n), dtype=np.int64)
    unit_of = layout.block_of * groups.count + groups.of_output
    o = np.arange(n)
    if encoded.unit_weight:  # a weight that straddles arrays: the array of its highest slice measures the inputs
        units[:, unit_of[-1], o] = encoded.unit_weight
    if encoded.is_flipped is not None:
        for r, s in np.ndindex(row_blocks, slices):
            f = np.flatnonzero(encoded.is_flipped[r, s])
            np.add.at(units, (r, unit_of[s, f], f), level * encoded.slice_weights[s])
    return Recipe(
        outputs=n,
        padded=pad_lanes(n),
        columns=columns,
        is_flipped=encoded.is_flipped,
        units=units,
    )
