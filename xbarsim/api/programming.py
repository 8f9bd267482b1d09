"""From a network and hardware to a programmed chip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import config
from xbarsim.api.chip import Chip, Programmed
from xbarsim.api.prepare import (
    CALIBRATION_IMAGES,
    Job,
    Layers,
    Progress,
    check_counts,
    check_size,
    prepare_job,
    write_provenance,
)
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.errors import ShapeError
from xbarsim.inference.simulate import program_network
from xbarsim.limits import check_count
from xbarsim.network import Network, QuantizedNetwork, find_executor
from xbarsim.network.execute import available_cores, check_images
from xbarsim.rng import check_seed
from xbarsim.target import describe_target


def program(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    calibration: ArrayLike | None = None,
    layers: Layers | None = None,
    trial: int = 0,
    seed: int = 0,
    threads: int | None = None,
    *,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    executor: str = "own",
    progress: Progress | None = None,
) -> Chip:
    """Program a network into a chip: quantise, draw cells, solve arrays, calibrate converters, once.

    Parameters
    ----------
    network : Network, str or Path
        With weights.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    calibration : array_like of float, (images, *input_shape), optional
        Images for activation scales and, the first 64, for ADC ranges. If left out, the chip is programmed when it is
        first called, on the first 64 images of this call, as ``simulate`` does.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    trial : int
        Number of the chip: ``chip(images)`` equals ``simulate(...).outputs[trial]`` bit for bit.
    seed : int
        Seed of all random numbers.
    threads : int, optional
        Threads for programming and for calls, all cores if left out; does not change results.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    executor : str
        Executor of the float network for activation ranges: ``own`` or ``onnxruntime``.
    progress : callable, optional
        Called with ``(stage, done, total)`` while arrays are programmed.

    Returns
    -------
    Chip
        ``chip(images)`` gives raw outputs; ``chip.save(folder)`` keeps it.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong.
    MappingError
        If ``chip.count`` is a number and the network does not fit.
    SolverError
        If the circuit of an array could not be solved within the tolerance.
    """
    check_counts(threads=threads)
    check_count("trial", trial, 0)
    check_seed(seed)
    job = prepare_job(
        network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, executor=executor
    )
    check_size(job.plan, 0)
    check_plausible(Facts(hardware=job.hardware))

    def make(known: np.ndarray) -> Programmed:
        made = program_job(job, known, trial=int(trial), seed=seed, threads=threads, progress=progress)
        check_plausible(Facts(layers=made.errors))
        return made

    if calibration is None:
        return Chip(None, lambda images: make(check_images(job.network, images[:CALIBRATION_IMAGES])), threads)
    known = check_images(job.network, calibration, "calibration")
    if not len(known):
        raise ShapeError("calibration: holds no images")
    return Chip(make(known), threads=threads)


def program_job(
    job: Job,
    known: np.ndarray,
    *,
    trial: int,
    seed: int,
    threads: int | None = None,
    quantized: QuantizedNetwork | None = None,
    progress: Progress | None = None,
) -> Programmed:
    """Program one chip of a mapped network.

    Parameters
    ----------
    job : Job
        The mapped network.
    known : ndarray of float32, (images, *input_shape)
        Calibration images.
    trial, seed : int
        Keys of the random streams.
    threads : int, optional
        Threads; all cores if left out.
    quantized : QuantizedNetwork, optional
        The network in integers, where it is known.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Programmed
        The state of the chip.
    """
    quantized = quantized or job.quantize(known, threads)
    machines, errors = program_network(
        quantized, job.plan, known[:CALIBRATION_IMAGES], seed=seed, trial=trial, threads=threads or available_cores(),
        progress=None if progress is None else lambda done, total: progress("programming arrays", done, total),
    )  # fmt: skip
    settings = {
        "trial": trial, "calibration_images": len(known), "scale_images": quantized.scale_images,
        "executor": find_executor(job.executor).describe(), "target": describe_target(),
    }  # fmt: skip
    made = write_provenance(job.plan, job.hardware, job.layers, seed, settings)
    return Programmed(
        quantized=quantized, machines=machines, errors=tuple(errors), provenance=made, trial=trial
    )  # fmt: skip
