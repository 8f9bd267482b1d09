"""Places of outputs, checked before the work of a command begins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from xbarsim.cli._volume import take_json
from xbarsim.errors import ConfigError

Inputs = Iterable[str | Path | None]


def check_outputs(json: Path | None, report: Path | None, trace: Path | None = None, *, inputs: Inputs = ()) -> None:
    """Refuse output files and folders that cannot be written, before the work begins.

    Parameters
    ----------
    json : Path or None
        File to be written.
    report : Path or None
        Folder to be written.
    trace : Path or None
        File to be written.
    inputs : iterable of str, Path or None
        What the command reads: files, or names and folders, which do not matter here.

    Raises
    ------
    ConfigError
        If a file's folder is missing, a place is of another kind than what shall be written there, nothing can be
        written there, or two files have the same place.
    """
    from xbarsim.store import check_file, check_folder

    files = {} if json is None or take_json(json) else {"--json": json}
    if trace is not None:
        if str(trace) == "-":
            raise ConfigError("--trace -: a trace goes to a file, not to standard output; name one, such as trace.json")
        files["--trace"] = trace
    for option, file in files.items():
        check_file(file, option)
    _check_apart(files, inputs)
    if report is not None:
        check_folder(report, "--report")


def check_model(out: Path, inputs: Inputs = ()) -> None:
    """Refuse the file of a network that cannot be written, or that is read by the command, before the work begins.

    Parameters
    ----------
    out : Path
        File to be written.
    inputs : iterable of str, Path or None
        What the command reads.

    Raises
    ------
    ConfigError
        If it does not end in .onnx, cannot be written, or is an input; names ``--out``.
    """
    from xbarsim.store import check_file

    if out.suffix.lower() != ".onnx":
        raise ConfigError(f"--out {out}: should end in .onnx")
    check_file(out, "--out")
    _check_apart({"--out": out}, inputs)


def check_folder(folder: Path, option: str = "--out") -> None:
    """Refuse a folder that cannot be written, before the work begins; ConfigError names the option."""
    from xbarsim.store import check_folder as check

    check(folder, option)


def _check_apart(files: Mapping[str, Path], inputs: Inputs) -> None:
    """Refuse a file that is written twice, or that is read: writing would destroy what is there."""
    seen: dict[Path, str] = {}
    for option, file in files.items():
        place = file.resolve()
        if place in seen:
            raise ConfigError(f"{option} {file}: is also the file of {seen[place]}; name two files")
        seen[place] = option
        for given in inputs:
            if given is not None and _is_same(file, Path(given)):
                raise ConfigError(f"{option} {file}: is a file that the command reads; name another one")


def _is_same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return one.is_file() and os.path.samefile(one, other)
    return False
