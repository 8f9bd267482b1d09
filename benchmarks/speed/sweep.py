"""Throughput of a sweep on two processes, against one.

Two hundred points of the embedded digits - resolution of the converter, size of the arrays, spread of programming -
run to an empty folder, tables included, first on one process and then on two; processes start cold, compiled code is
on disk. The ratio of the wall times is the claim (goal 1.8); it means something on a quiet machine only. The last line
leaves wall time out: twice the processor time of one worker over that of two. It falls short of 2 by what every worker
does for itself (its start, the references that points share), and other programs hardly move it.

    python benchmarks/speed/sweep.py
    python benchmarks/speed/sweep.py --trials 3 --repeats 3
    python benchmarks/speed/sweep.py --quick
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from typing import Any

AXES = {
    "adc.bits": [4, 5, 6, 7, 8],
    "crossbar.rows": [32, 64, 128, 256],
    "crossbar.cols": "same as crossbar.rows",
    "device.programming.sigma": {"from": 0.0, "to": 0.18, "step": 0.02},
}
QUICK = {**AXES, "crossbar.rows": [64, 128], "device.programming.sigma": [0.0, 0.1]}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds of one run."""

    wall_s: float
    """From an empty folder to written tables [s]."""
    workers_s: float
    """Processor time of the worker processes [s]."""
    parent_s: float
    """Processor time of the process that hands out points and stores results [s]."""


def run_once(plan: Any, workers: int) -> Run:
    """Run the sweep into a folder that is thrown away."""
    from xbarsim.sweep import run_sweep

    before = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        summary = run_sweep(plan, folder, workers=workers)
        wall = time.perf_counter() - start
        if summary.computed != len(plan.points) or summary.failed:
            raise SystemExit(f"{summary.computed} points computed, {len(summary.failed)} failed")
    after = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    spent = [new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime for new, old in zip(after, before)]
    return Run(wall_s=wall, workers_s=spent[0], parent_s=spent[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1, help="chips for every point")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each kind; the fastest counts")
    parser.add_argument("--quick", action="store_true", help="twenty points, once")
    arguments = parser.parse_args()

    from xbarsim.sweep import make_sweep, plan_sweep, run_sweep

    axes = QUICK if arguments.quick else AXES
    content = {"network": "digits", "data": "digits", "axes": axes, "trials": arguments.trials}
    plan = plan_sweep(make_sweep({**content, "metrics": ["accuracy.hardware", "cost.edap"]}))
    with tempfile.TemporaryDirectory() as folder:  # leaves compiled code on disk
        few = {"adc.bits": [4, 6], "crossbar.rows": [64], "crossbar.cols": "same as crossbar.rows"}
        run_sweep(plan_sweep(make_sweep({**content, "axes": few, "metrics": ["cost.edap"]})), folder, workers=1)
    best: dict[int, Run] = {}
    for _ in range(1 if arguments.quick else arguments.repeats):
        for workers in (1, 2):
            run = run_once(plan, workers)
            if workers not in best or run.wall_s < best[workers].wall_s:
                best[workers] = run
    print(f"digits, {len(plan.points)} points, trials: {arguments.trials}")
    for workers, run in best.items():
        print(
            f"  processes: {workers}  wall {run.wall_s:7.2f} s  {len(plan.points) / run.wall_s:6.2f} points/s"
            f"  processor: workers {run.workers_s:7.2f} s, parent {run.parent_s:5.2f} s"
        )
    one, two = best[1], best[2]
    print(f"  two processes / one: {one.wall_s / two.wall_s:.2f} times the throughput (goal 1.8)")
    print(f"  by processor time alone: {2 * one.workers_s / two.workers_s:.2f} of 2")


if __name__ == "__main__":
    main()
