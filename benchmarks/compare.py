"""Compare the speed of this checkout with that of another one: CPU time of interleaved runs.

    git worktree add ../before v0.1.0
    python benchmarks/compare.py ../before

Each workload is run in a process of its own, old and new in turn, ``--runs`` times each (default 9). The table gives
the median CPU time of one thread and the ratio of the medians; above 1.03 the new checkout counts as slower. Both
checkouts run on the packages of this interpreter. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1.03
"""Ratio above which a workload counts as slower: the spread of medians on a quiet machine."""


def load_checkout(folder: Path) -> None:
    """Let ``import xbarsim`` find the checkout in a folder, its hardware files included."""
    own = Path(__file__).resolve().parent  # its folder coverage would hide the package of that name
    sys.path[:] = [str(folder), *(entry for entry in sys.path if Path(entry).resolve() != own)]
    spec = importlib.util.spec_from_file_location("xbarsim.hwconfigs", folder / "hwconfigs" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__path__ = [str(folder / "hwconfigs")]
    spec.loader.exec_module(module)
    sys.modules["xbarsim.hwconfigs"] = module


def operator() -> Callable[[], object]:
    """Solve the transfer operators of four arrays of 128 x 128."""
    import numpy as np

    import xbarsim as xs

    g = np.random.default_rng(0).uniform(1e-6, 1e-4, (4, 128, 128))
    return lambda: xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, threads=1)


def gate_driven() -> Callable[[], object]:
    """Solve 200 reads of a gate-driven 1T1R array."""
    import numpy as np

    import xbarsim as xs

    draw = np.random.default_rng(0)
    g, v = draw.uniform(1e-6, 1e-4, (1, 128, 128)), draw.choice([0.0, 0.2], (200, 128))
    return lambda: xs.crossbar.solve_currents(
        g, v, topology="1t1r_gate", r_sl_ohm=2.5, r_bl_ohm=2.5, read_volt=0.2, threads=1
    )


def product(dac_bits: int) -> Callable[[], Callable[[], object]]:
    """Multiply 4,096 vectors through one array of 128 x 128."""

    def make() -> Callable[[], object]:
        import numpy as np

        import xbarsim as xs
        from xbarsim.mvm import program_matrix

        hardware = xs.load_hardware("reference").override({"dac.bits": dac_bits, "adc.bits": 8})
        draw = np.random.default_rng(0)
        engine = program_matrix(
            draw.integers(-127, 128, (128, 32)), hardware, weight_bits=8, activation_bits=8, threads=1
        )
        codes = draw.integers(0, 256, (4096, 128))
        engine = engine.calibrate(codes, threads=1)
        return lambda: engine.multiply(codes, threads=1)

    return make


def network_pass() -> Callable[[], object]:
    """Run 100 images of the digits network on ``reference`` with read noise, programming included."""
    import numpy as np

    import xbarsim as xs
    from xbarsim.data import load_data

    images = load_data("digits").images[:100].astype(np.float32) / 255
    hardware = xs.load_hardware("reference").override({"device.read_noise.sigma": 0.02})
    return lambda: xs.simulate("digits", hardware, images, threads=1)


def estimate(network: str, *, by_name: bool) -> Callable[[], Callable[[], object]]:
    """Estimate the cost of a network, planning included; hardware by its name or as a record that is loaded."""

    def make() -> Callable[[], object]:
        import xbarsim as xs

        loaded = xs.load_network(network)
        hardware = "reference" if by_name else xs.load_hardware("reference")
        return lambda: xs.estimate(loaded, hardware)

    return make


def plan(network: str) -> Callable[[], Callable[[], object]]:
    """Map a network onto a hardware record that is loaded."""

    def make() -> Callable[[], object]:
        import xbarsim as xs
        from xbarsim.mapping import plan_network

        loaded, hardware = xs.load_network(network), xs.load_hardware("reference")
        return lambda: plan_network(loaded, hardware)

    return make


def oracle() -> Callable[[], object]:
    """Ask the oracle for 16 layers that it has not seen."""
    import xbarsim as xs

    shape = {
        "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "height": 32,
        "width": 32,
    }  # fmt: skip

    def ask() -> object:
        asked = xs.CostOracle("reference")
        return [
            asked.layer("conv2d", shape | {"out_channels": 16 + channels}, {"crossbar.rows": 64, "crossbar.cols": 64})
            for channels in range(16)
        ]

    return ask


WORKLOADS: dict[str, tuple[Callable[[], Callable[[], object]], int]] = {
    "transfer operator, 4 x 128 x 128": (operator, 8),
    "gate-driven 1T1R, 200 reads": (gate_driven, 20),
    "product, 1 bit a read": (product(1), 40),
    "product, 2 bits a read": (product(2), 30),
    "product, 4 bits a read": (product(4), 30),
    "digits on reference, read noise": (network_pass, 3),
    "plan resnet20": (plan("resnet20"), 500),
    "plan resnet50": (plan("resnet50"), 200),
    "estimate lenet5, loaded record": (estimate("lenet5", by_name=False), 100),
    "estimate resnet20": (estimate("resnet20", by_name=True), 30),
    "estimate resnet20, loaded record": (estimate("resnet20", by_name=False), 30),
    "estimate resnet50": (estimate("resnet50", by_name=True), 5),
    "estimate resnet50, loaded record": (estimate("resnet50", by_name=False), 5),
    "oracle, 16 new layers": (oracle, 3),
}
"""Name -> function that prepares the workload and returns it, and calls timed together."""


def measure(names: list[str]) -> dict[str, float]:
    """Return the CPU time of one call of each workload, after one that compiles and warms caches [s]."""
    found = {}
    for name in names:
        make, calls = WORKLOADS[name]
        work = make()
        work()
        started = time.process_time()
        for _ in range(calls):
            work()
        found[name] = (time.process_time() - started) / calls
    return found


def run_child(folder: Path, names: list[str]) -> dict[str, float]:
    """Measure a checkout in a new process."""
    command = [sys.executable, __file__, str(folder), "--child", "--only", *names]
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(result.stdout)
    return found


def main() -> int:
    """Print the table; exit code 1 where a workload is slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="folder of the other checkout")
    parser.add_argument("--runs", type=int, default=9, help="runs of each checkout")
    parser.add_argument("--only", nargs="*", default=list(WORKLOADS), help="names of workloads")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        load_checkout(options.old)
        print(json.dumps(measure(options.only)))
        return 0
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in options.only}
    for run in range(options.runs):
        for which, folder in enumerate((options.old.resolve(), ROOT)):
            for name in options.only:
                times[name][which].append(run_child(folder, [name])[name])
        print(f"run {run + 1} of {options.runs}", file=sys.stderr)
    slower = 0
    print(f"{'workload':36s} {'old':>10s} {'new':>10s} {'ratio':>6s}")
    for name, (old, new) in times.items():
        ratio = statistics.median(new) / statistics.median(old)
        slower += ratio > LIMIT
        print(f"{name:36s} {1e3 * statistics.median(old):7.2f} ms {1e3 * statistics.median(new):7.2f} ms {ratio:6.3f}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
