"""Attention for cost: static weights sit on arrays, products of activations run on the digital unit."""

from pathlib import Path

import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network import load_network
from xbarsim.timing import simulate_plan

NETWORK = load_network(str(Path(__file__).with_name("attention.yaml")))
TOKENS, WIDTH = 16, 64


def steps_of(**changes):
    activity = simulate_plan(plan_network(NETWORK, load_hardware("reference").override(changes)))
    return {step.name: step for step in activity.steps}


def test_static_weights_sit_on_arrays_and_their_operations_are_counted():
    layers = {layer.name: layer for layer in plan_network(NETWORK, load_hardware("reference")).layers}
    assert set(layers) == {"query", "key", "value", "out", "wide", "narrow"}
    assert all(layer.windows == TOKENS for layer in layers.values())
    assert sum(layer.macs for layer in layers.values()) == TOKENS * (4 * WIDTH * WIDTH + 2 * WIDTH * 4 * WIDTH)


def test_products_of_activations_run_on_the_vector_unit_with_all_their_operations():
    steps = steps_of()
    for name in ("scores", "mixed"):
        assert steps[name].layer is None
        assert "array" not in steps[name].counts
        assert steps[name].counts["vector"] == TOKENS * TOKENS * WIDTH


def test_a_product_waits_for_all_of_its_operands():
    steps = steps_of()
    assert steps["scores"].start_cycles >= max(steps["query"].finish_cycles, steps["key"].finish_cycles)
    assert steps["mixed"].start_cycles >= max(steps["scores"].finish_cycles, steps["value"].finish_cycles)


def test_a_single_head_takes_its_queries_row_by_row(tmp_path):
    path = tmp_path / "single.yaml"
    path.write_text(
        "input_shape: [16, 16]\nlayers:\n"
        "  - {name: key, kind: linear, features: 16, inputs: [input]}\n"
        "  - {name: turned, kind: transpose, order: [0, 2, 1]}\n"
        "  - {name: query, kind: linear, features: 16, inputs: [input]}\n"
        "  - {name: scores, kind: matmul, inputs: [query, turned]}\n"
    )
    activity = simulate_plan(plan_network(load_network(str(path)), load_hardware("reference")))
    steps = {step.name: step for step in activity.steps}
    assert steps["scores"].start_cycles >= steps["key"].finish_cycles
    edges = dict(activity.layout.steps[3].step.edges)
    assert edges[2].tolist() == list(range(16))
    assert edges[1].tolist() == [15] * 16


def test_the_block_has_a_price_on_which_the_vector_unit_shows():
    cost = xs.estimate(NETWORK, "reference").cost
    parts = {part.name: part for part in cost.layers}
    assert parts["scores"].energy_by_component["vector"] > 0
    assert sum(part.energy_joule for part in cost.layers) == pytest.approx(cost.energy_joule)
