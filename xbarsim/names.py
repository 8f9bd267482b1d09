"""Names given by users: matching of globs, and suggestions for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from xbarsim.errors import ConfigError


def is_place(path: str | Path, *, file: bool = False) -> bool:
    """Tell whether a name given by a user is a file or folder; a name that cannot be one is none.

    Parameters
    ----------
    path : str or Path
        The name, perhaps too long for a file system or with characters that none takes.
    file : bool
        Whether only files count.

    Returns
    -------
    bool
        Whether it exists.
    """
    try:
        return Path(path).is_file() if file else Path(path).exists()
    except (OSError, ValueError):
        return False


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" where a known word is close, else nothing."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def suggest_or_list(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" where a known word is close, else all known ones."""
    words = sorted(known)
    return suggest(word, words) or f"; known: {', '.join(words) or 'none'}"


def match_names(glob: str, names: Sequence[str], where: str, kind: str = "layer") -> list[str]:
    """Return the names that a name or glob stands for.

    Parameters
    ----------
    glob : str
        A name, which then stands for itself alone even where it reads as a glob; or a glob.
    names : sequence of str
        What there is, in order.
    where : str
        What messages begin with: file or key.
    kind : str
        What the names are names of, for messages.

    Returns
    -------
    list of str
        At least one name, in their order.

    Raises
    ------
    ConfigError
        If nothing matches.
    """
    matched = [glob] if glob in names else [name for name in names if fnmatchcase(name, glob)]
    if not matched:
        raise ConfigError(f"{where}: no {kind} has this name{suggest(glob, names)}")
    return matched
