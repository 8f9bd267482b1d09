"""Training through the crossbar model, and the networks that come out."""

import numpy as np
import pytest
from network_samples import make_mixed_network

pytest.importorskip("torch", reason="the extra torch is not installed")

from reference.drawn_chip import apply_chip, draw_chip

import xbarsim as xs
import xbarsim.cli
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mapping import plan_network
from xbarsim.network import quantize_network, run_network
from xbarsim.network.integer import quantize_input, run_integer
from xbarsim.store import hash_arrays
from xbarsim.train import finetune
from xbarsim.train.hardware_model import is_left_to_chance
from xbarsim.train.measure import expand_cells, find_cells
from xbarsim.train.torch_network import TorchNetwork, torch, use_threads

IDEAL = {
    "crossbar.method": "ideal", "device.programming.distribution": "none", "adc.bits": "ideal",
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Keep PyTorch off the other cores."""
    with use_threads(1):
        yield


@pytest.fixture(scope="module")
def digits():
    """Training and test digits, normalised, with labels."""
    parts = [load_data("digits-train"), load_data("digits")]
    return [part for data in parts for part in (normalize_images(data.images), data.labels)]


@pytest.fixture(scope="module")
def compiled_network():
    """A small network with most kinds of operations."""
    return make_mixed_network()


@pytest.mark.parametrize("name", ["digits", "resnet20", "lenet5", "mixed"])
def test_the_torch_twin_computes_what_the_network_does(name, compiled_network):
    network = compiled_network if name == "mixed" else xs.load_network(name, None if name == "digits" else "random")
    images = np.random.default_rng(0).random((3, *network.input_shape), dtype=np.float32)
    expected = run_network(network, images)
    with torch.no_grad():
        found = TorchNetwork(network)(torch.tensor(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    again = TorchNetwork(network).to_network()
    np.testing.assert_array_equal(run_network(again, images), expected)


def test_ideal_hardware_is_the_integer_network(digits):
    images = digits[0][:16]
    network, hardware = xs.load_network("digits"), xs.load_hardware("reference", IDEAL)
    chip = draw_chip(network, hardware, images)
    assert all(float(layer.shift.abs().max()) < 1e-6 for layer in chip.layers.values())
    assert all(float(layer.deviation.max()) < 1e-5 for layer in chip.layers.values())
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    with torch.no_grad():
        found = TorchNetwork(network)(torch.tensor(images), apply_chip(chip, torch.Generator())).numpy()
    expected = run_integer(quantized, images)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("changes", [{}, {"encoding": "offset"}, {"mapping.rows": "whole_kernels"}])
def test_the_weights_found_are_those_that_the_arrays_apply(compiled_network, changes):
    """Products of random inputs on arrays with ideal converters, against a product with the weights found."""
    from xbarsim.inference.layer import program_layer
    from xbarsim.train.torch_network import run_layer

    hardware = xs.load_hardware("reference", {"adc.bits": "ideal", "crossbar.rows": 16, "crossbar.cols": 16, **changes})
    images = np.random.default_rng(1).random((4, *compiled_network.input_shape), dtype=np.float32)
    quantized = quantize_network(compiled_network, images, weight_bits=8, activation_bits=8)
    plan = plan_network(compiled_network, hardware)
    checked = []

    def check(node, x):
        layer = quantized.layers[node.name]
        codes = quantize_input(layer, x)
        weights = expand_cells(layer, find_cells(node, layer, plan.layer(node.name), seed=3, trial=1))
        machine = program_layer(node, layer, plan.layer(node.name), seed=3, trial=1)
        found = run_layer(node, torch.tensor(codes.astype(np.float64)), torch.tensor(weights), None).numpy()
        expected = machine.accumulate(codes) * machine.lsb
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        assert not np.allclose(weights, layer.weight, atol=0.1)
        checked.append(node.name)
        return (codes.astype(np.float32) * 0 + 0.5).mean() + np.zeros((len(x), *node.shape), np.float32)

    run_network(compiled_network, images, check, block=len(images))
    assert checked == ["stem", "grouped", "fc"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("reference", {"device.programming.sigma": 0.2, "adc.bits": 6}),
        # converters of one polarity cannot go below zero and undo half of the variation of weak columns
        ("nax", {"device.programming.sigma": 0.1, "crossbar.rows": 32, "crossbar.cols": 32}),
    ],
)
def test_a_chip_in_torch_is_as_wrong_as_the_simulators(digits, name, changes):
    """Errors of single layers: the model's against the simulator's, in decibels."""
    from xbarsim.train.torch_network import run_layer

    images = digits[0][:32]
    network = xs.load_network("digits")
    hardware = xs.load_hardware(name, {"device.programming.distribution": "normal", **changes})
    report = xs.simulate(network, hardware, images, calibration=images, seed=5)
    measured = dict(zip(report.layers["name"], report.layers["snr_db"]))
    chip = draw_chip(network, hardware, images, seed=5)
    generator = torch.Generator().manual_seed(0)
    for node in network.layers:
        inputs = {}
        run_network(network, images, observe=lambda name, value, keep=inputs: keep.update({name: value}))
        x = torch.tensor(images if node.inputs[0] == "input" else inputs[node.inputs[0]])
        weight, _ = TorchNetwork(network).parameters_of(node.name)
        bias = torch.zeros(len(weight))
        with torch.no_grad():
            clean = run_layer(node, x, weight, bias)
            noisy = apply_chip(chip, generator)(node, x, weight, bias)
        found = 10 * np.log10(float(clean.square().sum() / (noisy - clean).square().sum()))
        assert abs(found - measured[node.name]) < 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"device.read_noise.sigma": 0.1}, True),
        ({"device.drift.nu_sigma": 0.01}, False),
        ({"device.drift.nu_sigma": 0.01, "device.drift.time_s": 1e3}, True),
        ({"device.programming.distribution": "normal", "device.programming.sigma": 0.1}, True),
        ({"device.stuck.off_rate": 0.01}, True),
        ({"adc.offset_sigma_lsb": 0.5}, True),
    ],
)
def test_chips_differ_where_something_is_left_to_chance(digits, changes, expected):
    network, hardware = xs.load_network("digits"), xs.load_hardware("nax", changes)
    assert is_left_to_chance(network, hardware) is expected
    first, second = (draw_chip(network, hardware, digits[0][:8], trial=trial).layers["conv2"] for trial in (0, 1))
    same = torch.equal(first.shift, second.shift) and torch.equal(first.mean, second.mean)
    assert same is not expected


@pytest.mark.slow
def test_finetuning_recovers_more_than_half_of_what_noise_costs(digits):
    train, train_labels, test, test_labels = digits
    network = xs.load_network("digits")
    hardware = xs.load_hardware("reference", {"device.programming.sigma": 0.3})

    def measure(net):
        found = xs.simulate(net, hardware, test, test_labels, calibration=train[:64], trials=5, seed=99).accuracy
        return float(found.hardware), float(found.reference)

    before, reference = measure(network)
    assert reference - before > 0.05
    trained = finetune(network, hardware, train, train_labels, epochs=20, rate=4e-3, shift=1)
    assert measure(trained)[0] - before > 0.5 * (reference - before)


def test_finetuning_helps_repeats_itself_and_follows_its_seed(digits):
    images, labels = digits[0][:512], digits[1][:512]
    network, hardware = xs.load_network("digits"), xs.load_hardware("reference", {"device.programming.sigma": 0.4})
    chip = draw_chip(network, hardware, images[:32], seed=77)

    def loss(net):
        with torch.no_grad():
            outputs = TorchNetwork(net)(torch.tensor(images), apply_chip(chip, torch.Generator().manual_seed(1)))
            return float(torch.nn.functional.cross_entropy(outputs, torch.tensor(labels.astype(np.int64))))

    settings = {"epochs": 4, "rate": 4e-3, "calibration": images[:32]}
    one, two, other = (finetune(network, hardware, images, labels, seed=seed, **settings) for seed in (0, 0, 1))
    assert one.hash == two.hash != other.hash
    assert loss(one) < 0.9 * loss(network)


def test_finetuning_does_not_depend_on_threads(digits):
    images, labels = digits[0][:256], digits[1][:256]
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)  # one_thread restores it
        tuned = finetune(
            "digits", "reference", images, labels, epochs=2, rate=4e-3, law="measured", strength=1.0, threads=threads
        )
        assert torch.get_num_threads() == threads
        chip = draw_chip(tuned, xs.load_hardware("reference"), images[:32], seed=5)
        found.append((tuned.hash, hash_arrays([layer.shift.numpy() for layer in chip.layers.values()])))
    assert found[0] == found[1]
    with pytest.raises(ConfigError, match="threads"):
        finetune("digits", "reference", images, labels, threads=0)


def test_a_torch_module_can_be_finetuned(digits):
    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
            self.fc = torch.nn.Linear(4 * 16, 10)

        def forward(self, x):
            return self.fc(torch.nn.functional.max_pool2d(torch.relu(self.conv(x)), 2).flatten(1))

    images, labels = digits[0][:400], digits[1][:400]
    network = finetune(Tiny(), "reference", images, labels, epochs=6, rate=2e-2)
    assert [node.name for node in network.layers] == ["conv", "fc"]
    assert np.mean(run_network(network, images).argmax(axis=1) == labels) > 0.6


def test_wrong_input_is_refused_by_name(digits):
    images, labels = digits[0][:20], digits[1][:20]
    for change, names, kind in (
        ({"epochs": 0}, "epochs", ConfigError), ({"batch": 1.5}, "batch", ConfigError),
        ({"rate": 0}, "rate", ConfigError),
        ({"shift": -1}, "shift", ConfigError), ({"layers": {"conv9": {"adc.bits": 3}}}, "conv9", ConfigError),
        ({"labels": labels[:3]}, "labels", ShapeError),
        ({"images": images[:0], "labels": labels[:0]}, "none", ShapeError),
    ):  # fmt: skip
        with pytest.raises(kind, match=names):
            finetune("digits", "reference", **{"images": images, "labels": labels, **change})
    with pytest.raises(ConfigError, match="no weights"):
        finetune("lenet5", "reference", np.zeros((4, 1, 32, 32)), np.zeros(4, int))


def test_the_command_trains_measures_and_writes(tmp_path, capsys):
    out = tmp_path / "trained.onnx"
    code = xbarsim.cli.run(
        ["finetune", "digits", "--hardware", "reference", "--set", "device.programming.sigma=0.3", "--images", "200",
         "--test", "digits", "--test-images", "50", "--trials", "1", "--epochs", "2", "--out", str(out)]
    )  # fmt: skip
    text = capsys.readouterr().out
    assert code == 0
    assert text.count("hardware") == 2
    assert [node.name for node in xs.load_network(str(out)).layers] == ["conv1", "conv2", "fc"]
    for wrong in (
        ["--out", str(tmp_path / "a.npz")],
        ["--out", str(out), "--epochs", "0"],
        ["--out", "/no/such/a.onnx"],
    ):
        assert xbarsim.cli.run(["finetune", "digits", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
