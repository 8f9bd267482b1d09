"""Windows of a row that wait for the same run as one event: the same cycles and counts, in time that grows linearly."""

import functools
import resource
import time

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network.build import NetworkBuilder
from xbarsim.timing import layout, simulate_plan
from xbarsim.timing.dataflow import trace_dataflow

EVENTS = functools.partial(trace_dataflow, by_class=False)


def transformer(tokens, blocks=1, width=64, heads=4):
    """Return encoder blocks with normalisation, attention and two linear layers."""
    builder, size = NetworkBuilder(f"transformer{tokens}", (tokens, width)), width // heads
    at = "input"
    for _ in range(blocks):
        normal = builder.add("layer_norm", inputs=[at])
        sides = []
        for order in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)):
            builder.add("linear", inputs=[normal], settings={"features": width})
            builder.add("reshape", settings={"shape": [tokens, heads, size]})
            sides.append(builder.add("transpose", settings={"order": list(order)}))
        builder.add("matmul", inputs=sides[:2])
        weights = builder.add("softmax", settings={"axis": 3})
        builder.add("matmul", inputs=[weights, sides[2]])
        builder.add("transpose", settings={"order": [0, 2, 1, 3]})
        builder.add("reshape", settings={"shape": [tokens, width]})
        out = builder.add("linear", settings={"features": width})
        middle = builder.add("add", inputs=[out, at])
        builder.add("layer_norm")
        builder.add("linear", settings={"features": 4 * width})
        builder.add("relu")
        narrow = builder.add("linear", settings={"features": width})
        at = builder.add("add", inputs=[narrow, middle])
    return builder.build()


def simulate_both(monkeypatch, make, hardware):
    """Return the activities of the network, on one tile each, with classes and with every window as an event."""
    monkeypatch.setattr(layout, "share_tiles", lambda *_: {})
    by_class = simulate_plan(plan_network(make(), hardware))
    monkeypatch.setattr(layout, "trace_dataflow", EVENTS)
    by_window = simulate_plan(plan_network(make(), hardware))
    assert by_class.machine.total_windows < by_window.machine.total_windows
    return by_class, by_window


@pytest.mark.parametrize(
    ("tokens", "changes"),
    [
        (64, {}),
        (128, {}),
        (64, {"timing.pipelined": False}),
        (64, {"timing.link_bits": 2, "timing.vector_lanes": 4096}),
        (64, {"timing.buffer_bits": 8, "timing.vector_lanes": 4096}),
    ],
)
def test_classes_take_the_cycles_of_their_windows(monkeypatch, tokens, changes):
    hardware = load_hardware("reference").override({"chip.cores_per_tile": 1, **changes})
    by_class, by_window = simulate_both(monkeypatch, lambda: transformer(tokens), hardware)
    assert by_class.totals == by_window.totals
    np.testing.assert_array_equal(by_class.busy, by_window.busy)
    assert (by_class.interval_cycles, by_class.bottleneck) == (by_window.interval_cycles, by_window.bottleneck)
    assert by_class.cycles == by_window.cycles
    for ours, theirs in zip(by_class.steps, by_window.steps, strict=True):
        assert (ours.windows, ours.busy_cycles) == (theirs.windows, theirs.busy_cycles)
        assert ours.finish_cycles == theirs.finish_cycles


def test_a_row_of_softmax_needs_its_row_of_products():
    steps = {step.name: step for step in trace_dataflow(transformer(16)).steps}
    (softmax,) = (step for step in steps.values() if step.kind == "softmax")
    assert (softmax.windows, softmax.group, softmax.classes) == (256, 16, 16)
    ((_, need),) = softmax.edges
    assert need.tolist() == list(range(16))
    (softmax,) = (step for step in EVENTS(transformer(16)).steps if step.kind == "softmax")
    ((_, need),) = softmax.edges
    assert need.tolist() == [16 * (window // 16) + 15 for window in range(256)]


def test_rows_stay_classes_where_stacks_are_added_and_scaled():
    builder = NetworkBuilder("biased", (12, 8))
    left = builder.add("reshape", settings={"shape": [2, 6, 8]})
    other = builder.add("transpose", settings={"order": [0, 1, 3, 2]}, inputs=[left])
    first = builder.add("matmul", inputs=[left, other])
    second = builder.add("matmul", inputs=[left, other])
    builder.add("relu", inputs=[first])
    builder.add("add", inputs=[builder.last, second])
    builder.add("softmax", settings={"axis": 3})
    steps = trace_dataflow(builder.build()).steps
    assert [step.group for step in steps if step.kind in ("matmul", "add", "softmax")] == [6] * 4
    assert steps[-1].group == 6
    for step in steps[3:]:
        assert all(need.tolist() == list(range(6)) for _, need in step.edges)


def test_images_keep_their_windows():
    assert all(step.group == 1 for step in trace_dataflow(xs.load_network("resnet20")).steps)


def test_limited_streams_hold_whole_rows(monkeypatch):
    hardware = load_hardware("reference").override({"timing.stream_bits": 64 * 64 * 4 * 8 * 4})
    by_class, by_window = simulate_both(monkeypatch, lambda: transformer(64), hardware)
    assert by_class.cycles == pytest.approx(by_window.cycles, rel=1e-3)


@pytest.mark.slow
def test_a_transformer_of_4096_tokens_is_quick_and_small():
    hardware = load_hardware("reference")
    xs.estimate(transformer(16, 12, 768, 12), hardware)
    network = transformer(4096, 12, 768, 12)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    xs.estimate(network, hardware)
    assert time.thread_time() - begin < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600e3
