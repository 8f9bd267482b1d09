"""Doubts of pixels and of calibration images: one line each, nothing where all is well."""

from __future__ import annotations

from typing import Any

import numpy as np

FEWEST = 4
"""Images that a comparison of sets needs."""
MANY = 20
"""Test images beside which fewer calibration images than :data:`FEWEST` are doubted."""
PUBLISHED = (
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)), ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    ((0.1307,), (0.3081,)), ((0.286,), (0.353,)), ((0.4377, 0.4438, 0.4728), (0.198, 0.201, 0.197)),
)  # fmt: skip
"""Means and deviations of ImageNet, CIFAR-10 (twice), CIFAR-100, MNIST, Fashion-MNIST and SVHN, for pixels of 0..1."""


def find_pixel_doubt(facts: Any) -> str:
    """Doubt the mean and deviation that pixels are given, and their layout.

    Parameters
    ----------
    facts : Facts
        With ``pixels`` (images, channels, ...), ``mean`` and ``std`` by channel.

    Returns
    -------
    str
        One line, or nothing.
    """
    x = facts.pixels
    if not x.size:
        return ""
    mean, std = np.ravel(facts.mean), np.ravel(facts.std)
    low, high = float(x.min()), float(x.max())
    shown = f"{low:.4g} to {high:.4g}"
    if x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] == x.shape[2] > 4:
        return f"images: shape {x.shape}, whose channels seem to be last; transpose images by (0, 3, 1, 2)"
    if low >= 0 and mean.min() < 0:
        return f"mean: {mean.min():.4g}, but the images hold {shown}; the mean is subtracted, so it is written above 0"
    if x.dtype.kind == "f" and low >= 0 and high <= 1.001 and std.max() > 20:
        return f"std: {std.max():.4g} is for pixels of 0..255, but the images hold {shown}; divide it by 255"
    if len(x) >= 2 and low == high:
        return f"images: hold nothing but {low:.4g}; check how they were read"
    if x.dtype == np.uint8 and 1 < high <= 16 and 0 < mean.max() < 1:
        return (
            f"images: uint8 values of {shown}, which are divided by 255 all the same; give floats, divided by {high:g}"
        )
    return _find_mixed_pixels(x) or _find_exchange(mean, std)


def _find_mixed_pixels(x: np.ndarray) -> str:
    """Doubt bytes that went below 0, and pictures whose channels follow one another pixel by pixel."""
    if x.dtype == np.uint8 and np.any((x > 0) & (x < 255)) and not np.any((x > 3) & (x < 252)):
        return (
            "images: uint8 values of 0 to 3 and 252 to 255 alone, as of normalised floats that were turned into bytes; "
            "give the bytes before, or the floats without a mean"
        )
    if x.ndim == 4 and x.shape[1] == 3 and x.shape[3] > 8:
        y = x[:64] - x[:64].mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
        near, far = (float(np.mean(y[..., step:] * y[..., :-step])) for step in (1, 3))
        if far > 0.3 * float(np.mean(y * y)) and near < 0.97 * far:
            return (
                "images: pixels are more like the third next than like the next, as where (images, height, width, 3) "
                "was reshaped; transpose by (0, 3, 1, 2)"
            )
    return ""


def _find_exchange(mean: np.ndarray, std: np.ndarray) -> str:
    for known, spread in PUBLISHED:
        if _is_near(mean, spread) and _is_near(std, known):
            return f"mean: {_show(mean)} is the deviation of a published set, and std its mean; exchange them"
        if len(known) == 3 and _is_near(mean, known[::-1]) and _is_near(std, spread) and not _is_near(mean, known):
            return f"mean: {_show(mean)} is in the order blue, green, red, but std in that of red, green, blue"
    return ""


def _is_near(given: np.ndarray, known: tuple[float, ...]) -> bool:
    return len(given) == len(known) and bool(np.allclose(given, known, atol=6e-4))


def _show(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def find_calibration_doubt(facts: Any) -> str:
    """Doubt calibration images that are too few, all alike, or without the content of the test images.

    Parameters
    ----------
    facts : Facts
        With ``images`` and ``calibration``, (images, ...).

    Returns
    -------
    str
        One line, or nothing.
    """
    test, known = facts.images, facts.calibration
    if test is known or not len(known) or len(test) < FEWEST:
        return ""
    if len(known) < FEWEST <= MANY <= len(test):
        count = "1 image" if len(known) == 1 else f"{len(known)} images"
        return f"calibration: {count} for {len(test)} test images; ranges need a few dozen"
    if len(known) >= FEWEST:
        for what, x in (("calibration", known), ("images", test)):
            if len(x) >= FEWEST and np.any(x[0] != x[0].flat[0]) and np.all(x == x[0]):
                return f"{what}: {len(x)} images that are all alike; give different ones"
        return _find_noise(test, known)
    return ""


def _find_noise(test: np.ndarray, known: np.ndarray) -> str:
    """Neighbouring pixels agree in pictures and do not in noise."""
    if test.ndim != 4 or min(*test.shape[2:], *known.shape[2:]) < 4:
        return ""
    one, other = (_correlate_neighbours(x[:64]) for x in (test, known))
    if one > 0.3 and other < 0.1:
        return (
            f"calibration: neighbouring pixels of its images have a correlation of {other:.2f}, of the test images "
            f"{one:.2f}; give pictures, not noise"
        )
    if other > 0.3 and one < 0.1:
        return (
            f"images: neighbouring pixels have a correlation of {one:.2f}, those of calibration images {other:.2f}; "
            "give pictures, not noise"
        )
    return _find_turn(test, known) if test.shape[1:] == known.shape[1:] else ""


def _correlate_neighbours(x: np.ndarray) -> float:
    y = x - x.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    power = float(np.mean(np.square(y)))
    return float(np.mean(y[:, :, :, 1:] * y[:, :, :, :-1])) / power if power else 1.0


def _find_turn(test: np.ndarray, known: np.ndarray) -> str:
    """Mean images that agree only once one is turned, where both halves of each set agree."""
    if min(len(test), len(known)) < 16:
        return ""
    parts = [np.asarray(np.mean(x, axis=0, dtype=np.float64)) for x in (test[::2], test[1::2], known[::2], known[1::2])]
    mean = np.asarray(parts[2] + parts[3])
    if min(_correlate(parts[0], parts[1]), _correlate(parts[2], parts[3])) < 0.8:
        return ""
    straight = _correlate(np.asarray(parts[0] + parts[1]), mean)
    turns = {
        "rows and columns exchanged": mean.swapaxes(1, 2), "rows reversed": mean[:, ::-1],
        "columns reversed": mean[:, :, ::-1], "channels reversed": mean[::-1],
    }  # fmt: skip
    for what, turned in turns.items():
        if turned.shape == mean.shape and straight < 0.6 and _correlate(np.asarray(parts[0] + parts[1]), turned) > 0.85:
            return f"calibration: its images seem to have {what} against the test images; give both alike"
    return ""


def _correlate(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.sum(one * one) * np.sum(other * other)))
    return float(np.sum(one * other)) / size if size else 0.0
