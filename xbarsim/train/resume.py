"""The state of a fine-tuning in a folder, from which it goes on after it was killed, to the same bits.

``finetune.json`` says what is trained; a folder of something else is refused. ``state.pt`` is replaced while training
runs, at times that do not change results. One process at a time may write.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from xbarsim.errors import ConfigError, Interrupted, SolverError
from xbarsim.network import Network
from xbarsim.store import Lock, check_origin, make_folder, replace_file, write_file
from xbarsim.train.torch_network import torch, write_state
from xbarsim.train.trainer import TrainingRun

DOCUMENT, STATE = "finetune.json", "state.pt"
INTERVAL_S = 5.0
"""Time between two states [s]."""
SHARE = 0.05
"""Largest share of the time that is spent on writing states [-]."""


class TuningState:
    """What has been done of a fine-tuning, in memory, or in a folder too; to be used in a ``with`` statement.

    Parameters
    ----------
    folder : str, Path or None
        Made where missing; None keeps nothing.
    about : mapping
        Everything that the result depends on, as JSON can say it.
    """

    def __init__(self, folder: str | Path | None, about: Mapping[str, Any]) -> None:
        self.folder = None if folder is None else make_folder(folder)
        self.tried: list[tuple[dict[str, Any], float]] = []
        """Recipes that were tried, with their losses."""
        self._about = json.loads(json.dumps(dict(about)))
        self._lock = None if self.folder is None else Lock(self.folder)
        self._run: dict[str, Any] | None = None
        self._steps = 0
        self._saved = time.monotonic()
        self._pause_s = INTERVAL_S

    def __enter__(self) -> TuningState:
        """Take the folder, refuse that of another training, and read what was done."""
        if self._lock is None:
            return self
        self._lock.acquire()
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder; after a signal, say what is kept."""
        if self._lock is None:
            return
        self._lock.release()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            tried = f"{len(self.tried)} choices and " if self.tried else ""
            raise Interrupted(
                f"{self.folder}: {tried}{self._steps:,} steps of training are kept; the same command resumes it"
            )

    def add(self, recipe: dict[str, Any], loss: float) -> None:
        """Keep the loss of a recipe that was tried."""
        self.tried.append((recipe, loss))
        self._run, self._steps = None, 0
        self._save()

    def drive(self, run: TrainingRun, progress: Callable[[str, int, int], None] | None) -> Network:
        """Make all steps of a run that are left, keep them as they are made, and return its network."""
        if self._run is not None and self._run["number"] == run.number:
            run.load(self._run)
        epochs = run.steps // run.batches

        def after_step() -> None:
            if self.folder is not None and (time.monotonic() - self._saved > self._pause_s or run.done == run.steps):
                self._run, self._steps = {**run.save(), "number": run.number}, run.done
                self._save()
            if progress is not None and run.done % run.batches == 0:
                progress("epochs", run.done // run.batches, epochs)

        run.run(after_step)
        return run.trained()

    def _begin(self) -> None:
        assert self.folder is not None
        head, state = self.folder / DOCUMENT, self.folder / STATE
        if head.exists():
            check_origin(head, self._about, work="training")
        else:
            others = [path.name for path in self.folder.iterdir() if path.name != "lock" and path.name[0] != "."]
            if others:
                raise ConfigError(
                    f"checkpoint {self.folder}: holds {others[0]} and no training; choose an empty folder, or a new one"
                )
            write_file(head, json.dumps(self._about, indent=1) + "\n")
        if not state.exists():
            return
        try:
            found = torch.load(io.BytesIO(state.read_bytes()), weights_only=True)
            self.tried, self._run = [(dict(each), float(loss)) for each, loss in found["tried"]], found["run"]
            self._steps = 0 if self._run is None else int(self._run["done"])
        except Exception as error:  # torch raises many kinds on a damaged file
            raise ConfigError(f"{state}: damaged ({type(error).__name__}); remove it to train from the start") from None

    def _save(self) -> None:
        if self.folder is None or self._lock is None:
            return
        started = time.monotonic()
        self._lock.check()
        content = write_state({"tried": self.tried, "run": self._run})
        try:
            replace_file(self.folder / STATE, content)
        except OSError as error:
            raise SolverError(
                f"{self.folder / STATE}: cannot be written: {error.strerror or error}; the last state is kept, the "
                "same command resumes it"
            ) from None
        self._saved = time.monotonic()
        self._pause_s = max(INTERVAL_S, (self._saved - started) / SHARE)
