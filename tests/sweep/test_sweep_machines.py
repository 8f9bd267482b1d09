"""One folder, several machines: who may write, whose lock counts, and that nothing is lost where the lock fails.

Another machine is one whose kernel has another name; a shared folder without file locks between machines is one whose
``flock`` always succeeds, and one without any raises. Both are what a process on another machine would see.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sweep_samples
from sweep_samples import cheap_backend, make_plan

from xbarsim.errors import ConfigError, Interrupted, SolverError
from xbarsim.store import lock as lock_module
from xbarsim.store.lock import Lock, identify_machine
from xbarsim.sweep import store as store_module
from xbarsim.sweep.run import run_sweep
from xbarsim.sweep.store import read_store

HERE = identify_machine()
ELSEWHERE = "e15e" * 4


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Count and watch at a pace for tests."""
    monkeypatch.setattr(lock_module, "WATCH_S", 0.6)
    monkeypatch.setattr(lock_module, "BEAT_S", 0.1)


@pytest.fixture
def no_flock_between(monkeypatch):
    """Be on a file system whose locks other machines do not see."""
    monkeypatch.setattr(lock_module, "_flock", lambda descriptor: True)


def be(monkeypatch, machine):
    monkeypatch.setattr(lock_module, "identify_machine", lambda: machine)
    monkeypatch.setattr(store_module, "identify_machine", lambda: machine)


def take_elsewhere(folder, monkeypatch):
    with monkeypatch.context() as patch:
        be(patch, ELSEWHERE)
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        lock = Lock(folder)
        lock.acquire()
    return lock


def suspend(lock):
    """Stop a holder's count, as where its machine sleeps or died."""
    lock._stop.set()
    lock._thread.join()


def tables_of(folder):
    return (folder / "points.csv").read_bytes(), (folder / "points.parquet").read_bytes()


def keys_of(path):
    records = [json.loads(line[9:]) for line in path.read_bytes().splitlines()]
    return [record["key"] for record in records if "key" in record]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(make_plan(), folder, backend=cheap_backend())
    return folder


def test_a_lock_of_another_machine_is_respected_while_it_counts(tmp_path, monkeypatch, no_flock_between):
    first, second = take_elsewhere(tmp_path, monkeypatch), Lock(tmp_path)
    with pytest.raises(ConfigError, match=r"process \d+ on elsewhere is writing here"):
        second.acquire()
    suspend(first)
    second.acquire()
    with pytest.raises(SolverError, match="another run has taken over"):
        first.check()
    second.release()


@pytest.mark.parametrize("shift_s", [-86_400.0, 86_400.0])
def test_clocks_of_two_machines_are_never_compared(tmp_path, monkeypatch, no_flock_between, shift_s):
    def shift():
        at = time.time() + shift_s
        os.utime(tmp_path / "lock", (at, at))

    first = take_elsewhere(tmp_path, monkeypatch)
    shift()
    with pytest.raises(ConfigError, match="is writing here"):
        Lock(tmp_path).acquire()
    suspend(first)
    shift()
    second = Lock(tmp_path)
    second.acquire()
    second.release()


def test_a_machine_of_the_same_name_is_another_machine(tmp_path, monkeypatch, no_flock_between):
    with monkeypatch.context() as patch:
        be(patch, ELSEWHERE)  # its host name is ours
        first = Lock(tmp_path)
        first.acquire()
    with pytest.raises(ConfigError, match="is writing here"):
        Lock(tmp_path).acquire()
    first.release()


def test_another_host_name_on_the_same_kernel_is_the_same_machine(tmp_path):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode:
        pytest.skip("this user may not change host names")
    holder = (
        "import sys, time, pathlib; from xbarsim.store.lock import Lock; "
        "Lock(pathlib.Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
    )
    renamed = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    with subprocess.Popen(
        [*renamed, sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "held\n"
        assert json.loads((tmp_path / "lock").read_bytes())["host"] == "elsewhere"
        with pytest.raises(ConfigError, match=r"on elsewhere is writing here"):
            Lock(tmp_path).acquire()
        first.kill()
    started = time.monotonic()
    lock = Lock(tmp_path)  # the kernel knows that it is gone: nothing to watch
    lock.acquire()
    assert time.monotonic() - started < lock_module.WATCH_S
    lock.release()


def test_where_no_file_locks_exist_the_count_decides_on_one_machine_too(tmp_path, monkeypatch):
    import fcntl

    def refuse(descriptor, flags):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    first = Lock(tmp_path)
    first.acquire()
    with pytest.raises(ConfigError, match="is writing here"):
        Lock(tmp_path).acquire()
    suspend(first)
    second = Lock(tmp_path)
    second.acquire()
    second.release()


def test_of_two_that_take_over_the_same_lock_one_stays(tmp_path, monkeypatch, no_flock_between):
    suspend(take_elsewhere(tmp_path, monkeypatch))
    locks, outcomes = [Lock(tmp_path) for _ in range(2)], {}
    start = threading.Barrier(2)

    def take(number):
        start.wait()
        try:
            locks[number].acquire()
            outcomes[number] = "held"
        except ConfigError:
            outcomes[number] = "refused"

    threads = [threading.Thread(target=take, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["held", "refused"]
    for lock in locks:
        lock.release()


def test_each_machine_appends_to_a_log_of_its_own(tmp_path, monkeypatch, undisturbed):
    def interrupt(stage, done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="20 finished points are kept"):
        run_sweep(make_plan(), tmp_path, backend=cheap_backend(), progress=interrupt)
    with monkeypatch.context() as patch:
        be(patch, ELSEWHERE)
        assert run_sweep(make_plan(), tmp_path, backend=cheap_backend()).computed == 40
    assert len(keys_of(tmp_path / "points.log")) == 20
    assert len(keys_of(tmp_path / f"points-{ELSEWHERE}.log")) == 40
    assert tables_of(tmp_path) == tables_of(undisturbed)
    assert run_sweep(make_plan(), tmp_path, backend=cheap_backend()).computed == 0


@pytest.mark.parametrize("call", ["write", "fsync", "link", "unlink"])
def test_a_process_killed_while_it_makes_its_log_leaves_none_behind(call, tmp_path):
    plan = make_plan(axes={"adc.bits": [5]})
    child = os.fork()
    if not child:
        begin = store_module.make_file

        def make_file(*rest):
            setattr(os, call, lambda *rest: os.kill(os.getpid(), signal.SIGKILL))
            return begin(*rest)

        store_module.make_file = make_file
        store_module.SweepStore(tmp_path, plan).__enter__()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with store_module.SweepStore(tmp_path, plan):
        pass
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".log")) == ["points.log"]
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


@pytest.mark.slow
def test_two_machines_that_write_at_once_lose_nothing_even_without_a_lock(tmp_path, undisturbed):
    script = (
        "import sys; from xbarsim.store import lock; from xbarsim.sweep import store; import sweep_samples as s; "
        "lock.identify_machine = store.identify_machine = lambda: sys.argv[2]; "
        "lock.Lock.acquire = lock.Lock.check = lock.Lock.release = lambda self: None; "
        "s.run_sweep(s.make_plan(), sys.argv[1], backend=s.cheap_backend('make_slow'))"
    )
    folder = str(Path(sweep_samples.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))}
    machines = [HERE, ELSEWHERE]
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), machine], env=environment)
        for machine in machines
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    logs = sorted(tmp_path.glob("points*.log"))
    assert len(logs) == 2
    stored = read_store(tmp_path)
    assert stored.damaged == 0
    assert len(stored.results) == 60
    assert set(keys_of(logs[0])) | set(keys_of(logs[1])) == set(stored.results)
    assert tables_of(tmp_path) == tables_of(undisturbed)


def test_a_log_whose_owner_cannot_be_read_is_left_alone(tmp_path):
    run_sweep(make_plan(axes={"adc.bits": [5]}), tmp_path, backend=cheap_backend())
    log = tmp_path / "points.log"
    content = bytearray(log.read_bytes())
    content[12] ^= 1
    log.write_bytes(bytes(content))
    plan = make_plan(axes={"adc.bits": [5, 6]})
    with pytest.warns(UserWarning, match="1 damaged records"):
        assert run_sweep(plan, tmp_path, backend=cheap_backend()).done == 2
    assert log.read_bytes() == bytes(content)
    assert len(keys_of(tmp_path / f"points-{HERE}.log")) == 1
