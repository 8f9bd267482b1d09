"""One SHA-256 of costs, outputs and operators under every kernel of the BLAS and every target of the compiler.

``python benchmarks/validation/bits.py`` computes the same results in a process of its own for each OpenBLAS kernel
(``OPENBLAS_CORETYPE``) and Numba target (``NUMBA_CPU_NAME``) that this machine can run, with NumPy's least
instructions and with a C library that uses none of the later ones, and prints their hashes. Where
hashes differ it prints the largest difference. ``--python PATH`` adds other interpreters, which may have other versions
of libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BLAS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")
TARGETS = ("generic", "x86-64-v3", "native")
PARTS = ("costs", "outputs", "float outputs", "operators")


def compute() -> dict[str, Any]:
    """Return every result of one process: part -> list of arrays or numbers."""
    import numpy as np

    import xbarsim as xs
    from xbarsim.data import load_data, normalize_images

    networks, chips = ("lenet5", "resnet20", "mobilenetv2"), ("reference", "isaac", "mnsim")
    costs = []
    for network in networks:
        for chip in chips:
            cost = xs.estimate(network, chip).cost
            costs += [cost.energy_joule, cost.delay_s, cost.area_m2, cost.core_area_m2, cost.edap, cost.utilization]
            costs += [layer.energy_joule for layer in cost.layers]
    data = load_data("digits").take(24)
    images = normalize_images(data.images)
    noisy = {"device.programming.sigma": 0.1, "device.read_noise.sigma": 0.02}
    reports = [xs.simulate("digits", xs.load_hardware("reference", noisy), images, data.labels, trials=2, threads=1)]
    reports.append(xs.simulate("digits", "isaac", images, data.labels, threads=1))
    costs += [report.cost.energy_joule for report in reports]
    rng = np.random.Generator(np.random.Philox(key=3))
    g = rng.uniform(1e-6, 1e-5, (2, 48, 40))
    operators = [
        xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5),
        xs.crossbar.solve_transfer(g, r_wl_ohm=50.0, r_bl_ohm=20.0, r_source_ohm=100.0, r_sink_ohm=100.0),
        xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, method="closed_form"),
    ]
    from xbarsim.network import FloatRun, find_executor

    exact = find_executor("own").run(xs.load_network("digits"), images, FloatRun(threads=1))
    return {
        "costs": [np.array(costs, dtype=np.float64)], "outputs": [np.asarray(report.outputs) for report in reports],
        "float outputs": [np.asarray(exact)], "operators": operators,
    }  # fmt: skip


def hash_part(arrays: list[Any]) -> str:
    """Return the SHA-256 of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def run_here(out: Path) -> None:
    """Compute in this process; write hashes and arrays."""
    import numpy as np

    found = compute()
    np.savez(out, **{f"{part}/{n}": array for part, arrays in found.items() for n, array in enumerate(arrays)})
    print(json.dumps({part: hash_part(arrays) for part, arrays in found.items()}))


def run_apart(python: str, changes: dict[str, str], out: Path) -> dict[str, str] | None:
    """Compute in another process; None where this machine or its libraries cannot."""
    cache = out.parent / f"cache-{abs(hash((python, changes.get('NUMBA_CPU_NAME'))))}"
    environment = {
        **os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPATH": str(ROOT), **changes,
    }  # fmt: skip
    done = subprocess.run([python, __file__, "--here", str(out)], env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"  cannot run: {(done.stderr.strip().splitlines() or ['?'])[-1][:100]}")
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(first: Path, second: Path) -> dict[str, float]:
    """Return the largest relative difference of every part that differs; of outputs relative to the largest."""
    import numpy as np

    with np.load(first) as a, np.load(second) as b:
        worst: dict[str, float] = {}
        for name in a.files:
            if a[name].tobytes() != b[name].tobytes():
                size = np.abs(a[name])
                scale = np.where(size > 0, size, 1.0) if name.startswith("costs") else float(size.max()) or 1.0
                part = name.rpartition("/")[0]
                worst[part] = max(worst.get(part, 0.0), float((np.abs(a[name] - b[name]) / scale).max()))
    return worst


def main() -> int:
    """Compare all; return how many differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--python", action="append", default=[], help="Another interpreter to compare with.")
    parser.add_argument("--quick", action="store_true", help="Two kernels and two targets.")
    given = parser.parse_args()
    if given.here is not None:
        run_here(given.here)
        return 0
    blas, targets = (BLAS[:1] + BLAS[3:4], TARGETS[:1]) if given.quick else (BLAS, TARGETS)
    cases = [("as it is", sys.executable, {})]
    cases += [(f"OPENBLAS_CORETYPE={name}", sys.executable, {"OPENBLAS_CORETYPE": name}) for name in blas]
    cases += [(f"NUMBA_CPU_NAME={name}", sys.executable, _describe_target(name)) for name in targets]
    cases += [(name, sys.executable, changes) for name, changes in _describe_libraries()]
    cases += [(path, path, {}) for path in given.python]
    print(f"Python {platform.python_version()}, {platform.machine()}")
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        first: tuple[dict[str, str], Path] | None = None
        for number, (name, python, changes) in enumerate(cases):
            out = Path(folder) / f"{number}.npz"
            found = run_apart(python, changes, out)
            if found is None:
                print(f"{name:32s} left out")
                continue
            whole = hashlib.sha256("".join(found[part] for part in PARTS).encode()).hexdigest()
            first = first or (found, out)
            worst = compare(first[1], out) if found != first[0] else {}
            different += bool(worst)
            shown = "; ".join(f"{part} by {size:.1e}" for part, size in worst.items())
            print(f"{name:32s} {whole[:16]} {'differs: ' + shown if worst else 'equal'}", flush=True)
    return different


def _describe_libraries() -> list[tuple[str, dict[str, str]]]:
    """Return NumPy with its least instructions, and the C library without fused products and sums."""
    import numpy as np

    core = vars(np).get("_core") or vars(np)["core"]
    features = ",".join(core._multiarray_umath.__cpu_dispatch__)
    without = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX2_Usable,-FMA_Usable"
    return [
        ("NPY_DISABLE_CPU_FEATURES", {"NPY_DISABLE_CPU_FEATURES": features}),
        ("GLIBC_TUNABLES", {"GLIBC_TUNABLES": without}),
    ]


def _describe_target(name: str) -> dict[str, str]:
    return {} if name == "native" else {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}


if __name__ == "__main__":
    sys.exit(min(main(), 100))
