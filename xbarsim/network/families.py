"""Published networks that repeat blocks, by their papers' tables and with torchvision's layer names.

Sources: K. He et al., "Deep Residual Learning for Image Recognition", 2016, tables 1 and 6 (the stride of a bottleneck
sits in its 3x3 convolution, as in torchvision; shortcuts of the CIFAR networks are option A, a strided slice and
zero channels); M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, table 2.
Batch normalisation is folded away.
"""

from __future__ import annotations

from xbarsim.network.build import NetworkBuilder
from xbarsim.network.graph import Network


def build_resnet(name: str, blocks: tuple[int, ...], bottleneck: bool) -> Network:
    """Return an ImageNet ResNet with the given blocks in its four stages."""
    net = NetworkBuilder(name, (3, 224, 224))
    net.add("conv2d", "conv1", settings={"channels": 64, "kernel": 7, "stride": 2, "padding": 3})
    net.add("relu", "relu")
    net.add("max_pool", "maxpool", settings={"kernel": 3, "stride": 2, "padding": 1})
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            _add_residual(net, f"layer{stage + 1}.{block}", 64 * 2**stage, stride, bottleneck)
    net.add("global_avg_pool", "avgpool")
    net.add("linear", "fc", settings={"features": 1000})
    return net.build()


def _add_residual(net: NetworkBuilder, path: str, width: int, stride: int, bottleneck: bool) -> None:
    entry = net.last
    # (kernel, channels, stride) of the block's convolutions
    plan = [(1, width, 1), (3, width, stride), (1, 4 * width, 1)] if bottleneck else [(3, width, stride), (3, width, 1)]
    for number, (kernel, channels, step) in enumerate(plan, start=1):
        settings = {"channels": channels, "kernel": kernel, "stride": step, "padding": kernel // 2}
        body = net.add("conv2d", f"{path}.conv{number}", settings=settings)
        if number < len(plan):
            net.add("relu", f"{path}.relu{number}")
    shortcut = entry
    if net.shape(entry) != net.shape(body):
        settings = {"channels": plan[-1][1], "kernel": 1, "stride": stride}
        shortcut = net.add("conv2d", f"{path}.downsample.0", [entry], settings)
    net.add("add", f"{path}.add", [body, shortcut])
    net.add("relu", f"{path}.relu")


def build_resnet_cifar(name: str, depth: int) -> Network:
    """Return a CIFAR-10 ResNet of depth 6 n + 2: 3x3 convolutions and a classifier are its only weights."""
    net = NetworkBuilder(name, (3, 32, 32))
    net.add("conv2d", "conv1", settings={"channels": 16, "kernel": 3, "padding": 1})
    net.add("relu", "relu")
    for stage, width in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            _add_cifar_block(net, f"layer{stage + 1}.{block}", width, 2 if stage and not block else 1)
    net.add("global_avg_pool", "avgpool")
    net.add("linear", "fc", settings={"features": 10})
    return net.build()


def _add_cifar_block(net: NetworkBuilder, path: str, width: int, stride: int) -> None:
    entry = shortcut = net.last
    settings = {"channels": width, "kernel": 3, "padding": 1}
    net.add("conv2d", f"{path}.conv1", settings=settings | {"stride": stride})
    net.add("relu", f"{path}.relu1")
    body = net.add("conv2d", f"{path}.conv2", settings=settings)
    channels, height, wide = net.shape(entry)
    if stride != 1:
        ranges = [[0, channels, 1], [0, height, stride], [0, wide, stride]]
        net.add("slice", f"{path}.shortcut.slice", [entry], {"ranges": ranges})
        pads = [[(width - channels) // 2] * 2, [0, 0], [0, 0]]
        shortcut = net.add("pad", f"{path}.shortcut", settings={"pads": pads})
    net.add("add", f"{path}.add", [body, shortcut])
    net.add("relu", f"{path}.relu")


_MOBILENET_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, blocks, stride of the first block."""


def build_mobilenetv2(name: str) -> Network:
    """Return MobileNetV2 of width 1."""
    net = NetworkBuilder(name, (3, 224, 224))
    _add_conv_relu6(net, "features.0", 32, 3, 2, 1)
    index = 1
    for expansion, channels, blocks, stride in _MOBILENET_STAGES:
        for block in range(blocks):
            _add_inverted_residual(net, f"features.{index}", expansion, channels, stride if block == 0 else 1)
            index += 1
    _add_conv_relu6(net, f"features.{index}", 1280, 1, 1, 1)
    net.add("global_avg_pool", "avgpool")
    net.add("linear", "classifier.1", settings={"features": 1000})
    return net.build()


def _add_conv_relu6(net: NetworkBuilder, path: str, channels: int, kernel: int, stride: int, groups: int) -> None:
    settings = {"channels": channels, "kernel": kernel, "stride": stride, "padding": kernel // 2, "groups": groups}
    net.add("conv2d", f"{path}.0", settings=settings)
    net.add("clip", f"{path}.2", settings={"min": 0, "max": 6})


def _add_inverted_residual(net: NetworkBuilder, path: str, expansion: int, channels: int, stride: int) -> None:
    entry = net.last
    fan_in = net.shape()[0]
    hidden, part = fan_in * expansion, 0
    if expansion != 1:
        _add_conv_relu6(net, f"{path}.conv.0", hidden, 1, 1, 1)
        part = 1
    _add_conv_relu6(net, f"{path}.conv.{part}", hidden, 3, stride, hidden)
    body = net.add("conv2d", f"{path}.conv.{part + 1}", settings={"channels": channels, "kernel": 1})
    if stride == 1 and fan_in == channels:
        net.add("add", f"{path}.add", [entry, body])
