"""What placement for traffic saves: bits times links, energy of routers and links, and delay on shipped hardware.

python benchmarks/speed/placement.py [--quick]
"""

from __future__ import annotations

import sys
import time

import xbarsim as xs
from xbarsim.cost import Cost, price
from xbarsim.mapping import plan_network
from xbarsim.timing import Activity, simulate_plan

NETWORKS = ("resnet18", "resnet50")
HARDWARE = ("reference", "isaac", "puma", "nax", "mnsim", "epim")


def place(network: str, hardware: str, placement: str) -> tuple[Activity, Cost, float]:
    """Return the run, the cost, and the CPU time that plan and run took [s]."""
    record = xs.load_hardware(hardware).override({"mapping.placement": placement})
    begin = time.thread_time()
    plan = plan_network(xs.load_network(network), record)
    activity = simulate_plan(plan)
    return activity, price(plan, activity), time.thread_time() - begin


def routing_energy(cost: Cost) -> float:
    """Return the energy of moving bits between tiles in one inference [J]."""
    return sum(part.action_energy_joule for part in cost.components if part.action in ("router", "link"))


def main() -> None:
    """Print the table."""
    print(
        "| network | hardware | tiles | Mbit x links | routers and links [uJ] | delay [ms] | inferences/s | CPU [s] |"
    )
    print("|---|---|---|---|---|---|---|---|")
    quick = "--quick" in sys.argv
    for network in NETWORKS[:1] if quick else NETWORKS:
        for hardware in HARDWARE[:1] if quick else HARDWARE:
            (first, order, _), (second, short, seconds) = (
                place(network, hardware, how) for how in ("order", "traffic")
            )
            cells = [
                (first.totals["link"] * 1e-6, second.totals["link"] * 1e-6, ".1f"),
                (routing_energy(order) * 1e6, routing_energy(short) * 1e6, ".2f"),
                (order.delay_s * 1e3, short.delay_s * 1e3, ".3f"),
                (order.throughput_hz, short.throughput_hz, ".1f"),
            ]
            text = " | ".join(f"{before:{style}} to {after:{style}}" for before, after, style in cells)
            print(f"| {network} | {hardware} | {first.plan.tiles_used} | {text} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
