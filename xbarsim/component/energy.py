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


def read_energy(
    hardware: Hardware,
    mean_level: float | None = None,
    input_activity: float | None = None,
    array_watt: float | None = None,
) -> float:
    """Return the energy that one array takes in one read: its mean power times the length of the pulses.

    Without ``array_watt`` it is that of a full array without resistance in lines: rows * cols * mean conductance *
    mean squared voltage; where inputs are pulses of one voltage, squared voltage * mean share of the pulses.

    Parameters
    ----------
    hardware : Hardware
        Device, array size, pulse and clock.
    mean_level, input_activity : float, optional
        Mean level of all cells of the array, and mean squared input, as fractions; those that the hardware file assumes
        where they are left out [-].
    array_watt : float, optional
        Mean power of the array over the pulses of a read [W].

    Returns
    -------
    float
        Energy of one array and one read [J].
    """
    device, timing = hardware.device, hardware.timing
    if array_watt is None:
        active = hardware.activity.input_activity if input_activity is None else input_activity
        cells = hardware.crossbar.rows * hardware.crossbar.cols
        array_watt = cells * _mean_conductance(hardware, mean_level) * active * device.read_volt**2
    return array_watt * (timing.pulse_seconds or hardware.single_read_cycles / hardware.clock_hz) * hardware.dac.pulses


def write_energy(hardware: Hardware, mean_level: float | None = None) -> float:
    """Return the energy of programming one cell: all its pulses through its mean conductance.

    Parameters
    ----------
    hardware : Hardware
        ``device`` and its key ``write``.
    mean_level : float, optional
        Mean level of the cells as a fraction of the highest; the one that the file assumes where it is left out [-].

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
    return hardware.device.conductance_siemens(hardware.assumed_level if mean_level is None else mean_level)
