"""Who runs the float network: a setting that is named, and never a package that happens to be there."""

import sys

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.network import FloatRun, find_executor, load_network, quantize_network


@pytest.fixture(scope="module")
def images():
    return load_data("digits").images[:21].astype(np.float32) / 255


def run(name, images, names=(), threads=1):
    """Return outputs, and what was seen of some nodes, blocks in any order."""
    seen = {}
    how = FloatRun(
        names=names, observe=lambda node, value: seen.setdefault(node, []).append(value.copy()), threads=threads
    )
    return find_executor(name).run(load_network("digits"), images, how), seen


def test_onnx_runtime_gives_the_values_of_our_own_executor(images):
    pytest.importorskip("onnxruntime")
    names = [node.inputs[0] for node in load_network("digits").layers]
    expected, own = run("own", images, names)
    found, theirs = run("onnxruntime", images, names)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for name in names:
        ours, other = np.concatenate(own[name]), np.concatenate(theirs[name])
        np.testing.assert_allclose(other, ours, rtol=1e-4, atol=1e-4)


def test_bits_of_onnx_runtime_depend_on_neither_threads_nor_the_number_of_images(images):
    pytest.importorskip("onnxruntime")
    expected, _ = run("onnxruntime", images)
    for threads, count in ((2, 21), (1, 17), (2, 3)):
        found, _ = run("onnxruntime", images[:count], threads=threads)
        assert np.array_equal(found, expected[:count])


def test_the_executor_is_named_with_its_version(images):
    runtime = pytest.importorskip("onnxruntime")
    settings = {
        name: xs.simulate("digits", "reference", images, executor=name).provenance.settings["executor"]
        for name in ("own", "onnxruntime")
    }
    assert settings == {"own": "own", "onnxruntime": f"onnxruntime {runtime.__version__}"}


def test_what_shared_work_keeps_is_kept_by_executor(images):
    pytest.importorskip("onnxruntime")
    from xbarsim.api import Shared

    shared = Shared()
    for name in ("onnxruntime", "own"):
        found = xs.simulate("digits", "reference", images, executor=name, shared=shared)
        alone = xs.simulate("digits", "reference", images, executor=name)
        assert np.array_equal(found.outputs, alone.outputs)


def test_an_unknown_executor_or_one_that_is_not_installed_is_refused(monkeypatch, images):
    with pytest.raises(ConfigError, match="executor: 'tensorflow' is not one of own, onnxruntime"):
        xs.simulate("digits", "reference", images, executor="tensorflow")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="executor: onnxruntime needs the package onnxruntime: pip install"):
        quantize_network(load_network("digits"), images, weight_bits=8, activation_bits=8, executor="onnxruntime")


def test_a_quantised_network_rounds_alike_in_onnx_runtime():
    pytest.importorskip("onnxruntime")
    images = normalize_images(load_data("digits").images)[:200]
    network = xs.quantize("digits", images, weight_bits=4, activation_bits=4, method="nearest")
    own, other = (find_executor(name).run(network, images, FloatRun()) for name in ("own", "onnxruntime"))
    # other sums in float32 may move an input over a half step here and there
    assert np.isclose(other, own, rtol=1e-3, atol=1e-3).all(axis=1).mean() > 0.95
