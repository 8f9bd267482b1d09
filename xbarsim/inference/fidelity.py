"""Error of each layer: its results on hardware compared with the exact integer results for the same inputs.

The inputs are exact, so that the figures do not include errors of earlier layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ModelRangeWarning
from xbarsim.inference.machine import Codes, Machine
from xbarsim.mvm import map_columns, sample_worst

_SAMPLE_IMAGES = 8
"""Calibration images on which the errors of layers are measured. Our choice."""
_SOLVED_IMAGES = 1
"""The same where every read is solved, which takes about a minute an image in ResNet-20. Our choice."""
POOR_FIT = 0.25
"""Error of fitted responses above which a warning is given: rounding itself is off by 0.29 [lsb]."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """Error of one layer on the calibration images."""

    name: str
    """Layer name."""
    snr_db: float | None
    """Ratio of the power of the exact result to the power of the error [dB]; None without error."""
    gain: float | None
    """Least-squares factor between exact results and those on hardware; below 1 where wires lose current [-]."""
    adc_step: float
    """Least significant bit of the ADC, in level units of current [-]."""
    clipped_share: float
    """Fraction of the conversions that clip [-]."""
    range_used_share: float
    """Largest magnitude of a converted sum, as a fraction of the range [-]."""
    threshold_share: float | None
    """Share of conversions within a tenth of a step of a threshold [-]. A fifth where sums fall anywhere between codes;
    more where the step is in resonance with the grid of level sums, so that wires round many sums one way. None for
    converters without equal steps."""
    input_activity: float
    """Mean squared word-line voltage as a fraction of full scale squared [-]."""
    mean_level: float
    """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
    array_read_watt: float
    """Mean power of an array over the pulses of a read: of driven rows, with what lines take [W]."""
    lost_share: float
    """Share of the current of ideal cells that columns do not deliver, mean over them; below 0 where they deliver more
    [-]."""
    worst_lost_share: float
    """That share in the column that loses most [-]."""
    lost_places: tuple[float, ...]
    """That share at 64 places along the columns, in the column that loses most at each [-]."""
    fit_rms_lsb: float | None
    """Root-mean-square error of fitted responses on reads that were solved exactly and kept back, in steps of the
    converter; None where responses are not fitted [lsb]."""
    fit_max_lsb: float | None
    """Largest of these errors [lsb]."""
    fit_places: tuple[float, ...] | None
    """Root-mean-square error at 64 places along the columns, of the column that is furthest off at each; None where
    responses are not fitted [lsb]."""
    fit_outside: float | None
    """Share of conversions whose sums lie beyond those that responses were fitted on [-]."""

    @classmethod
    def mean(cls, records: Sequence[LayerError]) -> LayerError:
        """Average the records of several trials.

        Parameters
        ----------
        records : sequence of LayerError
            One layer, trial by trial.

        Returns
        -------
        LayerError
            Field by field mean over the trials that have a value.
        """
        means: dict[str, Any] = {}
        for field in fields(cls):
            found = [value for record in records if (value := getattr(record, field.name)) is not None]
            if field.name != "name":
                mean = np.mean(found, axis=0).tolist() if found else None
                means[field.name] = tuple(mean) if isinstance(mean, list) else mean
        return replace(records[0], **means)


def measure_layer(machine: Machine, codes: Codes, exact: NDArray[np.int64], *, threads: int = 1) -> LayerError:
    """Compare a programmed layer with exact integers.

    Parameters
    ----------
    machine : Machine
        The layer, calibrated.
    codes : ndarray of int, (images, ...)
        Quantised inputs; the first 8 images are used, for results whose every read is solved only the first.
    exact : ndarray of int64, (images, ...)
        Exact results for all of ``codes``.
    threads : int
        Threads within the engine.

    Returns
    -------
    LayerError
        Signal-to-noise ratio, gain, use of the converters, activity.
    """
    sample = codes[:_SAMPLE_IMAGES]
    images = _SOLVED_IMAGES if machine.plan.hardware.response == "exact" else _SAMPLE_IMAGES
    signal = exact[:images].astype(np.float64)
    found = machine.accumulate(codes[:images], threads=threads) * machine.lsb
    seen = machine.survey(sample, threads=threads)
    near = [(part.threshold_share, part.conversions) for part in seen if part.threshold_share is not None]
    power, noise = float(np.sum(signal**2)), float(np.sum((found - signal) ** 2))
    fits = [(part.fit, part.conversions) for part in seen if part.fit is not None]
    counts = [count for _, count in fits]
    columns = [map_columns(engine) for engine in machine.engines]
    lost = np.concatenate([each.lost_share.ravel() for each in columns])
    fit_rms = float(np.sqrt(np.average([fit.rms_lsb**2 for fit, _ in fits], weights=counts))) if fits else None
    if fit_rms is not None and fit_rms > POOR_FIT:
        warnings.warn(
            f"layer {machine.node.name}: its fitted response is off by {fit_rms:.2g} steps of the converter (rms); "
            "crossbar.method: exact solves every read",
            ModelRangeWarning,
            stacklevel=2,
        )
    return LayerError(
        name=machine.node.name,
        snr_db=10 * float(np.log10(power / noise)) if power > 0 and noise > 0 else None,
        gain=float(np.sum(found * signal)) / power if power > 0 else None,
        adc_step=float(machine.adc_step),
        clipped_share=float(np.average([part.clipped_share for part in seen], weights=[p.conversions for p in seen])),
        range_used_share=max(part.used_range for part in seen),
        threshold_share=float(np.average([n for n, _ in near], weights=[n for _, n in near])) if near else None,
        input_activity=machine.input_activity(sample),
        mean_level=machine.mean_level,
        array_read_watt=machine.measure_watt(codes),
        lost_share=float(np.mean(lost)),
        worst_lost_share=float(np.max(lost)),
        lost_places=_place_worst([each.lost_share for each in columns]),
        fit_rms_lsb=fit_rms,
        fit_max_lsb=max(fit.max_lsb for fit, _ in fits) if fits else None,
        fit_places=_place_worst([each.fit_rms_lsb for each in columns if each.fit_rms_lsb is not None]) or None,
        fit_outside=float(np.average([fit.outside for fit, _ in fits], weights=counts)) if fits else None,
    )


def _place_worst(values: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    """Return the worst of the columns of some engines at each place, from (row blocks, columns) of each."""
    return tuple(sample_worst(np.concatenate([each.max(axis=0) for each in values])).tolist()) if values else ()
