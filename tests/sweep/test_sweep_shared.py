"""What points share is computed once by a worker, and what workers share is sent to each of them once."""

import dataclasses
import importlib.util
from functools import partial

import pytest
import sweep_samples
from sweep_samples import make_plan

import xbarsim.mvm.reuse
from xbarsim.api import prepare, run
from xbarsim.fleet.local import run_local
from xbarsim.fleet.queue import GroupQueue
from xbarsim.sweep.evaluate import Evaluator
from xbarsim.sweep.run import run_sweep


@pytest.fixture
def count(monkeypatch):
    """Count the calls of a function of a module from here on."""

    def watch(module, name):
        calls = []
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **more: (calls.append(name), real(*args, **more))[1])
        return calls

    return watch


def in_order(plan):
    """Points in the order in which one worker would be given them."""
    queue, given = GroupQueue(plan.points), []
    while (point := queue.next(given[-1].group if given else None)) is not None:
        given.append(point)
    return given


def test_points_share_references_quantised_networks_and_programmed_arrays(count, monkeypatch):
    axes = {"adc.bits": [5, 6], "weight_bits": [4, 6], "device.programming.sigma": [0.0, 0.1]}
    plan = make_plan(axes=axes, data="digits", images=20, metrics=["accuracy.hardware"])
    quantized = count(prepare, "quantize_network")
    integers, floats, own = count(run, "run_integer"), [], run.find_executor("own")
    watched = dataclasses.replace(own, run=lambda *given: (floats.append(given), own.run(*given))[1])
    monkeypatch.setattr(run, "find_executor", lambda name: watched)
    programmed = count(xbarsim.mvm.reuse, "program_arrays")
    evaluate = Evaluator(plan.workload)
    shared = [evaluate(point) for point in in_order(plan)]
    layers = len(plan.workload.networks["digits"].layers)
    assert len(shared) == 8
    assert len(floats) == 1  # one network
    assert len(quantized) == len(integers) == 2  # two widths of weights
    assert len(programmed) == layers * 2 * 2  # widths and spreads; converters share
    alone = [Evaluator(plan.workload)(point) for point in in_order(plan)]
    timeless = [
        [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows] for rows in (shared, alone)
    ]
    assert timeless[0] == timeless[1]
    assert len({row["layers.snr_db.mean"] for row in shared}) == len(shared)


def test_a_workload_is_sent_once_to_each_process(tmp_path):
    plan = make_plan()
    results = list(
        run_local(plan.points, sweep_samples.Marked(tmp_path), workers=2, factory="sweep_samples:make_cheap")
    )
    assert len(results) == 60
    assert [path.read_text() for path in tmp_path.iterdir()] == ["unpacked\n"] * 2


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the extra cluster is not installed")
def test_a_workload_is_unpacked_once_by_each_worker_of_a_cluster(tmp_path, monkeypatch):
    from pathlib import Path

    from distributed import LocalCluster

    from xbarsim.fleet.cluster import connect, run_dask

    monkeypatch.setenv("PYTHONPATH", str(Path(sweep_samples.__file__).parent))
    marks = tmp_path / "marks"
    marks.mkdir()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as made,
        connect(made.scheduler_address) as client,
    ):
        backend = partial(run_dask, client=client, factory="sweep_samples:make_slow")
        run_sweep(make_plan(), tmp_path / "out", backend=lambda points, _: backend(points, sweep_samples.Marked(marks)))
    assert [path.read_text() for path in marks.iterdir()] == ["unpacked\n"] * 2


def test_results_of_points_do_not_depend_on_what_was_computed_before():
    plan = make_plan(axes={"weight_bits": [4, 6], "adc.bits": [5, 6]}, data="digits", images=20)
    forward, backward = Evaluator(plan.workload), Evaluator(plan.workload)
    there = {point.key: forward(point)["accuracy.trials"] for point in plan.points}
    back = {point.key: backward(point)["accuracy.trials"] for point in reversed(plan.points)}
    assert there == back
