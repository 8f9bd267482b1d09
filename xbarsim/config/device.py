"""The section ``device``: a memory cell and the deviations of its conductance from the target."""

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
"""Smallest allowed current at the read voltage, relative to that of an ohmic cell [-]."""


class Programming(Record):
    """Deviation of a cell from its target after one write; one independent draw per cell."""

    distribution: Literal["none", "normal", "lognormal"] = "none"
    """Distribution of the error."""
    relative_to: Literal["target", "range"] = "target"
    """What ``sigma`` is a fraction of: the cell's own target, or on minus off conductance."""
    sigma: NonNegative = 0.0
    """Standard deviation as a fraction [-]."""
    sigma_siemens: Annotated[tuple[float, ...], Field(max_length=9)] = ()
    """Coefficients c0, c1, c2, ... of the standard deviation of a normal error, max(0, c0 + c1 x + c2 x^2 + ...), where
    x is the target divided by the on conductance; replaces ``relative_to`` and ``sigma`` [S]."""


class ReadNoise(Record):
    """Fluctuation of the conductance between reads; independent for each cell and read."""

    relative_to: Literal["target", "range"] = "target"
    """What ``sigma`` is a fraction of: the cell's own conductance, or on minus off conductance."""
    sigma: NonNegative = 0.0
    """Standard deviation as a fraction [-]."""
    exponent: NonNegative = 0.0
    """Exponent e: the fraction is ``sigma`` times (g / g_on)^-e for a cell of conductance g [-]."""
    most: Positive = 1.0
    """Upper limit of that fraction [-]."""
    integration_s: Positive | None = None
    """Averaging time T of a read, for noise with a 1/f spectrum: the fraction grows with the time t since programming
    (``drift.time_s``, at least ``drift.reference_s``) as sqrt(ln((t + T) / (2 T))). None: no growth [s]."""
    bandwidth_hz: Positive | None = None
    """Bandwidth of a read, for thermal noise at ``device.temperature_kelvin`` and shot noise; None: neither [Hz]."""
    fano: Fraction = 1.0
    """Fano factor: shot noise relative to that of independent electrons, 2 q i per hertz; 0 is none [-]."""


class Telegraph(Record):
    """Random telegraph noise: traps in some cells lower their conductance while they are filled."""

    amplitude: Fraction = 0.0
    """Relative decrease of the conductance by a filled trap [-]."""
    share: Fraction = 1.0
    """Fraction of the cells with a trap [-]."""
    duty: Fraction = 0.5
    """Fraction of the time in which a trap is filled [-]."""
    pace: Literal["read", "chip"] = "read"
    """``read``: the state of a trap is independent in every read (fast traps, modelled by mean and variance). ``chip``:
    it is drawn once for a chip (slow traps)."""


class Stuck(Record):
    """Cells that ignore programming."""

    on_rate: Fraction = 0.0
    """Fraction of the cells stuck at the on conductance [-]."""
    off_rate: Fraction = 0.0
    """Fraction of the cells stuck at the off conductance [-]."""


class LogLaw(Record):
    """A number that depends on the target conductance g of a cell: ``at_on + slope * ln(g / g_on)``, within limits."""

    at_on: float
    """Value at the on conductance, before it is limited to ``least`` and ``most`` [-]."""
    slope: float = 0.0
    """Change for each factor of e in conductance [-]."""
    least: float = 0.0
    """Smallest value [-]."""
    most: float = 1.0
    """Largest value [-]."""


class Drift(Record):
    """Power-law drift ``g(t) = g(t0) * (a t / t0) ** -nu``; ``a`` is 1 at ``reference_kelvin``."""

    nu: float | LogLaw = 0.0
    """Mean drift exponent: a number, or a function of the target [-]."""
    nu_sigma: NonNegative | LogLaw = 0.0
    """Standard deviation of the exponent between cells: a number, or a function of the target [-]."""
    reference_s: Positive = 1.0
    """Time t0 after programming at which the programmed conductance is reached [s]."""
    time_s: NonNegative = 0.0
    """Time after programming at which the array is read; up to ``reference_s`` there is no drift [s]."""
    activation_ev: NonNegative = 0.0
    """Activation energy E of drift and relaxation, which are faster by ``a = exp(E / k * (1 / reference_kelvin - 1 /
    T))`` at T = ``device.temperature_kelvin``; 0: no dependence on temperature [eV]."""
    reference_kelvin: Positive = 300.0
    """Temperature at which the laws of drift and relaxation were measured [K]."""


class Later(Record):
    """Standard deviation of the conductances at one time after programming."""

    time_s: Positive
    """Time after programming [s]."""
    sigma_siemens: Annotated[tuple[float, ...], Field(min_length=1, max_length=9)]
    """Coefficients as in ``programming.sigma_siemens``; the programming error is included [S]."""


class Relaxation(Record):
    """Relaxation after programming: a shift and a random spread that grow with the logarithm of time.

    The time is ``drift.time_s``; relaxation starts at ``drift.reference_s``.
    """

    mean_siemens: float = 0.0
    """Shift of every cell for each factor of e in time [S]."""
    sigma_siemens: NonNegative = 0.0
    """Standard deviation at the start of relaxation [S]."""
    growth_siemens: NonNegative = 0.0
    """Increase of the standard deviation for each factor of e in time [S]."""
    later: tuple[Later, ...] = ()
    """Standard deviations measured at several times, in increasing order, interpolated over ln(time); replaces
    ``sigma_siemens`` and ``growth_siemens``."""

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
    """A registered device law: its name and its settings."""

    model_config = ConfigDict(extra="allow")

    kind: str
    """Name of a class added by ``xbarsim.register("device_law", NAME, CLASS)``; the other keys are its settings."""

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
    """Bits stored in one cell; the levels are equally spaced in conductance [bits]."""
    read_volt: Positive = 0.2
    """Voltage of a full-scale input [V]."""
    programming: Programming = Programming()
    """Error of programming."""
    read_noise: ReadNoise = ReadNoise()
    """Fluctuation between reads."""
    stuck: Stuck = Stuck()
    """Cells that ignore programming."""
    drift: Drift = Drift()
    """Drift of the conductance with time."""
    relaxation: Relaxation = Relaxation()
    """Relaxation after programming."""
    telegraph: Telegraph = Telegraph()
    """Random telegraph noise."""
    temperature_kelvin: Positive = 300.0
    """Temperature of the cells, for ``drift.activation_ev`` and thermal noise [K]."""
    laws: tuple[DeviceLaw, ...] = ()
    """Registered device laws, applied to the programmed conductances after the sections above, in this order."""
    iv: Iv | None = None
    """Current-voltage characteristic of a cell; None is ohmic. Inference and the energy of a read use the secant
    conductance at ``read_volt``."""
    measured: str | None = None
    """File (.npy, .csv) with the measured conductances of the arrays of a layer, or a folder with one file for each
    layer, named after it. Replaces levels, programming errors, stuck cells and drift."""
    levels_file: str | None = None
    """File (.csv) with the columns ``level`` and ``conductance_siemens`` and several rows for each level. Cells take
    randomly drawn values of their level; replaces ``programming``. Stuck cells, drift, laws and noise are applied
    afterwards."""
    write: Write | None = None
    """Programming pulses of a cell; needed where weights are reloaded."""

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
        if self.programming.sigma_siemens and self.programming.distribution == "lognormal":
            raise ValueError(
                "device.programming.sigma_siemens: contradicts distribution: lognormal, since it is the deviation of a "
                "normal error; set the distribution to normal, or give sigma"
            )
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
