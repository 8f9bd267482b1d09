"""``--plugin``: modules of the user's own, before the command begins."""

import json
import subprocess
import sys

import pytest

import xbarsim.cli

MODULE = """
import xbarsim as xs


class Margin:
    higher_is_better = True

    def measure(self, outputs, labels):
        return float(outputs.max(axis=1).mean())


xs.register("metric", "cli_margin", Margin)
"""


def leaves(command, path=()):
    """Yield every command with its path."""
    below = getattr(command, "commands", {})
    if not below:
        yield path, command
    for name, child in below.items():
        yield from leaves(child, (*path, name))


def test_every_command_takes_plugins():
    found = dict(leaves(xbarsim.cli.build_command()))
    assert ("hardware", "list") in found
    for path, command in found.items():
        assert any("--plugin" in option.opts for option in command.params), path


def run(*arguments):
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "xbarsim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("before", [True, False])
def test_a_module_file_is_imported_before_the_command(tmp_path, before):
    file = tmp_path / "mine.py"
    file.write_text(MODULE + "print('imported')\n")
    plugin = ("--plugin", file)
    done = run(*(plugin if before else ()), "hardware", "check", "reference", *(() if before else plugin))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "imported"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
        ("def broken(:", "line 1: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (MODULE.replace("def measure", "def weigh"), "has no method measure"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_in_one_line(xbarsim_command, tmp_path, content, message):
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    code, out, err = xbarsim_command("hardware", "list", "--plugin", file)
    assert (code, out) == (2, "")
    assert err.startswith(f"xbarsim: plug-in {file}: ")
    assert message in err
    assert err.count("\n") == 1


def test_the_name_of_a_missing_module_gets_a_hint(xbarsim_command):
    code, _, err = xbarsim_command("--plugin", "no_such_module", "hardware", "list")
    assert code == 2
    assert "a file is named with its ending, no_such_module.py" in err


@pytest.mark.slow
def test_worker_processes_import_the_module_and_reports_name_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MODULE)
    sweep = {"network": "digits", "data": "digits", "images": 10, "metrics": ["cli_margin"]}
    (tmp_path / "sweep.yaml").write_text(json.dumps(sweep))
    done = run("sweep", tmp_path / "sweep.yaml", "--out", tmp_path / "out", "--workers", "1", "--plugin", file)
    assert done.returncode == 0, done.stderr
    assert "cli_margin" in (tmp_path / "out" / "points.csv").read_text()
    done = run("estimate", "lenet5", "--json", tmp_path / "cost.json", "--plugin", file)
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "cost.json").read_text())["provenance"]
    assert done.returncode == 0
    assert list(made.get("plugins", {})) == ["metric:cli_margin"]
