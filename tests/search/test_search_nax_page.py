"""The page about NAX says what the kept results say."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "validation"


@pytest.fixture
def page_module(monkeypatch):
    """Import the writer of the page."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("nax_page")
    sys.modules.pop("nax_page", None)


def describe(accuracy, edap):
    """Return a design as nax.py keeps it."""
    cost = {"edap": edap, "edap_core": 0.8 * edap, "energy_joule": 1e-4, "delay_s": 1e-4, "area_m2": 1e-5}
    return {"accuracy": accuracy, "quantized": 0.9, "reference": 0.91, "images": 500, **cost}


@pytest.fixture
def written(page_module, tmp_path):
    """Write a page over an older one; return its text and that of its figure's file."""
    found = {f"array {size}": describe(a, e) for size, a, e in ((16, 0.9, 4e-12), (32, 0.85, 2e-12), (128, 0.2, 5e-12))}
    found["best rule by stage"] = describe(0.8, 1e-12)
    runs = []
    for seed, best in ((0, [2e-12, 1e-12]), (1, [2e-12, 1.1e-12])):
        runs.append({"method": "local", "seed": seed, "edap": best[-1], "best": best})
        found[f"local, seed {seed}"] = describe(0.8 - seed / 10, best[-1])
    layers = [
        {"layer": "conv1", "kind": "conv2d", "removed": False, "kernel": 5, "array": 32},
        {"layer": "conv2", "kind": "conv2d", "removed": True, "kernel": 3, "array": 16},
        {"layer": "fc", "kind": "linear", "removed": False, "kernel": None, "array": 128},
    ]
    polish = {"designs": 40, "enumerated": 8, "first_loss": -2.5, "loss": -2.75}
    run = {
        **describe(0.88, 1.5e-12), "mode": "non-ideal", "seed": 0, "layers": layers, "polish": polish, "epochs": 4,
        "undecided": {"fc": {}}, "options": {"conv1": {}, "conv2": {}, "fc": {}}, "cpu_seconds": 300.0, "price": 0.1,
    }  # fmt: skip
    (tmp_path / "figures").mkdir()
    page = tmp_path / "nax.md"
    page.write_text(f"old\n\n{page_module.KEPT}\n\nolder section\n")
    page_module.write_page(page, found, runs, [run])
    return page.read_text(), (tmp_path / "figures" / "nax.png").stat().st_size


def test_the_page_gives_every_design_with_its_interval_and_both_figures(written):
    text, size = written
    assert "| 16 everywhere | 90.0 (87.1 .. 92.3) | 100.0 | 0.100 | 10.00 | 4.000e-12 | 3.200e-12 |" in text
    assert "| local | 10.000 / 11.000 | 5.0 % | 80.0 / 70.0 | 2 / never |" in text
    assert "1 of 3 choices undecided at their end" in text
    assert "lowered the loss from -2.50 to -2.75. 5.0 minutes of CPU time" in text
    assert size > 10_000


def test_the_page_says_what_was_reproduced_and_keeps_its_last_sections(written):
    text, _ = written
    assert "by size: 1.0, 6.0, 71.0 |" in text
    assert "1 on 32, 1 on 128; 1 kernels larger than 3; 1 layers left out" in text
    assert "EDAP -62% at -2.0 points against 16 everywhere" in text
    assert "128 everywhere loses the most accuracy" in text
    assert "not reproduced: a gain of accuracy (-2.0 points)" in text
    assert text.endswith("## What arrays lose\n\nolder section\n")
    assert not text.startswith("old")


def test_intervals_of_shares_are_wilsons(page_module):
    low, high = page_module.find_interval(0.9, 500)
    z = 1.959964
    for end in (low, high):  # both ends lie z deviations from the share
        assert abs(0.9 - end) == pytest.approx(z * (end * (1 - end) / 500) ** 0.5)
