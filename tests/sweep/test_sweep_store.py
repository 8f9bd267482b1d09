"""The log and the lock: what survives a kill, a full disk, and a second run."""

import json
import os
import resource
import subprocess
import sys
import textwrap

import pytest
import sweep_samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xbarsim.errors import ConfigError, SolverError
from xbarsim.fleet.task import TaskResult
from xbarsim.store.lock import Lock
from xbarsim.store.log import Log, encode_record, read_records
from xbarsim.sweep.run import run_sweep
from xbarsim.sweep.store import SweepStore, read_store

RECORDS = [{"key": f"{number:04x}", "metrics": {"cost.edap": number / 3}} for number in range(12)]
HOLDER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from xbarsim.store.lock import Lock
    Lock(Path(sys.argv[1])).acquire()
    print("held", flush=True)
    time.sleep(60)
""")


def write_log(path, records=RECORDS):
    path.write_bytes(b"".join(map(encode_record, records)))
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2000))
def test_a_log_cut_anywhere_keeps_every_whole_record(tmp_path, cut):
    path = write_log(tmp_path / "points.log")
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    whole = content.count(b"\n")
    log = Log(path)
    assert read_records(path)[0] == RECORDS[:whole]
    for record in RECORDS[whole:]:
        log.append(record)
    log.close()
    assert path.read_bytes() == b"".join(map(encode_record, RECORDS))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 600), value=st.integers(0, 255))
def test_a_damaged_byte_costs_its_own_record_alone(tmp_path, at, value):
    path = write_log(tmp_path / "points.log")
    content = bytearray(path.read_bytes())
    content[at % len(content)] = value
    path.write_bytes(bytes(content))
    records, damaged, _ = read_records(path)
    assert [record for record in RECORDS if record in records] == records
    assert len(records) >= len(RECORDS) - 2  # a newline joins two records
    assert damaged <= 1 + (value == ord("\n"))  # a newline inside a record leaves two lines that are none


def test_numbers_come_back_bit_for_bit(tmp_path):
    values = {"cost.edap": 0.1 + 0.2, "a": 1e-300, "b": 5e-324, "c": 2**60 + 1}
    log = Log(tmp_path / "points.log")
    log.append(values)
    log.close()
    assert read_records(tmp_path / "points.log")[0] == [values]


def test_a_full_disk_keeps_what_was_stored_and_says_so(tmp_path):
    log = Log(tmp_path / "points.log")
    log.append(RECORDS[0])
    size = (tmp_path / "points.log").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))  # the next record fits in part
    try:
        with pytest.raises(OSError, match="File too large"):
            log.append(RECORDS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "points.log").stat().st_size == size
    log.append(RECORDS[1])  # space again
    log.close()
    assert read_records(tmp_path / "points.log")[0] == RECORDS[:2]


def test_a_sweep_on_a_full_disk_stops_and_goes_on_later(tmp_path, monkeypatch):
    plan = sweep_samples.make_plan()
    real = os.write
    room = [14]  # the first record names the machine, and the sweep is described in a file

    def write(descriptor, content):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(SolverError, match="No space left on device; 12 finished points are kept"):
            run_sweep(plan, tmp_path, backend=sweep_samples.cheap_backend())
    assert len(read_store(tmp_path).results) == 12
    assert run_sweep(plan, tmp_path, backend=sweep_samples.cheap_backend()).computed == 48


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written: (Not a directory|File exists)"):
        run_sweep(sweep_samples.make_plan(), tmp_path / place)


def test_a_folder_without_permission_is_refused(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(ConfigError, match="cannot be written: Permission denied"):
        run_sweep(sweep_samples.make_plan(), folder)


def test_a_second_run_on_one_folder_is_refused_until_the_first_is_gone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=rf"process {first.pid} on .* is writing here"):
            Lock(tmp_path).acquire()
        first.kill()
    lock = Lock(tmp_path)  # what a killed run leaves behind blocks nobody
    lock.acquire()
    lock.check()
    lock.release()
    assert not (tmp_path / "lock").exists()


def test_a_folder_of_another_sweep_is_refused(tmp_path):
    run_sweep(sweep_samples.make_plan(), tmp_path, backend=sweep_samples.cheap_backend())
    with pytest.raises(ConfigError, match=r"contains 60 points of another sweep \(seed differ\)"):
        run_sweep(sweep_samples.make_plan(seed=1), tmp_path, backend=sweep_samples.cheap_backend())
    assert len(read_store(tmp_path).document["points"]) == 60


def test_a_result_is_on_the_device_before_append_returns(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_ino), real(descriptor)))
    with SweepStore(tmp_path, sweep_samples.make_plan()) as store:
        synced.clear()
        store.append(TaskResult(key="00", value={}))
        assert (tmp_path / "points.log").stat().st_ino in synced
    assert json.loads((tmp_path / "points.log").read_bytes().splitlines()[-1][9:])["key"] == "00"
