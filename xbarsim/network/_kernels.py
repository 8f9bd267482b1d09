"""The product behind weight layers: windows times weights, every sum in one order.

Windows are laid out side by side, 16 at a time, in a panel of one row a tap. Four outputs are then summed over the
taps in registers, tap after tap, with fused multiply-adds where the processor has them. A sum therefore has the same
bits whatever windows and outputs stand beside it, which BLAS does not promise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined, kernel
from xbarsim._simd import (
    LANES,
    Array,
    Index,
    Vector,
    add,
    address,
    fill,
    lane_count,
    load,
    multiply,
    peek,
    poke,
    store,
    zeros,
)

ROWS = 4
"""Outputs that are summed side by side; over ``LANES`` windows they fill half of the registers of AVX2 [-]."""
HALF = LANES // 2
"""Windows that are copied at a time where they stand side by side in their image [-]."""


@inlined
def gather_panel(
    values: Array, pixels: NDArray[np.int64], taps: NDArray[np.int64], start: int, first: int, count: int,
    half: Vector, panel: Array,
) -> None:  # fmt: skip
    """Lay out ``count`` windows from ``first`` on as ``panel[tap, window]``; the rest of a row keeps what it holds."""
    width = lane_count(half)
    for begin in range(0, count, width):
        end = min(begin + width, count)
        place = start + pixels[first + begin]
        if end - begin == width and pixels[first + end - 1] - pixels[first + begin] == width - 1:
            for k in range(taps.size):
                store(panel, k * LANES + begin, load(values, place + peek(taps, k), half))
        else:
            for k in range(taps.size):
                for lane in range(begin, end):
                    panel[k * LANES + lane] = values[start + pixels[first + lane] + peek(taps, k)]


@inlined
def sum_taps(
    panel: Array, weight: Array, depth: int, at: tuple[Index, Index, Index, Index], zero: Vector, sums: Array
) -> None:
    """Sum four outputs, whose weights begin at the places ``at``, over all taps of a panel."""
    y0 = zero
    y1, y2, y3 = y0, y0, y0
    for k in range(depth):
        x = load(panel, k * LANES, zero)
        y0 = add(multiply(fill(peek(weight, at[0] + k), zero), x), y0)
        y1 = add(multiply(fill(peek(weight, at[1] + k), zero), x), y1)
        y2 = add(multiply(fill(peek(weight, at[2] + k), zero), x), y2)
        y3 = add(multiply(fill(peek(weight, at[3] + k), zero), x), y3)
    store(sums, 0, y0)
    store(sums, LANES, y1)
    store(sums, 2 * LANES, y2)
    store(sums, 3 * LANES, y3)


@kernel
def multiply_windows(
    groups: int, group_step: int, row_step: int, values: Array, pixels: NDArray[np.int64], taps: NDArray[np.int64],
    weight: Array, bias: Array, places: NDArray[np.int64], out: Array, panel: Array, sums: Array,
) -> None:  # fmt: skip
    """Set ``out[places[p] + n * row_step]`` to the sum of ``weight[n, k] * values[pixels[p] + taps[k]]``, plus a bias.

    Outputs ``n`` divide evenly into ``groups``; the windows of each group begin ``group_step`` values further on.
    """
    zero, half = zeros(values, LANES), zeros(values, HALF)
    outputs, depth = weight.shape
    x, w, y = address(values), address(weight), address(out)
    windows, added, total = address(panel), address(bias), address(sums)
    for group in range(groups):
        top, bottom = group * (outputs // groups), (group + 1) * (outputs // groups)
        for first in range(0, pixels.size, LANES):
            count = min(LANES, pixels.size - first)
            gather_panel(x, pixels, taps, group * group_step, first, count, half, windows)
            is_run = count == LANES and places[first + LANES - 1] - places[first] == LANES - 1
            for row in range(top, bottom, ROWS):
                last = bottom - 1
                at = (
                    row * depth, min(row + 1, last) * depth, min(row + 2, last) * depth, min(row + 3, last) * depth
                )  # fmt: skip
                sum_taps(windows, w, depth, at, zero, total)
                for n in range(row, min(row + ROWS, bottom)):
                    of_row, result = (n - row) * LANES, n * row_step
                    if is_run:
                        found = add(load(total, of_row, zero), fill(peek(added, n), zero))
                        store(y, places[first] + result, found)
                        continue
                    for lane in range(count):
                        poke(y, places[first + lane] + result, peek(total, of_row + lane) + peek(added, n))
