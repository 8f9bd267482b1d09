"""A real trained network on real images; skipped where they are missing."""

import numpy as np
import pytest

from xbarsim.data import load_data, normalize_images
from xbarsim.network import load_network, quantize_network, run_integer, run_network


@pytest.fixture(scope="module")
def trained(shared):
    pytest.importorskip("onnx")
    path = shared / "models" / "resnet20_cifar10.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path, load_network(path)


@pytest.fixture(scope="module")
def judged(shared):
    dataset = load_data(shared / "data" / "cifar10_test_500.npz")
    return normalize_images(dataset.images, "imagenet"), dataset.labels


def test_layers_carry_their_pytorch_names(trained):
    names = [layer.name for layer in trained[1].layers]
    assert names[0] == "conv1"
    assert names[-1] == "linear"
    assert names[1:-1] == [f"layer{s}.{b}.conv{c}" for s in (1, 2, 3) for b in range(3) for c in (1, 2)]


def test_predictions_are_those_of_onnx_runtime(trained, judged):
    ort = pytest.importorskip("onnxruntime")
    path, network = trained
    images, labels = judged
    expected = ort.InferenceSession(str(path)).run(None, {"image": images})[0]
    result = run_network(network, images)
    assert np.abs(result - expected).max() < 1e-4
    assert np.array_equal(result.argmax(axis=1), expected.argmax(axis=1))
    assert np.mean(result.argmax(axis=1) == labels) == 0.91


def test_eight_bits_lose_at_most_six_tenths_of_a_point(trained, judged, shared):
    images, labels = judged
    calibration = load_data(shared / "data" / "cifar10_train_4660.npz").take(64)
    quantized = quantize_network(
        trained[1], normalize_images(calibration.images, "imagenet"), weight_bits=8, activation_bits=8
    )
    accuracy = np.mean(run_integer(quantized, images).argmax(axis=1) == labels)
    assert accuracy >= 0.91 - 0.006
    assert [layer.signed for layer in quantized.layers.values()] == [True] + [False] * 19
