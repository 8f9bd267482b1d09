"""Every command is killed again and again, at random moments and inside writes: the run that ends has the bytes of an
undisturbed one, and no file is damaged meanwhile.

``XBARSIM_KILLS=8 python -m pytest -m slow tests/cli/test_cli_kills.py`` kills each of the commands eight times.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from test_cli_faults import COMMANDS, EPITOMES, SEARCH, SWEEP, read_all

import xbarsim.cli

KILLS = int(os.environ.get("XBARSIM_KILLS", "2"))
LONGEST_S = 1200
QUERY = {"layer": "linear", "shape": {"in_features": 8, "out_features": 4, "vectors": 1}}
ALL = {
    **{name: command for name, command in COMMANDS.items() if name != "report"},
    "simulate in blocks": [
        "simulate", "digits", "--images", "60", "--trials", "2", "--checkpoint", "out/kept", "--json", "out/a.json",
    ],
    "sweep of two processes": ["sweep", "sweep.yaml", "--out", "out/sweep", "--workers", "2"],
    "report": ["report", "out/done"],
    "compare": ["compare", "out/first.json", "out/second.json", "--report", "out/page"],
    "demo": ["demo", "--report", "out/page", "--threads", "1"],
    "oracle": ["oracle", "--cache", "out/cache"],
}  # fmt: skip


def run_command(name, place, at=None):
    """Run a command in a fork of this process, which kills itself in a write if told so; return its process number."""
    child = os.fork()
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # here and there, whichever comes first
    if child:
        return child
    code = 1
    try:
        os.chdir(place)
        text = os.open("told.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(text, 1)
        os.dup2(text, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        if name == "oracle":
            os.dup2(os.open("queries.txt", os.O_RDONLY), 0)
            sys.stdin = os.fdopen(0)
        if at is not None:
            kill_in_write(at, str(place / "out"))
        code = xbarsim.cli.run(ALL[name])
        sys.stdout.flush()
    finally:
        os._exit(code)


def kill_in_write(at, folder):
    """Let this process kill itself in the middle of its n-th write below a folder."""
    count = 0

    def wrap(name, function):
        def call(first, *rest, **more):
            nonlocal count
            place = os.fspath(first) if name == "replace" else os.readlink(f"/proc/self/fd/{first}")
            if str(place).startswith(folder):
                count += 1
                if count == at:
                    if name == "write":
                        function(first, bytes(rest[0])[: len(rest[0]) // 2])
                    os.killpg(os.getpid(), signal.SIGKILL)
            return function(first, *rest, **more)

        return call

    for name in ("write", "fsync", "replace"):
        setattr(os, name, wrap(name, getattr(os, name)))


def wait(child):
    """Return the exit code of a process; minus the signal that ended it."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too long"


def check_whole(folder):
    """Every JSON file can be read, and no page or figure is cut off."""
    for path in Path(folder).rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        content = path.read_bytes()
        if path.suffix == ".json":
            json.loads(content)
        if path.suffix == ".html":
            assert content.rstrip().endswith(b"</html>"), path
        if path.suffix == ".parquet":
            assert content.endswith(b"PAR1"), path


@pytest.fixture
def make_place(tmp_path, monkeypatch):
    """Makes folders to run commands in, with their input files."""

    def make(name):
        place = tmp_path / name
        (place / "out").mkdir(parents=True)
        for file, text in (("sweep.yaml", SWEEP), ("search.yaml", SEARCH), ("epitomes.yaml", EPITOMES)):
            (place / file).write_text(text)
        (place / "queries.txt").write_text("".join(json.dumps({"id": n, **QUERY}) + "\n" for n in range(30)))
        return place

    return make


def prepare(name, place):
    """Write what a command starts from."""
    before = {
        "report": [["sweep", "sweep.yaml", "--out", "out/done", "--workers", "1"]],
        "compare": [
            ["estimate", "digits", "--json", "out/first.json"],
            ["estimate", "digits", "--set", "adc.bits=6", "--json", "out/second.json"],
        ],
    }.get(name, [])
    for arguments in before:
        ALL["before"] = arguments
        assert wait(run_command("before", place)) == 0, (place / "told.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_command_killed_again_and_again_ends_with_the_bytes_of_an_undisturbed_run(name, make_place):
    if name == "finetune":
        pytest.importorskip("torch")
    whole, place, draw = make_place("whole"), make_place("killed"), random.Random(name)
    prepare(name, whole)
    started = time.monotonic()
    assert wait(run_command(name, whole)) == 0, (whole / "told.txt").read_text()
    spent = time.monotonic() - started
    prepare(name, place)
    writes, kills, tries = 8, 0, 0
    while kills < KILLS and tries < 5 * KILLS:
        tries += 1
        at = draw.randint(1, writes) if tries % 2 else None
        child = run_command(name, place, at)
        code = None
        if at is None:
            time.sleep(draw.uniform(0, spent))
            found, status = os.waitpid(child, os.WNOHANG)
            if not found:
                os.killpg(child, signal.SIGKILL)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            else:
                code = os.waitstatus_to_exitcode(status)
        else:
            code = wait(child)
        assert code in (0, -signal.SIGKILL), (place / "told.txt").read_text()
        kills += code != 0
        writes = max(2, writes - 2) if at is not None and code == 0 else writes + 4
        check_whole(place / "out")
        if code == 0:  # it had ended before: begin anew
            shutil.rmtree(place)
            make_place("killed")
            prepare(name, place)
    assert kills == KILLS
    assert wait(run_command(name, place)) == 0, (place / "told.txt").read_text()
    made, wanted = read_all(place / "out"), read_all(whole / "out")
    if name == "oracle":
        assert (place / "told.txt").read_bytes() == (whole / "told.txt").read_bytes()
        return
    assert {path: made.get(path) for path in wanted} == wanted
    left = [path for path in made if path not in wanted]
    assert not left, left
