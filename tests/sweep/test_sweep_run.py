"""Running sweeps: kills, failures, and results that depend on nothing but the point."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sweep_samples
from sweep_samples import cheap_backend, make_plan

from xbarsim.errors import ConfigError, Interrupted, SolverError
from xbarsim.fleet.local import run_local
from xbarsim.fleet.queue import GroupQueue
from xbarsim.sweep.run import estimate_seconds, run_sweep
from xbarsim.sweep.store import read_store


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(make_plan(), folder, backend=cheap_backend(workers=1))
    return folder


def tables_of(folder):
    return (folder / "points.csv").read_bytes(), (folder / "points.parquet").read_bytes()


def keys_in(folder):
    records = [json.loads(line[9:]) for line in (folder / "points.log").read_bytes().splitlines()]
    return [record["key"] for record in records if "machine" not in record]


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_sweep_killed_again_and_again_ends_with_exactly_the_undisturbed_results(tmp_path, undisturbed, kills):
    draw = random.Random(kills)
    command = [sys.executable, str(Path(sweep_samples.__file__)), str(tmp_path), "make_slow"]
    log = tmp_path / "points.log"
    for kill in range(kills):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            goal = (log.stat().st_size if log.exists() else 0) + draw.randint(1, 5) * 60
            while process.poll() is None and not (log.exists() and log.stat().st_size >= goal):
                time.sleep(draw.uniform(0.001, 0.01))
            time.sleep(draw.uniform(0, 0.01))
            assert process.poll() is None, f"finished before kill {kill}"
            process.send_signal(signal.SIGKILL)
        if kill % 3 == 0:  # and a record that was half written
            with log.open("ab") as file:
                file.write(b'1234abcd {"key":"ffff","met')
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 60
    assert tables_of(tmp_path) == tables_of(undisturbed)
    assert sorted(keys_in(tmp_path)) == sorted(keys_in(undisturbed))  # none lost, none doubled


def test_workers_die_with_the_run_that_started_them(tmp_path):
    command = [sys.executable, str(Path(sweep_samples.__file__)), str(tmp_path), "make_slow"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "points.log").exists() or not keys_in(tmp_path):
            time.sleep(0.01)
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
        children = [int(word) for word in listed.stdout.split()]
        assert len(children) == 2
        process.kill()
    for _ in range(200):
        alive = [pid for pid in children if Path(f"/proc/{pid}").exists() and _state(pid) != "Z"]
        if not alive:
            return
        time.sleep(0.01)
    pytest.fail(f"{alive} outlived their parent")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize("workers", [1, 3])
def test_results_depend_neither_on_workers_nor_on_order(tmp_path, undisturbed, workers):
    def shuffled(points, workload):
        points = list(points)
        random.Random(workers).shuffle(points)
        yield from cheap_backend(workers=workers)(points, workload)

    run_sweep(make_plan(), tmp_path, backend=shuffled)
    assert tables_of(tmp_path) == tables_of(undisturbed)


def test_an_axis_that_grows_costs_its_new_points_alone(tmp_path):
    run_sweep(make_plan(), tmp_path, backend=cheap_backend())
    wider = make_plan(axes={**sweep_samples.AXES, "adc.bits": [3, 4, 5, 6, 7, 8]})
    summary = run_sweep(wider, tmp_path, backend=cheap_backend())
    assert (summary.computed, summary.done) == (12, 72)
    assert list(pd.read_csv(tmp_path / "points.csv")["adc.bits"].unique()) == [3, 4, 5, 6, 7, 8]


def test_progress_begins_with_what_an_earlier_run_has_done(tmp_path):
    told = []
    few = make_plan(axes={**sweep_samples.AXES, "adc.bits": [4, 5]})
    for plan in (few, make_plan()):
        told.clear()
        run_sweep(plan, tmp_path, backend=cheap_backend(), progress=lambda *state: told.append(state))
    assert told == [("points", done, 60) for done in range(24, 61)]


def test_a_point_that_fails_is_recorded_and_the_rest_goes_on(tmp_path):
    summary = run_sweep(make_plan(), tmp_path, backend=cheap_backend("make_failing"))
    assert (summary.done, len(summary.failed)) == (36, 24)
    table = pd.read_csv(tmp_path / "points.csv")
    assert set(table[table["adc.bits"] == 5]["error"]) == {"did not converge"}
    assert set(table[table["adc.bits"] == 6]["error"]) == {"ZeroDivisionError: division by zero"}
    assert table[table["status"] == "failed"]["cost.edap"].isna().all()
    assert run_sweep(make_plan(), tmp_path, backend=cheap_backend()).computed == 0
    again = run_sweep(make_plan(), tmp_path, backend=cheap_backend(), retry=True)
    assert (again.computed, again.done) == (24, 60)


def test_a_sweep_of_which_every_point_fails_says_why(tmp_path):
    plan = make_plan(axes={"adc.bits": [5], "dac.bits": [1, 2]})
    with pytest.raises(ConfigError, match="all 2 points failed; the first: did not converge"):
        run_sweep(plan, tmp_path, backend=cheap_backend("make_failing"))


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_point_given_out_again(tmp_path, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("XBARSIM_TEST_MARKS", str(marks))
    axes = {**sweep_samples.AXES, "adc.bits": [4, 7], "crossbar.rows": [32, 64]}
    summary = run_sweep(make_plan(axes=axes), tmp_path / "out", backend=cheap_backend("make_mortal"))
    assert summary.done == 7
    assert list(summary.failed.values()) == ["its worker process died 3 times (exit code 11)"]


def test_a_worker_that_cannot_start_ends_the_run(tmp_path):
    def run(points, workload):
        return run_local(points, workload, workers=1, factory="sweep_samples:missing")

    with pytest.raises(SolverError, match="a worker process could not start"):
        run_sweep(make_plan(), tmp_path, backend=run)


def test_an_interrupt_leaves_a_table_of_what_was_done(tmp_path):
    def interrupt(stage, done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="7 finished points are kept"):
        run_sweep(make_plan(), tmp_path, backend=cheap_backend(), progress=interrupt)
    assert len(pd.read_csv(tmp_path / "points.csv")) == len(read_store(tmp_path).results) == 7
    assert not (tmp_path / "lock").exists()


def test_workers_stay_with_points_that_share_work():
    plan = make_plan(axes={"adc.bits": [4, 5], "weight_bits": [4, 6], "crossbar.rows": [64, 128]})
    queue = GroupQueue(plan.points)
    given = [queue.next(None)]
    while (point := queue.next(given[-1].group)) is not None:
        given.append(point)
    assert sorted(point.key for point in given) == sorted(point.key for point in plan.points)
    bits = [(p.settings["weight_bits"], p.settings["crossbar.rows"], p.settings["adc.bits"]) for p in given]
    assert bits == [
        (4, 64, 4), (4, 64, 5), (4, 128, 4), (4, 128, 5), (6, 64, 4), (6, 64, 5), (6, 128, 4), (6, 128, 5),
    ]  # fmt: skip


def test_a_worker_without_work_of_its_own_helps_another():
    plan = make_plan(axes={"adc.bits": [4, 5, 6]})
    queue = GroupQueue(plan.points)
    first, second = queue.next(None), queue.next(None)
    assert first.group == second.group
    assert queue.next(first.group) is not None
    assert queue.next(second.group) is None


def test_tables_carry_axes_metrics_and_provenance(undisturbed):
    table = pd.read_parquet(undisturbed / "points.parquet")
    assert list(table.columns) == [
        "network", "hardware", "adc.bits", "crossbar.rows", "dac.bits", "cost.edap", "cost.cycles", "status", "error",
        "point", "trials", "seed", "version", "network_hash", "hardware_hash",
    ]  # fmt: skip
    assert len(table) == table["point"].nunique() == 60
    assert table["adc.bits"].dtype.kind == "i"
    about = json.loads(pq.read_schema(undisturbed / "points.parquet").metadata[b"xbarsim"])
    assert about["sweep"]["axes"]["adc.bits"] == [4, 5, 6, 7, 8]
    read = pd.read_csv(undisturbed / "points.csv", float_precision="round_trip")
    pd.testing.assert_series_equal(read["cost.edap"], table["cost.edap"], check_exact=True)


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    plan = make_plan()
    count, seconds = estimate_seconds(plan, tmp_path / "new", workers=2)
    assert count == 60
    assert 0 < seconds < 60
    assert not (tmp_path / "new").exists()
    run_sweep(plan, tmp_path / "new", backend=cheap_backend())
    assert estimate_seconds(plan, tmp_path / "new") == (0, 0.0)


def test_real_costs_are_those_of_estimate(tmp_path):
    import xbarsim as xs

    plan = make_plan(axes={"adc.bits": [5, 6], "crossbar.rows": [64]})
    summary = run_sweep(plan, tmp_path, workers=1)
    alone = xs.estimate("digits", xs.load_hardware("reference").override({"adc.bits": 6, "crossbar.rows": 64}))
    assert summary.table["cost.edap"].iloc[1] == alone.cost.edap
    assert os.environ.get("NUMBA_NUM_THREADS") is None or summary.done == 2
