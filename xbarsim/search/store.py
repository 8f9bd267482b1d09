"""Folder with the points of a search, from which an interrupted search is resumed.

``search.json`` describes the search. ``points.log`` contains every point, in order, and is written as soon as the point
is known (see :mod:`xbarsim.store.log`). One process at a time may write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xbarsim.errors import ConfigError, Interrupted, SolverError
from xbarsim.store import Lock, Log, encode_json, make_folder, read_records, write_file

LOG, DOCUMENT = "points.log", "search.json"


class SearchStore:
    """The folder of one search.

    Parameters
    ----------
    folder : str or Path
        Made where it does not exist.
    name : str
        Hash of the search and of the code that answers it.
    about : dict
        What the search file says, kept for readers.

    Raises
    ------
    ConfigError
        If the folder holds another search, is in use, or cannot be written.
    """

    def __init__(self, folder: str | Path, name: str, about: dict[str, Any]) -> None:
        self.folder = make_folder(folder)
        self._lock = Lock(self.folder)
        self._lock.acquire()
        try:
            self._begin(name, about)
        except BaseException:
            self._lock.release()
            raise

    def append(self, point: dict[str, Any]) -> None:
        """Write a point.

        Parameters
        ----------
        point : dict
            What JSON knows.

        Raises
        ------
        SolverError
            If it cannot be written, the folder was removed, or another run has taken it over.
        """
        self._lock.check()
        try:
            self._log.append(point)
        except OSError as error:
            kept = f"{self.count:,} points are kept; the same command resumes it"
            where = f"{self._log.path}: cannot be written: {error.strerror or error}"
            raise SolverError(f"{where}; {kept}") from None
        self.count += 1

    def close(self) -> None:
        """Release the folder for other runs."""
        self._log.close()
        self._lock.release()

    def __enter__(self) -> SearchStore:
        """Return the store itself."""
        return self

    def check(self) -> None:
        """Raise SolverError if the folder was removed, or another run has taken it over."""
        self._lock.check()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Release the folder for other runs; after a signal, say what is kept."""
        self.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            raise Interrupted(f"{self.folder}: {self.count:,} points are kept; the same command resumes it")

    def _begin(self, name: str, about: dict[str, Any]) -> None:
        head = self.folder / DOCUMENT
        if head.exists():
            try:
                found = json.loads(head.read_text(encoding="utf-8"))["hash"]
            except (ValueError, KeyError, TypeError):
                found = None
            if found != name:
                raise ConfigError(f"{self.folder}: contains another search; choose a new folder, or remove this one")
        elif (self.folder / LOG).exists():
            raise ConfigError(f"{self.folder}: contains points without a {DOCUMENT}; choose a new folder")
        else:
            write_file(head, encode_json({"hash": name, **about}, indent=2) + "\n")
        self.known: list[dict[str, Any]]
        """Points of an earlier run, in order."""
        self.known, damaged, _ = read_records(self.folder / LOG)
        if damaged:
            raise ConfigError(f"{self.folder / LOG}: {damaged} damaged points; choose a new folder, or remove this one")
        self.count = len(self.known)
        """Points in the log."""
        self._log = Log(self.folder / LOG)
