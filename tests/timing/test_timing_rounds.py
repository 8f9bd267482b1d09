"""Epitomes on the machine: counts against a walk through every round, and what feature map reuse saves."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.count_rounds import count_rounds, share_rounds

from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network import Epitome, Network, load_network, make_conv2d
from xbarsim.timing import simulate_plan, write_trace
from xbarsim.timing.slots import place_layer

HARDWARE = load_hardware("reference")
WALKED = ("array", "dac", "adc", "sample_hold", "shift_add", "input_register", "output_register", "accumulate")
LAST = "layer4.2.conv2"


def plan_conv(fan_in, fan_out, epitome, settings_, size=(3, 4)):
    node = make_conv2d("conv", fan_in, fan_out, 3, padding=1)
    network = Network(name="conv", nodes=(node,), input_shape=(fan_in, *size)).with_epitomes({"conv": epitome})
    return plan_network(network, HARDWARE.override(settings_))


def count_step(plan, name):
    return next(step for step in simulate_plan(plan).steps if step.name == name)


plans = st.builds(
    lambda depth, channels, side, patch, **keys: (
        Epitome(depth * side**2, channels, side, side, (min(patch, channels), min(patch, depth))),
        {key.replace("__", "."): value for key, value in keys.items()},
    ),
    depth=st.integers(1, 5), channels=st.integers(1, 7), side=st.integers(3, 4), patch=st.integers(1, 7),
    crossbar__rows=st.integers(4, 40), crossbar__cols=st.integers(4, 30),
    encoding=st.sampled_from(["differential", "offset", "twos_complement"]),
    adc__subtract=st.sampled_from(["analog", "digital"]), mapping__slices=st.sampled_from(["adjacent", "separate"]),
    epitome__output_wrapping=st.booleans(), chip__cores_per_tile=st.integers(1, 3), chip__arrays_per_core=st.just(1),
)  # fmt: skip


@settings(max_examples=40)
@given(fan_in=st.integers(1, 9), fan_out=st.integers(1, 9), case=plans)
def test_counts_equal_a_walk_through_every_round(fan_in, fan_out, case):
    plan = plan_conv(fan_in, fan_out, *case)
    counts = count_step(plan, "conv").counts
    walked = count_rounds(plan.layers[0])
    assert {a: counts[a] for a in WALKED if a in counts} == {a: 12 * count for a, count in walked.items()}


@settings(max_examples=40)
@given(fan_in=st.integers(1, 9), fan_out=st.integers(1, 9), case=plans)
def test_shares_of_tiles_equal_a_walk_through_every_array(fan_in, fan_out, case):
    plan = plan_conv(fan_in, fan_out, *case)
    found = place_layer(plan, plan.layers[0], range(plan.tiles))
    shares = dict(zip(found.tiles, zip(found.rows, found.outputs, strict=True), strict=True))
    assert shares == share_rounds(plan, plan.layers[0], 0)


@pytest.fixture(scope="module")
def reuse():
    """Activity of ResNet-50's last 3 x 3 convolution without and with feature map reuse."""
    compact = load_network("resnet50").with_epitomes({"layer[34].*": Epitome()})
    node = compact.node(LAST)
    alone = Network(name="last", nodes=(type(node)(**{**vars(node), "inputs": ("input",)}),), input_shape=(512, 7, 7))
    epim = load_hardware("epim")
    return [
        simulate_plan(plan_network(alone, epim, layers={LAST: {"epitome.output_wrapping": wraps}}))
        for wraps in (False, True)
    ]


def test_reuse_halves_activations_conversions_and_input_reads(reuse):
    without, with_reuse = (activity.steps[1] for activity in reuse)
    assert (without.layer.rounds, with_reuse.layer.rounds) == (10, 5)
    for action in ("array", "dac", "adc", "sample_hold", "shift_add", "input_register", "output_register"):
        assert without.counts[action] == 2 * with_reuse.counts[action]
    assert without.counts["tile_register"] == with_reuse.counts["tile_register"], "output writes stay"
    assert without.busy_cycles == 2 * with_reuse.busy_cycles


def test_reuse_halves_what_is_fetched_from_the_buffer(reuse):
    rows = [activity.layout.sites.rows for activity in reuse]
    firsts = [activity.layout.sites.first_slot[activity.machine.first_replica[1] :] for activity in reuse]
    fetched = [int(each[first[0] : first[1]].sum()) for each, first in zip(rows, firsts, strict=True)]
    assert fetched[0] == 2 * fetched[1] > 0


def test_the_trace_shows_five_rounds_in_place_of_ten(reuse, tmp_path):
    for activity, rounds in zip(reuse, (10, 5), strict=True):
        events = json.loads(write_trace(activity, tmp_path / "trace.json").read_text())["traceEvents"]
        slices = [event for event in events if event["ph"] == "X"]
        windows = [event for event in slices if event["args"].get("rounds")]
        assert {event["args"]["rounds"] for event in windows} == {rounds}
        assert sum(event["cat"] == "round" for event in slices) == 49 * rounds == len(windows) * rounds


def test_windows_take_as_many_passes_as_rounds(reuse):
    for activity in reuse:
        layer, machine = activity.steps[1].layer, activity.machine
        period = layer.hardware.read_cycles
        begins = activity.start[machine.first_window[1] : machine.first_window[2]]
        assert min(begins[1:] - begins[:-1]) >= layer.rounds * layer.streams * period


def test_reuse_saves_the_share_of_outputs_that_are_copies():
    plain = {"epitome.output_wrapping": False}
    counts = [count_step(plan_conv(4, 12, Epitome(36, 8), keys), "conv").counts for keys in (plain, {})]
    assert counts[0]["adc"] / counts[1]["adc"] == 12 / 8, "the second patch is cut"


def test_sums_of_inputs_are_counted_and_save_rounds():
    keys = {"epitome.input_wrapping": True}
    apart, together = (count_step(plan_conv(8, 4, Epitome(18, 4), each), "conv") for each in ({}, keys))
    assert (apart.layer.rounds, together.layer.rounds) == (4, 1)
    assert together.counts["vector"] == 12 * 3 * 2 * 9
    assert together.layer.streams == apart.layer.streams + 2
    assert "accumulate" in apart.counts
    assert "accumulate" not in together.counts


def test_look_ups_are_counted_in_bits():
    step = count_step(plan_conv(5, 4, Epitome(18, 4), {}), "conv")
    lookups = step.layer.epitome.lookup_bits
    assert step.counts["index_table"] == 12 * sum(lookups.values())
    assert lookups["ifrt"] == 2 * 18 * 5, "two patterns a window, 18 word lines, 18 features and none"
