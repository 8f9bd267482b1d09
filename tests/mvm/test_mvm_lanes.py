"""Listing of table rows from words of bits: compiled lanes against plain NumPy."""

from __future__ import annotations

import numpy as np

from xbarsim._numba import kernel
from xbarsim._simd import LANES, add, address, deal_bytes, load, load_bytes, pack, zeros


@kernel
def list_words(words, dealt, places, rows):  # type: ignore[no-untyped-def]
    """Deal the bytes of sixteen words, and list those of every bit that are not zero."""
    none = zeros(words, LANES)
    deal_bytes(dealt, 0, load(address(words), 0, none))
    n = 0
    for bit in range(8):
        entries = load_bytes(dealt, LANES * bit, none)
        n += pack(rows, n, add(entries, load(places, 0, entries)), entries)
    return n


def test_lists_of_words_equal_numpy_for_any_share_of_zeros():
    rng = np.random.default_rng(0)
    places = np.arange(LANES, dtype=np.int16) * 256
    for share in np.linspace(0.0, 1.0, 300):
        given = rng.integers(1, 256, 8 * LANES).astype(np.uint8)
        given[rng.random(given.size) < share] = 0
        dealt, rows = np.zeros(8 * LANES, np.uint8), np.zeros(9 * LANES, np.int16)
        count = list_words(given.view(np.uint64), dealt, places, rows)
        by_bit = given.reshape(LANES, 8).T
        np.testing.assert_array_equal(dealt.reshape(8, LANES), by_bit)
        wanted = np.concatenate([(places + entries)[entries != 0] for entries in by_bit])
        np.testing.assert_array_equal(rows[:count], wanted)
