"""Inputs as bit planes: eight rows of an array, a group, to a word of 64 bits, whose bytes are the bits of the inputs.

Vectors are packed one by one. Images are packed once per pixel where eight channels at a time fill whole groups of
every array; windows then only point into them, so no window is ever materialised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import Streams
from xbarsim.mvm import _packing
from xbarsim.mvm.window import Geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedInputs:
    """Bit b of group q of vector v is byte ``b % 8`` of the word ``planes[bases[v] + offsets[q] + b // 8]``."""

    planes: NDArray[np.uint64]
    bases: NDArray[np.int64]
    offsets: NDArray[np.int64]
    group_starts: NDArray[np.int64]
    """(row blocks + 1,) which groups belong to which row block."""


def pack_vectors(codes: NDArray[Any], row_starts: NDArray[np.int64], streams: Streams) -> PackedInputs:
    """Pack vectors into bit planes, eight rows to a byte.

    Parameters
    ----------
    codes : ndarray of int, (vectors, K)
        Inputs.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    streams : Streams
        Coding of an input.

    Returns
    -------
    PackedInputs
        Bit planes of every vector.
    """
    group_starts = np.r_[0, np.cumsum(-(-np.diff(row_starts) // 8))].astype(np.int64)
    count, words = int(group_starts[-1]), -(-streams.coded_bits // 8)
    planes = np.empty((codes.shape[0], count, words), dtype=np.uint64)
    raw = streams.encode(codes)
    if raw.itemsize == 1:
        _packing.pack_words(_fill_groups(raw, row_starts, group_starts).view(np.uint64), planes[:, :, 0])
    else:
        _packing.pack_vectors(row_starts, group_starts, raw, planes)
    return PackedInputs(
        planes=planes.ravel(),
        bases=np.arange(codes.shape[0], dtype=np.int64) * (count * words),
        offsets=np.arange(count, dtype=np.int64) * words,
        group_starts=group_starts,
    )


def _fill_groups(raw: NDArray[Any], row_starts: NDArray[np.int64], group_starts: NDArray[np.int64]) -> NDArray[Any]:
    """Return vectors whose arrays all begin with a group: zeros behind the rows of each where they do not."""
    if not np.any(row_starts % 8):
        return raw
    filled = np.zeros((len(raw), 8 * int(group_starts[-1])), dtype=raw.dtype)
    for block in range(len(row_starts) - 1):
        rows, first = slice(row_starts[block], row_starts[block + 1]), 8 * group_starts[block]
        filled[:, first : first + rows.stop - rows.start] = raw[:, rows]
    return filled


def can_pack_pixels(geometry: Geometry, row_starts: NDArray[np.int64]) -> bool:
    """Whether windows can share packed pixels: whole groups of channels, and arrays that begin with a group.

    Parameters
    ----------
    geometry : Geometry
        Windows.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.

    Returns
    -------
    bool
        Whether :func:`pack_pixels` applies.
    """
    return geometry.channels % 8 == 0 and not np.any(row_starts % 8)


def pack_pixels(
    codes: NDArray[Any], geometry: Geometry, row_starts: NDArray[np.int64], streams: Streams, pad_code: int
) -> PackedInputs:
    """Pack images once per pixel, so that overlapping windows share words; rows are (kh, kw, channel).

    Parameters
    ----------
    codes : ndarray of int, (images, channels, height, width)
        Inputs.
    geometry : Geometry
        Windows.
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    streams : Streams
        Coding of an input.
    pad_code : int
        Input that padding drives.

    Returns
    -------
    PackedInputs
        Bit planes of every window.
    """
    top, left, bottom, right = geometry.padding
    images, channels = codes.shape[:2]
    height, width, count = codes.shape[2] + top + bottom, codes.shape[3] + left + right, channels // 8
    words = -(-streams.coded_bits // 8)
    planes = np.zeros((images, height, width, count, words), dtype=np.uint64)
    driven = int(streams.encode(np.array([pad_code], dtype=np.int64))[0])
    if driven:
        ones = (driven >> np.arange(8 * words)) & 1
        planes[:] = (255 * ones).astype(np.uint8).view("<u8")
    _packing.pack_pixels(top, left, streams.encode(codes), np.empty(codes.shape[3], dtype=np.uint64), planes)
    pixel = count * words
    b, i, j = np.ix_(np.arange(images), np.arange(geometry.out_height), np.arange(geometry.out_width))
    bases = ((b * height + i * geometry.stride[0]) * width + j * geometry.stride[1]) * pixel
    i, j, q = np.ix_(np.arange(geometry.kernel[0]), np.arange(geometry.kernel[1]), np.arange(count))
    offsets = (i * geometry.dilation[0] * width + j * geometry.dilation[1]) * pixel + q * words
    return PackedInputs(
        planes=planes.ravel(),
        bases=bases.astype(np.int64).ravel(),
        offsets=offsets.astype(np.int64).ravel(),
        group_starts=row_starts // 8,
    )
