"""Line iteration for the transfer operator of passive arrays.

By reciprocity ``t[i, j]`` is the current that leaves word line ``i`` when bit line ``j`` alone is driven with 1 V at
its sensor. Word lines are independent ladders once the bit-line voltages are known, and the reverse. Each pass solves
every word line, then every bit line, for ``LANES`` driven bit lines side by side (the contiguous axis), and iterates
on the *difference* between two passes, so that the problem is homogeneous and shrinks geometrically.

Ladders are eliminated as Norton equivalents (admittance, short-circuit current), which needs resistances and never
their inverse: a wire of zero ohm is exact. A pass walks the rows in one direction, finishing the bit-line solve of the
pass before and starting its own, hence next to one read and one write of the field in all; the next pass walks back.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from xbarsim._numba import kernel, parallel_kernel

LANES = 16


@kernel
def factor_lines(g, r_wl, r_bl, r_source, r_sink, word, down, up):
    """Eliminate every ladder of one array.

    ``word``, ``down`` and ``up`` (3, rows, cols) receive, for each node, ``a = 1 / (1 + r y)``, ``b = r a`` and the
    admittance ``y`` looking away from the driver, from the sensor, and from the far end of the bit line.
    ``r`` is the resistance of the step that leads to the next node to be eliminated.
    """
    rows, cols = g.shape
    for i in range(rows):
        y = 0.0
        for k in range(cols - 1, -1, -1):
            y += g[i, k]
            r = r_wl if k > 0 else r_wl + r_source
            a = 1.0 / (1.0 + r * y)
            word[0, i, k] = a
            word[1, i, k] = r * a
            word[2, i, k] = y
            y *= a
    for k in range(cols):
        y = 0.0
        for i in range(rows):
            y += g[i, k]
            r = r_bl if i < rows - 1 else r_bl + r_sink
            a = 1.0 / (1.0 + r * y)
            down[0, i, k] = a
            down[1, i, k] = r * a
            down[2, i, k] = y
            y *= a
        r = r_bl + r_sink
        y = 1.0 / r if r > 0 else 0.0
        for i in range(rows - 1, -1, -1):
            y += g[i, k]
            # the far end has nothing beyond it: there b = 1 / y turns the Norton current into a voltage
            a = 1.0 / (1.0 + r_bl * y) if i > 0 else 0.0
            up[0, i, k] = a
            up[1, i, k] = r_bl * a if i > 0 else 1.0 / y
            up[2, i, k] = y
            y *= a


@kernel
def sweep_rows(reverse, g, word, old, new, field, w, current, out):
    """Finish one bit-line solve, solve all word lines, and start the next bit-line solve.

    Walks the rows down, or up where ``reverse``; ``old`` and ``new`` are the bit-line eliminations of the pass before
    and of this one. ``field`` (rows, cols, LANES) holds Norton currents of the bit lines, ``w`` (cols, LANES) the
    bit-line voltages just before the first row; ``out`` (rows, LANES) is increased by the driver currents.
    """
    rows, cols = g.shape
    for step in range(rows):
        i = rows - 1 - step if reverse else step
        before = min(i + 1, rows - 1) if reverse else max(i - 1, 0)
        for k in range(cols):
            a = old[0, i, k]
            b = old[1, i, k]
            for lane in range(LANES):
                w[k, lane] = a * w[k, lane] + b * field[i, k, lane]
        for lane in range(LANES):
            current[cols, lane] = 0.0
        for k in range(cols - 1, -1, -1):
            a = word[0, i, k + 1] if k + 1 < cols else 0.0
            for lane in range(LANES):
                current[k, lane] = a * current[k + 1, lane] + g[i, k] * w[k, lane]
        for lane in range(LANES):
            out[i, lane] += word[0, i, 0] * current[0, lane]
        for k in range(cols):
            a = word[0, i, k]
            b = word[1, i, k]
            a_new = new[0, before, k] if step > 0 else 0.0
            for lane in range(LANES):
                u = a * current[cols, lane] + b * current[k, lane]
                current[cols, lane] = u
                field[i, k, lane] = g[i, k] * u + a_new * field[before, k, lane]


@kernel
def solve_lanes(first, limit, tolerance, g, word, down, up, t, field, w, current, change, report):
    """Iterate for the bit lines ``first`` .. ``first + LANES - 1`` of one array until nothing changes any more.

    ``report`` (2,) receives the passes made and the estimated error relative to the largest entry.
    """
    rows, cols = g.shape
    lanes = min(LANES, cols - first)
    field[:] = 0.0
    w[:] = 0.0
    for lane in range(lanes):
        w[first + lane, lane] = 1.0
    last = 0.0
    largest = 0.0
    report[1] = np.inf
    for count in range(limit):
        change[:] = 0.0
        if count % 2 == 0:
            sweep_rows(True, g, word, down, up, field, w, current, change)
        else:
            sweep_rows(False, g, word, up, down, field, w, current, change)
        w[:] = 0.0
        size = 0.0
        for i in range(rows):
            for lane in range(lanes):
                if count == 0:
                    t[i, first + lane] = change[i, lane]
                else:
                    t[i, first + lane] += change[i, lane]
                size = max(size, abs(change[i, lane]))
                largest = max(largest, abs(t[i, first + lane]))
        report[0] = count + 1
        if size == 0.0 or largest == 0.0:
            report[1] = 0.0
            return
        if count > 1:
            # changes shrink at a rate that rises towards the largest eigenvalue; squaring the margin allows for that
            rate = min(size / last, 1.0)
            left = size / largest * rate / max(1.0 - rate, 1e-3)
            report[1] = left
            if left < tolerance and rate < 0.95:
                return
        last = size


@parallel_kernel
def solve_stack(limit, tolerance, r_wl, r_bl, r_source, r_sink, g, t, report):
    """Solve every block of bit lines of every array; ``report`` (arrays, blocks, 2)."""
    arrays, rows, cols = g.shape
    blocks = report.shape[1]
    for job in prange(arrays * blocks):
        array = job // blocks
        block = job % blocks
        word = np.empty((3, rows, cols))
        down = np.empty((3, rows, cols))
        up = np.empty((3, rows, cols))
        factor_lines(g[array], r_wl, r_bl, r_source, r_sink, word, down, up)
        solve_lanes(
            block * LANES, limit, tolerance, g[array], word, down, up, t[array], np.empty((rows, cols, LANES)),
            np.empty((cols, LANES)), np.empty((cols + 1, LANES)), np.empty((rows, LANES)), report[array, block],
        )  # fmt: skip


@kernel
def closed_form(r_wl, r_bl, r_source, r_sink, g, t, share):
    """Write one array's closed form to ``t``; ``share`` (rows, cols) is scratch."""
    rows, cols = g.shape
    for i in range(rows):
        y = 0.0
        for k in range(cols - 1, -1, -1):
            y += g[i, k]
            t[i, k] = 1.0 / (1.0 + (r_wl if k > 0 else r_wl + r_source) * y)
            y *= t[i, k]
        for k in range(1, cols):
            t[i, k] *= t[i, k - 1]
    for k in range(cols):
        share[0, k] = 0.0  # admittance of the line above the first row
    for i in range(rows):
        r = r_bl if i < rows - 1 else r_bl + r_sink
        for k in range(cols):
            y = share[i, k] + g[i, k]
            a = 1.0 / (1.0 + r * y)
            share[i, k] = a
            if i < rows - 1:
                share[i + 1, k] = y * a
    for i in range(rows - 1, -1, -1):
        for k in range(cols):
            if i < rows - 1:
                share[i, k] *= share[i + 1, k]
            t[i, k] *= g[i, k] * share[i, k]


@parallel_kernel
def closed_form_stack(r_wl, r_bl, r_source, r_sink, g, t):
    """Word line with grounded bit lines times bit line with given word lines, for every array of a stack.

    ``t[i, j]`` is ``g[i, j]`` times the share of the driver voltage that reaches the cell along its word line, times
    the share of the cell's current that leaves its bit line through the sensor.
    """
    for array in prange(g.shape[0]):
        closed_form(r_wl, r_bl, r_source, r_sink, g[array], t[array], np.empty(g.shape[1:]))
