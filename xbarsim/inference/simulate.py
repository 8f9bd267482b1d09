"""Run a quantised network on programmed hardware, trial by trial.

Each trial programs the arrays of all layers, calibrates the ADC ranges on the calibration images, and runs all images.
During calibration the inputs of every layer are the activations of the exact integer network, so that layers are
calibrated independently of the errors of other layers; the error of each layer is measured at the same time. Images are
processed in blocks on several threads. No operation combines images, and random streams depend on the image, so results
do not depend on the block size or the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.correction import correct_outputs
from xbarsim.inference.fidelity import LayerError, measure_layer
from xbarsim.inference.layer import program_layer
from xbarsim.inference.machine import AdjustableMachine, Machine, run_machine
from xbarsim.mapping import Plan
from xbarsim.network import (
    Network,
    Node,
    QuantizedNetwork,
    dequantize_output,
    integer_layer,
    quantize_input,
    run_network,
)
from xbarsim.network.execute import available_cores, block_size, check_images, single_threaded_blas

Progress = Callable[[str, int, int], None]

_BLOCK_BYTES = 24 << 20
"""Values of a block of images, at most [bytes]. Our choice: results do not depend on it."""
OTHER_CHIP = -1
"""Trial of the first of the chips that a shared correction is fitted to; the others count down from there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Results of a simulation."""

    outputs: np.ndarray
    """(trials, images, classes) raw outputs, float32."""
    runs: int
    """Number of simulated trials; 1 if nothing is random."""
    errors: tuple[LayerError, ...]
    """Error of each layer on the calibration images, mean over trials."""
    seconds_setup: float
    """Programming, solving and calibrating the arrays, mean over trials [s]."""
    seconds_run: float
    """Running the images, mean over trials [s]."""


def simulate_network(
    quantized: QuantizedNetwork,
    plan: Plan,
    images: np.ndarray,
    calibration: np.ndarray,
    *,
    trials: int = 1,
    seed: int = 0,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run a quantised network on the hardware of a plan.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Integer weights and scales.
    plan : Plan
        How every layer is cut, and the hardware that it runs on.
    images : ndarray of float32, (images, *input_shape)
        What to classify.
    calibration : ndarray of float32, (images, *input_shape)
        Images that set the ADC ranges.
    trials : int
        Independent draws of everything random; where nothing is, the first stands for all.
    seed : int
        Seed of all streams.
    batch_size : int, optional
        Images in a block; chosen by memory if left out. Has no influence on results.
    threads : int, optional
        Threads; every available core if left out. Has no influence on results.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Outcome
        Outputs, errors and times.
    """
    network = quantized.network
    images = check_images(network, images)
    threads = threads or available_cores()
    outputs = np.empty((trials, len(images), *network.output_shape), np.float32)
    errors, setup, run = [], [], []
    runs = trials if any(layer.hardware.is_random for layer in plan.layers) else 1
    for trial in range(runs):
        suffix = f" (trial {trial + 1} of {runs})" if runs > 1 else ""
        report = _named(progress, "programming arrays" + suffix)
        started = time.perf_counter()
        machines, measured = program_network(
            quantized, plan, calibration, seed=seed, trial=trial, threads=threads, progress=report
        )
        errors.append(measured)
        setup.append(time.perf_counter() - started)
        report = _named(progress, "images on hardware" + suffix)
        started = time.perf_counter()
        run_machines(network, machines, images, outputs[trial], batch_size=batch_size, threads=threads, progress=report)
        run.append(time.perf_counter() - started)
    outputs[runs:] = outputs[0]
    return Outcome(
        outputs=outputs,
        runs=runs,
        errors=tuple(LayerError.mean(parts) for parts in zip(*errors)),
        seconds_setup=float(np.mean(setup)),
        seconds_run=float(np.mean(run)),
    )


def program_network(
    quantized: QuantizedNetwork,
    plan: Plan,
    calibration: np.ndarray,
    *,
    seed: int,
    trial: int,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Machine], list[LayerError]]:
    """Program and calibrate every layer, and measure each layer's own error.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Integer weights and scales.
    plan : Plan
        How every layer is cut.
    calibration : ndarray of float32, (images, *input_shape)
        Images that set the ADC ranges.
    seed, trial : int
        Key of the device's random streams.
    threads : int
        Threads for solving arrays.
    progress : callable, optional
        ``(done, total)`` layers.

    Returns
    -------
    tuple
        Layer name -> machine, and one error record a layer in the order of the network.
    """
    machines: dict[str, Machine] = {}
    errors: list[LayerError] = []
    # with adc.correction_inputs: hardware, the exact activations are followed by those of this chip
    runs = 2 if any(mapped.hardware.adc.correction_inputs == "hardware" for mapped in plan.layers) else 1

    def program(node: Node, x: np.ndarray) -> np.ndarray:
        layer = quantized.layers[node.name]
        codes, *felt = np.split(quantize_input(layer, x), runs)
        exact = integer_layer(layer, node, codes)

        def calibrate(chip: int) -> AdjustableMachine:
            programmed = program_layer(
                node, layer, plan.layer(node.name), seed=seed, trial=chip, codes=codes, threads=threads
            )
            return calibrate_machine(programmed, codes, exact, threads=threads)

        machine: Machine = calibrate(trial)
        adc = machine.plan.hardware.adc
        if adc.output_correction:
            is_felt = adc.correction_inputs == "hardware"
            inputs = felt[0] if is_felt else codes
            others = [calibrate(OTHER_CHIP - chip) for chip in range(adc.correction_chips or 0)]
            machine = correct_outputs(machine, inputs, exact, fitted_on=others, keeps_spread=is_felt, threads=threads)
        errors.append(measure_layer(machine, codes, exact, threads=threads))
        machines[node.name] = machine
        if progress is not None:
            progress(len(machines), len(plan.layers))
        parts = [dequantize_output(layer, exact)]
        parts += [dequantize_output(layer, machine.accumulate(own, threads=threads), machine.lsb) for own in felt]
        return np.concatenate(parts)

    run_network(quantized.network, np.concatenate([calibration] * runs), program, block=runs * len(calibration))
    return machines, errors


def run_machines(
    network: Network,
    machines: Mapping[str, Machine],
    images: np.ndarray,
    outputs: np.ndarray,
    *,
    first_image: int = 0,
    batch_size: int | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Pass images through programmed hardware.

    Parameters
    ----------
    network : Network
        The graph; its weight layers are computed by ``machines``.
    machines : mapping
        Layer name -> machine.
    images : ndarray of float32, (images, *input_shape)
        What to classify.
    outputs : ndarray of float32, (images, classes)
        Written block by block.
    first_image : int
        Index of the first image within the run; it keys the noise of single reads.
    batch_size : int, optional
        Images in a block.
    threads : int
        Blocks that run side by side; a single block uses them inside its layers.
    progress : callable, optional
        ``(done, total)`` images.
    """
    size = batch_size or _even_size(len(images), block_size(network, _BLOCK_BYTES), threads)
    starts = range(0, len(images), size)
    workers = min(threads, len(starts))
    inner = max(1, threads // max(1, workers))

    def run(start: int) -> int:
        block = images[start : start + size]
        outputs[start : start + size] = run_network(
            network,
            block,
            lambda node, x: run_machine(machines[node.name], x, first_image=first_image + start, threads=inner),
            block=len(block),
        )
        return len(block)

    done = 0
    with single_threaded_blas(), ThreadPoolExecutor(workers) as pool:
        for count in pool.map(run, starts) if workers > 1 else map(run, starts):
            done += count
            if progress is not None:
                progress(done, len(images))


def _even_size(images: int, most: int, threads: int) -> int:
    """Return the size of blocks of at most ``most`` images that gives every thread equally much."""
    blocks = -(-images // most)
    blocks = -(-blocks // threads) * threads
    return max(1, -(-images // blocks)) if blocks else 1


def _named(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(stage, done, total)
