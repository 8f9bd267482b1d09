"""Inputs that are voltages of several heights: what each drives through a cell that bends.

A low voltage drives less current through a cell than its share of a full one, and its line loses less of it: where a
full input loses a third of its voltage in a driver, a low one loses an eighth. So no factor of an input turns the
operator of full inputs into what it adds. Two do, one for the operator and one for a second matrix, in which stands
what a row adds to a column at the lowest input beyond the amplitude of that:

    current of a row = amplitude * operator + low amplitude * second matrix

The second factor is that of a uniform array of the layer's mean conductance. Measured on arrays of trained layers, what
is left is below a hundredth of the second product: the shape of a loss over the height of an input hardly depends on
how large the loss is, and so neither on row nor on column.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.iv import cell_current
from xbarsim.crossbar import Lines, solve_operating_point

Floats = NDArray[np.float64]

MOST_HEIGHTS = 15
"""Heights at which a uniform array is solved, at most; others lie on the lines between. Our choice: a parabola is
within a thousandth of its height of 15 chords."""


class Amplitudes(NamedTuple):
    """What stands for each input of a read where cells bend, (inputs of a read,); both empty where inputs stand for
    themselves."""

    full: NDArray[np.float32]
    """Current over that of a full input, in steps."""
    low: NDArray[np.float32]
    """Factor of the second matrix, in steps: 0 for a full input, the amplitude for the lowest one."""


def find_amplitudes(hardware: Hardware) -> NDArray[np.float32]:
    """Return what stands for each input of a read where cells bend: current over that of a full input, in steps.

    Parameters
    ----------
    hardware : Hardware
        Curve of the cells, coding of inputs and topology.

    Returns
    -------
    ndarray of float32, (inputs of a read,)
        Empty where inputs are no voltages across cells, or cells are ohmic: an input then stands for itself.
    """
    device, bits = hardware.device, hardware.dac.driver_bits
    if device.is_ohmic or bits == 1 or hardware.crossbar.layout.inputs == "gates":
        return np.zeros(0, dtype=np.float32)
    steps = np.arange(1 << bits) / ((1 << bits) - 1)
    current = cell_current(device.iv, steps * device.read_volt)[0]
    found: NDArray[np.float32] = (current / current[-1] * ((1 << bits) - 1)).astype(np.float32)
    return found


def find_low_amplitudes(hardware: Hardware, lines: Lines, level: float, drive: float) -> Amplitudes:
    """Return the amplitudes of inputs, with those of the second matrix, from a uniform array.

    Parameters
    ----------
    hardware : Hardware
        Array size, cells and drivers.
    lines : Lines
        Resistances.
    level : float
        Mean level of the cells as a fraction of the highest [-].
    drive : float
        Mean input of a row as a share of a full one [-].

    Returns
    -------
    Amplitudes
        In steps of a driver.
    """
    full = find_amplitudes(hardware)
    if not full.size:
        return Amplitudes(full, full)
    device, crossbar = hardware.device, hardware.crossbar
    siemens = device.g_off_siemens + level * (device.levels - 1) * device.g_step_siemens
    cells, mean = np.full((crossbar.rows, crossbar.cols), siemens), np.full(crossbar.rows, drive)
    last = len(full) - 1
    heights = np.unique(np.linspace(1, last, MOST_HEIGHTS).astype(np.int64))
    carried = np.array([solve_height(cells, lines, hardware, mean, full, int(height)).mean() for height in heights])
    more = carried / carried[-1] - 1.0  # beyond the amplitude, relative to it
    shares = np.zeros_like(more) if abs(more[0]) < 1e-12 else more / more[0]
    low = full * np.interp(np.arange(last + 1), heights, shares)
    return Amplitudes(full, low.astype(np.float32))


def solve_height(
    g: Floats, lines: Lines, hardware: Hardware, drive: Floats, full: NDArray[np.float32], height: int,
    threads: int | None = None,
) -> Floats:  # fmt: skip
    """Return the operator of arrays for rows driven at one height, over the amplitude of that.

    Parameters
    ----------
    g : ndarray, (..., rows, cols)
        Conductance of the cells [S].
    lines : Lines
        Resistances.
    hardware : Hardware
        Cells, topology and read voltage.
    drive : ndarray, (rows,)
        Mean input of each row as a share of a full one [-].
    full : ndarray of float32, (inputs of a read,)
        Amplitudes; empty where a row is at full input in any case.
    height : int
        Input in steps of a driver; the last is a full one.
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray, (..., rows, cols)
        What a column senses for each row, over the read voltage and the amplitude as a share of a full one [S].
    """
    device, last = hardware.device, max(1, len(full) - 1)
    share = height / last if full.size else 1.0
    amplitude = float(full[height]) / last if full.size else 1.0
    found = solve_operating_point(
        g, lines, topology=hardware.crossbar.layout, iv=device.iv, read_volt=share * device.read_volt,
        drive=drive / share, threads=threads,
    )  # fmt: skip
    return found * (share / amplitude)


def amplify(inputs: NDArray[Any], amplitudes: NDArray[np.float32]) -> Floats:
    """Return the amplitudes of inputs; without amplitudes the inputs.

    Parameters
    ----------
    inputs : ndarray of int, any shape
        In steps of a driver.
    amplitudes : ndarray of float32, (inputs of a read,)
        From :func:`find_amplitudes`.

    Returns
    -------
    ndarray, shape of ``inputs``
        In steps of a driver.
    """
    if not amplitudes.size:
        return np.asarray(inputs, dtype=np.float64)
    found: Floats = amplitudes.astype(np.float64)[np.rint(inputs).astype(np.int64)]
    return found
