"""Speed of the MVM engine on one array against the bare BLAS product that it replaces.

The yardstick is the float32 BLAS product of the unpacked input streams and the array's columns alone: no packing, no
ADC, no shift-add. It runs on one thread and at its best: the fastest of the kernels that this processor's OpenBLAS
offers (``OPENBLAS_CORETYPE``), each in a process of its own. Ours is the whole of ``Engine.multiply``: packing the
inputs, building tables, every conversion rounded and clipped to 8 bits, shift-add. Both take turns in one run, and
each row gives the best of several repeats; ratios below 1 mean that the engine is faster.

    python benchmarks/speed/mvm.py
    python benchmarks/speed/mvm.py --quick
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

CORE_TYPES = ("", "SKYLAKEX", "COOPERLAKE", "ZEN", "HASWELL")
SIZES = (64, 128, 256)
STREAM_BITS = (1, 2, 4)
VECTORS = 4096


def best_of(repeats: int, *calls: Callable[[], object]) -> list[float]:
    """Return the shortest time of each call [s], the calls taking turns."""
    best = [float("inf")] * len(calls)
    for _ in range(repeats):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def find_best_core(repeats: int) -> str:
    """Return the OPENBLAS_CORETYPE with the fastest product of the 128 x 128 case; empty for BLAS's own choice."""
    seconds = {}
    for core in CORE_TYPES:
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        environment.pop("OPENBLAS_CORETYPE", None)
        if core:
            environment["OPENBLAS_CORETYPE"] = core
        command = [sys.executable, __file__, "--blas", str(repeats)]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if core and answer.returncode < 0:  # it has instructions that this processor lacks
            continue
        answer.check_returncode()
        seconds[core] = float(answer.stdout)
        flop = 2 * VECTORS * 8 * 128 * 128
        name = core or "as NumPy picks it"
        print(f"  BLAS, {name:<18} {1e3 * seconds[core]:7.2f} ms  {flop / seconds[core] / 1e9:6.1f} GFLOP/s")
    return min(seconds, key=seconds.__getitem__)


def time_blas(repeats: int) -> float:
    """Return the seconds of the float32 product of the 128 x 128 case."""
    import numpy as np

    rng = np.random.default_rng(0)
    bits = (rng.random((VECTORS * 8, 128)) < 0.5).astype(np.float32)
    cells = rng.random((128, 128)).astype(np.float32)
    out = np.empty((VECTORS * 8, 128), np.float32)
    return best_of(repeats, lambda: np.matmul(bits, cells, out=out))[0]


def measure(size: int, stream_bits: int, zeros: float, repeats: int) -> None:
    """Print one row: BLAS, the engine on one and two threads, and the engine with 2 % read noise."""
    import numpy as np

    from xbarsim.config import load_hardware
    from xbarsim.converter import split_inputs
    from xbarsim.mvm import program_matrix

    hardware = load_hardware(
        "reference", {"crossbar.rows": size, "crossbar.cols": size, "dac.bits": stream_bits, "adc.bits": 8}
    )
    rng = np.random.default_rng(size)
    weights = np.clip(np.rint(rng.standard_normal((size, size // 4)) * 40), -127, 127).astype(int)
    codes = rng.integers(0, 256, (VECTORS, size)).astype(np.uint8)
    codes[rng.random(codes.shape) < zeros] = 0
    keys = {"weight_bits": 8, "activation_bits": 8}
    engine = program_matrix(weights, hardware, **keys).calibrate(codes)
    noisy = program_matrix(weights, hardware.override({"device.read_noise.sigma": 0.02}), **keys)
    noisy = noisy.with_lsb(engine.lsb)
    values = split_inputs(codes, engine.streams).reshape(-1, size).astype(np.float32)
    cells = engine.programmed.matrix
    out = np.empty((values.shape[0], cells.shape[1]), np.float32)
    calls = (
        lambda: np.matmul(values, cells, out=out),
        lambda: engine.multiply(codes, threads=1),
        lambda: engine.multiply(codes, threads=2),
        lambda: noisy.multiply(codes, threads=1),
    )
    for call in calls:
        call()
    blas, one, two, noise = best_of(repeats, *calls)
    gflops = 2 * values.shape[0] * cells.size / blas / 1e9
    print(
        f"  {size:>4} x {size:<4} {stream_bits:>4} {100 * zeros:>5.0f} % {engine.choose_method():>6}"
        f" {1e3 * blas:9.2f} {gflops:8.1f} {1e3 * one:9.2f} {one / blas:7.2f} {one / two:8.2f} {noise / one:8.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one iteration of everything")
    parser.add_argument("--blas", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.blas:
        print(time_blas(arguments.blas))
        return
    repeats = 1 if arguments.quick else arguments.repeats
    if arguments.core is None:
        print(f"{VECTORS} vectors of 8 bits; float32 product of the unpacked bits, 128 x 128")
        core = find_best_core(repeats)
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        environment.pop("OPENBLAS_CORETYPE", None)
        if core:
            environment["OPENBLAS_CORETYPE"] = core
        sys.stdout.flush()
        command = [sys.executable, __file__, "--core", core, "--repeats", str(repeats)]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
    print(f"engine on reference, 8-bit ADC, against BLAS as {arguments.core or 'NumPy picks it'}")
    print("       array  DAC  zeros cells   BLAS ms  GFLOP/s engine ms   ratio 2 thread    noise")
    for size in SIZES:
        for stream_bits in STREAM_BITS:
            measure(size, stream_bits, 0.0, arguments.repeats)
    measure(128, 1, 0.5, arguments.repeats)


if __name__ == "__main__":
    main()
