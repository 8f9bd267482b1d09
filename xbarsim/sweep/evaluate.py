"""Computation of points in a worker, which keeps data that points share."""

from __future__ import annotations

from typing import Any

from xbarsim import api
from xbarsim.errors import ConfigError
from xbarsim.mvm.reuse import KeptArrays, keep_arrays
from xbarsim.network import find_executor
from xbarsim.sweep.metric import collect_metrics
from xbarsim.sweep.plan import Point, Workload, join_layers, split_settings
from xbarsim.target import compare_target, describe_target


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
        """Return every metric of a point, and ``target`` where it is not the one that the point was planned for."""
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
        compare_target(work.target)
        if point.family != self._family:  # points come family by family: the last one's network is done with
            self._family = point.family
            self._shared.drop_quantized()
        with keep_arrays(self._arrays):
            report = api.simulate(
                network, hardware, work.images, work.labels, calibration=work.calibration, layers=layers,
                trials=work.trials, seed=work.seed, threads=self._threads, executor=work.executor, shared=self._shared,
                metric=work.metric,
            )  # fmt: skip
        metrics, target = collect_metrics(report, work.metrics, work.labels), describe_target()
        return metrics if target == work.target else {**metrics, "target": target}
