"""The ADC step of a layer: the one with the least error in the layer's output.

A step that clips nothing is coarse for almost all sums; a smaller one clips some and rounds all others less. Both
errors reach the output of the layer through slices, streams, wires and cells, which differ by layer, so the error is
measured there: the layer is run on calibration inputs with steps from the one that holds every sum downwards, and
compared with the exact integers. Steps in resonance with the grid of level sums, where wires make all sums round the
same way, show their error too.

Measured on part of the calibration images. A step is never finer than one level step of current.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import needs_sums
from xbarsim.inference.correction import correct_outputs
from xbarsim.inference.machine import AdjustableMachine, Codes, Machine

STEP_RATIO = 2**-0.25
"""Ratio of neighbouring steps; the square root of it in the second pass. Our choice: 19 % changes the error of
rounding by 40 %, and near the least error the sum of both errors is flat."""
WINDOWS = 4096
"""Windows that a step is judged on; each gives an error for every output. Our choice."""
GIVE_UP = 2.0
"""Error relative to the least one beyond which smaller steps are not tried: clipping only grows."""


def calibrate_machine(
    machine: AdjustableMachine, codes: Codes, exact: NDArray[np.int64], *, threads: int = 1
) -> AdjustableMachine:
    """Set the ADC range of a layer as its hardware says.

    Parameters
    ----------
    machine : AdjustableMachine
        The layer as programmed.
    codes : ndarray of int, (images, channels, height, width) or (images, ..., features)
        Quantised inputs of the calibration images.
    exact : ndarray of int64, (images, outputs, height, width) or (images, ..., outputs)
        Exact results for them.
    threads : int
        Threads within the engine; they never change the step.

    Returns
    -------
    AdjustableMachine
        As it is for ``adc.full_scale: whole``; with the step that holds a share of the sums for ``quantile``; with the
        step of least mean squared error in the output for ``calibrated`` (behind ``adc.output_correction`` where that
        is on). Thresholds of unequal steps are placed within the range that holds every sum. The range is set with all
        errors of the converter; ``adc.clips`` and ``adc.rounds`` leave some out afterwards.
    """
    return _set_range(machine, codes, exact, threads).leave_out()


def _set_range(machine: AdjustableMachine, codes: Codes, exact: NDArray[np.int64], threads: int) -> AdjustableMachine:
    held, adc = machine.calibrate(codes, threads=threads), machine.plan.hardware.adc
    if adc.full_scale != "calibrated" or adc.bits == "ideal" or needs_sums(adc) or held.adc_step == 1.0:
        return held
    images = _choose_images(len(codes), machine.plan.windows)
    part, truth = codes[images], exact[images]

    def error_of(lsb: float) -> float:
        candidate: Machine = held.with_lsb(lsb)
        if candidate.plan.hardware.adc.output_correction:
            candidate = correct_outputs(candidate, part, truth, threads=threads)
        difference = candidate.accumulate(part, threads=threads) * candidate.lsb - truth
        return float(np.mean(np.square(difference)))

    return held.with_lsb(_find_step(held.adc_step, error_of))


def _choose_images(count: int, windows: int) -> slice:
    """Return images, spread over all, that have enough windows together."""
    wanted = min(count, max(1, -(-WINDOWS // windows)))
    return slice(0, None, count // wanted)


def _find_step(highest: float, error_of: Callable[[float], float]) -> float:
    """Return the step of least error between 1 and ``highest``, on a geometric grid that is refined once."""
    best, least = highest, error_of(highest)
    step = highest
    while step > 1.0:
        step = max(1.0, step * STEP_RATIO)
        error = error_of(step)
        if error < least:
            best, least = step, error
        elif error > GIVE_UP * least:
            break
    for step in (best / STEP_RATIO**0.5, best * STEP_RATIO**0.5):
        if 1.0 <= step <= highest:
            error = error_of(step)
            if error < least:
                best, least = step, error
    return best
