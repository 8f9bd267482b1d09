"""Calibration of the ADC step of a layer for the least error in its output.

A step that avoids all clipping is coarse for most sums. A smaller step clips some sums and rounds all others more
finely. The effect of both errors on the output depends on slices, streams, wires and cells, so it is measured: the
layer is run on calibration inputs with decreasing steps, starting from the one whose range covers every sum, and
compared with the exact integers. This includes the error of steps that coincide with the spacing of level sums, where
IR drop makes many sums round in the same direction.

Part of the calibration images is used. A step is never finer than one level step of current.
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
"""Number of windows for the error of a step; each gives an error for every output. Our choice."""
GIVE_UP = 2.0
"""Error relative to the least one above which smaller steps are not tried, since clipping increases."""


def calibrate_machine(
    machine: AdjustableMachine, codes: Codes, exact: NDArray[np.int64], *, threads: int = 1
) -> AdjustableMachine:
    """Set the ADC range of a layer as configured in its hardware.

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
        errors of the converter; ``adc.clips`` and ``adc.rounds`` leave some out afterwards. Where every read is solved,
        the range is that of the fitted response.
    """
    return _set_range(machine, codes, exact, threads).leave_out().solve_reads()


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
