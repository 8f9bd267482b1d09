"""Images and labels block by block: arrays, memory maps, folders, and whatever can be iterated over.

A stream is never held in memory as a whole. Items may be blocks ``(images, labels)`` of any size, single images, or
mappings with columns such as ``image`` and ``label``; arrays may be those of NumPy, PyTorch or another package that
converts to NumPy. What is iterated over is recognised by what it can do, so that PyTorch DataLoaders and data sets, and
data sets of Hugging Face, serve without an import of either.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.data.folder import list_folder, read_image
from xbarsim.data.images import Dataset, normalize_images
from xbarsim.data.load import is_batches, load_data
from xbarsim.errors import ConfigError, ShapeError

IMAGE_KEYS = ("images", "image", "pixel_values", "input_ids", "inputs", "input", "img", "x")
LABEL_KEYS = ("labels", "label", "targets", "target", "fine_label", "y")
AHEAD = 2
"""Blocks that are decoded before they are asked for."""

Piece = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageBlock:
    """Some images of a stream."""

    images: np.ndarray
    """(images, ...)."""
    labels: np.ndarray | None
    """(images, ...), None where the stream has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Images and labels that are read when they are needed; made by :func:`open_stream`."""

    name: str
    """Where they come from, for messages."""
    count: int | None
    """Number of images; None where it is not known before."""
    pieces: Callable[[tuple[int, ...], int], Iterator[Piece]]
    """(shape of an image, images wanted at a time) -> images with their labels, in pieces of any size."""
    labels: np.ndarray | None = None
    """(images, ...) labels that are given apart."""
    scale: Callable[[np.ndarray], np.ndarray] | None = None
    """What turns pixels into the floats of a network; None: images are taken as they are."""

    def blocks(self, shape: tuple[int, ...], size: int) -> Iterator[ImageBlock]:
        """Read the stream.

        Parameters
        ----------
        shape : tuple of int
            Shape of one image.
        size : int
            Images in a block; the last one may be smaller.

        Yields
        ------
        ImageBlock
            In order.

        Raises
        ------
        ConfigError, ShapeError
            If an item is no image, or labels are missing for some images.
        """
        held: list[ImageBlock] = []
        waiting = total = 0
        for number, piece in enumerate(self.pieces(shape, size)):
            part = self._read(piece, shape, number, total)
            if self.count is not None:
                part = _cut(part, self.count - total)[0]
            if held and (held[0].labels is None) != (part.labels is None):
                raise ShapeError(f"{self.name}: item {number}: labels are given for some images and not for others")
            held.append(part)
            waiting, total = waiting + len(part.images), total + len(part.images)
            while waiting >= size:
                block, rest = _cut(_join(held), size)
                held = [rest] if len(rest.images) else []
                waiting -= size
                yield block
            if total == self.count:
                break
        if self.labels is not None and self.count is None and total != len(self.labels):
            raise ShapeError(f"labels: {len(self.labels)} entries for {total} images of {self.name}")
        if self.count is not None and total < self.count:
            raise ConfigError(f"{self.name}: {self.count} images requested, but it has {total}")
        if waiting:
            yield _join(held)

    def take(self, count: int | None) -> Stream:
        """Return the first ``count`` images; all of them for None. ConfigError if there are known to be fewer."""
        if count is None:
            return self
        if self.count is not None and count > self.count:
            raise ConfigError(f"{self.name}: {count} images requested, but it has {self.count}")
        return replace(self, count=count)

    def _read(self, piece: Piece, shape: tuple[int, ...], number: int, first: int) -> ImageBlock:
        images, labels = (None if part is None else _to_numpy(part) for part in piece)
        assert images is not None
        if images.dtype == object:
            raise ShapeError(f"{self.name}: item {number}: images of different shapes; resize them first")
        if images.ndim == len(shape):
            images, labels = images[np.newaxis], None if labels is None else labels[np.newaxis]
        if images.ndim != len(shape) + 1 or images.shape[1:] != shape:
            raise ShapeError(
                f"{self.name}: item {number}: images of shape {images.shape}, expected (images, "
                f"{', '.join(map(str, shape))}) or one image"
            )
        if self.labels is not None:
            if labels is not None:
                raise ConfigError(
                    "labels: given separately, but the items of the data have their own labels; leave one out"
                )
            labels = self.labels[first : first + len(images)]
        if labels is not None and (labels.ndim < 1 or len(labels) != len(images)):
            raise ShapeError(
                f"{self.name}: item {number}: labels of shape {labels.shape} for {len(images)} images; give one entry "
                "an image"
            )
        return ImageBlock(images=images if self.scale is None else self.scale(images), labels=labels)


def open_stream(
    source: Any,
    labels: Any = None,
    *,
    mean: Any = None,
    std: Any = None,
    split: str = "test",
    normalize: bool = True,
) -> Stream:
    """Open images for reading block by block.

    Parameters
    ----------
    source : object
        An array or a memory map (images, ...); a Dataset of :func:`load_data`; the path of a folder with one folder per
        class, of a folder of .npz files (shards), or of what :func:`load_data` takes; a PyTorch DataLoader; or
        anything that can be iterated over or indexed: blocks ``(images, labels)``, single images with labels, or
        mappings with the columns ``image`` and ``label``.
    labels : array_like, (images, ...), optional
        Labels, where ``source`` has none.
    mean, std : float or sequence of float, optional
        As :func:`normalize_images` takes them.
    split : str
        ``"test"`` or ``"train"``, for folders that hold both.
    normalize : bool
        Whether pixels (uint8) are divided by 255, and ``mean`` and ``std`` applied; if not, images are taken as they
        are.

    Returns
    -------
    Stream
        To be passed to :func:`xbarsim.simulate`.

    Raises
    ------
    ConfigError
        If the source is missing or is nothing that can be read.
    """

    def scale(images: np.ndarray) -> np.ndarray:
        return normalize_images(images, mean, std)

    chosen = scale if normalize else None
    if isinstance(source, Stream):
        return source
    if isinstance(source, (str, Path)):
        source = _open_path(source, split)
        if isinstance(source, Stream):
            return replace(source, scale=chosen)
    if isinstance(source, Dataset):
        given = source.labels if labels is None else labels
        return _open_array(source.images, given, source.name, chosen)
    if is_sliced(source):
        return _open_array(source, labels, "images", chosen)
    return _open_items(source, labels, chosen)


def prefetch(blocks: Iterator[ImageBlock]) -> Generator[ImageBlock, None, None]:
    """Read blocks in a thread, some before they are asked for.

    Parameters
    ----------
    blocks : iterator of ImageBlock
        What is read.

    Yields
    ------
    ImageBlock
        The same blocks; an error of the reader rises here.
    """
    ready: queue.Queue[tuple[ImageBlock | None, BaseException | None]] = queue.Queue(AHEAD)
    is_over = threading.Event()

    def put(block: ImageBlock | None, error: BaseException | None = None) -> None:
        while not is_over.is_set():
            try:
                return ready.put((block, error), timeout=0.2)
            except queue.Full:
                continue

    def read() -> None:
        try:
            for block in blocks:
                put(block)
                if is_over.is_set():
                    return
            put(None)
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=read, name="xbarsim-reader", daemon=True)
    thread.start()
    try:
        while True:
            block, error = ready.get()
            if error is not None:
                raise error
            if block is None:
                return
            yield block
    finally:
        is_over.set()


def is_sliced(source: Any) -> bool:
    """Return whether something is an array, in memory or not: it has a shape, and slices of it are arrays."""
    return hasattr(source, "shape") and hasattr(source, "__getitem__") and len(getattr(source, "shape", ())) > 0


def _open_array(images: Any, labels: Any, name: str, scale: Callable[[np.ndarray], np.ndarray] | None) -> Stream:
    count = int(images.shape[0])
    truth = None if labels is None else _to_numpy(labels)
    if truth is not None and (truth.ndim < 1 or len(truth) != count):
        raise ShapeError(f"labels: shape {truth.shape} does not match {count} images")

    def pieces(shape: tuple[int, ...], size: int) -> Iterator[Piece]:
        for first in range(0, count, size):
            part = slice(first, first + size)
            yield np.array(images[part]), None if truth is None else truth[part]

    return Stream(name=name, count=count, pieces=pieces, scale=scale)


def _open_items(source: Any, labels: Any, scale: Callable[[np.ndarray], np.ndarray] | None) -> Stream:
    can_iterate = hasattr(source, "__iter__")
    if not can_iterate and not (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
        raise ConfigError(
            f"data: {type(source).__name__} is neither an array, nor a path, nor something that gives (images, labels)"
        )

    def pieces(shape: tuple[int, ...], size: int) -> Iterator[Piece]:
        items: Iterable[Any] = source if can_iterate else (source[i] for i in range(len(source)))
        yield from map(_split_item, items)

    truth = None if labels is None else _to_numpy(labels)
    return Stream(name="data", count=None, pieces=pieces, labels=truth, scale=scale)


def _split_item(item: Any) -> Piece:
    """Return images and labels of one item."""
    if isinstance(item, Mapping):
        found = [next((item[key] for key in keys if key in item), None) for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if found[0] is None:
            names = ", ".join(map(str, item))[:100]
            raise ConfigError(f"data: columns {names}; none is called {', '.join(IMAGE_KEYS)}")
        return found[0], found[1]
    if isinstance(item, (tuple, list)) and len(item) in (1, 2):
        return item[0], item[1] if len(item) == 2 else None
    return item, None


def _to_numpy(value: Any) -> np.ndarray:
    """Return an array of whatever package, an image or a number as an array of NumPy."""
    if hasattr(value, "detach"):  # PyTorch; may lie on another device
        value = value.detach().cpu()
    if hasattr(value, "convert") and hasattr(value, "getbands"):  # an image of Pillow
        pixels = np.asarray(value)
        return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if isinstance(value, list) and value and hasattr(value[0], "convert"):
        return np.stack([_to_numpy(each) for each in value])
    try:
        return np.asarray(value)
    except ValueError:
        raise ShapeError("data: items of different shapes in one block; give arrays of one shape") from None


def is_streamed(source: Any) -> bool:
    """Return whether a path is a folder whose images are read one after the other: image files, or .npz files."""
    if not isinstance(source, (str, Path)) or not Path(source).is_dir():
        return False
    return any(Path(source).glob("*.npz")) or not is_batches(Path(source))


def _open_path(path: str | Path, split: str) -> Stream | Dataset:
    if not is_streamed(path):
        return load_data(path, split)
    folder = Path(path)
    shards = sorted(folder.glob("*.npz"))
    return _open_shards(folder, shards) if shards else _open_files(folder, list_folder(folder, split).pairs)


def _open_shards(folder: Path, shards: list[Path]) -> Stream:
    def pieces(shape: tuple[int, ...], size: int) -> Iterator[Piece]:
        for path in shards:
            part = load_data(path)
            for first in range(0, len(part), size):
                cut = slice(first, first + size)
                yield part.images[cut], None if part.labels is None else part.labels[cut]

    return Stream(name=str(folder), count=None, pieces=pieces)


def _open_files(folder: Path, pairs: tuple[tuple[Path, int], ...]) -> Stream:
    def pieces(shape: tuple[int, ...], size: int) -> Iterator[Piece]:
        for path, label in pairs:
            yield read_image(path, shape[0]), np.int64(label)

    return Stream(name=str(folder), count=len(pairs), pieces=pieces)


def _join(parts: list[ImageBlock]) -> ImageBlock:
    if len(parts) == 1:
        return parts[0]
    labels = None if parts[0].labels is None else np.concatenate([p.labels for p in parts if p.labels is not None])
    return ImageBlock(images=np.concatenate([part.images for part in parts]), labels=labels)


def _cut(block: ImageBlock, size: int) -> tuple[ImageBlock, ImageBlock]:
    halves = (slice(None, size), slice(size, None))
    first, rest = (
        ImageBlock(images=block.images[cut], labels=None if block.labels is None else block.labels[cut])
        for cut in halves
    )
    return first, rest
