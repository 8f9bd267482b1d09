"""Block elimination: the transfer operator without iteration, for wires so bad that line iteration crawls.

Rows are eliminated from the far end of the bit lines to the sensors. What lies above is a multi-port Norton equivalent
(admittance matrix between the bit lines, short-circuit currents per driver), carried through one row of segments and
joined by the next word line. O(rows * cols^3) operations, O(cols^2) memory, exact for wires of zero ohm.
"""

from __future__ import annotations

import numpy as np

from xbarsim._numba import kernel


@kernel
def solve_dense(a, b):
    """Solve ``a x = b`` in place of ``b`` by Gaussian elimination with partial pivoting; ``a`` is destroyed."""
    n = a.shape[0]
    for c in range(n):
        best = c
        for r in range(c + 1, n):
            if abs(a[r, c]) > abs(a[best, c]):
                best = r
        if best != c:
            for k in range(c, n):
                a[c, k], a[best, k] = a[best, k], a[c, k]
            for k in range(b.shape[1]):
                b[c, k], b[best, k] = b[best, k], b[c, k]
        inverse = 1.0 / a[c, c]
        for r in range(c + 1, n):
            factor = a[r, c] * inverse
            if factor != 0.0:
                a[r, c + 1 :] -= factor * a[c, c + 1 :]
                b[r] -= factor * b[c]
    for c in range(n - 1, -1, -1):
        b[c] /= a[c, c]
        for r in range(c):
            b[r] -= a[r, c] * b[c]


@kernel
def word_line_ports(g, r_wl, r_source, ports, drive):
    """Write the admittance between the bit lines that one word line makes, and the current a 1 V driver pushes."""
    cols = g.shape[0]
    a = np.empty(cols)
    b = np.empty(cols)
    y = 0.0
    for k in range(cols - 1, -1, -1):
        y += g[k]
        r = r_wl if k > 0 else r_wl + r_source
        a[k] = 1.0 / (1.0 + r * y)
        b[k] = r * a[k]
        y *= a[k]
    current = np.empty(cols)
    for source in range(cols):  # 1 V on one bit line, the others and the driver grounded
        below = g[source]
        for k in range(source, -1, -1):
            current[k] = below
            below *= a[k]
        u = 0.0
        for k in range(cols):
            u = a[k] * u + (b[k] * current[k] if k <= source else 0.0)
            ports[k, source] = -g[k] * u
        ports[source, source] += g[source]
    u = 1.0
    for k in range(cols):
        u *= a[k]
        drive[k] = g[k] * u


@kernel
def solve_direct(r_wl, r_bl, r_source, r_sink, g, t):
    """Write the transfer operator of one array to ``t``."""
    rows, cols = g.shape
    admittance = np.zeros((cols, cols))
    ports = np.empty((cols, cols))
    drive = np.empty(cols)
    system = np.empty((cols, cols))
    for i in range(rows):
        word_line_ports(g[i], r_wl, r_source, ports, drive)
        admittance += ports
        # currents of the drivers so far, and then the admittance itself, pass through the next segment
        r = r_bl if i < rows - 1 else r_bl + r_sink
        known = np.empty((cols, i + 1 + cols))
        known[:, :i] = t[:i].T
        known[:, i] = drive
        known[:, i + 1 :] = admittance
        if r > 0.0:
            for k in range(cols):
                system[k] = r * admittance[k]
                system[k, k] += 1.0
            solve_dense(system, known)
        t[: i + 1] = known[:, : i + 1].T
        for k in range(cols):
            for m in range(cols):
                admittance[k, m] = 0.5 * (known[k, i + 1 + m] + known[m, i + 1 + k])
