"""Training with rounded weights: what is trained is what arrays will hold."""

import warnings
from collections import OrderedDict

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import Epitome, quantize_network
from xbarsim.network.quantize_epitome import METHODS, choose_steps, quantize_epitome

EPITOME = Epitome(rows=36, channels=4, patch=(3, 2))


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def part(torch):
    from xbarsim.network import epitome_torch, quantize_torch

    return {**vars(epitome_torch), **vars(quantize_torch)}


def make_module(torch, part):
    torch.manual_seed(0)
    parts = {"a": torch.nn.Conv2d(3, 8, 3), "act": torch.nn.ReLU(), "b": torch.nn.Conv2d(8, 8, 3, bias=False)}
    plain = torch.nn.Sequential(OrderedDict((f"conv_{name}", layer) for name, layer in parts.items()))
    return part["convert_module"](plain, {"conv_b": EPITOME})


@pytest.mark.parametrize("scales", METHODS)
def test_steps_are_those_of_the_codes(torch, part, scales):
    layer = make_module(torch, part).conv_b
    epitome = part["LayerEpitome"](sampler=layer.sampler, values=layer.epitome.detach().numpy())
    settings = {"quantization": scales, "row_starts": [0, 16, 36], "column_starts": [0, 2, 4]}
    quantized, scale = quantize_epitome(epitome, 3, **settings)
    steps = choose_steps(epitome, 3, **settings)
    rounded = np.clip(np.rint(epitome.values / steps), -3, 3) * steps
    np.testing.assert_allclose(
        layer.sampler.rebuild(rounded), quantized.rebuild() * scale[:, None, None, None], rtol=1e-12
    )


@pytest.mark.parametrize("scales", ["array", "column"])
def test_quantising_what_was_rounded_changes_nothing(torch, part, scales):
    pytest.importorskip("onnxscript")
    from xbarsim.network import from_torch

    layers = {"conv_b": {"epitome": {"quantization": scales, "row_starts": [0, 16, 36], "column_starts": [0, 4]}}}
    module = part["keep_rounded"](part["round_module"](make_module(torch, part), {"*": 4}, layers))
    network = from_torch(module, (3, 8, 8))
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    found = quantize_network(network, x, weight_bits=4, activation_bits=8, layers=layers)
    for name, layer in found.layers.items():
        rebuilt = layer.weight * layer.weight_scale[:, None, None, None]
        np.testing.assert_allclose(rebuilt, network.node(name).weight, rtol=1e-5, atol=1e-7)
        assert len(np.unique(np.abs(network.node(name).weight[0]).round(6))) <= 8 * 2**3


def test_gradients_pass_where_weights_are_not_clipped(torch, part):
    rounding = part["RoundedWeight"](lambda weight: np.array(0.5), 3)
    weight = torch.tensor([-9.0, -1.1, 0.2, 0.3, 9.0], requires_grad=True)
    rounded = rounding(weight)
    assert rounded.tolist() == [-1.5, -1.0, 0.0, 0.5, 1.5]
    rounded.sum().backward()
    assert weight.grad.tolist() == [0, 1, 1, 1, 0]


def test_training_moves_rounded_weights_and_keeps_the_tie(torch, part):
    module = part["round_module"](make_module(torch, part), {"*": 3})
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    x, target = torch.randn(8, 3, 6, 6), torch.randn(8, 8, 2, 2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(module(x), target)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    kept = part["keep_rounded"](module)
    assert len(np.unique(kept.conv_a.weight[0].detach().numpy())) <= 7
    layer = kept.conv_b
    np.testing.assert_array_equal(layer.weight.detach().numpy(), layer.sampler.rebuild(layer.epitome.detach().numpy()))
    assert not hasattr(layer, "parametrizations")
    assert hasattr(module.conv_b, "parametrizations"), "the original stays in training"


def test_what_matches_nothing_and_widths_out_of_range_are_refused(torch, part):
    module = make_module(torch, part)
    with pytest.raises(ConfigError, match=r"bits\.conv9: no convolution or dense layer"):
        part["round_module"](module, {"conv9": 3})
    with pytest.raises(ConfigError, match=r"bits\.conv_a: 1 is not a whole number between 2 and 16"):
        part["round_module"](module, {"conv_a": 1})
