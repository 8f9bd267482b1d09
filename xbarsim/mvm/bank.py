"""The physical converters of a layer: the columns that share one, and thresholds as tables for the kernels.

A converter serves ``1 / adc.per_array`` neighbouring columns of an array; for ``adc.per_array`` below one it serves
several arrays. Remapped columns keep the converter of their original place. Stripes of a grouped
layer, and row blocks of an epitome, have converters of their own.

Codes are looked up: a table of equal intervals gives the lowest code that is possible in an interval, and the
thresholds from there on are compared with the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Adc, Hardware
from xbarsim.converter import AdcRange, vary_thresholds
from xbarsim.mvm._records import LevelTables
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.mvm.place import array_width
from xbarsim.mvm.program import ProgrammedMatrix
from xbarsim.rng import stream

BUCKETS_PER_CODE = 2
"""Buckets of a table for each code. Our choice: most sums then need one comparison or two."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """The physical converters of a layer."""

    converter: NDArray[np.int32]
    """(row blocks, columns) converter of every column of the effective matrix."""
    arrays: NDArray[np.int64]
    """(converters,) array that each belongs to; the first one where several share it."""
    adc: Adc
    """Kind of the converters."""
    key: tuple[int, int, str]
    """Seed, trial and layer of the random stream ``converter.thresholds``."""

    def draw(self, placed: AdcRange) -> NDArray[np.float64]:
        """Return the thresholds of every converter, (converters or 1, codes - 1), the same for all in a row of one."""
        seed, trial, layer = self.key
        rng = stream(seed, "converter.thresholds", trial, layer)
        drawn = vary_thresholds(self.adc, placed, self.arrays, rng)
        assert placed.levels is not None
        return placed.levels.thresholds[np.newaxis] if drawn is None else drawn

    def tabulate(self, placed: AdcRange) -> LevelTables | None:
        """Return the tables of a range with levels, None for one without.

        Parameters
        ----------
        placed : AdcRange
            Range.

        Returns
        -------
        LevelTables or None
            Thresholds as sums before the sense amplifier.
        """
        if placed.levels is None:
            return None
        thresholds = placed.restore(self.draw(placed)).astype(np.float32)
        count, codes = len(thresholds), thresholds.shape[1] + 1
        finite = thresholds[np.isfinite(thresholds)]
        lowest, highest = (finite.min(), finite.max()) if finite.size else (np.float32(0.0), np.float32(1.0))
        buckets = BUCKETS_PER_CODE * codes
        per_unit = np.float32(buckets) / max(highest - lowest, np.float32(1.0))
        # in float32 and step by step as the kernel does it, so that no threshold is ever skipped
        with np.errstate(invalid="ignore"):
            inside = np.clip((thresholds - lowest) * per_unit, 0, buckets - 1).astype(np.int64)
        held = np.zeros((count, buckets + 1), dtype=np.int64)
        np.add.at(held, (np.arange(count)[:, np.newaxis], inside + 1), 1)
        padded = np.full((count, codes), np.inf, dtype=np.float32)
        padded[:, :-1] = thresholds
        counts = placed.levels.counts.astype(np.int32)
        return LevelTables(
            padded,
            held.cumsum(axis=1)[:, :-1].astype(np.int32),
            lowest,
            per_unit,
            counts,
            self.converter if count > 1 else np.zeros_like(self.converter),
            not np.any(counts[(padded <= 0).sum(axis=1)]),
        )


def make_bank(
    hardware: Hardware,
    layout: ColumnLayout,
    groups: ReadGroups,
    programmed: ProgrammedMatrix,
    *,
    seed: int,
    trial: int,
    layer: str,
) -> Bank:
    """Number the converters of a layer.

    Parameters
    ----------
    hardware : Hardware
        Converters of an array.
    layout : ColumnLayout
        Places of the columns.
    groups : ReadGroups
        Groups that are read one after the other: one unit column stands for as many.
    programmed : ProgrammedMatrix
        Columns of the effective matrix.
    seed, trial, layer : int, int, str
        Key of the random stream.

    Returns
    -------
    Bank
        Converters in order of row blocks, column blocks, polarities and columns.
    """
    row_blocks, columns = programmed.loss.shape
    polarities, width = hardware.converted_polarities, array_width(layout, hardware)
    array = np.zeros(columns, dtype=np.int64)
    column = np.zeros(columns, dtype=np.int64)
    for p in range(polarities):
        first = p * layout.slices * programmed.padded
        at = first + np.arange(layout.slices)[:, np.newaxis] * programmed.padded + np.arange(layout.outputs)
        array[at], column[at] = layout.block_of * polarities + p, layout.column_of
    if hardware.has_unit_column:
        units = programmed.planes * programmed.padded + np.arange(layout.blocks * groups.count)
        array[units], column[units] = np.repeat(np.arange(layout.blocks), groups.count), layout.cols
    whole = np.arange(row_blocks)[:, np.newaxis] * (layout.blocks * polarities) + array
    per_array = hardware.adc.per_array
    count = max(1, int(per_array))
    converter = whole * count + column * count // width if per_array >= 1 else np.floor(whole * per_array).astype(int)
    used, index = np.unique(converter, return_inverse=True)
    arrays = used // count if per_array >= 1 else used
    return Bank(
        converter=index.reshape(converter.shape).astype(np.int32),
        arrays=np.unique(arrays, return_inverse=True)[1],
        adc=hardware.adc,
        key=(seed, trial, layer),
    )
