"""Cost of a network: plan, cycle-level run and price, warm, one thread; and the event loop against plain Python.

    python benchmarks/speed/timing.py [--quick]

Goals: ``estimate`` of ResNet-20 in at most 5 ms, ResNet-50 cycle-level and pipelined in at most 100 ms,
``oracle.layer`` from cache in at most 20 us, 10,000 answers as JSON lines and the table of NAX's space (every layer,
kernel and array of ResNet-20) in at most a second, the event loop at least 200 times as fast as the same loop without
compilation, and a cost that grows linearly with windows. Best of several, CPU time of the thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import xbarsim as xs
from xbarsim.cost import price
from xbarsim.mapping import plan_network
from xbarsim.search import answer_lines, make_space
from xbarsim.search.table import tabulate_options
from xbarsim.timing import simulate_plan
from xbarsim.timing.machine import build_machine
from xbarsim.timing.simulate import run

PLAIN = "import sys; sys.path.insert(0, {folder!r}); import timing; print(timing.time_loop('resnet20', 3)[0])"


def best(function: Callable[[], object], times: int) -> float:
    """Return the least CPU time of a call [s]."""
    found = []
    for _ in range(times):
        begin = time.thread_time()
        function()
        found.append(time.thread_time() - begin)
    return min(found)


SHAPE = {
    "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "height": 32,
    "width": 32,
}  # fmt: skip


def time_loop(name: str, times: int, images: int = 1) -> tuple[float, int]:
    """Return the CPU time of the event loop alone [s], and its windows."""
    machine, _ = build_machine(plan_network(xs.load_network(name), xs.load_hardware("reference")), images=images)
    run(machine)
    return best(lambda: run(machine), times), machine.total_windows


def time_oracle(times: int) -> float:
    """Return the CPU time of an answer from the cache, a hundred asked for at once [s]."""
    oracle, choice = xs.CostOracle(xs.load_hardware("reference")), {"crossbar.rows": 64, "crossbar.cols": 64}
    oracle.layer("conv2d", SHAPE, choice)
    return best(lambda: [oracle.layer("conv2d", SHAPE, choice) for _ in range(100)], times) / 100


def time_lines(times: int) -> float:
    """Return the CPU time of 10,000 warm answers as JSON lines [s]."""
    oracle, choice = xs.CostOracle(xs.load_hardware("reference"), cache=None), {"crossbar.rows": 64}
    lines = [json.dumps({"id": i, "layer": "conv2d", "shape": SHAPE, "choice": choice}) for i in range(10_000)]
    answer_lines(oracle, lines[:1])
    return best(lambda: answer_lines(oracle, lines), times)


def time_table(times: int) -> float:
    """Return the CPU time of pricing NAX's space anew, nothing in any cache [s]."""
    hardware = xs.load_hardware("nax")
    content = {"*": {"kernel": [3, 5, 7], "array": [16, 32, 64, 128]}, "layer*": {"zero": True}}
    space = make_space(content, xs.load_network("resnet20"), hardware)
    return best(lambda: tabulate_options(space, xs.CostOracle(hardware, cache=None)), times)


def time_transformer(tokens: int, times: int) -> float:
    """Return the CPU time of an estimate of 12 encoder blocks of 768 features and 12 heads [s]."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "timing"))
    from test_timing_classes import transformer

    network, hardware = transformer(tokens, 12, 768, 12), xs.load_hardware("reference")
    return best(lambda: xs.estimate(network, hardware), times)


def time_estimate(name: str, times: int, placement: str = "order") -> float:
    """Return the CPU time of plan, run and price [s]."""
    network, hardware = xs.load_network(name), xs.load_hardware("reference")
    hardware = hardware.override({"mapping.placement": placement})

    def estimate() -> None:
        plan = plan_network(network, hardware)
        price(plan, simulate_plan(plan))

    estimate()
    return best(estimate, times)


def main() -> None:
    """Print the table."""
    times = 1 if "--quick" in sys.argv else 20
    print("| what | ms | goal |\n|---|---|---|")
    for name, goal in (("resnet20", "5"), ("resnet50", "100"), ("resnet101", ""), ("mobilenetv2", "")):
        print(f"| estimate {name} | {time_estimate(name, times) * 1e3:.2f} | {goal} |")
    print(f"| estimate resnet50, placed for traffic | {time_estimate('resnet50', 1, 'traffic') * 1e3:.0f} | |")
    for tokens in (1024, 4096):
        milliseconds = time_transformer(tokens, min(times, 3)) * 1e3
        print(f"| estimate a transformer of {tokens:,} tokens | {milliseconds:.0f} | 2000 |")
    print(f"| oracle.layer from cache | {time_oracle(times) * 1e3:.4f} | 0.02 |")
    print(f"| 10,000 answers from cache as JSON lines | {time_lines(times) * 1e3:.0f} | 1000 |")
    print(f"| table of NAX's space, nothing cached | {time_table(min(times, 5)) * 1e3:.0f} | 1000 |")
    compiled, _ = time_loop("resnet20", times)
    folder = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", PLAIN.format(folder=folder)]
    plain = float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    print(f"| event loop, resnet20 | {compiled * 1e3:.2f} | |")
    print(f"| the same loop in plain Python | {plain * 1e3:.0f} | {plain / compiled:.0f} times; goal 200 |")
    for images in (1, 2, 4, 8):
        seconds, windows = time_loop("resnet20", times, images)
        what = f"event loop, resnet20 {images} times over, {windows:,} windows"
        print(f"| {what} | {seconds * 1e3:.2f} | {seconds / windows * 1e9:.0f} ns a window; goal: the same |")


if __name__ == "__main__":
    main()
