"""Metrics of the outputs in sweeps: columns, parts, intervals, labels of any task."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.report.catalogue import describe_metric, find_metric
from xbarsim.sweep import make_sweep, plan_sweep
from xbarsim.sweep.evaluate import Evaluator

CONTENT = {"network": "digits", "data": "digits", "images": 12, "axes": {"adc.bits": [5]}}


def compute(**changes):
    """Return the metrics of the first point."""
    plan = plan_sweep(make_sweep({**CONTENT, **changes}))
    return Evaluator(plan.workload)(plan.points[0])


def test_a_sweep_has_the_numbers_of_a_simulation_under_the_name_of_the_metric():
    found = compute(metrics=["perplexity", "perplexity.degradation", "top5"], trials=2)
    data = load_data("digits").take(12)
    hardware = xs.load_hardware("reference", {"adc.bits": 5})
    images = normalize_images(data.images)
    report = xs.simulate("digits", hardware, images, data.labels, metric="perplexity", trials=2)
    assert found["perplexity"] == report.metric.hardware
    assert (found["perplexity.low"], found["perplexity.high"]) == report.metric.interval
    for part in ("reference", "quantized", "degradation"):
        assert found[f"perplexity.{part}"] == getattr(report.metric, part)
    assert found["top5"] == 1.0
    assert found["top5.low"] < 1.0
    assert found["top5.reference"] is None
    assert found["accuracy.hardware"] is None


def test_numbers_instead_of_classes_are_judged_by_their_own_metric(tmp_path):
    data = load_data("digits").take(12)
    np.savez(tmp_path / "numbers.npz", images=data.images, labels=np.eye(10)[data.labels])
    found = compute(data=str(tmp_path / "numbers.npz"), metrics=["error.hardware", "cost.edap"])
    assert found["error.low"] < found["error.hardware"] < found["error.high"]
    with pytest.raises(ConfigError, match=r"data: .*numbers.npz: labels: .*network digits"):
        compute(data=str(tmp_path / "numbers.npz"), metrics=["accuracy.hardware"])


def test_directions_titles_and_intervals_of_parts():
    assert not find_metric("perplexity").higher_is_better
    assert find_metric("miou.low").higher_is_better
    assert not find_metric("miou.degradation").higher_is_better
    assert find_metric("miou").interval == ("miou.low", "miou.high")
    assert find_metric("miou.low").interval is None
    column = describe_metric("miou.reference", [0.5])
    assert (column.title, column.unit, column.factor) == ("miou, float", "%", 100.0)


def test_keys_of_points_depend_on_what_is_measured():
    keys = [
        plan_sweep(make_sweep({**CONTENT, "metrics": names})).points[0].key
        for names in (["accuracy.hardware"], ["cost.edap"], ["top5"], ["top5", "accuracy.hardware"], ["perplexity"])
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["accuracy.hardware", "top5.reference"], "compares one metric with the float network, here top1; name top5"),
        (["miou", "top5.degradation"], "here miou"),
        (["top5.hardwear"], "did you mean top5.hardware"),
        (["error"], "name of another column; write error.hardware"),
        (["miou"], "metric miou: outputs of shape"),
    ],
)
def test_what_a_sweep_cannot_measure_is_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        plan_sweep(make_sweep({**CONTENT, "metrics": names}))
