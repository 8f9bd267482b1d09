"""Every block of the tutorials, the questions and the README runs.

Blocks that name a file are written, other Python is executed, commands end with exit code 0.

What a page shows as printed is compared with what the block before it prints.
"""

import contextlib
import importlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [
    DOCS.parent / "README.md",
    DOCS / "faq.md",
    *sorted(path for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index"),
]
PROGRAM = "from xbarsim.cli import main; main()"
NEEDS = {
    "own_network.md": ("onnx",), "optuna_search.md": ("optuna",), "segmentation.md": ("torch", "onnx", "onnxscript"),
    "detector.md": ("torch", "onnx"), "ecg.md": ("torch", "onnx"),
    "language_model.md": ("torch", "onnx", "onnxruntime"),
}  # fmt: skip

pytestmark = pytest.mark.slow


def blocks_of(text):
    """Yield the kind and the content of every fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(2)


def is_alike(shown, printed):
    """Tell whether two texts have the same words, and numbers within 2 % (or 0.02 if they have no exponent)."""
    number = r"(?<![A-Za-z_])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
    words = ["".join(re.split(number, text)).split() for text in (shown, printed)]
    left, right = (re.findall(number, text) for text in (shown, printed))
    return (words[0], len(left)) == (words[1], len(right)) and all(
        float(value) == pytest.approx(float(other), rel=0.02, abs=0 if "e" in value else 0.02)
        for value, other in zip(left, right, strict=True)
    )


def test_texts_are_compared_by_words_and_numbers():
    assert is_alike("3.84 % of 64 rows", "3.85 %  of 64 rows")
    assert is_alike("EDAP 4.52e-16", "EDAP 4.53e-16")
    assert not is_alike("EDAP 4.52e-16", "EDAP 7.51e-18")
    assert not is_alike("3.84 % of 64 rows", "4.84 % of 64 rows")
    assert not is_alike("3.84 % of 64 rows", "3.84 % of 64 columns")
    assert not is_alike("1 2", "1 2 3")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs(page, tmp_path, monkeypatch):
    name = page.name
    for needed in NEEDS.get(name, ()):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    scope = {"__name__": "__main__"}
    ran, printed = 0, ""
    for kind, content in blocks_of(page.read_text()):
        file = re.match(r"# file: (\S+)\n", content)
        if file:
            (tmp_path / file.group(1)).write_text(content)
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(content, f"{name} block {ran}", "exec"), scope)
            printed = stream.getvalue()
        elif kind == "text":
            assert is_alike(content, printed), f"the page shows\n{content}\nbut the block before it prints\n{printed}"
        elif kind == "console":
            for line in content.splitlines():
                assert line.startswith("$ xbarsim "), line
                command = [sys.executable, "-c", PROGRAM, *shlex.split(line)[2:]]
                done = subprocess.run(command, capture_output=True, text=True)
                assert done.returncode == 0, f"{line}\n{done.stderr}"
        else:
            assert kind != "yaml", "a yaml block says which file it is"
        ran += 1
    assert ran


def test_the_site_builds_without_warnings(tmp_path):
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="the extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Sweep ADC bits" in (tmp_path / "site" / "tutorials" / "sweep.html").read_text()
    for room in ("crossbar", "config", "search"):
        page = (tmp_path / "site" / "reference" / f"{room}.html").read_text()
        for name in importlib.import_module(f"xbarsim.{room}").__all__:
            assert f"xbarsim.{room}.{name}" in page
