"""Shuffled batches of training images, moved and mirrored at random."""

from __future__ import annotations

from typing import Any

import numpy as np


def count_batches(images: int, batch: int) -> int:
    """Return the batches of an epoch; a rest of less than half a batch is left out."""
    return max(1, images // batch + (images % batch >= batch / 2))


def iterate_batches(
    images: np.ndarray, labels: np.ndarray, batch: int, rng: np.random.Generator, *, shift: int = 0, flip: bool = False
) -> Any:
    """Yield shuffled batches of one epoch, with random shifts and mirroring.

    Parameters
    ----------
    images : ndarray, (images, *input_shape)
        All images.
    labels : ndarray of int, (images,)
        Class of each image.
    batch : int
        Images of a batch; a rest of less than half a batch is left out.
    rng : numpy.random.Generator
        One permutation, then a move and a mirror for every image.
    shift : int
        Pixels that images are moved by at most.
    flip : bool
        Whether images are mirrored left to right.

    Yields
    ------
    tuple of ndarray
        Images and labels, so many times as :func:`count_batches` says.
    """
    order = rng.permutation(len(images))
    for number in range(count_batches(len(images), batch)):
        chosen = order[number * batch : (number + 1) * batch]
        part = images[chosen]
        if shift and part.ndim == 4:
            height, width = part.shape[2:]
            padded = np.pad(part, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
            moves = rng.integers(0, 2 * shift + 1, (len(part), 2))
            part = np.stack([image[:, i : i + height, j : j + width] for image, (i, j) in zip(padded, moves)])
        if flip and part.ndim == 4:
            mirrored = rng.random(len(part)) < 0.5
            part = np.where(mirrored[:, None, None, None], part[..., ::-1], part)
        yield np.ascontiguousarray(part), labels[chosen]
