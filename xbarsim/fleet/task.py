"""What processes compute: tasks, and their results.

A task that fails gives a result with its error; other tasks are not affected.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from xbarsim.errors import XbarsimError

_LONGEST_ERROR = 400


class FleetTask(Protocol):
    """One unit of work; it is sent to a process, so that it should be small."""

    @property
    def key(self) -> str:
        """Name of the result, unique among the tasks."""

    @property
    def group(self) -> Any:
        """What tasks share that a worker keeps; begins with the family, in a tuple."""

    @property
    def family(self) -> Any:
        """What groups share."""


Function = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """Result of one task."""

    key: str
    """The task's key."""
    value: Any = None
    """What was computed; None where the task failed."""
    error: str | None = None
    """Reason of a failure, in one line."""
    seconds: float = 0.0
    """Computing time [s]."""
    warnings: tuple[str, ...] = ()
    """Warnings during its computation."""

    @property
    def is_done(self) -> bool:
        """Whether the task has a result."""
        return self.error is None


def compute_task(function: Function, task: FleetTask) -> TaskResult:
    """Compute one task, whatever happens.

    Parameters
    ----------
    function : callable
        FleetTask -> value.
    task : FleetTask
        What to compute.

    Returns
    -------
    TaskResult
        Its value, or the error in one line.
    """
    started = time.perf_counter()
    value, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            value = function(task)
        except XbarsimError as problem:
            error = _one_line(str(problem))
        except Exception as problem:
            error = _one_line(f"{type(problem).__name__}: {problem}")
    said = dict.fromkeys(_one_line(str(item.message)) for item in caught if _is_ours(item.category))
    seconds = time.perf_counter() - started
    return TaskResult(key=task.key, value=value, error=error, seconds=seconds, warnings=tuple(said))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]} ..."


def _is_ours(category: type[Warning]) -> bool:
    return category.__module__.partition(".")[0] == "xbarsim"
