"""Images over processes and clusters: the bits of one process, also when workers are killed and runs are resumed."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.api import flow
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, SolverError
from xbarsim.fleet import StreamQueue, local

CHANGES = {"device.read_noise.sigma": 0.03, "crossbar.rows": 32, "crossbar.cols": 32}


@pytest.fixture(scope="module")
def data():
    found = load_data("digits")
    return normalize_images(found.images[:80]), found.labels[:80]


@pytest.fixture(scope="module")
def hardware():
    return xs.load_hardware("nax").override(CHANGES)


@pytest.fixture(scope="module")
def expected(data, hardware):
    return xs.simulate("digits", hardware, *data, trials=2)


def check(found, expected):
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.accuracy == expected.accuracy
    assert found.cost == expected.cost
    assert found.provenance == expected.provenance


def blocks(images, labels):
    for first in range(0, len(images), 20):
        yield images[first : first + 20], labels[first : first + 20]


@pytest.mark.slow
def test_two_processes_have_the_bits_of_one(data, hardware, expected):
    check(xs.simulate("digits", hardware, *data, trials=2, workers=2), expected)
    check(xs.simulate("digits", hardware, blocks(*data), trials=2, workers=2, batch_size=9), expected)


@pytest.mark.slow
def test_the_blocks_of_a_killed_worker_are_computed_again(data, hardware, expected, monkeypatch):
    started, killed = [], []
    popen = subprocess.Popen

    class Recorded(popen):
        def __init__(self, *args, **keys):
            super().__init__(*args, **keys)
            started.append(self.pid)

    monkeypatch.setattr(local.subprocess, "Popen", Recorded)

    def kill(stage, done, total):
        if stage == "images" and done >= 40 and not killed:
            killed.append(started[0])
            os.kill(started[0], signal.SIGKILL)

    check(xs.simulate("digits", hardware, *data, trials=2, workers=2, batch_size=5, progress=kill), expected)
    assert len(started) == 3
    assert killed


def test_an_interrupted_simulation_continues(data, hardware, expected, tmp_path):
    def stop(stage, done, total):
        if stage == "images" and done >= 30:
            raise KeyboardInterrupt

    settings = {"trials": 2, "batch_size": 10, "checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        xs.simulate("digits", hardware, *data, **settings, progress=stop)
    assert len(list((tmp_path / "run").glob("block-*.npy"))) == 3
    (tmp_path / "run" / "block-10.npy").write_bytes(b"torn")
    seen = []
    found = xs.simulate("digits", hardware, *data, **settings, progress=lambda *what: seen.append(what))
    check(found, expected)
    stages = {stage for stage, _, _ in seen}
    assert stages == {"images"}  # chips are loaded
    assert len([done for stage, done, _ in seen]) == 6  # 80 images in blocks of 10, two of which are finished
    check(xs.simulate("digits", hardware, blocks(*data), **settings), expected)


def test_a_checkpoint_of_another_simulation_is_refused(data, hardware, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    xs.simulate("digits", hardware, *data, checkpoint=folder)
    with pytest.raises(ConfigError, match="holds a simulation with seed 0, this one has 1; choose another folder"):
        xs.simulate("digits", hardware, *data, checkpoint=folder, seed=1)
    with pytest.raises(ConfigError, match="holds a simulation with hardware"):
        xs.simulate("digits", "isaac", *data, checkpoint=folder)
    with monkeypatch.context() as patch:
        patch.setattr("xbarsim.api.flow.describe_target", lambda: "elsewhere")
        with pytest.raises(ConfigError, match="a simulation with target"):
            xs.simulate("digits", hardware, *data, checkpoint=folder)
    images = data[0].copy()
    images[70] += 0.25  # not among the calibration images: its block is computed again
    found = xs.simulate("digits", hardware, images, checkpoint=folder)
    np.testing.assert_array_equal(found.outputs, xs.simulate("digits", hardware, images).outputs)
    (folder / "simulation.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged: not JSON"):
        xs.simulate("digits", hardware, *data, checkpoint=folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("notes")
    with pytest.raises(ConfigError, match=r"holds notes\.txt and no simulation"):
        xs.simulate("digits", hardware, *data, checkpoint=tmp_path / "mine")
    assert json.loads(json.dumps(sorted(os.listdir(tmp_path / "mine")))) == ["notes.txt"]


def test_two_runs_do_not_share_a_checkpoint(data, hardware, tmp_path):
    def again(stage, done, total):
        if stage == "images":
            with pytest.raises(ConfigError, match="is writing here"):
                xs.simulate("digits", hardware, *data, checkpoint=tmp_path)

    xs.simulate("digits", hardware, *data, checkpoint=tmp_path, batch_size=40, progress=again)


@pytest.mark.slow
def test_an_error_in_a_worker_names_the_images(data, hardware, monkeypatch):
    monkeypatch.setattr(flow, "FACTORY", "xbarsim.api.block:NoSuchRunner")
    with pytest.raises(SolverError, match="worker process could not start"):
        xs.simulate("digits", hardware, *data, workers=1)


def test_a_worker_that_dies_too_often_on_a_block_ends_the_simulation():
    queue = StreamQueue(iter([flow.BlockTask(key="images-0", first_image=0, images=np.zeros((1, 1)))]))
    task = queue.next(None)
    assert queue.next(None) is None
    assert queue.give_back(task)
    assert queue.next(None) is task
    assert queue.give_back(task)
    assert not queue.give_back(queue.next(None))


def test_workers_and_a_cluster_contradict_each_other(data):
    with pytest.raises(ConfigError, match="workers: cannot be combined with cluster"):
        xs.simulate("digits", "nax", *data, workers=2, cluster="tcp://127.0.0.1:1")
    with pytest.raises(ConfigError, match="workers: 0"):
        xs.simulate("digits", "nax", *data, workers=0)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("speed", [1e12, 1e-3], ids=["chips sent", "chips programmed again"])
def test_a_cluster_has_the_bits_of_one_process(data, hardware, expected, cluster, monkeypatch, speed):
    monkeypatch.setattr(flow, "LINK_BYTES_PER_S", speed)
    check(xs.simulate("digits", hardware, *data, trials=2, cluster=cluster.scheduler_address), expected)


@pytest.mark.slow
def test_a_cluster_whose_worker_is_killed_gives_the_same_bits(data, hardware, expected, cluster):
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())

        def kill(stage, done, total):
            if stage == "images" and done == 40:
                os.kill(pids[0], signal.SIGKILL)

        found = xs.simulate("digits", hardware, *data, trials=2, cluster=client, batch_size=5, progress=kill)
    check(found, expected)
