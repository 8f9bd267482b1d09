"""Quantisation after training, without labels and without a change of the graph.

:func:`quantize` returns a network with fixed quantisation scales, like a file that another tool has quantised. It can
be used by ``simulate``, ``estimate``, sweeps and ``write_onnx``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.limits import check_count
from xbarsim.network import Network, QuantizedNetwork, load_network, quantize_network
from xbarsim.network.execute import check_images
from xbarsim.network.grid import fix_grids, require_float
from xbarsim.network.refit import refit_network
from xbarsim.rng import check_seed

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class QuantizationMethod:
    """A way to choose integers and scales, starting from rounding to nearest."""

    name: str
    """Value of ``method``."""
    choose: Callable[[QuantizedNetwork, np.ndarray, Mapping[str, int], Progress | None], QuantizedNetwork]
    """Network rounded to nearest, normalised calibration images (images, *input_shape) [-], settings (``iterations``,
    ``batch``, ``seed``) and progress -> network with chosen integers."""


def quantize(
    network: Network | str | Path,
    calibration: ArrayLike,
    *,
    weight_bits: int,
    activation_bits: int,
    method: str = "learned",
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    token_scales: bool | str | Sequence[str] = False,
    iterations: int = 700,
    batch: int = 16,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Network:
    """Quantise a trained network on calibration images.

    Parameters
    ----------
    network : Network, str or Path
        In float, with weights.
    calibration : array_like of float, (images, *input_shape)
        Normalised images; 512 are enough, 2,048 are better where activations have 4 bits or fewer, and labels are not
        used. The images and the activations of one piece of the network are held in memory.
    weight_bits, activation_bits : int
        Widths of all layers, 2..16 and 1..16.
    method : str
        ``nearest``: every weight is rounded to the nearest code, as in ``simulate``. ``least_squares``: the same, with
        the gain and offset of every output channel fitted to the float network. ``learned``: rounding of weights, input
        scales and biases are learned block by block; then gains and offsets are fitted (extra ``torch``).
    layers : mapping, optional
        Name or glob of layers -> ``{"weight_bits": ..., "activation_bits": ...}``; later entries win.
    token_scales : bool, str or sequence of str
        Whether linear layers divide every input vector by its own largest magnitude, in digital
        (:meth:`~xbarsim.Network.with_token_scales`); names or globs choose the layers.
    iterations, batch : int
        For ``learned``: training steps for each piece of the network, and images in a step.
    seed : int
        For ``learned``: seed of all random numbers.
    threads : int, optional
        Number of threads for the calibration images, all cores if left out; does not change results. Learning takes
        one.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Network
        The network with quantised weights, and ``quantize`` nodes before its layers.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong, the network is quantised already, or PyTorch is missing.
    """
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    for name, value in (("iterations", iterations), ("batch", batch), ("threads", threads)):
        check_count(name, value)
    check_seed(seed)
    net = load_network(network)
    require_float(net)
    if token_scales:
        net = net.with_token_scales("*" if token_scales is True else token_scales)
    images = check_images(net, calibration, "calibration")
    if not len(images):
        raise ShapeError("calibration: no images given")
    nearest = quantize_network(
        net, images, weight_bits=weight_bits, activation_bits=activation_bits, layers=layers, threads=threads
    )
    settings = {"iterations": iterations, "batch": batch, "seed": seed}
    return fix_grids(METHODS[method].choose(nearest, images, settings, progress))


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


METHODS = {
    method.name: method
    for method in (
        QuantizationMethod(name="nearest", choose=_keep),
        QuantizationMethod(name="least_squares", choose=_refit),
        QuantizationMethod(name="learned", choose=_learn),
    )
}
"""Every method of quantisation by name."""
