"""The section ``device``: one memory cell, and how far it is from what it was asked to be."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from xbarsim.config.iv import Iv, Polynomial, secant_conductance
from xbarsim.config.kind import check_kind
from xbarsim.config.record import Fraction, NonNegative, Positive, Record
from xbarsim.config.write import Write

BOLTZMANN_EV = 8.617333262e-5
"""Boltzmann constant, exact in the SI [eV/K]."""
LEAST_SECANT = 1e-12
"""Least share of the current of an ohmic cell that a curve may leave at the read voltage [-]."""


class Programming(Record):
    """How far a cell lands from its target after one write; one independent draw per cell."""

    distribution: Literal["none", "normal", "lognormal"] = "none"
    """Shape of the error."""
    relative_to: Literal["target", "range"] = "target"
    """What ``sigma`` is a fraction of: the cell's own target, or on minus off conductance."""
    sigma: NonNegative = 0.0
    """Standard deviation as a fraction [-]."""
    sigma_siemens: Annotated[tuple[float, ...], Field(max_length=9)] = ()
    """c0, c1, c2, ...: the standard deviation of a normal error depends on the target as c0 + c1 x + c2 x^2 + ..., with
    x the target over the on conductance, at least 0; in place of ``relative_to`` and ``sigma`` [S]."""


class ReadNoise(Record):
    """Fluctuation of a cell between two reads; one independent draw per cell and read."""

    relative_to: Literal["target", "range"] = "target"
    """What ``sigma`` is a fraction of: the cell's own conductance, or on minus off conductance."""
    sigma: NonNegative = 0.0
    """Standard deviation as a fraction [-]."""
    exponent: NonNegative = 0.0
    """The fraction grows as a cell's conductance over the on conductance to the power of minus this [-]."""
    most: Positive = 1.0
    """Largest fraction that it grows to [-]."""
    integration_s: Positive | None = None
    """Time T over which a read averages. The fraction grows with the time t since programming (``drift.time_s``, at
    least ``drift.reference_s``) as sqrt(ln((t + T) / (2 T))), noise of a 1/f spectrum; None is no growth [s]."""
    bandwidth_hz: Positive | None = None
    """Bandwidth of a read, with thermal noise at ``device.temperature_kelvin`` and shot noise; None is neither [Hz]."""
    fano: Fraction = 1.0
    """Shot noise as a share of that of independent electrons, 2 q i per hertz; 0 is none [-]."""


class Telegraph(Record):
    """Random telegraph noise: a trap in some cells, filled for a share of the time, lowers their conductance."""

    amplitude: Fraction = 0.0
    """Share of a cell's conductance that a filled trap takes [-]."""
    share: Fraction = 1.0
    """Share of cells that have a trap [-]."""
    duty: Fraction = 0.5
    """Share of the time that a trap is filled [-]."""
    pace: Literal["read", "chip"] = "read"
    """Whether every read finds traps in a state of its own (fast traps, counted by mean and variance), or a chip keeps
    one for all reads (slow traps)."""


class Stuck(Record):
    """Cells that ignore programming."""

    on_rate: Fraction = 0.0
    """Share of cells stuck at the on conductance [-]."""
    off_rate: Fraction = 0.0
    """Share of cells stuck at the off conductance [-]."""


class LogLaw(Record):
    """A number that depends on the conductance that a cell was asked to have: ``at_on + slope * ln(g / g_on)``."""

    at_on: float
    """Its value at the on conductance, before it is kept within ``least`` and ``most`` [-]."""
    slope: float = 0.0
    """Change for each factor e of conductance [-]."""
    least: float = 0.0
    """Smallest value [-]."""
    most: float = 1.0
    """Largest value [-]."""


class Drift(Record):
    """Power-law drift ``g(t) = g(t0) * (a t / t0) ** -nu``; ``a`` is 1 at ``reference_kelvin``."""

    nu: float | LogLaw = 0.0
    """Mean drift exponent, one number or depending on the target [-]."""
    nu_sigma: NonNegative | LogLaw = 0.0
    """Standard deviation of the exponent from cell to cell, one number or depending on the target [-]."""
    reference_s: Positive = 1.0
    """Time t0 after programming at which the programmed conductance holds [s]."""
    time_s: NonNegative = 0.0
    """Time after programming at which the array is read; 0 or anything up to ``reference_s`` means no drift [s]."""
    activation_ev: NonNegative = 0.0
    """Activation energy of drift and relaxation: time runs ``a = exp(activation / k (1 / reference - 1 / T))`` times as
    fast at ``device.temperature_kelvin``; 0 is no influence of the temperature [eV]."""
    reference_kelvin: Positive = 300.0
    """Temperature that the laws of drift and relaxation were measured at [K]."""


class Later(Record):
    """How far cells are spread around their targets at one time after programming."""

    time_s: Positive
    """Time after programming [s]."""
    sigma_siemens: Annotated[tuple[float, ...], Field(min_length=1, max_length=9)]
    """c0, c1, c2, ...: standard deviation as in ``programming.sigma_siemens``, the error of writing included [S]."""


class Relaxation(Record):
    """What cells do after programming beside power-law drift: a shift, and a spread that grows with ln(time).

    The time is ``drift.time_s``, counted from ``drift.reference_s`` on.
    """

    mean_siemens: float = 0.0
    """Shift of every cell for each factor e of time [S]."""
    sigma_siemens: NonNegative = 0.0
    """Standard deviation that is added as soon as cells relax [S]."""
    growth_siemens: NonNegative = 0.0
    """What that standard deviation grows by for each factor e of time [S]."""
    later: tuple[Later, ...] = ()
    """Spreads that were measured at later times, in order, between which the standard deviation is interpolated over
    ln(time); in place of ``sigma_siemens`` and ``growth_siemens``."""

    @model_validator(mode="after")
    def _check_later(self) -> Relaxation:
        if self.later and (self.sigma_siemens or self.growth_siemens):
            raise ValueError(
                "device.relaxation.later: contradicts sigma_siemens and growth_siemens of device.relaxation; give one "
                "or the other"
            )
        times = [each.time_s for each in self.later]
        if times != sorted(set(times)):
            raise ValueError(f"device.relaxation.later: times {times} are not in increasing order; sort them")
        return self


class DeviceLaw(Record):
    """A law of one's own for programmed cells: the name that it was registered under, and beside it its settings."""

    model_config = ConfigDict(extra="allow")

    kind: str
    """Name of a class that ``xbarsim.register("device_law", NAME, CLASS)`` added; the other keys are its settings."""

    @property
    def settings(self) -> dict[str, Any]:
        """Every key but ``kind``."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _check_settings(self) -> DeviceLaw:
        check_kind("device_law", self.kind, self.settings, only_added=True)
        return self


class Device(Record):
    """One memory cell."""

    g_on_siemens: Positive
    """Conductance of the highest level [S]."""
    g_off_siemens: NonNegative
    """Conductance of the lowest level [S]."""
    cell_bits: Annotated[int, Field(ge=1, le=8)] = 1
    """Bits stored in one cell; levels are spaced evenly in conductance."""
    read_volt: Positive = 0.2
    """Voltage of a full-scale input [V]."""
    programming: Programming = Programming()
    read_noise: ReadNoise = ReadNoise()
    stuck: Stuck = Stuck()
    drift: Drift = Drift()
    relaxation: Relaxation = Relaxation()
    telegraph: Telegraph = Telegraph()
    temperature_kelvin: Positive = 300.0
    """Temperature of the cells: what ``drift.activation_ev`` makes of time, and thermal noise [K]."""
    laws: tuple[DeviceLaw, ...] = ()
    """Laws of one's own, applied to the conductances of programmed cells after the sections above, in this order."""
    iv: Iv | None = None
    """Curve of current over voltage; None is ohmic. Inference and the energy of a read take a cell's secant at
    ``read_volt``."""
    measured: str | None = None
    """File (.npy, .csv) of measured conductances that the arrays of a layer have as they are, or a folder of one file
    for each layer, named after it; in place of levels, errors, stuck cells and drift."""
    levels_file: str | None = None
    """File (.csv) with the columns ``level`` and ``conductance_siemens``, many rows for each level: cells take values
    that were measured for their level, drawn as they are, in place of ``programming``; stuck cells, drift, laws and
    noise follow."""
    write: Write | None = None
    """What programming a cell takes; needed where weights are reloaded."""

    @property
    def levels(self) -> int:
        """Number of levels of a cell."""
        return 1 << self.cell_bits

    @property
    def g_step_siemens(self) -> float:
        """Conductance between two neighbouring levels [S]."""
        return (self.g_on_siemens - self.g_off_siemens) / (self.levels - 1)

    @property
    def is_ohmic(self) -> bool:
        """Whether current is proportional to voltage: no curve, or one without any bend."""
        return self.iv is None or (isinstance(self.iv, Polynomial) and not any(self.iv.coefficients))

    @property
    def secant(self) -> float:
        """Current over voltage at ``read_volt``, relative to the conductance that a cell is programmed to [-]."""
        return 1.0 if self.iv is None else secant_conductance(self.iv, self.read_volt)

    def conductance_siemens(self, share: float, volt: float | None = None) -> float:
        """Return current over voltage of a cell without error.

        Parameters
        ----------
        share : float
            Level of the cell as a fraction of the highest level [-].
        volt : float, optional
            Voltage across the cell; ``read_volt`` by default [V].

        Returns
        -------
        float
            Conductance that carries the cell's current at that voltage [S].
        """
        g = self.g_off_siemens + share * (self.g_on_siemens - self.g_off_siemens)
        return g if self.iv is None else g * secant_conductance(self.iv, self.read_volt if volt is None else volt)

    @property
    def has_noisy_reads(self) -> bool:
        """Whether two reads of the same cells may differ."""
        trap, noise = self.telegraph, self.read_noise
        flips = trap.amplitude > 0 and trap.share > 0 and 0 < trap.duty < 1 and trap.pace == "read"
        return noise.sigma > 0 or noise.bandwidth_hz is not None or flips

    @property
    def is_random(self) -> bool:
        """Whether two chips of this device, or two reads of a chip, may differ."""
        written = self.programming.sigma > 0 or bool(self.programming.sigma_siemens)
        relaxation = self.relaxation
        spreads = self.drift.nu_sigma != 0 or relaxation.sigma_siemens + relaxation.growth_siemens > 0
        drifts = self.aged > 1 and (spreads or bool(relaxation.later))
        trap = self.telegraph
        return self.has_noisy_reads or (
            self.measured is None
            and (
                (self.programming.distribution != "none" and written)
                or self.levels_file is not None
                or self.stuck.on_rate + self.stuck.off_rate > 0
                or drifts
                or (trap.amplitude > 0 and trap.share > 0 and trap.duty > 0)
                or bool(self.laws)
            )
        )

    @property
    def aged(self) -> float:
        """Time of the read over the time at which the programmed conductance holds, sped up by temperature; at least
        1 [-]."""
        drift = self.drift
        if drift.time_s <= drift.reference_s:
            return 1.0
        hotter = 1.0 / drift.reference_kelvin - 1.0 / self.temperature_kelvin
        return max(1.0, math.exp(drift.activation_ev / BOLTZMANN_EV * hotter) * drift.time_s / drift.reference_s)

    @property
    def files(self) -> dict[str, str]:
        """Key -> path of the files of measurements that the device names."""
        named = {"measured": self.measured, "levels_file": self.levels_file}
        return {key: path for key, path in named.items() if path is not None}

    @model_validator(mode="after")
    def _check_choices(self) -> Device:
        if self.levels_file is not None and self.measured is not None:
            raise ValueError(
                "device.levels_file: contradicts device.measured, which gives the conductances of all cells; leave "
                "one of them out"
            )
        if self.levels_file is not None and self.programming.distribution != "none":
            raise ValueError(
                f"device.levels_file: contradicts device.programming.distribution: {self.programming.distribution}; "
                "the measured values already contain the programming error: set the distribution to none"
            )
        if self.write is not None and self.write.verify is not None:
            if self.write.pulses is not None:
                raise ValueError(
                    f"device.write.pulses: {self.write.pulses:g} contradicts device.write.verify, which determines "
                    "the number of pulses: set it to null"
                )
            if self.levels_file is not None or self.measured is not None:
                raise ValueError(
                    "device.write.verify: contradicts measured conductances, which are the result of writing; leave "
                    "one of them out"
                )
        return self

    @model_validator(mode="after")
    def _check_curve(self) -> Device:
        with np.errstate(all="ignore"):
            secant = self.secant
        if not LEAST_SECANT < secant < 1 / LEAST_SECANT:
            raise ValueError(
                f"device.iv: gives {secant:g} of the current of an ohmic cell at device.read_volt, "
                f"{self.read_volt:g} V; it must lie between {LEAST_SECANT:g} and {1 / LEAST_SECANT:g}: change the "
                "curve or the voltage"
            )
        return self
