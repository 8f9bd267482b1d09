"""Searches: what they find, that they resume, what they write and refuse."""

import csv
import json
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

import xbarsim as xs
import xbarsim.cli
from xbarsim.errors import ConfigError
from xbarsim.search import (
    CostOracle,
    EvolutionSampler,
    OptunaSampler,
    RandomSampler,
    make_search,
    make_space,
    run_search,
)
from xbarsim.search.pareto import crowd_points, find_front, rank_points
from xbarsim.search.run import name_search

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="the extra search is not installed")

ARRAYS = {"network": "resnet20", "hardware": "nax", "space": {"*": {"array": [16, 32, 64, 128]}}, "points": 40}


def test_only_searches_with_outputs_or_training_are_named_by_the_target(monkeypatch):
    network, oracle = {"network": "digits", "hardware": "nax", "space": ARRAYS["space"]}, CostOracle("nax", cache=None)
    trained = {"method": "differentiable", "train": "digits", "data": "digits", "objectives": {"cost.edap": "min"}}
    searches = [make_search({**network, **more}) for more in ({}, {"data": "digits"}, trained)]
    spaces = [make_space(each.space, xs.load_network("digits"), oracle.hardware) for each in searches]
    here = [name_search(search, space, oracle) for search, space in zip(searches, spaces, strict=True)]
    monkeypatch.setattr("xbarsim.search.run.describe_target", lambda: "elsewhere")
    there = [name_search(search, space, oracle) for search, space in zip(searches, spaces, strict=True)]
    assert [one == other for one, other in zip(here, there, strict=True)] == [True, False, False]


def naive_front(values, violations):
    """Compare every point with every other one."""
    front = []
    for i, mine in enumerate(values):
        beaten = any(
            (other <= mine).all() and (other < mine).any() and not violations[j] for j, other in enumerate(values)
        )
        if not violations[i] and not beaten:
            front.append(i)
    return front


def test_the_front_is_what_comparing_all_pairs_gives():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.random((40, 2))
        violations = np.where(rng.random(40) < 0.3, rng.random(40), 0.0)
        assert sorted(find_front(values, violations)) == naive_front(values, violations)


def test_ranks_peel_fronts_and_put_broken_points_last():
    values = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [2.0, 2.0], [-1.0, -1.0], [np.inf, np.inf]])
    violations = np.array([0.0, 0.0, 0.0, 0.0, 0.5, np.inf])
    assert rank_points(values, violations).tolist() == [0, 0, 0, 1, 2, 3]
    assert np.isinf(crowd_points(values[:3], np.zeros(3, int))[[0, 2]]).all()


@pytest.fixture(scope="module")
def problem():
    """A space whose best point is known, and a function that grows with the distance to it."""
    content = {"*": {"array": [16, 32, 64, 128], "adc.bits": [4, 5, 6, 7, 8]}}
    space = make_space(content, xs.load_network("lenet5"), xs.load_hardware("reference"))
    best = tuple(7 for _ in space.slots)

    def measure(point):
        return float(sum(abs(a - b) for a, b in zip(point, best)))

    return space, best, measure


def run_sampler(sampler, measure, count):
    """Return the points asked for, in order."""
    points = []
    for _ in range(count):
        point = sampler.ask()
        if point is None:
            break
        points.append(point)
        sampler.tell(point, (measure(point),), 0.0)
    return points


def test_evolution_comes_closer_than_chance(problem):
    space, _, measure = problem
    found = [
        [min(map(measure, run_sampler(kind(space, seed=seed), measure, 300))) for seed in range(5)]
        for kind in (EvolutionSampler, RandomSampler)
    ]
    assert np.mean(found[0]) < 0.5 * np.mean(found[1])


@pytest.mark.parametrize("kind", [RandomSampler, EvolutionSampler, pytest.param(OptunaSampler, marks=needs_optuna)])
def test_a_sampler_repeats_itself_and_never_asks_twice(problem, kind):
    space, best, measure = problem
    one, other = (run_sampler(kind(space, seed=3, first=[best]), measure, 40) for _ in range(2))
    assert one == other
    assert len(set(one)) == 40
    assert one[0] == best


@pytest.mark.parametrize("kind", [RandomSampler, EvolutionSampler, pytest.param(OptunaSampler, marks=needs_optuna)])
def test_a_small_space_is_searched_whole_and_no_further(kind):
    content = {"layer1.*": {"zero": True, "tied": True}, "fc": {"array": [16, 32]}, "conv1": {"array": [16, 32, 64]}}
    space = make_space(content, xs.load_network("resnet20"), xs.load_hardware("nax"))
    points = run_sampler(kind(space), lambda point: float(sum(point)), 100)
    assert sorted(points) == list(space)


@needs_optuna
def test_optuna_keeps_constraints_storage_and_several_objectives(problem, tmp_path):
    import optuna

    space, _, measure = problem
    storage = f"sqlite:///{tmp_path}/study.db"
    for _ in range(2):  # told again from the start, as after a kill
        sampler = OptunaSampler(space, objectives=2, sampler="nsgaii", storage=storage, study="mine")
        for number in range(6):
            point = sampler.ask()
            failed = number == 3
            sampler.tell(point, (np.inf,) * 2 if failed else (measure(point), 1.0), np.inf if failed else 0.5)
    trials = optuna.load_study(study_name="mine", storage=storage).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 2


def test_mixed_arrays_beat_every_single_size(tmp_path):
    search = make_search({**ARRAYS, "points": 150, "evolution": {"population": 8}})
    result = run_search(search, tmp_path, cache=None)
    uniform = {entry.label: entry.metrics["cost.edap"] for entry in result.entries if entry.label}
    assert set(uniform) == {"array 16", "array 32", "array 64", "array 128"}
    assert result.entries[result.chosen].metrics["cost.edap"] < min(uniform.values())


def test_the_chosen_design_costs_what_estimate_says(tmp_path):
    result = run_search(make_search({**ARRAYS, "points": 8}), tmp_path, cache=None)
    chosen = json.loads((tmp_path / "architecture.json").read_text())
    layers = {row["layer"]: {"crossbar.rows": row["array"], "crossbar.cols": row["array"]} for row in chosen["layers"]}
    assert xs.estimate("resnet20", "nax", layers).edap == chosen["metrics"]["cost.edap"]
    assert chosen["number"] == result.chosen


def test_files_tell_points_front_and_architecture(tmp_path):
    content = {**ARRAYS, "points": 12, "objectives": {"cost.energy_joule": "min", "cost.area_m2": "min"}}
    result = run_search(make_search(content), tmp_path, cache=None)
    with open(tmp_path / "points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert sum(row["on_front"] == "True" for row in rows) == len(result.front)
    front = json.loads((tmp_path / "front.json").read_text())
    assert [point["number"] for point in front["front"]] == list(result.front)
    energy = [point["metrics"]["cost.energy_joule"] for point in front["front"]]
    assert energy == sorted(energy)
    for name in ("front.png", "front.svg", "architecture.png", "architecture.svg"):
        assert (tmp_path / name).stat().st_size > 1000
    with open(tmp_path / "architecture.csv", newline="") as file:
        assert [row["layer"] for row in csv.DictReader(file)] == [n.name for n in xs.load_network("resnet20").layers]


def count_questions(monkeypatch):
    """Count what the oracle is asked."""
    asked = []
    real = CostOracle.cost
    monkeypatch.setattr(CostOracle, "cost", lambda self, *a, **k: asked.append(1) or real(self, *a, **k))
    return asked


@pytest.mark.parametrize("method", ["random", "evolution", pytest.param("optuna", marks=needs_optuna)])
def test_a_search_that_was_cut_off_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch, method):
    search = make_search({**ARRAYS, "method": method, "points": 16, "evolution": {"population": 6}})
    whole = run_search(search, tmp_path / "whole", cache=None)
    lines = (tmp_path / "whole" / "points.log").read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "search.json").write_bytes((tmp_path / "whole" / "search.json").read_bytes())
    (cut / "points.log").write_bytes(b"".join(lines[:9]) + lines[9][:40])
    asked = count_questions(monkeypatch)
    again = run_search(search, cut, cache=None)
    assert len(asked) == 16 - 9
    assert again.entries == whole.entries
    assert (cut / "points.csv").read_bytes() == (tmp_path / "whole" / "points.csv").read_bytes()


def test_more_points_extend_an_earlier_search(tmp_path, monkeypatch):
    run_search(make_search({**ARRAYS, "points": 6}), tmp_path, cache=None)
    asked = count_questions(monkeypatch)
    assert len(run_search(make_search({**ARRAYS, "points": 9}), tmp_path, cache=None).entries) == 9
    assert len(asked) == 3


def test_a_killed_search_is_resumed_by_the_same_command(tmp_path):
    file = tmp_path / "search.yaml"
    file.write_text(
        "network: resnet20\nhardware: nax\nmethod: random\npoints: 4000\nspace:\n  '*': {array: [16, 32, 64, 128]}\n"
    )
    code = "import sys, xbarsim.cli; sys.exit(xbarsim.cli.run(sys.argv[1:]))"
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, "search", "nax", str(file), "--out", str(out), "--cache", "none"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    points = out / "points.log"
    limit = time.monotonic() + 60
    while not (points.exists() and points.read_bytes().count(b"\n") >= 5):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = points.read_bytes().count(b"\n")
    file.write_text(file.read_text().replace("4000", str(done + 2)))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert points.read_bytes().count(b"\n") == done + 2


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    from xbarsim.search.store import SearchStore

    with SearchStore(tmp_path, "name", {}), pytest.raises(ConfigError, match="is writing here"):
        SearchStore(tmp_path, "name", {})


def test_a_folder_of_another_search_is_refused(tmp_path):
    run_search(make_search({**ARRAYS, "points": 3}), tmp_path, cache=None)
    with pytest.raises(ConfigError, match="another search"):
        run_search(make_search({**ARRAYS, "points": 3, "seed": 1}), tmp_path, cache=None)


def test_a_constraint_that_nothing_meets_names_the_nearest_value(tmp_path):
    search = make_search({**ARRAYS, "points": 6, "constraints": {"cost.crossbars": {"max": 3}}})
    with pytest.raises(
        ConfigError, match=r"constraints.cost.crossbars.max: 3 is met by no design; the smallest value is \d+"
    ):
        run_search(search, tmp_path, cache=None)
    assert (tmp_path / "points.csv").exists()


def test_constraints_bend_the_search(tmp_path):
    free = run_search(make_search({**ARRAYS, "points": 30}), tmp_path / "free", cache=None)
    limit = 1.5 * free.entries[free.chosen].metrics["cost.crossbars"]
    bound = make_search({**ARRAYS, "points": 30, "constraints": {"cost.crossbars": {"min": limit}}})
    result = run_search(bound, tmp_path / "bound", cache=None)
    assert result.entries[result.chosen].metrics["cost.crossbars"] >= limit


def test_points_that_do_not_fit_are_answers_too(tmp_path):
    content = {**ARRAYS, "points": 5, "set": {"chip.tiles": 4, "chip.count": 1}}
    result = run_search(make_search(content), tmp_path, cache=None)
    assert any(entry.error for entry in result.entries)
    assert result.entries[result.chosen].metrics is not None
    with pytest.raises(ConfigError, match=r"none of 5 points could be evaluated: .*do not fit"):
        run_search(make_search({**content, "set": {"chip.tiles": 1, "chip.count": 1}}), tmp_path / "none", cache=None)


def test_accuracy_and_edap_are_traded_on_the_digits(tmp_path):
    content = {
        "network": "digits", "hardware": "reference", "data": "digits", "images": 64, "points": 10,
        "space": {"*": {"adc.bits": [2, 4, 8]}, "conv*": {"device.cell_bits": [1, 2]}},
    }  # fmt: skip
    result = run_search(make_search(content), tmp_path, cache=None)
    accuracy = [entry.metrics["accuracy.hardware"] for entry in result.entries]
    assert max(accuracy) > 0.95
    assert min(accuracy) < max(accuracy)
    assert result.entries[result.chosen].metrics["accuracy.hardware"] >= max(accuracy) - 0.01


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"metod": "random"}, "metod"),
        ({"method": "annealing"}, "method"),
        ({"points": 0}, "points"),
        ({"space": {}}, "space: empty"),
        ({"space": None}, "space"),
        ({"network": "resnet2"}, "resnet2"),
        ({"hardware": "nix"}, "nix"),
        ({"space": {"*": {"array": [32, 64], "crossbar.rows": [16, 32]}}}, "array and crossbar.rows both set"),
        ({"space": {"*": {"zero": [True, False]}}}, r"zero: \[True, False\] is not true or false; .* not a list"),
        ({"objectives": {"cost.edp": "min"}}, "did you mean cost.edap"),
        ({"objectives": {"accuracy.hardware": "max"}}, "data: missing"),
        ({"constraints": {"cost.edap": {}}}, "min or max"),
        ({"constraints": {"cost.edap": {"min": 2, "max": 1}}}, "above max"),
        ({"data": "digits"}, "no weights"),
        ({"method": "differentiable"}, "train: missing"),
        ({"set": {"adc.bit": 3}}, "adc.bit"),
        ({"network": "digits", "data": "digits", "space": {"conv1": {"kernel": [3, 5]}}}, "trained"),
    ],
)
def test_a_wrong_search_file_is_refused_by_name(tmp_path, change, names):
    with pytest.raises(ConfigError, match=names):
        run_search(make_search({**ARRAYS, **change}), tmp_path / "out", cache=None)


def test_the_command_shows_the_front_and_refuses_in_one_line(tmp_path, capsys):
    file = tmp_path / "search.yaml"
    file.write_text("network: lenet5\nhardware: nax\npoints: 6\nspace:\n  '*': {array: [32, 64]}\n")
    assert xbarsim.cli.run(["search", "nax", str(file), "--out", str(tmp_path / "out"), "--cache", "none"]) == 0
    out = capsys.readouterr().out
    assert "chosen" in out
    assert "array 32" in out
    file.write_text("network: lenet5\npoints: 4\nspace:\n  '*': {width: [0.5, 1]}\n")  # no design has a name of its own
    assert xbarsim.cli.run(["search", "nax", str(file), "--out", str(tmp_path / "other"), "--cache", "none"]) == 0
    assert "chosen" in capsys.readouterr().out
    file.write_text("network: lenet5\nspace:\n  '*': {array: [32, 64]\n")
    assert xbarsim.cli.run(["search", "nax", str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_storage_that_optuna_cannot_use_is_one_line(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "torn.db").write_bytes(b"not a database" * 100)
    for url in (f"sqlite:///{tmp_path}/torn.db", "sqlite:////nowhere/a.db", "nonsense://x"):
        content = {"network": "digits", "space": {"*": {"array": [32, 64]}}, "method": "optuna", "points": 2}
        search = make_search({**content, "optuna": {"storage": url}})
        with pytest.raises(ConfigError, match=r"^optuna\.storage: ") as error:
            run_search(search, tmp_path / "out", cache=None)
        assert "\n" not in str(error.value)
