"""What is computed next: tasks that are known before, group by group, or tasks that are made as they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from xbarsim.fleet.task import FleetTask

ATTEMPTS = 3
"""Times that a task is tried before the death of its workers counts as its failure."""


class TaskQueue(Protocol):
    """Gives out tasks one by one."""

    def next(self, group: Any) -> FleetTask | None:
        """Return the next task for a worker whose last one was of ``group``; None when there is nothing left."""

    def give_back(self, task: FleetTask) -> bool:
        """Take back a task whose worker died; False if that happened too often."""


class GroupQueue:
    """Tasks to be given out, group by group, groups of one family one after the other.

    Parameters
    ----------
    tasks : sequence of FleetTask
        What to compute.
    """

    def __init__(self, tasks: Sequence[FleetTask]) -> None:
        self._groups: dict[Any, list[FleetTask]] = {}
        for task in reversed(tasks):
            self._groups.setdefault(task.group, []).append(task)
        families = {task.family: number for number, task in enumerate(reversed(tasks))}
        order = dict.fromkeys(task.group for task in tasks)
        self._untouched = deque(sorted(order, key=lambda group: -families[group[0]]))
        self._deaths: dict[str, int] = {}

    def next(self, group: Any) -> FleetTask | None:
        """Return the next task for a worker whose last one was of ``group``; None when there is nothing left."""
        if not self._groups.get(group):
            if self._untouched:
                group = self._untouched.popleft()
            else:  # help where most is left
                group = max(self._groups, key=lambda name: len(self._groups[name]))
            if not self._groups[group]:
                return None
        return self._groups[group].pop()

    def give_back(self, task: FleetTask) -> bool:
        """Take back a task whose worker died; False if that happened too often."""
        self._deaths[task.key] = self._deaths.get(task.key, 0) + 1
        if self._deaths[task.key] >= ATTEMPTS:
            return False
        self._groups[task.group].append(task)
        return True


class StreamQueue:
    """Tasks in the order of an iterator, which is advanced only when a worker asks.

    Parameters
    ----------
    tasks : iterator of FleetTask
        What to compute.
    """

    def __init__(self, tasks: Iterator[FleetTask]) -> None:
        self._tasks = tasks
        self._returned: list[FleetTask] = []
        self._deaths: dict[str, int] = {}

    def next(self, group: Any) -> FleetTask | None:
        """Return a task that was given back, or the next one; None when there is nothing left."""
        return self._returned.pop() if self._returned else next(self._tasks, None)

    def give_back(self, task: FleetTask) -> bool:
        """Take back a task whose worker died; False if that happened too often."""
        self._deaths[task.key] = self._deaths.get(task.key, 0) + 1
        if self._deaths[task.key] >= ATTEMPTS:
            return False
        self._returned.append(task)
        return True
