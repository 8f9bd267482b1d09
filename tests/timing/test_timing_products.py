"""Products of activations read operands again as far as no store keeps them, and count as digital operations."""

import itertools
import math
from pathlib import Path

import pytest
from reference.pipeline_simpy import Pipeline, operands_of

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.network import load_network
from xbarsim.timing import simulate_plan
from xbarsim.timing.dataflow import trace_dataflow

ATTENTION = load_network(str(Path(__file__).parents[1] / "cost" / "attention.yaml"))
SINGLE = (
    "input_shape: [{rows}, {inner}]\nlayers:\n"
    "  - {{name: key, kind: linear, features: {inner}, inputs: [input]}}\n"
    "  - {{name: turned, kind: transpose, order: [0, 2, 1]}}\n"
    "  - {{name: query, kind: linear, features: {inner}, inputs: [input]}}\n"
    "  - {{name: scores, kind: matmul, inputs: [query, turned]}}\n"
)


def single(tmp_path, rows=12, inner=8):
    path = tmp_path / "single.yaml"
    path.write_text(SINGLE.format(rows=rows, inner=inner))
    return load_network(str(path))


def read_bits(network, name, **changes):
    """Return the bits that a step reads from its buffer: what its counts grow by beside what it writes and sends."""
    activity = simulate_plan(plan_network(network, load_hardware("reference").override(changes)))
    layout = next(each for each in activity.layout.steps if each.step.name == name)
    counted = next(step for step in activity.steps if step.name == name).counts["buffer"]
    return counted - layout.result_bits * layout.step.windows


def test_without_a_store_the_second_operand_is_read_for_every_row(tmp_path):
    bits = read_bits(single(tmp_path), "scores")
    assert bits == 8 * (12 * 8 + 12 * 8 * 12)


@pytest.mark.parametrize(("rows_kept", "passes"), [(0, 12), (1, 12), (2, 6), (5, 3), (11, 2), (12, 1), (100, 1)])
def test_a_store_of_some_rows_divides_the_passes(tmp_path, rows_kept, passes):
    bits = read_bits(single(tmp_path), "scores", **{"timing.operand_bits": rows_kept * 8 * 8})
    assert bits == 8 * 12 * math.ceil((12 * 8 + passes * 8 * 12) / 12)


def test_a_store_that_holds_the_second_operand_reads_everything_once(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "input_shape: [40, 8]\nlayers:\n"
        "  - {name: few, kind: linear, features: 3, inputs: [input]}\n"
        "  - {name: turned, kind: transpose, order: [0, 2, 1]}\n"
        "  - {name: product, kind: matmul, inputs: [turned, input]}\n"
    )
    network = load_network(str(path))
    step = next(step for step in trace_dataflow(network).steps if step.name == "product")
    assert (step.factors.rows, step.factors.inner, step.factors.cols) == (3, 40, 8)
    assert step.factors.count_reads(40 * 8) == 3 * 40 + 40 * 8
    assert step.factors.count_reads(40 * 8 - 1) == 3 * 40 + 40 * 8  # all three rows fit too
    assert step.factors.count_reads(2 * 40) == 3 * 40 + 2 * 40 * 8


def test_reads_of_stacks_equal_a_walk_through_all_blocks():
    for step in trace_dataflow(ATTENTION).steps:
        for store in (0, 64, 128, 1000, 1024, 2048, 10**6):
            assert step.count_operands(store, 8) == operands_of(step, store, 8)


def test_the_event_loop_and_the_simpy_machine_agree_on_products(tmp_path):
    for store in (0, 192, 10**6):
        hardware = load_hardware("reference").override({"timing.operand_bits": store, "timing.buffer_bits": 16})
        plan = plan_network(single(tmp_path), hardware)
        twin = Pipeline(plan).run()
        assert simulate_plan(plan).cycles == max(twin.finish.values())


def test_energy_of_the_buffer_and_delay_fall_as_the_store_grows():
    costs = [
        xs.estimate(ATTENTION, load_hardware("reference").override({"timing.operand_bits": store})).cost
        for store in (0, 256, 1024, 10**6)
    ]
    parts = [next(part for part in cost.components if part.component == "buffer").action_energy_joule for cost in costs]
    assert parts == sorted(parts, reverse=True)
    assert parts[0] > 1.2 * parts[-1]
    assert all(first.delay_s >= second.delay_s for first, second in itertools.pairwise(costs))


def test_operations_count_with_and_without_digital_units():
    report = xs.estimate(ATTENTION, "reference")
    cost, layers = report.cost, {layer.name: layer for layer in report.cost.layers}
    assert layers["scores"].operations == layers["mixed"].operations == 2 * 16 * 16 * 64
    assert layers["sum"].operations == 16 * 64
    assert layers["wide"].operations == 16 * 256  # its ReLU
    digital = sum(layer.operations for layer in cost.layers)
    assert digital > 4 * 16 * 16 * 64
    assert cost.tops == pytest.approx(2e-12 * sum(layer.macs for layer in cost.layers) * cost.throughput_hz)
    assert cost.tops_total - cost.tops == pytest.approx(1e-12 * digital * cost.throughput_hz)


def test_a_network_of_one_layer_has_no_digital_operations(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("input_shape: [64]\nlayers:\n  - {name: only, kind: linear, features: 16}\n")
    cost = xs.estimate(load_network(path), "reference").cost
    assert cost.tops_total == cost.tops > 0


def test_a_negative_store_is_refused():
    with pytest.raises(ConfigError, match=r"timing\.operand_bits"):
        load_hardware("reference").override({"timing.operand_bits": -1})
