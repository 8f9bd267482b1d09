"""PyTorch modules on simulated arrays, for training loops of users (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from xbarsim import config
from xbarsim.limits import check_count

__all__ = ["average_weights", "clip_weights", "convert", "mix_loss"]


def convert(
    module: Any,
    hardware: config.Hardware | str | Path,
    calibration: ArrayLike,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    trial: int = 0,
    seed: int = 0,
    threads: int | None = None,
) -> Any:
    """Return a copy of a PyTorch module whose linear layers and convolutions run on arrays.

    ``Linear``, ``Conv1d``, ``Conv2d``, ``Conv3d``, ``ConvTranspose1d``, ``ConvTranspose2d`` and ``ConvTranspose3d``
    keep their parameters and names, so that state dicts, optimisers and hooks work as before. So do ``LSTM``,
    ``GRU`` and ``RNN``, whose input weights run on arrays, as in files that are read; the recurrence is PyTorch's.
    Packed sequences are padded to the length of those of the calibration. All other modules are unchanged.

    In training mode a layer computes as in :func:`xbarsim.train.finetune`: with rounded inputs and weights, and with
    the errors of a chip that is drawn at every call, by a law that is measured on programmed chips; gradients pass
    straight through. Batch normalisation remains trainable. The law is measured at the first step; call
    ``module.refresh()`` regularly, for example once in each epoch, to measure it again with the present weights.

    In evaluation mode the simulator computes the layers: batch normalisation behind a layer is folded as
    :func:`xbarsim.from_torch` folds it, the network is quantised on the calibration images, and one chip is programmed
    and calibrated. Images are numbered in the order in which they come, from 0 after programming; image by image the
    integers of every layer are those of ``simulate(from_torch(module, ...), hardware, images,
    calibration=calibration, seed=seed)``. The chip is programmed again when a parameter or buffer has changed. After
    writing to ``.data``, which PyTorch does not notice, call ``module.refresh()``.

    Parameters
    ----------
    module : torch.nn.Module
        A module on the CPU that :func:`xbarsim.from_torch` supports; it is not modified.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    calibration : array_like or Tensor of float, (images, *input_shape)
        Images for calibration of scales and, the first 64 of them, of ADC ranges. They determine the input size of the
        layers.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    trial : int
        Number of the chip that is evaluated; the law of the noise is measured on the chips after it.
    seed : int
        Seed of chips and noise.
    threads : int, optional
        Number of threads of the simulator, all cores if left out; does not change results.

    Returns
    -------
    torch.nn.Module
        The copy, with a method ``refresh()``.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong, PyTorch is missing, the module has no layer to convert, or a weight layer of its network
        is not a module of these classes that is called once.

    Notes
    -----
    Neglected: in evaluation mode no gradient passes the layers. In training mode the law of the noise does not change
    between two measurements, nor do ranges of inputs; errors of weights and of outputs are uncorrelated beyond their
    means; what the arrays add is divided by what batch normalisation multiplied by at the measurement. Operations
    between layers are PyTorch's: where they round otherwise than the simulator's own (means, exponentials), a code at
    the edge of two steps may differ by one. Every time that arrays are programmed or measured the module is exported,
    which takes seconds, and which runs hooks that it had when it was converted.
    """
    from xbarsim.train.convert import convert_module
    from xbarsim.train.session import ArraySettings

    settings = ArraySettings(
        hardware=hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, trial=trial,
        seed=seed, threads=threads,
    )  # fmt: skip
    return convert_module(module, settings, calibration)


def clip_weights(module: Any, clip: float = 2.5) -> None:
    """Cut off the largest weights of a converted module, as :func:`xbarsim.train.finetune` does before it measures.

    The noise of a cell is a share of the largest weight of its output. Call it before ``module.refresh()``.

    Parameters
    ----------
    module : torch.nn.Module
        What :func:`convert` returned; the weights of its layers on arrays are changed.
    clip : float
        Largest magnitude, in root mean squares of an output's weights, at least 1 [-].

    Raises
    ------
    ConfigError
        If the module has no layers on arrays, or ``clip`` is below 1.
    """
    from xbarsim.train.convert import clip_module

    clip_module(module, clip)


def mix_loss(outputs: Any, labels: Any, wanted: Any, soft: float = 0.5) -> Any:
    """Return the loss of :func:`xbarsim.train.finetune`, which follows the labels and the float network.

    Parameters
    ----------
    outputs, wanted : Tensor, (images, classes, ...)
        Raw outputs of the converted module, and those of the float module for the same images.
    labels : Tensor of int, (images, ...)
        Class of each image.
    soft : float
        Weight of the divergence from ``wanted``, both divided by a temperature of 2, 0..1; the rest is that of the
        cross-entropy with the labels [-].

    Returns
    -------
    Tensor, ()
        Mean over images, in natural logarithms.

    Raises
    ------
    ConfigError
        If PyTorch is missing.
    """
    from xbarsim.train import recipe

    return recipe.mix_loss(outputs, labels, wanted, soft)


def average_weights(module: Any, steps: int) -> Any:
    """Return a running mean of the parameters of a module, as :func:`xbarsim.train.finetune` keeps it.

    Parameters
    ----------
    module : torch.nn.Module
        In training; buffers are not averaged.
    steps : int
        Steps of the whole training; the mean reaches over 5 % of them.

    Returns
    -------
    xbarsim.train.recipe.WeightAverage
        With methods ``update()``, to be called after every step of the optimiser, and ``apply()``, which writes the
        means into the module when training is over.

    Raises
    ------
    ConfigError
        If ``steps`` is not a whole number of at least 1, or PyTorch is missing.
    """
    from xbarsim.train.recipe import WeightAverage

    check_count("steps", steps)
    return WeightAverage(module.parameters(), steps)
