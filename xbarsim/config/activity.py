"""The section ``activity``: what is assumed where no data is known."""

from __future__ import annotations

from xbarsim.config.record import Fraction, Record


class AssumedActivity(Record):
    """Activity that ``estimate`` assumes; ``simulate`` measures it."""

    mean_level: Fraction = 0.5
    """Mean level of the cells that hold the digits of weights, as a fraction of the highest level. With ``encoding:
    differential`` one cell of a pair holds the digit and the other is off, so that the mean of both is half of it
    [-]."""
    input_activity: Fraction = 0.5
    """Mean squared word-line voltage relative to full scale squared, or the mean fraction of pulses with ``dac.coding``
    ``width`` or ``count``. With ``dac.bits: 1`` it is the fraction of ones [-]."""
