"""Kernels that pack inputs into bit planes, and what they must equal."""

from __future__ import annotations

import numpy as np
from reference import mvm_loops_fused as loops
from reference.mvm_case import STARTS, case, rng

from xbarsim.mvm import _packing


def transpose_bits(x):
    """Move bit j of byte i to bit i of byte j."""
    return np.uint64(sum(((int(x) >> (8 * i + j)) & 1) << (8 * j + i) for i in range(8) for j in range(8)))


def pack_words(words, planes):
    planes[:] = loops.pack_groups(words.view(np.uint8), 1)[..., 0]


def pack_vectors(row_starts, group_starts, codes, planes):
    for r in range(len(row_starts) - 1):
        packed = loops.pack_groups(codes[:, row_starts[r] : row_starts[r + 1]], planes.shape[2])
        planes[:, group_starts[r] : group_starts[r + 1]] = packed


def pack_pixels(top, left, codes, words, planes):
    packed = loops.pack_groups(codes.transpose(0, 2, 3, 1), planes.shape[4])
    planes[:, top : top + codes.shape[2], left : left + codes.shape[3]] = packed


def word_inputs():
    return rng().integers(0, 1 << 63, (2, 3)).astype(np.uint64), np.zeros((2, 3), dtype=np.uint64)


def vector_inputs():
    vectors = rng().integers(0, 1 << 12, (2, 20)).astype(np.uint16)
    return STARTS, np.array([0, 2, 3]), vectors, np.zeros((2, 3, 2), dtype=np.uint64)


def pixel_inputs():
    images = rng().integers(0, 1 << 5, (2, 16, 3, 4)).astype(np.uint8)
    return 1, 2, images, np.zeros(4, dtype=np.uint64), np.zeros((2, 5, 7, 2, 1), dtype=np.uint64)


PACKING = (
    case(_packing.transpose_bits, transpose_bits, lambda: (np.uint64(0x123456789ABCDEF0),), ()),
    case(_packing.pack_words, pack_words, word_inputs, (1,)),
    case(_packing.pack_vectors, pack_vectors, vector_inputs, (3,)),
    case(_packing.pack_pixels, pack_pixels, pixel_inputs, (4,)),
)  # fmt: skip
