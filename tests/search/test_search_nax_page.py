"""The page about NAX says what the kept results say."""

import importlib
import json
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


def describe(label, before, after, edap):
    """Return a design as nax.py keeps it."""
    found = {"quantized": 0.9, "reference": 0.91, "edap": edap, "energy_joule": 1e-4, "delay_s": 1e-4, "area_m2": 1e-5}
    return {"label": label, "before": {**found, "accuracy": before}, "after": {**found, "accuracy": after}}


def test_the_page_compares_every_design_with_the_best_single_sizes(page_module, tmp_path):
    designs = [
        describe("array 16", 0.9, 0.9, 4e-12), describe("array 32", 0.85, 0.88, 2e-12),
        describe("array 128", 0.2, 0.7, 5e-12), describe("mixed", 0.88, 0.89, 1e-12),
    ]  # fmt: skip
    metrics = {f"accuracy.{key}": 0.9 for key in ("hardware", "quantized", "reference")}
    metrics |= {"cost.edap": 1.5e-12, "cost.energy_joule": 1e-4, "cost.delay_s": 1e-4, "cost.area_m2": 1e-5}
    layers = [
        {"layer": "conv1", "kind": "conv2d", "removed": False, "kernel": 5, "array": 32},
        {"layer": "conv2", "kind": "conv2d", "removed": True, "kernel": 3, "array": 16},
        {"layer": "fc", "kind": "linear", "removed": False, "kernel": None, "array": 128},
    ]
    history = [{"validation_loss": 0.5}]
    found = {"metrics": metrics, "layers": layers, "history": history, "seconds": 600.0, "cpu_seconds": 300.0}
    (tmp_path / "architecture.json").write_text(json.dumps(found))
    prices = {"latency": 0.5, "energy": 2.0, "area": 0.0}
    settings = {**prices, "gate_rate": 2.0, "warmup": 2, "epochs": 3, "zero_chance": 0.01}
    (tmp_path / "search.json").write_text(json.dumps({"search": {"differentiable": settings, "seed": 3}}))
    (tmp_path / "figures").mkdir()
    ratio = {f"{kind}_{end}": 1.0 for kind in ("published", "ohmic", "sinh") for end in ("least", "most")}
    ratios = [{"size": 64, **ratio}, {"size": 128, **ratio, "sinh_most": 1.1}]
    page = tmp_path / "nax.md"
    lossy = {design["label"]: {"accuracy": 0.8, "reference": 0.81} for design in designs}
    lossy[str(tmp_path)] = {"accuracy": 0.79, "reference": 0.81}
    page_module.write_page(
        page, designs, {"column": {"16": 0.9, "32": 0.85}}, ratios, {tmp_path: {"accuracy": 0.87}}, lossy
    )
    text = page.read_text()
    assert (
        "| 16 everywhere | 90.0% | 80.0% | 90.0% | 90.0% | 100.0 uJ | 0.100 ms | 10.00 mm2 | 4.000e-12 J s m2 |" in text
    )
    assert "mixed: EDAP -75% at -1.0 points (lossy images: +0.0) against 16 everywhere (best accuracy)" in text
    assert (
        "searched a, prices 0.5 / 2 / 0, seed 3: EDAP -62% at +0.0 points (lossy images: -1.0) against 16 everywhere"
        in text
    )
    assert "90.0%, 85.0%, 20.0%; on lossy images: 80.0%, 80.0%, 80.0%; points below the float network" in text
    assert "once fine-tuned: 1.0, 3.0, 21.0" in text
    assert "float network reaches 81.0%" in text
    assert "layers by array: 1 on 32, 1 on 128" in text
    assert "| searched a, prices 0.5 / 2 / 0, seed 3 | 87.0% | 79.0% | 90.0% |" in text
    assert "| conv2 | left out |  |" in text
    assert "epochs of weights alone: 2, of weights and probabilities in turn: 3" in " ".join(text.split())
    assert "5.0 minutes of CPU time, 10 minutes on a machine" in " ".join(text.split())
    assert "within 10% of the published largest ratio" in text
    assert (tmp_path / "figures" / "nax.png").stat().st_size > 10_000
