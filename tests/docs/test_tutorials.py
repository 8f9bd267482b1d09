"""Every block of the tutorials, the questions and the README runs.

Blocks that name a file are written, other Python is executed, commands end with exit code 0.

What a page shows as printed is compared with what the block before it prints.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import is_alike, run_page

DOCS = Path(__file__).resolve().parents[2] / "docs"
IN_TASKS = {
    "pytorch",
    "cheapest_converter",
    "measured_array",
    "paper_chip",
    "explain",
    "compare_hardware",
    "cluster",
    "oracle_client",
    "energy",
    "device_law",
    "converter",
    "training_loop",
}
"""Pages that ``tests/tasks`` runs with an installed wheel."""
PAGES = [
    DOCS.parent / "README.md",
    DOCS / "faq.md",
    *sorted(path for path in (DOCS / "tutorials").glob("*.md") if path.stem not in {"index", *IN_TASKS}),
]
PROGRAM = "from xbarsim.cli import main; main()"
NEEDS = {
    "own_network.md": ("onnx",), "optuna_search.md": ("optuna",), "segmentation.md": ("torch", "onnx", "onnxscript"),
    "detector.md": ("torch", "onnx"), "ecg.md": ("torch", "onnx"),
    "language_model.md": ("torch", "onnx", "onnxruntime"),
}  # fmt: skip

pytestmark = pytest.mark.slow


def test_texts_are_compared_by_words_and_numbers():
    assert is_alike("3.84 % of 64 rows", "3.85 %  of 64 rows")
    assert is_alike("EDAP 4.52e-16", "EDAP 4.53e-16")
    assert not is_alike("EDAP 4.52e-16", "EDAP 7.51e-18")
    assert not is_alike("3.84 % of 64 rows", "4.84 % of 64 rows")
    assert not is_alike("3.84 % of 64 rows", "3.84 % of 64 columns")
    assert not is_alike("1 2", "1 2 3")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs(page, tmp_path, monkeypatch):
    for needed in NEEDS.get(page.name, ()):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    count, _ = run_page(page, [sys.executable, "-c", PROGRAM])
    assert count


def test_the_site_builds_without_warnings(tmp_path):
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason="the extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Sweep ADC bits" in (tmp_path / "site" / "tutorials" / "sweep.html").read_text()
    for room in ("crossbar", "config", "search"):
        page = (tmp_path / "site" / "reference" / f"{room}.html").read_text()
        for name in importlib.import_module(f"xbarsim.{room}").__all__:
            assert f"xbarsim.{room}.{name}" in page
