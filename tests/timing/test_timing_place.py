"""Placement for traffic: never worse than order, as good as trying everything, and the machine runs on it as on any."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.pipeline_simpy import run_paced
from reference.residual_networks import resnet_bottleneck, resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.timing import place, simulate_plan
from xbarsim.timing.layout import locate_tiles
from xbarsim.timing.machine import build_machine
from xbarsim.timing.place import PORT, Packet, place_tiles
from xbarsim.timing.route import Asked, Fabric
from xbarsim.timing.simulate import run

HARDWARE = load_hardware("reference").override(
    {"crossbar.rows": 32, "crossbar.cols": 32, "chip.arrays_per_core": 4, "chip.cores_per_tile": 3}
)


@st.composite
def traffics(draw, most=8):
    """A fabric of one or two chips and packets between its tiles and the port."""
    size, chips = draw(st.integers(2, most)), draw(st.integers(1, 2))
    ends = st.integers(PORT, size * chips - 1)
    packets = st.builds(
        Packet, ends, st.lists(ends, min_size=1, max_size=4, unique=True).map(tuple), st.integers(1, 99)
    )
    kind = draw(st.sampled_from(["mesh", "htree", "bus"]))
    return kind, size, size * chips, draw(st.lists(packets, min_size=1, max_size=12))


def count_bit_hops(fabric, packets, places):
    """Add up bits times links along the paths that the machine uses."""
    at = dict(enumerate(places)) | {PORT: 0}
    total = 0
    for packet in packets:
        home = at[packet.source]
        targets = tuple(sorted({at[target] for target in packet.targets} - {home}))
        if targets:
            asked = Asked(np.array([home]), np.array([0, len(targets)]), np.array(targets))
            total += packet.bits * fabric.trees(asked).links.size
    return total


@settings(max_examples=30)
@given(traffics())
def test_a_placement_is_a_permutation_within_chips_and_never_takes_more_than_the_order(traffic):
    kind, size, tiles, packets = traffic
    fabric = Fabric(kind=kind, tiles_per_chip=size)
    places = place_tiles(fabric, tiles, packets)
    assert sorted(places) == list(range(tiles))
    assert [place // size for place in places] == [tile // size for tile in range(tiles)]
    assert count_bit_hops(fabric, packets, places) <= count_bit_hops(fabric, packets, range(tiles))
    assert place_tiles(fabric, tiles, packets) == places


@settings(max_examples=25)
@given(traffics(most=5))
def test_a_small_chip_is_placed_as_well_as_by_trying_every_permutation(traffic):
    kind, size, _, packets = traffic
    packets = [Packet(p.source, tuple(t for t in p.targets if t < size), p.bits) for p in packets if p.source < size]
    fabric = Fabric(kind=kind, tiles_per_chip=size)
    best = min(count_bit_hops(fabric, packets, places) for places in permutations(range(size)))
    assert count_bit_hops(fabric, packets, place_tiles(fabric, size, packets)) == best


@pytest.mark.parametrize("noc", ["mesh", "htree"])
def test_a_network_with_residual_branches_gains_and_counts_the_links_that_the_search_counted(noc):
    hardware = HARDWARE.override({"timing.noc": noc, "chip.tiles": 30})
    network = resnet_cifar(3)
    order = simulate_plan(plan_network(network, hardware))
    plan = plan_network(network, hardware.override({"mapping.placement": "traffic"}))
    short = simulate_plan(plan)
    assert short.totals["link"] < 0.9 * order.totals["link"]
    moved = ("link", "router", "buffer")  # the first layer may leave the tile of the port, whose buffer then passes on
    assert all(count == order.totals[action] for action, count in short.totals.items() if action not in moved)
    assert sorted(locate_tiles(plan)) == list(range(plan.tiles))
    assert [home for step in (0, -1) for home in short.layout.steps[step].homes] == [0, 0]


FILE_ORDER = 378_353_928
"""Bits times links of ResNet-50 on ``reference``, shortcuts placed after their blocks as its file lists them."""


def test_bit_hops_of_resnet50_fall_by_more_than_a_sixth():
    plans = [
        plan_network(resnet_bottleneck(), load_hardware("reference").override({"mapping.placement": how}))
        for how in ("order", "traffic")
    ]
    order, short = (simulate_plan(plan).totals["link"] for plan in plans)
    assert order < 0.95 * FILE_ORDER
    assert short < 5 / 6 * order
    assert short < 0.75 * FILE_ORDER


@pytest.mark.parametrize("chips", [{"chip.tiles": 12}, {"chip.tiles": 4}, {"timing.noc": "htree"}])
def test_the_event_loop_equals_the_simpy_machine_on_a_placement_for_traffic(chips):
    hardware = HARDWARE.override(
        {**chips, "mapping.placement": "traffic", "timing.read_cycles": 8, "timing.pulse_s": None}
    )
    plan = plan_network(resnet_cifar(1, size=6), hardware)
    machine, _ = build_machine(plan)
    result, oracle = run(machine), run_paced(plan)
    assert locate_tiles(plan) != list(range(plan.tiles))
    first = machine.first_window
    assert all(result.finish[first[step] + window] == cycle for (step, window), cycle in oracle.finish.items())
    busy = sum(server.busy for server in oracle.servers.values()) + sum(oracle.noc.busy.values())
    assert np.sum(result.busy) == busy


def test_the_work_of_a_large_chip_is_bounded_and_the_result_stays_better_than_the_order(monkeypatch):
    size, done, exchange = 120, [], place._Placement.exchange
    groups = [tuple(range(first, first + 40)) for first in range(0, size, 40)]
    packets = [Packet(tile, groups[(tile // 40 + 1) % 3], 1 + tile) for tile in range(size)]
    monkeypatch.setattr(place, "DESCENT_STEPS", 10**5)
    monkeypatch.setattr(place, "ANNEALING_STEPS", 10**6)

    def counted(self, pairs, limits):
        before = int(self.work[0])
        found = exchange(self, pairs, limits)
        done.append(before - int(self.work[0]))
        return found

    monkeypatch.setattr(place._Placement, "exchange", counted)
    fabric = Fabric(kind="mesh", tiles_per_chip=size)
    places = place_tiles(fabric, size, packets)
    most = 256 * size * 60  # trying one pair counts at most all packets
    assert sum(done[1:]) <= 2 * 10**5 + 2 * 10**6 + 3 * most / 256
    assert sum(done[1:]) > 10**6 / 2  # the first is the probe
    assert done[0] <= most
    assert count_bit_hops(fabric, packets, places) < 0.9 * count_bit_hops(fabric, packets, range(size))
    assert place_tiles(fabric, size, packets) == places


def test_placement_belongs_to_the_chip_not_to_a_layer():
    for choice in ({"mapping.placement": "traffic"}, {"mapping": {"placement": "traffic"}}):
        with pytest.raises(ConfigError, match=r"mapping\.placement cannot differ between layers"):
            plan_network(resnet_cifar(1), HARDWARE, layers={"conv1": choice})
