"""Throughput of one simulation on two processes and on two Dask workers, against one process.

A stream of images goes through one programmed network: in this process on one thread, over two processes, and over a
Dask cluster on this machine with two workers of one thread. Programming is part of every run; the wall time is the
claim (goals 1.85 and 1.8), so the machine must be quiet; processor time tells whether it was. Outputs are compared bit
for bit.

    python benchmarks/speed/processes.py --model MODEL.onnx --data IMAGES.npz --images 5000
    python benchmarks/speed/processes.py --quick
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np

import xbarsim as xs

DASK = "two Dask workers"


def processor_s() -> float:
    """Return the processor time of this process and of its finished children [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def images_of(path: str | None, count: int, network: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return ``count`` images and labels of a file, repeated where it has fewer, or random ones of the network."""
    if path is None:
        rng = np.random.default_rng(0)
        return rng.random((count, *network.input_shape), dtype=np.float32), rng.integers(0, 10, count)
    data = np.load(path)
    images, labels = xs.data.normalize_images(data["images"]), data["labels"]
    index = np.arange(count) % len(images)
    return images[index], labels[index]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet20", help="a name of the zoo or an .onnx file")
    parser.add_argument("--data", help="an .npz file with images and labels; random images by default")
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each kind; the fastest counts")
    parser.add_argument("--no-dask", action="store_true", help="leave the cluster out")
    parser.add_argument("--quick", action="store_true", help="few images, once")
    given = parser.parse_args()
    if given.quick:
        given.model, given.images, given.batch = "lenet5", 40, 10
    network = xs.load_network(given.model, **({} if given.model.endswith(".onnx") else {"weights": "random"}))
    images, labels = images_of(given.data, given.images, network)
    shared: dict[str, Any] = {"calibration": images[:64], "batch_size": given.batch}

    def run(**how: Any) -> tuple[float, float, np.ndarray]:
        started, spent = time.perf_counter(), processor_s()
        report = xs.simulate(network, given.hardware, images, labels, **shared, **how)
        return time.perf_counter() - started, processor_s() - spent, np.asarray(report.outputs)

    kinds: dict[str, dict[str, Any]] = {"one process": {"threads": 1}, "two processes": {"workers": 2}}
    xs.simulate(network, given.hardware, images[:4], labels[:4], calibration=images[:4])  # compiles
    best: dict[str, float] = {}
    cpu: dict[str, float] = {}
    outputs: dict[str, np.ndarray] = {}
    cluster = None
    if not given.no_dask:
        import dask
        from distributed import Client, LocalCluster

        # by Dask's own settings workers return memory to the system after every block (docs/scale.md)
        for name in ("TRIM", "MMAP"):
            dask.config.set({f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": 1 << 30})
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
        kinds[DASK] = {"cluster": Client(cluster)}
    for _ in range(given.repeats):
        for name, how in kinds.items():
            wall, spent, outputs[name] = run(**how)
            best[name], cpu[name] = min(wall, best.get(name, np.inf)), min(spent, cpu.get(name, np.inf))
    print(f"{given.model} on {given.hardware}, {given.images} images in blocks of {given.batch}")
    for name, wall in best.items():
        same = np.array_equal(outputs[name], outputs["one process"])
        ratio = best["one process"] / wall
        print(
            f"{name:18s} {wall:8.2f} s, {ratio:5.2f} times the throughput; processor {cpu[name]:7.2f} s"
            f"{'' if name != DASK else ' (without the workers)'}; {'same bits' if same else 'BITS DIFFER'}"
        )
    if cluster is not None:
        kinds[DASK]["cluster"].close()
        cluster.close()


if __name__ == "__main__":
    main()
