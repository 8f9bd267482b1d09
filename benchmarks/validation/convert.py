"""A converted PyTorch module in a loop of its own, beside ``finetune``; and what a training step costs.

    XBARSIM_SHARED=FOLDER python benchmarks/validation/convert.py [--images 4660] [--epochs 2]

The folder holds ``models/resnet20_cifar10.onnx`` and the lossless CIFAR-10 images of ``data``. Printed are, on one
thread, the CPU time of a training step of ResNet-20 converted over that of the plain module, with batch normalisation;
and the accuracy on 500 test images on ``nax``, arrays of 32 x 32, 20 % variation, three chips that training has not
seen: as trained, after ``finetune``, and after a loop like that of docs/nn.md with the same images, epochs, batch and
rate. For the latter the module has the network's weights, with batch normalisation folded into them.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.network import from_torch
from xbarsim.train import finetune

HARDWARE = {
    "crossbar.rows": 32, "crossbar.cols": 32, "device.programming.distribution": "normal",
    "device.programming.sigma": 0.2,
}  # fmt: skip
RATE, BATCH = 3e-4, 32
TRIALS, UNSEEN_SEED = 3, 1
STEPS = 20


class Block(nn.Module):
    """Two convolutions and a shortcut without weights."""

    def __init__(self, before: int, after: int, normed: bool) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=not normed)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=not normed)
        self.norm1, self.norm2 = (nn.BatchNorm2d(after) if normed else nn.Identity() for _ in range(2))
        self.added = after - before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the block, (B, C, H, W)."""
        y = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        if self.added:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return functional.relu(x + y)


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR-10, with shortcuts of type A."""

    def __init__(self, *, normed: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=not normed)
        self.norm1 = nn.BatchNorm2d(16) if normed else nn.Identity()
        sizes = [(16, 16)] * 3 + [(16, 32)] + [(32, 32)] * 2 + [(32, 64)] + [(64, 64)] * 2
        self.blocks = nn.Sequential(*(Block(before, after, normed) for before, after in sizes))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute logits, (B, 10)."""
        return self.linear(self.blocks(functional.relu(self.norm1(self.conv1(x)))).mean((2, 3)))


def load_module(network: xs.Network) -> ResNet20:
    """Return a module with the weights of a network whose batch normalisation is folded."""
    module = ResNet20(normed=False)
    layers = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        for part, node in zip(layers, network.layers, strict=True):
            part.weight.copy_(torch.tensor(node.weight))
            part.bias.copy_(torch.tensor(node.bias))
    return module.eval()


def train_converted(trained: nn.Module, hardware: xs.Hardware, images: torch.Tensor, labels: torch.Tensor, epochs: int):
    """Train a converted module as docs/nn.md does, and return it."""
    torch.manual_seed(0)
    module = xs.nn.convert(trained, hardware, calibration=images[:64], seed=0)
    wanted = torch.cat([trained(part).detach() for part in images.split(128)])
    steps = epochs * math.ceil(len(images) / BATCH)
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    average = xs.nn.average_weights(module, steps)
    for _ in range(epochs):
        module.train()
        xs.nn.clip_weights(module)
        module.refresh()
        for part in torch.randperm(len(images)).split(BATCH):
            loss = xs.nn.mix_loss(module(images[part]), labels[part], wanted[part])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update()
    average.apply()
    return module.eval()


def time_steps(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the median CPU time of a training step [s]; the first, which draws chips, is left out."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE)
    module.train()
    found = []
    for _ in range(STEPS + 1):
        begin = time.process_time()
        loss = functional.cross_entropy(module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(time.process_time() - begin)
    return float(np.median(found[1:]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4660)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shared = Path(os.environ["XBARSIM_SHARED"])
    network = xs.load_network(shared / "models/resnet20_cifar10.onnx")
    test, train = (load_data(shared / f"data/cifar10_{name}.npz") for name in ("test_500", "train_4660"))
    images = normalize_images(train.images[: options.images], "imagenet")
    labels = train.labels[: options.images].astype(np.int64)
    given, wanted = torch.tensor(images), torch.tensor(labels)

    plain = ResNet20(normed=True)
    converted = xs.nn.convert(plain, "nax", calibration=images[:64])
    steps = [time_steps(part, given[:BATCH], wanted[:BATCH]) for part in (plain, converted)]
    ratio = steps[1] / steps[0]
    print(f"training step: plain {steps[0] * 1e3:.0f} ms, converted {steps[1] * 1e3:.0f} ms, ratio {ratio:.2f}")

    hardware = xs.load_hardware("nax").override(HARDWARE)
    pixels = normalize_images(test.images, "imagenet")

    def report(name: str, tuned: xs.Network, seconds: float) -> None:
        found = xs.simulate(tuned, hardware, pixels, test.labels, images[:64], trials=TRIALS, seed=UNSEEN_SEED).accuracy
        chips = ", ".join(f"{100 * value:.1f}" for value in found.trials)
        print(f"{name}: {100 * found.hardware:.1f} % (chips {chips}), {seconds:.0f} s of CPU", flush=True)

    report("as trained", network, 0.0)
    begin = time.process_time()
    tuned = finetune(network, hardware, images, labels, epochs=options.epochs, batch=BATCH, rate=RATE)
    report("finetune", tuned, time.process_time() - begin)
    begin = time.process_time()
    module = train_converted(load_module(network), hardware, given, wanted, options.epochs)
    seconds = time.process_time() - begin
    kept = load_module(network)
    kept.load_state_dict(module.state_dict())
    report("a loop of one's own", from_torch(kept, images.shape[1:]), seconds)


if __name__ == "__main__":
    main()
