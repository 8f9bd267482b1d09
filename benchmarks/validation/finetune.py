"""Compare `finetune` with plain noise injection at its best strength and equal CPU time, on chips that are new to both.

    python benchmarks/validation/finetune.py digits
    python benchmarks/validation/finetune.py resnet20 --shared FOLDER

Plain noise injection adds normal noise to the weights in every step, of a standard deviation that is a share of the
largest weight of the layer, and trains with Adam, a rate that falls along a cosine and the labels. Every strength of
the list trains for as much CPU time as ``finetune`` took in all; the best on the test chips counts, which favours it.
The interval is that of the difference over chips: both networks are programmed with the same seeds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.rng import stream
from xbarsim.train import tune
from xbarsim.train.batches import iterate_batches
from xbarsim.train.torch_network import TorchNetwork, run_layer

STRENGTHS = {"digits": (0.07, 0.1, 0.14, 0.2), "resnet20": (0.03, 0.05, 0.08)}
RATES = {"digits": 4e-3, "resnet20": 3e-4}
EPOCHS = {"digits": 20, "resnet20": 2}
CHANGES: dict[str, dict[str, Any]] = {
    "digits": {"device.programming.sigma": 0.3},
    "resnet20": {
        "crossbar.rows": 32, "crossbar.cols": 32, "device.programming.distribution": "normal",
        "device.programming.sigma": 0.2,
    },
}  # fmt: skip
FIRST_SEED = 100


class Case(NamedTuple):
    """A network, its hardware and images."""

    network: Any
    hardware: Any
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    shift: int


def load_case(name: str, shared: Path | None) -> Case:
    """Return what is trained."""
    if name == "digits":
        parts = [load_data("digits-train"), load_data("digits")]
        hardware = xs.load_hardware("reference", CHANGES[name])
        train, test = ((normalize_images(part.images), np.asarray(part.labels, np.int64)) for part in parts)
        return Case(xs.load_network("digits"), hardware, train, test, 1)
    if shared is None:
        raise SystemExit("--shared: needed for resnet20, the folder with models/ and data/")
    parts = [load_data(str(shared / "data" / f"cifar10_{part}.npz")) for part in ("train_4660", "test_500")]
    train, test = (
        (normalize_images(part.images, normalize="imagenet"), np.asarray(part.labels, np.int64)) for part in parts
    )
    network = xs.load_network(str(shared / "models" / "resnet20_cifar10.onnx"))
    return Case(network, xs.load_hardware("nax", CHANGES[name]), train, test, 0)


def train_plain(case: Case, strength: float, rate: float, batch: int, seconds: float) -> Any:
    """Return the network after so much CPU time of plain noise injection."""
    torch.manual_seed(0)
    module = TorchNetwork(case.network)
    optimizer = torch.optim.Adam(module.parameters(), rate)

    def noisy(node: Any, x: Any, weight: Any, bias: Any) -> Any:
        spread = strength * weight.detach().abs().max()
        return run_layer(node, x, weight + spread * torch.randn(weight.shape), bias)

    started, epoch, done = time.process_time(), 0, 0.0
    while done < 1:
        for x, labels in iterate_batches(*case.train, batch, stream(0, "plain", epoch), shift=case.shift):
            done = (time.process_time() - started) / seconds
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + np.cos(np.pi * done)) / 2
            loss = functional.cross_entropy(module(torch.tensor(x), noisy), torch.tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
        epoch += 1
    return module.to_network()


def measure(case: Case, network: Any, chips: int) -> np.ndarray:
    """Return the accuracy on each chip [%]."""
    found = xs.simulate(
        network, case.hardware, *case.test, calibration=case.train[0][:64], trials=chips, seed=FIRST_SEED, threads=1
    ).accuracy
    assert found is not None
    return 100 * np.array([float(each) for each in found.trials])


def write_row(name: str, accuracies: np.ndarray, seconds: float, best: np.ndarray | None = None) -> None:
    """Print a row of the table: mean accuracy with its interval, CPU time, and what finetune is above it."""
    half = 1.96 * accuracies.std(ddof=1) / len(accuracies) ** 0.5
    text = f"| {name} | {accuracies.mean():.1f} ± {half:.1f} | {seconds:.0f} |"
    if best is not None:
        gain = best - accuracies
        text += f" {gain.mean():+.1f} ± {1.96 * gain.std(ddof=1) / len(gain) ** 0.5:.1f} |"
    print(text, flush=True)


def main() -> None:
    """Train and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=EPOCHS)
    parser.add_argument("--shared", type=Path, help="folder with models/ and data/")
    parser.add_argument("--epochs", type=int, help="of finetune")
    parser.add_argument("--strengths", type=float, nargs="+", help="of plain noise injection")
    parser.add_argument("--chips", type=int, default=20)
    parser.add_argument("--images", type=int, help="test images; all if left out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    name, batch = options.case, 64 if options.case == "digits" else 32
    case = load_case(name, options.shared)
    case = case._replace(test=(case.test[0][: options.images], case.test[1][: options.images]))
    started = time.process_time()
    tuned = tune(
        case.network, case.hardware, *case.train, epochs=options.epochs or EPOCHS[name], batch=batch, shift=case.shift
    )
    seconds = time.process_time() - started
    print(f"chosen: {tuned.recipe}\n\n| training | accuracy [%] | CPU [s] | finetune above it |\n|---|---|---|---|")
    ours = measure(case, tuned.network, options.chips)
    write_row("finetune", ours, seconds)
    write_row("none", measure(case, case.network, options.chips), 0, ours)
    for strength in options.strengths or STRENGTHS[name]:
        plain = train_plain(case, strength, RATES[name], batch, seconds)
        write_row(f"plain, {strength:g} of the largest weight", measure(case, plain, options.chips), seconds, ours)


if __name__ == "__main__":
    main()
