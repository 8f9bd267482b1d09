"""Simulations of accuracy.

Every function here loads its arguments, calls the other packages in order and combines their results; it contains no
models of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import config
from xbarsim.api.flow import FlowOptions, run_stream
from xbarsim.api.prepare import (
    CALIBRATION_IMAGES,
    Job,
    Layers,
    Progress,
    check_answers,
    check_counts,
    check_size,
    prepare_job,
)
from xbarsim.api.result import Found, check_truth, write_report
from xbarsim.api.shared import Shared
from xbarsim.data import Dataset, Stream, open_stream
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.data.stream import is_sliced
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference import simulate_network
from xbarsim.network import FloatRun, Network, find_executor, load_network, run_integer
from xbarsim.network.execute import check_images, check_plain, read_array
from xbarsim.report import Report, Seconds
from xbarsim.report.judge import USUAL_METRIC, Judge, choose_judge
from xbarsim.rng import check_seed

if TYPE_CHECKING:
    from distributed import Client


def simulate(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    images: ArrayLike | Dataset | Stream | str | Path | Iterable[Any],
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
    workers: int | None = None,
    cluster: str | Client | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Simulate a trained network on hardware: its accuracy and the cost of one inference.

    Parameters
    ----------
    network : Network, str or Path
        With weights.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    images : array_like of float, (images, *input_shape), or stream
        Test images, normalised as the network expects. What is not an array in memory is read block by block and once
        (:func:`xbarsim.data.open_stream`): a memory map, what ``load_data`` returns, a folder, an iterable of blocks
        ``(images, labels)``, a PyTorch DataLoader. Results do not depend on the form.
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
        Cache for further calls with the same array of images.
    workers : int, optional
        Number of processes of this machine, one thread each; this process alone if left out.
    cluster : str or distributed.Client, optional
        Dask cluster: the address of its scheduler, for example ``tcp://10.0.0.1:8786``, or a connected client.
    checkpoint : str or Path, optional
        Folder for programmed chips and the outputs of finished blocks; an interrupted simulation with the same
        settings continues there.
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
    check_counts(trials=trials, batch_size=batch_size, threads=threads, workers=workers)
    if workers is not None and cluster is not None:
        raise ConfigError("workers: cannot be combined with cluster, which has its own workers; leave one of them out")
    check_plain(images, "images")
    started, judge = time.perf_counter(), choose_judge(metric)
    job = prepare_job(
        network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, executor=executor
    )
    mapped = time.perf_counter() - started
    origin = job.network if reference is None else _load_reference(reference, job.network)
    options = FlowOptions(
        trials=trials, seed=seed, batch_size=batch_size, threads=threads, workers=workers, cluster=cluster,
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    if options.is_spread or checkpoint is not None or not _is_in_memory(images):
        stream = _open(images, job.network.input_shape)
        found, settings = run_stream(
            job, stream, labels, calibration, None if reference is None else origin, judge, options
        )
    else:
        found, settings = _run_array(job, images, labels, calibration, origin, judge, options, shared or Shared())
    found = replace(found, seconds=replace(found.seconds, setup=mapped + found.seconds.setup))
    if reference is not None:
        settings["reference_hash"] = origin.hash
    return write_report(job, found, judge=judge, metric=metric, seed=seed, settings=settings)


def _is_in_memory(images: Any) -> bool:
    """Return whether images are an array that is simulated as a whole, or what NumPy makes one of."""
    if isinstance(images, np.ndarray):
        return not isinstance(images, np.memmap)
    is_plain = isinstance(images, (list, tuple)) and not (images and isinstance(images[0], (tuple, Mapping)))
    return is_plain or (hasattr(images, "__array__") and not hasattr(images, "__iter__"))


def _open(images: Any, shape: tuple[int, ...]) -> Stream:
    """Open a stream; pixels are scaled to 0..1 where they come from files or a Dataset, and refused elsewhere."""
    if _is_in_memory(images):
        images = read_array(images, "images")
    if is_sliced(images) and tuple(images.shape[1:]) != shape:
        expected = ", ".join(("images", *map(str, shape)))
        raise ShapeError(f"images: expected shape ({expected}), given {tuple(images.shape)}")
    return open_stream(images, normalize=isinstance(images, (str, Path, Dataset)))


def _run_array(
    job: Job,
    images: Any,
    labels: ArrayLike | None,
    calibration: ArrayLike | None,
    origin: Network,
    judge: Judge,
    options: FlowOptions,
    keep: Shared,
) -> tuple[Found, dict[str, Any]]:
    """Run an array (images, *input_shape) chip by chip; see :func:`~xbarsim.api.flow.run_stream`."""
    threads, progress, runner = options.threads, options.progress, find_executor(job.executor)
    x = check_images(job.network, images)
    if not len(x):
        raise ShapeError("images: none given")
    check_size(job.plan, options.trials * len(x))
    truth = check_truth(judge, labels, len(x), job)
    known = job.choose_calibration(x, calibration)
    assert known is not None
    check_plausible(Facts(images=x, calibration=known if calibration is not None else None, hardware=job.hardware))
    quantized = job.quantize(known, threads, keep)
    exact = keep.recall(
        ("float reference", origin.hash, *job.ran),
        lambda: runner.run(origin, x, FloatRun(threads=threads, progress=_stage(progress, "float reference"))),
    )
    if truth is not None and judge.name == USUAL_METRIC:
        check_answers(job, x, truth, exact, threads, None if calibration is None else known)
    integers = keep.recall(
        ("integer reference", *job.key),
        lambda: run_integer(quantized, x, threads=threads, progress=_stage(progress, "integer reference")),
    )
    outcome = simulate_network(
        quantized, job.plan, x, known[:CALIBRATION_IMAGES], trials=options.trials, seed=options.seed,
        batch_size=options.batch_size, threads=threads, progress=progress,
    )  # fmt: skip
    check_plausible(Facts(layers=outcome.errors))
    found = Found(
        reference=exact,
        quantized=integers,
        hardware=outcome.outputs,
        labels=truth,
        runs=outcome.runs,
        errors=outcome.errors,
        seconds=Seconds(setup=outcome.seconds_setup, run=outcome.seconds_run),
    )
    return found, {"calibration_images": len(known), "scale_images": quantized.scale_images}


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


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
