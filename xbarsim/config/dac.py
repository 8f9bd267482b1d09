"""The section ``dac``: word-line drivers and the coding of inputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarsim.config.coding import CodingName
from xbarsim.config.record import Record


class Dac(Record):
    """Word-line drivers."""

    bits: Annotated[int, Field(ge=1, le=8)] = 1
    """Input bits applied in one array read; wider inputs take several reads, lowest bits first [bits]."""
    signed: CodingName = "auto"
    """Coding of signed inputs. ``twos_complement``: the low bits, then the sign bit in a read with a converter step of
    its own. ``sign_magnitude``: positive inputs, then the magnitudes of negative ones. ``offset``: half of the range is
    added and subtracted digitally. ``auto``: two's complement for reads of one bit, else sign and magnitude. Inputs of
    -1 and 1 (signed, ``activation_bits: 1``): two reads, of the positive and of the negative inputs (``auto``), or of
    all inputs and of the negative ones, counted twice (``twos_complement``); or one read of the positive inputs,
    counted twice (``offset``), which has no code for padding."""

    coding: Literal["voltage", "width", "count"] = "voltage"
    """How a read of several bits represents the input: by the voltage of a pulse, by its width, or by the number of
    equal pulses. A step of ``width`` and ``count`` is a pulse of ``timing.pulse_s`` at full voltage, so that drivers
    need one voltage only and longer reads average the noise of cells."""

    accumulate: Literal["digital", "analog"] = "digital"
    """Where the reads of an input are added. ``digital``: every read is converted, and the codes are shifted and added.
    ``analog``: an integrator adds the currents of the reads, multiplied by their factors, before one conversion."""

    @property
    def pulses(self) -> int:
        """Number of pulse times that the largest input of a read takes."""
        return 1 if self.coding == "voltage" else (1 << self.bits) - 1

    @property
    def starts(self) -> int:
        """Number of pulses that a driver starts in a read; a wide pulse is started once."""
        return self.pulses if self.coding == "count" else 1

    @property
    def driver_bits(self) -> int:
        """Bits of a driver's output voltage."""
        return self.bits if self.coding == "voltage" else 1

    @property
    def power(self) -> int:
        """Exponent with which energy and variance of a read grow with the input: 2 for voltages, 1 for pulses."""
        return 2 if self.coding == "voltage" else 1

    @property
    def signed_coding(self) -> str:
        """Coding of signed inputs, with ``auto`` resolved."""
        if self.signed == "auto":
            return "twos_complement" if self.bits == 1 else "sign_magnitude"
        return self.signed

    def coding_for(self, input_bits: int) -> str:
        """Return how signed inputs of ``input_bits`` are sent: -1 and 1 as sign and magnitude under ``auto``."""
        return "sign_magnitude" if self.signed == "auto" and input_bits == 1 else self.signed_coding
