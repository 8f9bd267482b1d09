"""From outputs to a report: metrics, measured cost and provenance, however the outputs were computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.api.prepare import CALIBRATION_IMAGES, Job, describe_array_reads, write_provenance
from xbarsim.cost import Cost, Measured, price
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.errors import ConfigError
from xbarsim.inference import LayerError, measure_accuracy
from xbarsim.mapping import Plan
from xbarsim.network import find_executor
from xbarsim.report import Report, Seconds
from xbarsim.report.judge import USUAL_METRIC, Judge, compare_outputs
from xbarsim.target import describe_target
from xbarsim.timing import Activity, simulate_plan


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a simulation has found, before it is judged."""

    reference: np.ndarray
    """(images, *output_shape) outputs of the float network."""
    quantized: np.ndarray
    """(images, *output_shape) outputs of the integer network."""
    hardware: np.ndarray
    """(trials, images, *output_shape) outputs of the chips."""
    labels: np.ndarray | None
    """(images, ...) as the metric takes them."""
    runs: int
    """Trials that were run; the others repeat the first."""
    errors: tuple[LayerError, ...]
    """Error of each layer, mean over trials."""
    seconds: Seconds
    """Times."""


def write_report(
    job: Job,
    found: Found,
    *,
    judge: Judge,
    metric: str | Callable[..., Any],
    seed: int,
    settings: Mapping[str, Any],
) -> Report:
    """Judge outputs and collect a report.

    Parameters
    ----------
    job : Job
        The network on its hardware.
    found : Found
        Outputs, labels, errors and times.
    judge : Judge
        The metric.
    metric : str or callable
        The metric as given.
    seed : int
        Seed of all random numbers.
    settings : mapping
        Settings of the run, for the provenance.

    Returns
    -------
    Report
        Metric, accuracy, outputs, cost and times.
    """
    activity = simulate_plan(job.plan)
    split = job.network.split_outputs
    accuracy, measured = None, None
    if found.labels is not None:
        floats, codes, chips = map(split, (found.reference, found.quantized, found.hardware))
        measured = compare_outputs(judge, floats, codes, chips, found.labels, runs=found.runs, seed=seed)
        if metric == USUAL_METRIC:
            accuracy = measure_accuracy(found.reference, found.quantized, found.hardware, found.labels, runs=found.runs)
            check_plausible(Facts(accuracy=accuracy, classes=found.reference.shape[-1]))
    counted = {"trials": len(found.hardware), "images": len(found.reference)}
    images = min(settings["calibration_images"], CALIBRATION_IMAGES)
    ran = {"executor": find_executor(job.executor).describe(), **describe_array_reads(job.hardware, images)}
    settings = {**counted, **settings, **ran, "target": describe_target()}
    return Report(
        cost=_price_measured(job.plan, activity, found.errors),
        errors=found.errors,
        provenance=write_provenance(job.plan, job.hardware, job.layers, seed, settings),
        activity=activity,
        accuracy=accuracy,
        metric=measured,
        outputs=split(found.hardware),
        seconds=found.seconds,
    )


def check_truth(
    judge: Judge, labels: ArrayLike | None, images: int, job: Job, *, part: bool = False
) -> np.ndarray | None:
    """Return labels as the metric takes them.

    Parameters
    ----------
    judge : Judge
        The metric.
    labels : array_like, (images, ...), or None
        Labels as given.
    images : int
        Number of images.
    job : Job
        Its network has the outputs that labels stand beside.
    part : bool
        Whether more labels follow.

    Returns
    -------
    ndarray, (images, ...), or None
        None where there are none and nobody asked for a metric.

    Raises
    ------
    ConfigError, ShapeError
        If labels are missing or do not fit.
    """
    if labels is not None:
        return judge.check(labels, images, job.network.output_shapes or job.network.output_shape, part=part)
    if judge.name != USUAL_METRIC:
        raise ConfigError(f"labels: metric {judge.name} needs them; pass labels, one entry per image")
    return None


def _price_measured(plan: Plan, activity: Activity, errors: tuple[LayerError, ...]) -> Cost:
    measured = {
        error.name: Measured(
            mean_level=error.mean_level, input_activity=error.input_activity, array_watt=error.array_read_watt
        )
        for error in errors
    }
    return price(plan, activity, measured=measured)
