"""Pulses as long as columns need to settle: ``timing.pulse_s: settled`` as a number, array size by array size."""

from __future__ import annotations

import functools
from typing import TypeVar

import numpy as np

from xbarsim.config import Hardware
from xbarsim.converter import nominal_range
from xbarsim.errors import ConfigError

HardwareT = TypeVar("HardwareT", bound=Hardware)


def settle_pulse(hardware: HardwareT, where: str) -> HardwareT:
    """Return hardware whose pulse is a number.

    Every cell is at its largest conductance and every row driven, which moves currents the furthest; the slowest column
    decides.

    Parameters
    ----------
    hardware : Hardware
        With any ``timing.pulse_s``.
    where : str
        What messages begin with.

    Returns
    -------
    Hardware
        The same record where the pulse is not ``settled``.

    Raises
    ------
    ConfigError
        If converters have no steps, or the pulse is longer than a read.
    """
    if hardware.timing.pulse_s != "settled":
        return hardware
    nominal = nominal_range(hardware)
    if nominal.is_ideal:
        raise ConfigError(f"{where}: timing.pulse_s: settled needs the step of a converter; adc.bits: ideal has none")
    crossbar, device = hardware.crossbar, hardware.device
    ohms = {
        "r_wl_ohm": crossbar.r_wl_ohm, "r_bl_ohm": crossbar.r_bl_ohm, "r_source_ohm": crossbar.r_source_ohm,
        "r_sink_ohm": crossbar.r_sink_ohm, "r_sl_ohm": crossbar.r_sl_ohm, "r_access_ohm": crossbar.r_access_ohm,
        "g_leak_siemens": crossbar.g_leak_siemens, "c_wl_farad": crossbar.c_wl_farad, "c_bl_farad": crossbar.c_bl_farad,
    }  # fmt: skip
    cells = (crossbar.rows, crossbar.cols, device.g_on_siemens * device.secant)
    half = 0.5 * nominal.lsb * hardware.level_ampere
    seconds = _find_settling(*cells, device.read_volt, half, crossbar.topology, tuple(ohms.items()))
    timing = hardware.timing.model_copy(update={"pulse_s": max(seconds, np.finfo(np.float64).tiny)})
    settled = hardware.model_copy(update={"timing": timing})
    try:
        settled.check_pulse()
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    return settled


@functools.lru_cache(maxsize=64)
def _find_settling(
    rows: int,
    cols: int,
    siemens: float,
    volt: float,
    tol_ampere: float,
    topology: str,
    ohms: tuple[tuple[str, float], ...],
) -> float:
    from xbarsim.crossbar import solve_settling  # here, so that other pulses need no circuits

    given = dict(ohms)
    found = solve_settling(
        np.full((rows, cols), siemens), np.full(rows, volt), topology=topology, tol_ampere=tol_ampere, **given
    )
    return float(found.settling_s.max())
