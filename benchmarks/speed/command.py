"""Speed of the whole command ``xbarsim simulate``, and of what runs the float network.

Each command runs in a process of its own, imports, reading, calibration and tables included. CPU time counts both
threads and children; on a machine that others use it is the figure to compare. The float network runs on one thread.

    python benchmarks/speed/command.py --network resnet20.onnx --data cifar10_test_500.npz \\
        --calibration cifar10_train.npz --normalize imagenet
    python benchmarks/speed/command.py --quick
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time


def run_command(arguments: list[str]) -> tuple[float, float, float]:
    """Run ``xbarsim`` once; return wall time and CPU time [s], and the largest memory of the process [MB]."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "xbarsim", *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"xbarsim {' '.join(arguments)} failed")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def time_executor(name: str, network: str, data: str, normalize: str | None, repeats: int) -> tuple[float, float]:
    """Return the best wall time and CPU time [ms] for one image of the float network, on one thread."""
    import xbarsim as xs
    from xbarsim.data import load_data, normalize_images
    from xbarsim.network import FloatRun, find_executor

    images = normalize_images(load_data(data).images[:500], normalize)
    model, executor, how = xs.load_network(network), find_executor(name), FloatRun(threads=1)
    executor.run(model, images[:16], how)
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        executor.run(model, images, how)
        best = [min(best[0], time.perf_counter() - wall), min(best[1], time.process_time() - cpu)]
    return 1e3 * best[0] / len(images), 1e3 * best[1] / len(images)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--calibration", default=None)
    parser.add_argument("--normalize", default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one iteration of everything")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    command = ["simulate", given.network, "--data", given.data]
    for option in ("calibration", "normalize"):
        if getattr(given, option):
            command += [f"--{option}", getattr(given, option)]
    for threads in ([], ["--threads", "1"]):
        runs = [run_command([*command, *threads]) for _ in range(repeats)]
        wall, cpu, memory = (min(run[k] for run in runs) for k in range(3))
        print(f"  {' '.join([*command, *threads])}: {wall:.1f} s, {cpu:.1f} s of CPU, {memory:.0f} MB")
    for name in ("own", "onnxruntime"):
        wall, cpu = time_executor(name, given.network, given.data, given.normalize, repeats)
        print(f"  float network, {name:<12} {wall:.2f} ms an image, {cpu:.2f} ms of CPU")


if __name__ == "__main__":
    main()
