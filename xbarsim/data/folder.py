"""Images in a folder with one folder per class, and the Tiny ImageNet layout. Needs Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.data.images import Dataset, make_dataset
from xbarsim.errors import ConfigError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".gif", ".tif", ".tiff")


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
        raise ConfigError(f"{folder}: has no images in folders by class ({', '.join(IMAGE_SUFFIXES)})")
    images = _stack([path for path, _ in pairs])
    return make_dataset(images, np.array([label for _, label in pairs]), str(folder), len(names), names)


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
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError(f"{paths[0]}: reading image files needs the package Pillow: pip install pillow") from None
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
