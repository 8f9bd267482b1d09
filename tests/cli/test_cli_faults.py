"""Every write of every command fails in turn: one line, exit code 2 or 3, nothing damaged, and a second run is whole.

Writes are those that reach the operating system below the folder of the results (``os.write``, ``os.fsync``,
``os.replace``), and those to standard output.
"""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import xbarsim.cli
from xbarsim.errors import ConfigError
from xbarsim.store import check_file, check_folder, write_file

ERRORS = (errno.ENOSPC, errno.EIO, errno.EPIPE, "removed")
SWEEP = "network: lenet5\nhardware: isaac\naxes: {adc.bits: [5, 6]}\nmetrics: [cost.edap]\n"
SEARCH = "network: digits\nspace: {'*': {array: [32, 64]}}\npoints: 4\nmethod: random\n"
EPITOMES = (
    "network: resnet20\nlayers: [layer3.*]\nshapes: [{rows: 288, channels: 32}]\nuniform: {rows: 288, channels: 32}\n"
    "points: 3\n"
)
COMMANDS = {
    "estimate": ["estimate", "digits", "--json", "out/a.json", "--trace", "out/a.trace", "--report", "out/page"],
    "simulate": ["simulate", "digits", "--images", "4", "--json", "out/a.json", "--report", "out/page"],
    "explain": [
        "explain", "digits", "--images", "4", "--trials", "1", "--parts", "layers", "--checkpoint", "out/kept",
        "--json", "out/a.json",
    ],
    "quantize": ["quantize", "digits", "--method", "nearest", "--images", "16", "--out", "out/a.onnx"],
    "sweep": ["sweep", "sweep.yaml", "--out", "out/sweep", "--workers", "1"],
    "report": ["report", "done"],
    "search nax": ["search", "nax", "search.yaml", "--out", "out/search", "--cache", "none"],
    "search epitome": ["search", "epitome", "epitomes.yaml", "--out", "out/search", "--cache", "none"],
    "finetune": [
        "finetune", "digits", "--out", "out/a.onnx", "--images", "64", "--epochs", "1", "--set", "adc.bits=ideal",
    ],
}  # fmt: skip
QUICK = ("quantize", "sweep")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to run commands in, with their input files."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("sweep.yaml", SWEEP), ("search.yaml", SEARCH), ("epitomes.yaml", EPITOMES)):
        (tmp_path / name).write_text(text)
    (tmp_path / "out").mkdir()
    return tmp_path


class Faults:
    """Counts writes below a folder, and lets one of them fail."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.count, self.at, self.error = folder, 0, None, None
        self.names = []
        for name in ("write", "fsync", "replace", "pwrite"):
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name, function):
        def call(first, *rest, **more):
            place = os.fspath(first) if name == "replace" else self.resolve(first)
            if self.folder not in place or place.endswith("/lock"):  # a lost beat of the lock is no loss
                return function(first, *rest, **more)
            self.count += 1
            self.names.append(f"{name} {place}")
            if self.count == self.at:
                if self.error == "removed":
                    shutil.rmtree(self.folder)
                    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), place)
                raise OSError(self.error, os.strerror(self.error))
            return function(first, *rest, **more)

        return call

    @staticmethod
    def resolve(descriptor):
        try:
            return os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return ""


def read_all(folder):
    """Return the content of every file, without what names times and processes."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.name != "lock":
            content = path.read_bytes()
            if path.suffix in (".json", ".html", ".log", ".parquet"):  # they state seconds
                content = b"" if path.suffix != ".json" else drop_seconds(content)
            found[str(path.relative_to(folder))] = content
    return found


def drop_seconds(content):
    def walk(value):
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items() if "seconds" not in k}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return json.dumps(walk(json.loads(content))).encode()


def check_command(name, place, monkeypatch, capsys, chosen):
    arguments = COMMANDS[name]
    if name == "report":
        assert xbarsim.cli.run(["sweep", "sweep.yaml", "--out", "done", "--workers", "1"]) == 0
    if name == "finetune":
        pytest.importorskip("torch")
    folder = str(place / ("done" if name == "report" else "out"))
    shutil.copytree(folder, place / "before")
    faults = Faults(folder, monkeypatch)
    assert xbarsim.cli.run(arguments) == 0, capsys.readouterr()
    whole, total = read_all(folder), faults.count
    assert total > 2
    capsys.readouterr()
    for at in chosen(total):
        for error in ERRORS if total < 20 else (ERRORS[at % len(ERRORS)],):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(place / "before", folder)
            (Path(folder) / "a.json").write_text('"an older file"') if name != "report" else None
            faults.count, faults.at, faults.error = 0, at, error
            code = xbarsim.cli.run(arguments)
            err = capsys.readouterr().err
            what = f"{name}, write {at} of {total} ({faults.names[at - 1]}), {error}: {code} {err}"
            assert code in (2, 3), what
            told = [line for line in err.splitlines() if line.startswith("xbarsim: ") and "warning: " not in line]
            assert len(told) == 1, what
            assert "Traceback" not in err, what
            if error == "removed":
                continue
            older = read_all(folder).get("a.json")
            assert older in (b'"an older file"', whole.get("a.json"), None if name == "report" else b""), what
            leftovers = [path for path in Path(folder).rglob(".*") if path.is_file()]
            assert not leftovers, what
            faults.at = None
            assert xbarsim.cli.run(arguments) == 0, what
            capsys.readouterr()
            again = read_all(folder)
            again = {path: again.get(path) for path in whole}
            assert again == whole, what


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "sweep" else name for name in QUICK]
)
def test_some_writes_fail(name, place, monkeypatch, capsys):
    check_command(name, place, monkeypatch, capsys, lambda total: sorted({1, total // 2, total}))


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_write_fails_in_turn(name, place, monkeypatch, capsys):
    """Every write with ``XBARSIM_ALL_FAULTS=1``, else five of each command, evenly spaced."""
    is_whole = bool(os.environ.get("XBARSIM_ALL_FAULTS"))
    check_command(
        name, place, monkeypatch, capsys,
        lambda total: range(1, total + 1) if is_whole else sorted({1 + (total - 1) * n // 4 for n in range(5)}),
    )  # fmt: skip


class Stream(io.TextIOBase):
    """Standard output that fails when it is written to."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise OSError(self.error, os.strerror(self.error))

    flush = lambda self: None  # noqa: E731


@pytest.mark.parametrize(
    ("name", "error"),
    [("estimate", errno.EPIPE), ("simulate", errno.ENOSPC), ("quantize", errno.EIO), ("search nax", errno.EPIPE)],
)
def test_files_are_there_before_the_terminal_fails(name, error, place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Stream(error))
    code = xbarsim.cli.run(COMMANDS[name])
    err = capsys.readouterr().err
    assert code == 3, err
    assert err.count("\n") == 1, err
    last = {"quantize": "a.onnx", "search nax": "search/architecture.png"}.get(name, "page/index.html")
    assert (place / "out" / last).stat().st_size > 100


@pytest.mark.parametrize(
    "name", ["hardware list", "hardware show isaac", "network list", "network show lenet5", "hardware schema"]
)
def test_a_full_device_ends_a_command_that_prints_with_one_line(name):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "xbarsim", *name.split()], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.decode().count("\n") == 1
    assert b"No space left" in done.stderr


@pytest.mark.slow
def test_a_reader_that_leaves_early_costs_no_file(tmp_path):
    command = f"{sys.executable} -m xbarsim simulate digits --images 4 --json {tmp_path}/a.json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, check=True)
    assert done.stderr.count(b"\n") <= 1
    assert json.loads((tmp_path / "a.json").read_text())["accuracy"]["images"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_sweep_with_what_is_kept_said(number, tmp_path):
    (tmp_path / "sweep.yaml").write_text(
        "network: digits\ndata: digits\nimages: 100\naxes: {crossbar.r_wl_ohm: {from: 1, to: 2, count: 300}}\n"
    )
    command = [sys.executable, "-m", "xbarsim", "sweep", "sweep.yaml", "--out", "out", "--workers", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as running:
        log = tmp_path / "out" / "points.log"
        while not (log.exists() and log.read_bytes().count(b"\n") > 2):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(number)
        err = running.stderr.read().decode()
    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    last = err.splitlines()[-1]
    assert last.startswith(("xbarsim: interrupted; out: ", "xbarsim: terminated; out: "))
    assert "finished points are kept; the same command resumes it" in last
    assert (tmp_path / "out" / "points.csv").exists()


def test_places_are_checked_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "missing" / "a", tmp_path / "file" / "a", tmp_path / "loop", Path("/proc/a")):
        with pytest.raises(ConfigError, match=r"^--json "):
            check_file(path, "--json")
    for path in (tmp_path / "file", tmp_path / "file" / "a", tmp_path / "loop", Path("/proc/a")):
        with pytest.raises(ConfigError, match=r"^--report "):
            check_folder(path, "--report")
    check_file("/dev/null", "--json")
    check_folder(tmp_path / "new" / "folder", "--report")
    assert not (tmp_path / "new").exists()


def test_a_link_keeps_naming_what_is_replaced_and_a_device_is_written_to(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    write_file("/dev/null", np.zeros(10).tobytes())
