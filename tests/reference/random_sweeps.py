"""Random networks on random hardware, one setting of which grows: what must not become worse.

More arrays, wider links, buses, buffers and off-chip links, and more converters cost neither delay nor throughput; more
bits never lower the energy of a layer or of the network. ``benchmarks/validation/monotone.py`` runs many cases.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xbarsim as xs
from xbarsim.config import Hardware
from xbarsim.config.load import list_hardware
from xbarsim.mapping import plan_network
from xbarsim.network import Network
from xbarsim.network.build import NetworkBuilder
from xbarsim.network.reshape import describe_context, describe_layer

TOLERANCE = 0.01
"""How much worse delay or throughput may become."""
TRANSPORT = ("buffer", "bus", "tile_register", "router", "link")
"""Actions that move values between tiles and within them."""
WIDTHS = (4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A setting that grows."""

    key: str
    """Dotted key of the hardware."""
    draw: Callable[[random.Random, Network, Hardware], list[Any]]
    """Rising values."""
    measure: Callable[[Network, Hardware], dict[str, float]]
    """Name -> what must not rise by more than ``tolerance``."""
    tolerance: float
    """Relative."""
    base: Mapping[str, Any]
    """What else is set."""


def _times(network: Network, hardware: Hardware) -> dict[str, float]:
    report = xs.estimate(network, hardware)
    return {"delay": report.delay_s, "interval": 1 / report.throughput_hz}


def _energies(network: Network, hardware: Hardware) -> dict[str, float]:
    """Price the network, and every layer by itself; count what its steps do in the network, but for :data:`TRANSPORT`.

    In a network, what the results of a layer travel depends on where the tiles of all layers begin.
    """
    oracle, report = xs.CostOracle(hardware, cache=None), xs.estimate(network, hardware)
    found = {"-energy of the network": -report.energy_joule}
    for step in report.activity.steps:
        found |= {
            f"-{action} of {step.name}": -count for action, count in step.counts.items() if action not in TRANSPORT
        }
    for node in network.layers:
        cost = oracle.layer(*describe_layer(network, node.name), **describe_context(network, node.name))
        found[f"-energy of {node.name}"] = -cost.energy_joule
    return found


def _widths(rng: random.Random, network: Network, hardware: Hardware) -> list[Any]:
    return sorted(rng.sample(WIDTHS, 3) + rng.sample(range(3, 400), 1))


def _budgets(rng: random.Random, network: Network, hardware: Hardware) -> list[Any]:
    least = plan_network(network, hardware.override({"mapping.replication": "none"})).arrays
    return sorted(int(least * rng.choice([1, 1.2, 1.5, 2, 3, 5, 8, 12])) + rng.randrange(20) for _ in range(4))


def _counts(rng: random.Random, network: Network, hardware: Hardware) -> list[Any]:
    return sorted(rng.sample([1, 2, 3, 4, 8, 16], 3))


def _bits(low: int, high: int) -> Callable[[random.Random, Network, Hardware], list[Any]]:
    return lambda rng, network, hardware: sorted(rng.sample(range(low, high + 1), 3))


def _grow_time(key: str, draw: Callable[[random.Random, Network, Hardware], list[Any]]) -> Growth:
    return Growth(key=key, draw=draw, measure=_times, tolerance=TOLERANCE, base={})


def _grow_bits(key: str, low: int, high: int) -> Growth:
    once = {"mapping.replication": "none", "mapping.array_budget": None}  # fewer replicas would be another change
    return Growth(key=key, draw=_bits(low, high), measure=_energies, tolerance=1e-9, base=once)


GROWTHS = (
    _grow_time("mapping.array_budget", _budgets),
    _grow_time("timing.link_bits", _widths),
    _grow_time("timing.bus_bits", _widths),
    _grow_time("timing.buffer_bits", _widths),
    _grow_time("timing.io_bits", _widths),
    _grow_time("adc.per_array", _counts),
    _grow_bits("weight_bits", 2, 8),
    _grow_bits("activation_bits", 2, 8),
    _grow_bits("adc.bits", 4, 10),
)


def make_network(rng: random.Random) -> Network:
    """Draw a network of convolutions, residual blocks, pools and linear layers.

    Parameters
    ----------
    rng : random.Random
        Source of all choices.

    Returns
    -------
    Network
        Shapes only.
    """
    size = rng.choice([4, 6, 8, 12, 16])
    builder = NetworkBuilder("drawn", (rng.choice([1, 3, 8]), size, size))
    for _ in range(rng.randint(1, 5)):
        channels = rng.choice([2, 4, 8, 16, 24, 32])
        conv = {"channels": channels, "kernel": rng.choice([1, 3, 3, 5]), "stride": rng.choice([1, 1, 1, 2])}
        conv["padding"] = conv["kernel"] // 2
        builder.add("conv2d", settings=conv)
        at = builder.add("relu")
        match rng.choice(["plain", "plain", "residual", "pool", "branch"]):
            case "residual":
                for last in (False, True):
                    builder.add("conv2d", settings={"channels": channels, "kernel": 3, "padding": 1})
                    if not last:
                        builder.add("relu")
                builder.add("add", inputs=[builder.last, at])
                builder.add("relu")
            case "branch":
                other = builder.add("conv2d", inputs=[at], settings={"channels": channels, "kernel": 1})
                builder.add("conv2d", inputs=[at], settings={"channels": channels, "kernel": 3, "padding": 1})
                builder.add("add", inputs=[builder.last, other])
            case "pool":
                builder.add("max_pool", settings={"kernel": 3, "stride": 2, "padding": 1})
    builder.add("flatten")
    builder.add("linear", settings={"features": rng.choice([2, 10, 40])})
    return builder.build()


def make_hardware(rng: random.Random) -> Hardware:
    """Draw a shipped hardware with other sizes and widths.

    Parameters
    ----------
    rng : random.Random
        Source of all choices.

    Returns
    -------
    Hardware
        Sometimes with balanced replicas.
    """
    rows = rng.choice([16, 32, 64, 128])
    changes: dict[str, Any] = {
        "crossbar.rows": rows, "crossbar.cols": rows, "chip.tiles": "auto", "chip.count": "auto",
        "chip.arrays_per_core": rng.choice([1, 2, 4, 8]), "chip.cores_per_tile": rng.choice([1, 2, 4]),
        "timing.noc": rng.choice(["mesh", "mesh", "bus", "htree"]), "timing.hop_cycles": rng.choice([0, 1, 2]),
        "timing.overlapped": rng.random() < 0.5, "timing.pulse_s": None, "timing.read_cycles": rng.choice([1, 8, 100]),
    }  # fmt: skip
    for key in ("link", "bus", "buffer", "io"):
        changes[f"timing.{key}_bits"] = rng.choice(WIDTHS)
    return xs.load_hardware(rng.choice(list_hardware()), changes)


def check_sweep(seed: int) -> dict[str, Any] | None:
    """Let one setting of a random case grow.

    Parameters
    ----------
    seed : int
        Number of the case.

    Returns
    -------
    dict or None
        What became worse, by how much; None where nothing did.
    """
    rng = random.Random(seed)
    growth = GROWTHS[seed % len(GROWTHS)]
    network, hardware = make_network(rng), make_hardware(rng)
    if growth.key == "mapping.array_budget" or rng.random() < 0.5:
        least = plan_network(network, hardware).arrays
        budget = {"mapping.replication": "balanced", "mapping.array_budget": int(least * rng.choice([1.5, 3, 6]))}
        hardware = hardware.override(budget)
    hardware = hardware.override(growth.base)
    best: dict[str, float] = {}
    for value in growth.draw(rng, network, hardware):
        found = growth.measure(network, hardware.override({growth.key: value}))
        for name, now in found.items():
            before = best.setdefault(name, now)
            if now - before > growth.tolerance * abs(before):
                return {"seed": seed, "key": growth.key, "value": value, "what": name, "ratio": now / before}
            best[name] = min(before, now)
    return None
