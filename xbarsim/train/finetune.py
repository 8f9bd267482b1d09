"""Hardware-aware training: recovers accuracy that is lost on the hardware.

The weights are trained with quantisation and with the errors of chips that are drawn repeatedly during training, so
that the network becomes insensitive to the errors of single chips. Evaluate the trained network with seeds that differ
from that of the training.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import api, config
from xbarsim.data.labels import check_labels
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.limits import check_count
from xbarsim.network import Network, from_torch, load_network
from xbarsim.network.execute import check_images
from xbarsim.rng import check_seed, stream

if TYPE_CHECKING:
    from xbarsim.train.hardware_model import DrawnChip

Progress = Callable[[str, int, int], None]

CHIPS = 8
"""Chips whose mean and spread training sees; the oldest leaves when a new one is drawn. Where nothing is left to chance
the newest is enough, since older ones were programmed with other weights."""
FIRST_CHIPS = 4
"""Chips drawn before the first step."""
STEEPEST = 1.0
"""Norm that gradients are cut down to. The first steps on noisy arrays have norms above a hundred, which would fill the
optimiser's second moments with what a step in a random direction costs."""
CALIBRATION_IMAGES = 64


def finetune(
    network: Any,
    hardware: config.Hardware | str | Path,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    calibration: ArrayLike | None = None,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    epochs: int = 20,
    batch: int = 64,
    rate: float = 3e-4,
    weight_decay: float = 0.0,
    refresh: int = 1,
    shift: int = 0,
    flip: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> Network:
    """Train a network with a model of the crossbars that injects the errors of the hardware.

    Parameters
    ----------
    network : Network, str, Path or torch.nn.Module
        With weights; a module is converted first.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    images : array_like of float, (images, *input_shape)
        Training images, normalised as the network expects.
    labels : array_like of int, (images,)
        Class of each image.
    calibration : array_like of float, (images, *input_shape), optional
        Calibration images; the first 64 training images if left out.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    epochs, batch : int
        Passes over the images, and images in a training step.
    rate, weight_decay : float
        Learning rate and decay of Adam with decoupled decay; the rate falls to zero along a cosine.
    refresh : int
        Epochs after which a new chip is drawn.
    shift : int
        Augmentation: largest random shift in pixels.
    flip : bool
        Augmentation: whether images are mirrored left to right at random.
    seed : int
        Seed of chips, order and noise.
    threads : int
        Threads of PyTorch; sums in another number of threads may differ in their last bits.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Network
        The same graph with other weights.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong.
    """
    x = np.asarray(images, dtype=np.float32)
    net = load_network(network) if isinstance(network, (Network, str, Path)) else from_torch(network, x.shape[1:])
    x = check_images(net, x)
    truth = _check_labels(labels, len(x), net)
    for name, value, least in (
        ("epochs", epochs, 1),
        ("batch", batch, 1),
        ("refresh", refresh, 1),
        ("shift", shift, 0),
    ):
        check_count(name, value, least)
    check_seed(seed)
    if not rate > 0 or weight_decay < 0:
        raise ConfigError(f"rate: {rate} and weight_decay: {weight_decay} must be above 0, and at least 0")
    record = api.load_hardware(hardware)
    known = x[:CALIBRATION_IMAGES] if calibration is None else check_images(net, np.asarray(calibration, np.float32))

    from xbarsim.train.hardware_model import apply_chip, draw_chip, is_left_to_chance, pool_chips
    from xbarsim.train.torch_network import TorchNetwork, functional, torch, use_threads

    module = TorchNetwork(net)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=weight_decay)
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    draw = functools.partial(
        draw_chip, hardware=record, calibration=known, layers=layers, weight_bits=weight_bits,
        activation_bits=activation_bits, seed=seed,
    )  # fmt: skip
    is_random = is_left_to_chance(net, record, layers)
    chips: deque[DrawnChip] = deque(maxlen=CHIPS if is_random else 1)
    trial = 0
    with use_threads(threads):
        for epoch in range(epochs):
            if epoch % refresh == 0:
                for _ in range(FIRST_CHIPS if is_random and not chips else 1):
                    chips.append(draw(module.to_network(), trial=trial))
                    trial += 1
                pooled = pool_chips(chips)
            rng = stream(seed, "finetune.order", epoch)
            for part, answer in iterate_batches(x, truth, batch, rng, shift=shift, flip=flip):
                outputs = module(torch.tensor(part), apply_chip(pooled, generator))
                loss = functional.cross_entropy(outputs, torch.tensor(answer))
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), STEEPEST)
                optimizer.step()
                schedule.step()
            if progress is not None:
                progress("epochs", epoch + 1, epochs)
    return module.to_network()


def iterate_batches(
    images: np.ndarray, labels: np.ndarray, batch: int, rng: np.random.Generator, *, shift: int = 0, flip: bool = False
) -> Any:
    """Yield shuffled batches of one epoch, with random shifts and mirroring.

    Parameters
    ----------
    images : ndarray, (images, *input_shape)
        All images.
    labels : ndarray of int, (images,)
        Class of each image.
    batch : int
        Images of a batch; a rest of less than half a batch is left out.
    rng : numpy.random.Generator
        One permutation, then a move and a mirror for every image.
    shift : int
        Pixels that images are moved by at most.
    flip : bool
        Whether images are mirrored left to right.

    Yields
    ------
    tuple of ndarray
        Images and labels.
    """
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        if start and len(chosen) < batch / 2:
            return
        part = images[chosen]
        if shift and part.ndim == 4:
            height, width = part.shape[2:]
            padded = np.pad(part, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
            moves = rng.integers(0, 2 * shift + 1, (len(part), 2))
            part = np.stack([image[:, i : i + height, j : j + width] for image, (i, j) in zip(padded, moves)])
        if flip and part.ndim == 4:
            mirrored = rng.random(len(part)) < 0.5
            part = np.where(mirrored[:, None, None, None], part[..., ::-1], part)
        yield np.ascontiguousarray(part), labels[chosen]


def _check_labels(labels: ArrayLike, count: int, network: Network) -> np.ndarray:
    if not count:
        raise ShapeError("images: none given")
    return check_labels(np.asarray(labels), count, network.output_shape[-1]).astype(np.int64)
