"""The table of converters: thresholds, and the value of each code.

``adc.kind`` names one. ``uniform`` has ideal thresholds. The thresholds of ``sar`` and ``ramp`` differ between physical
converters (:mod:`xbarsim.converter.circuits`). Users can register others. ``adc.thresholds`` places the nominal
thresholds (:mod:`xbarsim.converter.thresholds`) for kinds that allow it. Thresholds are placed once for a layer, and
errors are drawn once for a chip. The cost of a converter depends on its resolution, unless its component defines it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Adc
from xbarsim.config.kind import build_kind, setting_names
from xbarsim.converter.adc import AdcRange, Levels
from xbarsim.converter.circuits import Ramp, Sar, equal_levels
from xbarsim.converter.thresholds import PLACEMENTS, SumSample
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.plugin import Table

Array = NDArray[np.float64]
ARGUMENTS = {"place_levels": ("adc", "sums"), "sample_thresholds": ("adc", "thresholds", "arrays", "rng")}
"""Arguments of the methods of a converter, in order; the second method is optional."""
FINEST = 256
"""Digital steps in an lsb for converters with values of users. Our choice: far below their resolution."""


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
            What each code counts in shift-add, rounded to a 256th of ``lsb`` [level units].
        """
        ...

    # A class may have ``sample_thresholds(adc, thresholds, arrays, rng)``, too: thresholds (codes - 1,), the array of
    # each physical converter (converters,) and a generator in, thresholds (converters, codes - 1), never falling, out
    # [level units]; a field or property ``is_random`` that is False says that its converters are all alike.
    # ``takes_thresholds = True`` lets ``adc.thresholds`` place them.


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Converters with ideal thresholds."""

    takes_thresholds: ClassVar[bool] = True

    def place_levels(self, adc: AdcRange, sums: Array | None) -> tuple[Array, Array] | None:
        """Return None for sums of any shape: the range is sufficient."""
        return None


def check_converter(name: str, cls: type[Any]) -> None:
    """Refuse a class that is not a record of settings, or whose methods take other arguments.

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
    for method, needed in ARGUMENTS.items():
        if not hasattr(cls, method):
            continue
        taken = tuple(inspect.signature(getattr(cls, method)).parameters)[1:]
        if taken != needed:
            given = f"{cls.__name__}.{method} takes ({', '.join(taken)})"
            raise ConfigError(f"converter {name!r}: {given}; needed: ({', '.join(needed)})")


CONVERTERS = Table("converter", methods=("place_levels",), check=check_converter)
"""Every kind of converter by name."""
for _name, _kind in {"uniform": Uniform, "sar": Sar, "ramp": Ramp}.items():
    CONVERTERS.add(_name, _kind)


def needs_sums(adc: Adc) -> bool:
    """Return whether the thresholds of a converter depend on the column sums of calibration images.

    Parameters
    ----------
    adc : Adc
        ``thresholds`` and ``kind``.

    Returns
    -------
    bool
        Whether :func:`place_levels` is to be given a sample.
    """
    return adc.thresholds != "uniform" or CONVERTERS.fingerprint(adc.kind) is not None


def place_levels(adc: Adc, nominal: AdcRange, sample: SumSample | None) -> AdcRange:
    """Return a range with the thresholds and values of the kind of converter.

    Parameters
    ----------
    adc : Adc
        ``kind``, ``settings`` and ``thresholds``.
    nominal : AdcRange
        Range in equal steps.
    sample : SumSample or None
        Column sums of calibration images, None where there are none [level units].

    Returns
    -------
    AdcRange
        ``nominal`` itself for equal steps that are the same in all converters, and where the converter is ideal.

    Raises
    ------
    ConfigError
        If there is no such kind, or it does not take the settings.
    ShapeError
        If the converter returns thresholds that do not rise, or more values than it has codes.
    """
    if nominal.is_ideal:
        return nominal
    if adc.thresholds != "uniform" and sample is not None:
        thresholds, values = PLACEMENTS[adc.thresholds](nominal, sample)
        counts, unit = values.astype(np.int64), 1.0
    else:
        placed = build_kind("converter", adc.kind, adc.settings).place_levels(nominal, sample and sample.sums)
        if placed is None and np.isinf(nominal.saturation):
            return nominal
        thresholds, values = _check_placed(adc.kind, nominal, equal_levels(nominal) if placed is None else placed)
        counts, unit = np.rint(values / nominal.lsb * FINEST).astype(np.int64), nominal.lsb / FINEST
        if not np.any(counts % FINEST):
            counts, unit = counts // FINEST, nominal.lsb
    return replace(nominal, levels=Levels(thresholds=thresholds / nominal.lsb, counts=counts, unit=unit))


def vary_thresholds(adc: Adc, placed: AdcRange, arrays: NDArray[np.int64], rng: np.random.Generator) -> Array | None:
    """Draw the thresholds of physical converters.

    Parameters
    ----------
    adc : Adc
        ``kind`` and ``settings``.
    placed : AdcRange
        With levels.
    arrays : ndarray of int, (converters,)
        Array that each converter belongs to, counted from 0.
    rng : numpy.random.Generator
        Stream ``"converter.thresholds"``; draws as the kind says.

    Returns
    -------
    ndarray, (converters, codes - 1), or None
        Thresholds, never falling [lsb]; None where all converters have those of ``placed``.

    Raises
    ------
    ShapeError
        If the kind returns thresholds of another shape, that fall, or that are not numbers.
    """
    kind = build_kind("converter", adc.kind, adc.settings)
    assert placed.levels is not None
    if not hasattr(kind, "sample_thresholds"):
        return None
    nominal = placed.levels.thresholds
    drawn = np.asarray(kind.sample_thresholds(placed, nominal * placed.lsb, arrays, rng), dtype=np.float64)
    what = f"converter {adc.kind}: sample_thresholds returned"
    if drawn.shape != (len(arrays), len(nominal)):
        raise ShapeError(f"{what} shape {drawn.shape}; needed: {(len(arrays), len(nominal))}")
    if not np.isfinite(drawn).all() or (np.diff(drawn, axis=1) < 0).any():
        raise ShapeError(f"{what} thresholds that fall, or numbers that are not finite")
    return drawn / placed.lsb


def _check_placed(kind: str, nominal: AdcRange, placed: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return thresholds and values of a kind as float64; ShapeError where no converter can have them."""
    thresholds, values = (np.array(part, dtype=np.float64) for part in placed)
    what = f"converter {kind}: place_levels returned"
    if values.ndim != 1 or thresholds.shape != (len(values) - 1,):
        raise ShapeError(f"{what} thresholds of shape {thresholds.shape} for values of shape {values.shape}")
    if not 2 <= len(values) <= nominal.codes:
        raise ShapeError(f"{what} {len(values)} values; it has {nominal.codes} codes")
    if not (np.isfinite(values).all() and np.isfinite(thresholds).all() and (np.diff(thresholds) > 0).all()):
        raise ShapeError(f"{what} thresholds that do not rise, or numbers that are not finite")
    return thresholds, values
