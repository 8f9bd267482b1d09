"""An append-only file of records that tolerates being interrupted at any time.

A record is one line: the CRC-32 of the text in eight hex digits, a space, the text as JSON. It is written by one
call, and flushed to the device before :meth:`Log.append` returns. A line that was incomplete when its process died has
an invalid checksum; it is the last line and is removed when the file is opened again. A damaged line in the middle (a
disk error) is skipped and counted. If a write fails (full disk), the file is truncated to its last complete line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import zlib
from pathlib import Path
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.store.file import sync_folder


class Log:
    """Appends records to a file; opening it repairs the tail.

    Parameters
    ----------
    path : Path
        File; made where missing.

    Raises
    ------
    ConfigError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _, _, self.size = read_records(path)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._restore()
            if not self.size:
                sync_folder(path.parent)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None

    def append(self, record: dict[str, Any]) -> None:
        """Write a record and wait until the device has it.

        Parameters
        ----------
        record : dict
            What JSON knows.

        Raises
        ------
        OSError
            If it cannot be written; every record before it is kept.
        """
        line = encode_record(record)
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):  # a disk that fills up takes a part; the next call says why
                os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
            if os.lseek(self._descriptor, 0, os.SEEK_CUR) != self.size + len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):  # the tail is repaired when the file is opened again
                self._restore()
            raise
        self.size += len(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _restore(self) -> None:
        os.ftruncate(self._descriptor, self.size)
        os.lseek(self._descriptor, self.size, os.SEEK_SET)


def encode_record(record: dict[str, Any]) -> bytes:
    """Return a record as its line.

    Parameters
    ----------
    record : dict
        What JSON knows.

    Returns
    -------
    bytes
        Sum, text and end of line.
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_records(path: Path) -> tuple[list[dict[str, Any]], int, int]:
    """Read every whole record of a file, which may be growing.

    Parameters
    ----------
    path : Path
        File; counts as empty where missing.

    Returns
    -------
    tuple
        Records in order, number of damaged lines that are not the tail, and where the last whole record ends [bytes].
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, 0
    records, damaged, pending, end, at = [], 0, 0, 0, 0
    while at < len(content):
        newline = content.find(b"\n", at)
        stop = len(content) if newline < 0 else newline
        record = None if newline < 0 else _decode(content[at:stop])
        at = stop + 1
        if record is None:
            pending += 1
            continue
        damaged += pending
        pending = 0
        records.append(record)
        end = at
    return records, damaged, end


def _decode(line: bytes) -> dict[str, Any] | None:
    if len(line) < 10 or line[8:9] != b" ":
        return None
    text = line[9:]
    try:
        if int(line[:8], 16) != zlib.crc32(text):
            return None
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
