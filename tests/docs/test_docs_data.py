"""The script behind ``make data``: it says what is there, and converts CIFAR-10."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np

from xbarsim.data import load_data

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "data.py"


def load_script():
    spec = importlib.util.spec_from_file_location("benchmark_data", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_is_listed_with_its_source(tmp_path, monkeypatch, capsys):
    script = load_script()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "resnet20_cifar10.onnx").write_bytes(b"")
    monkeypatch.setenv("XBARSIM_SHARED", str(tmp_path))
    script.main([])
    shown = capsys.readouterr().out
    assert "found   models/resnet20_cifar10.onnx" in shown
    assert "missing data/cifar10_test_500.npz" in shown
    assert shown.count("https://") >= 3


def test_cifar10_becomes_files_that_commands_read(tmp_path, monkeypatch):
    script = load_script()
    monkeypatch.setattr(script, "TEST_IMAGES", 3)
    monkeypatch.setattr(script, "TRAIN_IMAGES", 10)
    monkeypatch.setenv("XBARSIM_SHARED", str(tmp_path / "out"))
    source, draw = tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    source.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        batch = {b"data": draw.integers(0, 256, (4, 3072), dtype=np.uint8), b"labels": [1, 2, 3, 4]}
        (source / name).write_bytes(pickle.dumps(batch))
    script.main(["--cifar10", str(source)])
    test, train = (load_data(str(path)) for path in sorted((tmp_path / "out" / "data").iterdir()))
    assert len(test) == 3
    assert len(train) == 10
    np.testing.assert_array_equal(test.images, load_data(str(source), "test").images[:3])
