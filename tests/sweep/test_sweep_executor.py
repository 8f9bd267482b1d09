"""What runs the float network of a sweep: part of its keys, the same on every worker."""

import dataclasses

import pytest

from xbarsim.errors import ConfigError
from xbarsim.fleet.task import compute_task
from xbarsim.sweep.evaluate import Evaluator
from xbarsim.sweep.file import make_sweep
from xbarsim.sweep.plan import plan_sweep

SWEEP = {
    "network": "digits",
    "data": "digits",
    "images": 4,
    "axes": {"adc.bits": [8]},
    "metrics": ["accuracy.reference"],
}


def test_the_executor_and_its_version_are_part_of_the_keys():
    runtime = pytest.importorskip("onnxruntime")
    own, other = (plan_sweep(make_sweep({**SWEEP, "executor": name})) for name in ("own", "onnxruntime"))
    assert plan_sweep(make_sweep(SWEEP)).points == own.points
    assert own.points[0].key != other.points[0].key
    assert "executor" not in own.common
    assert other.common["executor"] == f"onnxruntime {runtime.__version__}"


def test_points_are_computed_by_the_executor_of_the_file(monkeypatch):
    pytest.importorskip("onnxruntime")
    asked = []
    plan = plan_sweep(make_sweep({**SWEEP, "executor": "onnxruntime"}))
    monkeypatch.setattr("xbarsim.api.simulate", lambda *given, **how: asked.append(how["executor"]))
    monkeypatch.setattr("xbarsim.sweep.evaluate.collect_metrics", lambda report, *rest: {"accuracy.reference": 0.5})
    assert compute_task(Evaluator(plan.workload), plan.points[0]).value == {"accuracy.reference": 0.5}
    assert asked == ["onnxruntime"]


def test_a_worker_with_another_version_refuses_the_points():
    plan = plan_sweep(make_sweep(SWEEP))
    elsewhere = dataclasses.replace(plan.workload, runner="own 2")
    result = compute_task(Evaluator(elsewhere), plan.points[0])
    assert result.value is None
    assert "executor: points were planned for own 2, and this worker has own" in result.error


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"executor": "onnxruntim"},
            r"executor: 'onnxruntim' is not one of own, onnxruntime; did you mean onnxruntime",
        ),
        (
            {"executor": "onnxruntime", "data": None, "metrics": []},
            "executor: onnxruntime runs a float network on images",
        ),
    ],
)
def test_executors_that_cannot_run_are_refused(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        make_sweep({**SWEEP, **changes})
