"""Epitomes in PyTorch: a convolution with a trainable epitome, and conversion of modules in both directions.

The weight is gathered from the epitome by index in every forward pass, so that gradients of all places where an
element is used add up in it. Needs the extra ``torch``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import match_names
from xbarsim.network.compact import attach_epitome, fit_gain, freeze_values
from xbarsim.network.epitome import Epitome, LayerEpitome
from xbarsim.network.graph import Network

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise ConfigError(f"epitomes in PyTorch need {error.name}: pip install 'xbarsim[torch]'") from None


class EpitomeConv2d(nn.Module):
    """A two-dimensional convolution whose weight is sampled from an epitome.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels.
    kernel_size, stride, padding, dilation : int or (int, int)
        As in :class:`torch.nn.Conv2d`.
    epitome : Epitome
        What to sample from.
    bias : bool
        Whether outputs have a bias.

    Attributes
    ----------
    epitome : torch.nn.Parameter, (Cout_e, Cin_e, p, q)
        Elements that serve no weight start at zero and get no gradient.

    Raises
    ------
    ConfigError
        If the epitome does not serve the kernel.
    """

    index: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        epitome: Epitome,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        plain = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias)
        self._take_over(plain, epitome)

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, epitome: Epitome) -> EpitomeConv2d:
        """Convert a trained convolution by least squares over all places where an element is used.

        Parameters
        ----------
        conv : torch.nn.Conv2d
            Without groups, padded with zeros.
        epitome : Epitome
            What to sample from.

        Returns
        -------
        EpitomeConv2d
            With the bias of the convolution.

        Raises
        ------
        ConfigError
            If the convolution is grouped or padded otherwise, or the epitome does not serve its kernel.
        """
        converted = cls.__new__(cls)
        nn.Module.__init__(converted)
        converted._take_over(conv, epitome)
        return converted

    def _take_over(self, conv: nn.Conv2d, epitome: Epitome) -> None:
        if conv.groups != 1:
            raise ConfigError(f"a convolution of {conv.groups} groups cannot use an epitome")
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise ConfigError(f"a convolution with padding {conv.padding!r}, {conv.padding_mode} cannot use an epitome")
        self.sampler = epitome.sample(tuple(conv.weight.shape))
        self.settings: dict[str, Any] = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
        values = self.sampler.fit(conv.weight.detach().cpu().numpy())
        self.epitome = nn.Parameter(torch.tensor(values, dtype=conv.weight.dtype, device=conv.weight.device))
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
        index = torch.tensor(self.sampler.index.astype(np.int64), device=conv.weight.device)
        self.register_buffer("index", index, persistent=False)

    @property
    def weight(self) -> Tensor:
        """The convolution weight of the epitome, (Cout, Cin, kh, kw)."""
        return self.epitome.reshape(-1)[self.index]

    def forward(self, x: Tensor) -> Tensor:
        """Convolve images (images, Cin, height, width)."""
        return nn.functional.conv2d(x, self.weight, self.bias, **self.settings)

    def to_conv(self) -> nn.Conv2d:
        """Return a plain convolution with the rebuilt weight."""
        outputs, inputs, *kernel = self.sampler.weight_shape
        conv = nn.Conv2d(inputs, outputs, (kernel[0], kernel[1]), bias=self.bias is not None, **self.settings)
        conv = conv.to(self.epitome)
        with torch.no_grad():
            conv.weight.copy_(self.weight)
            if self.bias is not None and conv.bias is not None:
                conv.bias.copy_(self.bias)
        return conv

    def extra_repr(self) -> str:
        """Return shapes for printing."""
        return f"{self.sampler.weight_shape} from {self.sampler.epitome_shape}"


def convert_module(module: nn.Module, choices: Mapping[str, Epitome | None]) -> nn.Module:
    """Return a copy of a module with convolutions replaced by epitomes.

    Parameters
    ----------
    module : torch.nn.Module
        Trained or not.
    choices : mapping
        Name or glob of submodules -> epitome, or None to leave them; the later one wins.

    Returns
    -------
    torch.nn.Module
        The copy.

    Raises
    ------
    ConfigError
        If a glob matches no convolution, or an epitome does not serve one.
    """
    converted = copy.deepcopy(module)
    names = [name for name, part in converted.named_modules() if isinstance(part, nn.Conv2d)]
    chosen: dict[str, Epitome | None] = {}
    for glob, epitome in choices.items():
        chosen.update(dict.fromkeys(match_names(glob, names, f"epitomes.{glob}", "convolution"), epitome))
    for name, epitome in chosen.items():
        if epitome is None:
            continue
        conv = converted.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        try:
            _set(converted, name, EpitomeConv2d.from_conv(conv, epitome))
        except ConfigError as error:
            raise ConfigError(f"module {name}: {error}") from None
    return converted


def to_plain(module: nn.Module) -> nn.Module:
    """Return a copy of a module with plain convolutions in place of epitomes, ready for any export."""
    if isinstance(module, EpitomeConv2d):
        return module.to_conv()
    plain = copy.deepcopy(module)
    for name, part in list(plain.named_modules()):
        if isinstance(part, EpitomeConv2d):
            _set(plain, name, part.to_conv())
    return plain


def find_epitomes(module: nn.Module) -> dict[str, EpitomeConv2d]:
    """Return the epitomes of a module by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, EpitomeConv2d)}


def restore_epitomes(network: Network, parts: Mapping[str, EpitomeConv2d]) -> Network:
    """Attach epitomes to the network that their module was exported to.

    Parameters
    ----------
    network : Network
        Of the plain copy; batch normalisation may be folded into its convolutions.
    parts : mapping
        Layer name -> epitome.

    Returns
    -------
    Network
        Where outputs were scaled after sampling, with gains.

    Raises
    ------
    ConfigError
        If a layer is not in the network.
    """
    changed, names = {}, {node.name for node in network.nodes}
    for name, part in parts.items():
        if name not in names:
            raise ConfigError(
                f"network {network.name}: the exported file has no layer {name!r}; give the module a name that is "
                "not a number"
            )
        node = network.node(name)
        epitome = LayerEpitome(sampler=part.sampler, values=freeze_values(part.epitome.detach().cpu().numpy()))
        weight = epitome.rebuild()
        assert weight is not None
        if node.weight is not None and np.array_equal(node.weight, weight):
            changed[name] = attach_epitome(node, epitome)
        else:
            assert epitome.values is not None
            changed[name] = fit_gain(node, part.sampler, epitome.values)
    return network.replace_nodes(changed) if changed else network


def _set(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, part)
