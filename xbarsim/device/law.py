"""The table of device laws, which are applied one after another to the conductances of cells.

The laws that ship run first, in the order of :data:`SHIPPED`, with their settings in keys of their own
(``device.levels_file``, ``device.programming``, ``device.stuck``, ``device.drift``, ``device.relaxation``,
``device.telegraph``); then those that a user registered and named under ``device.laws``. Every law draws from a stream
of its own, so that adding one does not change the draws of the others.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Device
from xbarsim.config.kind import build_kind, setting_names
from xbarsim.device.cells import sample_drifted, sample_programmed, sample_relaxed, sample_stuck
from xbarsim.device.levels import sample_levels
from xbarsim.device.noise import sample_trapped
from xbarsim.errors import ConfigError
from xbarsim.plugin import Table

Array = NDArray[np.float64]
ARGUMENTS = ("g", "g_target", "device", "rng")
"""What ``sample`` is given, in order."""


class Law(Protocol):
    """A change of conductances between writing and reading: a dataclass or pydantic model of its settings."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return the conductances after this law.

        Parameters
        ----------
        g : ndarray, (arrays, polarities, rows, columns)
            Conductances before this law [S].
        g_target : ndarray, shape of ``g``
            Conductances asked of the cells [S].
        device : Device
            The cell.
        rng : numpy.random.Generator
            Stream of this law.

        Returns
        -------
        ndarray, shape of ``g``
            Finite conductances of zero or more [S].
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LevelsLaw:
    """Measured values of each level, as ``device.levels_file`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return what cells reach, as :func:`~xbarsim.device.levels.sample_levels` does."""
        return sample_levels(g, device, rng)


@dataclass(frozen=True, kw_only=True)
class ProgrammingLaw:
    """The error of one write, as ``device.programming`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return what cells reach, as :func:`~xbarsim.device.sample_programmed` does."""
        return sample_programmed(g, device, rng)


@dataclass(frozen=True, kw_only=True)
class StuckLaw:
    """Cells stuck at on or off conductance, as ``device.stuck`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return conductances with stuck cells, as :func:`~xbarsim.device.sample_stuck` does."""
        return sample_stuck(g, device, rng)


@dataclass(frozen=True, kw_only=True)
class DriftLaw:
    """Power-law drift, as ``device.drift`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return drifted conductances, as :func:`~xbarsim.device.sample_drifted` does."""
        return sample_drifted(g, device, rng, g_target)


@dataclass(frozen=True, kw_only=True)
class RelaxationLaw:
    """Shift and spread over the logarithm of time, as ``device.relaxation`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return relaxed conductances, as :func:`~xbarsim.device.sample_relaxed` does."""
        return sample_relaxed(g, device, rng, g_target)


@dataclass(frozen=True, kw_only=True)
class TelegraphLaw:
    """Traps that lower the conductance, as ``device.telegraph`` says."""

    def sample(self, g: Array, g_target: Array, device: Device, rng: np.random.Generator) -> Array:
        """Return what traps leave, as :func:`~xbarsim.device.noise.sample_trapped` does."""
        return sample_trapped(g, device, rng)


SHIPPED: dict[str, type[Any]] = {
    "levels": LevelsLaw,
    "programming": ProgrammingLaw,
    "stuck": StuckLaw,
    "drift": DriftLaw,
    "relaxation": RelaxationLaw,
    "telegraph": TelegraphLaw,
}
"""Laws of every device, in the order in which they act; each reads the keys of its name."""


def check_law(name: str, cls: type[Any]) -> None:
    """Refuse a class that is not a record of settings, or whose ``sample`` takes other arguments.

    Parameters
    ----------
    name : str
        Name of the law.
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
        raise ConfigError(f"device_law {name!r}: {error}") from None
    taken = tuple(inspect.signature(cls.sample).parameters)[1:]
    if taken != ARGUMENTS:
        raise ConfigError(
            f"device_law {name!r}: {cls.__name__}.sample takes ({', '.join(taken)}); needed: ({', '.join(ARGUMENTS)})"
        )


LAWS = Table("device_law", methods=("sample",), check=check_law)
"""Every device law by name."""
for _name, _law in SHIPPED.items():
    LAWS.add(_name, _law)


def list_laws(device: Device) -> Iterator[tuple[str, Law]]:
    """Yield the laws of a device in the order in which they act, each with the name of its random stream.

    Parameters
    ----------
    device : Device
        The cell.

    Yields
    ------
    tuple of str and Law
        ``device.NAME`` for a law that ships, ``device.law.NAME`` for another one; from its second use on
        ``device.law.NAME.2``, and so on.
    """
    for name in SHIPPED:
        yield f"device.{name}", LAWS[name]()
    uses: Counter[str] = Counter()
    for named in device.laws:
        uses[named.kind] += 1
        again = f".{uses[named.kind]}" if uses[named.kind] > 1 else ""
        yield f"device.law.{named.kind}{again}", build_kind("device_law", named.kind, named.settings)
