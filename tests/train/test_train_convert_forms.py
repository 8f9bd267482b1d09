"""Modules whose weights are computed, that are pickled or of half precision, and chips in other processes."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
nn = torch.nn

import xbarsim as xs  # noqa: E402
from xbarsim.errors import ConfigError, ShapeError  # noqa: E402
from xbarsim.network import run_network  # noqa: E402

IMAGES = np.random.default_rng(2).normal(size=(6, 6)).astype(np.float32)


def make_plain():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def parametrize(module):
    nn.utils.parametrizations.weight_norm(module[0])
    nn.utils.parametrizations.spectral_norm(module[2])
    return module


def prune(module):
    from torch.nn.utils import prune

    prune.l1_unstructured(module[0], "weight", 0.5)
    return module


@pytest.mark.parametrize("change", [parametrize, prune])
def test_weights_that_are_computed_from_parameters_run_on_arrays_and_are_trained(change):
    module = change(make_plain())
    with torch.no_grad():
        expected = module.eval()(torch.tensor(IMAGES)).numpy()
    np.testing.assert_allclose(run_network(xs.from_torch(module, (6,)), IMAGES), expected, atol=1e-5)
    converted = xs.nn.convert(module, "reference", IMAGES, threads=1)
    assert converted.state_dict().keys() == module.state_dict().keys()
    with torch.no_grad():
        found = converted.eval()(torch.tensor(IMAGES)).numpy()
    report = xs.simulate(xs.from_torch(module, (6,)), "reference", IMAGES, calibration=IMAGES, threads=1)
    np.testing.assert_array_equal(found, report.outputs[0])
    with pytest.raises(ConfigError, match="its weight is computed from other parameters and cannot be clipped"):
        xs.nn.clip_weights(converted)
    converted.train()
    converted(torch.tensor(IMAGES)).square().mean().backward()
    assert all(values.grad is not None for values in converted.parameters())


def test_a_converted_module_and_its_copies_give_the_same_results():
    converted = xs.nn.convert(make_plain(), "reference", IMAGES, threads=1).eval()
    with torch.no_grad():
        expected = converted(torch.tensor(IMAGES)).numpy()
        for other in (copy.deepcopy(converted), pickle.loads(pickle.dumps(converted))):
            np.testing.assert_array_equal(other(torch.tensor(IMAGES)).numpy(), expected)


def test_a_chip_is_pickled():
    chip = xs.program(xs.from_torch(make_plain(), (6,)), "reference", IMAGES, threads=1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(chip))(IMAGES), chip(IMAGES))


def test_modules_of_half_precision_are_refused_and_those_of_double_precision_read():
    with pytest.raises(ConfigError, match=r"0.weight is float16; .*: convert module.float\(\)"):
        xs.nn.convert(make_plain().half(), "reference", IMAGES)
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(6, 2)).double().eval()
    images = IMAGES.reshape(6, 2, 3)
    with torch.no_grad():
        expected = module(torch.tensor(images, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(run_network(xs.from_torch(module, (2, 3)), images), expected, atol=1e-5)


def test_a_module_that_cannot_be_copied_is_named():
    module = make_plain()
    module.state = torch.ones(2, requires_grad=True) * 2  # no leaf: PyTorch copies none
    with pytest.raises(ConfigError, match="module Sequential: cannot be copied: Only Tensors created explicitly"):
        xs.nn.convert(module, "reference", IMAGES)


def test_images_by_name_are_refused_with_the_way_to_pack_them():
    network, given = xs.from_torch(make_plain(), (6,)), {"ids": IMAGES[:, :2], "mask": IMAGES[:, 2:]}
    for call in (lambda: run_network(network, given), lambda: xs.simulate(network, "reference", given)):
        with pytest.raises(ShapeError, match=r"images: arrays by name \(ids, mask\); pack them into one vector"):
            call()


def test_training_takes_one_output():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.score, self.box = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 4)

        def forward(self, x):
            hidden = self.body(x).relu()
            return self.score(hidden), self.box(hidden)

    program = torch.onnx.export(Pair().eval(), (torch.zeros(2, 6),), dynamo=True, verbose=False)
    from xbarsim.network.onnx_import import import_model
    from xbarsim.train import finetune

    network = import_model(program.model_proto, "pair", "pair", outputs="*")
    with pytest.raises(
        ConfigError, match=r"training takes one output, and it has \w+, \w+; choose one by load_network"
    ):
        finetune(network, "reference", IMAGES, np.zeros(6, int))
