"""How many pulses writing takes: as ``device.write.pulses`` says, or as verification asks for.

With ``device.write.verify`` every pulse leaves a cell at an independent draw of ``device.programming`` around its
target, and the cell is done once it lies within the tolerance. The number of pulses is then geometric, cut off at the
largest one, with the chance of a pulse to succeed known exactly from the law of programming. Levels count as equally
frequent.

Neglects: pulses that move a cell from where it is, and stuck cells, which are given up after the largest number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xbarsim.config.device import Device

Array = NDArray[np.float64]


def success_chance(device: Device) -> Array:
    """Return the chance that one pulse leaves a cell within the tolerance of ``device.write.verify``.

    Parameters
    ----------
    device : Device
        With ``write.verify``.

    Returns
    -------
    ndarray, (levels,)
        Chance by level [-].
    """
    return np.array(
        [_chance(device, g) for g in device.g_off_siemens + device.g_step_siemens * np.arange(device.levels)]
    )


def mean_pulses(device: Device) -> float:
    """Return the mean number of pulses of a cell.

    Parameters
    ----------
    device : Device
        With ``write``.

    Returns
    -------
    float
        ``(1 - (1 - p)^n) / p`` for the chance ``p`` of each level and at most ``n`` pulses, averaged over levels [-].
    """
    assert device.write is not None
    verify = device.write.verify
    if verify is None:
        return 1.0 if device.write.pulses is None else device.write.pulses
    return float(np.mean([_mean_count(p, verify.max_pulses) for p in success_chance(device)]))


def row_pulses(device: Device, cells: int) -> float:
    """Return the mean number of pulses until every cell of a row is done, its cells being written together.

    Parameters
    ----------
    device : Device
        With ``write``.
    cells : int
        Cells of a row.

    Returns
    -------
    float
        Mean of the largest of ``cells`` independent numbers of pulses; ``write.pulses`` without verification [-].
    """
    assert device.write is not None
    verify = device.write.verify
    if verify is None:
        return mean_pulses(device)
    failed = (1.0 - success_chance(device))[:, np.newaxis] ** np.arange(verify.max_pulses)
    return float(np.sum(1.0 - (1.0 - failed.mean(axis=0)) ** cells))


def _mean_count(p: float, most: int) -> float:
    return float(most) if p == 0 else -math.expm1(most * math.log1p(-p)) / p if p < 1 else 1.0


def _chance(device: Device, g: float) -> float:
    """Return the chance that one pulse at a target lands within the tolerance; conductances are cut off at zero."""
    assert device.write is not None
    assert device.write.verify is not None
    law, verify, span = device.programming, device.write.verify, device.g_on_siemens - device.g_off_siemens
    room = verify.tolerance * (g if verify.relative_to == "target" else span)
    scale = g if law.relative_to == "target" else span
    if law.sigma_siemens:
        terms = np.array(law.sigma_siemens)
        sigma = max(0.0, float(np.polynomial.polynomial.polyval(g / device.g_on_siemens, terms)))
    else:
        sigma = law.sigma * scale
    if law.distribution == "none" or sigma == 0:
        return 1.0
    below, above = -room, room
    if law.distribution == "lognormal" and not law.sigma_siemens:
        below, above, sigma = (
            -math.inf if room >= scale else math.log1p(-room / scale),
            math.log1p(room / scale),
            law.sigma,
        )
    elif room >= g:
        below = -math.inf
    return 0.5 * (math.erf(above / sigma / math.sqrt(2)) - math.erf(below / sigma / math.sqrt(2)))
