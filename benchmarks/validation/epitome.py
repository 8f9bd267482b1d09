"""Epitome versions of a trained ResNet-20: arrays against accuracy, by bits, scales and hardware.

    python benchmarks/validation/epitome.py --shared ../shared [--steps 300] [--save FOLDER]

Every design starts from the trained weights (least squares). Only the last stage, which holds three quarters of the
weights, takes epitomes and trains, behind the frozen stages 1 and 2: on the 4660 lossless training images and as many
of the JPEG copy as asked for, each also mirrored, by cross-entropy (weight 0.3), the logits of the trained network
(0.7, temperature 4) and the outputs of its last stage (mean square), Adam with a one-cycle rate up to 3e-3. The CPU
time is printed and stays in minutes, so the accuracies are not what long training reaches; what the table shows is
how designs, bits and scales compare. Tests run on the 500 lossless test images; a difference below 4 points is within
the 95 % interval.

Weight bits are those of the last stage; the other layers have 8 (9 where that has 9), because they were not trained
for fewer and would hide what is compared. Ideal hardware equals the integer network bit for bit, so its column is
that of the integers. Non-ideal hardware is ``epim`` as shipped, but with arrays of 128 x 128 (5 % variation, 2.5 ohm a
segment, 8-bit calibrated converters).
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import xbarsim as xs
from xbarsim.data import normalize_images
from xbarsim.network import Epitome, Network
from xbarsim.network.epitome_torch import convert_module
from xbarsim.rng import stream

DESIGNS: dict[str, dict[str, Epitome]] = {
    "plain": {},
    "half": {"layer3.*": Epitome(rows=576, channels=32)},
    "quarter": {"layer3.*": Epitome(rows=288, channels=32)},
}
"""Name -> epitomes."""
BITS = (9, 5, 3)
SCALES = ("min_max", "array", "column")
HARDWARE = {"crossbar.rows": 128, "crossbar.cols": 128, "activation_bits": 9}
BATCH, TEMPERATURE, SOFT = 128, 4.0, 0.7


class Block(nn.Module):
    """Two convolutions and a shortcut that skips pixels and pads channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return torch.relu(y + x)


class ResNet20(nn.Module):
    """ResNet-20 for 32 x 32 images, parameter names as in the released weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        for number, (inputs, outputs, stride) in enumerate(widths, start=1):
            blocks = [Block(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1) for i in range(3)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def front(self, x: Tensor) -> Tensor:
        """Run everything before the last stage."""
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.get_submodule("layer2")(self.get_submodule("layer1")(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.get_submodule("layer3")(self.front(x)).mean(dim=(2, 3)))


def load_teacher(shared: Path) -> ResNet20:
    """Return the network with its released weights."""
    model = ResNet20()
    weights = np.load(shared / "models" / "resnet20_cifar10.npz")
    state = {name: torch.tensor(weights[name]) for name in weights.files}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return model.eval()


def load_images(shared: Path, jpegs: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return lossless test images, and lossless training images followed by so many of the JPEG copy."""
    from PIL import Image

    data = shared / "data"
    test, train = np.load(data / "cifar10_test_500.npz"), np.load(data / "cifar10_train_4660.npz")
    packed = np.load(data / "cifar10_jpeg_train_50000.npz")
    text, offsets = packed["jpeg"], packed["offsets"]
    lossy = [
        np.asarray(Image.open(io.BytesIO(text[offsets[i] : offsets[i + 1]].tobytes()))).transpose(2, 0, 1)
        for i in range(jpegs)
    ]
    images = np.concatenate([train["images"], np.array(lossy, dtype=np.uint8).reshape(-1, 3, 32, 32)])
    labels = np.concatenate([train["labels"], packed["labels"][:jpegs]])
    return {"test": (test["images"], test["labels"]), "train": (images, labels)}


def cache_features(teacher: ResNet20, data: Any) -> dict[str, Tensor]:
    """Run stages 1 and 2 of the trained network once, on images and their mirror images, and note what follows."""
    images, labels = (torch.from_numpy(part) for part in (normalize_images(data[0], "imagenet"), data[1].astype(int)))
    found: dict[str, list[Tensor]] = {"front": [], "back": [], "labels": []}
    with torch.no_grad():
        for part, truth in zip(torch.cat([images, images.flip(3)]).split(256), labels.repeat(2).split(256)):
            front = teacher.front(part)
            found["front"].append(front)
            found["back"].append(teacher.get_submodule("layer3")(front))
            found["labels"].append(truth)
    return {name: torch.cat(parts) for name, parts in found.items()}


def train_design(
    teacher: ResNet20, design: dict[str, Epitome], features: dict[str, Tensor], steps: int, seed: int = 0
) -> nn.Module:
    """Convert the trained network and train its last stage and classifier for so many batches."""
    torch.manual_seed(seed)
    model = convert_module(teacher, design).eval()
    stage, head = model.get_submodule("layer3").train(), model.get_submodule("linear")
    parameters = [*stage.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    rng = stream(seed, "benchmark.epitome")
    for _ in range(steps):
        chosen = torch.from_numpy(rng.integers(len(features["labels"]), size=BATCH))
        wanted = features["back"][chosen]
        with torch.no_grad():
            soft_wanted = torch.softmax(teacher.linear(wanted.mean(dim=(2, 3))) / TEMPERATURE, dim=1)
        back = stage(features["front"][chosen])
        y = head(back.mean(dim=(2, 3)))
        soft = nn.functional.kl_div(torch.log_softmax(y / TEMPERATURE, dim=1), soft_wanted, reduction="batchmean")
        hard = nn.functional.cross_entropy(y, features["labels"][chosen])
        loss = SOFT * TEMPERATURE**2 * soft + (1 - SOFT) * hard + nn.functional.mse_loss(back, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def tabulate_design(name: str, network: Network, data: Any, options: argparse.Namespace) -> None:
    """Print one line for every width and choice of scales."""
    test, labels = (part[: options.images] for part in data["test"])
    x = normalize_images(test, "imagenet")
    known = normalize_images(data["train"][0][:256], "imagenet")
    for bits in options.bits:
        for scales in SCALES if any(node.epitome for node in network.nodes) else ("channel",):
            changes = {**HARDWARE, "weight_bits": bits}
            if scales != "channel":
                changes["epitome.quantization"] = scales
            hardware = xs.load_hardware("epim", changes)
            others = {"*": {"weight_bits": max(8, bits)}, "layer3.*": {"weight_bits": bits}}
            report = xs.simulate(network, hardware, x, labels, calibration=known, layers=others)
            found, crossbars = report.accuracy, report.cost.crossbars
            print(
                f"| {name} | {bits} | {scales} | {crossbars} | {found.reference:.1%} | {found.quantized:.1%} | "
                f"{found.hardware:.1%} |",
                flush=True,
            )


def main() -> None:
    """Train and tabulate every design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with models/ and data/")
    parser.add_argument("--steps", type=int, default=300, help=f"training steps of {BATCH} images for each design")
    parser.add_argument("--jpegs", type=int, default=2000, help="images of the JPEG copy to train on")
    parser.add_argument("--images", type=int, default=500, help="test images")
    parser.add_argument("--bits", type=int, nargs="+", default=BITS, help="weight bits")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--save", type=Path, help="folder that keeps trained weights from run to run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    teacher, data = load_teacher(options.shared), load_images(options.shared, options.jpegs)
    models = train_designs(teacher, data, options)
    print("| design | weight bits | scales | crossbars | float | ideal hardware | non-ideal hardware |")
    print("|---|---|---|---|---|---|---|")
    for name, model in models.items():
        tabulate_design(name, xs.from_torch(model.eval(), (3, 32, 32)), data, options)


def train_designs(teacher: ResNet20, data: Any, options: argparse.Namespace) -> dict[str, nn.Module]:
    """Train every design, or load what an earlier run kept."""
    features: dict[str, Tensor] = {}
    models = {}
    for name in options.designs:
        path = options.save and options.save / f"{name}-{options.steps}.pt"
        model = convert_module(teacher, DESIGNS[name])
        if path and path.exists():
            model.load_state_dict(torch.load(path))
        elif DESIGNS[name]:
            started = time.process_time()
            features = features or cache_features(teacher, data["train"])
            model = train_design(teacher, DESIGNS[name], features, options.steps)
            seconds = time.process_time() - started
            print(f"{name}: {options.steps} steps of {BATCH} images, {seconds:.0f} s of CPU", flush=True)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.save(model.state_dict(), path)
        models[name] = model
    return models


if __name__ == "__main__":
    main()
