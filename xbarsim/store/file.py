"""Atomically written files."""

from __future__ import annotations

import os
from pathlib import Path

from xbarsim.errors import ConfigError


def make_folder(folder: str | Path) -> Path:
    """Create a folder and its parents if they are missing.

    Parameters
    ----------
    folder : str or Path
        The folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return folder


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically, and wait until it is on the device.

    Parameters
    ----------
    path : Path
        File; replaced where it exists. What a link names is replaced, not the link; a device or pipe is written to.
    content : bytes
        What it shall hold.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def write_file(path: str | Path, content: str | bytes) -> Path:
    """Write a file of a user atomically.

    Parameters
    ----------
    path : str or Path
        File; replaced where it exists.
    content : str or bytes
        What it shall hold; text is written as UTF-8.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    path = Path(path)
    try:
        replace_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
