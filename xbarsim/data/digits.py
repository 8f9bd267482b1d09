"""The images that ship with the package: 1,797 handwritten digits of 8 x 8 pixels.

They are scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" test set (E. Alpaydin, C. Kaynak,
1998). Pixels of 0..16 are scaled to 0..255. The first 1,297 images are the training part, the last 500 the test part;
the writers of the two parts overlap, as the source does not tell who wrote what.
"""

from __future__ import annotations

import functools

import numpy as np

from xbarsim.data.images import Dataset, make_dataset
from xbarsim.errors import ConfigError

TRAINING_IMAGES = 1297


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
    from sklearn.datasets import load_digits as load

    parts = {"train": slice(TRAINING_IMAGES), "test": slice(TRAINING_IMAGES, None), "all": slice(None)}
    if split not in parts:
        raise ConfigError(f"digits: {split!r} is not one of {', '.join(parts)}")
    source = load()
    pixels = np.rint(source.images * (255.0 / 16.0)).astype(np.uint8)[:, None]
    name = "digits" if split == "test" else f"digits-{split}"
    dataset = make_dataset(pixels[parts[split]], source.target[parts[split]], name, 10, tuple("0123456789"))
    dataset.images.flags.writeable = False
    return dataset
