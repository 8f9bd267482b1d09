"""``xbarsim search``: which design for each layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Search designs layer by layer.", no_args_is_help=True)


@app.command("nax")
def search_nax(
    file: Annotated[Path, typer.Argument(metavar="SEARCH.yaml", help="What is searched, what counts, and how.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Results; a run that was killed is resumed.")],
    cache: Annotated[
        str, typer.Option(metavar="DIR", help="Folder of answers on disk; auto: the user's own, none: memory only.")
    ] = "auto",
) -> None:
    """Choose kernels, arrays, converters, widths and depth together."""
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.search import load_search, open_space, run_search

    search = load_search(file)
    space, _ = open_space(search)
    typer.echo(f"{space.count} points in the space, {len(space.slots)} choices")
    with ProgressDisplay() as progress:
        result = run_search(search, out, cache=None if cache == "none" else cache, progress=progress)
    marked = {number: entry.label for number, entry in enumerate(result.entries) if entry.label}
    for number in dict.fromkeys((*marked, *result.front)):
        metrics = result.entries[number].metrics or {}
        shown = "  ".join(f"{name} {metrics[name]:.4g}" for name in result.search.goals)
        role = "chosen" if number == result.chosen else "front" if number in result.front else ""
        typer.echo(f"{number:6d}  {marked.get(number, ''):10s}  {role:6s}  {shown}")
    typer.echo(f"wrote {out}")
