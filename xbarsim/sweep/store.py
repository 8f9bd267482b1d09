"""The folder of a sweep: its definition, all finished points, and their tables.

``sweep.json`` contains the sweep and the list of its points, ``points.log`` all finished points (see
:mod:`xbarsim.store.log`), and ``lock`` the run that writes. Tables and pages are derived from these files.

``points.log`` belongs to the machine that created it, which is named in its first record; another machine that resumes
the sweep appends to ``points-MACHINE.log``. All logs are read together. Two machines therefore never write to the same
file, even if the lock fails, and a point that both have computed has the same result in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from xbarsim.errors import ConfigError, SolverError
from xbarsim.fleet.task import TaskResult
from xbarsim.store import (
    Lock,
    Log,
    encode_record,
    identify_machine,
    make_file,
    make_folder,
    read_records,
    replace_file,
)  # fmt: skip
from xbarsim.sweep.plan import SweepPlan

FORMAT = 1
"""Version of the form of a sweep's folder."""
LOG, DOCUMENT = "points.log", "sweep.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Content of the folder of a sweep."""

    document: Mapping[str, Any]
    """The sweep, its points and their provenance."""
    results: Mapping[str, TaskResult]
    """Key -> result of every finished point."""
    damaged: int = 0
    """Records that could not be read; their points are computed again."""


class SweepStore:
    """Writes one sweep's folder; to be used in a ``with`` statement.

    Parameters
    ----------
    folder : str or Path
        Folder; made where missing.
    plan : SweepPlan
        The sweep.

    Raises
    ------
    ConfigError
        If the folder cannot be written, another run writes there, or it holds another sweep.
    """

    def __init__(self, folder: str | Path, plan: SweepPlan) -> None:
        self.folder = Path(folder)
        self._plan = plan
        self.results: dict[str, TaskResult] = {}
        self.damaged = 0

    def __enter__(self) -> SweepStore:
        """Take the lock, repair the log and write down what is asked for."""
        make_folder(self.folder)
        self._lock = Lock(self.folder)
        self._lock.acquire()
        try:
            records, self.damaged = _read_logs(self.folder)
            self.results = _collect(records)
            self._check_same()
            self._log = _open_log(self.folder)
            document = describe_plan(self._plan)
            self._replace(DOCUMENT, json.dumps(document, separators=(",", ":")).encode() + b"\n")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log and give the lock back."""
        self._log.close()
        self._lock.release()

    def append(self, result: TaskResult) -> None:
        """Make one result durable.

        Parameters
        ----------
        result : TaskResult
            To be on the device when this returns.

        Raises
        ------
        SolverError
            If it cannot be written, or another run has taken the folder over.
        """
        self._lock.check()
        try:
            self._log.append(_describe(result))
        except OSError as error:
            kept = f"{len(self.results):,} finished points are kept; the same command resumes it"
            where = f"{self._log.path}: cannot be written: {error.strerror or error}"
            raise SolverError(f"{where}; {kept}") from None
        self.results[result.key] = result

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder whole or not at all; SolverError if that fails."""
        self._replace(name, content)

    def _replace(self, name: str, content: bytes) -> None:
        try:
            replace_file(self.folder / name, content)
        except OSError as error:
            raise SolverError(f"{self.folder / name}: cannot be written: {error.strerror or error}") from None

    def _check_same(self) -> None:
        """Refuse a folder whose finished points are all of another sweep."""
        if not self.results or any(point.key in self.results for point in self._plan.points):
            return
        old = read_document(self.folder)
        new = json.loads(json.dumps(describe_plan(self._plan)))
        parts = ("version", "seed", "trials", "data", "layers", "target", "network_hash", "hardware_hash")
        differ = [name for name in parts if old.get("provenance", {}).get(name) != new["provenance"].get(name)]
        what = f" ({', '.join(differ)} differ)" if differ else ""
        raise ConfigError(
            f"{self.folder}: contains {len(self.results):,} points of another sweep{what}; choose another folder"
        )


def read_store(folder: str | Path) -> Stored:
    """Read the folder of a finished or running sweep.

    Parameters
    ----------
    folder : str or Path
        What ``--out`` named.

    Returns
    -------
    Stored
        The sweep and every point finished so far.

    Raises
    ------
    ConfigError
        If the folder holds no sweep.
    """
    folder = Path(folder)
    document = read_document(folder)
    records, damaged = _read_logs(folder)
    return Stored(document=document, results=_collect(records), damaged=damaged)


def read_document(folder: Path) -> dict[str, Any]:
    """Read what a folder's sweep asked for; ConfigError if there is none."""
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{folder}: contains no sweep ({DOCUMENT} is missing)") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise ConfigError(f"{path}: not a JSON file") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"{path}: not a sweep of this version of xbarsim")
    return document


def describe_plan(plan: SweepPlan) -> dict[str, Any]:
    """Return a plan in the form that a store keeps."""
    return {
        "format": FORMAT,
        "sweep": plan.sweep.model_dump(mode="json"),
        "provenance": dict(plan.common),
        "axes": [list(keys) for keys in plan.axes],
        "metrics": list(plan.sweep.chosen_metrics),
        "points": [[point.key, point.network, point.hardware, dict(point.settings)] for point in plan.points],
    }


def _open_log(folder: Path) -> Log:
    """Open the log that this machine appends to, a new one with its name in the first record."""
    machine = identify_machine()
    path = folder / LOG
    try:
        if not make_file(path, encode_record({"machine": machine})):  # of two machines one makes it
            first = next(iter(read_records(path)[0]), {})
            path = path if first.get("machine") == machine else folder / f"points-{machine}.log"
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    log = Log(path)
    if not log.size:
        try:
            log.append({"machine": machine})
        except OSError as error:
            log.close()
            raise SolverError(f"{path}: cannot be written: {error.strerror or error}") from None
    return log


def _read_logs(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the records of every machine's log, and how many are damaged."""
    records, damaged = [], 0
    for path in (folder / LOG, *sorted(folder.glob("points-*.log"))):
        try:
            found, broken, _ = read_records(path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
        records += found
        damaged += broken
    return records, damaged


def _describe(result: TaskResult) -> dict[str, Any]:
    record: dict[str, Any] = {"key": result.key, "seconds": round(result.seconds, 6)}
    if result.is_done:
        record["metrics"] = dict(result.value or {})
    else:
        record["error"] = result.error
    return record


def _collect(records: Iterable[Mapping[str, Any]]) -> dict[str, TaskResult]:
    """Return the last result of every key."""
    return {
        record["key"]: TaskResult(
            key=record["key"],
            value=record.get("metrics"),
            error=record.get("error"),
            seconds=record.get("seconds", 0.0),
        )
        for record in records
        if "key" in record
    }
