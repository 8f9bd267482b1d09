"""How much a command says beside its results: ``--quiet``, ``--verbose``, and where results give way to JSON."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

LOG = logging.getLogger("xbarsim")
"""Messages of ``--verbose``."""


@dataclass
class Volume:
    """What the command that runs was told."""

    quiet: bool = False
    """Neither progress nor warnings nor lists of files."""
    verbose: bool = False
    """Stages with their times, and tracebacks of errors."""
    piped: bool = False
    """Standard output holds JSON alone; tables go to standard error."""


VOLUME = Volume()
"""Of this process."""


def reset_volume() -> None:
    """Forget what an earlier command of this process was told."""
    VOLUME.quiet = VOLUME.verbose = VOLUME.piped = False
    for handler in [each for each in LOG.handlers if getattr(each, "is_ours", False)]:
        LOG.removeHandler(handler)


def _be_quiet(wanted: bool) -> bool:
    VOLUME.quiet = VOLUME.quiet or wanted
    return wanted


def _be_verbose(wanted: bool) -> bool:
    if wanted and not VOLUME.verbose:
        VOLUME.verbose = True
        handler = logging.StreamHandler(sys.stderr)
        handler.is_ours = True  # type: ignore[attr-defined]
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
    return wanted


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", is_eager=True, expose_value=False, callback=_be_quiet,
        help="Show only results and errors: no progress, no warnings, no list of files.",
    ),
]  # fmt: skip
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", is_eager=True, expose_value=False, callback=_be_verbose,
        help="Also show the stages with their times, and tracebacks of errors.",
    ),
]  # fmt: skip


def take_json(path: Path | None) -> bool:
    """Tell whether JSON goes to standard output (``-``); tables then go to standard error."""
    if path is not None and str(path) == "-":
        VOLUME.piped = True
    return VOLUME.piped
