"""Digits -> the cells of physical arrays, a bounded number of arrays at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout, pad_lanes
from xbarsim.mvm.remap import remap_columns

CHUNK_CELLS = 1 << 21
"""Cells that are programmed and solved at a time: 16 MB of float64 conductances."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns of the effective matrix of a layer: (plane, output), then unit columns."""

    slices: int
    """Columns of a weight in one polarity."""
    planes: int
    """Column sums that one output needs in one row block: polarities converted apart times slices."""
    padded: int
    """Outputs rounded up to whole registers."""
    columns: int
    """Columns in all."""
    converters: Ints
    """(columns,) converter of every column, by the first column that it converts: unit columns of several groups share
    those of their arrays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """Arrays of one row block that are programmed together, and where the columns of the effective matrix lie."""

    key: str
    """What random streams are keyed by, beside seed and trial."""
    row_block: int
    """Row block."""
    begin: int
    """First row of the matrix that they hold."""
    end: int
    """Row behind the last one."""
    blocks: range
    """Column blocks, one for each array."""
    digits: NDArray[np.uint8]
    """(array, column, polarity, row) level of each cell."""
    array: Ints
    """(places,) array of each logical column."""
    column: Ints
    """(places,) its column in that array."""
    target: Ints
    """(places,) its column of the effective matrix, for the first polarity."""
    stride: int
    """Columns of the effective matrix from one polarity to the next."""
    is_driven: NDArray[np.bool_] | None
    """(places, rows) rows that are driven while a column is converted; None where all are."""
    reference: Ints | None
    """(arrays,) column of off cells of each array; None without."""


def array_width(layout: ColumnLayout, hardware: Hardware) -> int:
    """Return the bit lines of an array, unit column and reference column included."""
    return layout.cols + hardware.has_unit_column + hardware.has_reference_column


def make_sheet(encoded: EncodedWeights, layout: ColumnLayout, hardware: Hardware, groups: ReadGroups) -> Sheet:
    """Number the columns of the effective matrix.

    Parameters
    ----------
    encoded : EncodedWeights
        Digits.
    layout : ColumnLayout
        Places of the columns.
    hardware : Hardware
        What is converted apart.
    groups : ReadGroups
        Groups that are read one after the other, each with unit columns of its own.

    Returns
    -------
    Sheet
        Planes and columns.
    """
    _, slices, _, outputs = encoded.digits.shape
    planes, padded = hardware.converted_polarities * slices, pad_lanes(outputs)
    units = pad_lanes(layout.blocks * groups.count) if hardware.has_unit_column else 0
    first = planes * padded
    converters = np.arange(first + units, dtype=np.int64)
    used = layout.blocks * groups.count
    if units:
        converters[first : first + used] = first + np.arange(used) // groups.count
    return Sheet(slices=slices, planes=planes, padded=padded, columns=first + units, converters=converters)


def place_digits(
    encoded: EncodedWeights,
    layout: ColumnLayout,
    row_starts: NDArray[np.int64],
    hardware: Hardware,
    groups: ReadGroups,
    *,
    seed: int,
    trial: int,
    layer: str,
) -> Iterator[Chunk]:
    """Yield the arrays of a layer, row block by row block, in chunks of about ``CHUNK_CELLS`` cells.

    Parameters
    ----------
    encoded : EncodedWeights
        Digits.
    layout : ColumnLayout
        Places of the columns.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    hardware : Hardware
        Array size, and how columns are remapped.
    groups : ReadGroups
        Groups that are read one after the other.
    seed, trial, layer : int, int, str
        Key of the device's random streams.

    Yields
    ------
    Chunk
        Digits of the arrays and places of their columns, remapped where ``mapping.remap`` says so.
    """
    sheet = make_sheet(encoded, layout, hardware, groups)
    width = array_width(layout, hardware)
    polarities = encoded.digits.shape[0]
    count = max(1, CHUNK_CELLS // (polarities * hardware.crossbar.rows * width))
    remaps = hardware.mapping.remap == "columns" and hardware.device.measured is None
    for r, (begin, end) in enumerate(pairwise(row_starts)):
        for first in range(0, layout.blocks, count):
            blocks = range(first, min(first + count, layout.blocks))
            s, o = np.nonzero((layout.block_of >= first) & (layout.block_of < blocks.stop))
            array, column = layout.block_of[s, o] - first, layout.column_of[s, o]
            digits = np.zeros((len(blocks), width, polarities, hardware.crossbar.rows), dtype=np.uint8)
            digits[array, column, :, : end - begin] = encoded.digits[:, s, begin:end, o]  # (column, polarity, row)
            if hardware.has_unit_column:
                digits[:, layout.cols, :, : end - begin] = 1
            key, moved = f"{layer}/{r}/{first}", np.tile(np.arange(width), (len(blocks), 1))
            if remaps:
                counts = np.zeros((len(blocks), width))
                counts[array, column] = encoded.slice_weights[s]
                _weigh_shared(counts, encoded, layout, hardware)
                moved = remap_columns(digits, counts, hardware.device, seed=seed, trial=trial, layer=key)
                column = moved[array, column]
                np.put_along_axis(digits, moved[:, :, np.newaxis, np.newaxis], digits.copy(), axis=1)
            target, group = s * sheet.padded + o, groups.of_output[o]
            if hardware.has_unit_column:
                unit, turn = np.divmod(np.arange(len(blocks) * groups.count), groups.count)
                array, group = np.concatenate([array, unit]), np.concatenate([group, turn])
                column = np.concatenate([column, moved[unit, layout.cols]])
                begun = sheet.planes * sheet.padded + first * groups.count
                target = np.concatenate([target, begun + np.arange(len(unit))])
            yield Chunk(
                key=key,
                row_block=r,
                begin=int(begin),
                end=int(end),
                blocks=blocks,
                digits=digits,
                array=array,
                column=column,
                target=target,
                stride=sheet.slices * sheet.padded,
                is_driven=groups.of_row[begin:end] == group[:, np.newaxis] if groups.count > 1 else None,
                reference=moved[:, -1] if hardware.has_reference_column else None,
            )


def _weigh_shared(
    counts: NDArray[np.float64], encoded: EncodedWeights, layout: ColumnLayout, hardware: Hardware
) -> None:
    """Fill in what the columns count that others share: all outputs the unit column, all columns the reference."""
    if hardware.has_unit_column:
        counts[:, layout.cols] = encoded.unit_weight * np.sqrt(layout.cols / layout.slices)
    if hardware.has_reference_column:
        counts[:, -1] = np.sqrt(np.square(counts).sum(axis=1))
