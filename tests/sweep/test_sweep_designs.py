"""Which points a sweep file makes, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbarsim.errors import ConfigError
from xbarsim.sweep.axis import Span, is_whole, parse_axes
from xbarsim.sweep.design import SweepDesign, combine_axes
from xbarsim.sweep.file import load_sweep, make_sweep
from xbarsim.sweep.plan import plan_sweep, split_settings


def settings_of(axes, design="grid", **more):
    sweep = make_sweep({"network": "digits", "axes": axes, "design": {"kind": design, **more}})
    return combine_axes(sweep.parsed_axes, sweep.design)


def levels_of(axis):
    return [row["x.y"] for row in settings_of({"x.y": axis})]


def test_the_file_of_the_contract_makes_its_points(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "network: lenet5\nhardware: isaac\ntrials: 3\nmetrics: [cost.edap]\n"
        "axes: {adc.bits: [4, 5, 6], crossbar.rows: [64, 128], crossbar.cols: same as crossbar.rows}\n"
    )
    plan = plan_sweep(load_sweep(file))
    assert len(plan.points) == 6
    assert plan.points[0].settings == {"adc.bits": 4, "crossbar.rows": 64, "crossbar.cols": 64}
    assert plan.points[-1].settings == {"adc.bits": 6, "crossbar.rows": 128, "crossbar.cols": 128}
    assert plan.axes == (("adc.bits",), ("crossbar.rows", "crossbar.cols"))


def test_a_grid_takes_the_last_axis_fastest():
    assert settings_of({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ({"from": 0, "to": 0.2, "step": 0.05}, [0, 0.05, 0.1, 0.15, 0.2]),
        ({"from": 0, "to": 1, "count": 5}, [0, 0.25, 0.5, 0.75, 1]),
        ({"from": 1e-6, "to": 1e-4, "count": 3, "scale": "log"}, [1e-6, 1e-5, 1e-4]),
        ({"from": 32, "to": 200, "factor": 2}, [32, 64, 128]),
        ({"from": 2, "to": 2, "count": 1}, [2]),
    ],
)
def test_ranges_hold_both_ends_without_rounding_dust(axis, values):
    assert levels_of(axis) == values


def test_ranges_of_whole_keys_hold_whole_numbers():
    rows = settings_of({"adc.bits": {"from": 4, "to": 8}})
    assert [row["adc.bits"] for row in rows] == [4, 5, 6, 7, 8]
    rows = settings_of({"crossbar.rows": {"from": 32, "to": 512, "count": 5, "scale": "log"}})
    assert [row["crossbar.rows"] for row in rows] == [32, 64, 128, 256, 512]
    assert is_whole("conv*:adc.bits")
    assert not is_whole("device.programming.sigma")
    assert is_whole("chip.tiles")
    assert not is_whole("components.adc.power_watt")


def test_keys_that_move_together_and_keys_that_follow():
    rows = settings_of({"a, b": [[1, 2], [3, 4]], "c": "same as b", "d": "same as c"})
    assert rows == [{"a": 1, "b": 2, "c": 2, "d": 2}, {"a": 3, "b": 4, "c": 4, "d": 4}]


@given(points=st.integers(1, 60), seed=st.integers(0, 100))
def test_a_latin_hypercube_uses_every_stratum_of_every_axis_once(points, seed):
    axes = parse_axes({"x.y": {"from": 0, "to": 1.0}, "x.z": {"from": 1, "to": 100.0, "scale": "log"}}, is_grid=False)
    rows = combine_axes(axes, SweepDesign(kind="latin_hypercube", points=points, seed=seed))
    first = np.sort([row["x.y"] for row in rows])
    second = np.sort([np.log10(row["x.z"]) / 2 for row in rows])
    for values in (first, second):
        assert np.all(np.floor(np.clip(values, 0, 1 - 1e-12) * points + 1e-9) == np.arange(points))


def test_another_axis_leaves_random_values_as_they_were():
    one = settings_of({"x.y": {"from": 0, "to": 1.0}}, "random", points=20, seed=3)
    two = settings_of({"x.z": {"from": 0, "to": 1.0}, "x.y": {"from": 0, "to": 1.0}}, "random", points=20, seed=3)
    assert [row["x.y"] for row in one] == [row["x.y"] for row in two]
    assert [row["x.y"] for row in one] != [row["x.z"] for row in two]


def test_combinations_drawn_twice_stand_once():
    rows = settings_of({"a": [1, 2]}, "random", points=50)
    assert sorted(row["a"] for row in rows) == [1, 2]


def test_layers_have_axes_of_their_own():
    assert split_settings({"conv*:adc.bits": 5, "adc.bits": 6}) == ({"adc.bits": 6}, {"conv*": {"adc.bits": 5}})
    plan = plan_sweep(make_sweep({"network": "digits", "axes": {"conv*:adc.bits": [4, 5]}}))
    assert len(plan.points) == 2


def test_keys_of_points_depend_on_contents_alone():
    base = {"network": "digits", "axes": {"adc.bits": [4, 5]}}
    keys = [point.key for point in plan_sweep(make_sweep(base)).points]
    more = [point.key for point in plan_sweep(make_sweep({**base, "axes": {"adc.bits": [3, 4, 5]}})).points]
    assert more[1:] == keys
    other = [point.key for point in plan_sweep(make_sweep({**base, "seed": 1})).points]
    assert not set(other) & set(keys)
    assert len({*keys, *(point.key for point in plan_sweep(make_sweep({**base, "hardware": "isaac"})).points)}) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"axes": {"adc.bitz": [1]}}, "axes.adc.bitz: adc.bitz: unknown key; did you mean bits?"),
        ({"axes": {"adc.bits": [5, 0]}}, "axes.adc.bits: adc.bits: 0 is not allowed"),
        ({"axes": {"convv*:adc.bits": [5]}}, "axes.convv*:adc.bits: 'convv*': no layer of network digits has this"),
        ({"axes": {"a": []}}, "axes.a: has no values"),
        ({"axes": {"a": [1, 1]}}, "axes.a: 1 given twice"),
        ({"axes": {"a": 3}}, "axes.a: 3 is not allowed: should be a list"),
        ({"axes": {"a": "same as b"}}, "axes.a: 'b' is not an axis"),
        ({"axes": {"a": "same as b", "b": "same as a"}}, "axes.a: refers to itself (a -> b -> a)"),
        ({"axes": {"a, b": [[1, 2], [3]]}}, "axes.a, b: [3] is not a list of 2 values"),
        ({"axes": {"x.y": {"from": 0.1, "to": 2}}}, "axes.x.y: a range in a grid needs count, step or factor"),
        ({"axes": {"x.y": {"from": 2, "to": 1, "count": 2}}}, "axes.x.y.to: 1 is below from: 2"),
        ({"axes": {"x.y": {"from": 0, "to": 1, "count": 2, "scale": "log"}}}, "axes.x.y.from: 0 is not above 0"),
        ({"axes": {"x.y": {"from": 0, "to": 1, "cuont": 2}}}, "axes.x.y.cuont: unknown key; did you mean count?"),
        ({"axes": {"x.y": {"from": 0, "to": 1, "count": 2, "step": 1}}}, "count, step and factor: give one of them"),
        ({"axes": {"x.y": {"from": 0, "to": 1, "count": 1}}}, "count: 1 value cannot be both ends; give at least 2"),
        ({"axes": {"x.y": {"from": 1, "to": 1, "count": 3}}}, "axes.x.y: 1 given twice"),
        ({"axes": {"x.y": [1, 1.0]}}, "axes.x.y: 1.0 given twice"),
        ({"axes": {"adc.bits": [4]}, "set": {"adc.bits": 4}}, "axes.adc.bits: is also given under set"),
        ({"axes": {f"k{i}.x": list(range(100)) for i in range(4)}}, "axes of the grid: 100,000,000 points"),
        ({"design": "random"}, "design.points: missing"),
        ({"design": {"points": 3}}, "design.points: not for a grid"),
        ({"design": "latin"}, "design.kind: 'latin' is not allowed"),
        ({"metrics": ["cost.edp"]}, "metrics: 'cost.edp' is unknown; did you mean cost.edap?"),
        ({"metrics": ["accuracy.hardware"]}, "metrics: accuracy.hardware needs images"),
        ({"network": ["digits", "digits"]}, "network: a name is given twice"),
        ({"network": []}, "network: is empty; name at least one (sweep.yaml)"),
        ({"network": "nothing"}, "nothing"),
        ({"hardware": "refrence"}, "hardware 'refrence': not a .yaml file and not a shipped name; did you mean ref"),
        ({"trails": 3}, "trails: unknown key; did you mean trials?"),
        ({"trials": 0}, "trials: 0 is not allowed"),
        ({"network": "lenet5", "data": "digits"}, "network lenet5: has shapes but no weights"),
        ({"data": "digits", "network": "resnet20", "weights": "random"}, "data: images of 1 x 8 x 8 do not fit"),
        ({"set": {"adc.bit": 3}}, "adc.bit: unknown key; did you mean bits?"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line_that_says_where(content, message):
    with pytest.raises(ConfigError) as caught:
        plan_sweep(make_sweep({"network": "digits", **content}, "sweep.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_breaks_a_rule_alone_may_keep_it_with_another():
    # 1e-7 S is below the off conductance of the file, but not of the axis that goes with it
    axes = {"device.g_on_siemens, device.g_off_siemens": [[1e-7, 1e-8], [1e-5, 1e-6]]}
    assert len(plan_sweep(make_sweep({"network": "digits", "axes": axes})).points) == 2
    with pytest.raises(ConfigError, match=r"axes.device.g_on_siemens: device.g_off_siemens: .* is not below"):
        plan_sweep(make_sweep({"network": "digits", "axes": {"device.g_on_siemens": [1e-7, 1e-5]}}))


def test_paths_are_relative_to_the_sweep_file(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("base: reference\nadc: {bits: 5}\n")
    (tmp_path / "sweep.yaml").write_text("network: digits\nhardware: mine.yaml\n")
    monkeypatch.chdir("/")
    plan = plan_sweep(load_sweep(tmp_path / "sweep.yaml"))
    assert next(iter(plan.workload.hardware.values())).adc.bits == 5


def test_a_range_speaks_of_both_its_ends():
    assert Span(**{"from": 0.1, "to": 0.3, "step": 0.1}).values() == pytest.approx([0.1, 0.2, 0.3])
