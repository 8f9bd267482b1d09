"""The section ``supply``: how energy and speed depend on the supply voltage.

Energy goes with a power of the voltage (2: the energy of charged capacitors, C V^2), speed by the alpha-power law,
``rate ~ (V - threshold_volt)**alpha / V`` (T. Sakurai, A. R. Newton, IEEE JSSC 25 (1990) 584-594). Either may be a
measured table instead, whose values are interpolated as powers of the voltage between neighbouring points.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from xbarsim.config.record import NonNegative, Positive, Record


class Supply(Record):
    """Dependence of energy and speed on ``process.supply_volt``."""

    volt: Positive
    """Supply voltage for which the numbers of the file hold [V]."""
    exponent: NonNegative = 2.0
    """Energy of an action is proportional to the voltage to this power; 2: capacitors that are charged [-]."""
    leakage_exponent: NonNegative = 1.0
    """Static power is proportional to the voltage to this power; 1: constant leakage current [-]."""
    threshold_volt: NonNegative | None = None
    """Threshold voltage of the alpha-power law of the rate; None: the rate does not depend on the voltage [V]."""
    alpha: Annotated[float, Field(ge=1, le=2)] = 1.3
    """Exponent of the alpha-power law; 2: long channels, toward 1: velocity saturation [-]."""
    measured_energy: Annotated[dict[Positive, Positive], Field(min_length=2)] | None = None
    """Energy measured at several voltages, in any unit, since only ratios count; replaces ``exponent`` [V -> -]."""
    measured_rate: Annotated[dict[Positive, Positive], Field(min_length=2)] | None = None
    """Rate measured at several voltages, in any unit, since only ratios count; replaces ``threshold_volt`` [V -> -]."""

    @model_validator(mode="after")
    def _check_laws(self) -> Supply:
        if self.threshold_volt is not None:
            if self.measured_rate is not None:
                raise ValueError("supply.measured_rate: cannot be combined with threshold_volt; give one of them")
            if self.threshold_volt >= self.volt:
                raise ValueError(
                    f"supply.threshold_volt: {self.threshold_volt:g} V is not below supply.volt: {self.volt:g} V"
                )
        return self

    def check(self, key: str, volt: float | None) -> None:
        """Check that the laws hold at a voltage.

        Parameters
        ----------
        key : str
            Dotted key of this section.
        volt : float or None
            Operating voltage, None where it is not known [V].

        Raises
        ------
        ValueError
            In one line that begins with the key.
        """
        if volt is None:
            raise ValueError(f"{key}: needs process.supply_volt, the voltage of operation; give the section process")
        for name in ("measured_energy", "measured_rate"):
            table = getattr(self, name)
            for what, value in (("process.supply_volt", volt), (f"{key}.volt", self.volt)):
                if table is not None and not min(table) <= value <= max(table):
                    span = f"{min(table):g} to {max(table):g} V"
                    raise ValueError(
                        f"{what}: {value:g} V lies outside {key}.{name}, {span}; choose one within it, or add a point"
                    )
        if self.threshold_volt is not None and volt <= self.threshold_volt:
            raise ValueError(
                f"process.supply_volt: {volt:g} V is not above {key}.threshold_volt: {self.threshold_volt:g} V"
            )

    def scale_rate(self, volt: float) -> float:
        """Return the rate at a voltage [V], as a factor of that at ``volt``."""
        if self.measured_rate is not None:
            return interpolate_power(self.measured_rate, volt) / interpolate_power(self.measured_rate, self.volt)
        if self.threshold_volt is None:
            return 1.0
        speeds = [(each - self.threshold_volt) ** self.alpha / each for each in (volt, self.volt)]
        return float(speeds[0] / speeds[1])


def interpolate_power(table: Mapping[float, float], key: float) -> float:
    """Interpolate a table as a power law between neighbouring points.

    Parameters
    ----------
    table : mapping of float to float
        At least two points, keys and values above zero.
    key : float
        Within the range of the keys.

    Returns
    -------
    float
        Value.
    """
    keys = sorted(table)
    upper = min(max(bisect_left(keys, key), 1), len(keys) - 1)
    low, high = keys[upper - 1], keys[upper]
    share = math.log(key / low) / math.log(high / low)
    return math.exp((1 - share) * math.log(table[low]) + share * math.log(table[high]))
