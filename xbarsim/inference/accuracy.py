"""Accuracy from raw outputs, with a confidence interval.

A measured accuracy is uncertain because the images are a sample of all images, and the simulated chips a sample of all
chips. All trials use the same images, so more trials do not reduce the first part. The interval
adds both in quadrature: Wilson's score interval for a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)
over the images, and Student's interval of the mean over the trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xbarsim.interval import spread_share, widen_interval


class Score(float):
    """An accuracy between 0 and 1, with the top-5 accuracy as an attribute.

    Attributes
    ----------
    top5 : float or None
        Share of images whose label is among the five highest outputs; None with five classes or fewer.
    """

    top5: float | None

    def __new__(cls, value: float, top5: float | None = None) -> Score:
        """Build a score from the top-1 value and, where there is one, the top-5 value."""
        score = super().__new__(cls, value)
        score.top5 = top5
        return score


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of the float network, of the integer network, and on the hardware."""

    images: int
    """Number of images."""
    reference: Score
    """Float network [-]."""
    quantized: Score
    """Integer network on ideal hardware [-]."""
    hardware: Score
    """On this hardware, mean over trials [-]."""
    trials: tuple[Score, ...]
    """On this hardware, trial by trial [-]."""
    runs: int
    """Number of simulated trials; 1 if nothing on the hardware is random."""
    interval: tuple[float, float]
    """95 % confidence interval of ``hardware`` over images and chips [-]."""

    @property
    def degradation(self) -> float:
        """Lost accuracy, reference minus hardware [-]."""
        return float(self.reference) - float(self.hardware)


def score_outputs(outputs: np.ndarray, labels: np.ndarray) -> Score:
    """Compare outputs with labels.

    Parameters
    ----------
    outputs : ndarray, (images, classes)
        Raw outputs; the highest wins, the lower class where two are equal.
    labels : ndarray, (images,)
        Class of each image.

    Returns
    -------
    Score
        Share of images whose highest output is their label, with ``top5`` where there are more than 5 classes.
    """
    top1 = float(np.mean(outputs.argmax(axis=1) == labels))
    if outputs.shape[1] <= 5:
        return Score(top1)
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
    return Score(top1, float(np.mean((order == labels[:, None]).any(axis=1))))


def measure_accuracy(
    reference: np.ndarray, quantized: np.ndarray, hardware: np.ndarray, labels: np.ndarray, *, runs: int | None = None
) -> Accuracy:
    """Score the three versions of a network on the same images.

    Parameters
    ----------
    reference, quantized : ndarray, (images, classes)
        Outputs of the float and of the integer network.
    hardware : ndarray, (trials, images, classes)
        Outputs on the hardware.
    labels : ndarray of int, (images,)
        Class of each image.
    runs : int, optional
        Trials that were run; all of them if left out.

    Returns
    -------
    Accuracy
        Accuracies, trials and interval.
    """
    trials = tuple(score_outputs(outputs, labels) for outputs in hardware)
    top5 = [score.top5 for score in trials if score.top5 is not None]
    mean = Score(float(np.mean(trials)), float(np.mean(top5)) if top5 else None)
    return Accuracy(
        images=len(labels),
        reference=score_outputs(reference, labels),
        quantized=score_outputs(quantized, labels),
        hardware=mean,
        trials=trials,
        runs=len(trials) if runs is None else runs,
        interval=estimate_interval([float(score) for score in trials], len(labels)),
    )


def estimate_interval(trials: list[float], images: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean accuracy over images and chips.

    Parameters
    ----------
    trials : list of float
        Accuracy of each trial [-].
    images : int
        Number of images, the same in every trial.

    Returns
    -------
    tuple of float
        Lower and upper end, within 0 and 1 [-].
    """
    mean = float(np.mean(trials))
    return widen_interval(mean, spread_share(mean, images), trials, (0.0, 1.0))
