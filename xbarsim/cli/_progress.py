"""Progress of long computations: a bar with the time left on terminals and in notebooks, plain lines elsewhere."""

from __future__ import annotations

import html
import sys
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from xbarsim.cli._volume import LOG, VOLUME

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

NOTEBOOK_INTERVAL_S = 0.2
"""Time between two states of a bar in a notebook [s]."""
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
        self._first = self._done = 0
        self._place: Any = None

    def __enter__(self) -> ProgressDisplay:
        """Start showing progress."""
        self._shown = time.monotonic()
        if VOLUME.quiet:
            return self
        if is_notebook():
            self._place = _open_place()
        elif self._stream.isatty():
            self._bars = _make_bars(self._stream)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing progress; finished bars are removed."""
        self._log_stage()
        self._stage = ""
        if self._bars is not None:
            self._bars.stop()
        if self._place is not None:
            self._place.update(_Markup(""))
            self._place = None

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
            self._log_stage()
            self._stage, self._started, self._first = stage, time.monotonic(), done
        self._done = done
        if VOLUME.quiet:
            return
        if self._place is not None:
            self._show_bar(stage, done, total)
            return
        if self._bars is None:
            self._show_line(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, completed=done)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def _log_stage(self) -> None:
        """Log the stage that ends (``--verbose``)."""
        if self._stage:
            LOG.info("%s: %d in %.2f s", self._stage, self._done, time.monotonic() - self._started)

    def _show_line(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < PLAIN_INTERVAL_S:
            return
        self._shown = now
        self._stream.write(f"{self._describe(stage, done, total)}\n")
        self._stream.flush()

    def _show_bar(self, stage: str, done: int, total: int) -> None:
        """Show a bar in a notebook, a few times a second at most."""
        now = time.monotonic()
        if now - self._shown < NOTEBOOK_INTERVAL_S and done < total:
            return
        self._shown = now
        text = html.escape(self._describe(stage, done, total))
        self._place.update(_Markup(f'<progress value="{done}" max="{max(total, 1)}"></progress> {text}'))

    def _describe(self, stage: str, done: int, total: int) -> str:
        rest = ""
        if self._first + 1 < done < total:  # what was there before says nothing about the pace, a first one little
            left = (time.monotonic() - self._started) * (total - done) / (done - self._first)
            rest = f", about {format_duration(left)} left"
        return f"{stage}: {done} of {total}{rest}"


class _Markup:
    """HTML, as IPython displays it."""

    def __init__(self, markup: str) -> None:
        self._markup = markup

    def _repr_html_(self) -> str:
        return self._markup

    def __repr__(self) -> str:
        return ""


def is_notebook() -> bool:
    """Tell whether the process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _open_place() -> Any:
    """Return a place below the cell whose content can be replaced."""
    from IPython.display import display

    return display(_Markup(""), display_id=True)


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
