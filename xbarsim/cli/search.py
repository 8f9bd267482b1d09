"""``xbarsim search``: searches for the best design of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbarsim.cli import _options, _outputs

if TYPE_CHECKING:
    from xbarsim.search import Result

app = typer.Typer(help="Search for the best design of each layer.", no_args_is_help=True)


@app.command("nax")
def search_nax(
    file: Annotated[
        Path,
        typer.Argument(metavar="SEARCH.yaml", help="Search file: space, objectives and method; -: standard input."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; an interrupted search is resumed.")
    ],
    cache: Annotated[
        str, typer.Option(metavar="DIR", help="Cache folder; auto: the user's cache folder, none: memory only.")
    ] = "auto",
    schema: Annotated[bool, _options.schema_option("xbarsim.search.task", "Search", "search files")] = False,
) -> None:
    """Search kernels, arrays, converters, widths and depth together."""
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.search import load_search, run_search

    _outputs.check_folder(out)
    search = load_search(file)
    with ProgressDisplay() as progress:
        result = run_search(search, out, cache=None if cache == "none" else cache, progress=progress)
    typer.echo(f"{result.space.count} points in the space, {len(result.space.slots)} choices")
    if told := result.extra.get("surrogate"):
        error = "" if told["error"] is None else f", error of predictions {100 * told['error']:.2g} points"
        typer.echo(f"{told['simulated']} designs simulated, {told['predicted']} predicted{error}")
    _show(result, {number: entry.label for number, entry in enumerate(result.entries) if entry.label})
    if result.traces:
        from xbarsim.cli._tables import baseline_table, make_console
        from xbarsim.search.trace import tabulate_traces

        make_console().print("", baseline_table(tabulate_traces(search, result.traces)), "")
    _options.show_written([out])


@app.command("epitome")
def search_epitome(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="SEARCH.yaml", help="Search file: layers, epitome shapes, budget, objectives; -: standard input."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; an interrupted search is resumed.")
    ],
    cache: Annotated[
        str, typer.Option(metavar="DIR", help="Cache folder; auto: the user's cache folder, none: memory only.")
    ] = "auto",
    schema: Annotated[bool, _options.schema_option("xbarsim.search.epitome", "EpitomeSearch", "search files")] = False,
) -> None:
    """Search an epitome for each layer within a budget of arrays."""
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli._tables import design_table, make_console
    from xbarsim.search.epitome import load_epitome_search, run_epitome_search

    _outputs.check_folder(out)
    search = load_epitome_search(file)
    with ProgressDisplay() as progress:
        result = run_epitome_search(search, out, cache=None if cache == "none" else cache, progress=progress)
    typer.echo(f"budget {result.extra['budget']} crossbars, {float(result.space.count):.3g} designs in the space")
    typer.echo(f"{len(result.entries)} designs evaluated, {len(result.front)} on the front")
    make_console().print("", design_table(result.extra["comparison"]), "")
    _options.show_written([out])


def _show(result: Result, marked: Mapping[int, str]) -> None:
    """Print named designs and the front, one line a design."""
    width = max([10, *map(len, marked.values())])
    for number in dict.fromkeys((*marked, *result.front)):
        metrics = result.entries[number].metrics or {}
        shown = "  ".join(f"{name} {metrics[name]:.4g}" for name in result.shown if name in metrics)
        role = "chosen" if number == result.chosen else "front" if number in result.front else ""
        typer.echo(f"{number:6d}  {marked.get(number, ''):{width}s}  {role:6s}  {shown}")
