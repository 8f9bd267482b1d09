"""Hardware-aware training: recovers accuracy that is lost on the hardware.

The weights are trained with quantisation and with the errors of chips that are drawn in every step, so that the network
becomes insensitive to the errors of single chips. How it trains is chosen with a part of the training images. Evaluate
the trained network with seeds that differ from that of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import __version__, api, config
from xbarsim.data.labels import check_labels
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.limits import check_count
from xbarsim.mapping import plan_network
from xbarsim.network import Network, from_torch, load_network
from xbarsim.network.execute import check_images, read_array, single_threaded_blas
from xbarsim.plugin import hash_plugins, select_plugins
from xbarsim.rng import check_seed
from xbarsim.store import hash_arrays
from xbarsim.target import describe_target

if TYPE_CHECKING:
    from xbarsim.train.tuning import TunedNetwork

Progress = Callable[[str, int, int], None]


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
    rate: float | None = None,
    weight_decay: float = 0.0,
    refresh: int | None = None,
    shift: int = 0,
    flip: bool = False,
    soft: float | None = None,
    clip: float | None = None,
    law: str | None = None,
    strength: float | None = None,
    times: Sequence[float] | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Network:
    """Train a network with a model of the crossbars that injects the errors of the hardware.

    The noise of every cell follows its code, as measured on drawn chips, and every training step draws new chips.
    Strength and law of the noise are chosen by short runs on nine tenths of the images, which are compared on the
    other tenth, unless they are given or there are too few steps. :func:`tune` returns what was chosen, too.

    Parameters
    ----------
    network : Network, str, Path or torch.nn.Module
        With weights; a module is converted first. Epitomes are trained as what their arrays store.
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
        Learning rate and decay of Adam with decoupled decay; the rate falls to zero along a cosine. If the rate is left
        out, each weight and bias has one of 1 % of its root mean square.
    refresh : int, optional
        Epochs after which the noise is measured on new chips; twice in all if left out, or every epoch where
        nothing is left to chance.
    shift : int
        Augmentation: largest random shift in pixels.
    flip : bool
        Augmentation: whether images are mirrored left to right at random.
    soft : float, optional
        Weight of the outputs of the network before training in the loss, 0..1; the rest is that of the labels. 0.5
        if left out.
    clip : float, optional
        Magnitude beyond which weights are cut off, in root mean squares of an output's weights; 0 for never. 2.5 if
        left out.
    law : str, optional
        Law of the noise of cells: ``measured``, ``uniform`` or ``proportional``, of equal mean variance. Chosen if left
        out.
    strength : float, optional
        What the standard deviations of the noise are multiplied by. Chosen if left out.
    times : sequence of float, optional
        Times after programming at which chips are read [s], in place of ``device.drift.time_s``: every step sees one of
        them.
    checkpoint : str or Path, optional
        Folder that keeps the training while it runs. With the same arguments it goes on from there after it was
        killed, and ends with the same network, bit for bit.
    seed : int
        Seed of chips, order and noise.
    threads : int, optional
        Number of threads for the calibration images, all cores if left out; does not change results. Training takes
        one, because PyTorch adds in another order on another number of threads.
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
    return tune(
        network, hardware, images, labels, calibration=calibration, layers=layers, weight_bits=weight_bits,
        activation_bits=activation_bits, epochs=epochs, batch=batch, rate=rate, weight_decay=weight_decay,
        refresh=refresh, shift=shift, flip=flip, soft=soft, clip=clip, law=law, strength=strength, times=times,
        checkpoint=checkpoint, seed=seed, threads=threads, progress=progress,
    ).network  # fmt: skip


def tune(
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
    rate: float | None = None,
    weight_decay: float = 0.0,
    refresh: int | None = None,
    shift: int = 0,
    flip: bool = False,
    soft: float | None = None,
    clip: float | None = None,
    law: str | None = None,
    strength: float | None = None,
    times: Sequence[float] | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> TunedNetwork:
    """Train a network as :func:`finetune` does, and return what was chosen as well.

    Parameters
    ----------
    network, hardware
        As in :func:`finetune`.
    images : array_like of float, (images, *input_shape)
        Training images.
    labels : array_like of int, (images,)
        Class of each image.
    calibration : array_like of float, (images, *input_shape), optional
        Calibration images.
    layers, weight_bits, activation_bits, epochs, batch, rate
        As in :func:`finetune`.
    weight_decay, refresh, shift, flip, soft, clip, law, strength, times, checkpoint, seed, threads, progress
        As in :func:`finetune`.

    Returns
    -------
    TunedNetwork
        The network, the recipe that it was trained by, and the losses of all recipes that were tried.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong.
    """
    x = read_array(images, "images")
    net = load_network(network) if isinstance(network, (Network, str, Path)) else from_torch(network, x.shape[1:])
    x = check_images(net, x)
    truth = _check_labels(labels, len(x), net)
    given = {"rate": rate, "soft": soft, "clip": clip, "law": law, "strength": strength}
    given = {name: value for name, value in given.items() if value is not None}
    counts = {"epochs": epochs, "batch": batch, "refresh": refresh, "shift": shift, "threads": threads}
    _check_settings(counts, given, weight_decay, times)
    check_seed(seed)
    record = api.load_hardware(hardware)
    records = [record] if times is None else [record.override({"device.drift.time_s": float(t)}) for t in times]
    choices = {"layers": layers, "weight_bits": weight_bits, "activation_bits": activation_bits}
    known = x[: api.CALIBRATION_IMAGES] if calibration is None else check_images(net, calibration, "calibration")

    from xbarsim.train.hardware_model import is_left_to_chance
    from xbarsim.train.resume import TuningState
    from xbarsim.train.torch_network import torch, use_threads
    from xbarsim.train.trainer import TuningTask
    from xbarsim.train.tuning import Tuning

    task = TuningTask(
        network=net, hardwares=records, is_random=any(is_left_to_chance(net, each, layers) for each in records),
        calibration=known, choices=choices, batch=batch, weight_decay=weight_decay, refresh=refresh, shift=shift,
        flip=flip, seed=seed, threads=threads,
    )  # fmt: skip
    settings = {
        "epochs": epochs, "batch": batch, "weight_decay": weight_decay, "refresh": refresh, "shift": shift,
        "flip": bool(flip), "seed": seed, **given,
    }  # fmt: skip
    about = {
        "version": __version__, "torch": torch.__version__, "target": describe_target(), "network": net.hash,
        "images": hash_arrays([x, truth, known]), "hardware": _hash_layers(net, records, choices),
        "plugins": hash_plugins(select_plugins(records)), **settings,
    }  # fmt: skip
    with use_threads(1), single_threaded_blas():
        tuning = Tuning(task, x, truth, epochs=epochs, given=given)
        with TuningState(checkpoint, about) as state:
            return tuning.run(state, progress)


def _hash_layers(network: Network, records: Sequence[config.Hardware], choices: Mapping[str, Any]) -> str:
    """Return a hash of the hardware of all layers, at all times."""
    plans = [plan_network(network, record, **choices, may_cut=False) for record in records]
    hashes = [f"{layer.name} {config.hash_hardware(layer.hardware)}" for plan in plans for layer in plan.layers]
    return hash_arrays([np.frombuffer("\n".join(hashes).encode(), np.uint8)])


def _check_settings(
    counts: Mapping[str, int | None], given: Mapping[str, Any], weight_decay: float, times: Sequence[float] | None
) -> None:
    """Refuse settings that mean nothing."""
    from xbarsim.train.law import NOISE_LAWS

    for name, value in counts.items():
        check_count(name, value, 0 if name == "shift" else 1)
    for name, rule, is_right in (
        ("rate", "a number above 0", lambda value: 0 < value < np.inf),
        ("soft", "between 0 and 1", lambda value: 0 <= value <= 1),
        ("clip", "0 (never) or at least 1", lambda value: value == 0 or 1 <= value < np.inf),
        ("strength", "a number of at least 0", lambda value: 0 <= value < np.inf),
        ("law", f"one of {', '.join(NOISE_LAWS)}", lambda value: value in NOISE_LAWS),
    ):
        if name in given and not is_right(given[name]):
            raise ConfigError(f"{name}: {given[name]!r} is not {rule}; leave it out for the default")
    if not 0 <= weight_decay < np.inf:
        raise ConfigError(f"weight_decay: {weight_decay} is not a number of at least 0")
    if times is not None and (not len(times) or not all(0 <= t < np.inf for t in times)):
        raise ConfigError(f"times: {list(times)} are not times in seconds, at least one, each of at least 0")


def _check_labels(labels: ArrayLike, count: int, network: Network) -> np.ndarray:
    if not count:
        raise ShapeError("images: none given")
    if network.output_shapes:
        raise ConfigError(
            f"network {network.name}: training takes one output, and it has {', '.join(network.output_shapes)[:200]}; "
            "choose one by load_network(outputs=...) or --outputs"
        )
    return check_labels(read_array(labels, "labels"), count, network.output_shape[-1]).astype(np.int64)
