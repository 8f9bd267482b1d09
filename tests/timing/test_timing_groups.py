"""What dense, serial and striped groups count, read by read, worked out by hand."""

import dataclasses

import pytest

import xbarsim as xs
from xbarsim.cost.price import price
from xbarsim.mapping import plan_network
from xbarsim.network import Network, make_conv2d
from xbarsim.timing import simulate_plan

WINDOWS, STREAMS, PAIR = 64, 8, 2
"""An 8 x 8 image, unsigned inputs of 8 bits sent one by one, two arrays of opposite polarity."""


def depthwise(**keys):
    """Return plan and activity of a depthwise 3 x 3 convolution of 32 channels, weights of four columns."""
    node = make_conv2d("conv", 32, 32, 3, padding=1, groups=32)
    network = Network(name="one", nodes=(make_conv2d("first", 3, 32, 1), _after(node)), input_shape=(3, 8, 8))
    plan = plan_network(network, xs.load_hardware("reference").override(keys))
    return plan, simulate_plan(plan)


def _after(node):
    return dataclasses.replace(node, inputs=("first",))


def counts_of(activity):
    step = next(step for step in activity.steps if step.name == "conv")
    return step.counts, step


@pytest.mark.parametrize(
    ("keys", "crossbars", "reads"),
    [
        ({}, 3, 3),  # 14 groups of 9 rows an array: 14, 14 and 4
        ({"mapping.groups": "serial"}, 3, 32),  # a read for each group
        ({"mapping.groups": "stripes", "mapping.group_array": {"rows": 36, "cols": 32}}, 8, 8),  # 4 groups an array
    ],
)
def test_reads_are_counted_as_by_hand(keys, crossbars, reads):
    plan, activity = depthwise(**keys)
    counts, _ = counts_of(activity)
    streams = plan.layer("conv").streams
    assert plan.layer("conv").crossbars == crossbars
    assert counts["array"] == WINDOWS * streams * reads * PAIR
    assert counts["dac"] == WINDOWS * streams * 32 * 9 * PAIR  # every row once, whichever read drives it
    assert counts["adc"] == WINDOWS * streams * 32 * 4  # every column once


def test_a_unit_column_is_converted_for_every_group():
    for groups, units in (("dense", 3), ("serial", 32)):
        plan, activity = depthwise(**{"mapping.groups": groups, "encoding": "offset"})
        layer = plan.layer("conv")
        counts, _ = counts_of(activity)
        assert counts["adc"] == WINDOWS * layer.streams * (32 * layer.columns_per_weight + units)


def test_serial_windows_take_a_pass_for_each_group_of_an_array():
    (dense, whole), (serial, apart) = depthwise(), depthwise(**{"mapping.groups": "serial"})
    assert (dense.layer("conv").rounds, serial.layer("conv").rounds) == (1, 14)
    busy = [counts_of(activity)[1].busy_cycles for activity in (whole, apart)]
    assert busy[1] == 14 * busy[0]


def test_serial_reads_cost_the_energy_of_driven_rows_and_the_same_area():
    ideal = {"crossbar.r_wl_ohm": 0, "crossbar.r_bl_ohm": 0}
    costs = [price(*depthwise(**ideal, **keys)) for keys in ({}, {"mapping.groups": "serial"})]
    assert costs[0].area_m2 == costs[1].area_m2
    parts = [next(part for part in cost.layers if part.name == "conv") for cost in costs]
    # every one of 288 rows is driven once in either case, and cells between the groups are off
    for name in ("array", "adc", "dac"):
        assert parts[0].energy_by_component[name] == pytest.approx(parts[1].energy_by_component[name])


def test_dense_layers_are_left_alone():
    for keys in (
        {"mapping.groups": "serial"},
        {"mapping": {"groups": "stripes", "group_array": {"rows": 9, "cols": 8}}},
    ):
        plan, _ = depthwise(**keys)
        first = plan.layer("first")
        assert first.hardware is plan.hardware
        assert (first.rounds, first.driven_share) == (1, 1.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mapping.groups": "stripes"}, r"group_array: missing with mapping.groups: stripes; give"),
        ({"mapping.group_array": {"rows": 9, "cols": 4}}, r"group_array: .* with mapping.groups: dense; leave it"),
        ({"mapping.groups": "alone"}, r"mapping.groups: .alone. is not allowed: should be .dense., .serial."),
    ],
)  # fmt: skip
def test_contradicting_placements_are_refused(keys, message):
    with pytest.raises(xs.ConfigError, match=message):
        xs.load_hardware("reference").override(keys)
