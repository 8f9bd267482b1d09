"""A lock that allows one writer in a folder, on one machine or several.

The lock is a file that names its holder and contains a counter, which the holder increments. On one machine the file
lock of the operating system (``flock``) prevents a second writer and is released when its process ends, so a killed run
does not block the next one. File locks are unreliable between machines that share a folder, and on some file systems.
There the counter is watched for some time, and a lock whose counter changes is in use. Clocks of different machines are
not compared. Machines are identified by the boot identifiers of their kernels, since host names may repeat.

Races between two runs (both start in an empty folder, both take over the same abandoned lock, or one wakes after a
suspension) leave at most one of them: a run that finds another token in the file stops before it writes. Even if this
is too late, nothing is lost, since machines append to logs of their own (see :mod:`xbarsim.sweep.store`).

The library ``filelock`` is not used. Its ``FileLock`` is the same ``flock``, which is not sufficient where a network
file system has file locks for one machine only or none at all. Its ``SoftFileLock`` is a file that remains when its
holder is killed. Neither detects that a folder was taken over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xbarsim.errors import ConfigError, SolverError

BEAT_S = 2.0
"""Time between two increments of the counter [s]."""
WATCH_S = 15.0
"""Time for which the lock of another machine is watched before it is considered abandoned [s]."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Lock:
    """Holds ``lock`` in a folder between :meth:`acquire` and :meth:`release`.

    Parameters
    ----------
    folder : Path
        Folder to write into.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._holder: dict[str, Any] = {}
        self._descriptor = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        ConfigError
            If another run holds it, or the folder cannot be written.
        """
        try:
            descriptor, has_flock = self._open()
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be written: {error.strerror or error}") from None
        held = _read(self._path)
        is_foreign = bool(held) and held.get("machine") != identify_machine()
        is_certain = has_flock and not is_foreign
        if held and not is_certain and _is_beating(self._path, held):
            os.close(descriptor)
            raise self._refuse(held)
        self._descriptor = descriptor
        self._holder = {
            "token": uuid.uuid4().hex, "host": socket.gethostname(), "machine": identify_machine(), "pid": os.getpid(),
            "beat": 0,
        }  # fmt: skip
        try:
            self._write()
        except OSError as error:
            os.close(descriptor)
            self._descriptor = -1
            raise SolverError(f"{self._path}: cannot be written: {error.strerror or error}") from None
        if not is_certain:  # another run may have come to the same conclusion at the same moment: the last one stays
            time.sleep(BEAT_S)
            if not self._is_held():
                os.close(descriptor)
                self._descriptor = -1
                raise self._refuse(_read(self._path))
        self._thread = threading.Thread(target=self._beat, name="xbarsim-lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise SolverError if another run has taken the lock, or the folder was removed."""
        if not self._is_held():
            if not self._path.parent.is_dir():
                raise SolverError(f"{self._path.parent}: the folder was removed during the run, which stops")
            raise SolverError(f"{self._path}: another run has taken over this folder; this one stops")

    def release(self) -> None:
        """Release the lock and remove its file."""
        if self._descriptor < 0:
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._is_held():
            with contextlib.suppress(OSError):
                self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_S):
            if not self._is_held():
                return
            self._holder["beat"] += 1
            with contextlib.suppress(OSError):  # a full disk must not end a run that may still compute
                self._write()

    def _open(self) -> tuple[int, bool]:
        """Open and lock the file, again where its last holder removed it in between; tell whether locks are known."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            is_locked = _flock(descriptor)
            if is_locked is False:
                os.close(descriptor)
                raise self._refuse(_read(self._path))
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(self._path)):
                    return descriptor, is_locked is not None
            os.close(descriptor)

    def _is_held(self) -> bool:
        return bool(_read(self._path).get("token") == self._holder["token"])

    def _write(self) -> None:
        text = json.dumps(self._holder).encode().ljust(240) + b"\n"
        os.pwrite(self._descriptor, text, 0)
        os.fsync(self._descriptor)

    def _refuse(self, held: dict[str, Any]) -> ConfigError:
        who = f"process {held['pid']} on {held['host']}" if held.keys() >= {"pid", "host"} else "another run"
        return ConfigError(f"{self._path.parent}: {who} is writing here; wait for it, or choose another folder")


@contextlib.contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold the operating system's lock of a file for a moment, waiting for it; no lock where the system has none.

    Parameters
    ----------
    path : Path
        File; made where missing, and left behind.
    """
    with path.open("a+b") as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def identify_machine() -> str:
    """Return a name for the running kernel, whose file locks hold among its own processes alone; 16 hex digits."""
    try:
        drawn = _BOOT.read_text().strip()  # the same in every container of a machine, another after a restart
    except OSError:
        drawn = ""
    return hashlib.sha256((drawn or f"{socket.gethostname()} {uuid.getnode()}").encode()).hexdigest()[:16]


def _flock(descriptor: int) -> bool | None:
    """Take the operating system's lock: True where it is ours, False where it is not, None where there is none."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _read(path: Path) -> dict[str, Any]:
    """Return who holds the lock; nothing where the file is missing, empty or torn."""
    try:
        held = json.loads(path.read_bytes())  # opened anew each time: a network file system then looks again
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _is_beating(path: Path, held: dict[str, Any]) -> bool:
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(min(BEAT_S / 2, WATCH_S))
        now = _read(path)
        if now and now != held:
            return True
    return False
