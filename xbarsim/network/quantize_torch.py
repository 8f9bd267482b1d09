"""Training with quantised weights in PyTorch: forward passes use the weights that arrays store (extra ``torch``).

A weight, or its epitome, is quantised as in :func:`~xbarsim.network.quantize_network` in the forward pass; gradients
are straight-through (Bengio et al., arXiv 1308.3432), except for values beyond the clipping range. Scales are updated
every few steps. Activations are not quantised.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import match_names
from xbarsim.network.epitome import LayerEpitome
from xbarsim.network.quantize import quantize_weights
from xbarsim.network.quantize_epitome import choose_steps, find_settings

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.utils import parametrize
except ImportError as error:
    raise ConfigError(f"training needs {error.name}: pip install 'xbarsim[torch]'") from None

from xbarsim.network.epitome_torch import EpitomeConv2d

REFRESH = 10
"""Training passes between two choices of scales."""

Steps = Callable[[np.ndarray], np.ndarray]


class RoundedWeight(nn.Module):
    """Round a weight forward, let its gradient pass.

    Parameters
    ----------
    choose : callable
        Weight -> size of one step, of a shape that goes with the weight's.
    limit : int
        Largest code.
    """

    step: Tensor

    def __init__(self, choose: Steps, limit: int) -> None:
        super().__init__()
        self.choose, self.limit, self.passes = choose, limit, 0
        self.register_buffer("step", torch.zeros(0), persistent=False)

    def refresh(self, weight: Tensor) -> None:
        """Choose steps for the current weight, of any shape."""
        found = self.choose(weight.detach().cpu().numpy())
        self.step = torch.tensor(found, dtype=weight.dtype, device=weight.device)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight, shape of ``weight``."""
        if self.step.numel() == 0 or (self.training and self.passes % REFRESH == 0):
            self.refresh(weight)
        self.passes += self.training
        bound = self.limit * self.step
        clipped = torch.minimum(torch.maximum(weight, -bound), bound)
        return clipped + (torch.round(clipped / self.step) * self.step - clipped).detach()


def round_module(
    module: nn.Module, bits: Mapping[str, int], layers: Mapping[str, Mapping[str, Any]] | None = None
) -> nn.Module:
    """Return a copy of a module whose convolutions and dense layers train with quantised weights.

    Parameters
    ----------
    module : torch.nn.Module
        Trained or not; epitomes are quantised as epitomes.
    bits : mapping
        Name or glob of submodules -> width, 2..16; the later one wins. What none matches stays float.
    layers : mapping, optional
        As for :func:`~xbarsim.network.quantize_network`: under a layer's exact name, ``epitome`` holds settings of
        :func:`~xbarsim.network.quantize_epitome.quantize_epitome`.

    Returns
    -------
    torch.nn.Module
        The copy.

    Raises
    ------
    ConfigError
        If a glob matches no layer, or a width is out of range.
    """
    rounded = copy.deepcopy(module)
    parts = {
        name: part for name, part in rounded.named_modules() if isinstance(part, (EpitomeConv2d, nn.Conv2d, nn.Linear))
    }
    widths: dict[str, int] = {}
    for glob, width in bits.items():
        matched = match_names(glob, list(parts), f"bits.{glob}", "convolution or dense layer")
        if isinstance(width, bool) or not isinstance(width, int) or not 2 <= width <= 16:
            raise ConfigError(f"bits.{glob}: {width!r} is not a whole number between 2 and 16")
        widths.update(dict.fromkeys(matched, width))
    for name, width in widths.items():
        part = parts[name]
        held = "epitome" if isinstance(part, EpitomeConv2d) else "weight"
        choose = _choose_for(part, width, find_settings(layers, name))
        parametrize.register_parametrization(part, held, RoundedWeight(choose, 2 ** (width - 1) - 1))
    return rounded


def keep_rounded(module: nn.Module) -> nn.Module:
    """Return a copy that holds the rounded weights, scales chosen once more, as plain parameters."""
    plain = copy.deepcopy(module)
    for part in list(plain.modules()):
        if not parametrize.is_parametrized(part):
            continue
        for name, chain in list(part.parametrizations.items()):
            for rounding in chain:
                rounding.refresh(chain.original)
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)
    return plain


def _choose_for(part: nn.Module, bits: int, settings: Mapping[str, Any]) -> Steps:
    """Return what chooses the steps of one layer."""
    if isinstance(part, EpitomeConv2d):
        sampler = part.sampler
        return lambda values: choose_steps(LayerEpitome(sampler=sampler, values=values), bits, **settings)

    def by_output(weight: np.ndarray) -> np.ndarray:
        scale = quantize_weights(weight, bits)[1]
        return scale.reshape((-1,) + (1,) * (weight.ndim - 1))

    return by_output
