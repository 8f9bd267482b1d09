"""Energies of one action: of a rating, and those that follow from conductances and voltages."""

from __future__ import annotations

from xbarsim.config import Hardware, Rating
from xbarsim.config.verify import mean_pulses


def action_energy(rating: Rating) -> float:
    """Return the energy of one action.

    Parameters
    ----------
    rating : Rating
        Its own energy counts first, else (power - leakage) / rate.

    Returns
    -------
    float
        Energy; 0 where the component is always on [J].
    """
    if rating.energy_joule is not None:
        return rating.energy_joule
    return max(0.0, rating.power_watt - rating.leakage_watt) / rating.rate_hz if rating.rate_hz else 0.0


def idle_power(rating: Rating) -> float:
    """Return the static power of a component.

    Parameters
    ----------
    rating : Rating
        Neither energy nor rate: the component is always on.

    Returns
    -------
    float
        Power [W].
    """
    always_on = rating.energy_joule is None and rating.rate_hz is None
    return rating.power_watt if always_on else rating.leakage_watt


def read_energy(hardware: Hardware, mean_level: float | None = None, input_activity: float | None = None) -> float:
    """Return the energy that the cells of one array dissipate in one read.

    Every cell of a driven row conducts for the length of the pulse: rows * cols * mean conductance *
    mean squared voltage * pulse; where inputs are pulses of one voltage, squared voltage * pulse * mean number of
    pulses. Wires and sneak paths are neglected.

    Parameters
    ----------
    hardware : Hardware
        Device, array size, pulse and clock.
    mean_level, input_activity : float, optional
        As in ``hardware.activity``, which holds where they are left out [-].

    Returns
    -------
    float
        Energy of one array and one read [J].
    """
    device, timing = hardware.device, hardware.timing
    active = hardware.activity.input_activity if input_activity is None else input_activity
    pulse = (timing.pulse_s or hardware.single_read_cycles / timing.clock_hz) * hardware.dac.pulses
    conductance = _mean_conductance(hardware, mean_level)
    return hardware.crossbar.rows * hardware.crossbar.cols * conductance * active * device.read_volt**2 * pulse


def write_energy(hardware: Hardware, mean_level: float | None = None) -> float:
    """Return the energy of programming one cell: all its pulses through its mean conductance.

    Parameters
    ----------
    hardware : Hardware
        ``device`` and its key ``write``.
    mean_level : float, optional
        Mean cell level as a fraction of the highest level; that of ``hardware.activity`` where it is left out [-].

    Returns
    -------
    float
        Energy of one cell; 0 where ``device.write`` is not known [J].
    """
    write = hardware.device.write
    if write is None:
        return 0.0
    return _mean_conductance(hardware, mean_level) * write.volt**2 * write.pulse_s * mean_pulses(hardware.device)


def _mean_conductance(hardware: Hardware, mean_level: float | None) -> float:
    """Return the mean of current over voltage of a cell at the read voltage [S]."""
    return hardware.device.conductance_siemens(hardware.activity.mean_level if mean_level is None else mean_level)
