"""Cache of results on disk, shared by any number of processes.

The cache is one SQLite file in write-ahead mode; a process that is killed during a write leaves the last committed
state. Every result has a checksum, and a result with a wrong checksum is ignored. A file that SQLite refuses is renamed
and replaced by a new one. If the cache cannot be read or written, results are computed again.

Neglected: network file systems without shared memory, where several *hosts* should have a folder each.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from xbarsim import __version__
from xbarsim.errors import ConfigError
from xbarsim.store import hold_file

FILE = "oracle.sqlite"
"""Name of the file in its folder."""
LIMIT_BYTES = 1 << 30
"""Largest size of the file [bytes]; a larger one is replaced when it is next opened."""
WAIT_S = 30.0
"""Longest time that a process waits while another writes [s]."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, mark BLOB NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
)
_COMPANIONS = ("-wal", "-shm", "-journal")


class AnswerCache:
    """Bytes by key in a folder; safe to share between threads, processes and forks.

    Parameters
    ----------
    folder : str or Path
        Made where it does not exist.

    Raises
    ------
    ConfigError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cache {self.folder}: {error.strerror or error}") from None
        if not os.access(self.folder, os.W_OK):
            raise ConfigError(f"cache {self.folder}: cannot be written")
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        with contextlib.suppress(OSError):
            if self.path.stat().st_size > LIMIT_BYTES:
                self._set_aside()

    def get(self, key: str) -> bytes | None:
        """Return the answer of a key; None where there is none that can be trusted.

        Parameters
        ----------
        key : str
            Hash of everything that the answer depends on.

        Returns
        -------
        bytes or None
            What was put.
        """
        rows = self._run("SELECT mark, value FROM answers WHERE key = ?", (key,))
        if not rows:
            return None
        mark, value = rows[0]
        return value if isinstance(value, bytes) and mark == _mark(key, value) else None

    def put(self, key: str, value: bytes) -> None:
        """Keep an answer; the last one wins.

        Parameters
        ----------
        key : str
            Hash of everything that the answer depends on.
        value : bytes
            The answer.
        """
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, _mark(key, value), value))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._guard:
            self._close()

    def __len__(self) -> int:
        """Return the number of answers."""
        rows = self._run("SELECT count(*) FROM answers", ())
        return int(rows[0][0]) if rows else 0

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process as a folder."""
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the same folder there."""
        self.__init__(state["folder"])  # type: ignore[misc]

    def _run(self, command: str, values: tuple[Any, ...]) -> list[Any]:
        """Run one statement; after a broken file, once more on a new one; give up without an error."""
        with self._guard:
            for attempt in range(2):
                try:
                    connection = self._connect()
                    with connection:
                        return connection.execute(command, values).fetchall()
                except sqlite3.Error as error:
                    self._close()
                    if attempt or not _is_broken(error):
                        return []
                    with contextlib.suppress(OSError):
                        self._set_aside()
        return []

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        # a connection does not survive a fork: the child opens its own and leaves the parent's alone
        connection = sqlite3.connect(self.path, timeout=WAIT_S, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._owner = connection, os.getpid()
        return connection

    def _close(self) -> None:
        if self._connection is not None and self._owner == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        """Move a broken or overgrown file away, unless another process has done so already."""
        self._close()
        with hold_file(self.folder / f"{FILE}.lock"):
            if _is_sound(self.path):
                return
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path, self.path.with_suffix(".broken"))
            for end in _COMPANIONS:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self.path}{end}")


def default_folder() -> Path | None:
    """Return the folder of the user's own cache: ``XBARSIM_CACHE``, or ``xbarsim`` in the user's cache folder.

    Returns
    -------
    Path or None
        None where ``XBARSIM_CACHE`` is empty or ``none``, or the user has no home.
    """
    named = os.environ.get("XBARSIM_CACHE")
    if named is not None:
        return None if named in ("", "none") else Path(named)
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(home) / "xbarsim"


def open_cache(cache: str | Path | None) -> AnswerCache | None:
    """Open what a ``cache`` argument names.

    Parameters
    ----------
    cache : str, Path or None
        A folder; ``"auto"`` is the user's own, left out where it cannot be written; None is no cache on disk.

    Returns
    -------
    AnswerCache or None
        The cache.

    Raises
    ------
    ConfigError
        If a folder that was named cannot be written.
    """
    if cache is None:
        return None
    if cache != "auto":
        return AnswerCache(cache)
    folder = default_folder()
    try:
        return None if folder is None else AnswerCache(folder)
    except ConfigError:
        return None


def _mark(key: str, value: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\n" + value, digest_size=16).digest()


def _is_broken(error: sqlite3.Error) -> bool:
    """Tell a file that is no sound cache from one that is locked, full or read-only."""
    return not isinstance(error, sqlite3.OperationalError) or str(error).startswith(("no such", "table answers has"))


def _is_sound(path: Path) -> bool:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            return False
        with contextlib.closing(sqlite3.connect(path, timeout=WAIT_S)) as connection:
            connection.execute("SELECT key, mark, value FROM answers LIMIT 1").fetchall()
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except (OSError, sqlite3.Error):
        return False


@functools.cache
def fingerprint_code() -> str:
    """Return a hash of the version and of every source file of the package, so that an edited copy shares no answer."""
    digest = hashlib.sha256(__version__.encode())
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        if path.parent.name not in ("cli", "report", "search", "store", "sweep", "train"):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
