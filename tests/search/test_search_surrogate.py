"""The surrogate for accuracy: what it predicts, saves and refuses, and that searches with it resume."""

import csv

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.search import make_search, make_space, run_search
from xbarsim.search import run as search_run
from xbarsim.search.process import fit_process
from xbarsim.search.surrogate import FIRST, Surrogate

CONTENT = {
    "network": "digits", "hardware": "reference", "data": "digits", "images": 60, "points": 24, "surrogate": True,
    "objectives": {"cost.edap": "min"}, "constraints": {"accuracy.hardware": {"min": 0.9}},
    "space": {"*": {"adc.bits": [3, 4, 6], "array": [32, 128]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def space():
    """Arrays and converters of the digits network."""
    return make_space(CONTENT["space"], xs.load_network("digits"), xs.load_hardware("reference"))


def judge(space, point):
    """Return a made-up simulation: metrics, and a ratio for every layer that its own choice decides."""
    snr = {slot.layers[0]: 5.0 + 4.0 * index for slot, index in zip(space.slots, point)}
    noise = sum(10 ** (-ratio / 10) for ratio in snr.values())
    accuracy = 1.0 / (1.0 + noise)
    return {"accuracy.hardware": accuracy, "accuracy.degradation": 1 - accuracy, "cost.edap": 1.0 + sum(point)}, snr


@pytest.fixture
def taught(space):
    """A surrogate that has seen every choice once."""
    surrogate = Surrogate(make_search(CONTENT), space)
    rng = np.random.default_rng(0)
    points = [tuple([index] * 3) for index in range(6)] + [space.sample(rng) for _ in range(30)]
    for point in points:
        surrogate.learn(point, *judge(space, point))
    return surrogate


def test_accuracies_of_unseen_designs_follow_from_the_noise_of_their_layers(taught, space):
    rng = np.random.default_rng(1)
    points = [space.sample(rng) for _ in range(50)]
    told = [taught.predict(point)[0] for point in points]
    true = [judge(space, point)[0]["accuracy.hardware"] for point in points]
    assert np.sqrt(np.mean(np.square(np.array(told) - true))) < 0.25 * np.std(true)


def test_nothing_is_predicted_before_all_choices_are_known(space):
    surrogate = Surrogate(make_search(CONTENT), space)
    for _ in range(FIRST):
        surrogate.learn((0, 0, 0), *judge(space, (0, 0, 0)))
    assert surrogate.predict((0, 0, 0)) is not None
    assert surrogate.predict((0, 0, 1)) is None
    assert surrogate.skip((0, 0, 1), {"cost.edap": 9.0}) is None


def test_only_designs_that_may_be_better_are_simulated(taught, space):
    metrics, _ = judge(space, (5, 5, 5))  # as accurate as can be
    assert taught.skip((5, 5, 5), {"cost.edap": 0.5}) is None
    told = taught.skip((5, 5, 5), {"cost.edap": 100.0})
    assert told["accuracy.hardware"] == pytest.approx(metrics["accuracy.hardware"], abs=0.05)
    assert told["accuracy.degradation"] == pytest.approx(1 - told["accuracy.hardware"])
    assert taught.skip((0, 0, 0), {"cost.edap": 0.5}) is not None  # cheap, and far below the limit


def test_the_process_goes_through_smooth_values_and_is_unsure_far_away():
    x = np.linspace(-3, 0, 15)[:, None]
    y = 1 / (1 + np.exp(-2 * (x[:, 0] + 1.5)))
    means, deviations = fit_process(x, y).predict(np.array([[-1.1], [9.0]]))
    assert means[0] == pytest.approx(1 / (1 + np.exp(-0.8)), abs=0.01)
    assert deviations[1] > 10 * deviations[0]


@pytest.mark.slow
def test_a_search_with_a_surrogate_simulates_less_finds_the_same_and_resumes(tmp_path, monkeypatch):
    ends = [
        run_search(make_search({**CONTENT, "surrogate": flag}), tmp_path / str(flag), cache=None)
        for flag in (False, True)
    ]
    best = [end.entries[end.chosen].metrics["cost.edap"] for end in ends]
    assert best[1] == best[0]
    told = ends[1].extra["surrogate"]
    assert told["simulated"] + told["predicted"] == 24
    assert told["predicted"] >= 4
    assert all(not ends[1].entries[number].is_predicted for number in ends[1].front)
    rows = list(csv.DictReader((tmp_path / "True" / "points.csv").open()))
    assert sum(row["accuracy_predicted"].lower() == "true" for row in rows) == told["predicted"]
    log = tmp_path / "True" / "points.log"
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    again = run_search(make_search(CONTENT), tmp_path / "True", cache=None)
    assert again.entries == ends[1].entries
    assert log.read_bytes() == whole
    monkeypatch.setattr(search_run, "measure_design", None)
    assert run_search(make_search(CONTENT), tmp_path / "True", cache=None).extra == ends[1].extra


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {"cost.edap": "min"}, "constraints": {}}, "surrogate: predicts only accuracy"),
        ({"constraints": {"accuracy.quantized": {"min": 0.9}}}, "not .*accuracy.quantized"),
        ({"network": "resnet20", "weights": "random", "space": {"layer1*": {"zero": True}}}, "an axis changes"),
        ({"method": "differentiable", "train": "digits"}, "takes none"),
    ],
)
def test_a_surrogate_is_refused_where_it_cannot_predict(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        run_search(make_search({**CONTENT, **changes}), tmp_path / "out", cache=None)
    assert "\n" not in str(error.value)


def test_chances_of_keeping_a_limit_of_lost_accuracy_follow_the_designs(space):
    limited = {**CONTENT, "constraints": {"accuracy.degradation": {"max": 0.05}}}
    surrogate = Surrogate(make_search(limited), space)
    assert not surrogate.is_taught
    assert surrogate.chance([(0, 0, 0)])[0] == 0.5
    rng = np.random.default_rng(0)
    for point in [tuple([index] * 3) for index in range(6)] + [space.sample(rng) for _ in range(40)]:
        surrogate.learn(point, *judge(space, point))
    assert surrogate.is_taught
    points = list(space)
    kept = np.array([judge(space, point)[0]["accuracy.degradation"] <= 0.05 for point in points])
    chances = surrogate.chance(points)
    assert 0.05 < kept.mean() < 0.95
    assert np.mean((chances > 0.5) == kept) > 0.95
