"""Tasks on a Dask cluster: the same function, on workers that may be anywhere.

What all tasks share is packed once, sent to the cluster once, and unpacked once by every worker process. A worker
process computes one task at a time whatever its number of threads, and on one thread, so start Dask workers with one
thread each. Tasks of workers that are lost go to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xbarsim.errors import ConfigError, SolverError
from xbarsim.fleet.queue import ATTEMPTS, GroupQueue, TaskQueue
from xbarsim.fleet.task import FleetTask, TaskResult
from xbarsim.fleet.tls import Tls, explain_refusal, make_security
from xbarsim.plugin import pack_plugins, unpack_plugins

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 20.0
"""How long a scheduler is given to answer [s]."""
AHEAD = 4
"""Tasks handed to the cluster for each of its threads; the rest waits here."""
_unpacked: dict[str, Any] = {}
_one_at_a_time = threading.Lock()


def connect(address: str, tls: Tls | None = None) -> Client:
    """Connect to a Dask scheduler.

    Parameters
    ----------
    address : str
        For example ``tcp://10.0.0.1:8786`` or ``tls://...``.
    tls : Tls, optional
        Certificates, for ``tls://``.

    Returns
    -------
    distributed.Client
        Connected; close it when done.

    Raises
    ------
    ConfigError
        If Dask is not installed, a certificate is missing or wrong, nobody answers, or there are no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("--dask: Dask is not installed; pip install 'xbarsim[cluster]'") from None
    security = make_security(address, tls or Tls())
    try:
        client = Client(address, security=security, timeout=CONNECT_S, set_as_default=False)
    except (OSError, asyncio.TimeoutError, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(explain_refusal(address, error)) from None
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except asyncio.TimeoutError:
        client.close()
        hint = f"start some: dask worker {address} --nthreads 1"
        raise ConfigError(f"--dask {address}: the scheduler has no workers; {hint}") from None
    return client


def run_dask(
    tasks: Sequence[FleetTask] | TaskQueue, workload: Any, *, client: Client, factory: str, ahead: int = AHEAD
) -> Iterator[TaskResult]:
    """Compute tasks on a cluster.

    Parameters
    ----------
    tasks : sequence of FleetTask or TaskQueue
        What to compute.
    workload : object
        What all tasks share; its ``plugins`` names the classes of users that they need.
    client : distributed.Client
        From :func:`connect`.
    factory : str
        ``module:name`` of what makes the function of tasks from workload and threads; importable on every worker.
    ahead : int
        Tasks handed to the cluster for each of its threads; the rest waits here.

    Yields
    ------
    TaskResult
        One for each task, in the order in which they finish.

    Raises
    ------
    SolverError
        If the cluster is lost.
    """
    from distributed import as_completed

    if isinstance(tasks, Sequence) and not tasks:
        return
    packed = pack_workload(factory, workload)
    queue = GroupQueue(tasks) if isinstance(tasks, Sequence) else tasks
    tries: dict[str, int] = {}
    owner: dict[str, FleetTask] = {}
    try:
        shared = client.scatter(packed, broadcast=True)

        def submit(task: FleetTask) -> Any:
            tries[task.key] = tries.get(task.key, 0) + 1
            name = f"xbarsim-{task.key}-{id(owner):x}-{tries[task.key]}"
            owner[name] = task
            return client.submit(compute_remote, shared, task, key=name, pure=False, retries=ATTEMPTS - 1)

        room = range(_capacity(client, ahead))
        first = [task for _ in room if (task := queue.next(None)) is not None]
        running = as_completed([submit(task) for task in first], loop=client.loop)
        for future in running:
            task = owner.pop(future.key)
            result = _take(future)
            if result is None and tries[task.key] < ATTEMPTS:  # what it needed was lost with its workers: send again
                if shared.status != "finished":
                    shared = client.scatter(packed, broadcast=True)
                running.add(submit(task))
                continue
            following = queue.next(task.group)
            if following is not None:
                running.add(submit(following))
            yield result or TaskResult(key=task.key, error=f"its worker was lost {ATTEMPTS} times")
    except (OSError, asyncio.TimeoutError) as error:  # not an OSError before Python 3.11
        said = " ".join(str(error).split()) or type(error).__name__
        raise SolverError(f"the cluster was lost ({said}); finished work is kept") from None


def pack_workload(factory: str, workload: Any) -> bytes:
    """Return what every worker of the cluster needs: plug-ins, and the function that computes tasks."""
    plugins = pack_plugins(getattr(workload, "plugins", ()))
    for parcel in plugins:
        if not parcel.can_travel:
            where = "defined in the main program or in a function; workers need it in a module"
            raise ConfigError(f"{parcel.kind} {parcel.name!r}: {where}")
    return pickle.dumps((plugins, pickle.dumps((factory, workload), protocol=5)), protocol=5)


def compute_remote(packed: bytes, task: FleetTask) -> TaskResult:
    """Compute one task on a worker of the cluster."""
    import hashlib
    import importlib

    from xbarsim.fleet.task import compute_task

    with _one_at_a_time:
        name = hashlib.sha256(packed).hexdigest()
        if name not in _unpacked:
            plugins, rest = pickle.loads(packed)
            unpack_plugins(plugins)  # before anything that may name them
            factory, workload = pickle.loads(rest)
            module, _, function = factory.partition(":")
            _unpacked.clear()  # of an earlier run
            _unpacked[name] = getattr(importlib.import_module(module), function)(workload, 1)
        return compute_task(_unpacked[name], task)


def _capacity(client: Client, ahead: int) -> int:
    threads = int(sum(client.nthreads().values()))
    return ahead * max(1, threads)


def _take(future: Any) -> TaskResult | None:
    """Return what a finished future holds, None where its worker was lost; its own errors are bugs and rise."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    with contextlib.suppress(KilledWorker, FutureCancelledError):
        result: TaskResult = future.result()
        return result
    return None
