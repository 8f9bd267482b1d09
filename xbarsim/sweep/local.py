"""Computation of points on processes of one machine.

Every worker is one process with one thread. A worker receives the points of one group (points that share programmed
arrays) before those of others. A worker that dies is replaced, and its point is computed again; a point on which
several workers die has failed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from xbarsim.errors import SolverError
from xbarsim.network.execute import available_cores
from xbarsim.plugin import Parcel, pack_plugins
from xbarsim.sweep.plan import Point, Workload
from xbarsim.sweep.store import PointResult

FACTORY = "xbarsim.sweep.evaluate:Evaluator"
"""What turns a workload and a number of threads into a function of points, as ``module:name``."""
ATTEMPTS = 3
"""Times that a point is tried before the death of its workers counts as its failure."""
_THREAD_VARIABLES = (
    "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from xbarsim.sweep._worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def run_local(
    points: Sequence[Point], workload: Workload | Any, *, workers: int | None = None, factory: str = FACTORY
) -> Iterator[PointResult]:
    """Compute points on processes of this machine.

    Parameters
    ----------
    points : sequence of Point
        What to compute.
    workload : Workload
        What all points share.
    workers : int, optional
        Processes; one for each core if left out.
    factory : str
        ``module:name`` of what makes the function of points from workload and threads. Where a registered class was
        defined in the main program or in a function, worker processes cannot import it, and this process computes.

    Yields
    ------
    PointResult
        One for each point, in the order in which they finish.

    Raises
    ------
    SolverError
        If a worker process cannot start.
    """
    if not points:
        return
    cores = available_cores()
    count = min(workers or cores, len(points))
    threads = max(1, cores // count) if workers is None else 1
    plugins = pack_plugins(workload.plugins if isinstance(workload, Workload) else ())
    if not all(parcel.can_travel for parcel in plugins):
        yield from _compute_here(points, workload, factory)
        return
    queue = Queue(points)
    team: list[Worker] = []
    hire = functools.partial(Worker, plugins, factory, workload, threads)
    try:
        team.extend(hire() for _ in range(count))
        while team:
            for connection in wait([worker.connection for worker in team]):
                worker = next(item for item in team if item.connection is connection)
                yield from _serve(worker, team, queue, hire)
    finally:
        for worker in team:
            worker.stop()


class Worker:
    """One process and the point that it is computing."""

    def __init__(self, plugins: tuple[Parcel, ...], factory: str, workload: Any, threads: int) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno()), str(lifeline), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(theirs.fileno(), lifeline),
                env={**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))},
            )  # fmt: skip
        finally:
            theirs.close()
            os.close(lifeline)
        self.connection = Connection(ours.detach())
        self.point: Point | None = None
        self.is_ready = False
        with contextlib.suppress(OSError):  # a process that died at once is found out when its answer is missing
            self.connection.send(plugins)
            self.connection.send((factory, workload, threads))

    def give(self, point: Point | None) -> None:
        """Send the next point to the worker; None ends it."""
        self.point = point
        if point is None:
            self.connection.close()
            return
        with contextlib.suppress(OSError):
            self.connection.send(point)

    def bury(self) -> int:
        """Clean up after a process that has closed its connection; return its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.stop()
        return self.process.returncode

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        os.close(self._lifeline)


class Queue:
    """Points to be given out, group by group, groups of one family one after the other.

    Parameters
    ----------
    points : sequence of Point
        What to compute.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._groups: dict[Any, list[Point]] = {}
        for point in reversed(points):
            self._groups.setdefault(point.group, []).append(point)
        families = {point.family: number for number, point in enumerate(reversed(points))}
        order = dict.fromkeys(point.group for point in points)
        self._untouched = deque(sorted(order, key=lambda group: -families[group[0]]))
        self._deaths: dict[str, int] = {}

    def next(self, group: Any) -> Point | None:
        """Return the next point for a worker whose last one was of ``group``; None when there is nothing left."""
        if not self._groups.get(group):
            if self._untouched:
                group = self._untouched.popleft()
            else:  # help where most is left
                group = max(self._groups, key=lambda name: len(self._groups[name]))
            if not self._groups[group]:
                return None
        return self._groups[group].pop()

    def give_back(self, point: Point) -> bool:
        """Take back a point whose worker died; False if that happened too often."""
        self._deaths[point.key] = self._deaths.get(point.key, 0) + 1
        if self._deaths[point.key] >= ATTEMPTS:
            return False
        self._groups[point.group].append(point)
        return True


def _compute_here(points: Sequence[Point], workload: Any, factory: str) -> Iterator[PointResult]:
    """Compute points in this process, where a plug-in was defined that no other process can import."""
    from xbarsim.sweep.evaluate import compute_point

    module, _, name = factory.partition(":")
    function = getattr(importlib.import_module(module), name)(workload, available_cores())
    for point in sorted(points, key=lambda point: point.group):
        yield compute_point(function, point)


def _serve(worker: Worker, team: list[Worker], queue: Queue, hire: Callable[[], Worker]) -> Iterator[PointResult]:
    """Take what a worker sends and give it its next point; replace it if it died."""
    try:
        answer = worker.connection.recv()
    except (EOFError, OSError):
        answer = None
    last = worker.point
    if answer is not None:
        worker.is_ready = True
        worker.give(queue.next(last.group if last else None))
        if worker.point is None:
            team.remove(worker)
            worker.stop()
        if isinstance(answer, PointResult):
            yield answer  # the worker is busy again while this one is stored
        return
    team.remove(worker)
    code = worker.bury()
    if not worker.is_ready:
        raise SolverError(f"a worker process could not start (exit code {code})")
    team.append(hire())
    if last is not None and not queue.give_back(last):
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        yield PointResult(key=last.key, error=f"its worker process died {ATTEMPTS} times ({how})")
