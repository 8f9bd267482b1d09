"""Hardware records with their peak ratings, and how they are loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xbarsim import config
from xbarsim.cost import Peak, rate_chip, rate_tile
from xbarsim.notebook import Face
from xbarsim.units import format_si


class RatedHardware(config.Hardware):
    """A hardware record with its peak ratings; its public name is ``xbarsim.Hardware``."""

    @property
    def peak(self) -> Peak | None:
        """Peak throughput, power and area of the chip; None where ``chip.tiles`` is auto."""
        return rate_chip(self)

    def _show(self) -> Face:
        face, rated = super()._show(), self.tile
        text = (
            f"{rated.tops:.3g} TOPS, {format_si(rated.power_watt, 'W')}, {format_si(rated.area_m2, 'm2')}, "
            f"{rated.tops_per_watt:.3g} TOPS/W"
        )
        return dataclasses.replace(face, pairs=(*face.pairs, ("peak of a tile", text)))

    @property
    def tile(self) -> Peak:
        """Peak throughput, power and area of one tile."""
        return rate_tile(self)


Hardware = RatedHardware
"""Public name of the record that :func:`load_hardware` returns."""


def load_hardware(
    name: str | Path | Mapping[str, Any] | config.Hardware, overrides: Mapping[str, Any] | None = None
) -> RatedHardware:
    """Load a hardware description.

    Parameters
    ----------
    name : str, Path, mapping or Hardware
        A name that ships (``reference``, ``isaac``, ``puma``, ...), the path of a YAML file, the content of such a
        file (paths in it are relative to the current folder), or a record.
    overrides : mapping, optional
        Dotted key -> value; override the values in the file.

    Returns
    -------
    Hardware
        Immutable record; ``.override({...})`` returns a modified copy.

    Raises
    ------
    ConfigError
        If a file, key or value is wrong.
    """
    if isinstance(name, RatedHardware):
        return name.override(overrides) if overrides else name
    if isinstance(name, config.Hardware):
        return config.override_record(name, overrides or {}, RatedHardware)
    return config.load_hardware(name, overrides, RatedHardware)
