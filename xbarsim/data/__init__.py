"""Images and labels: the embedded digits, .npz, CIFAR-10, idx and class folders, and their normalisation."""

from xbarsim.data.images import PRESETS, Dataset, make_dataset, normalize_images
from xbarsim.data.load import load_data
from xbarsim.data.stream import ImageBlock, Stream, open_stream, prefetch

__all__ = [
    "PRESETS", "Dataset", "ImageBlock", "Stream", "load_data", "make_dataset", "normalize_images", "open_stream",
    "prefetch",
]  # fmt: skip
