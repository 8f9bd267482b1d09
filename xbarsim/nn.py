"""PyTorch modules on simulated arrays, for training loops of users (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from xbarsim import config

__all__ = ["convert"]


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
    Packed sequences are padded to the length of those of the calibration. All other modules are unchanged, also
    transposed convolutions and convolutions along three axes that have groups.

    In training mode a layer computes with rounded inputs and weights, what the arrays of some drawn chips add to the
    weights, and noise on its outputs, as :func:`xbarsim.train.finetune` does; gradients pass straight through. Batch
    normalisation remains trainable. Chips are drawn at the first step; call ``module.refresh()`` regularly, for example
    once in each epoch, to draw another one with the present weights.

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
        Number of the chip that is evaluated; training draws the chips after it.
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
    Neglected: in evaluation mode no gradient passes the layers. In training mode a chip's error does not change while
    weights move between two draws, nor do ranges of inputs and steps of weights; errors of weights and of outputs are
    uncorrelated beyond their means; what the arrays add is divided by what batch normalisation multiplied by when the
    chip was drawn. Operations between layers are PyTorch's: where they round otherwise than the simulator's own (means,
    exponentials), a code at the edge of two steps may differ by one. Every time that arrays are programmed or drawn
    the module is exported, which takes seconds, and which runs hooks that it had when it was converted.
    """
    from xbarsim.train.convert import convert_module
    from xbarsim.train.session import ArraySettings

    settings = ArraySettings(
        hardware=hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, trial=trial,
        seed=seed, threads=threads,
    )  # fmt: skip
    return convert_module(module, settings, calibration)
