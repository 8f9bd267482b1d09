"""Forms of PyTorch layers that run on arrays: how inputs, weights and outputs of a layer are those of its network.

Linear layers and convolutions of one and two axes are layers of their network as they are. A convolution of three axes
is a linear layer over windows, a transposed convolution a linear layer over pixels whose results are added where they
overlap (:mod:`xbarsim.network.kinds.windows`). With groups, each is a grouped convolution of one pixel over a row of
windows or pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xbarsim.network import Network, Node
from xbarsim.network.kinds.windows import count_windows
from xbarsim.train.torch_network import OPERATIONS, Tensor, torch


class PlainForm:
    """A layer of the network as it is."""

    def weight(self, layer: Any) -> Tensor:
        """Return the weight (outputs, inputs of a group, ...) as the network has it, apart from its axes."""
        found: Tensor = layer.weight
        return found

    def cells(self, layer: Any) -> list[Tensor]:
        """Return views of what the arrays store, (outputs, ...)."""
        return [self.weight(layer)]

    def spread(self, layer: Any, factor: np.ndarray) -> np.ndarray:
        """Return what multiplies each output on the arrays, from a factor (1,) or (channels,) of the module."""
        return factor

    def bias(self, layer: Any) -> Tensor | None:
        """Return the bias that the layer adds on the arrays, (outputs,)."""
        found: Tensor | None = layer.bias
        return found

    def shape(self, network: Network, node: Node, axes: int) -> tuple[int, ...]:
        """Return the shape of what the module takes, without leading axes; ``axes`` of it are those of a kernel."""
        shape = network.shape_of(node.inputs[0])
        return (shape[0], *shape[-axes:]) if axes else shape[-1:]

    def arrange(self, network: Network, node: Node, x: Tensor) -> Tensor:
        """Return inputs (images, *shape) as the network's layer takes them."""
        return x.reshape(-1, *network.shape_of(node.inputs[0]))

    def restore(self, network: Network, node: Node, y: Tensor, layer: Any) -> Tensor:
        """Return outputs (images, ...) of the network's layer as the module gives them, (-1, outputs, *size)."""
        axes = layer.weight.ndim - 2
        return y.reshape(-1, len(layer.weight), *node.shape[-axes:]) if axes else y


class WindowForm(PlainForm):
    """A layer over the windows of a convolution of three axes."""

    def shape(self, network: Network, node: Node, axes: int) -> tuple[int, ...]:
        """Return the shape of an image."""
        return network.shape_of(self._unfold(network, node).inputs[0])

    def arrange(self, network: Network, node: Node, x: Tensor) -> Tensor:
        """Return windows (images, windows, channels * kernel), side by side where there are groups."""
        unfold = self._unfold(network, node)
        return _to_layer(node, OPERATIONS["unfold"](unfold, [x.reshape(-1, *network.shape_of(unfold.inputs[0]))]))

    def restore(self, network: Network, node: Node, y: Tensor, layer: Any) -> Tensor:
        """Return images (images, outputs, *size)."""
        unfold = self._unfold(network, node)
        size = count_windows(network.shape_of(unfold.inputs[0])[1:], unfold.attributes)
        return _to_vectors(node, y).transpose(1, 2).reshape(len(y), -1, *size)

    def _unfold(self, network: Network, node: Node) -> Node:
        while node.kind != "unfold":
            node = network.node(node.inputs[0])
        return node


class PixelForm(PlainForm):
    """A layer over the pixels of a transposed convolution."""

    def weight(self, layer: Any) -> Tensor:
        """Return the weights of every pixel, (outputs * kernel, inputs of a group)."""
        return torch.cat(self.cells(layer))

    def cells(self, layer: Any) -> list[Tensor]:
        """Return views of the weights of every pixel for each group, (outputs of the group * kernel, inputs)."""
        return list(layer.weight.reshape(layer.groups, len(layer.weight) // layer.groups, -1).transpose(1, 2))

    def spread(self, layer: Any, factor: np.ndarray) -> np.ndarray:
        """Return the factor (channels,) of each channel for each place of its kernel, (channels * kernel,)."""
        return factor if len(factor) == 1 else np.repeat(factor, math.prod(layer.kernel_size))

    def bias(self, layer: Any) -> Tensor | None:
        """Return nothing: the bias is added behind the sums of pixels."""
        return None

    def shape(self, network: Network, node: Node, axes: int) -> tuple[int, ...]:
        """Return the shape of an image."""
        return (node.rows * node.groups, *self._fold(network, node).attributes["windows"])

    def arrange(self, network: Network, node: Node, x: Tensor) -> Tensor:
        """Return pixels (images, pixels, channels), side by side where there are groups."""
        channels, *size = self.shape(network, node, 0)
        return _to_layer(node, x.reshape(-1, channels, math.prod(size)).transpose(1, 2))

    def restore(self, network: Network, node: Node, y: Tensor, layer: Any) -> Tensor:
        """Return images (images, outputs, *size), the bias added; that of the network where it is folded."""
        fold = self._fold(network, node)
        image = OPERATIONS["fold"](fold, [_to_vectors(node, y)])
        if not layer.is_read:
            return image if layer.bias is None else image + layer.bias.reshape(-1, *(1,) * (image.ndim - 2))
        behind = (each for each in network.nodes if each.inputs == (fold.name,) and each.kind == "scale")
        added = next((each for each in behind if each.weight is None), None)
        return image if added is None else OPERATIONS["scale"](added, [image])

    def _fold(self, network: Network, node: Node) -> Node:
        while node.kind != "fold":
            node = next(each for each in network.nodes if each.inputs == (node.name,))
        return node


def _to_layer(node: Node, vectors: Tensor) -> Tensor:
    """Return vectors (images, vectors, numbers) as their layer takes them; a grouped one takes rows of an image."""
    return vectors if node.kind == "linear" else vectors.transpose(1, 2)[:, :, None]


def _to_vectors(node: Node, y: Tensor) -> Tensor:
    """Return what such a layer gives as vectors, (images, vectors, numbers)."""
    return y if node.kind == "linear" else y[:, :, 0].transpose(1, 2)
