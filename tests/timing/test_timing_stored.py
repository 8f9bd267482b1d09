"""Products of activations on arrays: their writes and reads against counts by hand, and when they happen."""

from pathlib import Path

import numpy as np
import pytest
from reference.pipeline_simpy import run_paced

import xbarsim as xs
from xbarsim.component import write_energy
from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.timing import simulate_plan

ATTENTION = xs.load_network(str(Path(__file__).parents[1] / "cost" / "attention.yaml"))  # 16 tokens, 4 heads of 16
HARDWARE = load_hardware("reference")
ARRAYS = HARDWARE.override({"mapping.dynamic_products": "arrays"})
DOUBLE = HARDWARE.override({"mapping.dynamic_products": "double_arrays"})
WRITE = 4 * 100e-9  # pulses of a row [s]


def run(hardware=ARRAYS, network=ATTENTION, **changes):
    activity = simulate_plan(plan_network(network, hardware.override(changes)))
    return activity, {step.name: step for step in activity.steps}


def test_products_are_counted_by_hand():
    """Heads of 16 x 16 weights of 4 slices: two to a pair of arrays, so that 4 arrays hold a product."""
    activity, steps = run()
    for name in ("scores", "mixed"):
        layer, counts = activity.plan.layer(name), steps[name].counts
        assert (layer.arrays, layer.windows, layer.macs) == (4, 16, 4 * 16**3)
        assert counts["write"] == 4 * 16 * 16 * 4 * 2  # heads, cells of a slice, slices, polarities
        reads = 16 * activity.plan.layer(name).streams * 4  # windows, input bits, arrays
        assert counts["array"] == reads
        assert counts["dac"] == reads * 32  # rows of two heads
        assert counts["adc"] == reads / 2 * 128  # currents of pairs are subtracted before conversion
        assert steps[name].operations == 0
    assert activity.plan.layer("scores").streams == activity.plan.layer("mixed").streams == 8


def test_an_operand_is_read_from_its_buffer_once_and_moved_to_the_arrays():
    _, steps = run()
    for name in ("scores.write", "mixed.write"):
        assert dict(steps[name].counts) == {"buffer": 4 * 16 * 16 * 8, "bus": 4 * 16 * 16 * 8}


def test_operands_have_the_bits_of_weights():
    _, steps = run(weight_bits=4)
    assert steps["scores.write"].counts["bus"] == 4 * 16 * 16 * 4
    assert steps["scores"].counts["write"] == 4 * 16 * 16 * 2 * 2


def test_writes_take_the_pulses_of_the_rows_of_the_arrays_of_a_driver():
    clock = HARDWARE.timing.clock_hz
    for drivers, arrays in (("array", 1), ("tile", 4)):
        _, steps = run(**{"device.write.drivers": drivers})
        step = steps["scores.write"]
        assert step.busy_cycles == round(arrays * 32 * WRITE * clock)
        assert step.finish_cycles - step.start_cycles >= step.busy_cycles


@pytest.mark.parametrize("hardware", [ARRAYS, DOUBLE])
def test_a_write_waits_for_its_whole_operand_and_reads_wait_for_the_write(hardware):
    _, steps = run(hardware)
    for product, source in (("scores", "key"), ("mixed", "value")):
        assert steps[f"{product}.write"].start_cycles >= steps[source].finish_cycles
        assert (
            steps[product].start_cycles
            >= steps[f"{product}.write"].start_cycles + steps[f"{product}.write"].busy_cycles
        )
    assert steps["weights"].start_cycles > steps["scores"].start_cycles
    assert steps["weights"].start_cycles < steps["scores"].finish_cycles  # row by row


def test_arrays_are_held_from_their_write_to_their_last_read_unless_there_are_two_sets():
    activity, steps = run(**{"device.write.drivers": "array"})
    held = {
        name: steps[name].start_cycles + steps[name].busy_cycles - steps[f"{name}.write"].start_cycles
        for name in ("scores", "mixed")
    }
    assert activity.bottleneck.endswith("(written and read)")
    assert max(held.values()) <= activity.interval_cycles
    double, _ = run(DOUBLE, **{"device.write.drivers": "array"})
    writes = sum(steps[f"{name}.write"].busy_cycles for name in held)  # the drivers of the tile serve both
    assert double.interval_cycles == max(-(-activity.interval_cycles // 2), writes, 16384)
    assert double.cycles == activity.cycles
    assert double.plan.layer("scores").arrays == 2 * activity.plan.layer("scores").arrays


def test_costs_contain_every_write_and_the_wear_of_the_cells():
    one, two = xs.estimate(ATTENTION, ARRAYS).cost, xs.estimate(ATTENTION, DOUBLE).cost
    written = 2 * 4 * 16 * 16 * 4 * 2
    part = next(each for each in one.components if each.component == "programming")
    assert part.actions == written
    assert part.energy_joule == pytest.approx(written * write_energy(HARDWARE), rel=1e-12)
    assert one.lifetime_inferences == 1e6 / 4
    assert two.lifetime_inferences == 2 * 1e6 / 4
    assert sum(layer.energy_joule for layer in one.layers) == pytest.approx(one.energy_joule, rel=1e-12)
    assert two.energy_joule - one.energy_joule < 1e-3 * one.energy_joule  # idle power of the further arrays
    assert "write" not in one.unpriced


def test_the_digital_side_has_no_products_then():
    digital, arrays = xs.estimate(ATTENTION, HARDWARE).cost, xs.estimate(ATTENTION, ARRAYS).cost
    assert digital.lifetime_inferences is None
    moved = 2 * 2 * 4 * 16**3  # two products, two operations for a MAC
    assert sum(each.operations for each in digital.layers) - sum(each.operations for each in arrays.layers) == moved
    assert sum(each.macs for each in arrays.layers) - sum(each.macs for each in digital.layers) == moved // 2


def test_products_over_several_tiles_cost_the_same_actions():
    _, steps = run()
    cut, parts = run(**{"chip.arrays_per_core": 2, "chip.cores_per_tile": 1})
    scores = cut.plan.layer("scores")
    first, last = (
        each // cut.plan.arrays_per_tile for each in (scores.first_array, scores.first_array + scores.arrays - 1)
    )
    assert last - first == 1  # over two tiles
    for name in ("scores", "mixed"):
        for action in ("write", "array", "dac", "adc"):
            assert parts[name].counts[action] == steps[name].counts[action]
    assert parts["scores.write"].counts["bus"] == steps["scores.write"].counts["bus"]
    # every tile of the product takes the whole operand from the network on chip
    assert parts["key"].counts["link"] >= 2 * 4 * 16 * 16 * 8


def test_products_have_one_replica_and_layers_the_rest_of_the_budget():
    activity, _ = run(**{"mapping.replication": "balanced", "mapping.array_budget": 120})
    assert activity.plan.layer("scores").replicas == activity.plan.layer("mixed").replicas == 1
    assert activity.plan.layer("key").replicas > 1
    assert activity.plan.arrays <= 120


def test_choices_for_single_layers_reach_products():
    report = xs.estimate(ATTENTION, ARRAYS, layers={"scores": {"crossbar.rows": 64, "crossbar.cols": 64}})
    rows = {layer.name: layer for layer in report.cost.layers}
    assert (rows["scores"].arrays, rows["mixed"].arrays) == (8, 4)  # one head to a pair
    oracle = xs.CostOracle(ARRAYS)
    cost = oracle.cost(ATTENTION, {"scores": {"crossbar.rows": 64, "crossbar.cols": 64}})
    assert cost.energy_joule == report.cost.energy_joule
    assert oracle.cost(ATTENTION).delay_s == xs.estimate(ATTENTION, ARRAYS).cost.delay_s


def load_gram(folder, features):
    """Return keys times queries without heads, with one layer behind."""
    path = folder / "gram.yaml"
    path.write_text(
        f"input_shape: [12, {features}]\nlayers:\n"
        f"  - {{name: key, kind: linear, features: {features}, inputs: [input]}}\n"
        "  - {name: turned, kind: transpose, order: [0, 2, 1]}\n"
        f"  - {{name: query, kind: linear, features: {features}, inputs: [input]}}\n"
        "  - {name: gram, kind: matmul, inputs: [query, turned]}\n"
        "  - {name: fc, kind: linear, features: 3}\n"
    )
    return xs.load_network(str(path))


@pytest.mark.parametrize("changes", [{}, {"chip.arrays_per_core": 2, "chip.cores_per_tile": 1}, {"timing.bus_bits": 8}])
def test_the_event_loop_and_the_simpy_machine_agree_on_writes(changes, tmp_path):
    plan = plan_network(load_gram(tmp_path, 160), ARRAYS.override(changes))
    activity, twin = simulate_plan(plan), run_paced(plan)
    assert activity.cycles == max(twin.finish.values())
    index = [step.name for step in activity.steps].index("gram.write")
    assert activity.finish[activity.machine.first_window[index]] == twin.finish[index, 0]


def test_rows_of_a_product_without_heads_follow_one_another(tmp_path):
    activity, steps = run(network=load_gram(tmp_path, 8))
    assert steps["gram"].counts["write"] == 8 * 12 * 4 * 2
    assert steps["gram"].windows == 12
    starts = activity.start[activity.machine.first_window[-3] : activity.machine.first_window[-2]]
    assert np.all(np.diff(starts) > 0)


def test_what_cannot_be_written_is_refused_in_one_line():
    without = ARRAYS.override({"device.write": None})
    with pytest.raises(ConfigError, match=r"device.write: missing; mapping.dynamic_products: arrays needs"):
        xs.estimate(ATTENTION, without)
    turns = ARRAYS.override({"mapping.reload": "turns", "chip.tiles": 1, "chip.count": 1, "chip.cores_per_tile": 2})
    with pytest.raises(ConfigError, match=r"contradicts mapping\.reload: turns"):
        xs.estimate(ATTENTION, turns)
    with pytest.raises(
        ConfigError, match=r"mapping\.replicas: 2 for scores contradicts mapping.dynamic_products: arrays"
    ):
        xs.estimate(ATTENTION, ARRAYS, layers={"scores": {"mapping.replicas": 2}})
    with pytest.raises(ConfigError, match=r"layers.scores: mapping.dynamic_products cannot differ"):
        xs.estimate(ATTENTION, ARRAYS, layers={"scores": {"mapping.dynamic_products": "digital"}})
    with pytest.raises(ConfigError, match=r"dynamic_products: arrays: values .* scores, are not simulated"):
        xs.simulate(
            xs.load_network(str(Path(__file__).parents[1] / "cost" / "attention.yaml"), "random"), ARRAYS,
            np.zeros((2, 16, 64), np.float32),
        )  # fmt: skip
    with pytest.raises(ConfigError, match="layer kind 'array_matmul': not one of conv2d, linear"):
        xs.CostOracle(ARRAYS).layer("array_matmul", {}, {})
