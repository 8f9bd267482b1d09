"""The key ``dac``: word-line drivers and how inputs are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.record import Record


class Dac(Record):
    """Word-line drivers."""

    bits: Annotated[int, Field(ge=1, le=8)] = 1
    """Input bits sent in one array read; wider inputs are streamed, lowest bits first."""
    signed: Literal["auto", "twos_complement", "sign_magnitude", "offset"] = "auto"
    """How signed inputs are sent: low bits, then the sign bit in a read with a converter step of its own; positive
    inputs, then the magnitudes of negative ones; or with half of the range added, which is taken off digitally.
    ``auto``: two's complement where reads hold one bit, sign and magnitude where they hold more."""

    coding: Literal["voltage", "width", "count"] = "voltage"
    """How a read of several bits tells inputs apart: by the height of a pulse, by its length, or by the number of equal
    pulses. Longer reads average the noise of cells; each step of ``width`` and ``count`` is a pulse of
    ``timing.pulse_s`` at full voltage, and drivers need one level only."""

    @property
    def pulses(self) -> int:
        """Pulses of equal height that the largest input of a read takes, one after the other."""
        return 1 if self.coding == "voltage" else (1 << self.bits) - 1

    @property
    def starts(self) -> int:
        """Pulses that a driver starts in a read; a long one is started once."""
        return self.pulses if self.coding == "count" else 1

    @property
    def driver_bits(self) -> int:
        """Bits that a driver tells apart by voltage."""
        return self.bits if self.coding == "voltage" else 1

    @property
    def power(self) -> int:
        """How energy and variance of a read grow with the input: with its square as a voltage, as a number of pulses
        with itself."""
        return 2 if self.coding == "voltage" else 1

    @property
    def signed_coding(self) -> str:
        """How signed inputs are sent, ``auto`` worked out."""
        if self.signed == "auto":
            return "twos_complement" if self.bits == 1 else "sign_magnitude"
        return self.signed
