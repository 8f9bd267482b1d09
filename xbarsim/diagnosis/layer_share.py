"""Share of each layer in the loss: layers are moved to the hardware one after another, from both ends of the network.

Both orders lead from the integer network to the hardware, so that their mean adds up to the loss. In the first order
the layers after the moved one are exact, in the second they are on the hardware; these are two antithetic orders of a
Shapley value. The results of the layers before the moved one are reused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from xbarsim import api
from xbarsim.diagnosis.bench import Bench
from xbarsim.diagnosis.checkpoint import Kept
from xbarsim.diagnosis.explanation import LayerShare
from xbarsim.diagnosis.score import COSINE, Scores
from xbarsim.inference.machine import Machine, run_machine
from xbarsim.inference.simulate import program_network
from xbarsim.network import (
    Node,
    QuantizedNetwork,
    dequantize_output,
    integer_layer,
    quantize_input,
    run_network,
)
from xbarsim.network.execute import available_cores

BLOCK = 8
"""Images that are processed together; the results of their layers are kept."""
PASSES = 4000
"""Passes of an image through the network up to which layers are run, on at least one block of images."""


def count_images(layers: int, images: int) -> int:
    """Return the number of images for the shares of layers.

    Parameters
    ----------
    layers, images : int
        Layers of the network, and images that there are.

    Returns
    -------
    int
        At most ``images``.
    """
    return min(images, max(BLOCK, PASSES // (2 * layers)))


def share_layers(
    bench: Bench, measure: str, count: int, progress: Callable[[int, int], None]
) -> tuple[LayerShare, ...]:
    """Share the loss between the layers, on the first chip.

    Parameters
    ----------
    bench : Bench
        Network, hardware, images.
    measure : str
        Measure of ``share_points``.
    count : int
        Images to use, the first ones.
    progress : callable
        ``(done, total)`` images.

    Returns
    -------
    tuple of LayerShare
        In the order of the network.
    """
    subject, plan = bench.subject, bench.plan
    threads, known = subject.threads or available_cores(), subject.known
    quantized = bench.quantize()

    @functools.cache
    def program() -> Mapping[str, Machine]:
        calibration = known[: api.CALIBRATION_IMAGES]
        return program_network(quantized, plan, calibration, seed=subject.seed, trial=0, threads=threads)[0]

    parts = []
    shared = subject.describe_layers(subject.hardware, subject.layers)
    for start in range(0, count, BLOCK):
        images = subject.images[start : min(start + BLOCK, count)]
        about = ["layers", shared, start, len(images)]
        kept = bench.checkpoint.find(about)
        if kept is None:
            kept = Kept(outputs=np.stack(_walk(quantized, program(), images, start, threads)), record={})
            bench.checkpoint.keep(about, kept)
        parts.append(kept.outputs)
        progress(start + len(images), count)
    front, back = (np.concatenate([part[way] for part in parts], axis=1) for way in (0, 1))
    scores = [bench.rate(outputs) for outputs in (front, back)]
    ratios = bench.plain.snr_db
    return tuple(
        LayerShare(
            layer=layer.name,
            share_points=bench.measure(measure).scale * _share(scores, measure, place),
            snr_db=ratios[layer.name],
            cosine_points=bench.measure(COSINE).scale * _share(scores, COSINE, place),
        )
        for place, layer in enumerate(plan.layers)
    )


def _share(scores: list[Scores], measure: str, place: int) -> float:
    front, back = (score[measure].mean(axis=1) for score in scores)
    return float(0.5 * (front[place] - front[place + 1] + back[-place - 2] - back[-place - 1]))


def _walk(
    quantized: QuantizedNetwork, machines: Mapping[str, Machine], images: np.ndarray, first: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs (layers + 1, images, ...) with the first k layers on hardware, and with the last k."""
    network = quantized.network
    names = [node.name for node in network.layers]

    def compute(node: Node, x: np.ndarray, on_hardware: bool) -> np.ndarray:
        if on_hardware:
            return run_machine(machines[node.name], x, first_image=first, threads=threads)
        layer = quantized.layers[node.name]
        return dequantize_output(layer, integer_layer(layer, node, quantize_input(layer, x)))

    def walk(starts_on_hardware: bool) -> list[np.ndarray]:
        """Move the border between both kinds of layers from the front to the back."""
        kept: dict[str, np.ndarray] = {}
        outputs = []
        for border in range(len(names) + 1):
            before = set(names[:border])

            def layer_function(node: Node, x: np.ndarray, before: set[str] = before) -> np.ndarray:
                if node.name not in before:
                    return compute(node, x, not starts_on_hardware)
                if node.name not in kept:
                    kept[node.name] = compute(node, x, starts_on_hardware)
                return kept[node.name]

            outputs.append(run_network(network, images, layer_function, block=len(images)))
        return outputs

    return np.stack(walk(True)), np.stack(walk(False)[::-1])
