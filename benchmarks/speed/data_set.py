"""Parts of a simulation of a whole data set, measured, and the time that they predict for a cluster.

    python benchmarks/speed/data_set.py [--network resnet50] [--images 50000] [--chips 3] [--cores 64] [--quick]

Measured on one thread, in CPU time: programming a chip with its first image, loading it with its first image, an image
on the chip, in integers and in floats. The prediction divides the work on images by the cores, and is bounded by what
one machine decodes and sends: images as float32, and chips where they are sent.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import xbarsim as xs
from xbarsim.api.flow import LINK_BYTES_PER_S


def cpu(work):
    """Return the result of ``work()`` and its CPU time [s]."""
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet20", help="a name of the zoo or an .onnx file")
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--chips", type=int, default=3)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--calibration", type=int, default=8, help="calibration images of the measured chip")
    parser.add_argument("--measured", type=int, default=4, help="images that are timed")
    parser.add_argument("--quick", action="store_true", help="one image on a small network")
    given = parser.parse_args()
    if given.quick:
        given.network, given.calibration, given.measured = "digits", 4, 1
    is_file = given.network.endswith(".onnx")
    network = xs.load_network(given.network, **({} if is_file else {"weights": "random", "seed": 0}))
    rng = np.random.default_rng(0)
    images = rng.standard_normal((max(given.calibration, given.measured), *network.input_shape)).astype(np.float32)
    one, several = images[:1], images[: given.measured]
    small = xs.load_network("resnet20", weights="random", seed=0)
    warm = rng.standard_normal((2, *small.input_shape)).astype(np.float32)
    xs.program(small, given.hardware, warm, threads=1)(warm)  # compiles

    def program():
        chip = xs.program(network, given.hardware, images[: given.calibration], threads=1)
        return chip, chip(one, threads=1)

    (chip, expected), program_s = cpu(program)
    with tempfile.TemporaryDirectory() as folder:
        chip.save(folder)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        (_, loaded), load_s = cpu(lambda: (c := xs.load_chip(folder, threads=1), c(one, threads=1)))
        (_, unread), mapped_s = cpu(lambda: (c := xs.load_chip(folder, threads=1, verify=False), c(one, threads=1)))
    assert np.array_equal(loaded, expected)
    assert np.array_equal(unread, expected)
    each = {
        "hardware": cpu(lambda: chip(several, threads=1))[1] / given.measured,
        "integers": cpu(lambda: chip.quantized(several, threads=1))[1] / given.measured,
        "floats": cpu(lambda: chip.reference(several, threads=1))[1] / given.measured,
    }
    print(f"{network.name} on {given.hardware}: chip of {size / 1e6:.0f} MB")
    print(f"programming and first image  {program_s:8.2f} s")
    print(f"loading and first image      {load_s:8.2f} s ({load_s / program_s:.3f}), without hash {mapped_s:.2f} s")
    for name, seconds in each.items():
        print(f"an image in {name:16} {1e3 * seconds:8.1f} ms")
    work = given.images * (given.chips * each["hardware"] + each["integers"] + each["floats"])
    image_bytes = 4 * int(np.prod(network.input_shape))
    sent_s = given.images * image_bytes / LINK_BYTES_PER_S
    chips_s = given.chips * min(size / LINK_BYTES_PER_S, program_s)
    setup_s = given.chips * program_s + chips_s
    total = setup_s + max(work / given.cores, sent_s)
    print(f"{given.images:,} images x {given.chips} chips on {given.cores} cores:")
    print(f"  chips programmed {given.chips * program_s / 60:.1f} min, sent or remade {chips_s / 60:.1f} min")
    print(
        f"  images computed {work / given.cores / 60:.1f} min, sent {sent_s / 60:.1f} min; in all {total / 60:.1f} min"
    )
    print(f"  cores that the link keeps busy: {work / sent_s:.0f}")


if __name__ == "__main__":
    main()
