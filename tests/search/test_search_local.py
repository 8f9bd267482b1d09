"""Local search and baselines: what they find, repeat, write and refuse."""

import itertools
import json

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.search import EvolutionSampler, LocalSampler, RandomSampler, make_search, make_space, run_search
from xbarsim.search.baseline import list_rules
from xbarsim.search.local import list_groups
from xbarsim.search.pareto import measure_hypervolume
from xbarsim.search.trace import Trace, tabulate_traces, trace_runs

ARRAYS = {
    "network": "resnet20", "hardware": "nax", "space": {"*": {"array": [16, 32, 64, 128]}}, "points": 60,
    "objectives": {"cost.edap": "min"},
}  # fmt: skip


@pytest.fixture(scope="module")
def space():
    """Arrays of the layers of ResNet-20, with zero operators in its first stage."""
    content = {"*": {"array": [16, 32, 64], "adc.bits": [5, 6]}, "layer1.*": {"zero": True}}
    return make_space(content, xs.load_network("resnet20"), xs.load_hardware("nax"))


def follow(sampler, measure, count):
    """Return the points asked for and the best value after each."""
    points, best = [], []
    while len(points) < count and (point := sampler.ask()) is not None:
        points.append(point)
        values = measure(point)
        sampler.tell(point, values, 0.0)
        best.append(min([values[0], *best[-1:]]))
    return points, best


def pipeline(space):
    """A pipeline: its slowest layer decides, so that most moves of single layers change nothing."""
    rng = np.random.default_rng(0)
    delay = [rng.permutation(slot.count) + 1.0 for slot in space.slots]
    price = [rng.permutation(slot.count) + 1.0 for slot in space.slots]

    def measure(point):
        slowest = max(row[index] for row, index in zip(delay, point))
        return (float(slowest * sum(row[index] for row, index in zip(price, point))),)

    return measure


def test_local_search_finds_more_than_evolution_and_chance_in_the_same_calls(space):
    measure = pipeline(space)
    ends = {
        kind.name: np.median([follow(kind(space, seed=seed), measure, 400)[1][-1] for seed in range(5)])
        for kind in (LocalSampler, EvolutionSampler, RandomSampler)
    }
    assert ends["local"] < 0.9 * ends["evolution"] < ends["random"]


def test_local_search_repeats_itself_and_never_asks_twice(space):
    measure = pipeline(space)
    one, other = (follow(LocalSampler(space, seed=3, first=[space.native()]), measure, 300)[0] for _ in range(2))
    assert one == other
    assert len(set(one)) == 300
    assert one[0] == space.native()
    assert follow(LocalSampler(space, seed=4, first=[space.native()]), measure, 300)[0] != one


def test_local_search_ends_where_every_point_of_a_small_space_is_known():
    content = {"layer1.*": {"zero": True, "tied": True}, "fc": {"array": [16, 32]}, "conv1": {"array": [16, 32, 64]}}
    small = make_space(content, xs.load_network("resnet20"), xs.load_hardware("nax"))
    points, _ = follow(LocalSampler(small), lambda point: (float(sum(point)),), 100)
    assert sorted(points) == list(small)


def test_local_search_covers_a_front_of_two_objectives(space):
    def measure(point):
        share = sum(index / (slot.count - 1) for slot, index in zip(space.slots, point)) / len(point)
        return share, (1.0 - share) ** 2

    sampler = LocalSampler(space, first=[space.native()])
    points, _ = follow(sampler, measure, 300)
    shares = sorted(measure(point)[0] for point in points)
    assert shares[0] < 0.1
    assert shares[-1] > 0.6


def test_local_search_comes_back_from_designs_that_break_a_constraint(space):
    sampler = LocalSampler(space)
    best = np.inf
    for _ in range(300):
        point = sampler.ask()
        excess = max(0.0, sum(point) - 20.0)
        sampler.tell(point, (-float(sum(point)),), excess)
        best = min(best, np.inf if excess else -float(sum(point)))
    assert best == -20.0


def test_groups_run_from_all_layers_to_single_ones(space):
    whole, stages, shapes, single = list_groups(space)
    assert [len(group) for group in whole] == [len(space.slots)]
    assert len(stages) == 4  # three stages and the classifier
    assert len(single) == len(space.slots)
    assert len(stages) < len(shapes) < len(single)


def test_rules_by_stage_are_all_combinations(space):
    rules = list_rules(space)
    assert len(rules) == len(set(rules)) == 6**4
    stages = list_groups(space)[1]
    options = [space.slots[number].option(rules[7][number]) for number in stages[0]]
    assert all(option == options[0] for option in options)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_hypervolume_is_what_a_fine_grid_counts(objectives):
    rng = np.random.default_rng(objectives)
    values = rng.integers(0, 8, (7, objectives)) / 8.0
    cells = np.array(list(itertools.product(np.arange(8) / 8.0, repeat=objectives)))
    dominated = (cells[:, None] >= values[None]).all(axis=2).any(axis=1)
    assert measure_hypervolume(values, np.ones(objectives)) == pytest.approx(dominated.mean())


def test_gaps_are_to_the_best_of_all_and_follow_the_direction():
    search = make_search({**ARRAYS, "objectives": {"cost.tops": "max"}})
    runs = [("local", 0, [{"cost.tops": 1.0}, {"cost.tops": 4.0}]), ("random", 0, [{"cost.tops": 2.0}, None])]
    rows = tabulate_traces(search, trace_runs(search, runs))
    assert [(row["best"], row["gap"]) for row in rows] == [(4.0, 0.0), (2.0, 0.5)]
    assert [row["points_to_half_percent"] for row in rows] == [2, None]


def test_a_run_without_a_feasible_design_reaches_nothing():
    search = make_search({**ARRAYS, "constraints": {"cost.edap": {"max": 1.0}}})
    traces = trace_runs(search, [("local", 0, [{"cost.edap": 2.0}]), ("random", 0, [{"cost.edap": 0.5}])])
    assert np.isnan(traces[0].best[0])
    assert tabulate_traces(search, traces)[0] == {"method": "local", "seeds": 1, "points": 1}
    assert traces[1] == Trace(name="random", seed=0, best=(0.5,))


@pytest.mark.slow
def test_a_search_reports_itself_beside_its_baselines(tmp_path):
    content = {
        **ARRAYS,
        "method": "local",
        "points": 40,
        "baselines": ["single", "stage", "random"],
        "baseline_seeds": 2,
    }
    result = run_search(make_search(content), tmp_path, cache=None)
    written = json.loads((tmp_path / "baselines.json").read_text())
    assert [(run["method"], run["seed"]) for run in written["runs"]] == [
        ("local", 0), ("local", 1), ("single", None), ("stage", None), ("random", 0), ("random", 1)
    ]  # fmt: skip
    assert all(len(run["best"]) <= 40 for run in written["runs"])
    rows = {row["method"]: row for row in written["summary"]}
    assert rows["local"]["median"] < 0.7 * rows["single"]["median"]
    assert rows["local"]["best"] == pytest.approx(result.entries[result.chosen].metrics["cost.edap"])
    assert (tmp_path / "baselines.png").exists()
    assert (tmp_path / "baselines.csv").read_text().startswith("method,seeds,points,best")
    again = run_search(make_search({**content, "baselines": []}), tmp_path, cache=None)  # points are the same search
    assert again.entries == result.entries


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": ["stages"]}, "did you mean stage"),
        ({"baselines": ["all"]}, r"baselines: all: the space has 1099511627776 points"),
        ({"baseline_seeds": 0}, "baseline_seeds"),
        ({"baselines": ["random"], "method": "differentiable", "data": "digits", "train": "digits"}, "differentiable"),
    ],
)
def test_wrong_baselines_are_refused_by_name(changes, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run_search(make_search({**ARRAYS, "points": 2, **changes}), tmp_path, cache=None)
