"""Train the embedded network on the embedded digits, in NumPy alone, and write its weights.

    python benchmarks/train_demo.py [OUT.npz]

Seeded and single-threaded where it matters: two runs on one machine write the same bytes. On other machines BLAS may
round differently, so accuracy may move by an image or two. The images are divided by 255, nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from xbarsim.data import load_data, normalize_images
from xbarsim.network import load_network, run_network
from xbarsim.network.describe import load_weights
from xbarsim.network.execute import single_threaded_blas
from xbarsim.rng import stream

COMMAND = "python benchmarks/train_demo.py"
SEED, EPOCHS, BATCH = 0, 60, 64
RATE, DECAY = 2e-3, 1e-3
SHAPES = {"conv1": (16, 1, 3, 3), "conv2": (32, 16, 3, 3), "fc": (10, 32 * 4 * 4)}
Arrays = dict[str, np.ndarray]


def gather(x: np.ndarray) -> np.ndarray:
    """Return the 3x3 windows of padded images: (B, C, H, W) -> (B, C * 9, H * W)."""
    batch, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = [padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.stack(taps, axis=2).reshape(batch, channels * 9, height * width)


def scatter(windows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Add gradients of windows up to gradients of images; the adjoint of :func:`gather`."""
    batch, channels, height, width = shape
    padded = np.zeros((batch, channels, height + 2, width + 2), windows.dtype)
    taps = windows.reshape(batch, channels, 9, height, width)
    for tap in range(9):
        i, j = divmod(tap, 3)
        padded[:, :, i : i + height, j : j + width] += taps[:, :, tap]
    return padded[:, :, 1:-1, 1:-1]


def gradients(weights: Arrays, x: np.ndarray, labels: np.ndarray) -> Arrays:
    """Return the gradient of the mean cross entropy for one batch."""
    batch = len(x)
    flat1, flat2 = (
        weights[f"{name}.weight"].reshape(len(weights[f"{name}.weight"]), -1) for name in ("conv1", "conv2")
    )
    windows1 = gather(x)
    y1 = np.maximum(flat1 @ windows1 + weights["conv1.bias"][:, None], 0)
    windows2 = gather(y1.reshape(batch, 16, 8, 8))
    y2 = np.maximum(flat2 @ windows2 + weights["conv2.bias"][:, None], 0)
    blocks = y2.reshape(batch, 32, 4, 2, 4, 2).transpose(0, 1, 2, 4, 3, 5).reshape(batch, 32, 4, 4, 4)
    winners = blocks.argmax(axis=-1)[..., None]
    pooled = np.take_along_axis(blocks, winners, axis=-1).reshape(batch, -1)
    scores = pooled @ weights["fc.weight"].T + weights["fc.bias"]

    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    slope = powers / powers.sum(axis=1, keepdims=True)
    slope[np.arange(batch), labels] -= 1
    slope /= batch
    found = {"fc.weight": slope.T @ pooled, "fc.bias": slope.sum(axis=0)}
    slope_blocks = np.zeros_like(blocks)
    np.put_along_axis(slope_blocks, winners, (slope @ weights["fc.weight"]).reshape(batch, 32, 4, 4, 1), axis=-1)
    slope2 = slope_blocks.reshape(batch, 32, 4, 4, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(batch, 32, 64) * (y2 > 0)
    found["conv2.weight"] = np.einsum("bop,bkp->ok", slope2, windows2, optimize=True).reshape(SHAPES["conv2"])
    found["conv2.bias"] = slope2.sum(axis=(0, 2))
    slope1 = scatter(flat2.T @ slope2, (batch, 16, 8, 8)).reshape(batch, 16, 64) * (y1 > 0)
    found["conv1.weight"] = np.einsum("bop,bkp->ok", slope1, windows1, optimize=True).reshape(SHAPES["conv1"])
    found["conv1.bias"] = slope1.sum(axis=(0, 2))
    return found


def shift_images(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each image by up to one pixel, so that the network does not learn the few images by heart."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = rng.integers(0, 3, (len(x), 2))
    return np.stack([image[:, i : i + 8, j : j + 8] for image, (i, j) in zip(padded, moves, strict=True)])


def train(x: np.ndarray, labels: np.ndarray) -> Arrays:
    """Return trained weights: Adam with decoupled decay and a cosine schedule."""
    rng = stream(SEED, "demo.training")
    weights: Arrays = {}
    for name, shape in SHAPES.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{name}.weight"] = (deviation * rng.standard_normal(shape)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    steps, total = 0, EPOCHS * (len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH)
        for chosen in order:
            steps += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * steps / total))
            for name, slope in gradients(weights, shift_images(x[chosen], rng), labels[chosen]).items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.001 * (slope**2 - second[name])
                step = first[name] / (1 - 0.9**steps) / (np.sqrt(second[name] / (1 - 0.999**steps)) + 1e-8)
                weights[name] = (weights[name] * (1 - rate * DECAY) - rate * step).astype(np.float32)
    return weights


def main() -> None:
    """Train, write, and print the accuracy on both parts."""
    import xbarsim.network

    shipped = Path(xbarsim.network.__file__).parent / "zoo" / "digits.npz"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else shipped
    training, test = load_data("digits-train"), load_data("digits")
    with single_threaded_blas():
        weights = train(normalize_images(training.images), training.labels)
    np.savez_compressed(out, **weights, command=np.array(COMMAND))
    network = load_weights(load_network("digits"), out)
    for part in (training, test):
        right = run_network(network, normalize_images(part.images)).argmax(axis=1) == part.labels
        print(f"{part.name}: {100 * right.mean():.2f} % of {len(right)} images")


if __name__ == "__main__":
    main()
