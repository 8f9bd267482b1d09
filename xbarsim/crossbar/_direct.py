"""Block elimination: the transfer operator without iteration, for wires so bad that line iteration crawls.

Rows are eliminated from the far end of the bit lines to the sensors. What lies above is a multi-port Norton equivalent
(admittance matrix between the bit lines, short-circuit currents per driver), carried through one row of segments and
joined by the next word line. O(rows * cols^3) operations in LAPACK, O(cols^2) memory beside the operator, exact for
wires of zero ohm; arrays that are wider than high are turned (see the anti-transposition in ``Wires.swapped``).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from xbarsim.crossbar.wires import Wires

Floats = NDArray[np.float64]


def solve_direct(g: Floats, wires: Wires) -> Floats:
    """Return the transfer operator of one array.

    Parameters
    ----------
    g : ndarray, (rows, cols)
        Conductance of the cells [S].
    wires : Wires
        Resistances.

    Returns
    -------
    ndarray, (rows, cols)
        Transfer operator [S]; not finite where the numbers overflow.
    """
    from scipy.linalg import lapack

    if g.shape[1] > g.shape[0]:
        return np.ascontiguousarray(solve_direct(g[::-1, ::-1].T, wires.swapped)[::-1, ::-1].T)
    rows, cols = g.shape
    admittance = np.zeros((cols, cols))
    currents = np.zeros((cols, rows + cols), order="F")  # by driver, and then room for the admittance
    diagonal = np.arange(cols)
    for i in range(rows):
        ports, drive = word_line_ports(g[i], wires)
        admittance += ports
        r = wires.r_bl_ohm + (wires.r_sink_ohm if i == rows - 1 else 0.0)
        currents[:, i] = drive
        if r == 0.0:
            continue
        # what flows into the next segment: x with (1 + r y) x = known
        known = currents[:, : i + 1 + cols]
        known[:, i + 1 :] = admittance
        system = np.asfortranarray(r * admittance)
        system[diagonal, diagonal] += 1.0
        factor, failed = lapack.dpotrf(system, lower=1, overwrite_a=1)
        if failed:
            return np.full(g.shape, np.nan)
        known[...] = lapack.dpotrs(factor, known, lower=1, overwrite_b=1)[0]
        admittance = 0.5 * (known[:, i + 1 :] + known[:, i + 1 :].T)
    return np.ascontiguousarray(currents[:, :rows].T)


def solve_directly(g: Floats, chosen: list[int], wires: Wires, threads: int, t: Floats) -> None:
    """Write the operators of the ``chosen`` arrays of a stack to ``t``, one array a thread."""
    from threadpoolctl import threadpool_limits

    def work(array: int) -> None:
        t[array] = solve_direct(g[array], wires)

    # LAPACK itself keeps to one thread: the same bits for any number
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool, np.errstate(all="ignore"):
        list(pool.map(work, chosen))


def word_line_ports(g: Floats, wires: Wires) -> tuple[Floats, Floats]:
    """Return the admittance between the bit lines that one word line makes, and what its driver pushes at 1 V.

    Parameters
    ----------
    g : ndarray, (cols,)
        Cells along the word line [S].
    wires : Wires
        Resistances.

    Returns
    -------
    admittance : ndarray, (cols, cols)
        Between the bit lines, the driver at 0 V [S].
    drive : ndarray, (cols,)
        Currents into grounded bit lines [A].
    """
    cols = len(g)
    a, b = np.empty(cols), np.empty(cols)
    y = 0.0
    for k in range(cols - 1, -1, -1):
        y += float(g[k])
        r = wires.r_wl_ohm + (wires.r_source_ohm if k == 0 else 0.0)
        a[k] = 1.0 / (1.0 + r * y)
        b[k] = r * a[k]
        y *= float(a[k])
    # column m: voltages of the word line with 1 V on bit line m; Norton currents from the far end, then voltages
    u = np.zeros((cols, cols))
    below = np.zeros(cols)
    for k in range(cols - 1, -1, -1):
        below[k] += g[k]
        u[k] = b[k] * below
        below *= a[k]
    for k in range(1, cols):
        u[k] += a[k] * u[k - 1]
    admittance = -g[:, np.newaxis] * u
    admittance[np.arange(cols), np.arange(cols)] += g
    return 0.5 * (admittance + admittance.T), g * np.cumprod(a)
