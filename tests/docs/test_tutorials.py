"""Every block of every tutorial runs: files are written, Python is executed, commands end with exit code 0."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIALS = sorted(path.name for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index")
PROGRAM = "from xbarsim.cli import main; main()"
NEEDS = {"own_network.md": "onnx", "optuna_search.md": "optuna"}

pytestmark = pytest.mark.slow


def blocks_of(text):
    """Yield the kind and the content of every fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(2)


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_tutorial_runs(name, tmp_path, monkeypatch):
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__main__"}
    ran = 0
    for kind, content in blocks_of((DOCS / "tutorials" / name).read_text()):
        if kind == "python":
            exec(compile(content, f"{name} block {ran}", "exec"), scope)
        elif kind == "console":
            for line in content.splitlines():
                assert line.startswith("$ xbarsim "), line
                command = [sys.executable, "-c", PROGRAM, *shlex.split(line)[2:]]
                done = subprocess.run(command, capture_output=True, text=True)
                assert done.returncode == 0, f"{line}\n{done.stderr}"
        elif kind == "yaml":
            file = re.match(r"# file: (\S+)\n", content)
            assert file, "a yaml block says which file it is"
            (tmp_path / file.group(1)).write_text(content)
        ran += 1
    assert ran


def test_the_site_builds_without_warnings(tmp_path):
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="the extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Sweep ADC bits" in (tmp_path / "site" / "tutorials" / "sweep.html").read_text()
