"""From target levels to the conductances of cells when they are read: the laws that ship with the package.

Models, in this order: evenly spaced levels between off and on conductance; the error of one write (normal or
lognormal, relative to the cell's target or to the whole range or a polynomial of the target, clipped at zero); cells
stuck at on or off; power-law drift with an exponent per cell, which may depend on the target; relaxation, a shift and a
spread over the logarithm of time; and the size of the noise between two reads. One independent draw per cell and
phenomenon, each from a stream of its own, so that enabling one phenomenon does not change the draws of the others.

Neglects: correlation between neighbours, cycle-to-cycle history, and thermal coupling between cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Device, LogLaw, Relaxation
from xbarsim.errors import ShapeError

Array = NDArray[np.float64]


def level_conductance(digits: ArrayLike, device: Device) -> Array:
    """Return the target conductance of each digit.

    Parameters
    ----------
    digits : array_like of int, any shape
        Levels, 0 .. ``device.levels - 1``.
    device : Device
        Range and number of levels.

    Returns
    -------
    ndarray, shape of ``digits``
        Target conductance [S].

    Raises
    ------
    ShapeError
        If a digit is not a whole number within the levels of the cell.
    """
    digits = np.asarray(digits)
    if digits.dtype.kind not in "iub":
        raise ShapeError(f"digits: {digits.dtype} is not an integer type")
    if digits.size and (digits.min() < 0 or digits.max() >= device.levels):
        raise ShapeError(f"digits: {digits.min()} .. {digits.max()} is not within 0 .. {device.levels - 1}")
    return device.g_off_siemens + device.g_step_siemens * digits.astype(np.float64)


class Written(NamedTuple):
    """Result of writing cells."""

    g: Array
    """Conductance reached [S]."""
    pulses: NDArray[np.int64]
    """Pulses that each cell took; all 1 without verification [-]."""


def sample_programmed(g_target: ArrayLike, device: Device, rng: np.random.Generator) -> Array:
    """Draw the conductances that cells reach when they are written, as :func:`sample_written` does.

    Parameters
    ----------
    g_target : array_like, any shape
        Conductance asked of each cell [S].
    device : Device
        ``programming`` and ``write.verify``.
    rng : numpy.random.Generator
        Draws as there.

    Returns
    -------
    ndarray, shape of ``g_target``
        Conductance reached, clipped at zero [S].
    """
    return sample_written(g_target, device, rng).g


def sample_written(g_target: ArrayLike, device: Device, rng: np.random.Generator) -> Written:
    """Write cells; with ``device.write.verify``, verify them and write again.

    Parameters
    ----------
    g_target : array_like, any shape
        Conductance asked of each cell [S].
    device : Device
        ``programming`` is the error of one pulse.
    rng : numpy.random.Generator
        One normal draw per cell and pulse.

    Returns
    -------
    Written
        Conductances and pulses, shape of ``g_target``.

    Notes
    -----
    Every pulse is an independent draw around the target. A cell within the tolerance after at most ``max_pulses``
    pulses follows the law of programming cut off at the tolerance; the others, the share ``(1 - p)^max_pulses``, follow
    what is left of it outside.
    """
    target = np.array(g_target, dtype=np.float64)
    g = _write_once(target, device, rng)
    pulses = np.ones(g.shape, dtype=np.int64)
    verify = None if device.write is None else device.write.verify
    if verify is None:
        return Written(g, pulses)
    span = device.g_on_siemens - device.g_off_siemens
    room = verify.tolerance * (target if verify.relative_to == "target" else np.full(g.shape, span))
    waiting = np.flatnonzero(np.abs(g - target) > room)
    for _ in range(1, verify.max_pulses):
        if not waiting.size:
            break
        asked = target.flat[waiting]
        reached = _write_once(asked, device, rng)
        g.flat[waiting] = reached
        pulses.flat[waiting] += 1
        waiting = waiting[np.abs(reached - asked) > room.flat[waiting]]
    return Written(g, pulses)


def _write_once(g_target: Array, device: Device, rng: np.random.Generator) -> Array:
    """Draw the conductances that cells reach after one pulse.

    Parameters
    ----------
    g_target : array_like, any shape
        Conductance asked of each cell [S].
    device : Device
        ``programming`` gives distribution, reference and standard deviation.
    rng : numpy.random.Generator
        One normal draw per cell; none where the distribution is ``none`` or there is no sigma.

    Returns
    -------
    ndarray, shape of ``g_target``
        Conductance reached, clipped at zero [S].

    Notes
    -----
    ``lognormal`` relative to the target multiplies it by ``exp(sigma z)``: the median is the target. Relative to the
    range, the same factor is applied to the range and its excess is added.
    """
    g = np.array(g_target, dtype=np.float64)
    model = device.programming
    if model.distribution == "none" or (model.sigma == 0 and not model.sigma_siemens):
        return g
    error = rng.standard_normal(g.shape)
    if model.sigma_siemens:
        sigma = np.polynomial.polynomial.polyval(g / device.g_on_siemens, np.array(model.sigma_siemens))
        g += error * np.maximum(sigma, 0.0)
        return np.maximum(g, 0.0, out=g)
    error *= model.sigma
    if model.distribution == "lognormal":
        np.expm1(error, out=error)
    error *= g if model.relative_to == "target" else device.g_on_siemens - device.g_off_siemens
    g += error
    return np.maximum(g, 0.0, out=g)


def sample_stuck(g: ArrayLike, device: Device, rng: np.random.Generator) -> Array:
    """Replace the conductance of stuck cells.

    Parameters
    ----------
    g : array_like, any shape
        Conductance of the cells if none were stuck [S].
    device : Device
        ``stuck`` gives the rates of both kinds.
    rng : numpy.random.Generator
        One uniform draw per cell; none where both rates are zero.

    Returns
    -------
    ndarray, shape of ``g``
        Conductance with stuck cells at on or off conductance [S].
    """
    g = np.array(g, dtype=np.float64)
    rates = device.stuck
    if rates.on_rate == 0 and rates.off_rate == 0:
        return g
    draw = rng.random(g.shape)
    g[draw < rates.on_rate] = device.g_on_siemens
    g[(draw >= rates.on_rate) & (draw < rates.on_rate + rates.off_rate)] = device.g_off_siemens
    return g


def sample_drifted(g: ArrayLike, device: Device, rng: np.random.Generator, g_target: ArrayLike | None = None) -> Array:
    """Apply drift from ``reference_s`` to ``time_s`` after programming to conductances.

    Parameters
    ----------
    g : array_like, any shape
        Conductance at ``reference_s`` [S].
    device : Device
        ``drift`` gives exponent, spread and times.
    rng : numpy.random.Generator
        One normal draw per cell where the exponent varies from cell to cell.
    g_target : array_like, shape of ``g``, optional
        Conductance asked of each cell, which the exponent may depend on; ``g`` by default [S].

    Returns
    -------
    ndarray, shape of ``g``
        ``g * device.aged ** -nu``, where ``aged`` is ``time_s / reference_s``, sped up by temperature [S].
    """
    g = np.array(g, dtype=np.float64)
    model = device.drift
    if device.aged == 1 or (model.nu == 0 and model.nu_sigma == 0):
        return g
    exponent = -np.log(device.aged)
    target = g if g_target is None else np.asarray(g_target, dtype=np.float64)
    mean, spread = (_follow_law(law, target / device.g_on_siemens) for law in (model.nu, model.nu_sigma))
    if model.nu_sigma == 0:
        return np.asarray(g * np.exp(exponent * mean))
    nu = rng.standard_normal(g.shape)
    nu *= spread
    nu += mean
    nu *= exponent
    g *= np.exp(nu, out=nu)
    return g


def sample_relaxed(g: ArrayLike, device: Device, rng: np.random.Generator, g_target: ArrayLike) -> Array:
    """Apply the relaxation of ``device.relaxation`` to conductances.

    Parameters
    ----------
    g : array_like, any shape
        Conductance before [S].
    device : Device
        ``relaxation`` gives shift and spread, ``drift`` the times.
    rng : numpy.random.Generator
        One normal draw per cell where cells spread.
    g_target : array_like, shape of ``g``
        Conductance asked of each cell [S].

    Returns
    -------
    ndarray, shape of ``g``
        ``g + mean ln(aged) + sigma z``, clipped at zero [S].

    Notes
    -----
    With ``later``, ``sigma`` is what brings the spread of programming to the one measured:
    ``sqrt(max(0, sigma_t^2 - sigma_0^2))``, both at the target. Before the first time and between two, ``sigma_t`` is
    interpolated over ln(time); behind the last one it stays.
    """
    g = np.array(g, dtype=np.float64)
    model = device.relaxation
    if device.aged == 1 or model == Relaxation():
        return g
    late = float(np.log(device.aged))
    g += model.mean_siemens * late
    if model.later:
        g += _added_spread(np.asarray(g_target) / device.g_on_siemens, device) * rng.standard_normal(g.shape)
    elif model.sigma_siemens or model.growth_siemens:
        g += (model.sigma_siemens + model.growth_siemens * late) * rng.standard_normal(g.shape)
    return np.asarray(np.maximum(g, 0.0, out=g))


def _added_spread(share: Array, device: Device) -> Array:
    """Return the standard deviation that relaxation adds to that of programming [S]."""
    begin = device.drift.reference_s
    rows = [(begin, device.programming.sigma_siemens or (0.0,))]
    rows += [(each.time_s, each.sigma_siemens) for each in device.relaxation.later]
    spreads = np.maximum([np.polynomial.polynomial.polyval(share, np.array(terms)) for _, terms in rows], 0.0)
    times = np.log([time_s for time_s, _ in rows])
    at = np.interp(np.log(device.aged * begin), times, np.arange(len(rows)))
    first = min(int(at), len(rows) - 2)
    spread = spreads[first] + (at - first) * (spreads[first + 1] - spreads[first])
    return np.asarray(np.sqrt(np.maximum(spread**2 - spreads[0] ** 2, 0.0)))


def _follow_law(law: float | LogLaw, share: Array) -> Array | float:
    """Return a number that may depend on the target over the on conductance."""
    if not isinstance(law, LogLaw):
        return law
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(law.at_on + law.slope * np.log(share), law.least, law.most))


def read_noise_sigma(g: ArrayLike, device: Device) -> Array:
    """Return the standard deviation of a cell's conductance from read to read.

    Parameters
    ----------
    g : array_like, any shape
        Conductance of the cells [S].
    device : Device
        ``read_noise`` gives the size and what it is relative to.

    Returns
    -------
    ndarray, shape of ``g``
        Standard deviation [S].
    """
    g = np.asarray(g, dtype=np.float64)
    model = device.read_noise
    fraction: float | Array = min(model.sigma, model.most)
    if model.exponent > 0 and model.sigma > 0:
        with np.errstate(divide="ignore"):
            share = np.power(np.maximum(g, 0.0) / device.g_on_siemens, -model.exponent)
        fraction = np.minimum(model.sigma * share, model.most)
    fraction = fraction * _grow_noise(device)
    if model.relative_to == "target":
        return np.asarray(fraction * g)
    return np.broadcast_to(fraction * (device.g_on_siemens - device.g_off_siemens), g.shape).copy()


def _grow_noise(device: Device) -> float:
    """Return by how much 1/f noise has grown since programming [-]."""
    mean_s = device.read_noise.integration_s
    if mean_s is None:
        return 1.0
    time_s = max(device.drift.time_s, device.drift.reference_s)
    return float(np.sqrt(np.log(max(1.0, (time_s + mean_s) / (2.0 * mean_s)))))


def sample_read(g: ArrayLike, device: Device, rng: np.random.Generator) -> Array:
    """Draw the conductances of one read; one normal draw per cell where there is read noise.

    Neglected: thermal and shot noise, which are noise of currents, and telegraph noise (:func:`read_variance`).

    Parameters
    ----------
    g : array_like, any shape
        Programmed conductances [S].
    device : Device
        Its ``read_noise`` says how much they fluctuate.
    rng : numpy.random.Generator
        Stream of the draw; left alone where there is no read noise.

    Returns
    -------
    ndarray, shape of ``g``
        Conductances of this read, clipped at zero [S].
    """
    g = np.array(g, dtype=np.float64)
    if device.read_noise.sigma == 0:
        return g
    g += read_noise_sigma(g, device) * rng.standard_normal(g.shape)
    return np.asarray(np.maximum(g, 0.0, out=g))
