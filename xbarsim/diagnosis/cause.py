"""The table of causes of lost accuracy, with the keys that disable each of them.

A cause is present if disabling it changes the hardware. With all causes disabled the arrays compute the integer network
bit for bit. The loss from the float network to the integer network is a cause of its own, which comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xbarsim.config import Hardware
from xbarsim.config.device import Relaxation

QUANTISATION = "quantisation"
"""Weights and activations in integers, on ideal hardware; every other cause acts on the integers."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One deviation of hardware from ideal hardware."""

    name: str
    """Name in tables."""
    about: str
    """Description in one line."""
    is_present: Callable[[Hardware], bool]
    """Whether a layer's hardware has it."""
    is_random: bool
    """Whether it differs from chip to chip."""
    overrides: Mapping[str, Any]
    """Dotted key -> value that disables it."""


def _is_uniform(hardware: Hardware) -> bool:
    adc = hardware.adc
    has_levels = adc.kind != "uniform" or adc.thresholds != "uniform" or adc.saturation_ampere is not None
    return hardware.adc_bits is not None and not has_levels


def _programs_cells(hardware: Hardware) -> bool:
    return hardware.device.measured is None


def _varies(hardware: Hardware) -> bool:
    device = hardware.device
    is_written = device.programming.sigma > 0 or any(device.programming.sigma_siemens)
    is_drawn = device.programming.distribution != "none" and is_written
    return _programs_cells(hardware) and (is_drawn or device.levels_file is not None)


def _drifts(hardware: Hardware) -> bool:
    device = hardware.device
    moves = (device.drift.nu, device.drift.nu_sigma) != (0.0, 0.0) or device.relaxation != Relaxation()
    return _programs_cells(hardware) and device.aged > 1 and moves


def _has_wires(hardware: Hardware) -> bool:
    return hardware.crossbar.method != "ideal" and hardware.crossbar.has_losses


def _has_noise(hardware: Hardware) -> bool:
    noise = hardware.device.read_noise
    return noise.sigma > 0 or noise.bandwidth_hz is not None


def _has_traps(hardware: Hardware) -> bool:
    trap = hardware.device.telegraph
    acts = _programs_cells(hardware) or (trap.pace == "read" and trap.duty < 1)
    return acts and trap.amplitude > 0 and trap.share > 0 and trap.duty > 0


_VARIATION = {
    "device.programming.distribution": "none", "device.programming.sigma": 0.0, "device.programming.sigma_siemens": (),
    "device.levels_file": None,
}  # fmt: skip
_OHMIC = {"kind": "polynomial", "coefficients": (0.0,)}  # a curve all the same: topologies of selectors need one
_STUCK = {"device.stuck.on_rate": 0.0, "device.stuck.off_rate": 0.0}
_DRIFT = {"device.drift.time_s": 0.0}
_TRAPS = {"device.telegraph.amplitude": 0.0}

_TABLE = (
    Cause(
        name="converter range", about="sums beyond the ends of the converter are clipped",
        is_present=lambda hardware: _is_uniform(hardware) and hardware.adc.clips, is_random=False,
        overrides={"adc.clips": False},
    ),
    Cause(
        name="converter resolution", about="sums are rounded to steps of the converter",
        is_present=lambda hardware: _is_uniform(hardware) and hardware.adc.rounds, is_random=False,
        overrides={"adc.rounds": False},
    ),
    Cause(
        name="converter levels", about="sums saturate, or are rounded to unequal levels and clipped",
        is_present=lambda hardware: hardware.adc_bits is not None and not _is_uniform(hardware), is_random=True,
        overrides={"adc.bits": "ideal"},
    ),
    Cause(
        name="converter mismatch", about="gain and offset differ from converter to converter",
        is_present=lambda hardware: hardware.adc.gain_sigma > 0 or hardware.adc.offset_sigma_lsb > 0, is_random=True,
        overrides={"adc.gain_sigma": 0.0, "adc.offset_sigma_lsb": 0.0},
    ),
    Cause(
        name="converter noise", about="thermal noise of single conversions",
        is_present=lambda hardware: hardware.adc.noise_lsb > 0, is_random=True, overrides={"adc.noise_lsb": 0.0},
    ),
    Cause(
        name="converter nonlinearity", about="thresholds lie beside their places (INL)",
        is_present=lambda hardware: any(hardware.adc.inl_lsb), is_random=False, overrides={"adc.inl_lsb": ()},
    ),
    Cause(
        name="variation", about="cells land beside the conductance that they were programmed to",
        is_present=_varies, is_random=True, overrides=_VARIATION,
    ),
    Cause(
        name="stuck cells", about="cells that ignore programming",
        is_present=lambda hardware: _programs_cells(hardware)
        and hardware.device.stuck.on_rate + hardware.device.stuck.off_rate > 0,
        is_random=True, overrides=_STUCK,
    ),
    Cause(
        name="drift", about="conductances drift and relax between programming and reading",
        is_present=_drifts, is_random=True, overrides=_DRIFT,
    ),
    Cause(
        name="read noise", about="cells fluctuate from read to read; thermal and shot noise",
        is_present=_has_noise, is_random=True,
        overrides={"device.read_noise.sigma": 0.0, "device.read_noise.bandwidth_hz": None},
    ),
    Cause(
        name="telegraph noise", about="traps in some cells fill and empty",
        is_present=_has_traps, is_random=True, overrides=_TRAPS,
    ),
    Cause(
        name="cell nonlinearity", about="current is not proportional to voltage",
        is_present=lambda hardware: not hardware.device.is_ohmic, is_random=False, overrides={"device.iv": _OHMIC},
    ),
    Cause(
        name="cell laws", about="laws of one's own for programmed cells",
        is_present=lambda hardware: _programs_cells(hardware) and bool(hardware.device.laws), is_random=True,
        overrides={"device.laws": ()},
    ),
    Cause(
        name="measured arrays", about="conductances as measured, in place of the cell's model",
        # without the file, the cell's model acts again, and none of its causes may come in
        is_present=lambda hardware: not _programs_cells(hardware), is_random=False,
        overrides={"device.measured": None, "device.laws": (), **_VARIATION, **_STUCK, **_DRIFT, **_TRAPS},
    ),
    Cause(
        name="access transistors", about="open ones take part of the voltage, closed ones leak",
        is_present=lambda hardware: hardware.crossbar.r_access_ohm > 0 or hardware.crossbar.g_leak_siemens > 0,
        is_random=False, overrides={"crossbar.r_access_ohm": 0.0, "crossbar.g_leak_siemens": 0.0},
    ),
    Cause(
        name="wires", about="wires, drivers and sensors take part of the voltage (IR drop)",
        is_present=_has_wires, is_random=False, overrides={"crossbar.method": "ideal"},
    ),
)  # fmt: skip

CAUSES: dict[str, Cause] = {cause.name: cause for cause in _TABLE}
"""Every cause of the hardware by name."""


def find_causes(layers: Iterable[Hardware]) -> tuple[str, ...]:
    """Return the names of the causes that are present.

    Parameters
    ----------
    layers : iterable of Hardware
        Hardware of every layer.

    Returns
    -------
    tuple of str
        In the order of the table.
    """
    records = list(layers)
    return tuple(cause.name for cause in CAUSES.values() if any(cause.is_present(record) for record in records))


def switch_off(names: Collection[str]) -> dict[str, Any]:
    """Return the overrides that disable some causes.

    Parameters
    ----------
    names : collection of str
        Causes to switch off.

    Returns
    -------
    dict
        Dotted key -> value.
    """
    return {key: value for cause in CAUSES.values() if cause.name in names for key, value in cause.overrides.items()}


def is_random(names: Collection[str]) -> bool:
    """Tell whether chips that have these causes differ from each other."""
    return any(CAUSES[name].is_random for name in names)
