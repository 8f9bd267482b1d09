"""Records with arrays as a folder of plain files: JSON and one .npy file, no pickle.

A folder holds a header (what it is, versions, sizes and SHA-256 of the other files), a JSON file of the records, and
a .npy file of bytes in which all arrays lie, aligned. Arrays are mapped into memory, copied where they are written to,
so that processes share their pages. The names of both files contain their hashes and the header is replaced last: a
folder holds the old or the new content, whatever happens between. Objects of tables that hold functions are stored by
their names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError
from xbarsim.store.file import make_folder, name_beside, replace_file, sync_folder
from xbarsim.store.tree import ALIGNMENT, RecordReader, RecordWriter

EDITION = 1
"""Of the form of the files."""
_HASHED = 1 << 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The content of a folder."""

    about: Mapping[str, Any]
    """What the header says."""
    root: Any
    """The record."""


def save_snapshot(
    folder: str | Path, root: Any, about: Mapping[str, Any], *, kind: str, named: Mapping[str, Any]
) -> Path:
    """Write a record to a folder; what was there before is replaced at once, or stays.

    Parameters
    ----------
    folder : str or Path
        Made where missing; one that holds other files is refused.
    root : object
        Record, with records, mappings, tuples, numbers, texts and arrays in it.
    about : mapping
        What JSON knows, for the header.
    kind : str
        What the folder holds, for the header and for messages.
    named : mapping
        Name -> object that is stored by its name.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If the folder holds something else or cannot be written, or the record holds what cannot be stored.
    """
    folder = make_folder(folder)
    header = folder / _header_name(kind)
    others = [path.name for path in folder.iterdir() if not _is_ours(path.name, header.name)]
    if others and not header.exists():
        raise ConfigError(f"{folder}: holds {others[0]} and no {kind}; choose an empty folder or a new one")
    writer = RecordWriter({id(value): name for name, value in named.items()}, kind)
    content = writer.write(root)
    text = json.dumps({"records": writer.records, "root": content, "arrays": writer.places}, allow_nan=False).encode()
    try:
        arrays = _write_arrays(folder, writer.arrays, writer.size)
        records = {"name": f"records-{_hash(text)[:16]}.json", "bytes": len(text), "sha256": _hash(text)}
        replace_file(folder / str(records["name"]), text)
        said = {"kind": kind, "edition": EDITION, **about, "files": {"records": records, "arrays": arrays}}
        seal = _seal(said)
        replace_file(header, json.dumps({**said, "sha256": seal}, indent=1, allow_nan=False).encode() + b"\n")
        for path in folder.iterdir():
            if _is_ours(path.name, header.name) and path.name not in (header.name, records["name"], arrays["name"]):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return folder


def load_snapshot(
    folder: str | Path,
    *,
    kind: str,
    named: Mapping[str, Any],
    check: Callable[[Mapping[str, Any]], None] = lambda about: None,
    find_class: Callable[[str], type[Any] | None] = lambda name: None,
    verify: bool = True,
) -> Snapshot:
    """Read a folder that :func:`save_snapshot` has written.

    Parameters
    ----------
    folder : str or Path
        The folder.
    kind : str
        What it should hold.
    named : mapping
        As it was saved.
    check : callable, optional
        Called with the header before anything else is read; refuses by an error.
    find_class : callable, optional
        Name of a class outside the package -> the class; None where it is unknown.
    verify : bool
        Whether the arrays are read once for their hash. Without it pages are read when they are first used.

    Returns
    -------
    Snapshot
        Header and record; its arrays are mapped into memory and private to this process where written to.

    Raises
    ------
    ConfigError
        If the folder is missing, damaged, of another version, or holds something else.
    """
    folder = Path(folder)
    about = _read_header(folder, kind)
    check(about)
    try:
        text = _read_part(folder, about["files"]["records"])
        content = json.loads(text)
        memory = _map_arrays(folder, about["files"]["arrays"], verify)
        reader = RecordReader(content, memory, named, find_class)
        return Snapshot(about=about, root=reader.read(content["root"]))
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ImportError, RecursionError) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise ConfigError(f"{folder}: not a {kind} of this version ({said}); create it again") from None


def _write_arrays(folder: Path, arrays: list[NDArray[Any]], size: int) -> dict[str, Any]:
    """Write all arrays as one .npy file of bytes; return its name, size and hash."""
    start = _npy_header(size)
    digest, written = hashlib.sha256(start), len(start)
    beside = name_beside(folder / "arrays")
    try:
        with beside.open("wb") as file:
            file.write(start)
            for part in _cut(arrays):
                file.write(part)
                digest.update(part)
                written += len(part)
            file.flush()
            os.fsync(file.fileno())
        name = f"arrays-{digest.hexdigest()[:16]}.npy"
        beside.replace(folder / name)
        sync_folder(folder)
    finally:
        beside.unlink(missing_ok=True)
    return {"name": name, "bytes": written, "sha256": digest.hexdigest()}


def _cut(arrays: list[NDArray[Any]]) -> Iterator[bytes | memoryview]:
    for array in arrays:
        if array.nbytes:
            yield memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        yield bytes(-array.nbytes % ALIGNMENT)


def _npy_header(size: int) -> bytes:
    """Return the head of a .npy file of bytes; its length is a multiple of 64 by the format's own rule."""
    import io

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
    return head.getvalue()


def _map_arrays(folder: Path, part: Mapping[str, Any], verify: bool) -> NDArray[np.uint8]:
    """Map the file of arrays, checked, into memory: its bytes behind the header."""
    path = folder / _plain_name(part["name"])
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != part["bytes"]:
            raise ConfigError(f"{path}: damaged: its size is not {part['bytes']} bytes; create it again")
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    if verify:
        digest, view = hashlib.sha256(), memoryview(memory)
        for at in range(0, len(view), _HASHED):
            digest.update(view[at : at + _HASHED])
        view.release()
        if digest.hexdigest() != part["sha256"]:
            raise ConfigError(f"{path}: damaged: its hash differs from the header's; create it again")
    if dtype != np.uint8 or shape != (len(memory) - start,):
        raise ValueError("not an array of bytes")
    return np.frombuffer(memory, np.uint8, offset=start)


def _read_header(folder: Path, kind: str) -> dict[str, Any]:
    path = folder / _header_name(kind)
    try:
        about = json.loads(path.read_bytes())
    except FileNotFoundError:
        rule = f"holds no {kind} ({path.name} is missing)" if folder.is_dir() else "no such folder"
        raise ConfigError(f"{folder}: {rule}; give the folder that it was saved to") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: damaged: not JSON; create it again") from None
    if not isinstance(about, dict) or about.get("kind") != kind:
        raise ConfigError(f"{path}: is not the header of a {kind}; give the folder that it was saved to")
    if about.get("edition") != EDITION:
        raise ConfigError(
            f"{path}: edition {str(about.get('edition'))[:20]}, this version reads {EDITION}; create it again"
        )
    if _seal({key: value for key, value in about.items() if key != "sha256"}) != about.get("sha256"):
        raise ConfigError(f"{path}: damaged: its content differs from its hash; create it again")
    return about


def _read_part(folder: Path, part: Mapping[str, Any]) -> bytes:
    path = folder / _plain_name(part["name"])
    content = path.read_bytes()
    if _hash(content) != part["sha256"]:
        raise ConfigError(f"{path}: damaged: its hash differs from the header's; create it again")
    return content


def _plain_name(name: str) -> str:
    if Path(name).name != name:
        raise ValueError(f"file {name[:40]!r}")
    return name


def _header_name(kind: str) -> str:
    return f"{kind}.json"


def _is_ours(name: str, header: str) -> bool:
    return name == header or name.startswith(("records-", "arrays-", ".arrays.", f".{header}.", ".records-"))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    with contextlib.suppress(ValueError):
        return _hash(json.dumps(content, sort_keys=True, allow_nan=False).encode())
    return ""
