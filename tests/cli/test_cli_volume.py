"""What commands say beside results: --quiet, --verbose, and JSON on standard output."""

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest

from xbarsim.cli import _volume, build_command, run
from xbarsim.cli._progress import ProgressDisplay


def list_commands(command, path=()):
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from list_commands(child, (*path, name))
    else:
        yield " ".join(path), command


def test_every_command_takes_quiet_and_verbose():
    commands = dict(list_commands(build_command()))
    assert len(commands) > 15
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--quiet", "-q", "--verbose", "-v"} <= options, name


def test_json_on_standard_output_is_alone_there(capsys):
    assert run(["estimate", "digits", "--json", "-"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["cost"]["edap"] > 0
    assert "EDAP" in shown.err
    assert run(["hardware", "diff", "reference", "isaac", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["keys"]
    assert run(["estimate", "digits"]) == 0  # the next command of a process is not piped
    assert "EDAP" in capsys.readouterr().out


def test_quiet_leaves_out_lists_of_files_and_progress(capsys, tmp_path):
    for options, told in (((), True), (("-q",), False)):
        assert run(["estimate", "digits", "--json", str(tmp_path / "a.json"), *options]) == 0
        assert ("wrote" in capsys.readouterr().out) is told
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("network: digits\naxes: {adc.bits: [6]}\nmetrics: [cost.edap]\n")
    for options, told in (((), True), (("-q",), False)):
        assert run(["sweep", str(sweep), "--out", str(tmp_path / "out"), "--workers", "1", *options]) == 0
        shown = capsys.readouterr().out
        assert ("wrote" in shown, "next: xbarsim report" in shown, "1 of 1 points done" in shown) == (told, told, True)
    stream = io.StringIO()
    _volume.VOLUME.quiet = True
    with ProgressDisplay(stream) as display:
        display._shown = -1e9
        display("images", 1, 2)
    assert stream.getvalue() == ""


def test_quiet_leaves_out_warnings_and_keeps_errors(capsys):
    assert run(["-q", "estimate", "nothing.onnx"]) == 2
    assert "nothing.onnx" in capsys.readouterr().err
    for options, told in (((), True), (("--quiet",), False)):
        assert run(["hardware", "schema", *options]) == 0
        warnings.warn(f"told{options}", UserWarning, stacklevel=1)
        assert ("warning: told" in capsys.readouterr().err) is told


def test_verbose_shows_stages_and_where_an_error_comes_from(capsys, caplog):
    assert run(["estimate", "nothing.onnx", "-v"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("xbarsim: ")
    with caplog.at_level(logging.INFO, logger="xbarsim"), ProgressDisplay(io.StringIO()) as display:
        display("images", 0, 2)
        display("images", 2, 2)
    assert "images: 2 in " in caplog.text


@pytest.mark.slow
def test_results_are_compared_through_a_pipe(tmp_path):
    program = f"{sys.executable} -c 'from xbarsim.cli import main; main()'"
    line = (
        f"{program} estimate digits --json a.json -q && "
        f"{program} estimate digits --set adc.bits=6 --json - 2>/dev/null | {program} compare a.json -"
    )
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "B / A" in done.stdout
    assert "adc.bits=6" in done.stdout
    assert run(["compare", "-", "-"]) == 2


@pytest.mark.parametrize(
    ("words", "count", "found"),
    [
        ("xbarsim esti", 1, "estimate"),
        ("xbarsim estimate --hard", 2, "--hardware"),
        ("xbarsim estimate digits --hardware re", 4, "reference"),
        ("xbarsim simulate dig", 2, "digits"),
    ],
)
def test_a_shell_completes_commands_options_and_names(monkeypatch, capsys, words, count, found):
    for name, value in (("COMP_WORDS", words), ("COMP_CWORD", str(count)), ("_XBARSIM_COMPLETE", "complete_bash")):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run([])
    assert found in capsys.readouterr().out.split()
