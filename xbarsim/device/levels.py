"""Measured distributions of the conductance of each level (``device.levels_file``).

A cell takes one of the measured values of its level, all with equal probability (the empirical distribution). Values of
different cells are independent.

Neglects: correlation between neighbouring cells.
"""

from __future__ import annotations

import csv
import functools
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Device
from xbarsim.errors import ConfigError

Array = NDArray[np.float64]
KEY = "device.levels_file"
COLUMNS = ("level", "conductance_siemens")
"""Columns that the file must have; others are ignored."""
MOST_DECADES = 2.5
"""Deviation of the median of the highest level from ``device.g_on_siemens`` that indicates a wrong unit [decades]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredLevels:
    """Measured conductances, level after level."""

    values: Array
    """(values,) conductances, those of level 0 first [S]."""
    starts: NDArray[np.int64]
    """(levels + 1,) where the values of each level begin, and their number."""

    def sample(self, digits: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Draw a conductance for each cell.

        Parameters
        ----------
        digits : ndarray of int, any shape
            Level of each cell.
        rng : numpy.random.Generator
            One uniform draw per cell.

        Returns
        -------
        ndarray, shape of ``digits``
            Values of the file [S].
        """
        first, count = self.starts[digits], np.diff(self.starts)[digits]
        return np.asarray(self.values[first + (rng.random(digits.shape) * count).astype(np.int64)])


def load_levels(device: Device) -> MeasuredLevels:
    """Load the measured levels of a device; a file that has not changed is read once.

    Parameters
    ----------
    device : Device
        With ``levels_file``.

    Returns
    -------
    MeasuredLevels
        At least one value for every level.

    Raises
    ------
    ConfigError
        If the file cannot be read, a row is wrong, a level is missing, or its unit cannot be siemens: one line that
        names file, row, rule and way out.
    """
    path = Path(device.levels_file or "")
    try:
        state = os.stat(path)
    except OSError as error:
        raise ConfigError(f"{KEY}: {path}: {error.strerror}") from None
    found = _read_levels(path, state.st_mtime_ns, state.st_size, device.levels)
    _check_units(found, device, path)
    return found


def sample_levels(g_target: Array, device: Device, rng: np.random.Generator) -> Array:
    """Draw the conductances of cells from the measured values of their levels.

    Parameters
    ----------
    g_target : ndarray, any shape
        Conductance asked of each cell [S].
    device : Device
        Levels, and ``levels_file``.
    rng : numpy.random.Generator
        One uniform draw per cell; none without a file.

    Returns
    -------
    ndarray, shape of ``g_target``
        Values of the file; ``g_target`` without one [S].
    """
    if device.levels_file is None:
        return g_target
    digits = np.rint((g_target - device.g_off_siemens) / device.g_step_siemens).astype(np.int64)
    return load_levels(device).sample(digits, rng)


@functools.lru_cache(maxsize=8)
def _read_levels(path: Path, mtime_ns: int, size: int, levels: int) -> MeasuredLevels:
    """Read a file; its time and size are part of the key under which it is remembered."""
    found: list[list[float]] = [[] for _ in range(levels)]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            if not set(COLUMNS) <= set(header):
                names = ", ".join(header)[:60] or "none"
                raise ConfigError(f"{KEY}: {path}: row 1: columns are {names}; needed: {' and '.join(COLUMNS)}")
            where, what = (header.index(name) for name in COLUMNS)
            for row in rows:
                if row:
                    texts = tuple(row[at].strip() if at < len(row) else "" for at in (where, what))
                    level, value = _parse_row(texts, levels, f"{KEY}: {path}: row {rows.line_num}")
                    found[level].append(value)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{KEY}: {path}: {str(error).splitlines()[0][:120]}") from None
    for level, values in enumerate(found):
        if not values:
            raise ConfigError(
                f"{KEY}: {path}: no row for level {level}; cells of {levels} levels need at least one row for each: "
                "add rows, or change device.cell_bits"
            )
    starts = np.r_[0, np.cumsum([len(values) for values in found])].astype(np.int64)
    everything = np.concatenate([np.array(values) for values in found])
    everything.setflags(write=False)
    return MeasuredLevels(values=everything, starts=starts)


def _parse_row(texts: tuple[str, ...], levels: int, where: str) -> tuple[int, float]:
    """Return level and conductance of one row."""
    try:
        level, value = float(texts[0]), float(texts[1])
    except ValueError:
        raise ConfigError(f"{where}: {','.join(texts)[:60]!r} are not two numbers; give level and siemens") from None
    if not (level.is_integer() and 0 <= level < levels):
        raise ConfigError(
            f"{where}: level {texts[0][:20]} is not a whole number from 0 to {levels - 1}: correct the row, or change "
            "device.cell_bits"
        )
    if not (np.isfinite(value) and value >= 0):
        raise ConfigError(
            f"{where}: conductance {texts[1][:20]} is not a finite number of siemens, zero or more: correct the row "
            "or leave it out"
        )
    return int(level), value


def _check_units(found: MeasuredLevels, device: Device, path: Path) -> None:
    """Refuse values that are not in siemens, or whose levels run the other way."""
    medians = [float(np.median(found.values[first:end])) for first, end in pairwise(found.starts)]
    top, on = medians[-1], device.g_on_siemens
    with np.errstate(divide="ignore"):
        decades = float(np.log10(top / on))
    if abs(decades) >= MOST_DECADES:
        raise ConfigError(
            f"{KEY}: {path}: the median of level {device.levels - 1}, {top:.4g} S, lies {decades:+.1f} decades from "
            f"device.g_on_siemens, {on:.4g}; {COLUMNS[1]} is in siemens: convert the column, or set g_on_siemens"
        )
    falling = next((level for level, (low, high) in enumerate(pairwise(medians), 1) if high < low), None)
    at = device.levels - 1 if falling is None else falling
    if falling is not None or top <= medians[0]:
        raise ConfigError(
            f"{KEY}: {path}: the median of level {at}, {medians[at]:.4g} S, is not above that of level {at - 1}, "
            f"{medians[at - 1]:.4g} S; level 0 conducts least: renumber the levels"
        )
