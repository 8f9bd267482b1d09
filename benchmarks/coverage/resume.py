"""Logs of checks that were cut off: a file of JSON lines, of which the first says what the others belong to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def read_log(path: Path | None, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of a log behind its first; exit with a message where they belong to something else.

    Parameters
    ----------
    path : Path or None
        The log; a file that is missing or empty is begun. None keeps nothing.
    about : mapping
        What results depend on, as JSON can say it.

    Returns
    -------
    list of dict
        Results; a last line that was cut off is left out.
    """
    if path is None:
        return []
    if not path.is_file() or not path.stat().st_size:
        path.write_text(json.dumps({"about": dict(about)}) + "\n")
        return []
    text = path.read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()
    if len(text) > sum(len(line) + 1 for line in lines):
        path.write_text("".join(f"{line}\n" for line in lines))
    try:
        first, *rest = [json.loads(line) for line in lines]
        found = first["about"]
    except (ValueError, KeyError, TypeError):
        sys.exit(f"{path}: is not a log of this command; give another file")
    wrong = sorted(key for key in {*found, *about} if found.get(key) != about.get(key))
    if wrong:
        kept = ", ".join(f"{key} {found.get(key)!r} in place of {about.get(key)!r}" for key in wrong)
        sys.exit(f"{path}: holds results of {kept}; give another file, or the same options")
    return rest


def add_lines(path: Path | None, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append lines to a log; None keeps nothing."""
    if path is not None:
        with path.open("a") as log:
            log.writelines(json.dumps(line) + "\n" for line in lines)
