"""The images that ship with the package: 1,797 handwritten digits of 8 x 8 pixels.

They are scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" test set (E. Alpaydin, C. Kaynak,
1998). Pixels of 0..16 are scaled to 0..255. The first 1,297 images are the training part, the last 500 the test part;
the writers of the two parts overlap, as the source does not tell who wrote what.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
from pathlib import Path

import numpy as np

from xbarsim.data.images import Dataset, make_dataset
from xbarsim.errors import ConfigError

TRAINING_IMAGES = 1297
"""Images of the digits of scikit-learn for training and calibration; the other 500 are for tests. Our choice."""


@functools.cache
def load_digits(split: str = "test") -> Dataset:
    """Return the digits.

    Parameters
    ----------
    split : str
        ``"test"`` (500 images), ``"train"`` (1,297) or ``"all"``.

    Returns
    -------
    Dataset
        Images (N, 1, 8, 8) uint8, ten classes.
    """
    parts = {"train": slice(TRAINING_IMAGES), "test": slice(TRAINING_IMAGES, None), "all": slice(None)}
    if split not in parts:
        raise ConfigError(f"digits: {split!r} is not one of {', '.join(parts)}")
    table = _read_table()
    pixels = np.rint(table[:, :64].reshape(-1, 8, 8) * (255.0 / 16.0)).astype(np.uint8)[:, None]
    name = "digits" if split == "test" else f"digits-{split}"
    dataset = make_dataset(pixels[parts[split]], table[parts[split], 64], name, 10, tuple("0123456789"))
    dataset.images.flags.writeable = False
    return dataset


def _read_table() -> np.ndarray:
    """Return 64 pixels and the digit of every image, from the file of scikit-learn, whose import takes a second."""
    found = importlib.util.find_spec("sklearn")
    folders = found.submodule_search_locations if found is not None else None
    if not folders:
        raise ConfigError("digits: the images are part of scikit-learn, which is missing: pip install scikit-learn")
    with gzip.open(Path(folders[0], "datasets", "data", "digits.csv.gz"), "rt", encoding="utf-8") as lines:
        table: np.ndarray = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    return table
