"""Progress of long computations: one display with the time left, plain lines where there is no terminal.

A terminal shows two lines at most, however many trials there are: the stage that runs, and all trials together.
"""

from __future__ import annotations

import html
import sys
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from xbarsim.cli._pace import Pace
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
        self._tasks: list[TaskID] = []
        self._stage, self._pace = "", Pace()
        self._started = self._shown = 0.0
        self._done = 0
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
            self._stage, self._started = stage, time.monotonic()
        self._done = done
        self._pace.note(stage, done, total, time.monotonic())
        if VOLUME.quiet:
            return
        if self._place is not None:
            self._show_bar(stage, done, total)
            return
        if self._bars is None:
            self._show_line(stage, done, total)
            return
        self._show_bars(done, total)

    def _log_stage(self) -> None:
        """Log the stage that ends (``--verbose``)."""
        if self._stage:
            LOG.info("%s: %d in %.2f s", self._stage, self._done, time.monotonic() - self._started)

    def _show_bars(self, done: int, total: int) -> None:
        """Show the stage and, where there are several trials, all of them."""
        assert self._bars is not None
        pace, now = self._pace, time.monotonic()
        rows = [(pace.stage, 100 * pace.share, f"{done:,}/{total:,}", pace.left_s)]
        if pace.trials > 1:
            part, left = pace.whole(now)
            rows.append((f"all, trial {pace.trial} of {pace.trials}", 100 * part, f"{100 * part:.0f} %", left))
        while len(self._tasks) < len(rows):
            self._tasks.append(self._bars.add_task("", total=100, count="", rest=""))
        for number, task in enumerate(self._tasks):
            self._bars.update(task, visible=number < len(rows))
        for task, (name, part, count, left) in zip(self._tasks, rows):
            rest = f"{format_duration(left)} left" if left else ""
            self._bars.update(task, description=shorten(name), completed=part, count=count, rest=rest)

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
        pace, rest = self._pace, ""
        if pace.left_s:
            rest = f", about {format_duration(pace.left_s)} left"
        if pace.trials > 1:
            part, left = pace.whole(time.monotonic())
            rest += f"; {100 * part:.0f} % of all"
            rest += f", about {format_duration(left)} left" if left else ""
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

    return display(_Markup(""), display_id=True)  # type: ignore[no-untyped-call, unused-ignore]  # by installed version


def format_duration(seconds: float) -> str:
    """Write a duration in the two units that matter, for example ``"2 min 5 s"``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def shorten(text: str, longest: int = 30) -> str:
    """Cut a name in its middle so that a line fits 80 columns."""
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]}…{text[-longest // 2 :]}"


def _make_bars(stream: IO[str]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:30}", markup=False), BarColumn(bar_width=12),
        TextColumn("{task.fields[count]}", justify="right"), TimeElapsedColumn(),
        TextColumn("{task.fields[rest]}"), console=Console(file=stream), transient=True,
    )  # fmt: skip
