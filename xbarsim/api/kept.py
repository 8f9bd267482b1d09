"""Outputs of blocks while a simulation runs: in memory while they are small, else in files; or in a checkpoint.

A checkpoint is a folder with the programmed chips, the outputs of every finished block as a .npy file, and a log. A
block counts when its line in the log is complete, and its images have the same hash when it is resumed.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, SolverError
from xbarsim.store import Lock, Log, check_origin, hash_arrays, make_folder, read_records, replace_file

KEEP_BYTES = 1 << 28
"""Outputs that are held in memory; larger ones lie in a temporary file that is mapped [bytes]."""
LOG, DOCUMENT = "blocks.log", "simulation.json"


class KeptOutputs:
    """Outputs of blocks, put in any order.

    Parameters
    ----------
    keep_bytes : int
        What may be held in memory.
    """

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self._blocks: dict[int, np.ndarray | Path] = {}
        self._held_bytes = 0
        self._files: tempfile.TemporaryDirectory[str] | None = None

    def put(self, first: int, values: np.ndarray) -> None:
        """Keep the outputs (versions, images, ...) of a block whose first image has the index ``first``."""
        if self._held_bytes + values.nbytes <= self._keep_bytes:
            self._held_bytes += values.nbytes
            self._blocks[first] = values
            return
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="xbarsim-outputs-")
        path = Path(self._files.name) / f"{first}.npy"
        np.save(path, values, allow_pickle=False)
        self._blocks[first] = path

    def refer(self, first: int, path: Path) -> None:
        """Take the outputs of a block from a file when they are joined."""
        self._blocks[first] = path

    def join(self) -> np.ndarray:
        """Return the outputs of all images, (versions, images, ...), mapped from a file where they are large."""
        parts = [self._read(place) for _, place in sorted(self._blocks.items())]
        count = sum(part.shape[1] for part in parts)
        shape = (parts[0].shape[0], count, *parts[0].shape[2:])
        joined: np.ndarray
        if 4 * int(np.prod(shape, dtype=np.int64)) <= self._keep_bytes:
            joined = np.empty(shape, np.float32)
        else:
            with tempfile.TemporaryFile(prefix="xbarsim-outputs-") as file:  # lives as long as it is mapped
                joined = np.memmap(file, np.float32, "w+", shape=shape)
        first = 0
        for part in parts:
            joined[:, first : first + part.shape[1]] = part
            first += part.shape[1]
        return joined

    def close(self) -> None:
        """Remove temporary files."""
        if self._files is not None:
            self._files.cleanup()

    def _read(self, place: np.ndarray | Path) -> np.ndarray:
        values: np.ndarray = np.load(place, mmap_mode="r", allow_pickle=False) if isinstance(place, Path) else place
        return values


class BlockFolder:
    """The folder of an interrupted simulation; to be used in a ``with`` statement.

    Parameters
    ----------
    folder : str or Path
        Made where missing.
    settings : mapping
        Everything that outputs depend on beside the images; a folder of another simulation is refused.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any]) -> None:
        self.folder = make_folder(folder)
        self._settings = json.loads(json.dumps(settings))
        self._lock = Lock(self.folder)
        self._log: Log | None = None
        self._done: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> BlockFolder:
        """Take the lock, check that the folder is that of this simulation, and read what was done."""
        self._lock.acquire()
        try:
            path = self.folder / DOCUMENT
            if path.exists():
                check_origin(path, self._settings, work="simulation")
            else:
                others = [each.name for each in self.folder.iterdir() if each.name != "lock" and each.name[0] != "."]
                if others:
                    raise ConfigError(
                        f"checkpoint {self.folder}: holds {others[0]} and no simulation; choose an empty folder"
                    )
                replace_file(path, json.dumps(self._settings, indent=1).encode())
            self._log = Log(self.folder / LOG)
            for record in read_records(self.folder / LOG)[0]:
                self._done[record["first"]] = record
        except OSError as error:
            self._lock.release()
            raise ConfigError(f"checkpoint {self.folder}: cannot be written: {error.strerror or error}") from None
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log and release the lock."""
        if self._log is not None:
            self._log.close()
        self._lock.release()

    def find(self, first: int, images: np.ndarray) -> Path | None:
        """Return the file of a finished block of these images, (images, ...); None where it is to be computed."""
        record = self._done.get(first)
        path = self.folder / f"block-{first}.npy"
        if record is None or record["images"] != hash_arrays([images]):
            return None
        with contextlib.suppress(OSError, ValueError):
            if hash_arrays([np.load(path, allow_pickle=False)]) == record["outputs"]:
                return path
        return None

    def keep(self, first: int, images: str, values: np.ndarray) -> Path:
        """Write the outputs of a block, (versions, images, ...), whose images have the hash ``images``."""
        path = self.folder / f"block-{first}.npy"
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        try:
            self._lock.check()
            replace_file(path, content.getvalue())
            assert self._log is not None
            self._log.append({"first": first, "images": images, "outputs": hash_arrays([values])})
        except OSError as error:
            raise SolverError(
                f"checkpoint {self.folder}: cannot be written: {error.strerror or error}; finished blocks are kept"
            ) from None
        return path

    def chip(self, trial: int) -> Path:
        """Return the folder of a chip."""
        return self.folder / f"chip-{trial}"
