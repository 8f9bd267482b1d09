"""Products of activations, softmax and normalisation run on as many tiles as they need, rows staying where they are."""

import pytest
from reference.count_actions import list_reached
from test_timing_classes import transformer

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network.kinds.record import Factors
from xbarsim.timing import layout, simulate_plan

SMALL = {
    "timing.vector_lanes": 2,
    "timing.link_bits": 64,
    "chip.arrays_per_core": 2,
    "chip.cores_per_tile": 1,
    "timing.read_cycles": 16,
    "timing.pulse_s": None,
}


def simulate(tokens=48, **changes):
    return simulate_plan(
        plan_network(transformer(tokens, blocks=2), load_hardware("reference").override({**SMALL, **changes}))
    )


def kinds(activity, kind):
    return [each for each in activity.layout.steps if each.step.kind == kind]


def test_rows_of_attention_are_dealt_out_over_tiles_and_stay_there():
    activity = simulate()
    (scores, mixed), (weights, _) = kinds(activity, "matmul")[:2], kinds(activity, "softmax")
    homes = list(scores.homes)
    assert 1 < len(set(homes)) == len(homes) <= activity.plan.tiles_used
    assert list(weights.homes) == list(mixed.homes) == homes
    assert sum(scores.windows_of(number) for number in range(len(homes))) == scores.step.windows
    assert max(map(scores.windows_of, range(len(homes)))) <= min(map(scores.windows_of, range(len(homes)))) + 48
    numbers = {id(each): index for index, each in enumerate(activity.layout.steps)}
    for each in (scores, weights):
        assert not any(list_reached(activity, numbers[id(each)]))
    assert all(list_reached(activity, numbers[id(mixed)])[1:]) or activity.plan.tiles_used == 1


def test_keys_and_values_reach_every_tile_that_needs_them():
    activity = simulate()
    scores = kinds(activity, "matmul")[0]
    homes = set(scores.homes)
    steps = activity.layout.steps
    for source, _ in scores.step.edges:
        reached = {steps[source].homes[0], *list_reached(activity, source)[0]}
        assert homes <= reached


def test_sharing_shortens_delay_and_interval_and_keeps_the_operations(monkeypatch):
    shared = simulate()
    monkeypatch.setattr(layout, "share_tiles", lambda *_: {})
    single = simulate()
    assert shared.cycles < 0.6 * single.cycles
    assert shared.interval_cycles < 0.5 * single.interval_cycles
    assert shared.totals["vector"] == single.totals["vector"]
    assert shared.totals["array"] == single.totals["array"]
    assert shared.totals["link"] > single.totals["link"]


def test_a_fast_vector_unit_is_enough_alone():
    for each in simulate(**{"timing.vector_lanes": 10**5, "timing.buffer_bits": 10**6}).layout.steps:
        assert len(each.homes) == 1


def test_more_lanes_never_need_more_tiles():
    counts = [len(kinds(simulate(**{"timing.vector_lanes": lanes}), "matmul")[0].homes) for lanes in (1, 4, 16, 64)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_every_tile_reads_the_second_operand_for_its_own_rows():
    factors = Factors(stacks=2, rows=10, inner=8, cols=6)
    first, second = 2 * 10 * 8, 2 * 8 * 6
    assert factors.count_reads(0) == factors.count_reads(0, 4) == first + 10 * second
    assert factors.count_reads(48) == first + second
    assert factors.count_reads(48, 4) == first + 4 * second
    assert factors.count_reads(16, 4) == first + (2 + 2 + 1 + 1) * second  # 3, 3, 2 and 2 rows, two at once
    assert factors.count_reads(10**6, 16) == first + 10 * second  # a tile without rows reads nothing


@pytest.mark.parametrize(
    "changes", [{"timing.pipelined": False}, {"mapping.placement": "traffic"}, {"timing.noc": "htree"}]
)
def test_sharing_holds_in_every_mode(changes):
    activity = simulate(24, **changes)
    assert len(kinds(activity, "matmul")[0].homes) > 1
    counted = simulate(24)
    assert activity.totals["vector"] == counted.totals["vector"]


def test_convolutional_networks_share_nothing():
    for name in ("resnet20", "mobilenetv2"):
        steps = simulate_plan(plan_network(xs.load_network(name), load_hardware("reference"))).layout.steps
        assert all(len(each.homes) == 1 for each in steps)
