"""Labelled images, and the checks that every source shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.errors import ConfigError, ShapeError, explain_shape
from xbarsim.notebook import Face, Shown, count_words

PRESETS = {"imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}
"""Name -> mean and deviation by channel. "imagenet" is torchvision's, of pixels in 0..1."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dataset(Shown):
    """Images with their labels.

    Attributes
    ----------
    images : ndarray, (N, C, H, W) or (N, ...)
        uint8 pixels, float32 as they are, or int64 tokens.
    labels : ndarray, (N,) or (N, ...), or None
        int64 where there is one whole number an image; masks, tokens or numbers (N, ...) as they are stored.
    name : str
        Where the images came from.
    classes : int or None
        Number of classes, where the source says that labels are one class an image, counted from 0; else None.
    class_names : tuple of str
        Names of the classes, where the source tells.
    """

    images: np.ndarray
    labels: np.ndarray | None
    name: str
    classes: int | None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def _show(self) -> Face:
        shape = " x ".join(map(str, self.images.shape[1:]))
        labels = "no labels" if self.labels is None else "labels"
        if self.classes is not None:
            labels = f"labels of {self.classes} classes"
        return Face(
            title=f"Dataset {self.name}",
            text=f"{count_words(len(self), 'image')} of {shape}, {self.images.dtype}, {labels}",
            pairs=(
                ("images", f"{len(self):,} of {shape}"),
                ("stored as", str(self.images.dtype)),
                ("labels", labels),
            ),
        )

    def take(self, count: int | None) -> Dataset:
        """Return the first ``count`` images; all of them for None. ConfigError if there are fewer."""
        if count is None:
            return self
        if not 1 <= count <= len(self):
            raise ConfigError(f"{self.name}: {count} images requested, but it has {len(self)}")
        labels = None if self.labels is None else self.labels[:count]
        return dataclasses.replace(self, images=self.images[:count], labels=labels)

    def check(self, shape: Sequence[int], classes: int | None = None, *, needs_labels: bool = False) -> Dataset:
        """Check that images, and labels where they are needed, fit a network.

        Parameters
        ----------
        shape : sequence of int
            Shape of an image that the network takes.
        classes : int, optional
            Number of its classes where labels are classes.
        needs_labels : bool
            Whether labels of any form are needed.

        Returns
        -------
        Dataset
            This one.

        Raises
        ------
        ConfigError
            If a shape differs, or labels are missing or outside the classes; the message names the source.
        """
        if self.images.shape[1:] != tuple(shape):
            raise ConfigError(
                f"{self.name}: images: shape {self.images.shape[1:]}, but the network takes {tuple(shape)}"
                f"{explain_shape(self.images.shape[1:], shape)}"
            )
        if self.labels is None and (needs_labels or classes is not None):
            what = "the class of each image" if classes is not None else "what the outputs of each image should be"
            raise ConfigError(f"{self.name}: labels: missing; needed: {what}")
        if self.labels is not None and classes is not None:
            _check_classes(self.labels, len(self), self.name, classes)
        return self


def make_dataset(
    images: np.ndarray,
    labels: np.ndarray | None,
    name: str,
    classes: int | None = None,
    class_names: Sequence[str] = (),
) -> Dataset:
    """Check images and labels and put them together.

    Parameters
    ----------
    images : ndarray, (N, C, H, W) or (N, ...)
        uint8 pixels, floats, or whole numbers (tokens).
    labels : ndarray, (N,) or (N, ...), or None
        Class numbers; or what else the outputs should be: masks, tokens, numbers.
    name : str
        For messages: the file or folder.
    classes : int, optional
        Number of classes, where labels are classes; without it they are taken as they are, and the metric that is
        measured refuses what it cannot take.
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    Dataset

    Raises
    ------
    ConfigError
        If shapes, types or values break a rule; the message names the source and the rule.
    """
    images = _check_images(images, name)
    if labels is not None:
        if classes is not None:
            labels = _check_classes(labels, len(images), name, classes)
        else:
            labels = _check_numbers(labels, len(images), name)
    return Dataset(images=images, labels=labels, name=name, classes=classes, class_names=tuple(class_names))


def _check_images(images: np.ndarray, name: str) -> np.ndarray:
    if images.ndim < 2:
        raise ConfigError(f"{name}: images: shape {images.shape} is not (images, ...)")
    if 0 in images.shape:
        raise ConfigError(f"{name}: images: shape {images.shape} holds no image")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind in "iu":
        return images.astype(np.int64, copy=False)
    if images.dtype.kind != "f":
        raise ConfigError(f"{name}: images: type {images.dtype} is neither uint8, whole numbers (tokens) nor float")
    if not np.isfinite(images).all():
        raise ConfigError(f"{name}: images: contain NaN or infinite values")
    return images.astype(np.float32, copy=False)


def _check_numbers(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    if labels.ndim < 1 or len(labels) != count:
        raise ConfigError(f"{name}: labels: shape {labels.shape} for {count} images, expected ({count}, ...)")
    if labels.dtype.kind not in "iuf":
        raise ConfigError(f"{name}: labels: type {labels.dtype} is not a type of numbers")
    return labels.astype(np.int64) if labels.ndim == 1 and labels.dtype.kind in "iu" else labels


def _check_classes(labels: np.ndarray, count: int, name: str, classes: int) -> np.ndarray:
    if labels.shape == (count, classes):
        raise ConfigError(f"{name}: labels: shape {labels.shape} is one-hot; take labels.argmax(axis=1)")
    if labels.shape != (count,):
        raise ConfigError(f"{name}: labels: shape {labels.shape} for {count} images, expected ({count},)")
    if labels.dtype.kind not in "iu":
        raise ConfigError(f"{name}: labels: type {labels.dtype} is not a whole number type")
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ConfigError(f"{name}: labels: {low} is below 0")
    if high >= classes:
        hint = "; they seem to count from 1: subtract 1" if (low, high) == (1, classes) else ""
        raise ConfigError(f"{name}: labels: {high} is outside the {classes} classes 0..{classes - 1}{hint}")
    return labels.astype(np.int64)


def normalize_images(
    images: np.ndarray,
    mean: str | float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> np.ndarray:
    """Turn pixels into the floats that a network was trained on: (x - mean) / std.

    Parameters
    ----------
    images : array_like, (N, C, H, W) or (N, C, ...)
        uint8 is divided by 255 first; floats are taken as they are, and so are other whole numbers (tokens).
    mean : str, float or sequence of float, optional
        By channel or for all; or the name of a preset ("imagenet"), which brings its deviation. 0 if left out.
    std : float or sequence of float, optional
        By channel or for all; 1 if left out.

    Returns
    -------
    ndarray, (N, C, H, W) or (N, C, ...)
        float32.

    Raises
    ------
    ShapeError
        If images have the wrong shape or type, or are not finite.
    ConfigError
        If a preset is unknown, or numbers are not one or one a channel, or a deviation is not above 0, or the values
        of the images are certainly of another range than the mean.
    """
    try:
        x = np.asarray(images)
    except ValueError:
        raise ShapeError("images: entries of different shapes; give one array (images, channels, ...)") from None
    if x.ndim < 2:
        raise ShapeError(f"images: expected shape (images, ...), given {x.shape}")
    if x.dtype.kind not in "iuf":
        raise ShapeError(f"images: expected numbers, given {x.dtype}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ShapeError("images: contain NaN or infinite values")
    centre: float | Sequence[float] | None
    if isinstance(mean, str):
        if mean not in PRESETS:
            raise ConfigError(f"normalize: {mean!r} is not a preset; known: {', '.join(PRESETS)}")
        if std is not None:
            raise ConfigError(f"std: the preset {mean} includes the standard deviation; leave std out")
        centre, spread = PRESETS[mean]
    else:
        centre, spread = mean, std if std is not None else 1.0  # type: ignore[assignment]
    shift, scale = _by_channel("mean", centre, x.shape, 0.0), _by_channel("std", spread, x.shape, 1.0)
    if (scale <= 0).any():
        raise ConfigError(f"std: {spread!r} is not above 0")
    if x.shape[0] and (mean is not None or std is not None):
        check_plausible(Facts(pixels=x, mean=shift, std=scale))
    y = x.astype(np.float32)
    if x.dtype == np.uint8:
        y /= np.float32(255)
    y -= shift
    y /= scale
    return y


def _by_channel(key: str, given: float | Sequence[float] | None, shape: tuple[int, ...], default: float) -> np.ndarray:
    channels = shape[1]
    try:
        values = np.atleast_1d(np.asarray(default if given is None else given, dtype=np.float32))
    except (TypeError, ValueError):
        raise ConfigError(f"{key}: {given!r} is not a number, or one number per channel") from None
    if values.ndim != 1 or len(values) not in (1, channels):
        raise ConfigError(f"{key}: {len(values)} numbers for {channels} channels")
    if not np.isfinite(values).all():
        raise ConfigError(f"{key}: {given!r} is not finite")
    return values.reshape(-1, *(1,) * (len(shape) - 2))
