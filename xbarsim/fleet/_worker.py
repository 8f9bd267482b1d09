"""One worker process: takes tasks from one pipe end until it closes, and ends when its parent does.

Started as a plain interpreter (see :mod:`xbarsim.fleet.local`), so that it inherits neither locks nor threads, and
a script that runs tasks needs no ``__main__`` guard.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from multiprocessing.connection import Connection


def main(channel: int, lifeline: int) -> None:
    """Serve tasks.

    Parameters
    ----------
    channel : int
        Descriptor of a socket: plug-ins come first, then a factory's name and its arguments, then tasks; results go
        back.
    lifeline : int
        Descriptor of a pipe that nobody writes to; it ends when the parent does, however it ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    connection = Connection(channel)

    from xbarsim.plugin import unpack_plugins

    unpack_plugins(connection.recv())  # before anything that may name them
    factory, workload, threads = connection.recv()

    from xbarsim.fleet.task import compute_task

    module, _, name = factory.partition(":")
    function = getattr(importlib.import_module(module), name)(workload, threads)
    connection.send("ready")
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(compute_task(function, task))


def _die_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
