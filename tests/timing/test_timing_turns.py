"""Weights reloaded in turns: what fits, what is written, and what it costs in energy, time and endurance."""

import pytest
from reference.residual_networks import resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.cost import price
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping import plan_network
from xbarsim.timing import simulate_plan

WRITE = {"volt": 2.0, "pulse_s": 1e-7, "pulses": 4.0, "endurance": 1e9}
BIG = load_hardware("reference").override({"chip.arrays_per_core": 4, "chip.cores_per_tile": 4, "device.write": WRITE})
SMALL = BIG.override({"chip.tiles": 2, "chip.count": 1, "mapping.reload": "turns"})
NETWORK = resnet_cifar(1)


def cost_of(hardware):
    plan = plan_network(NETWORK, hardware)
    activity = simulate_plan(plan)
    return plan, activity, price(plan, activity)


def test_no_turn_holds_more_than_the_chip_and_layers_stay_in_order():
    plan = plan_network(NETWORK, SMALL)
    turns = [layer.turn for layer in plan.layers]
    assert plan.turn_count == turns[-1] + 1 > 1
    assert turns == sorted(turns)
    for turn in range(plan.turn_count):
        layers = [layer for layer in plan.layers if layer.turn == turn]
        assert layers[0].first_array == 0
        assert layers[-1].first_array + layers[-1].arrays == sum(layer.arrays for layer in layers) <= 32
    assert plan.tiles == 2


def test_a_network_that_fits_is_never_reloaded():
    plan, _, cost = cost_of(BIG.override({"mapping.reload": "turns", "chip.tiles": 20, "chip.count": 1}))
    assert plan.turn_count == cost.turns == 1
    assert cost.lifetime_inferences is None
    assert "programming" not in {part.component for part in cost.components}
    assert cost.programming_joule > 0


def test_delay_is_layer_by_layer_plus_programming():
    plan, activity, cost = cost_of(SMALL)
    slow = simulate_plan(plan_network(NETWORK, SMALL.override({"chip.count": "auto", "timing.pipelined": False})))
    programming = cost.programming_s * SMALL.timing.clock_hz
    assert activity.cycles == activity.interval_cycles
    assert activity.cycles == pytest.approx(slow.cycles + programming, rel=0.01)
    rows = SMALL.crossbar.rows * WRITE["pulse_s"] * WRITE["pulses"]
    most = [max(_arrays_by_tile(plan, turn)) for turn in range(plan.turn_count)]
    assert cost.programming_s == pytest.approx(rows * sum(most))


def _arrays_by_tile(plan, turn):
    tiles = [0] * plan.tiles
    for layer in plan.layers:
        if layer.turn == turn:
            for array in range(layer.first_array, layer.first_array + layer.arrays):
                tiles[array // plan.arrays_per_tile] += 1
    return tiles


def test_every_cell_of_every_array_is_written_and_paid_for():
    plan, activity, cost = cost_of(SMALL)
    cells = plan.arrays * 128 * 128
    assert activity.totals["write"] == cells
    each = (1e-6 + 0.5 * 9e-6) * WRITE["volt"] ** 2 * WRITE["pulse_s"] * WRITE["pulses"]
    part = next(part for part in cost.components if part.component == "programming")
    assert part.energy_joule == pytest.approx(cells * each) == pytest.approx(cost.programming_joule)


def test_parts_still_sum_to_the_whole_and_the_chip_is_no_larger_than_it_is():
    _, _, cost = cost_of(SMALL)
    assert sum(part.energy_joule for part in cost.components) == pytest.approx(cost.energy_joule)
    assert sum(part.energy_joule for part in cost.layers) == pytest.approx(cost.energy_joule)
    assert sum(part.area_m2 for part in cost.components) == pytest.approx(cost.area_m2)
    assert min(part.area_m2 for part in cost.layers) >= 0
    fixed = cost_of(BIG.override({"chip.tiles": 2, "chip.count": "auto"}))[2]
    assert cost.area_m2 < fixed.area_m2
    assert cost.arrays <= 32


def test_endurance_counts_pulses_and_turns():
    plan, _, cost = cost_of(SMALL)
    assert cost.lifetime_inferences == pytest.approx(1e9 / 4 / plan.turn_count)


def test_write_drivers_for_every_array_program_faster():
    drivers = ("array", "core", "tile", "chip")
    times = [cost_of(SMALL.override({"device.write.drivers": each}))[2].programming_s for each in drivers]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_turns_need_to_know_what_writing_takes():
    with pytest.raises(ConfigError, match=r"device\.write: needed for mapping\.reload: turns"):
        plan_network(NETWORK, SMALL.override({"device.write": None}))


def test_a_layer_larger_than_the_chip_is_named_with_what_would_fit():
    tiny = SMALL.override({"chip.arrays_per_core": 1, "chip.cores_per_tile": 1})
    with pytest.raises(MappingError, match=r"layer \S+: \d+ arrays do not fit into 2.*tiles in all would fit"):
        plan_network(NETWORK, tiny)
