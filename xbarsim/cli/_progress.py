"""Progress of long computations: a bar with the remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL_S = 5.0
"""Time between two lines without a terminal [s]."""


class ProgressDisplay:
    """Shows calls of ``display(stage, done, total)``; to be used in a ``with`` statement.

    Parameters
    ----------
    stream : file, optional
        Where to show it; standard error if left out.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._started = self._shown = 0.0
        self._first = 0

    def __enter__(self) -> ProgressDisplay:
        """Start showing progress."""
        self._shown = time.monotonic()
        if self._stream.isatty():
            self._bars = _make_bars(self._stream)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing progress; finished bars are removed."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage has come.

        Parameters
        ----------
        stage : str
            What is being done, for example ``"trial 1 of 3"``.
        done, total : int
            Units of work, for example images.
        """
        if stage != self._stage:
            self._stage, self._started, self._first = stage, time.monotonic(), done
        if self._bars is None:
            self._show_line(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, completed=done)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def _show_line(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < PLAIN_INTERVAL_S:
            return
        self._shown = now
        rest = ""
        if self._first + 1 < done < total:  # what was there before says nothing about the pace, a first one little
            left = (now - self._started) * (total - done) / (done - self._first)
            rest = f", about {format_duration(left)} left"
        self._stream.write(f"{stage}: {done} of {total}{rest}\n")
        self._stream.flush()


def format_duration(seconds: float) -> str:
    """Write a duration in the two units that matter, for example ``"2 min 5 s"``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _make_bars(stream: IO[str]) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(file=stream), transient=True,
    )  # fmt: skip
