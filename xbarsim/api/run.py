"""Estimates of costs and simulations of accuracy.

Every function here loads its arguments, calls the other packages in order and combines their results; it contains no
models of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import config
from xbarsim.api.hardware import load_hardware
from xbarsim.api.prepare import (
    CALIBRATION_IMAGES,
    Layers,
    Progress,
    check_counts,
    check_size,
    prepare_job,
    write_provenance,
)
from xbarsim.api.shared import Shared
from xbarsim.cost import Cost, Measured, describe_reads, price
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference import LayerError, measure_accuracy, simulate_network
from xbarsim.mapping import Plan, plan_network
from xbarsim.network import FloatRun, Network, find_executor, load_network, run_integer
from xbarsim.network.execute import check_images
from xbarsim.report import CostReport, Report, Seconds
from xbarsim.report.judge import USUAL_METRIC, Judge, choose_judge, compare_outputs
from xbarsim.rng import check_seed
from xbarsim.timing import Activity, simulate_plan


def estimate(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    layers: Layers | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
) -> CostReport:
    """Estimate energy, delay and area of one inference, without data or weights.

    Parameters
    ----------
    network : Network, str or Path
        A network, or an argument of :func:`load_network`.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value, for example ``{"conv1": {"crossbar.rows": 32, "weight_bits": 6}}``.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.

    Returns
    -------
    CostReport
        Energy [J], delay [s], area [m2] and other results as attributes, and the tables ``layers`` and ``components``.

    Raises
    ------
    ConfigError
        If an input is wrong.
    MappingError
        If ``chip.count`` is a number and the network does not fit.
    """
    net, record = load_network(network), load_hardware(hardware)
    plan = plan_network(net, record, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits)
    activity = simulate_plan(plan)
    cost = price(plan, activity)
    settings = {
        "assumed_mean_level": record.assumed_level,
        "assumed_input_activity": record.activity.input_activity,
        **_describe_array_reads(record),
    }
    return CostReport(
        cost=cost,
        provenance=write_provenance(plan, record, layers, 0, settings),
        activity=activity,
    )


def simulate(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    calibration: ArrayLike | None = None,
    layers: Layers | None = None,
    trials: int = 1,
    seed: int = 0,
    batch_size: int | None = None,
    threads: int | None = None,
    *,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    reference: Network | str | Path | None = None,
    executor: str = "own",
    metric: str | Callable[..., Any] = USUAL_METRIC,
    shared: Shared | None = None,
    progress: Progress | None = None,
) -> Report:
    """Simulate a trained network on hardware: its accuracy and the cost of one inference.

    Parameters
    ----------
    network : Network, str or Path
        With weights.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    images : array_like of float, (images, *input_shape)
        Test images, normalised as the network expects.
    labels : array_like, (images, ...), optional
        Expected outputs, as ``metric`` takes it: for ``top1`` the class of each image. Without them
        ``report.accuracy`` and ``report.metric`` are None.
    calibration : array_like of float, (images, *input_shape), optional
        Images for calibration of activation scales (as many as the scales need to converge) and of ADC ranges (the
        first 64); the first 64 of ``images`` if left out.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    trials : int
        Number of chips, each with its own random variation, stuck cells and noise. Where nothing is random, only one
        is simulated (``report.accuracy.runs``).
    seed : int
        Seed of all random numbers.
    batch_size : int, optional
        Number of images in a block; does not change results.
    threads : int, optional
        Number of threads, all cores if left out; does not change results.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    reference : Network, str or Path, optional
        The float network that ``network`` was quantised from (:func:`xbarsim.quantize`), for
        ``report.accuracy.reference``; ``network`` in float if left out.
    executor : str
        Executor of the float network, for its accuracy and for activation ranges: ``own``, or ``onnxruntime``, which
        differs in the last bits. ``report.provenance.settings`` names it with its version.
    metric : str or callable
        Metric of the outputs: ``top1``, ``top5``, ``miou``, ``perplexity``, ``error`` (root mean square), a registered
        name, or a function ``(outputs, labels) -> float``. The result is
        ``report.metric``, and ``report.accuracy`` too for ``top1``.
    shared : Shared, optional
        Cache for further calls with the same images.
    progress : callable, optional
        Called with ``(stage, done, total)`` while the simulation runs.

    Returns
    -------
    Report
        Metric in float, in integers and on the hardware; raw outputs; cost with measured activity; times [s].

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong.
    MappingError
        If ``chip.count`` is a number and the network does not fit.
    SolverError
        If the circuit of an array could not be solved within the tolerance.
    """
    check_seed(seed)
    check_counts(trials=trials, batch_size=batch_size, threads=threads)
    started, judge = time.perf_counter(), choose_judge(metric)
    job = prepare_job(
        network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, executor=executor
    )
    net, plan, runner = job.network, job.plan, find_executor(executor)
    mapped = time.perf_counter() - started
    x = check_images(net, np.asarray(images))
    if not len(x):
        raise ShapeError("images: none given")
    check_size(plan, trials * len(x))
    truth = _check_truth(judge, labels, len(x), net.output_shapes or net.output_shape)
    known = job.choose_calibration(x, calibration)
    assert known is not None
    keep, key, ran = shared or Shared(), job.key, job.ran
    quantized = job.quantize(known, threads, keep)
    origin = net if reference is None else _load_reference(reference, net)
    exact = keep.recall(
        ("float reference", origin.hash, *ran),
        lambda: runner.run(origin, x, FloatRun(threads=threads, progress=_stage(progress, "float reference"))),
    )
    integers = keep.recall(
        ("integer reference", *key),
        lambda: run_integer(quantized, x, threads=threads, progress=_stage(progress, "integer reference")),
    )
    outcome = simulate_network(
        quantized, plan, x, known[:CALIBRATION_IMAGES], trials=trials, seed=seed, batch_size=batch_size,
        threads=threads, progress=progress,
    )  # fmt: skip
    activity = simulate_plan(plan)
    cost = _price_measured(plan, activity, outcome.errors)
    settings = {
        "trials": trials, "images": len(x), "calibration_images": len(known), "scale_images": quantized.scale_images,
        "executor": runner.describe(), **({} if reference is None else {"reference_hash": origin.hash}),
        **_describe_array_reads(job.hardware, min(len(known), CALIBRATION_IMAGES)),
    }  # fmt: skip
    accuracy, measured = None, None
    if truth is not None:
        floats, codes, chips = map(net.split_outputs, (exact, integers, outcome.outputs))
        measured = compare_outputs(judge, floats, codes, chips, truth, runs=outcome.runs, seed=seed)
        if metric == USUAL_METRIC:
            accuracy = measure_accuracy(exact, integers, outcome.outputs, truth, runs=outcome.runs)
    return Report(
        cost=cost,
        errors=outcome.errors,
        provenance=write_provenance(plan, job.hardware, layers, seed, settings),
        activity=activity,
        accuracy=accuracy,
        metric=measured,
        outputs=net.split_outputs(outcome.outputs),
        seconds=Seconds(setup=mapped + outcome.seconds_setup, run=outcome.seconds_run),
    )


def _describe_array_reads(hardware: config.Hardware, images: int | None = None) -> dict[str, str]:
    """Return where the energy of array reads comes from, as a setting of the provenance; nothing where it is a number.

    ``images`` counts those on which it was measured.
    """
    found = describe_reads(hardware, images)
    return {} if found is None else {"array_energy": found}


def _load_reference(given: Network | str | Path, network: Network) -> Network:
    """Load the float network that a quantised one stands for; ConfigError if inputs or outputs differ in shape."""
    found = load_network(given)
    found.require_weights()
    if (found.input_shape, found.output_shape) != (network.input_shape, network.output_shape):
        raise ConfigError(
            f"reference: network {found.name} takes {found.input_shape} and gives {found.output_shape}, but network "
            f"{network.name} {network.input_shape} and {network.output_shape}; give the network it was quantised from"
        )
    return found


def _price_measured(plan: Plan, activity: Activity, errors: tuple[LayerError, ...]) -> Cost:
    measured = {
        error.name: Measured(
            mean_level=error.mean_level, input_activity=error.input_activity, array_watt=error.array_read_watt
        )
        for error in errors
    }
    return price(plan, activity, measured=measured)


def _check_truth(
    judge: Judge, labels: ArrayLike | None, images: int, shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]
) -> np.ndarray | None:
    """Return labels as the metric takes them; None where there are none and nobody asked for a metric."""
    if labels is not None:
        return judge.check(labels, images, shape)
    if judge.name != USUAL_METRIC:
        raise ConfigError(f"labels: metric {judge.name} needs them; pass labels, one entry an image")
    return None


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
