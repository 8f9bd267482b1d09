"""Learned rounding: pieces of a network, the integers that come out, and what they are worth."""

import numpy as np
import pytest
from network_samples import make_mixed_network

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.network import INPUT, quantize_network, run_integer, run_network
from xbarsim.network.refit import refit_network
from xbarsim.train.rounding import RoundedInput, cut_network, learn_rounding
from xbarsim.train.torch_network import torch


@pytest.mark.parametrize("name", ["digits", "resnet20", "mobilenetv2", "vgg8", "mixed"])
def test_a_piece_reads_only_the_last_value_of_the_one_before(name):
    network = make_mixed_network() if name == "mixed" else xs.load_network(name)
    pieces = cut_network(network)
    assert [node.name for piece in pieces for node in piece] == [node.name for node in network.nodes]
    before = INPUT
    for piece in pieces:
        inside = {node.name for node in piece}
        assert {source for node in piece for source in node.inputs} - inside <= {before}
        assert any(node.is_layer for node in piece)
        before = piece[-1].name
    if name == "resnet20":
        assert len(pieces) == 11  # first layer, nine residual blocks, classifier


@pytest.fixture(scope="module")
def learned():
    """Digits at 3-bit weights and 4-bit inputs: nearest, fitted and learned, with the images they saw."""
    images = normalize_images(load_data("digits-train").images)[:256]
    nearest = quantize_network(xs.load_network("digits"), images, weight_bits=3, activation_bits=4)
    return nearest, learn_rounding(nearest, images, iterations=200, batch=32), images


def test_weights_take_one_of_their_two_neighbours(learned):
    nearest, found, _ = learned
    moved = 0
    for node in nearest.network.layers:
        layer, start = found.layers[node.name], nearest.layers[node.name]
        steps = node.weight / start.weight_scale.reshape((-1,) + (1,) * (node.weight.ndim - 1))
        clipped = np.clip(steps, -3, 3)
        assert np.abs(layer.weight - clipped).max() <= 1.0 + 1e-6
        assert np.abs(layer.weight).max() <= 3
        moved += np.count_nonzero(layer.weight != start.weight)
    assert moved > 0.02 * sum(node.weight_count for node in nearest.network.layers)


def test_learned_rounding_is_closer_than_fitted_gains(learned):
    nearest, found, images = learned
    held_back = normalize_images(load_data("digits").images)
    exact = run_network(nearest.network, held_back)
    fitted = refit_network(nearest, images)
    errors = [np.mean((run_integer(part, held_back) - exact) ** 2) for part in (nearest, fitted, found)]
    assert errors[2] < 0.8 * errors[1] < 0.8 * errors[0]


def test_one_seed_gives_one_result(learned):
    nearest, _, images = learned
    results = [learn_rounding(nearest, images[:64], iterations=10, batch=16, seed=seed) for seed in (0, 0, 1)]
    first = nearest.network.layers[0].name
    scales = [result.layers[first].input_scale for result in results]
    assert scales[0] == scales[1] != scales[2]
    for name in results[0].layers:
        assert np.array_equal(results[0].layers[name].weight, results[1].layers[name].weight)


def test_progress_counts_pieces():
    network = make_mixed_network()
    images = np.random.default_rng(0).random((8, *network.input_shape), dtype=np.float32)
    nearest = quantize_network(network, images, weight_bits=4, activation_bits=8)
    seen = []
    learn_rounding(nearest, images, iterations=2, batch=4, progress=lambda *state: seen.append(state))
    pieces = len(cut_network(network))
    assert seen == [("learned rounding", done, pieces) for done in range(1, pieces + 1)]


@pytest.fixture
def threads():
    """PyTorch's number of threads, restored afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_integers_do_not_depend_on_threads(threads):
    train = normalize_images(load_data("digits-train").images)[:64]
    found = []
    for count in (1, 2):
        threads(count)
        found.append(
            xs.quantize("digits", train, weight_bits=3, activation_bits=4, iterations=40, batch=32, threads=count)
        )
        assert torch.get_num_threads() == count
    for one, other in zip(found[0].nodes, found[1].nodes, strict=True):
        assert np.array_equal(one.weight, other.weight) if one.is_layer else one.attributes == other.attributes
        assert np.array_equal(one.bias, other.bias) if one.is_layer else True


def test_learning_that_stops_restores_the_threads(threads):
    threads(2)
    network = make_mixed_network()
    images = np.random.default_rng(0).random((8, *network.input_shape), dtype=np.float32)
    nearest = quantize_network(network, images, weight_bits=4, activation_bits=8)

    def stop(*_):
        assert torch.get_num_threads() == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_rounding(nearest, images, iterations=2, batch=4, progress=stop)
    assert torch.get_num_threads() == 2


def test_layers_beside_operators_of_onnx_runtime_are_learned(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from onnx_samples import node, write_model

    steps = [
        node("Conv", "x u", "a"), node("Sin", "a", "s"), node("Conv", "s v", "b"), node("Add", "a b", "c"),
        node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "f"), node("MatMul", "f w"),
    ]  # fmt: skip
    shapes = {"u": (6, 3, 1, 1), "v": (6, 6, 1, 1), "w": (6, 4)}
    rng = np.random.default_rng(3)
    weights = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    network = xs.load_network(write_model(tmp_path / "net.onnx", steps, weights, ("N", 3, 6, 6)))
    assert "opaque" in {part.kind for part in network.nodes}
    images, held_back = np.random.default_rng(0).standard_normal((2, 128, 3, 6, 6), dtype=np.float32)
    nearest = quantize_network(network, images, weight_bits=3, activation_bits=8)
    exact = run_network(network, held_back)
    fitted = np.mean((run_integer(refit_network(nearest, images), held_back) - exact) ** 2)
    learned = [learn_rounding(nearest, images, iterations=200, batch=32, seed=seed) for seed in range(4)]
    errors = [np.mean((run_integer(each, held_back) - exact) ** 2) for each in learned]
    assert np.mean(errors) < 0.9 * fitted


@pytest.mark.parametrize(("low", "high", "is_binary"), [(-7, 7, False), (0, 3, False), (-1, 1, True)])
def test_rounded_inputs_pass_the_gradients_that_pytorch_derives(low, high, is_binary):
    """Written with PyTorch's operations, rounding without a gradient and clipping with one."""
    generator = np.random.default_rng(1)
    start = torch.tensor(generator.normal(0, 3, (4, 3, 5, 7)), dtype=torch.float32)
    kept = generator.integers(0, 256, -(-start.numel() // 8), dtype=np.uint8)
    found, wanted = [], []
    for results in (found, wanted):
        x, step = start.clone().requires_grad_(), torch.tensor(0.6, requires_grad=True)
        if results is found:
            rule = (np.float32(low), np.float32(high), is_binary, kept)
            y = RoundedInput.apply(x, step, rule)
        else:
            steps = x / step
            rounded = torch.where(steps >= 0, 1.0, -1.0) if is_binary else torch.round(steps)
            codes = torch.clamp(steps + (rounded - steps).detach(), low, high)
            bits = np.unpackbits(kept[None], axis=0, bitorder="little").reshape(-1)[: x.numel()]
            y = torch.where(torch.tensor(bits == 1).reshape(x.shape), x, codes * step)
        (y**2).sum().backward()
        results += [y.detach(), x.grad, step.grad]
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)
    assert float(found[2].abs()) > 1
