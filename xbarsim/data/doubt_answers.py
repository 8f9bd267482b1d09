"""Doubts of what a float network answers, and of the accuracy on hardware: one line each, nothing where all is well."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CHECKED_IMAGES = 128
"""Images that are tried in other orders and scales."""
SCREENED_IMAGES = 32
"""Of which these are tried first; the others where these gain."""


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """Another order or scale of the values of images, in which files or libraries may have given them."""

    what: str
    """What is told where it suits the labels better."""
    channels: int | None = None
    """Channels that images must have; None: any."""
    apply: Callable[[np.ndarray], np.ndarray]
    """Images, (images, channels, height, width) -> the same as the network takes them."""


def _imagenet(x: np.ndarray) -> np.ndarray:
    mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (x - mean) / std


ARRANGEMENTS = (
    Arrangement(what="with their channels reversed; they seem to be BGR in place of RGB", channels=3,
                apply=lambda x: x[:, ::-1]),
    Arrangement(what="with their first two channels exchanged; check their order", channels=3,
                apply=lambda x: x[:, [1, 0, 2]]),
    Arrangement(what="with their last two channels exchanged; check their order", channels=3,
                apply=lambda x: x[:, [0, 2, 1]]),
    Arrangement(what="with their channels moved on by one; check their order", channels=3,
                apply=lambda x: x[:, [1, 2, 0]]),
    Arrangement(what="with their channels moved back by one; check their order", channels=3,
                apply=lambda x: x[:, [2, 0, 1]]),
    Arrangement(what="upside down; reverse their rows", apply=lambda x: x[:, :, ::-1]),
    Arrangement(what="mirrored; reverse their columns", apply=lambda x: x[:, :, :, ::-1]),
    Arrangement(what="with rows and columns exchanged; swap their last two axes", apply=lambda x: x.swapaxes(2, 3)),
    Arrangement(what="as 1 - x; exchange black and white", apply=lambda x: 1 - x),
    Arrangement(what="divided by 255", apply=lambda x: x / np.float32(255)),
    Arrangement(what="times 255", apply=lambda x: x * np.float32(255)),
    Arrangement(what="as 2 x - 1", apply=lambda x: 2 * x - 1),
    Arrangement(what="as (x + 1) / 2", apply=lambda x: (x + 1) / 2),
    Arrangement(what="as x / 127.5 - 1", apply=lambda x: x / np.float32(127.5) - 1),
    Arrangement(what="with the mean and deviation of imagenet; normalise them", channels=3, apply=_imagenet),
    Arrangement(what="divided by 255 and with the mean and deviation of imagenet", channels=3,
                apply=lambda x: _imagenet(x / np.float32(255))),
    Arrangement(what="with a mean of 0 and a deviation of 1; normalise them",
                apply=lambda x: (x - x.mean()) / (x.std() + np.float32(1e-9))),
)  # fmt: skip
"""What is tried where few images are classified as labelled."""


def find_other_order(facts: Any) -> str:
    """Find the order or scale in which most images are classified as labelled, if it is another than that given.

    Parameters
    ----------
    facts : Facts
        With ``images`` (images, channels, height, width), ``labels``, ``outputs`` and ``rerun``.

    Returns
    -------
    str
        One line, or nothing.
    """
    labels, outputs, images = facts.labels, facts.outputs, facts.images
    if outputs.ndim != 2 or images.ndim != 4 or len(labels) < SCREENED_IMAGES:
        return ""
    right = outputs.argmax(axis=1) == labels
    if right.mean() > 0.85:
        return ""
    some, gains = images[:CHECKED_IMAGES], []
    for each in ARRANGEMENTS:
        if each.channels not in (None, images.shape[1]) or (turned := each.apply(some)).shape != some.shape:
            continue
        turned = np.ascontiguousarray(turned, dtype=np.float32)
        first = _answer(facts, turned[:SCREENED_IMAGES])
        if np.sum(first) - np.sum(right[:SCREENED_IMAGES]) < 3:
            continue
        other = np.concatenate([first, _answer(facts, turned, SCREENED_IMAGES)])
        gained, lost = int(np.sum(other & ~right[: len(some)])), int(np.sum(right[: len(some)] & ~other))
        if gained - lost > 4 * np.sqrt(gained + lost + 1):
            gains.append((gained - lost, f"{100 * other.mean():.1f} % {each.what}"))
    if not gains:
        return ""
    best = max(gains, key=lambda each: each[0])[1]
    return f"images: {100 * right.mean():.1f} % of them are classified as labelled, and {best}"


def _answer(facts: Any, images: np.ndarray, first: int = 0) -> np.ndarray:
    """Return which images are classified as labelled, from the first on, (images,) bool."""
    if first >= len(images):
        return np.zeros(0, dtype=bool)
    found = facts.rerun(images[first:]).argmax(axis=1) == facts.labels[first : len(images)]
    return np.asarray(found)


def find_exchanged_classes(facts: Any) -> str:
    """Find classes whose images the network gives each other's names, while it knows the other classes.

    Parameters
    ----------
    facts : Facts
        With ``labels`` (images,) and ``outputs`` (images, classes).

    Returns
    -------
    str
        One line, or nothing.
    """
    labels, outputs = facts.labels, facts.outputs
    if outputs.ndim != 2 or len(labels) < 20:
        return ""
    best, named = outputs.argmax(axis=1), {}
    for one in np.unique(labels):
        answers = best[labels == one]
        names, counts = np.unique(answers, return_counts=True)
        most = int(counts.argmax())
        if len(answers) >= 4 and names[most] != one and counts[most] >= 0.6 * len(answers):
            named[int(one)] = int(names[most])
    for start in named:
        ring, at = [start], named[start]
        while at in named and at not in ring:
            ring.append(at)
            at = named[at]
        if at == start and len(ring) > 1:
            shown = ", ".join(f"{each} as {named[each]}" for each in ring[:4])
            return f"labels: the network names most images of class {shown}; check the order of the classes"
    return ""


def find_output_doubt(facts: Any) -> str:
    """Doubt outputs that do not depend on the image, or that went through softmax twice.

    Parameters
    ----------
    facts : Facts
        With ``outputs`` (images, classes).

    Returns
    -------
    str
        One line, or nothing.
    """
    outputs = facts.outputs
    if outputs.ndim != 2 or len(outputs) < 20 or outputs.shape[1] < 3:
        return ""
    if np.ptp(outputs, axis=0).max() <= 1e-6 * max(float(np.abs(outputs).max()), 1e-30):
        return f"network: its {len(outputs)} outputs are all alike, whatever the image; check its weights"
    classes = outputs.shape[1]
    most = math.e / (math.e + classes - 1)
    is_share = outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
    if (
        is_share
        and 0.9 * most < float(outputs.max()) <= most * 1.0001
        and outputs.min() >= 0.999 / (math.e + classes - 1)
    ):
        return (
            f"network: its outputs lie between {outputs.min():.3g} and {outputs.max():.3g}, as softmax of softmax "
            "does; leave one of them out"
        )
    return ""


def find_one_class(facts: Any) -> str:
    """Find calibration images to which the network gives one name, where test images have many.

    Parameters
    ----------
    facts : Facts
        With ``calibration`` (images, ...), ``outputs`` (images, classes), ``labels`` and ``rerun``.

    Returns
    -------
    str
        One line, or nothing.
    """
    outputs, known = facts.outputs, facts.calibration[:SCREENED_IMAGES]
    if outputs.ndim != 2 or len(known) < 8:
        return ""
    counts = np.bincount(outputs.argmax(axis=1), minlength=2)
    if counts.max() > 0.5 * len(outputs) or np.mean(outputs.argmax(axis=1) == facts.labels) < 0.5:
        return ""
    names = np.bincount(facts.rerun(np.ascontiguousarray(known)).argmax(axis=1))
    if names.max() < 0.9 * len(known):
        return ""
    return (
        f"calibration: {100 * names.max() / len(known):.0f} % of its images are of class {names.argmax()} for the "
        f"network, of the test images {100 * counts.max() / len(outputs):.0f} % of the most frequent class; mix them"
    )


def find_accuracy_doubt(facts: Any) -> str:
    """Doubt an accuracy near chance in integers or on hardware, where the float network's is high.

    Parameters
    ----------
    facts : Facts
        With ``accuracy`` and ``classes``.

    Returns
    -------
    str
        One line, or nothing.
    """
    found, chance = facts.accuracy, 1 / facts.classes
    limit = chance + 2.5 * math.sqrt(chance * (1 - chance) / max(found.images, 1))
    if found.images < 50 or found.reference < limit + 0.2:
        return ""
    steps = (("quantised to integers", found.quantized, "use more bits for weights and activations"),
             ("on the hardware", found.hardware, "xbarsim explain names the causes"))  # fmt: skip
    for where, value, way in steps:
        if value <= limit:
            return (
                f"accuracy: {100 * found.reference:.1f} % in float, and {100 * value:.1f} % {where}, near chance "
                f"({100 * chance:.1f} %); {way}"
            )
    return ""
