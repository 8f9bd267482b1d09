"""Files of common data sets: .npz, CIFAR-10 batches (binary or Python) and MNIST-style idx.

For safety .npz files with pickled objects are refused, and CIFAR's Python batches are read by an unpickler that accepts
only plain containers and byte arrays.
"""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.data.images import Dataset, make_dataset
from xbarsim.errors import ConfigError

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR_RECORD = 1 + 3 * 32 * 32
"""Size of an image with its label in the files of CIFAR-10 [bytes]. Source: A. Krizhevsky, Learning multiple layers of
features from tiny images, 2009."""
_IDX_TYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype("u1"), 9: np.dtype("i1"), 11: np.dtype(">i2"), 12: np.dtype(">i4"), 13: np.dtype(">f4"),
    14: np.dtype(">f8"),
}  # fmt: skip


def load_npz(path: Path) -> Dataset:
    """Read an .npz with ``images`` (N, ...) and, where there are any, ``labels`` (N, ...)."""
    try:
        with zipfile.ZipFile(path) as archive:  # np.load would take other formats too
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("images", "labels") if name in names}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'not a readable .npz file'}") from None
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ConfigError(
                f"{path}: holds pickled objects, which are not unpickled for safety; store plain arrays"
            ) from None
        raise ConfigError(f"{path}: not an .npz file, or a damaged one") from None
    except (
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        AttributeError,
        MemoryError,
    ):
        raise ConfigError(f"{path}: not an .npz file, or a damaged one") from None
    if "images" not in arrays:
        raise ConfigError(f"{path}: images: no such array; it holds {', '.join(names) or 'none'}")
    return make_dataset(arrays["images"], arrays.get("labels"), str(path))


def load_cifar(folder: Path, split: str = "test") -> Dataset:
    """Read the test or training batches of a CIFAR-10 folder, binary (``*.bin``) or Python."""
    pattern = "test_batch" if split == "test" else "data_batch_?"
    files = sorted(folder.glob(f"{pattern}.bin")) or sorted(path for path in folder.glob(pattern) if path.is_file())
    if not files:
        raise ConfigError(f"{folder}: contains no CIFAR-10 file {pattern} or {pattern}.bin")
    parts = [_read_cifar_binary(path) if path.suffix == ".bin" else _read_cifar_python(path) for path in files]
    images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return make_dataset(images, labels, str(folder), 10, CIFAR_CLASSES)


def _read_cifar_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    content = np.frombuffer(_read(path), np.uint8)
    if not len(content) or len(content) % _CIFAR_RECORD:
        raise ConfigError(f"{path}: {len(content)} bytes are not whole records of {_CIFAR_RECORD} bytes")
    records = content.reshape(-1, _CIFAR_RECORD)
    return _cifar_images(path, records[:, 1:]), _cifar_labels(path, records[:, 0])


def _read_cifar_python(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        content = _PlainUnpickler(io.BytesIO(_read(path)), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise ConfigError(f"{path}: not a CIFAR-10 batch, or a damaged one: {error}") from None
    except Exception:  # a damaged pickle raises nearly anything
        raise ConfigError(f"{path}: not a CIFAR-10 batch, or a damaged one") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a CIFAR-10 batch: holds no dictionary")
    fields = {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
    data, labels = fields.get("data"), fields.get("labels")
    if not isinstance(data, np.ndarray) or not isinstance(labels, list):
        raise ConfigError(f"{path}: not a CIFAR-10 batch: data or labels are missing")
    try:
        numbers = np.array(labels, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{path}: labels: not whole numbers") from None
    return _cifar_images(path, data), _cifar_labels(path, numbers)


def _cifar_images(path: Path, data: np.ndarray) -> np.ndarray:
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _CIFAR_RECORD - 1:
        raise ConfigError(f"{path}: data: {data.dtype} {data.shape} is not uint8 (images, {_CIFAR_RECORD - 1})")
    return data.reshape(-1, 3, 32, 32)


def _cifar_labels(path: Path, labels: np.ndarray) -> np.ndarray:
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < 10:
        raise ConfigError(f"{path}: labels: outside the 10 classes 0..9")
    return labels.astype(np.int64)


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, text, bytes, numbers and arrays of numbers; every other object is refused."""

    def find_class(self, module: str, name: str) -> Any:
        known = _PLAIN_OBJECTS.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise pickle.UnpicklingError(f"holds an object of {module}.{name}, which is not unpickled for safety")
        return known


def _encode_latin1(text: str, _codec: str = "latin1") -> bytes:
    return text.encode("latin1")


def _empty_array(_kind: Any, _shape: Any, _code: Any) -> np.ndarray:
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _array_of_bytes(content: Any, kind: np.dtype, shape: Any, order: Any, *_: Any) -> np.ndarray:
    return np.frombuffer(content, dtype=kind).reshape(shape, order=order)


def _plain_dtype(code: Any, *_: Any) -> np.dtype:
    text = code.decode() if isinstance(code, bytes) else str(code)
    if text not in ("u1", "i1", "i2", "i4", "i8", "f4", "f8"):
        raise pickle.UnpicklingError(f"holds an array of type {text}")
    return np.dtype(text)


_PLAIN_OBJECTS = {
    ("_codecs", "encode"): _encode_latin1,  # how protocol 2 writes bytes
    ("numpy", "ndarray"): "ndarray",  # named by the array's own entry, never called
    ("numpy", "dtype"): _plain_dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.numeric", "_frombuffer"): _array_of_bytes,
}


def load_idx(folder: Path, split: str = "test") -> Dataset:
    """Read MNIST-style idx files, ``t10k-*`` (or ``test-*``) or ``train-*``, plain or .gz."""
    prefixes = ("t10k", "test") if split == "test" else ("train",)
    image_file, label_file = (_find_idx(folder, prefixes, part) for part in ("images", "labels"))
    if image_file is None:
        raise ConfigError(f"{folder}: contains no idx file {prefixes[0]}-images-idx3-ubyte (or .gz)")
    images = _read_idx(image_file)
    if images.ndim not in (3, 4):
        raise ConfigError(f"{image_file}: {images.ndim} axes are not (images, height, width)")
    labels = None if label_file is None else _read_idx(label_file)
    classes = int(labels.max()) + 1 if labels is not None and labels.ndim == 1 and labels.size else None
    return make_dataset(images[:, None] if images.ndim == 3 else images, labels, str(folder), classes)


def _find_idx(folder: Path, prefixes: tuple[str, ...], part: str) -> Path | None:
    for prefix in prefixes:
        for path in sorted(folder.glob(f"{prefix}*{part}*idx*")):
            if path.suffix in ("", ".gz") or "idx" in path.suffix:
                return path
    return None


def _read_idx(path: Path) -> np.ndarray:
    content = _read(path)
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            raise ConfigError(f"{path}: not a gzip file, or a damaged one") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES or not content[3]:
        raise ConfigError(f"{path}: not an idx file")
    kind, axes = _IDX_TYPES[content[2]], content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ConfigError(f"{path}: the idx header is incomplete")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = kind.itemsize * int(np.prod(shape, dtype=object))
    if len(content) - start != expected:
        raise ConfigError(f"{path}: holds {len(content) - start} bytes of data, shape {shape} needs {expected}")
    return np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
