"""Metrics of the raw outputs: what a network's outputs are worth beside labels, one class each.

:data:`METRICS` holds them by name; ``xbarsim.register("metric", name, cls)`` adds those of users. A class has

* ``higher_is_better``: a boolean;
* ``measure(outputs, labels) -> float``, the value on one chip: ``outputs`` (images, ...) are the raw outputs,
  ``labels`` (images, ...) what they should be. In its place stand ``terms(outputs, labels)`` where the metric is a mean
  over images: one number an image (booleans for a share); or ``sums(outputs, labels)`` (images, n) with
  ``combine(totals)``, which makes values (...) of sums over images (..., n). Both spare calls where the interval is
  estimated;
* optionally ``check(labels, shape) -> labels``, which refuses labels that do not fit outputs of ``shape``, the axis of
  images left out; ``counted(labels, shape) -> ndarray of bool``, which labels are not left out; ``bounds``, the least
  and the greatest value; ``unit``, ``"%"`` for shares; ``class_axis``, the axis of classes of outputs without the axis
  of images, where outputs choose a class at each of many places (0 of (classes, height, width)):
  :func:`xbarsim.explain` then counts the places that agree with the float network, and whole images otherwise; None
  where outputs are no classes.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from xbarsim.data.labels import check_labels
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.plugin import Table
from xbarsim.report.metric import REPORT_METRICS

VOID = 255
"""Label of pixels that belong to no class, as PASCAL VOC and Cityscapes write it in masks of bytes."""
_FORMS = (("measure",), ("terms",), ("sums", "combine"))
"""Methods of which a class has all of one line."""


class Top1:
    """Share of images whose highest output is their label; the lower class wins where two are equal."""

    higher_is_better = True
    unit = "%"
    bounds = (0.0, 1.0)

    def check(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Take labels (images,) of outputs (classes,)."""
        return _check_classes("top1", labels, shape, least=1)

    def terms(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Tell for outputs (images, classes) and labels (images,) which images are right, shape (images,)."""
        right: np.ndarray = outputs.argmax(axis=1) == labels
        return right


class Top5:
    """Share of images whose label is among the five highest outputs; of equal outputs the lower classes count first."""

    higher_is_better = True
    unit = "%"
    bounds = (0.0, 1.0)

    def check(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Take labels (images,) of outputs (classes,), more than five."""
        return _check_classes("top5", labels, shape, least=6)

    def terms(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Tell for outputs (images, classes) and labels (images,) which images are right, shape (images,)."""
        best = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
        right: np.ndarray = (best == labels[:, None]).any(axis=1)
        return right


class MeanIou:
    """Intersection over union of each class, over all images together, and its mean over the classes that occur."""

    class_axis = 0  # of outputs without the axis of images
    higher_is_better = True
    unit = "%"
    bounds = (0.0, 1.0)

    def check(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Take labels (images, ...) of outputs (classes, ...); below 0, and 255 beyond the classes, is left out."""
        if len(shape) < 2 or shape[0] < 2:
            raise ShapeError(
                f"metric miou: outputs of shape {shape} are not (classes, height, width) with at least two classes; "
                f"give a function (outputs, labels) that knows what they mean"
            )
        _check_whole(labels, shape[1:], f"each of the {shape[1:]} places")
        _check_range(labels, shape[0], masked=labels == VOID if shape[0] <= VOID else np.zeros(1, bool))
        return labels.astype(np.int64)

    def counted(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Tell which labels (...) of outputs (classes, ...) are classes, shape (...)."""
        found: np.ndarray = (labels >= 0) & (labels < shape[0])
        return found

    def sums(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Count intersections, then unions, for outputs (images, classes, ...), shape (images, 2 * classes)."""
        classes = outputs.shape[1]
        found = np.empty((len(outputs), 2 * classes))
        for row, (image, truth) in zip(found, zip(outputs, labels)):
            counts = self.counted(truth, image.shape)
            chosen, wanted = image.argmax(axis=0)[counts], truth[counts]
            both = np.bincount(wanted[wanted == chosen], minlength=classes)
            row[:classes] = both
            row[classes:] = np.bincount(wanted, minlength=classes) + np.bincount(chosen, minlength=classes) - both
        return found

    def combine(self, totals: np.ndarray) -> np.ndarray:
        """Return the mean over the classes that occur, shape (...), of totals (..., 2 * classes)."""
        both, either = np.split(totals, 2, axis=-1)
        occurs = either > 0
        ratios = np.where(occurs, both / np.where(occurs, either, 1.0), 0.0)
        with np.errstate(invalid="ignore"):
            mean: np.ndarray = ratios.sum(axis=-1) / occurs.sum(axis=-1)
        return mean


class Perplexity:
    """Exponential of the mean cross entropy of the next token: as many equally likely tokens have this cross entropy.

    Outputs are logits, or probabilities where all are at least 0 and sum to 1 over the vocabulary.
    """

    class_axis = -1
    higher_is_better = False
    bounds = (1.0, math.inf)

    def check(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Take labels (images, tokens) of outputs (tokens, vocabulary); below 0 is left out."""
        if not shape or shape[-1] < 2:
            raise ShapeError(f"metric perplexity: outputs of shape {shape} are not (tokens, vocabulary)")
        _check_whole(labels, shape[:-1], "each of the tokens, the one that follows")
        _check_range(labels, shape[-1], masked=np.zeros(1, bool))
        return labels.astype(np.int64)

    def counted(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Tell which labels (images, tokens) are tokens, shape (images, tokens)."""
        found: np.ndarray = labels >= 0
        return found

    def sums(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Sum the cross entropy and count tokens for outputs (images, tokens, vocabulary), shape (images, 2)."""
        found = np.empty((len(outputs), 2))
        for row, (image, truth) in zip(found, zip(outputs, labels)):
            counts = self.counted(truth, image.shape)
            wanted = truth[counts]
            values = np.asarray(image, np.float64)[counts]
            row[:] = _sum_entropy(values, wanted), len(wanted)
        return found

    def combine(self, totals: np.ndarray) -> np.ndarray:
        """Return the exponential of the mean, shape (...), of totals (..., 2)."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            value: np.ndarray = np.exp(totals[..., 0] / totals[..., 1])
        return value


class RootMeanSquare:
    """Root of the mean square difference between outputs and labels, in the unit of the outputs."""

    class_axis = None  # outputs are numbers
    higher_is_better = False
    bounds = (0.0, math.inf)

    def check(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Take labels (images, ...) of outputs (...); NaN is left out."""
        if labels.dtype.kind not in "iuf":
            raise ShapeError(f"labels: {labels.dtype} is not a type of numbers, which metric error needs")
        if labels.shape[1:] != shape and shape == (1,) and labels.ndim == 1:
            labels = labels[:, None]
        _check_shape(labels, shape, "each of the outputs")
        if np.isinf(labels).any():
            raise ShapeError("labels: hold infinite values; NaN marks what should be left out")
        return labels.astype(np.float64)

    def counted(self, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Tell which labels (images, ...) are numbers, shape (images, ...)."""
        found: np.ndarray = ~np.isnan(labels)
        return found

    def sums(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Sum squares and count outputs (images, ...), shape (images, 2)."""
        counts = self.counted(labels, outputs.shape[1:])
        squares = np.where(counts, outputs - labels, 0.0) ** 2
        axes = tuple(range(1, labels.ndim))
        return np.stack([squares.sum(axis=axes), counts.sum(axis=axes)], axis=1).astype(np.float64)

    def combine(self, totals: np.ndarray) -> np.ndarray:
        """Return the root of the mean, shape (...), of totals (..., 2)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value: np.ndarray = np.sqrt(totals[..., 0] / totals[..., 1])
        return value


def require_labels(metric: Any, name: str, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return labels (images, ...), of which one at least is not left out.

    Parameters
    ----------
    metric : object
        One of a class of :data:`METRICS`.
    name : str
        Its name.
    labels : ndarray, (images, ...)
        As its ``check`` returned them.
    shape : tuple of int
        Shape of the outputs for one image.

    Returns
    -------
    ndarray, (images, ...)
        The labels.

    Raises
    ------
    ShapeError
        If the metric says which labels count, and none does.
    """
    counted = getattr(metric, "counted", None)
    if counted is not None and not counted(labels, shape).any():
        raise ShapeError(
            f"labels: all are marked as left out, so that metric {name} has nothing to judge; pass the true labels"
        )
    return labels


def _sum_entropy(values: np.ndarray, wanted: np.ndarray) -> float:
    """Return the sum of -ln p of the wanted columns of logits or probabilities (tokens, vocabulary)."""
    chosen = np.take_along_axis(values, wanted[:, None], axis=1)[:, 0]
    if (values >= 0).all() and (abs(values.sum(axis=1) - 1) < 1e-2).all():
        with np.errstate(divide="ignore"):
            return float(-np.log(chosen).sum())
    highest = values.max(axis=1, initial=-np.inf)
    return float((np.log(np.exp(values - highest[:, None]).sum(axis=1)) + highest - chosen).sum())


def _check_classes(metric: str, labels: np.ndarray, shape: tuple[int, ...], least: int) -> np.ndarray:
    if len(shape) != 1 or shape[0] < least:
        rule = f"one number a class{f', at least {least}' if least > 1 else ''}"
        raise ShapeError(
            f"metric {metric}: outputs of shape {shape} are not {rule}; other metrics: {', '.join(METRICS)}, or a "
            f"function (outputs, labels)"
        )
    return check_labels(labels, len(labels), shape[0])


def _check_shape(labels: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    if labels.shape[1:] != shape:
        needed = ", ".join(map(str, ("images", *shape)))
        raise ShapeError(f"labels: shape {labels.shape} should be ({needed}): one for {what}")


def _check_whole(labels: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    _check_shape(labels, shape, what)
    if labels.dtype.kind not in "iu":
        raise ShapeError(f"labels: {labels.dtype} is not a whole-number type")


def _check_range(labels: np.ndarray, classes: int, masked: np.ndarray) -> None:
    wrong = labels[(labels >= classes) & ~masked]
    if wrong.size:
        raise ShapeError(f"labels: {wrong.flat[0]} is outside the {classes} classes 0..{classes - 1} of the network")


def _check_class(name: str, cls: type[Any]) -> None:
    """Refuse a class without a direction or a way to measure, or whose name is that of a part of every report."""
    taken = sorted({column.partition(".")[0] for column in REPORT_METRICS})
    if name in taken:
        raise ConfigError(
            f"metric {name!r}: {', '.join(taken)} are parts of every report, whose numbers have names such as "
            f"{next(column for column in REPORT_METRICS if column.startswith(name + '.'))}; choose another name"
        )
    if not any(all(callable(getattr(cls, method, None)) for method in form) for form in _FORMS):
        forms = ", or ".join(" and ".join(form) for form in _FORMS)
        raise ConfigError(f"metric {name!r}: {cls.__name__} has no method {forms}")
    if not isinstance(getattr(cls, "higher_is_better", None), bool):
        raise ConfigError(f"metric {name!r}: {cls.__name__} has no field higher_is_better, which is True or False")
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise ConfigError(f"metric {name!r}: {cls.__name__}() should need no arguments: {error}") from None


METRICS = Table("metric", methods=(), check=_check_class)
"""Metrics of the raw outputs by name; users add theirs."""
for _name, _metric in {
    "top1": Top1, "top5": Top5, "miou": MeanIou, "perplexity": Perplexity, "error": RootMeanSquare,
}.items():  # fmt: skip
    METRICS.add(_name, _metric)
