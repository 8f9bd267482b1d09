"""Evaluation of a point of the space: metrics from the oracle, objectives and constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.search.design import Design, has_accuracy
from xbarsim.search.oracle import CostOracle
from xbarsim.search.record import describe_cost
from xbarsim.search.task import Bound, Search


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Test images and calibration images, normalised."""

    images: np.ndarray
    """(images, *input_shape) float32."""
    labels: np.ndarray
    """(images,) classes, or (images, ...) as a metric of the outputs takes them."""
    calibration: np.ndarray | None
    """(images, *input_shape) float32; None takes the first test images."""


def load_part(search: Search, spec: str, count: int | None, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Load labelled images, scaled as the search file says.

    Parameters
    ----------
    search : Search
        Mean and deviation.
    spec : str
        What :func:`xbarsim.data.load_data` takes.
    count : int or None
        Keep the first ones only.
    split : str
        ``train`` or ``test``, where the source has both.

    Returns
    -------
    tuple of ndarray
        Images as float32, and labels.

    Raises
    ------
    ConfigError
        If the images cannot be loaded or have no labels.
    """
    from xbarsim.data import load_data, normalize_images

    dataset = load_data(spec, split).take(count)
    if dataset.labels is None:
        raise ConfigError(f"{spec}: has no labels")
    scale: dict[str, Any] = {
        key: value for key, value in (("mean", search.mean), ("std", search.std)) if value is not None
    }
    return normalize_images(dataset.images, **scale), dataset.labels


def load_images(search: Search) -> Images | None:
    """Load what accuracy is measured on; None where the search asks for cost alone."""
    if search.data is None:
        return None
    images, labels = load_part(search, search.data, search.images, "test")
    if search.calibration is None:
        return Images(images=images, labels=labels, calibration=None)
    known, _ = load_part(search, search.calibration, search.calibration_images, "train")
    return Images(images=images, labels=labels, calibration=known)


def measure_design(search: Search, oracle: CostOracle, design: Design, images: Images | None) -> dict[str, float]:
    """Ask the oracle for every metric of a design.

    Parameters
    ----------
    search : Search
        Trials and seed.
    oracle : CostOracle
        Who knows.
    design : Design
        Network and choices by layer.
    images : Images or None
        Test images; None leaves out accuracy and metrics of the outputs.

    Returns
    -------
    dict
        Dotted metric -> value.

    Raises
    ------
    XbarsimError
        If the design cannot be built, does not fit, or cannot be solved.
    """
    cost = describe_cost(oracle.cost(design.network, design.layers))
    found = {f"cost.{name}": float(value) for name, value in cost.items()}
    if images is None:
        return found
    named = (*search.goals, *search.constraints)
    if any(name.startswith("accuracy.") for name in named) or has_accuracy(design.network, images.labels):
        accuracy = oracle.accuracy(
            design.network, images.images, images.labels, design.layers, calibration=images.calibration,
            trials=search.trials, seed=search.seed,
        )  # fmt: skip
        for name in ("hardware", "degradation", "quantized", "reference"):
            found[f"accuracy.{name}"] = float(getattr(accuracy, name))
    for name in search.added:
        found[name] = oracle.measure(
            name, design.network, images.images, images.labels, design.layers, calibration=images.calibration,
            trials=search.trials, seed=search.seed,
        )  # fmt: skip
        if not math.isfinite(found[name]):
            raise ConfigError(f"metric {name}: is not finite for this design")
    return found


def weigh_metrics(search: Search, metrics: Mapping[str, float] | None) -> tuple[tuple[float, ...], float]:
    """Turn metrics into objectives to be minimised and a violation.

    Parameters
    ----------
    search : Search
        Objectives and constraints.
    metrics : mapping or None
        Dotted metric -> value; None where the point could not be evaluated.

    Returns
    -------
    tuple
        Objectives, and the sum of relative excesses over all limits; infinite where there are no metrics.
    """
    if metrics is None:
        return (math.inf,) * len(search.goals), math.inf
    values = tuple(metrics[name] if way == "min" else -metrics[name] for name, way in search.goals.items())
    return values, weigh_limits(search.constraints, metrics)


def weigh_limits(constraints: Mapping[str, Bound], metrics: Mapping[str, float]) -> float:
    """Return how far metrics break limits.

    Parameters
    ----------
    constraints : mapping
        Metric -> limits.
    metrics : mapping
        Dotted metric -> value.

    Returns
    -------
    float
        Sum of the relative excesses over all limits [-]; 0 where all are kept.
    """
    violation = 0.0
    for name, bound in constraints.items():
        for limit, excess in ((bound.max, 1.0), (bound.min, -1.0)):
            if limit is not None:
                violation += max(0.0, excess * (metrics[name] - limit)) / (abs(limit) or 1.0)
    return violation
