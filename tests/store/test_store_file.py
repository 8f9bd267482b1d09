"""Files that are there as a whole or not at all."""

import os
import subprocess
import sys

import pytest

from xbarsim.errors import ConfigError
from xbarsim.store import hold_file, make_file, make_folder, write_file


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    assert write_file(path, "one") == path
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_file(path, "one")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xbarsim.store.file.os.fsync", fail)
    with pytest.raises(ConfigError, match=r"a\.txt: cannot be written: No space left on device"):
        write_file(path, "two")
    assert path.read_text() == "one"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_process_left_is_removed_by_the_next_one_that_writes_there(tmp_path):
    path, begun = tmp_path / "a.txt", "import os, signal, sys; from xbarsim.store import file; "
    code = begun + "os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL); file.write_file(sys.argv[1], 'new')"
    subprocess.run([sys.executable, "-c", code, str(path)])
    left = next(tmp_path.iterdir())
    assert left.read_text() == "new"
    other = tmp_path / f"{left.name.rpartition('.')[0]}.{os.getppid()}"  # of a process that is still there
    strange = tmp_path / ".a.txt.elsewhere.4194303"
    for kept in (other, strange):
        kept.write_text("another")
    write_file(path, "mine")
    assert {item.name for item in tmp_path.iterdir()} == {"a.txt", other.name, strange.name}


def test_a_link_keeps_pointing_and_a_device_is_written_to(tmp_path):
    (tmp_path / "real.txt").write_text("one")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real.txt")
    write_file(link, "two")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_text() == "two"
    write_file("/dev/null", "gone")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/below: cannot be written"):
        make_folder(tmp_path / "file" / "below")


def test_a_file_is_held_for_a_moment(tmp_path):
    with hold_file(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
    with hold_file(tmp_path / "lock"):
        pass


def test_json_of_ours_is_strict():
    import json

    from xbarsim.store import decode_json, encode_json

    text = encode_json({"a": [float("nan"), float("inf"), 1.5], float("inf"): (True, None)})
    assert json.loads(text) == {"a": [None, None, 1.5], "inf": [True, None]}
    for name in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(ValueError, match="not JSON"):
            decode_json(f'{{"a": {name}}}')


def test_of_two_that_make_a_file_one_succeeds_and_its_content_stays(tmp_path):
    path = tmp_path / "a.log"
    assert make_file(path, b"first")
    assert not make_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert [item.name for item in tmp_path.iterdir()] == ["a.log"]


def test_a_file_is_made_once_where_there_are_no_links_too(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("xbarsim.store.file.os.link", refuse)
    test_of_two_that_make_a_file_one_succeeds_and_its_content_stays(tmp_path)


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_file_that_could_not_be_made_is_not_there(step, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"xbarsim.store.file.os.{step}", fail)
    with pytest.raises(OSError, match="No space left"):
        make_file(tmp_path / "a.log", b"first")
    assert list(tmp_path.iterdir()) == []
