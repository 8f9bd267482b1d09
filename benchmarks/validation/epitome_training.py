"""Designs of the epitome benchmark, and how they are trained.

All designs start from the trained network: epitomes by least squares, pruned networks by taking channels out. Those
that change the last stage alone train behind the frozen stages 1 and 2 of the trained network; the others train whole.
A batch is half lossless training images and half images of the JPEG copy, moved by up to 4 pixels and mirrored. The
loss is cross-entropy (weight 0.3), the logits of the trained network (0.7, temperature 4) and the outputs of its stages
(mean square, channels that a pruned network keeps); Adam, one-cycle rate.
Designs that train alike share batches and what the trained network makes of them. At the end the statistics of batch
normalisation are taken anew from lossless images.

Then every design trains again with the weights of its trained stages rounded to few bits on the way forward (straight
through backward), once for each way of choosing scales.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from resnet20 import Images, ResNet20, prune
from torch import Tensor, nn

import xbarsim as xs
from xbarsim.mapping import plan_network
from xbarsim.network import Epitome, load_network
from xbarsim.network.epitome_torch import convert_module
from xbarsim.network.quantize_torch import keep_rounded, round_module
from xbarsim.rng import stream

BATCH, TEMPERATURE, SOFT = 128, 4.0, 0.7
SAVE_EVERY = 100
SCALES = ("min_max", "array", "column")
TRAINED_SCALES = ("min_max", "column")
HARDWARE = {
    "crossbar.rows": 64, "crossbar.cols": 64, "crossbar.r_wl_ohm": 2.5, "crossbar.r_bl_ohm": 2.5, "adc.quantile": 1.0,
    "activation_bits": 9,
}  # fmt: skip
HALF, QUARTER, SIXTH = (Epitome(rows=rows, channels=width) for rows, width in ((320, 64), (320, 32), (192, 32)))
OVERLAPPING = Epitome(rows=320, channels=32, height=4, width=4, patch=(32, 13))


@dataclass(frozen=True, kw_only=True)
class Design:
    """A version of the network."""

    epitomes: dict[str, Epitome] = field(default_factory=dict)
    """Globs of convolutions -> epitome."""
    widths: dict[int, int] = field(default_factory=dict)
    """Stage -> channels of its residual stream that pruning leaves."""
    middles: dict[int, int] = field(default_factory=dict)
    """Stage -> channels that pruning leaves within its blocks."""
    trained: str = "layer3.*"
    """Glob of the layers that train, and that have few bits."""
    is_new: bool = True
    """Whether it differs from the trained network, so that it has to be trained before anything else."""

    def make(self, teacher: ResNet20) -> tuple[ResNet20, dict[int, Tensor]]:
        """Return the network to start from, and the channels of each stage that it keeps."""
        if self.widths or self.middles:
            return prune(teacher, self.widths, self.middles)
        model = convert_module(teacher, self.epitomes)
        assert isinstance(model, ResNet20)
        return model, {2: torch.arange(32), 3: torch.arange(64)}


DESIGNS = {
    "plain": Design(is_new=False),
    "half": Design(epitomes={"layer3.*": HALF}),
    "pruned as half": Design(middles={3: 32}),
    "quarter": Design(epitomes={"layer3.*": QUARTER}),
    "quarter, overlapping": Design(epitomes={"layer3.*": OVERLAPPING}),
    "pruned as quarter": Design(widths={3: 32}, middles={3: 32}),
    "sixth": Design(epitomes={"layer3.*": SIXTH}),
    "pruned as sixth": Design(widths={3: 32}, middles={3: 7}),
    "plain, all few bits": Design(trained="layer*", is_new=False),
    "whole": Design(
        epitomes={
            "layer1.*": Epitome(rows=128, channels=16), "layer2.*": Epitome(rows=128, channels=32), "layer3.*": QUARTER,
        },
        trained="layer*",
    ),
    "pruned as whole": Design(
        widths={1: 14, 2: 28, 3: 32}, middles={1: 14, 2: 14, 3: 28}, trained="layer*",
    ),
}  # fmt: skip
"""Pruned networks take as many crossbars at 3 bits as the epitomes that they are named after, or the next fewer."""


@dataclass(frozen=True, kw_only=True)
class Trainee:
    """A network in training and what it is to imitate."""

    model: nn.Module
    kept: dict[int, Tensor]
    is_whole: bool
    optimizer: Any
    schedule: Any

    def step(self, x: Tensor, labels: Tensor, wanted: Mapping[str, Tensor]) -> None:
        """Train on one batch."""
        assert isinstance(self.model, ResNet20)
        front = self.model.front(x) if self.is_whole else wanted["front"]
        back = self.model.stage(3)(front)
        y = self.model.head(back)
        soft = nn.functional.kl_div(torch.log_softmax(y / TEMPERATURE, dim=1), wanted["soft"], reduction="batchmean")
        loss = SOFT * TEMPERATURE**2 * soft + (1 - SOFT) * nn.functional.cross_entropy(y, labels)
        loss = loss + nn.functional.mse_loss(back, wanted["back"][:, self.kept[3]])
        if self.is_whole:
            loss = loss + nn.functional.mse_loss(front, wanted["front"][:, self.kept[2]])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()


def train_together(
    teacher: ResNet20,
    starts: Mapping[str, tuple[nn.Module, dict[int, Tensor]]],
    data: Mapping[str, Images],
    *,
    is_whole: bool,
    steps: int,
    rate: float,
    path: Path | None,
) -> dict[str, nn.Module]:
    """Train networks on the same batches.

    Parameters
    ----------
    teacher : ResNet20
        The trained network.
    starts : mapping
        Name -> network to start from (trained in place), and the channels that it keeps.
    data : mapping
        ``train`` and ``jpeg``.
    is_whole : bool
        Whether all stages train.
    steps : int
        Batches.
    rate : float
        Highest rate of the one-cycle schedule.
    path : Path or None
        File that keeps what was done; an interrupted run goes on from it.

    Returns
    -------
    dict
        Name -> trained network.
    """
    torch.manual_seed(0)
    trainees = {}
    for name, (model, kept) in starts.items():
        assert isinstance(model, ResNet20)
        model.eval()
        parts = [model] if is_whole else [model.stage(3), model.linear]
        for part in parts:
            part.train()
        optimizer = torch.optim.Adam([p for part in parts for p in part.parameters()], rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
        trainees[name] = Trainee(model=model, kept=kept, is_whole=is_whole, optimizer=optimizer, schedule=schedule)
    first, spent = 0, 0.0
    if path and path.exists():
        first, spent = _resume(path, trainees)
    started = time.process_time()
    for at in range(first, steps):
        rng = stream(0, "benchmark.epitome", at)
        parts = [data[name].draw(BATCH // 2, rng) for name in ("train", "jpeg") if len(data[name].labels)]
        x, labels = (torch.cat(part) for part in zip(*parts))
        with torch.no_grad():
            front = teacher.front(x)
            back = teacher.stage(3)(front)
            soft = torch.softmax(teacher.head(back) / TEMPERATURE, dim=1)
        for trainee in trainees.values():
            trainee.step(x, labels, {"front": front, "back": back, "soft": soft})
        if path and ((at + 1) % SAVE_EVERY == 0 or at + 1 == steps):
            _save(path, trainees, at + 1, spent + time.process_time() - started)
    _take_statistics(teacher, trainees, data["train"])
    seconds = spent + time.process_time() - started
    print(f"{', '.join(trainees)}: {steps} steps of {BATCH} images, {seconds:.0f} s of CPU", flush=True)
    return {name: trainee.model.eval() for name, trainee in trainees.items()}


def train_designs(
    teacher: ResNet20, names: list[str], data: Mapping[str, Images], steps: Mapping[str, int], folder: Path | None
) -> dict[str, nn.Module]:
    """Return the designs with float weights; ``steps``: glob of the trained layers -> batches."""
    models: dict[str, nn.Module] = {name: DESIGNS[name].make(teacher)[0] for name in names if not DESIGNS[name].is_new}
    for trained, count in steps.items():
        chosen = [name for name in names if DESIGNS[name].is_new and DESIGNS[name].trained == trained]
        starts: dict[str, Any] = {name: DESIGNS[name].make(teacher) for name in chosen}
        models |= _keep(
            folder, f"float-{trained.rstrip('.*')}-{count}", starts,
            lambda path, starts=starts, trained=trained, count=count: train_together(
                teacher, starts, data, is_whole=trained == "layer*", steps=count, rate=3e-3, path=path
            ),
        )  # fmt: skip
    return {name: models[name] for name in names}


def train_rounded(
    teacher: ResNet20, models: Mapping[str, nn.Module], data: Mapping[str, Images], steps: Mapping[str, int],
    bits: int, folder: Path | None,
) -> dict[tuple[str, str], nn.Module]:  # fmt: skip
    """Train designs once more with rounded weights; (name, scales) -> network that holds rounded weights."""
    found: dict[tuple[str, str], nn.Module] = {}
    for trained, count in steps.items():
        starts = {}
        for name, model in models.items():
            design = DESIGNS[name]
            if design.trained != trained:
                continue
            kept = design.make(teacher)[1]
            for scales in TRAINED_SCALES if design.epitomes else ("channel",):
                rounded = round_module(model, {trained: bits}, find_arrays(design, bits, scales))
                starts[f"{name}/{scales}"] = (rounded, kept)
        trained_models = _keep(
            folder, f"rounded-{trained.rstrip('.*')}-{bits}-{count}", starts,
            lambda path, starts=starts, trained=trained, count=count: train_together(
                teacher, starts, data, is_whole=trained == "layer*", steps=count, rate=1e-3, path=path
            ),
        )  # fmt: skip
        for key, model in trained_models.items():
            name, _, scales = key.partition("/")
            found[name, scales] = keep_rounded(model)
    return found


def find_arrays(design: Design, bits: int, scales: str) -> dict[str, Any]:
    """Return what quantisation has to know of the arrays of every layer that is an epitome."""
    network = load_network("resnet20").with_epitomes(design.epitomes)
    hardware = xs.load_hardware("epim", {**HARDWARE, "weight_bits": bits})
    layers = {layer.name: layer.quantization for layer in plan_network(network, hardware).layers}
    for settings in layers.values():
        if "epitome" in settings:
            settings["epitome"]["quantization"] = scales
    return layers


def _keep(
    folder: Path | None, name: str, starts: Mapping[str, tuple[nn.Module, Any]], train: Callable[[Any], Any]
) -> dict[str, nn.Module]:
    """Load networks that an earlier run kept, or train and keep them."""
    if not starts:
        return {}
    path = folder and folder / f"{name}.pt"
    if path and path.exists():
        kept = torch.load(path)
        if set(starts) <= set(kept):
            for key, (model, _) in starts.items():
                model.load_state_dict(kept[key])
                model.eval()
            return {key: model for key, (model, _) in starts.items()}
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    trained: dict[str, nn.Module] = train(folder and folder / f"{name}.part")
    if path:
        torch.save({key: model.state_dict() for key, model in trained.items()}, path)
    return trained


def _save(path: Path, trainees: Mapping[str, Trainee], steps: int, seconds: float) -> None:
    state = {
        name: [copy.deepcopy(part.state_dict()) for part in (trainee.model, trainee.optimizer, trainee.schedule)]
        for name, trainee in trainees.items()
    }
    fresh = path.with_suffix(".new")
    torch.save({"steps": steps, "seconds": seconds, "state": state}, fresh)
    fresh.replace(path)


def _resume(path: Path, trainees: Mapping[str, Trainee]) -> tuple[int, float]:
    """Return steps done and CPU seconds spent, or start over where other networks were kept."""
    kept = torch.load(path)
    if set(kept["state"]) != set(trainees):
        return 0, 0.0
    for name, trainee in trainees.items():
        for part, state in zip((trainee.model, trainee.optimizer, trainee.schedule), kept["state"][name]):
            part.load_state_dict(state)
    return kept["steps"], kept["seconds"]


def _take_statistics(teacher: ResNet20, trainees: Mapping[str, Trainee], images: Images) -> None:
    """Take means and variances of batch normalisation anew from lossless images, where it trained."""
    for trainee in trainees.values():
        for part in trainee.model.modules():
            if isinstance(part, nn.BatchNorm2d) and part.training:
                part.reset_running_stats()
                part.momentum = None
    rng = stream(0, "benchmark.epitome.statistics")
    with torch.no_grad():
        for _ in range(16):
            x = images.draw(128, rng)[0]
            front = teacher.front(x)
            for trainee in trainees.values():
                assert isinstance(trainee.model, ResNet20)
                trainee.model.stage(3)(trainee.model.front(x) if trainee.is_whole else front)
