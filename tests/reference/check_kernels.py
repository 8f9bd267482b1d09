"""Kernels of certificates and their twins: every line a dense matrix."""

from __future__ import annotations

import numpy as np
from reference.crossbar_kernels import COLS, R_BL, R_SINK, R_SOURCE, R_WL, ROWS, case, cells, ladder, normal
from reference.kernel_case import plain

from xbarsim.crossbar import _check
from xbarsim.crossbar._check import DRIVES

OHMS = (R_WL, R_BL, R_SOURCE, R_SINK)


def relax_drives(g, word, bit, step, momentum, v, now, before, pushed, line, flow, stray):
    """Solve every word line and then every bit line as a dense matrix."""
    volt, w, last = v.reshape(ROWS, DRIVES), now.reshape(ROWS, COLS, DRIVES), before.reshape(ROWS, COLS, DRIVES)
    u, solved = np.zeros_like(w), np.zeros_like(w)
    for i in range(ROWS):
        known = g[i][:, np.newaxis] * w[i]
        known[0] += volt[i] / (R_WL + R_SOURCE)
        u[i] = np.linalg.solve(ladder(g[i], R_WL, R_SOURCE, 0), known)
    for k in range(COLS):
        solved[:, k] = np.linalg.solve(ladder(g[:, k], R_BL, R_SINK, ROWS - 1), g[:, k, np.newaxis] * u[:, k])
    flow[:] = (solved[-1] / (R_BL + R_SINK)).ravel()
    stray[:] = (g[:, :, np.newaxis] * np.abs(solved - w)).sum(axis=(0, 1))
    last[:] = w + step * (solved - w) + momentum * (w - last)


def factors():
    """Return eliminated word lines and bit lines."""
    found = np.zeros((2, 2, ROWS, COLS))
    _check.eliminate_lines(cells(), *OHMS, *found)
    return found


def eliminate_inputs():
    return cells(), *OHMS, *np.zeros((2, 2, ROWS, COLS))


def relax_inputs():
    fields, lines = 0.1 * np.abs(normal(3, ROWS * COLS * DRIVES)), np.zeros((2, COLS * DRIVES))
    return cells(), *factors(), 1.1, 0.3, normal(ROWS * DRIVES), *fields, *lines, np.zeros(DRIVES)


def check_inputs():
    fields, lines = np.zeros((3, ROWS * COLS * DRIVES)), np.zeros((3, COLS * DRIVES))
    claimed, found = 1e-3 * normal(COLS * DRIVES), np.zeros(3)
    return (
        cells(), np.array(OHMS), normal(ROWS * DRIVES), claimed, 1e-9, 0.0, 60, np.zeros((2, 2, ROWS, COLS)), fields,
        lines, found,
    )  # fmt: skip


CHECK = (
    case(_check.eliminate_lines, plain(_check.eliminate_lines), eliminate_inputs, (5, 6), 1e-12),
    case(_check.relax_drives, relax_drives, relax_inputs, (7, 10, 11)),
    case(_check.check_currents, plain(_check.check_currents), check_inputs, (9, 10)),
)
