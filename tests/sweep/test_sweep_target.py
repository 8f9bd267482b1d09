"""What floats are computed with: part of the keys of points with outputs, not of those with costs alone."""

import dataclasses

import pytest

from xbarsim.errors import ConfigError
from xbarsim.fleet.task import TaskResult, compute_task
from xbarsim.sweep import plan as plan_module
from xbarsim.sweep.evaluate import Evaluator
from xbarsim.sweep.file import make_sweep
from xbarsim.sweep.plan import plan_sweep
from xbarsim.sweep.run import run_sweep
from xbarsim.target import describe_target

COSTS = {"network": "digits", "axes": {"adc.bits": [8]}, "metrics": ["cost.edap"]}
SWEEP = {**COSTS, "data": "digits", "images": 4, "metrics": ["accuracy.reference"]}


def plan_elsewhere(monkeypatch, content):
    with monkeypatch.context() as patch:
        patch.setattr(plan_module, "describe_target", lambda: "elsewhere")
        return plan_sweep(make_sweep(content))


def test_points_with_outputs_have_the_target_in_their_keys(monkeypatch):
    here, elsewhere = plan_sweep(make_sweep(SWEEP)), plan_elsewhere(monkeypatch, SWEEP)
    assert here.points[0].key != elsewhere.points[0].key
    assert here.common["target"] == describe_target()


def test_costs_are_shared_by_all_targets(monkeypatch):
    here, elsewhere = plan_sweep(make_sweep(COSTS)), plan_elsewhere(monkeypatch, COSTS)
    assert here.points == elsewhere.points
    assert "target" not in here.common


def test_the_folder_of_another_target_is_refused_with_the_reason(monkeypatch, tmp_path):
    def answer(points, workload):
        yield from (TaskResult(key=point.key, value={"accuracy.reference": 0.5}) for point in points)

    run_sweep(plan_elsewhere(monkeypatch, SWEEP), tmp_path, backend=answer)
    with pytest.raises(ConfigError, match=r"another sweep \(target differ\); choose another folder"):
        run_sweep(plan_sweep(make_sweep(SWEEP)), tmp_path, backend=answer)


def test_a_worker_of_another_target_computes_the_point_and_marks_it():
    plan = plan_sweep(make_sweep(SWEEP))
    here = compute_task(Evaluator(plan.workload), plan.points[0])
    there = compute_task(Evaluator(dataclasses.replace(plan.workload, target="other")), plan.points[0])
    assert "target" not in here.value
    assert not any("another target" in text for text in here.warnings)
    assert there.value["target"] == describe_target()
    assert any("another target" in text for text in there.warnings)
