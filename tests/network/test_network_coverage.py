"""Commands of benchmarks/coverage: a run that was cut off goes on, and only with what it was begun with."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "coverage"


@pytest.fixture
def command(monkeypatch, capsys):
    """Return a function that runs a command of the folder with another check: (exit status or message, output)."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(name, check, *arguments):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, {"exports": "check_apart", "fuzz": "check_seed"}[name], check)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        try:
            status = module.main()
        except SystemExit as error:
            status = error.code
        return status, capsys.readouterr().out

    yield run
    for name in ("exports", "fuzz", "resume"):
        sys.modules.pop(name, None)


def test_checks_of_files_are_kept_for_their_content_and_options(command, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.onnx").write_text(name)
    seen = []

    def check(path, hardware, simulate=False):
        seen.append(path.stem)
        return {"name": path.stem, "state": "refused", "reason": f"for {hardware}"}

    out = tmp_path / "out"
    first = command("exports", check, tmp_path, "--out", out)
    with out.open("a") as file:
        file.write('{"name": "c", "sta')  # cut off
    (tmp_path / "b.onnx").write_text("other")
    status, shown = command("exports", check, tmp_path, "--out", out)
    assert (status, seen) == (None, ["a", "b", "b"])
    assert shown.splitlines()[-1] == first[1].splitlines()[-1]
    for options, key in (
        (("--hardware", "isaac"), "hardware 'reference' in place of 'isaac'"),
        (("--simulate",), "simulate"),
    ):
        status, _ = command("exports", check, tmp_path, "--out", out, *options)
        assert key in status
    assert len(seen) == 3
    assert len(out.read_text().splitlines()) == 4


def test_random_graphs_go_on_from_the_seed_that_they_were_begun_with(command, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    seen, log = [], tmp_path / "log"

    def check(seed, path, writes):
        seen.append(seed)
        return {"seed": seed, "found": "differs"} if seed == 130 else None

    assert command("fuzz", check, 120, 5, "--log", log)[0] == 0
    status, shown = command("fuzz", check, 150, 5, "--log", log)
    assert (status, seen) == (1, list(range(5, 155)))
    assert shown.splitlines()[-1] == "150 graphs, 1 wrong"
    assert command("fuzz", check, 120, 5, "--log", log) == (0, "120 graphs, 0 wrong\n")
    assert "seed 5 in place of 6" in command("fuzz", check, 120, 6, "--log", log)[0]
    lines = log.read_text().splitlines()
    log.write_text("\n".join([json.dumps({"about": {"seed": 5, "graphs": "older"}}), *lines[1:]]) + "\n")
    assert "graphs 'older'" in command("fuzz", check, 120, 5, "--log", log)[0]
    log.write_text('{"done": 105}\n')
    assert "is not a log of this command" in command("fuzz", check, 120, 5, "--log", log)[0]
    assert len(seen) == 150
