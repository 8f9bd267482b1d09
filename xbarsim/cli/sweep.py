"""``xbarsim sweep``: the points of a sweep file, stored one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbarsim.cli import _options, _outputs, _processes
from xbarsim.cli._volume import VOLUME

if TYPE_CHECKING:
    from xbarsim.sweep import Summary, SweepPlan

_LONGEST = 20
_GAP = 3


def sweep(
    file: Annotated[
        Path, typer.Argument(metavar="SWEEP.yaml", help="Sweep file: axes and metrics; -: standard input.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; an interrupted sweep is resumed.")
    ],
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes with one thread each.  [default: one for each core]")
    ] = None,
    dask: _processes.Dask = None,
    tls_ca: _processes.TlsCa = None,
    tls_cert: _processes.TlsCert = None,
    tls_key: _processes.TlsKey = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the points and estimate the time only.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Compute points again that have failed.")] = False,
    schema: Annotated[bool, _options.schema_option("xbarsim.sweep.file", "Sweep", "sweep files")] = False,
) -> None:
    """Run a sweep over networks, hardware and keys."""
    _options.check_counts(workers=workers)
    _processes.check_processes(workers, dask, tls_ca, tls_cert, tls_key)
    _outputs.check_folder(out)

    from xbarsim.sweep import load_sweep, plan_sweep

    plan = plan_sweep(load_sweep(file))
    if dry_run:
        _show_plan(plan, out, workers)
        return

    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.sweep import run_sweep

    with _processes.open_cluster(dask, tls_ca, tls_cert, tls_key) as client, ProgressDisplay() as progress:
        backend: Any = None
        if client is not None:
            from functools import partial

            from xbarsim.fleet.cluster import run_dask
            from xbarsim.sweep.run import FACTORY

            backend = partial(run_dask, client=client, factory=FACTORY)
        summary = run_sweep(plan, out, workers=workers, backend=backend, retry=retry, progress=progress)
    _show_summary(plan, summary)


def _show_plan(plan: SweepPlan, out: Path, workers: int | None) -> None:
    from xbarsim.cli._progress import format_duration
    from xbarsim.network.execute import available_cores
    from xbarsim.sweep import estimate_seconds

    count = workers or available_cores()
    missing, seconds = estimate_seconds(plan, out, workers=count)
    parts = [f"{len(plan.points):,} points"]
    if missing < len(plan.points):
        parts.append(f"{len(plan.points) - missing:,} already there")
    typer.echo(", ".join(parts))
    processes = f"on {count} process{'es' * (count > 1)}"
    if not missing:
        typer.echo("nothing to compute")
    elif seconds is None:
        typer.echo(f"{missing:,} to compute {processes}; the point tried for an estimate failed")
    else:
        typer.echo(f"{missing:,} to compute, about {format_duration(seconds)} {processes}")


def _show_summary(plan: SweepPlan, summary: Summary) -> None:
    from xbarsim.cli._progress import format_duration
    from xbarsim.cli._tables import make_console

    console = make_console()
    console.print(_table(plan, summary, console.width))
    took = f" in {format_duration(summary.seconds)}" if summary.computed else ""
    typer.echo(f"{summary.done:,} of {summary.points:,} points done, {summary.computed:,} computed now{took}")
    if summary.failed:
        first = next(iter(summary.failed.values()))
        typer.echo(
            f"xbarsim: {len(summary.failed):,} points failed (--retry tries again); the first: {first}", err=True
        )
    if summary.answer is not None:
        typer.echo(f"answer: {summary.answer_text}")
    others = " and points.csv" if summary.answer is None else ", points.csv and answer.json"
    _options.show_written([f"{summary.folder / 'points.parquet'}{others}"])
    if not VOLUME.quiet:
        typer.echo(f"next: xbarsim report {summary.folder}")


def _table(plan: SweepPlan, summary: Summary, width: int) -> Any:
    """Lay out the first points: what varies, and as many of the metrics as the width has room for."""
    from xbarsim.cli._tables import new_table
    from xbarsim.report.catalogue import describe_metric
    from xbarsim.sweep.figures import show_level

    rows = summary.table.head(_LONGEST)
    names = [name for name in ("network", "hardware") if summary.table[name].nunique() > 1]
    names += [keys[0] for keys in plan.axes]
    columns = [
        (name.replace(".", " ").replace("_", " "), [show_level(value) for value in rows[name]]) for name in names
    ]
    for name in plan.sweep.chosen_metrics:
        column = describe_metric(name, summary.table[name])
        columns.append((column.heading, [column.show(value) for value in rows[name]]))
    least = [max(map(len, [*heading.split(), *cells])) for heading, cells in columns]
    full = [max(map(len, [heading, *cells])) for heading, cells in columns]
    shown = len(columns)
    while shown > len(names) + 1 and sum(least[:shown]) + _GAP * (shown - 1) > width:
        shown -= 1
    widths = full if sum(full[:shown]) + _GAP * (shown - 1) <= width else least
    notes = [f"the first {_LONGEST} of {len(summary.table):,} points"] if len(summary.table) > _LONGEST else []
    if shown < len(columns):
        notes.append(f"{shown - len(names)} of {len(columns) - len(names)} metrics; points.csv holds all")
    title = "; ".join(notes)
    table = new_table(title[:1].upper() + title[1:], [(heading, "right") for heading, _ in columns[:shown]])
    for place, characters in zip(table.columns, widths):
        place.no_wrap, place.width = False, characters
    for cells in zip(*(cells for _, cells in columns[:shown])):
        table.add_row(*cells)
    return table
