"""The ADC range from calibration inputs, one for all matrices of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.converter import AdcRange, SumSample, calibrate_range
from xbarsim.mvm.steps import MatrixSums, choose_columns

if TYPE_CHECKING:
    from xbarsim.mvm.engine import Engine

HISTOGRAM_BINS = 1 << 15
"""Bins of column sums for a calibration that may clip."""
MOST_BENT = 2.0
"""Times the sum of an operator up to which bent sums have bins of their own."""


def find_range(engine: Engine, codes: ArrayLike, *, threads: int | None = None, **window: Any) -> AdcRange:
    """Return the range in equal steps that covers all calibration sums, or the share ``adc.quantile`` of them.

    Parameters
    ----------
    engine : Engine
        A matrix.
    codes : array_like of int, (vectors, K) or (images, channels, height, width)
        Calibration inputs: vectors, or images where ``geometry`` is given.
    threads : int, optional
        Threads.
    **window
        ``geometry`` from :func:`make_geometry`, ``pad_code`` and ``row_order`` as in :meth:`Engine.convolve`.

    Returns
    -------
    AdcRange
        That of the engine where the full scale is ``whole`` or the ADC ideal.
    """
    if engine.hardware.adc.full_scale == "whole" or engine.adc.is_ideal:
        return engine.adc
    bound = max(engine.grids.highest_sum, -engine.grids.lowest_sum)
    if engine.errors is not None:
        bound *= float(np.abs(engine.errors.gain).max())
    if engine.programmed.bend is not None:
        bound *= MOST_BENT
    quantile = engine.hardware.adc.quantile or 1.0
    bins = HISTOGRAM_BINS if quantile < 1 else 0
    seen, _ = engine.observe(codes, bins=bins, bins_per_unit=bins / bound if bins else 0.0, threads=threads, **window)
    top = max(seen.highest, -seen.lowest)
    if not bins:
        return engine.adc.with_full_scale(top)
    edges = np.minimum((np.arange(bins) + 1) * (bound / bins), top)
    return calibrate_range(engine.adc, seen.counts, edges, quantile)


def share_range(
    parts: Sequence[tuple[Engine, ArrayLike, dict[str, Any]]], *, is_even: bool = False, threads: int | None = None
) -> list[Engine]:
    """Give the matrices of a layer one ADC range: the widest that any of them needs.

    Parameters
    ----------
    parts : sequence of (Engine, array_like of int, dict)
        Every matrix, its calibration inputs, and the keywords of :func:`find_range` that cut them into windows.
    is_even : bool
        Whether all reads have one step, but for that of a sign bit, whatever ``adc.step_per`` says.
    threads : int, optional
        Threads.

    Returns
    -------
    list of Engine
        In the order of ``parts``. Thresholds of unequal steps are placed on the column sums of all of them.
    """
    sums = [engine.sample_reads(codes, **window) for engine, codes, window in parts]
    chosen = [each for each in sums if each is not None]
    if chosen:
        joined = np.concatenate(chosen, axis=2)
        parts = [(engine.suit_steps(joined, is_even), codes, window) for engine, codes, window in parts]
        if parts[0][0].hardware.adc.step_per == "column" and not is_even:
            matrices = [MatrixSums(own, engine.outputs) for own, (engine, *_) in zip(chosen, parts)]
            first = parts[0][0]
            steps = choose_columns(matrices, first.steps, first.hardware, first.streams, first.adc)
            parts = [(replace(engine, steps=own), *rest) for own, (engine, *rest) in zip(steps, parts)]  # type: ignore[misc]
    ranges = [find_range(engine, codes, threads=threads, **window) for engine, codes, window in parts]
    samples = [engine.sample_sums(codes, **window) for engine, codes, window in parts]
    found = [sample for sample in samples if sample is not None]
    merged = SumSample(*(np.concatenate(each) for each in zip(*found))) if found else None
    widest = max(ranges, key=lambda each: each.lsb)
    return [engine.with_range(widest, merged) for engine, _, _ in parts]
