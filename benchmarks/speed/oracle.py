"""Designs a second: the oracle as searches ask it, warm, one thread, nothing on disk.

    python benchmarks/speed/oracle.py [--quick]

Goals: 600 new designs of ResNet-20 a second (arrays of 16 to 128 drawn for every layer), 60 with a budget of arrays for
replicas; over JSON lines 10,000 answers about layers a second and 1,000 about ResNet-20 that vary one layer; ResNet-50
in at most 12 ms. Best of several, CPU time of the thread. The last column is the share of the event loop, which has to
run for every new design; what remains is what plans, tables and prices take.
"""

from __future__ import annotations

import functools
import json
import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import xbarsim as xs
from xbarsim.search import answer_lines
from xbarsim.timing import plan_pipeline
from xbarsim.timing.machine import build_machine
from xbarsim.timing.simulate import run

SIZES = (16, 32, 64, 128)
SHAPE = {
    "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "height": 32,
    "width": 32,
}  # fmt: skip
BUDGET = 6000
"""Arrays for replicas; ResNet-20 takes up to 4,800 with the smallest arrays."""

Designs = list[dict[str, dict[str, int]]]


def best(function: Callable[[], object], times: int) -> float:
    """Return the least CPU time of a call [s]."""
    found = []
    for _ in range(times):
        begin = time.thread_time()
        function()
        found.append(time.thread_time() - begin)
    return min(found)


def draw_designs(count: int, seed: int) -> Designs:
    """Draw an array size for every layer of ResNet-20."""
    draw = random.Random(seed)
    layers = [node.name for node in xs.load_network("resnet20").layers]
    return [{layer: {"array": draw.choice(SIZES)} for layer in layers} for _ in range(count)]


def time_designs(hardware: xs.Hardware, count: int, times: int) -> float:
    """Return the CPU time of a new design [s]."""
    oracle, seeds = xs.CostOracle(hardware, cache=None), iter(range(1, times + 1))
    for design in draw_designs(min(count, 20), 0):
        oracle.cost("resnet20", design)

    def ask(designs: Designs) -> None:
        for design in designs:
            oracle.cost("resnet20", design)

    return min(best(functools.partial(ask, draw_designs(count, seed)), 1) for seed in seeds) / count


def time_loop(hardware: xs.Hardware, count: int) -> float:
    """Return the CPU time of the event loop alone for a design, without replicas [s]."""
    network = xs.load_network("resnet20")
    found = []
    for design in draw_designs(count, 1):
        layers = {name: {"crossbar.rows": c["array"], "crossbar.cols": c["array"]} for name, c in design.items()}
        machine, _ = build_machine(plan_pipeline(network, hardware, layers=layers))
        run(machine)
        found.append(best(functools.partial(run, machine), 3))
    return sum(found) / count


def time_lines(questions: list[Mapping[str, Any]], times: int, warm: bool) -> float:
    """Return the CPU time of an answer over JSON lines [s]."""
    lines = [json.dumps({"id": number, **question}) for number, question in enumerate(questions)]
    oracle, known = xs.CostOracle("nax", cache=None), len(lines) if warm else len(lines) // 10
    answer_lines(oracle, lines[:known])
    asked = lines if warm else lines[known:]
    return best(functools.partial(answer_lines, oracle, asked), times if warm else 1) / len(asked)


def vary_layers(count: int) -> list[Mapping[str, Any]]:
    """Return questions about ResNet-20, each with one layer other than in the one before."""
    draw, design = random.Random(2), draw_designs(1, 3)[0]
    found: list[Mapping[str, Any]] = []
    for _ in range(count):
        layer = draw.choice(list(design))
        other = draw.choice([size for size in SIZES if size != design[layer]["array"]])
        design = {**design, layer: {"array": other}}
        found.append({"network": "resnet20", "layers": design})
    return found


def main() -> None:
    """Print the table."""
    quick = "--quick" in sys.argv
    count, times = (5, 1) if quick else (100, 5)
    nax, reference = xs.load_hardware("nax"), xs.load_hardware("reference")
    print("| what | a second | ms | goal | event loop |\n|---|---|---|---|---|")
    for hardware in (nax, reference):
        each, loop = time_designs(hardware, count, times), time_loop(hardware, min(count, 20))
        print(f"| new designs, `{hardware.name}` | {1 / each:.0f} | {each * 1e3:.2f} | 600 | {loop / each:.0%} |")
    replicas = {"mapping.replication": "balanced", "mapping.array_budget": BUDGET}
    each = time_designs(nax.override(replicas), 1 if quick else 10, min(times, 3))
    print(f"| the same with a budget, `nax` | {1 / each:.0f} | {each * 1e3:.2f} | 60 | |")
    layers: list[Mapping[str, Any]] = [{"layer": "conv2d", "shape": SHAPE, "choice": {"array": size}} for size in SIZES]
    each = time_lines(layers * (25 if quick else 2500), times, warm=True)
    print(f"| layers as JSON lines | {1 / each:.0f} | {each * 1e3:.4f} | 10000 | |")
    for what, warm in (("asked before", True), ("new", False)):
        each = time_lines(vary_layers(20 if quick else 400), times, warm)
        print(f"| ResNet-20 with one layer varied as JSON lines, {what} | {1 / each:.0f} | {each * 1e3:.3f} | 1000 | |")
    network = xs.load_network("resnet50")
    xs.estimate(network, reference)
    each = best(lambda: xs.estimate(network, reference), times)
    print(f"| estimate of ResNet-50 | {1 / each:.0f} | {each * 1e3:.1f} | 12 ms | |")


if __name__ == "__main__":
    main()
