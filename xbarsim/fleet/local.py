"""Computation of tasks on processes of one machine.

A worker that dies is replaced, and its task is computed again; a task on which several workers die has failed.
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
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from xbarsim.errors import SolverError
from xbarsim.fleet.queue import ATTEMPTS, GroupQueue, TaskQueue
from xbarsim.fleet.task import FleetTask, TaskResult, compute_task
from xbarsim.network.execute import available_cores
from xbarsim.plugin import Parcel, pack_plugins

_THREAD_VARIABLES = (
    "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from xbarsim.fleet._worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def run_local(
    tasks: Sequence[FleetTask] | TaskQueue, workload: Any, *, factory: str, workers: int | None = None
) -> Iterator[TaskResult]:
    """Compute tasks on processes of this machine.

    Parameters
    ----------
    tasks : sequence of FleetTask or TaskQueue
        What to compute.
    workload : object
        What all tasks share; its ``plugins`` names the classes of users that they need.
    factory : str
        ``module:name`` of what makes the function of tasks from workload and threads. Where a registered class was
        defined in the main program or in a function, worker processes cannot import it, and this process computes.
    workers : int, optional
        Processes; one for each core if left out.

    Yields
    ------
    TaskResult
        One for each task, in the order in which they finish.

    Raises
    ------
    SolverError
        If a worker process cannot start.
    """
    if isinstance(tasks, Sequence) and not tasks:
        return
    cores = available_cores()
    queue = GroupQueue(tasks) if isinstance(tasks, Sequence) else tasks
    count = min(workers or cores, len(tasks)) if isinstance(tasks, Sequence) else workers or cores
    threads = max(1, cores // count) if workers is None else 1
    plugins = pack_plugins(getattr(workload, "plugins", ()))
    if not all(parcel.can_travel for parcel in plugins):
        yield from _compute_here(queue, workload, factory)
        return
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
    """One process and the task that it is computing."""

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
        self.task: FleetTask | None = None
        self.is_ready = False
        with contextlib.suppress(OSError):  # a process that died at once is found out when its answer is missing
            self.connection.send(plugins)
            self.connection.send((factory, workload, threads))

    def give(self, task: FleetTask | None) -> None:
        """Send the next task to the worker; None ends it."""
        self.task = task
        if task is None:
            self.connection.close()
            return
        with contextlib.suppress(OSError):
            self.connection.send(task)

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


def _compute_here(queue: TaskQueue, workload: Any, factory: str) -> Iterator[TaskResult]:
    """Compute tasks in this process, where a plug-in was defined that no other process can import."""
    module, _, name = factory.partition(":")
    function = getattr(importlib.import_module(module), name)(workload, available_cores())
    last = None
    while (task := queue.next(last)) is not None:
        last = task.group
        yield compute_task(function, task)


def _serve(worker: Worker, team: list[Worker], queue: TaskQueue, hire: Callable[[], Worker]) -> Iterator[TaskResult]:
    """Take what a worker sends and give it its next task; replace it if it died."""
    try:
        answer = worker.connection.recv()
    except (EOFError, OSError):
        answer = None
    last = worker.task
    if answer is not None:
        worker.is_ready = True
        worker.give(queue.next(last.group if last else None))
        if worker.task is None:
            team.remove(worker)
            worker.stop()
        if isinstance(answer, TaskResult):
            yield answer  # the worker is busy again while this one is stored
        return
    team.remove(worker)
    code = worker.bury()
    if not worker.is_ready:
        raise SolverError(f"a worker process could not start (exit code {code})")
    team.append(hire())
    if last is not None and not queue.give_back(last):
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        yield TaskResult(key=last.key, error=f"its worker process died {ATTEMPTS} times ({how})")
