"""Measured conductances of arrays: one file for a layer, or a folder of such files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError

KEY = "device.measured"
SUFFIXES = (".npy", ".csv")
UNITS = {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "nS": 1e-9}
"""Unit of conductances -> siemens."""
LARGEST_SIEMENS = 0.1
"""Median conductance above which cells would be wires [S]."""
LEAST_SIEMENS = 1e-12
"""Median conductance of the cells that conduct, below which they could not be measured [S]."""


def load_conductances(path: str | Path, *, unit: str = "S") -> NDArray[np.float64]:
    """Load measured conductances of one or several arrays from a file.

    Parameters
    ----------
    path : str or Path
        A .npy file, or a table (.csv) with a line for each row (word line) and commas between columns.
    unit : str
        Unit of the values in the file: ``S``, ``mS``, ``uS`` or ``nS``.

    Returns
    -------
    ndarray, (rows, cols) or (..., rows, cols)
        Conductances [S].

    Raises
    ------
    ConfigError
        If the file cannot be read, holds something else than finite conductances of zero or more, or its values in
        this unit cannot be those of cells.
    """
    if unit not in UNITS:
        raise ConfigError(f"unit: {unit!r} should be one of {', '.join(UNITS)}")
    path = Path(path)
    try:
        values = _read(path)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{KEY}: ")) from None
    if values.ndim < 2 or not values.size:
        raise ConfigError(f"{path}: shape {values.shape}, but an array has rows and columns")
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        place = tuple(map(int, np.argwhere(bad)[0]))
        raise ConfigError(f"{path}: {values[place]} at {place} is not a finite conductance of zero or more")
    values = values.astype(np.float64) * UNITS[unit]
    _check_unit(values, f"{path}", "give the unit of the file: unit=" + " or ".join(repr(name) for name in UNITS))
    return values


def _check_unit(values: NDArray[np.float64], where: str, way_out: str) -> None:
    """Refuse conductances [S] that cannot be those of cells."""
    conducting = values[values > 0]
    median = float(np.median(conducting)) if conducting.size else LARGEST_SIEMENS
    if not LEAST_SIEMENS <= median <= LARGEST_SIEMENS:
        kind = "the conductance of a wire" if median > LARGEST_SIEMENS else "too little to be measured"
        raise ConfigError(f"{where}: the median of its conductances is {median:.4g} S, {kind}; {way_out}")


def load_measured(path: str | Path, layer: str, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Load the conductances of a layer's arrays.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with a file named after the layer (``LAYER.npy`` or ``LAYER.csv``).
    layer : str
        Name of the layer.
    shape : tuple of int
        Arrays, rows and columns that the layer needs.

    Returns
    -------
    ndarray, (arrays, rows, cols)
        Conductances [S].

    Raises
    ------
    ConfigError
        If there is no such file, it cannot be read, holds something else than finite conductances of zero or more, or
        another number of arrays, rows or columns. A table (.csv) holds the arrays one below the other.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / f"{layer}{suffix}" for suffix in SUFFIXES if (path / f"{layer}{suffix}").is_file()]
        if not found:
            raise ConfigError(f"{KEY}: {path} has no {layer}.npy or {layer}.csv")
        path = found[0]
    values = _read(path)
    arrays, rows, cols = shape
    stacked = (arrays * rows, cols)
    if values.ndim < 2 or values.shape[-1] != cols or (values.shape[-2] != rows and values.shape != stacked):
        raise ConfigError(
            f"{KEY}: {path}: shape {values.shape}, but layer {layer} has {arrays} arrays of {rows} x {cols} cells"
        )
    if values.size != arrays * rows * cols:
        count = values.size // (rows * cols)
        raise ConfigError(f"{KEY}: {path}: holds {count} arrays, but layer {layer} has {arrays}")
    values = values.reshape(shape).astype(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        array, row, col = np.argwhere(bad)[0]
        raise ConfigError(
            f"{KEY}: {path}: {values[array, row, col]} at array {array}, row {row}, column {col} is not a finite "
            "conductance of zero or more"
        )
    _check_unit(values, f"{KEY}: {path}", "the file should hold siemens: multiply values in uS by 1e-6")
    return values


def _read(path: Path) -> NDArray[np.float64]:
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{KEY}: {path} is neither a folder nor a .npy or .csv file")
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter=",", ndmin=2)
    except OSError as error:
        raise ConfigError(f"{KEY}: {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise ConfigError(f"{KEY}: {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise ConfigError(f"{KEY}: {path}: does not hold real numbers")
    return values
