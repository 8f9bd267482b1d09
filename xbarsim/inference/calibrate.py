"""Calibration of the ADC step of a layer for the least error in its output.

A step that avoids all clipping is coarse for most sums. A smaller step clips some sums and rounds all others more
finely. The effect of both errors on the output depends on slices, streams, wires and cells, so it is measured: the
layer is run on calibration inputs with decreasing steps, starting from the one whose range covers every sum, and
compared with the exact integers. This includes the error of steps that coincide with the spacing of level sums, where
IR drop makes many sums round in the same direction.

Where slices, reads or columns have steps of their own, they are refined by the same error, beginning with equal steps
and with those that suit their sums; the better result is taken. Part of the calibration images is used. A step is never
finer than one level step of current.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import needs_sums
from xbarsim.inference.correction import correct_outputs
from xbarsim.inference.machine import AdjustableMachine, Codes, Machine
from xbarsim.inference.refine import refine_steps
from xbarsim.network.graph import rule_of

Floats = NDArray[np.float64]

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

    def difference_of(candidate: Machine) -> Floats:
        if candidate.plan.hardware.adc.output_correction:
            candidate = correct_outputs(candidate, part, truth, threads=threads)
        squares: Floats = np.square(candidate.accumulate(part, threads=threads) * candidate.lsb - truth)
        return squares

    def error_of(candidate: Machine) -> float:
        return float(np.mean(difference_of(candidate)))

    def errors_of(candidate: Machine) -> Floats:
        squares = difference_of(candidate)
        axis = rule_of(candidate.node).output_axis % squares.ndim
        means: Floats = squares.mean(axis=tuple(each for each in range(squares.ndim) if each != axis))
        return means

    if adc.step_per == "layer":
        return _with_best_step(held, error_of)
    even = machine.calibrate(codes, is_even=True, threads=threads)
    begun = [_with_best_step(each, error_of) for each in (held, even)]
    return _with_best_step(min((refine_steps(each, errors_of) for each in begun), key=error_of), error_of)


def _with_best_step(machine: AdjustableMachine, error_of: Callable[[Machine], float]) -> AdjustableMachine:
    """Return a layer with the step of least error, up to the one that it has."""
    return machine.with_lsb(_find_step(machine.adc_step, lambda lsb: error_of(machine.with_lsb(lsb))))


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
