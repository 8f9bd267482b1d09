"""How far work has come over all its stages and trials, and how long it will take, from calls of a progress function.

Stages name their trial in brackets: ``images on hardware (trial 2 of 5)``. A trial is expected to take as long as those
before it; the first one as long as its stages so far and what is left of the stage that runs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_TRIAL = re.compile(r"^(.*) \(trial (\d+) of (\d+)\)$")


@dataclass(kw_only=True)
class Pace:
    """Times of stages and trials."""

    stage: str = ""
    """Stage that runs, without its trial."""
    trial: int = 0
    """Trial that runs, from 1; 0 where there are no trials."""
    trials: int = 0
    """Number of trials; 0 where there are none."""
    share: float = 0.0
    """Part of the stage that is done [-]."""
    left_s: float | None = None
    """Time left of the stage; None where nothing can be said yet [s]."""
    _started: float = 0.0
    _first: int = 0
    _trial_started: float = 0.0
    _took: list[float] = field(default_factory=list)
    _name: str = ""

    def note(self, name: str, done: int, total: int, now: float) -> None:
        """Take note of a call.

        Parameters
        ----------
        name : str
            Stage, with its trial.
        done, total : int
            Units of work.
        now : float
            Time [s].
        """
        if name != self._name:
            self._begin(name, done, now)
        self.share = min(1.0, done / total) if total else 0.0
        self.left_s = None
        if self._first + 1 < done < total:  # what was there before says nothing about the pace, a first one little
            self.left_s = (now - self._started) * (total - done) / (done - self._first)
        elif done >= total:
            self.left_s = 0.0

    def _begin(self, name: str, done: int, now: float) -> None:
        found = _TRIAL.match(name)
        self.stage, trial, trials = (found[1], int(found[2]), int(found[3])) if found else (name, 0, 0)
        if trial != self.trial or trials != self.trials:
            if trial == self.trial + 1 and self.trial and trials == self.trials:
                self._took.append(now - self._trial_started)
            else:
                self._took = []
            self.trial, self.trials, self._trial_started = trial, trials, now
        self._name, self._started, self._first = name, now, done

    def whole(self, now: float) -> tuple[float, float | None]:
        """Return how far all trials have come, and the time that is left.

        Parameters
        ----------
        now : float
            Time [s].

        Returns
        -------
        tuple of (float, float or None)
            Part that is done [-] and time left [s]; those of the stage where there are no trials.
        """
        if self.trials < 2:
            return self.share, self.left_s
        spent = now - self._trial_started
        if self._took:
            each = math.fsum(self._took) / len(self._took)
            rest = max(each - spent, self.left_s or 0.0)
        elif self.left_s is None:
            return (self.trial - 1) / self.trials, None
        else:
            rest = self.left_s
            each = spent + rest
        part = spent / (spent + rest) if spent + rest > 0 else self.share
        left = rest + (self.trials - self.trial) * each
        return (self.trial - 1 + part) / self.trials, left
