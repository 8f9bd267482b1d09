"""Kernels that pack integer inputs to bit planes, eight rows to a byte; wrappers in ``packing``."""

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
def pack_words(bits: int, words: NDArray[np.uint64], transposed: NDArray[np.uint64], planes: NDArray[np.uint8]) -> None:
    """Pack vectors of bytes, eight rows to a word, whose arrays begin with a word: planes[v, bit, byte]."""
    for v in range(words.shape[0]):
        for q in range(words.shape[1]):
            transposed[q] = transpose_bits(words[v, q])
        for bit in range(bits):
            for q in range(words.shape[1]):
                planes[v, bit, q] = np.uint8((transposed[q] >> np.uint64(8 * bit)) & np.uint64(255))


@kernel
def pack_vectors(
    bits: int, row_starts: NDArray[np.int64], byte_starts: NDArray[np.int64], codes: NDArray[Any],
    planes: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Pack vectors to bit planes, eight rows of one array to a byte: planes[v, bit, byte]."""
    for v in range(codes.shape[0]):
        for r in range(row_starts.size - 1):
            for q in range(byte_starts[r], byte_starts[r + 1]):
                begin = row_starts[r] + 8 * (q - byte_starts[r])
                end = min(begin + 8, row_starts[r + 1])
                for low in range(0, bits, 8):
                    word = np.uint64(0)
                    for i in range(begin, end):
                        byte = (np.uint64(codes[v, i]) >> np.uint64(low)) & np.uint64(255)
                        word |= byte << np.uint64(8 * (i - begin))
                    word = transpose_bits(word)
                    for bit in range(low, min(low + 8, bits)):
                        planes[v, bit, q] = np.uint8((word >> np.uint64(8 * (bit - low))) & np.uint64(255))


@kernel
def pack_pixels(
    bits: int, top: int, left: int, codes: NDArray[Any], words: NDArray[np.uint64], planes: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Pack images to bit planes, eight channels of a pixel to a byte: planes[b, y + top, x + left, bit, byte]."""
    images, channels, height, width = codes.shape
    for b in range(images):
        for q in range(channels // 8):
            for y in range(height):
                for low in range(0, bits, 8):
                    for x in range(width):
                        words[x] = np.uint64(0)
                    for i in range(8):
                        for x in range(width):
                            byte = (np.uint64(codes[b, 8 * q + i, y, x]) >> np.uint64(low)) & np.uint64(255)
                            words[x] |= byte << np.uint64(8 * i)
                    for x in range(width):
                        words[x] = transpose_bits(words[x])
                    for x in range(width):
                        for bit in range(low, min(low + 8, bits)):
                            byte = (words[x] >> np.uint64(8 * (bit - low))) & np.uint64(255)
                            planes[b, y + top, x + left, bit, q] = np.uint8(byte)
