"""Run a sweep: missing points are computed, stored one by one, and tabulated.

Results do not depend on the order in which points finish, on the number of workers or on where they run: a point is
computed from its own settings and seed alone, and tables are written in the order of the plan.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim import api
from xbarsim.errors import ConfigError, Interrupted, ModelRangeWarning, XbarsimError
from xbarsim.fleet.local import run_local
from xbarsim.fleet.task import TaskResult, compute_task
from xbarsim.notebook import Face, Shown, count_words
from xbarsim.sweep.answer import Answer, answer_question
from xbarsim.sweep.evaluate import Evaluator
from xbarsim.sweep.plan import Point, SweepPlan, Workload
from xbarsim.sweep.store import SweepStore, describe_plan, read_store
from xbarsim.sweep.table import tabulate_points, write_tables

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
Backend = Callable[[Sequence[Point], Workload], Iterator[TaskResult]]

FACTORY = "xbarsim.sweep.evaluate:Evaluator"
"""Makes the function of points from workload and threads, as ``module:name``."""
TABLE_INTERVAL_S = 30.0
"""Time between two writings of the tables while a sweep runs [s]."""
START_S = 1.5
"""About what worker processes take to start, tables to be written [s]."""
_PROBE_IMAGES = 16
"""Images on which the time of a point is measured. Our choice."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Summary(Shown):
    """Summary of a run."""

    folder: Path
    """Folder of the sweep."""
    points: int
    """Points of the sweep."""
    done: int
    """Points with a result, including earlier runs."""
    failed: Mapping[str, str]
    """Key -> error of points that failed."""
    computed: int
    """Points that this run has computed."""
    seconds: float
    """Time of this run [s]."""
    table: pd.DataFrame
    """One row for each point."""
    answer: Answer | None = None
    """Answer to the question of the sweep, if it asks one."""
    answer_text: str = ""
    """The same in one line."""

    def _show(self) -> Face:
        text = f"{self.done:,} of {count_words(self.points, 'point')} done"
        pairs = [("points", text), ("failed", f"{len(self.failed):,}"), ("folder", str(self.folder))]
        if self.answer_text:
            pairs.append(("answer", self.answer_text))
        note = ".table has one row for each point; xbarsim report writes a page"
        return Face(title=f"Sweep {self.folder}", text=text, pairs=tuple(pairs), note=note)


def run_sweep(
    plan: SweepPlan,
    folder: str | Path,
    *,
    workers: int | None = None,
    backend: Backend | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Compute the points of a sweep that are not yet in a folder.

    Parameters
    ----------
    plan : SweepPlan
        From :func:`~xbarsim.sweep.plan.plan_sweep`.
    folder : str or Path
        Folder of the results; an interrupted sweep is resumed.
    workers : int, optional
        Processes of this machine; one for each core if left out.
    backend : callable, optional
        Points and workload -> results, in place of local processes.
    retry : bool
        Whether points that failed earlier are tried again.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Summary
        Counts and the table, which also stands in ``points.csv`` and ``points.parquet``.

    Raises
    ------
    ConfigError
        If the folder cannot be used, or every point failed.
    SolverError
        If a result cannot be stored or no worker starts; finished work is kept.
    """
    run = backend or (lambda points, workload: run_local(points, workload, workers=workers, factory=FACTORY))
    started = time.perf_counter()
    document = describe_plan(plan)
    said: set[str] = set()
    computed = 0
    with SweepStore(folder, plan) as store:
        if store.damaged:
            _warn(f"{store.folder}: {store.damaged} damaged records were dropped and are computed again", said)
        missing = [point for point in plan.points if _is_missing(store.results.get(point.key), retry)]
        written = time.monotonic()
        already = len(plan.points) - len(missing)
        if progress is not None and missing:
            progress("points", already, len(plan.points))
        try:
            with contextlib.closing(run(missing, plan.workload)) as results:  # type: ignore[type-var]
                for result in results:
                    store.append(result)
                    computed += 1
                    for text in result.warnings:
                        _warn(text, said)
                    if progress is not None:
                        progress("points", already + computed, len(plan.points))
                    if time.monotonic() - written > TABLE_INTERVAL_S:
                        write_tables(store, document)
                        written = time.monotonic()
        except BaseException as error:
            with contextlib.suppress(XbarsimError):  # the first problem is the one to tell
                write_tables(store, document)
            if isinstance(error, KeyboardInterrupt):
                kept = f"{len(store.results):,} finished points are kept; the same command resumes it"
                raise Interrupted(f"{store.folder}: {kept}") from None
            raise
        write_tables(store, document)
        return _summarize(plan, store, document, computed, time.perf_counter() - started)


def estimate_seconds(
    plan: SweepPlan, folder: str | Path | None = None, *, workers: int = 1
) -> tuple[int, float | None]:
    """Count the missing points and estimate their computing time.

    Parameters
    ----------
    plan : SweepPlan
        The sweep.
    folder : str or Path, optional
        Where results may already be; nothing is written.
    workers : int
        Processes that will share the work.

    Returns
    -------
    tuple of int and float or None
        Points to compute, and seconds: for every network and hardware from points that are stored, else from one that
        is tried with a few images; None where one of those fails.
    """
    results: Mapping[str, TaskResult] = {}
    if folder is not None and (Path(folder) / "sweep.json").exists():
        results = read_store(folder).results
    missing = [point for point in plan.points if point.key not in results]
    if not missing:
        return 0, 0.0
    parts: dict[tuple[str, str], list[Point]] = {}
    for point in missing:
        parts.setdefault((point.network, point.hardware), []).append(point)
    total = 0.0
    for part, points in parts.items():
        known = [
            results[point.key].seconds
            for point in plan.points
            if (point.network, point.hardware) == part and point.key in results
        ]
        each = math.fsum(known) / len(known) if known else _probe(plan.workload, points[len(points) // 2])
        if each is None:
            return len(missing), None
        total += each * len(points)
    return len(missing), START_S + total / min(workers, len(missing))


def _probe(work: Workload, point: Point) -> float | None:
    """Time one point with one trial and a few images, compiled code warm, and scale it to the whole."""
    if work.images is None:
        results = [compute_task(Evaluator(work), point) for _ in range(2)]
        return results[1].seconds if results[1].is_done else None
    count = min(_PROBE_IMAGES, len(work.images))
    calibration = work.images[: api.CALIBRATION_IMAGES] if work.calibration is None else work.calibration
    small = dataclasses.replace(
        work, images=work.images[:count], labels=None if work.labels is None else work.labels[:count],
        calibration=calibration, trials=1,
    )  # fmt: skip
    result = [compute_task(Evaluator(small), point) for _ in range(2)][1]
    if not result.is_done or result.value is None:
        return None
    setup, run = (float(result.value.get(f"seconds.{name}") or 0.0) for name in ("setup", "run"))
    rest = max(0.0, result.seconds - setup - run)
    return rest + work.trials * (setup + run * len(work.images) / count)


def _summarize(
    plan: SweepPlan, store: SweepStore, document: Mapping[str, Any], computed: int, seconds: float
) -> Summary:
    results = [store.results[point.key] for point in plan.points if point.key in store.results]
    failed = {result.key: result.error or "" for result in results if not result.is_done}
    if failed and len(failed) == len(plan.points):
        raise ConfigError(f"all {len(failed)} points failed; the first: {next(iter(failed.values()))}")
    values = {result.key: result.value or {} for result in results if result.is_done}
    answer, text = answer_question(document, values) or (None, "")
    if answer is not None:
        store.write("answer.json", (json.dumps({"text": text, **vars(answer)}, indent=2) + "\n").encode())
    return Summary(
        folder=store.folder, points=len(plan.points), done=len(results) - len(failed), failed=failed,
        computed=computed, seconds=seconds, table=tabulate_points(document, store.results), answer=answer,
        answer_text=text,
    )  # fmt: skip


def _is_missing(result: TaskResult | None, retry: bool) -> bool:
    return result is None or (retry and not result.is_done)


def _warn(text: str, said: set[str]) -> None:
    if text not in said:
        said.add(text)
        warnings.warn(text, ModelRangeWarning, stacklevel=3)
