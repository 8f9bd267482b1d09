"""A metric that a user registered can be an objective or a constraint of a search."""

import json

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.network.build import NetworkBuilder
from xbarsim.report.outputs import METRICS
from xbarsim.search import CostOracle, make_search, run_search
from xbarsim.search.design import Design
from xbarsim.search.evaluate import Images, measure_design

CONTENT = {
    "network": "digits", "space": {"*": {"array": [32, 64], "tied": True}}, "points": 2, "method": "random",
    "data": "digits", "images": 24, "objectives": {"margin": "max", "cost.edap": "min"},
}  # fmt: skip


class Margin:
    """Distance of the highest output from the mean one."""

    higher_is_better = True

    def measure(self, outputs, labels):
        """Return the mean distance over images."""
        assert len(outputs) == len(labels)
        return (outputs.max(axis=1) - outputs.mean(axis=1)).mean()


@pytest.fixture(autouse=True)
def margin(monkeypatch):
    """Register the metric, and take it out again."""
    monkeypatch.setattr(METRICS, "_classes", dict(METRICS._classes))
    monkeypatch.setattr(METRICS, "_added", dict(METRICS._added))
    xs.register("metric", "margin", Margin)


def test_a_registered_metric_is_an_objective_and_what_simulate_gives(tmp_path, monkeypatch):
    runs = []
    simulate = xs.api.simulate
    monkeypatch.setattr("xbarsim.api.simulate", lambda *args, **keys: runs.append(1) or simulate(*args, **keys))
    search = make_search({**CONTENT, "constraints": {"margin": {"min": 0.0}}})
    found = run_search(search, tmp_path, cache=None)
    assert len(runs) == len(found.entries) == 2  # accuracy and metric share a simulation
    about = json.loads((tmp_path / "search.json").read_text())
    assert about["plugins"] == {"metric:margin": METRICS.fingerprint("margin")}
    digits = load_data("digits").take(24)
    for entry in found.entries:
        design = found.space.design(entry.point)
        report = simulate(
            design.network, "reference", normalize_images(digits.images), digits.labels, layers=design.layers
        )
        assert entry.metrics["margin"] == Margin().measure(report.outputs[0], digits.labels) > 0


def test_another_version_of_the_metric_is_another_search_and_another_answer(tmp_path):
    search = make_search(CONTENT)
    first = run_search(search, tmp_path / "one", cache=tmp_path / "cache")
    METRICS._added["margin"] = "edited"
    METRICS._classes["margin"] = type("Margin", (Margin,), {"measure": lambda self, outputs, labels: 7.0})
    with pytest.raises(ConfigError, match="another search"):
        run_search(search, tmp_path / "one", cache=tmp_path / "cache")
    again = run_search(search, tmp_path / "two", cache=tmp_path / "cache")
    assert [entry.metrics["margin"] for entry in again.entries] == [7.0, 7.0]
    assert [entry.point for entry in again.entries] == [entry.point for entry in first.entries]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {"margni": "max"}}, r"objectives\.margni: unknown metric; did you mean margin"),
        ({"data": None, "images": None}, "data: missing; accuracy and metrics of outputs need test images"),
    ],
)
def test_a_metric_that_a_search_cannot_have_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_search({**CONTENT, **changes})


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_that_are_whole_are_targets_where_outputs_are_no_classes(outputs):
    # what labels are is said by outputs and metric: whole numbers need not be classes
    net = NetworkBuilder("regression", (4,))
    net.add("linear", "last", settings={"features": outputs})
    network = xs.load_network(net.build(), weights="random")
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    targets = np.array([-5, 2, 0, 7, 1]) if outputs == 1 else np.arange(15).reshape(5, 3)
    oracle = CostOracle("reference", cache=None)
    found = oracle.measure("error", network, x, targets)
    assert found == xs.simulate(network, "reference", x, targets, metric="error", threads=1).metric.hardware
    search = make_search({**CONTENT, "objectives": {"error": "min"}})
    design = Design(network=network, layers={})
    metrics = measure_design(search, oracle, design, Images(images=x, labels=targets, calibration=None))
    assert metrics["error"] == found
    assert "accuracy.hardware" not in metrics


def test_a_metric_that_is_not_finite_fails_its_point(tmp_path):
    xs.register("metric", "hollow", type("Hollow", (Margin,), {"measure": lambda self, outputs, labels: np.nan}))
    with pytest.raises(ConfigError, match="hollow"):
        run_search(make_search({**CONTENT, "objectives": {"hollow": "max"}}), tmp_path, cache=None)
