"""The Perfetto trace says what happened, and stays small."""

import itertools
import json

from reference.residual_networks import resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.timing import simulate_plan, write_trace


def load_trace(path, **changes):
    hardware = load_hardware("reference").override(changes)
    activity = simulate_plan(plan_network(resnet_cifar(1, size=8), hardware))
    return activity, json.loads(write_trace(activity, path).read_text())["traceEvents"]


def test_every_window_is_a_slice_and_slices_of_one_track_do_not_overlap(tmp_path):
    activity, events = load_trace(tmp_path / "trace.json")
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == sum(step.windows for step in activity.steps)
    tracks = {}
    for event in slices:
        tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in tracks.values():
        spans.sort()
        assert all(end <= begin + 1e-9 for (_, end), (begin, _) in itertools.pairwise(spans))
    last = max(event["ts"] + event["dur"] for event in slices)
    assert last <= activity.delay_s * 1e6 + 1e-9


def test_replicas_without_a_window_leave_no_slice(tmp_path):
    activity, events = load_trace(tmp_path / "trace.json", **{"mapping.replicas": 3})
    assert any(len(each.homes) > each.step.classes for each in activity.layout.steps)
    assert sum(event["ph"] == "X" for event in events) == sum(step.windows for step in activity.steps)


def test_tracks_carry_the_names_of_layers_and_tiles(tmp_path):
    activity, events = load_trace(tmp_path / "trace.json")
    names = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert {step.name for step in activity.steps} <= names
    assert "tile 0" in names


def test_buffers_never_hold_less_than_nothing_and_end_empty(tmp_path):
    activity, events = load_trace(tmp_path / "trace.json")
    last = {}
    for event in (event for event in events if event["ph"] == "C"):
        assert event["args"]["bits"] >= 0
        last[event["name"]] = event["args"]["bits"]
    assert len(last) == sum(len(each.edges) for each in activity.layout.steps)
    assert set(last.values()) == {0}


def test_long_runs_of_windows_are_joined(tmp_path):
    hardware = load_hardware("reference")
    activity = simulate_plan(plan_network(resnet_cifar(1), hardware))
    path = write_trace(activity, tmp_path / "trace.json", most_slices=50)
    slices = [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]
    assert len(slices) <= 50 * len(activity.steps)
    assert any(event["name"].startswith("windows 0 to ") for event in slices)
