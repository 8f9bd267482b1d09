"""Tasks on processes of this machine or on a Dask cluster."""

from xbarsim.fleet.cluster import connect, run_dask
from xbarsim.fleet.local import run_local
from xbarsim.fleet.queue import GroupQueue, StreamQueue, TaskQueue
from xbarsim.fleet.task import FleetTask, TaskResult, compute_task
from xbarsim.fleet.tls import Tls

__all__ = [
    "GroupQueue",
    "StreamQueue",
    "FleetTask",
    "TaskQueue",
    "TaskResult",
    "Tls",
    "compute_task",
    "connect",
    "run_dask",
    "run_local",
]
