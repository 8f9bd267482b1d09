"""The same sweep on a Dask cluster: identical results, lost workers, and a scheduler that does not answer."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
import sweep_samples
from sweep_samples import cheap_backend, make_plan

pytest.importorskip("distributed", reason="the extra cluster is not installed")

from xbarsim.errors import ConfigError
from xbarsim.fleet import cluster as cluster_module
from xbarsim.fleet.cluster import connect, run_dask
from xbarsim.sweep.run import FACTORY, run_sweep


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    folder = str(Path(sweep_samples.__file__).parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))
    try:
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as made:
            yield made
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def client(cluster):
    with connect(cluster.scheduler_address) as made:
        yield made


def tables_of(folder):
    return (folder / "points.csv").read_bytes(), (folder / "points.parquet").read_bytes()


@pytest.mark.slow
def test_two_dask_workers_give_identical_results(tmp_path, client):
    run_sweep(make_plan(), tmp_path / "local", backend=cheap_backend())
    backend = partial(run_dask, client=client, factory="sweep_samples:make_cheap")
    assert run_sweep(make_plan(), tmp_path / "dask", backend=backend).computed == 60
    assert tables_of(tmp_path / "dask") == tables_of(tmp_path / "local")


@pytest.mark.slow
def test_points_of_a_killed_dask_worker_are_computed_by_others(tmp_path, client):
    pids = list(client.run(os.getpid).values())

    def kill(stage, done, total):
        if done == 10:
            os.kill(pids[0], signal.SIGKILL)

    backend = partial(run_dask, client=client, factory="sweep_samples:make_slow")
    summary = run_sweep(make_plan(), tmp_path / "dask", backend=backend, progress=kill)
    assert (summary.computed, summary.done) == (60, 60)
    run_sweep(make_plan(), tmp_path / "local", backend=cheap_backend())
    assert tables_of(tmp_path / "dask") == tables_of(tmp_path / "local")


@pytest.mark.slow
def test_shared_data_lost_with_every_worker_are_sent_again(tmp_path, client):
    def kill(stage, done, total):
        if done == 10:
            for pid in client.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)

    backend = partial(run_dask, client=client, factory="sweep_samples:make_slow")
    assert run_sweep(make_plan(), tmp_path, backend=backend, progress=kill).done == 60


@pytest.mark.slow
def test_failures_on_the_cluster_are_recorded_alike(tmp_path, client):
    run_sweep(make_plan(), tmp_path / "local", backend=cheap_backend("make_failing"))
    backend = partial(run_dask, client=client, factory="sweep_samples:make_failing")
    run_sweep(make_plan(), tmp_path / "dask", backend=backend)
    assert tables_of(tmp_path / "dask") == tables_of(tmp_path / "local")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match=r"--dask tcp://127.0.0.1:9: no scheduler answers"):
        connect("tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"--dask nonsense://x: no scheduler answers"):
        connect("nonsense://x")


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(monkeypatch):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as made:
        monkeypatch.setattr(cluster_module, "CONNECT_S", 2.0)
        with pytest.raises(ConfigError, match=r"the scheduler has no workers; start some: dask worker tcp://"):
            connect(made.scheduler_address)


@pytest.mark.slow
def test_simulations_on_the_cluster_are_those_of_local_processes(tmp_path, client):
    axes = {"adc.bits": [5, 6], "crossbar.rows": [64, 128], "device.programming.sigma": [0.0, 0.1]}
    plan = make_plan(axes=axes, data="digits", images=60, trials=2, metrics=["accuracy.hardware", "cost.edap"])
    run_sweep(plan, tmp_path / "local", workers=2)
    run_sweep(plan, tmp_path / "dask", backend=partial(run_dask, client=client, factory=FACTORY))
    assert tables_of(tmp_path / "dask") == tables_of(tmp_path / "local")
