"""Kernels that pack integer inputs to bit planes, eight rows and eight bits to a word; wrappers in ``packing``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import kernel


@kernel
def transpose_bits(x: np.uint64) -> np.uint64:
    """Transpose the 8 x 8 bits of a 64-bit word: byte i, bit j <-> byte j, bit i (Hacker's Delight, 7-3)."""
    t = (x ^ (x >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    x = x ^ t ^ (t << np.uint64(7))
    t = (x ^ (x >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    x = x ^ t ^ (t << np.uint64(14))
    t = (x ^ (x >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return x ^ t ^ (t << np.uint64(28))


@kernel
def pack_words(words: NDArray[np.uint64], planes: NDArray[np.uint64]) -> None:
    """Pack vectors of bytes, eight rows to a word, whose arrays begin with a word: planes[v, group]."""
    for v in range(words.shape[0]):
        for q in range(words.shape[1]):
            planes[v, q] = transpose_bits(words[v, q])


@kernel
def pack_vectors(
    row_starts: NDArray[np.int64], group_starts: NDArray[np.int64], codes: NDArray[Any], planes: NDArray[np.uint64]
) -> None:  # fmt: skip
    """Pack vectors to bit planes, eight rows of one array to a group: planes[v, group, word]."""
    for v in range(codes.shape[0]):
        for r in range(row_starts.size - 1):
            for q in range(group_starts[r], group_starts[r + 1]):
                begin = row_starts[r] + 8 * (q - group_starts[r])
                end = min(begin + 8, row_starts[r + 1])
                for k in range(planes.shape[2]):
                    word = np.uint64(0)
                    for i in range(begin, end):
                        byte = (np.uint64(codes[v, i]) >> np.uint64(8 * k)) & np.uint64(255)
                        word |= byte << np.uint64(8 * (i - begin))
                    planes[v, q, k] = transpose_bits(word)


@kernel
def pack_pixels(
    top: int, left: int, codes: NDArray[Any], words: NDArray[np.uint64], planes: NDArray[np.uint64]
) -> None:
    """Pack images to bit planes, eight channels of a pixel to a group: planes[b, y + top, x + left, group, word]."""
    images, channels, height, width = codes.shape
    for b in range(images):
        for q in range(channels // 8):
            for y in range(height):
                for k in range(planes.shape[4]):
                    for x in range(width):
                        words[x] = np.uint64(0)
                    for i in range(8):
                        for x in range(width):
                            byte = (np.uint64(codes[b, 8 * q + i, y, x]) >> np.uint64(8 * k)) & np.uint64(255)
                            words[x] |= byte << np.uint64(8 * i)
                    for x in range(width):
                        planes[b, y + top, x + left, q, k] = transpose_bits(words[x])
