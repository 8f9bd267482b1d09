"""Weights reloaded in turns: what fits, what is written, and what it costs in energy, time and endurance."""

import pytest
from reference.pipeline_simpy import run_paced
from reference.residual_networks import resnet_cifar

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.cost import price
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping import plan_network
from xbarsim.network import split_layers
from xbarsim.timing import simulate_plan
from xbarsim.timing.machine import build_machine
from xbarsim.timing.simulate import run

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
    # of a pair at half the levels one cell is off: a quarter of them on average
    each = (1e-6 + 0.25 * 9e-6) * WRITE["volt"] ** 2 * WRITE["pulse_s"] * WRITE["pulses"]
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
    with pytest.raises(ConfigError, match=r"device\.write: missing; mapping\.reload: turns needs it"):
        plan_network(NETWORK, SMALL.override({"device.write": None}))


TINY = SMALL.override({"chip.arrays_per_core": 1, "chip.cores_per_tile": 5})


def test_a_layer_larger_than_all_chips_is_cut_by_its_outputs_and_read_once_for_each_part():
    whole, cut = plan_network(NETWORK, BIG), plan_network(NETWORK, TINY)
    large = [layer for layer in whole.layers if layer.arrays > 10]
    assert large
    for layer in large:
        parts = [part for part in cut.layers if part.name.startswith(f"{layer.name}.part")]
        assert sum(part.cols for part in parts) == layer.cols
        assert max(part.arrays for part in parts) <= 10
        assert len({part.turn for part in parts}) == len(parts)
        fewer = -(-layer.cols // (len(parts) - 1)) * layer.columns_per_weight
        assert 2 * layer.row_blocks * -(-fewer // 128) > 10  # fewer parts would not fit
    assert sum(layer.macs for layer in cut.layers) == sum(layer.macs for layer in whole.layers)
    counts = [simulate_plan(plan).totals for plan in (whole, cut)]
    assert counts[0]["adc"] == counts[1]["adc"]
    assert counts[0]["buffer"] < counts[1]["buffer"]
    price(cut, simulate_plan(cut))


def test_parts_keep_the_choices_of_their_layer():
    choices = {"layer3.*": {"adc.bits": 6}, "*.conv2": {"adc.bits": 7}}
    plan = plan_network(NETWORK, TINY, layers=choices)
    bits = {layer.name: layer.hardware.adc.bits for layer in plan.layers}
    assert bits["layer3.0.conv1.part0"] == 6
    assert bits["layer3.0.conv2.part0"] == 7
    assert bits["fc"] == 8
    with pytest.raises(ConfigError, match="conv9"):
        plan_network(NETWORK, TINY, layers={"conv9": {"adc.bits": 6}})


def test_the_event_loop_equals_the_simpy_machine_where_layers_are_cut():
    network = split_layers(resnet_cifar(1, size=6), {"layer1.0.conv2": 3, "layer3.0.conv1": 2, "fc": 2})
    plan = plan_network(
        network, BIG.override({"timing.pipelined": False, "timing.read_cycles": 8, "timing.pulse_s": None})
    )
    machine, _ = build_machine(plan)
    result, oracle = run(machine), run_paced(plan)
    first = machine.first_window
    assert len(oracle.finish) == machine.total_windows
    assert all(result.finish[first[step] + window] == cycle for (step, window), cycle in oracle.finish.items())


def test_a_network_with_a_cut_layer_runs_and_loses_nothing_on_ideal_hardware():
    ideal = {
        "device.programming.distribution": "none", "crossbar.method": "ideal", "adc.bits": "ideal",
        "crossbar.rows": 32, "crossbar.cols": 32,
    }  # fmt: skip
    hardware = TINY.override({**ideal, "chip.cores_per_tile": 18})
    test = xs.data.load_data("digits")
    report = xs.simulate("digits", hardware, xs.data.normalize_images(test.images)[:40], test.labels[:40])
    assert any(".part" in name for name in report.layers["name"])
    assert report.accuracy.hardware == report.accuracy.quantized
    assert report.cost.turns > 1


def test_a_layer_that_cannot_be_cut_small_enough_is_named_with_what_would_fit():
    with pytest.raises(MappingError, match=r"layer \S+: \d+ arrays do not fit into 2.*tiles in all would fit"):
        plan_network(NETWORK, TINY.override({"chip.cores_per_tile": 1}))


def test_a_layer_priced_alone_is_not_cut():
    shape = {"in_features": 4096, "out_features": 4096}
    with pytest.raises(MappingError, match=r"layer layer: 8192 arrays do not fit into 10, and it cannot be divided"):
        xs.CostOracle(TINY).layer("linear", shape)
