"""Loading of images from all sources."""

from __future__ import annotations

from pathlib import Path

from xbarsim.data.batches import load_cifar, load_idx, load_npz
from xbarsim.data.digits import load_digits
from xbarsim.data.folder import load_folder
from xbarsim.data.images import Dataset
from xbarsim.errors import ConfigError
from xbarsim.names import is_place

_DIGITS = {"digits": "test", "digits-test": "test", "digits-train": "train", "digits-all": "all"}


def load_data(spec: str | Path | Dataset, split: str = "test") -> Dataset:
    """Load images and labels.

    Parameters
    ----------
    spec : str, Path or Dataset
        ``"digits"`` (test part) or ``"digits-train"``; an .npz with ``images`` (N, ...) and ``labels`` (N, ...); a
        CIFAR-10 batches folder, binary or Python; an MNIST-style folder of idx files, plain or .gz; a folder of one
        folder per class, or Tiny ImageNet. A Dataset is taken as it is.
    split : str
        ``"test"`` or ``"train"``, for sources that hold both.

    Returns
    -------
    Dataset
        Images as stored; see :func:`~xbarsim.data.images.normalize_images`.

    Raises
    ------
    ConfigError
        If the source is missing, damaged or breaks a rule; the message names file and rule.
    """
    if isinstance(spec, Dataset):
        return spec
    if split not in ("test", "train"):
        raise ConfigError(f"split: {split!r} is neither 'test' nor 'train'")
    if str(spec) in _DIGITS:
        return load_digits("train" if split == "train" else _DIGITS[str(spec)])
    path = Path(spec)
    if not is_place(path):
        raise ConfigError(f"{path}: no such file or folder")
    if path.is_dir():
        return _load_directory(path, split)
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"{path}: not an .npz file, a folder of images or 'digits'")
    return load_npz(path)


def is_batches(folder: Path) -> bool:
    """Return whether a folder holds CIFAR-10 batches or idx files rather than image files."""
    return any(folder.glob("*_batch*")) or _holds_idx(folder)


def _holds_idx(folder: Path) -> bool:
    return any(path.is_file() for path in folder.glob("*idx?-ubyte*")) or any(folder.glob("*.idx?-ubyte*"))


def _load_directory(folder: Path, split: str) -> Dataset:
    if any(folder.glob("*_batch*")):
        return load_cifar(folder, split)
    if _holds_idx(folder):
        return load_idx(folder, split)
    return load_folder(folder, split)
