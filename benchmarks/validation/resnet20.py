"""What the epitome benchmark trains: ResNet-20 as a PyTorch module, its released weights, images, structured pruning.

Pruning takes whole channels: ``middle`` channels between the two convolutions of a block, and ``width`` channels of a
stage's residual stream. Kept are the channels with the largest norm after batch normalisation. Shortcuts copy every
channel of the stage before, so a stage keeps at least those, and loses padded ones first.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

STAGES = (1, 2, 3)
BLOCKS = 3
CROP = 4
"""Pixels that a training image is moved by at most."""
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
"""Normalisation that the released weights were trained with."""


class Block(nn.Module):
    """Two convolutions and a shortcut that skips pixels and pads channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.pad = ((outputs - inputs) // 2, (outputs - inputs) // 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.pad))
        return torch.relu(y + x)


class ResNet20(nn.Module):
    """ResNet-20 for 32 x 32 images, parameter names as in the released weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        for number, (inputs, outputs, stride) in enumerate(((16, 16, 1), (16, 32, 2), (32, 64, 2)), start=1):
            blocks = [Block(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1) for i in range(BLOCKS)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def stage(self, number: int) -> nn.Module:
        """Return one of the three stages."""
        return self.get_submodule(f"layer{number}")

    def front(self, x: Tensor) -> Tensor:
        """Run everything before the last stage."""
        return self.stage(2)(self.stage(1)(torch.relu(self.bn1(self.conv1(x)))))

    def head(self, back: Tensor) -> Tensor:
        """Classify what the last stage gives."""
        return self.linear(back.mean(dim=(2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stage(3)(self.front(x)))


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images, 0 to 255, and their classes."""

    images: Tensor
    """(images, 3, 32, 32) uint8"""
    labels: Tensor
    """(images,) int64"""

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw images, each moved by up to :data:`CROP` pixels and half of them mirrored; five draws an image."""
        chosen = torch.from_numpy(rng.integers(len(self.labels), size=count))
        x = nn.functional.pad(self.images[chosen], (CROP, CROP, CROP, CROP))
        top, left = (torch.from_numpy(rng.integers(2 * CROP + 1, size=(count, 1))) for _ in range(2))
        mirrored = torch.from_numpy(rng.random(count) < 0.5)[:, None]
        cols = torch.arange(32)[None]
        cols = torch.where(mirrored, 31 - cols, cols) + left
        rows = torch.arange(32)[None] + top
        x = x[torch.arange(count)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
        return normalize(x), self.labels[chosen]

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the first images as they are."""
        return normalize(self.images[:count]), self.labels[:count]


def normalize(images: Tensor) -> Tensor:
    """Return images as the network expects them."""
    x = (images.float() / 255 - MEAN) / STD
    return x.contiguous(memory_format=torch.channels_last)


def load_teacher(shared: Path) -> ResNet20:
    """Return the network with its released weights."""
    model = ResNet20()
    weights = np.load(shared / "models" / "resnet20_cifar10.npz")
    state = {name: torch.tensor(weights[name]) for name in weights.files}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return model.eval().to(memory_format=torch.channels_last)


def load_images(shared: Path, jpegs: int) -> dict[str, Images]:
    """Return lossless test and training images, and so many of the JPEG copy of the training set."""
    data = shared / "data"
    found = {}
    for name, file in (("test", "cifar10_test_500.npz"), ("train", "cifar10_train_4660.npz")):
        with np.load(data / file) as content:
            found[name] = _images(content["images"], content["labels"])
    return {**found, "jpeg": _images(*decode_jpegs(data / "cifar10_jpeg_train_50000.npz", jpegs))}


def decode_jpegs(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images (uint8) and labels of a file of JPEGs end to end."""
    from PIL import Image

    with np.load(path) as packed:
        text, offsets, labels = packed["jpeg"], packed["offsets"], packed["labels"][:count]
    pixels = np.empty((len(labels), 3, 32, 32), np.uint8)
    for i in range(len(labels)):
        pixels[i] = np.asarray(Image.open(io.BytesIO(text[offsets[i] : offsets[i + 1]].tobytes()))).transpose(2, 0, 1)
    return pixels, labels


def _images(images: np.ndarray, labels: np.ndarray) -> Images:
    return Images(images=torch.from_numpy(images), labels=torch.from_numpy(labels.astype(np.int64)))


def prune(model: ResNet20, widths: Mapping[int, int], middles: Mapping[int, int]) -> tuple[ResNet20, dict[int, Tensor]]:
    """Take whole channels out of stages.

    Parameters
    ----------
    model : ResNet20
        Trained.
    widths, middles : mapping
        Stage -> channels of its residual stream, and between the two convolutions of its blocks; all where left out.

    Returns
    -------
    ResNet20, dict
        The smaller network; stage -> which channels of its residual stream it keeps.
    """
    pruned = copy.deepcopy(model)
    before: Tensor | None = None
    streams: dict[int, Tensor] = {}
    for number in STAGES:
        blocks = [block for block in pruned.stage(number) if isinstance(block, Block)]
        count = blocks[0].bn2.num_features
        norm = torch.stack([_norm(block.conv2, block.bn2) for block in blocks]).sum(dim=0)
        shift = blocks[0].pad[0]
        if before is not None:
            norm[shift : count - shift] = -1.0
            norm[before + shift] = torch.inf
        kept = norm.topk(widths.get(number, count)).indices.sort().values
        lead = int((kept < shift).sum())
        for i, block in enumerate(blocks):
            source = kept if i or before is None else before
            middle = _norm(block.conv1, block.bn1).topk(middles.get(number, count)).indices.sort().values
            block.conv1, block.bn1 = _cut(block.conv1, block.bn1, source, middle)
            block.conv2, block.bn2 = _cut(block.conv2, block.bn2, middle, kept)
            block.pad = (lead, len(kept) - len(source) - lead) if block.stride > 1 else block.pad
        if number == 1:
            pruned.conv1, pruned.bn1 = _cut(pruned.conv1, pruned.bn1, torch.arange(3), kept)
        before = streams[number] = kept
    linear = nn.Linear(len(kept), 10)
    with torch.no_grad():
        linear.weight.copy_(pruned.linear.weight[:, kept])
        linear.bias.copy_(pruned.linear.bias)
    pruned.linear = linear
    return pruned.eval(), streams


def _norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Return the norm of every filter behind batch normalisation."""
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return (conv.weight.flatten(1).norm(dim=1) * scale.abs()).detach()


def _cut(conv: nn.Conv2d, norm: nn.BatchNorm2d, inputs: Tensor, outputs: Tensor) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    small = nn.Conv2d(len(inputs), len(outputs), 3, conv.stride, 1, bias=False)
    other = nn.BatchNorm2d(len(outputs))
    with torch.no_grad():
        small.weight.copy_(conv.weight[outputs][:, inputs])
        for name, values in norm.state_dict().items():
            other.state_dict()[name].copy_(values[outputs] if values.ndim else values)
    return small.to(memory_format=torch.channels_last), other
