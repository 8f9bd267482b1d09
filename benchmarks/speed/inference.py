"""Speed of a whole network on hardware, against the bare BLAS products that it replaces.

The yardstick is the time that float32 BLAS takes for the one-bit partial products alone - bits x slices x MACs, each
layer in its own shape, no ADC, no shift-add, no other layers - on one thread and at its best: the fastest of the
kernels that this processor's OpenBLAS offers is used (``OPENBLAS_CORETYPE``). Ours is ``seconds.run`` of the whole
pass: variation, wires and an ADC after every read included.

    python benchmarks/speed/inference.py --network resnet20.onnx --data cifar10_test_500.npz --images 100
    python benchmarks/speed/inference.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

CORE_TYPES = (None, "SKYLAKEX", "COOPERLAKE", "ZEN", "HASWELL")


def time_blas(shapes: list[list[int]], repeats: int) -> float:
    """Return the seconds of float32 products (vectors, rows) x (rows, columns), each run ``count`` times."""
    import numpy as np

    total = 0.0
    for vectors, rows, columns, count in shapes:
        rng = np.random.default_rng(0)
        a = (rng.random((vectors, rows)) < 0.3).astype(np.float32)
        b = rng.random((rows, columns)).astype(np.float32)
        out = np.empty((vectors, columns), np.float32)
        np.matmul(a, b, out=out)
        best = float("inf")
        for _ in range(repeats):
            start = time.perf_counter()
            np.matmul(a, b, out=out)
            best = min(best, time.perf_counter() - start)
        total += best * count
    return total


def measure_blas(shapes: list[list[int]], repeats: int, core: str | None) -> float:
    """Time BLAS in a process of its own: the kernel is chosen when the library loads; inf where it cannot run here."""
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    if core:
        environment["OPENBLAS_CORETYPE"] = core
    command = [sys.executable, __file__, "--blas", json.dumps([shapes, repeats])]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if core and answer.returncode < 0:  # it has instructions that this processor lacks
        return float("inf")
    answer.check_returncode()
    return float(answer.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--normalize", default=None)
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one iteration of everything")
    parser.add_argument("--blas", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.blas:
        print(time_blas(*json.loads(arguments.blas)))
        return

    import xbarsim as xs
    from xbarsim.data import load_data, normalize_images
    from xbarsim.mapping import plan_network

    images_count, repeats = (8, 1) if arguments.quick else (arguments.images, arguments.repeats)
    network = xs.load_network(arguments.network)
    data = load_data(arguments.data)
    images = normalize_images(data.images[:images_count], arguments.normalize)
    hardware = xs.load_hardware(arguments.hardware)
    plan = plan_network(network, hardware)
    shapes = [
        [layer.windows * images_count, layer.rows, layer.cols * layer.columns_per_weight, layer.streams * layer.groups]
        for layer in plan.layers
    ]
    flop = 2 * sum(a * b * c * count for a, b, c, count in shapes)
    timed = {str(core or "default"): measure_blas(shapes, repeats, core) for core in CORE_TYPES}
    blas = {core: seconds for core, seconds in timed.items() if seconds < float("inf")}
    best = min(blas, key=blas.__getitem__)
    print(f"{network.name} on {hardware.name}, {images_count} images, best of {repeats}")
    for core, seconds in blas.items():
        print(f"  BLAS, one-bit products alone, {core:<10} {seconds:8.3f} s  {flop / seconds / 1e9:7.1f} GFLOP/s")
    runs = {}
    for threads in (1, 2):
        reports = [
            xs.simulate(network, hardware, images, data.labels[:images_count], threads=threads) for _ in range(repeats)
        ]
        runs[threads] = min(report.seconds.run for report in reports)
        setup = min(report.seconds.setup for report in reports)
        speed, ratio = images_count / runs[threads], runs[threads] / blas[best]
        print(
            f"  simulate, threads: {threads}  set-up {setup:7.3f} s  run {runs[threads]:8.3f} s"
            f"  {speed:7.1f} images/s  run / BLAS ({best}) {ratio:.2f}"
        )
    print(f"  two threads / one: {runs[1] / runs[2]:.2f} times as fast")


if __name__ == "__main__":
    main()
