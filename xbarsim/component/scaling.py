"""Area and energy of CMOS logic from one technology node to another, 130 to 7 nm.

A. Stillmaker, B. Baas, "Scaling equations for the accurate prediction of CMOS device performance from 180 nm to
7 nm", Integration 58 (2017) 74-81: area factors, and energy as a polynomial of the supply voltage, high-performance
devices from 45 nm on. The figures are taken from the transcription in nodeScale (UCLA NanoCAD, MIT licence); all but
the polynomials at 45 and 32 nm were checked against a second, independent one. Between nodes both go geometrically
with the logarithm of the node.

The equations are fitted to fan-out-of-4 inverters and hold for digital circuits. Analog circuits and wires scale less;
give these no ``process``. Rates are not scaled, so power is proportional to energy.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from xbarsim.config.process import Process

NODES_NM = (7, 10, 14, 16, 20, 32, 45, 65, 90, 130)
"""Technology nodes of the equations [nm]. Source: Stillmaker and Baas, Integration 58 (2017) 74-81."""
AREAS = (0.0092, 0.016, 0.027, 0.03, 0.033, 0.072, 0.16, 0.23, 0.44, 1.0)
"""Area of the same circuit at each node, relative to 130 nm [-]. Source: Stillmaker and Baas, Integration 58 (2017)
74-81."""
ENERGIES = (
    (0.1776, -0.09097, 0.02447),
    (0.2068, -0.09311, 0.02375),
    (0.2363, -0.09675, 0.02239),
    (0.2958, -0.1241, 0.03024),
    (0.373, -0.1582, 0.04104),
    (0.8367, -0.4341, 0.1701),
    (1.018, -0.3107, 0.1539),
    (3.755, -4.398, 1.975),
    (4.762, -4.781, 2.092),
    (7.171, -6.709, 2.904),
)
"""Coefficients of supply voltage squared, supply voltage and one at each node [relative energy]."""


def scale_area(old: Process, new: Process) -> float:
    """Return the scaling factor of the area of a digital circuit.

    Parameters
    ----------
    old, new : Process
        Where the area is known, and where it is wanted.

    Returns
    -------
    float
        Factor [-].
    """
    return _between(AREAS, new) / _between(AREAS, old)


def scale_energy(old: Process, new: Process) -> float:
    """Return the scaling factor of the energy of a digital circuit.

    Parameters
    ----------
    old, new : Process
        Where the energy is known, and where it is wanted; their supply voltages count.

    Returns
    -------
    float
        Factor [-].
    """
    energies = []
    for process in (new, old):
        volt = process.supply_volt
        energies.append(_between(tuple(a * volt**2 + b * volt + c for a, b, c in ENERGIES), process))
    return energies[0] / energies[1]


def _between(values: tuple[float, ...], process: Process) -> float:
    node = min(max(process.node_m * 1e9, NODES_NM[0]), NODES_NM[-1])
    upper = max(1, bisect_left(NODES_NM, node - 1e-9))
    low, high = NODES_NM[upper - 1], NODES_NM[upper]
    share = math.log(node / low) / math.log(high / low)
    return math.exp((1 - share) * math.log(values[upper - 1]) + share * math.log(values[upper]))
