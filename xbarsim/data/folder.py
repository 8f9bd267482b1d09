"""Images in a folder with one folder per class, and the Tiny ImageNet layout. Needs Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.data.images import Dataset, make_dataset
from xbarsim.errors import ConfigError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True, kw_only=True)
class ListedFolder:
    """Image files by class."""

    pairs: tuple[tuple[Path, int], ...]
    """Files with the numbers of their classes."""
    names: tuple[str, ...]
    """Names of the classes."""


def list_folder(folder: Path, split: str = "test") -> ListedFolder:
    """List images without reading them; arguments as in :func:`load_folder`.

    Parameters
    ----------
    folder : Path
        The folder.
    split : str
        ``"test"`` or ``"train"``.

    Returns
    -------
    ListedFolder
        In the order of classes and names.

    Raises
    ------
    ConfigError
        If there are no images.
    """
    given = folder
    pairs: list[tuple[Path, int]]
    if (folder / "wnids.txt").is_file():
        names = sorted((folder / "wnids.txt").read_text(encoding="utf-8").split())
        pairs = _tiny_imagenet(folder, names, split)
    else:
        for part in ("test", "val") if split == "test" else ("train",):
            if (folder / part).is_dir():
                folder = folder / part
                break
        names = sorted(item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))
        pairs = [(path, label) for label, name in enumerate(names) for path in _list_images(folder / name)]
    if not pairs:
        raise ConfigError(f"{given}: has no images in folders by class ({', '.join(IMAGE_SUFFIXES)})")
    return ListedFolder(pairs=tuple(pairs), names=tuple(names))


def load_folder(folder: Path, split: str = "test") -> Dataset:
    """Read images of one size.

    Parameters
    ----------
    folder : Path
        Either one folder per class, the classes numbered in the order of their names; or Tiny ImageNet: ``wnids.txt``
        with ``val/images`` and ``val/val_annotations.txt`` (the test part, as its own test images carry no labels) and
        ``train/CLASS/images``.
    split : str
        ``"test"`` or ``"train"``: looks inside folders ``test`` or ``val``, or ``train``, where they exist.

    Returns
    -------
    Dataset
        Images (N, 3, H, W) uint8; (N, 1, H, W) where all files are grey.
    """
    listed = list_folder(folder, split)
    images = _stack([path for path, _ in listed.pairs])
    labels = np.array([label for _, label in listed.pairs])
    return make_dataset(images, labels, str(folder), len(listed.names), listed.names)


def read_image(path: Path, channels: int) -> np.ndarray:
    """Read one image file.

    Parameters
    ----------
    path : Path
        The file.
    channels : int
        1 for grey images, else colours.

    Returns
    -------
    ndarray of uint8, (channels, height, width)
        Three channels unless the file is grey and one is asked for.

    Raises
    ------
    ConfigError
        If it cannot be read, or Pillow is not installed.
    """
    image, is_grey = _read_image(_load_pillow(path), path)
    return np.ascontiguousarray((image[..., :1] if is_grey and channels == 1 else image).transpose(2, 0, 1))


def _list_images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


def _tiny_imagenet(folder: Path, names: list[str], split: str) -> list[tuple[Path, int]]:
    numbers = {name: number for number, name in enumerate(names)}
    if split != "test":
        return [(path, numbers[name]) for name in names for path in _list_images(folder / "train" / name)]
    table = folder / "val" / "val_annotations.txt"
    if not table.is_file():
        raise ConfigError(f"{table}: no such file")
    pairs = []
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split()
        if len(fields) < 2 or fields[1] not in numbers:
            raise ConfigError(f"{table}: line {number}: expected an image and a class of wnids.txt")
        pairs.append((folder / "val" / "images" / fields[0], numbers[fields[1]]))
    return pairs


def _stack(paths: list[Path]) -> np.ndarray:
    Image = _load_pillow(paths[0])
    first, all_grey = _read_image(Image, paths[0])
    images = np.empty((len(paths), *first.shape), np.uint8)
    for number, path in enumerate(paths):
        image, grey = _read_image(Image, path)
        if image.shape != first.shape:
            size, expected = image.shape[1::-1], first.shape[1::-1]
            raise ConfigError(
                f"{path}: {size[0]} x {size[1]} pixels, the first image has {expected[0]} x {expected[1]}"
            )
        images[number] = image
        all_grey = all_grey and grey
    return np.ascontiguousarray((images[..., :1] if all_grey else images).transpose(0, 3, 1, 2))


def _load_pillow(path: Path) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError(f"{path}: reading image files needs the package Pillow: pip install pillow") from None
    return Image


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"


def _read_image(library: Any, path: Path) -> tuple[np.ndarray, bool]:
    """Return (height, width, 3) pixels, and whether the file is grey."""
    try:
        with library.open(path) as image:
            return np.asarray(image.convert("RGB")), image.mode in ("1", "L")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except Exception:  # decoders raise many kinds
        raise ConfigError(f"{path}: not an image, or a damaged one") from None
