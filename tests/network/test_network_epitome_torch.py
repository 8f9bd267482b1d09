"""Epitomes in PyTorch: gradients, conversion, and the way back into a network, folded normalisation included."""

import warnings

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import Epitome, from_torch, load_network, run_network

EPITOME = Epitome(rows=36, channels=4)


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def part(torch):
    from xbarsim.network import epitome_torch

    return epitome_torch


def make_module(torch):
    nn = torch.nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 8, 3, stride=2)
            self.fc = nn.Linear(8, 5)

        def forward(self, x):
            x = self.conv2(torch.relu(self.bn1(self.conv1(x))))
            return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))

    torch.manual_seed(0)
    module = Small()
    with torch.no_grad():
        module.bn1.running_mean.uniform_(-1, 1)
        module.bn1.running_var.uniform_(0.5, 2)
        module.bn1.weight.uniform_(0.5, 2)
    return module


def test_weight_and_conversion_are_those_of_the_operator(torch, part):
    conv = torch.nn.Conv2d(8, 8, 3, padding=1)
    converted = part.EpitomeConv2d.from_conv(conv, EPITOME)
    sampler = EPITOME.sample((8, 8, 3, 3))
    weight = conv.weight.detach().numpy()
    np.testing.assert_array_equal(converted.epitome.detach().numpy(), sampler.fit(weight).astype(np.float32))
    values = converted.epitome.detach().numpy()
    np.testing.assert_array_equal(converted.weight.detach().numpy(), sampler.rebuild(values))
    x = torch.randn(2, 8, 5, 5)
    np.testing.assert_array_equal(converted(x).detach(), part.to_plain(converted)(x).detach())


def test_gradients_of_all_uses_add_up(torch, part):
    layer = part.EpitomeConv2d(8, 8, 3, EPITOME)
    plain = layer.to_conv()
    x = torch.randn(2, 8, 5, 5)
    layer(x).square().sum().backward()
    plain(x).square().sum().backward()
    summed = np.bincount(layer.sampler.index.ravel(), plain.weight.grad.numpy().ravel().astype(np.float64))
    np.testing.assert_allclose(layer.epitome.grad.numpy().ravel(), summed, rtol=1e-4, atol=1e-5)


def test_training_lowers_the_loss_and_keeps_the_tie(torch, part):
    module = part.convert_module(make_module(torch), {"conv*": EPITOME})
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    x, y = torch.randn(16, 3, 8, 8), torch.arange(16) % 5
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    weight = module.conv2.weight.detach().numpy()
    np.testing.assert_array_equal(weight[:4], weight[4:])


def test_a_module_with_epitomes_becomes_a_network_with_epitomes(torch, part):
    module = part.convert_module(make_module(torch), {"*": EPITOME})
    network = from_torch(module, (3, 8, 8))
    first, second = network.node("conv1"), network.node("conv2")
    np.testing.assert_array_equal(second.epitome.values, module.conv2.epitome.detach().numpy())
    assert second.epitome.gain is None
    scale = (module.bn1.weight / torch.sqrt(module.bn1.running_var + module.bn1.eps)).detach().numpy()
    np.testing.assert_allclose(first.epitome.gain, scale, rtol=1e-5)
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_network(network, x), expected, rtol=1e-4, atol=1e-5)


def test_plain_copies_export_and_originals_stay(torch, part):
    module = part.convert_module(make_module(torch), {"conv2": EPITOME})
    plain = part.to_plain(module)
    assert list(part.find_epitomes(module)) == ["conv2"]
    assert not part.find_epitomes(plain)
    network = from_torch(plain, (3, 8, 8)).with_epitomes({"conv2": EPITOME})
    np.testing.assert_array_equal(network.node("conv2").epitome.values, module.conv2.epitome.detach().numpy())


def test_an_exported_file_takes_its_epitomes_back(torch, part, tmp_path):
    module = part.convert_module(make_module(torch), {"conv*": EPITOME}).eval()
    file = tmp_path / "plain.onnx"
    torch.onnx.export(part.to_plain(module), (torch.zeros(1, 3, 8, 8),), file, dynamo=True, verbose=False)
    network = load_network(file).with_epitomes({"conv*": EPITOME})
    assert network.node("conv1").epitome.gain is not None, "batch normalisation is folded in"
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_network(network, x), expected, rtol=1e-4, atol=1e-5)


def test_wrong_layers_are_named(torch, part):
    module = make_module(torch)
    with pytest.raises(ConfigError, match=r"epitomes\.conv9: no convolution"):
        part.convert_module(module, {"conv9": EPITOME})
    with pytest.raises(ConfigError, match=r"module conv1: epitome: rows: 4 .* at least 9"):
        part.convert_module(module, {"conv1": Epitome(rows=4)})
    with pytest.raises(ConfigError, match="2 groups"):
        part.EpitomeConv2d.from_conv(torch.nn.Conv2d(4, 4, 3, groups=2), EPITOME)


def test_a_layer_without_a_name_of_its_own_is_told_from_one_that_is_missing(torch, part):
    module = torch.nn.Sequential(part.EpitomeConv2d(8, 8, 3, EPITOME))
    with pytest.raises(
        ConfigError, match="the exported file has no layer '0'; give the module a name that is not a number"
    ):
        from_torch(module, (8, 6, 6))
