"""The section ``chip``: hierarchy of arrays, cores, tiles and chips, and the share of a chip in off-chip I/O."""

from __future__ import annotations

import fractions
from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Record


class ChipSize(Record):
    """Hierarchy of arrays, cores, tiles and chips."""

    arrays_per_core: Annotated[int, Field(ge=1)]
    """Physical arrays of a core (ISAAC: IMA)."""
    cores_per_tile: Annotated[int, Field(ge=1)]
    """Cores of a tile."""
    tiles: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Tiles of a chip; ``auto``: as many as the network needs."""
    count: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Number of chips; ``auto``: as many as needed. A number rejects networks that do not fit."""
    full_tiles: Annotated[int, Field(ge=1)] | None = None
    """Tiles of a full chip, for which ``timing.io_bits`` and components charged for ``off_chip`` are given: a chip of
    fewer tiles has its share of width, static power and area. None: ``tiles``; if this is auto, every chip has the
    whole link."""

    def off_chip_share(self, tiles: int) -> fractions.Fraction:
        """Return the share of a full chip's off-chip I/O that a chip of so many tiles has.

        Parameters
        ----------
        tiles : int
            Tiles of the chip.

        Returns
        -------
        Fraction
            Its tiles over those of a full chip [-].
        """
        full = self.full_tiles or (tiles if self.tiles == "auto" else self.tiles)
        return fractions.Fraction(tiles, full)

    @property
    def arrays_per_tile(self) -> int:
        """Physical arrays of a tile."""
        return self.arrays_per_core * self.cores_per_tile
