"""Places of outputs: nothing that a command reads or writes elsewhere is destroyed, and no place is guessed."""

import json
import shutil
import subprocess
import sys

import pytest

import xbarsim as xs
from xbarsim.config.load import find_hardware
from xbarsim.network.write_onnx import write_onnx


@pytest.fixture
def refuse(xbarsim_command, tmp_path, monkeypatch):
    """Run a command in an empty folder that must be refused in one line, without a file more or less."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, name):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        code, out, err = xbarsim_command(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), (out, err)
        assert name in err
        assert len(err) <= 401
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    return run


@pytest.mark.parametrize("other", ["out.json", "./out.json"])
def test_two_outputs_of_one_file_are_refused(refuse, other):
    arguments = ("estimate", "lenet5", "--json", other, "--trace", "out.json")
    refuse(*arguments, name="--trace out.json: is also the file of --json; name two files")


def test_a_file_that_is_read_is_not_written(refuse, tmp_path):
    shutil.copy(find_hardware("nax"), tmp_path / "own.yaml")
    (tmp_path / "link.json").symlink_to("own.yaml")
    for place in ("own.yaml", "link.json"):
        for command in (["estimate", "lenet5", "--hardware", "own.yaml"], ["hardware", "diff", "own.yaml", "nax"]):
            refuse(*command, "--json", place, name=f"--json {place}: is a file that the command reads")
    write_onnx(xs.load_network("digits"), tmp_path / "net.onnx")
    refuse("quantize", "net.onnx", "--out", "net.onnx", name="--out net.onnx: is a file that the command reads")


def test_a_trace_does_not_go_to_a_file_named_like_standard_output(refuse):
    refuse("estimate", "lenet5", "--trace", "-", name="--trace -: a trace goes to a file")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["estimate", "lenet5", "--report", ""], "--report: has an empty value"),
        (["estimate", "lenet5", "--report="], "--report: has an empty value"),
        (["estimate", "lenet5", "--json", ""], "--json: has an empty value"),
        (["estimate", ""], "an argument: has an empty value"),
        (["sweep", "sweep.yaml", "--out", ""], "--out: has an empty value"),
    ],
)
def test_an_empty_value_is_not_the_current_folder(refuse, arguments, name):
    refuse(*arguments, name=name)


def test_an_existing_result_is_replaced(xbarsim_command, tmp_path):
    path = tmp_path / "out.json"
    path.write_text("old")
    code, _, _ = xbarsim_command("--quiet", "estimate", "lenet5", "--json", path)
    assert code == 0
    assert json.loads(path.read_text())["cost"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("hardware list >&-", 0),
        ("hardware show none 2>&-", 2),
        ("oracle --cache none <&-", 0),
        ("--quiet estimate lenet5 --json out.json <&- >&- 2>&-", 0),
    ],
)
def test_standard_streams_may_be_closed(tmp_path, line, code):
    command = f'exec "$0" -m xbarsim {line}'
    done = subprocess.run(["bash", "-c", command, sys.executable], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
    if "out.json" in line:
        assert json.loads((tmp_path / "out.json").read_text())["cost"]
