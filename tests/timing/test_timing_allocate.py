"""Replicas: as fast as any allocation of a budget where links are wide, and never slower with a larger budget."""

import itertools
import math
import random

import pytest
from reference.residual_networks import resnet_cifar

import xbarsim as xs
from xbarsim.mapping import plan_network, replicate_plan
from xbarsim.network.build import NetworkBuilder
from xbarsim.timing import allocate, plan_pipeline, simulate_plan
from xbarsim.timing.least import LeastTimes

WIDE = dict.fromkeys(("timing.link_bits", "timing.bus_bits", "timing.buffer_bits", "timing.io_bits"), 1 << 20)


def make_pair(rng):
    """Return a network of two convolutions, hardware with wide links, and the sizes of their arrays."""
    channels, size = rng.choice([4, 8, 16]), rng.choice([6, 8, 12])
    builder = NetworkBuilder("pair", (channels, size, size))
    for name in ("a", "b"):
        builder.add("conv2d", name, settings={"channels": channels, "kernel": 3, "padding": 1})
    rows = {name: rng.choice([16, 32, 64, 128]) for name in ("a", "b")}
    layers = {name: {"crossbar.rows": size, "crossbar.cols": size} for name, size in rows.items()}
    return builder.build(), layers


@pytest.mark.slow
def test_pairs_are_within_5_percent_of_the_best_allocation():
    rng = random.Random(17)
    for _ in range(200):
        network, layers = make_pair(rng)
        hardware = xs.load_hardware("nax", WIDE)
        once = xs.estimate(network, hardware, layers)
        sizes = {layer.name: (layer.arrays, layer.busy_s, layer.windows) for layer in once.cost.layers if layer.macs}
        (a, time_a, windows), (b, time_b, _) = sizes["a"], sizes["b"]
        budget = rng.randint(a + b, 12 * (a + b))
        found = xs.estimate(
            network, hardware.override({"mapping.replication": "balanced", "mapping.array_budget": budget}), layers
        )
        assert found.arrays <= budget
        best = min(
            max(math.ceil(windows / i) * time_a, math.ceil(windows / j) * time_b) / windows
            for i in range(1, (budget - b) // a + 1)
            for j in [min(windows, (budget - i * a) // b)]
            if j
        )
        assert 1 / found.throughput_hz <= 1.05 * best


def test_replicas_follow_the_time_of_reads():
    network, hardware = resnet_cifar(1), xs.load_hardware("nax", {"mapping.replication": "balanced", **WIDE})
    slow = {"layer1.0.conv2": {"crossbar.rows": 128, "crossbar.cols": 128}}
    others = {"*": {"crossbar.rows": 16, "crossbar.cols": 16}}
    plan = plan_network(network, hardware.override({"mapping.array_budget": 3000}), layers={**others, **slow})
    assert plan.layer("layer1.0.conv2").replicas >= 6 * plan.layer("layer1.0.conv1").replicas


@pytest.mark.parametrize(
    ("hardware", "network", "budgets"),
    [("mnsim", "resnet20", (200, 400, 1600, 8000)), ("sram_7nm", "lenet5", (150, 200, 500, 2000))],
)
def test_a_larger_budget_is_never_slower(hardware, network, budgets):
    base = xs.load_hardware(hardware, {"mapping.replication": "balanced"})
    costs = [xs.estimate(network, base.override({"mapping.array_budget": budget})).cost for budget in budgets]
    for less, more in itertools.pairwise(costs):
        assert more.delay_s <= 1.01 * less.delay_s
        assert more.throughput_hz >= 0.99 * less.throughput_hz


def test_more_converters_leave_the_replicas_of_fewer():
    """Where the slowest layer is too large for a second replica, the other layer still gets some."""
    builder = NetworkBuilder("narrow and wide", (16, 8, 8))
    for name, channels in (("narrow", 2), ("wide", 32)):
        builder.add("conv2d", name, settings={"channels": channels, "kernel": 3, "padding": 1})
    network, sizes = builder.build(), {"crossbar.rows": 32, "crossbar.cols": 32}
    balanced = {"mapping.replication": "balanced", "mapping.array_budget": 40}
    costs = {}
    for converters in (1, 2, 4, 8, 16):
        hardware = xs.load_hardware("mnsim", {**sizes, "adc.per_array": converters})
        once, found = (xs.estimate(network, each).cost for each in (hardware, hardware.override(balanced)))
        assert found.delay_s < 0.99 * once.delay_s
        costs[converters] = found
    for less, more in itertools.pairwise(costs.values()):
        assert more.delay_s <= 1.01 * less.delay_s
        assert more.throughput_hz >= 0.99 * less.throughput_hz


def test_replicas_that_links_cannot_feed_are_not_made():
    hardware = xs.load_hardware("mnsim", {"mapping.replication": "balanced", "mapping.array_budget": 1600})
    network = xs.load_network("resnet20")
    balanced, chosen = plan_network(network, hardware), plan_pipeline(network, hardware)
    assert balanced.arrays > 1500
    assert chosen.arrays < 400
    assert plan_pipeline(network, hardware.override({"mapping.replication": "none"})).arrays < chosen.arrays


LINKS = {"timing.link_bits": 8}
"""Links so narrow that more replicas soon help nobody."""
CHIPS = [
    ("mnsim", "resnet20", {"mapping.array_budget": 1600}),
    ("nax", "lenet5", {"mapping.array_budget": 900}),
    ("nax", "lenet5", {"mapping.array_budget": 900, **LINKS}),
    ("nax", "lenet5", {"mapping.array_budget": 900, "timing.io_bits": 2, "chip.full_tiles": 20}),
    ("reference", "lenet5", {"mapping.array_budget": 300, "timing.pipelined": False}),
    ("reference", "digits", {"mapping.array_budget": 900, "timing.stream_bits": 8000}),
    ("sram_7nm", "lenet5", {"mapping.array_budget": 2000, "adc.per_array": 4}),
]


def load_balanced(hardware, changes):
    """Load hardware whose replicas are balanced."""
    return xs.load_hardware(hardware, {"mapping.replication": "balanced", **changes})


@pytest.mark.parametrize(("hardware", "network", "changes"), CHIPS)
def test_allocations_that_are_left_out_change_nothing(hardware, network, changes, monkeypatch):
    net, record = xs.load_network(network), load_balanced(hardware, changes)
    ran = []
    monkeypatch.setattr(allocate, "simulate_plan", lambda plan: ran.append(plan) or simulate_plan(plan))
    found, few = plan_pipeline(net, record), len(ran)
    monkeypatch.setattr(allocate.Trials, "find_next", lambda self, position, *_: position + 1)
    ran.clear()
    every = plan_pipeline(net, record)
    assert [layer.replicas for layer in found.layers] == [layer.replicas for layer in every.layers]
    assert few <= len(ran)


def test_few_allocations_are_run_where_links_are_wide(monkeypatch):
    ran = []
    monkeypatch.setattr(allocate, "simulate_plan", lambda plan: ran.append(plan) or simulate_plan(plan))
    plan = plan_pipeline(xs.load_network("resnet20"), load_balanced("reference", {"mapping.array_budget": 3000}))
    assert len(allocate._list_allocations(plan)) == 13
    assert len(ran) == 2


@pytest.mark.parametrize(("hardware", "network", "changes"), CHIPS)
def test_bounds_are_never_above_the_event_loop(hardware, network, changes):
    once = plan_network(xs.load_network(network), load_balanced(hardware, changes))
    listed = allocate._list_allocations(once)
    activities = [simulate_plan(replicate_plan(once, each)) for each in listed]
    shares = []
    for replicas, activity in zip(listed, activities):
        bounds = {LeastTimes(like).find(replicas) for like in (activities[0], activities[-1])}
        (bound,) = bounds  # whatever the allocation that tables are taken from
        assert bound.delay <= activity.cycles
        assert bound.interval <= activity.interval_cycles
        shares.append(bound.delay / activity.cycles)
    assert max(shares) > 0.9
