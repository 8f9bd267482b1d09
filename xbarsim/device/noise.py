"""Variance of the current of a cell between reads (``device.read_noise``, ``device.telegraph``).

Models: fluctuation of the conductance, relative to it or to the range, which may depend on the state and grow with the
time since programming (1/f noise, Nandakumar et al., ICECS 2019); a trap that lowers the conductance of a cell for a
share of the time (random telegraph noise of two states); thermal noise of every cell (Nyquist 1928, ``4 k T g`` per
hertz) and shot noise of those that carry current (Schottky 1918, ``2 q i`` per hertz).

The noise of a column is the sum over many cells and is drawn from a normal distribution with the variance of its cells
(``mvm.noise``). Reads and cells are independent. Neglects: correlation of 1/f noise between reads, the two-level
distribution of telegraph noise of few cells, and bandwidths of the cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Device
from xbarsim.device.cells import read_noise_sigma
from xbarsim.rng import stream

Array = NDArray[np.float64]
ELECTRON_COULOMB = 1.602176634e-19
"""Elementary charge, exact in the SI [C]."""
BOLTZMANN = 1.380649e-23
"""Boltzmann constant, exact in the SI [J/K]."""


class ReadVariance(NamedTuple):
    """Variance of the current of cells at a voltage v: ``squared v^2 + linear v + still``."""

    squared: Array
    """Variance of the conductance [S^2]."""
    linear: Array
    """Variance of the current for each volt, shape of ``squared`` [A^2/V]."""
    still: Array
    """Variance of the current without any voltage, shape of ``squared`` [A^2]."""


def read_variance(g: Array, device: Device, rng: np.random.Generator) -> ReadVariance:
    """Return the contribution of cells to the variance of a current.

    Parameters
    ----------
    g : ndarray, any shape
        Conductances that cells are programmed to, at the time of the read [S].
    device : Device
        ``read_noise``, ``telegraph`` and ``temperature_kelvin``.
    rng : numpy.random.Generator
        Stream ``device.telegraph`` of these cells, from its beginning: the same cells have traps as when they were
        programmed; one uniform draw per cell where telegraph noise follows reads.

    Returns
    -------
    ReadVariance
        Currents over ``device.secant``, as those of an ohmic cell of conductance ``g``.
    """
    squared = read_noise_sigma(g, device) ** 2
    trap = device.telegraph
    if trap.amplitude > 0 and trap.pace == "read":
        lost = trap.amplitude / (1.0 - trap.amplitude * trap.duty)
        squared += np.where(find_traps(g.shape, device, rng), (lost * g) ** 2 * trap.duty * (1.0 - trap.duty), 0.0)
    band = device.read_noise.bandwidth_hz or 0.0
    linear = 2.0 * ELECTRON_COULOMB * device.read_noise.fano * band / device.secant * g
    still = 4.0 * BOLTZMANN * device.temperature_kelvin * band / device.secant * g
    return ReadVariance(squared, linear, still)


def find_traps(shape: tuple[int, ...], device: Device, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which cells have a trap.

    Parameters
    ----------
    shape : tuple of int
        Cells.
    device : Device
        ``telegraph.share``.
    rng : numpy.random.Generator
        One uniform draw per cell.

    Returns
    -------
    ndarray of bool, any shape
        Cells with a trap.
    """
    return np.asarray(rng.random(shape) < device.telegraph.share)


def sample_trapped(g: Array, device: Device, rng: np.random.Generator) -> Array:
    """Lower the conductance of cells whose trap is filled.

    Parameters
    ----------
    g : ndarray, any shape
        Conductance with empty traps [S].
    device : Device
        ``telegraph``: where it follows reads, cells with a trap take the mean of their two states.
    rng : numpy.random.Generator
        Stream ``device.telegraph``: one uniform draw per cell for the traps, and one more for their state where it
        belongs to the chip.

    Returns
    -------
    ndarray, shape of ``g``
        Conductance [S].
    """
    trap = device.telegraph
    if trap.amplitude == 0:
        return g
    has_trap = find_traps(g.shape, device, rng)
    if trap.pace == "read":
        return np.where(has_trap, g * (1.0 - trap.amplitude * trap.duty), g)
    return np.where(has_trap & (rng.random(g.shape) < trap.duty), g * (1.0 - trap.amplitude), g)


def trap_stream(seed: int, trial: int, layer: str) -> np.random.Generator:
    """Return the random stream of the telegraph noise of some cells, as programming names it.

    Parameters
    ----------
    seed, trial, layer : int, int, str
        Key of the cells, as in :func:`~xbarsim.device.program_cells`.

    Returns
    -------
    numpy.random.Generator
        Stream ``device.telegraph`` from its beginning.
    """
    return stream(seed, "device.telegraph", trial, layer)
