"""What a search has found so far, in a folder that survives being killed.

``search.json`` says what is searched, ``points.jsonl`` has one line a point, in order, written and flushed as soon as
the point is known. A line that was cut off in the middle is dropped. One process at a time may write.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, TextIO

from xbarsim.errors import ConfigError


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
        self.folder = Path(folder)
        self._points = self.folder / "points.jsonl"
        self.known: list[dict[str, Any]] = []
        """Points of an earlier run, in order."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.folder / "search.lock", "a+b")  # noqa: SIM115 (held until close)
        except OSError as error:
            raise ConfigError(f"{self.folder}: cannot be written: {error.strerror or error}") from None
        try:
            self._hold()
            self._begin(name, about)
        except BaseException:
            self._lock.close()
            raise

    def append(self, point: dict[str, Any]) -> None:
        """Write a point."""
        self._file.write(json.dumps(point) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Let others write."""
        self._file.close()
        self._lock.close()

    def __enter__(self) -> SearchStore:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self.close()

    def _hold(self) -> None:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(f"{self.folder}: another search writes here") from None

    def _begin(self, name: str, about: dict[str, Any]) -> None:
        head = self.folder / "search.json"
        if head.exists():
            try:
                found = json.loads(head.read_text(encoding="utf-8"))["hash"]
            except (ValueError, KeyError, TypeError):
                found = None
            if found != name:
                raise ConfigError(f"{self.folder}: holds another search; give a new folder, or remove this one")
            self._read()
        elif self._points.exists():
            raise ConfigError(f"{self.folder}: holds points without a search.json; give a new folder")
        else:
            write_text(head, json.dumps({"hash": name, **about}, indent=2) + "\n")
        self._file: TextIO = open(self._points, "a", encoding="utf-8")  # noqa: SIM115 (held until close)

    def _read(self) -> None:
        """Read the points up to the first broken line, and cut the file there."""
        if not self._points.exists():
            return
        sound = 0
        with open(self._points, "rb+") as file:
            for line in file:
                try:
                    point = json.loads(line)
                except ValueError:
                    break
                if not line.endswith(b"\n") or not isinstance(point, dict):
                    break
                self.known.append(point)
                sound += len(line)
            file.truncate(sound)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
