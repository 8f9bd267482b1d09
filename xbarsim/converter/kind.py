"""The table of converters: where a converter puts its thresholds, and what each of its codes counts.

``adc.kind`` names one. ``uniform`` has equal steps, which the fused kernels convert. A converter of unequal steps,
which a user registers, is placed once for a layer and converts in float64, read by read; it costs what a converter of
its resolution costs.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Adc
from xbarsim.config.kind import build_kind, setting_names
from xbarsim.converter.adc import AdcRange, Levels
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.plugin import Table

Array = NDArray[np.float64]
ARGUMENTS = ("adc", "sums")
"""What ``place_levels`` is given, in order."""


class Converter(Protocol):
    """A kind of converter: a dataclass or pydantic model of its settings (``adc.settings``)."""

    def place_levels(self, adc: AdcRange, sums: Array | None) -> tuple[Array, Array] | None:
        """Place the thresholds of the converters of one layer.

        Parameters
        ----------
        adc : AdcRange
            Range that a converter of equal steps would have: ``codes`` codes, for sums from ``lowest * lsb`` to
            ``highest * lsb`` [level units].
        sums : ndarray, (samples,), or None
            Column sums of calibration images; None where the range is every sum that could occur, and before
            calibration [level units].

        Returns
        -------
        thresholds : ndarray, (codes - 1,)
            Sums from which on the next code is given, rising [level units].
        values : ndarray, (codes,)
            What each code counts in shift-add [level units].
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Equal steps over the whole range."""

    def place_levels(self, adc: AdcRange, sums: Array | None) -> tuple[Array, Array] | None:
        """Return None for sums of any shape: the range says it all."""
        return None


def check_converter(name: str, cls: type[Any]) -> None:
    """Refuse a class that is not a record of settings, or whose ``place_levels`` takes other arguments.

    Parameters
    ----------
    name : str
        Name of the converter.
    cls : type
        The class.

    Raises
    ------
    ConfigError
        Names what is wrong.
    """
    try:
        setting_names(cls)
    except ConfigError as error:
        raise ConfigError(f"converter {name!r}: {error}") from None
    taken = tuple(inspect.signature(cls.place_levels).parameters)[1:]
    if taken != ARGUMENTS:
        needed = ", ".join(ARGUMENTS)
        raise ConfigError(
            f"converter {name!r}: {cls.__name__}.place_levels takes ({', '.join(taken)}); needed: ({needed})"
        )


CONVERTERS = Table("converter", methods=("place_levels",), check=check_converter)
"""Every kind of converter by name."""
CONVERTERS.add("uniform", Uniform)


def place_levels(adc: Adc, nominal: AdcRange, sums: Array | None) -> AdcRange:
    """Return a range with the thresholds and values that the kind of converter asks for.

    Parameters
    ----------
    adc : Adc
        ``kind`` and ``settings``.
    nominal : AdcRange
        Range in equal steps.
    sums : ndarray, (samples,), or None
        Column sums of calibration images, None where there are none [level units].

    Returns
    -------
    AdcRange
        ``nominal`` itself for equal steps, and where the converter is ideal.

    Raises
    ------
    ConfigError
        If there is no such kind, or it does not take the settings.
    ShapeError
        If the converter returns thresholds that do not rise, or more values than it has codes.
    """
    if nominal.is_ideal:
        return nominal
    placed = build_kind("converter", adc.kind, adc.settings).place_levels(nominal, sums)
    if placed is None:
        return nominal
    thresholds, values = (np.array(part, dtype=np.float64) for part in placed)
    what = f"converter {adc.kind}: place_levels returned"
    if values.ndim != 1 or thresholds.shape != (len(values) - 1,):
        raise ShapeError(f"{what} thresholds of shape {thresholds.shape} for values of shape {values.shape}")
    if not 2 <= len(values) <= nominal.codes:
        raise ShapeError(f"{what} {len(values)} values; it has {nominal.codes} codes")
    if not (np.isfinite(values).all() and np.isfinite(thresholds).all() and (np.diff(thresholds) > 0).all()):
        raise ShapeError(f"{what} thresholds that do not rise, or numbers that are not finite")
    return replace(nominal, levels=Levels(thresholds=thresholds / nominal.lsb, values=values / nominal.lsb))
