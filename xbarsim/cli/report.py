"""``xbarsim report``: the figures of a finished or running sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarsim.cli import _options


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or running.")],
) -> None:
    """Write the HTML page of a sweep."""
    from xbarsim.sweep.page import write_sweep_page

    _options.show_written([write_sweep_page(folder)])
