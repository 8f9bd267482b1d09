"""Labels of classes, checked against the images and the classes of a network."""

from __future__ import annotations

import numpy as np

from xbarsim.errors import ShapeError


def check_labels(labels: np.ndarray, images: int, classes: int) -> np.ndarray:
    """Return labels as int64 after checking count, type and range.

    Parameters
    ----------
    labels : array_like, (images,)
        Class of each image.
    images : int
        Number of images.
    classes : int
        Number of outputs of the network.

    Returns
    -------
    ndarray of int64, (images,)
        The labels.

    Raises
    ------
    ShapeError
        If the count, the type or a value is wrong.
    """
    labels = np.asarray(labels)
    if labels.shape == (images, classes) and classes > 1:
        raise ShapeError(f"labels: shape {labels.shape} is one-hot; take labels.argmax(axis=1)")
    if labels.shape != (images,):
        raise ShapeError(f"labels: shape {labels.shape} does not match {images} images")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ShapeError(f"labels: {labels.dtype} is not a whole-number type")
    labels = labels.astype(np.int64)
    if images and not (labels.min() >= 0 and labels.max() < classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        hint = "; they seem to count from 1: subtract 1" if (labels.min(), labels.max()) == (1, classes) else ""
        raise ShapeError(f"labels: {wrong} is outside the {classes} classes 0..{classes - 1} of the network{hint}")
    return labels
