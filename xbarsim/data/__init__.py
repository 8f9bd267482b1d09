"""Images and labels: the embedded digits, .npz, CIFAR-10, idx and class folders, and their normalisation."""

from xbarsim.data.images import PRESETS, Dataset, make_dataset, normalize_images
from xbarsim.data.load import load_data

__all__ = ["PRESETS", "Dataset", "load_data", "make_dataset", "normalize_images"]
