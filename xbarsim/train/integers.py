"""Quantisation after training: integers that keep what the float network knows, without labels and without a graph
change.

:func:`quantize` returns a network that carries its grids, as a file quantised by another tool does, so that whatever
takes a network takes it: ``simulate``, ``estimate``, sweeps and ``write_onnx``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import Network, QuantizedNetwork, load_network, quantize_network
from xbarsim.network.execute import check_images
from xbarsim.network.grid import fix_grids, require_float
from xbarsim.network.refit import refit_network

Progress = Callable[[str, int, int], None]
Method = Callable[..., QuantizedNetwork]


def quantize(
    network: Network | str | Path,
    calibration: ArrayLike,
    *,
    weight_bits: int,
    activation_bits: int,
    method: str = "learned",
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    iterations: int = 400,
    batch: int = 32,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> Network:
    """Quantise a trained network on calibration images.

    Parameters
    ----------
    network : Network, str or Path
        In float, with weights.
    calibration : array_like of float, (images, *input_shape)
        Normalised images; 512 are enough, labels are not used. All are held in memory together with what one piece of
        the network makes of them.
    weight_bits, activation_bits : int
        Widths of all layers, 2..16 and 1..16.
    method : str
        ``nearest``: every weight to its nearest code, as ``simulate`` does by itself; ``least_squares``: the same
        integers, gain and offset of every output channel fitted to the float network; ``learned``: rounding of every
        weight, input steps and biases learned block by block, then gains and offsets fitted (extra ``torch``).
    layers : mapping, optional
        Name or glob of layers -> ``{"weight_bits": ..., "activation_bits": ...}``; later entries win.
    iterations, batch : int
        Of ``learned``: steps for each piece of the network, and images of a step.
    seed : int
        Of ``learned``: seed of every draw.
    threads : int
        Of ``learned``: threads of PyTorch; sums in another number of threads may differ in their last bits.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Network
        Of the same layers, with weights on their grids and ``quantize`` nodes before the layers.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong, the network is quantised already, or PyTorch is missing.
    """
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    for name, value in (("iterations", iterations), ("batch", batch), ("threads", threads)):
        if isinstance(value, bool) or int(value) != value or value < 1:
            raise ConfigError(f"{name}: {value!r} is not a whole number of at least 1")
    net = load_network(network)
    require_float(net)
    images = check_images(net, np.asarray(calibration))
    if not len(images):
        raise ShapeError("calibration: no images given")
    nearest = quantize_network(net, images, weight_bits=weight_bits, activation_bits=activation_bits, layers=layers)
    settings = {"iterations": iterations, "batch": batch, "seed": seed, "threads": threads}
    return fix_grids(METHODS[method](nearest, images, settings, progress))


def _keep(
    nearest: QuantizedNetwork, images: np.ndarray, settings: Mapping[str, int], progress: Progress | None
) -> QuantizedNetwork:
    return nearest


def _refit(
    nearest: QuantizedNetwork, images: np.ndarray, settings: Mapping[str, int], progress: Progress | None
) -> QuantizedNetwork:
    stage = None if progress is None else lambda done, total: progress("gains and offsets", done, total)
    return refit_network(nearest, images, progress=stage)


def _learn(
    nearest: QuantizedNetwork, images: np.ndarray, settings: Mapping[str, int], progress: Progress | None
) -> QuantizedNetwork:
    try:
        from xbarsim.train.rounding import learn_rounding
    except ConfigError:
        raise ConfigError(
            "method: learned needs PyTorch: pip install 'xbarsim[torch]', or choose least_squares"
        ) from None
    return learn_rounding(nearest, images, **settings, progress=progress)


METHODS: dict[str, Method] = {"nearest": _keep, "least_squares": _refit, "learned": _learn}
"""Name -> how integers and scales are chosen, from those of rounding to nearest."""
