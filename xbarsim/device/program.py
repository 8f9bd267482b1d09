"""Digits -> conductances: target levels, then every law of the device in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Device
from xbarsim.device.cells import level_conductance
from xbarsim.device.law import list_laws
from xbarsim.errors import ShapeError
from xbarsim.rng import stream

Array = NDArray[np.float64]


def program_cells(digits: ArrayLike, device: Device, *, seed: int, trial: int = 0, layer: str = "") -> Array:
    """Program digits into cells and return the conductances at the time of the read.

    Parameters
    ----------
    digits : array_like of int, any shape
        Level of each cell, 0 .. ``device.levels - 1``.
    device : Device
        Levels and imperfections of the cell.
    seed, trial, layer : int, int, str
        Key of the random streams, one for each law: ``device.NAME`` for those of
        :data:`~xbarsim.device.law.SHIPPED`, ``device.law.NAME`` for a law of one's own.

    Returns
    -------
    ndarray, shape of ``digits``
        Conductance of each cell [S].

    Raises
    ------
    ShapeError
        If a digit is not a whole number within the levels of the cell, or a law of one's own returns what cells
        cannot have.
    """
    target = level_conductance(digits, device)
    target.setflags(write=False)
    g = target
    for key, law in list_laws(device):
        g = law.sample(g, target, device, stream(seed, key, trial, layer))
        if key.startswith("device.law."):
            _check_sample(key.removeprefix("device.law."), g, target)
    return g


def _check_sample(name: str, g: Array, target: Array) -> None:
    """Raise ShapeError unless a law of a plug-in returned finite conductances of zero or more, one for each cell."""
    if not isinstance(g, np.ndarray) or g.shape != target.shape or g.dtype != np.float64:
        found = f"{g.dtype} of shape {g.shape}" if isinstance(g, np.ndarray) else type(g).__name__
        raise ShapeError(f"device law {name}: sample returned {found}; needed: float64 of shape {target.shape}")
    if not (np.isfinite(g).all() and g.min(initial=0.0) >= 0):
        raise ShapeError(f"device law {name}: sample returned a conductance that is not finite or below zero")
