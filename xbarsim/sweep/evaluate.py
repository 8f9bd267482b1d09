"""Computation of points in a worker, which keeps data that points share.

A point that fails gives a result with its error; other points are not affected.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from xbarsim import api
from xbarsim.errors import ConfigError, XbarsimError
from xbarsim.mvm.reuse import KeptArrays, keep_arrays
from xbarsim.network import find_executor
from xbarsim.sweep.metric import collect_metrics
from xbarsim.sweep.plan import Point, Workload, join_layers, split_settings
from xbarsim.sweep.store import PointResult

_LONGEST_ERROR = 400

Function = Callable[[Point], Mapping[str, Any]]


class Evaluator:
    """Computes points of one workload.

    Parameters
    ----------
    workload : Workload
        Networks, hardware and images.
    threads : int
        Threads of this worker; never changes a result.
    """

    def __init__(self, workload: Workload, threads: int = 1) -> None:
        self._workload = workload
        self._threads = threads
        self._family: tuple[str, str] | None = None
        self._shared = api.Shared()
        self._arrays = KeptArrays()

    def __call__(self, point: Point) -> dict[str, Any]:
        """Return every metric of a point."""
        work = self._workload
        changes, by_layer = split_settings(point.settings)
        network = work.networks[point.network]
        hardware = work.hardware[point.hardware].override(changes)
        layers = join_layers(work.layers, by_layer) or None
        if work.images is None:
            return collect_metrics(api.estimate(network, hardware, layers=layers))
        found = find_executor(work.executor).describe()
        if found != work.runner:
            raise ConfigError(
                f"executor: points were planned for {work.runner}, and this worker has {found}; install it"
            )
        if point.family != self._family:  # points come family by family: the last one's network is done with
            self._family = point.family
            self._shared.drop_quantized()
        with keep_arrays(self._arrays):
            report = api.simulate(
                network, hardware, work.images, work.labels, calibration=work.calibration, layers=layers,
                trials=work.trials, seed=work.seed, threads=self._threads, executor=work.executor, shared=self._shared,
                metric=work.metric,
            )  # fmt: skip
        return collect_metrics(report, work.metrics, work.labels)


def compute_point(function: Function, point: Point) -> PointResult:
    """Compute one point, whatever happens.

    Parameters
    ----------
    function : callable
        Point -> metrics.
    point : Point
        What to compute.

    Returns
    -------
    PointResult
        Metrics, or the error in one line.
    """
    started = time.perf_counter()
    metrics, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            metrics = function(point)
        except XbarsimError as problem:
            error = _one_line(str(problem))
        except Exception as problem:
            error = _one_line(f"{type(problem).__name__}: {problem}")
    said = dict.fromkeys(_one_line(str(item.message)) for item in caught if _is_ours(item.category))
    seconds = time.perf_counter() - started
    return PointResult(key=point.key, metrics=metrics, error=error, seconds=seconds, warnings=tuple(said))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]} ..."


def _is_ours(category: type[Warning]) -> bool:
    return category.__module__.partition(".")[0] == "xbarsim"
