"""Files that are checked before work starts, and written whole or not at all: the one place that writes outputs."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import tempfile
from pathlib import Path

from xbarsim.errors import ConfigError
from xbarsim.store.lock import identify_machine

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Errors of file systems without hard links."""


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
        descriptor = os.open(path, os.O_WRONLY)
        try:
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
        return
    beside = name_beside(path)
    try:
        _write_new(beside, content, os.O_TRUNC)
        os.replace(beside, path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)


def make_file(path: Path, content: bytes) -> bool:
    """Write a file that does not exist yet atomically: of several processes that try, one succeeds.

    Parameters
    ----------
    path : Path
        New file; nobody sees it without its content.
    content : bytes
        What it shall hold.

    Returns
    -------
    bool
        Whether this call made it; False where the file exists.

    Raises
    ------
    OSError
        If it cannot be written; there is no such file then.
    """
    beside = name_beside(path)
    if path.exists():
        return False
    try:
        _write_new(beside, content, os.O_TRUNC)
        try:
            os.link(beside, path)  # unlike a rename, refused where the file exists
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _write_new(path, content, os.O_EXCL)
        sync_folder(path.parent)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)
    return True


def name_beside(path: Path) -> Path:
    """Name the file that holds what is not whole yet, and remove those that killed processes left.

    Parameters
    ----------
    path : Path
        What it will replace.

    Returns
    -------
    Path
        In the same folder, hidden, of this process alone.
    """
    start = f".{path.name}.{_identify_processes()}."
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            number = entry.name[len(start) :]
            if entry.name.startswith(start) and number.isdecimal() and not _is_running(int(number)):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    return path.with_name(f"{start}{os.getpid()}")


@functools.cache
def _identify_processes() -> str:
    """Name the processes that this one can see: others, of a container or machine, may have the same numbers."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{identify_machine()} {space}".encode()).hexdigest()[:8]


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user
        pass
    return True


def _write_new(path: Path, content: bytes, flag: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o666)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


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


def check_file(path: str | Path, where: str) -> None:
    """Refuse, before work starts, a file that could not be written.

    Parameters
    ----------
    path : str or Path
        File to be written; it may exist.
    where : str
        Option or argument that names it, which begins the message.

    Raises
    ------
    ConfigError
        If it is a folder, its own folder is missing, or nothing can be written there.
    """
    given = Path(path)
    try:
        is_folder, folder = given.is_dir(), given.resolve().parent
        if is_folder or not folder.is_dir():
            raise ConfigError(f"{where} {given}: {'is a folder' if is_folder else 'its folder does not exist'}")
        if given.exists() and not os.access(given, os.W_OK):
            raise ConfigError(f"{where} {given}: cannot be written")
        if given.exists() and not given.is_file():
            return  # a device or pipe
        tempfile.TemporaryFile(dir=folder).close()  # permission bits alone are not sufficient
    except OSError as error:
        raise ConfigError(f"{where} {given}: cannot be written: {error.strerror or error}") from None
    except RuntimeError:  # links that refer to each other
        raise ConfigError(f"{where} {given}: cannot be written: its symbolic links form a loop") from None


def check_folder(path: str | Path, where: str) -> None:
    """Refuse, before work starts, a folder that could not be made or written into.

    Parameters
    ----------
    path : str or Path
        Folder; it may exist, or parents of it may be missing.
    where : str
        Option or argument that names it, which begins the message.

    Raises
    ------
    ConfigError
        If it or a parent is a file, or nothing can be written there.
    """
    given = Path(path)
    try:
        place = given.resolve()
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        if not existing.is_dir():
            raise ConfigError(f"{where} {given}: {existing} is a file, should be a folder")
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ConfigError(f"{where} {given}: cannot be written: {error.strerror or error}") from None
    except RuntimeError:
        raise ConfigError(f"{where} {given}: cannot be written: its symbolic links form a loop") from None


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
