"""Recurrent PyTorch layers on arrays against ``simulate`` and against the plain modules."""

import copy

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("onnxscript", reason="the extra torch is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.train.torch_network import nn, torch

SEQUENCES = np.random.default_rng(5).standard_normal((6, 4, 3)).astype(np.float32)
NOISY = {"crossbar.rows": 32, "crossbar.cols": 32, "device.read_noise.sigma": 0.05}


class Reader(nn.Module):
    """A recurrent layer with a layer on the mean of its outputs."""

    def __init__(self, kind, **settings):
        super().__init__()
        torch.manual_seed(1)
        self.steps = getattr(nn, kind)(3, 5, **settings)
        self.fc = nn.Linear(5 * (1 + self.steps.bidirectional), 2)

    def forward(self, x):
        """Return two numbers a sequence."""
        if self.steps.batch_first:
            return self.fc(self.steps(x)[0].mean(1))
        return self.fc(self.steps(x.transpose(0, 1))[0].mean(0))


@pytest.fixture(scope="module")
def hardware():
    """Small arrays with wires, variation and noise of reads."""
    return xs.load_hardware("reference", NOISY)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("LSTM", {"batch_first": True, "bidirectional": True}),
        pytest.param("GRU", {"batch_first": False}, marks=pytest.mark.slow),
        pytest.param("LSTM", {"batch_first": True, "num_layers": 2, "bias": False}, marks=pytest.mark.slow),
        pytest.param("GRU", {"batch_first": True, "num_layers": 2, "bidirectional": True}, marks=pytest.mark.slow),
    ],
)
def test_recurrent_layers_are_those_of_simulate_train_and_keep_state_and_hooks(hardware, kind, settings):
    module = Reader(kind, **settings).eval()
    on_arrays = xs.nn.convert(module, hardware, SEQUENCES, seed=3, threads=1)
    called = []
    on_arrays.steps.register_forward_hook(lambda *_: called.append(1))
    network = xs.from_torch(Reader(kind, **settings), (4, 3))
    assert len(network.layers) == 1 + settings.get("num_layers", 1)
    report = xs.simulate(network, hardware, SEQUENCES, calibration=SEQUENCES, seed=3, threads=1)
    with torch.no_grad():
        found = torch.cat([on_arrays.eval()(torch.tensor(part)) for part in (SEQUENCES[:2], SEQUENCES[2:])])
    np.testing.assert_allclose(found.numpy(), report.outputs[0], rtol=1e-5, atol=1e-6)
    assert len(called) == 2
    assert list(on_arrays.state_dict()) == list(module.state_dict())
    module.load_state_dict(on_arrays.state_dict())
    on_arrays.train()
    optimizer, losses = torch.optim.SGD(on_arrays.parameters(), lr=0.2), []
    for _ in range(6):
        loss = (on_arrays(torch.tensor(SEQUENCES)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert all(float(each.grad.abs().max()) > 0 for each in on_arrays.parameters())


@pytest.mark.slow
def test_states_and_single_sequences_are_those_of_the_plain_module(hardware):
    on_arrays = xs.nn.convert(Reader("LSTM", num_layers=2, bidirectional=True), hardware, SEQUENCES, seed=3, threads=1)
    on_arrays.eval().steps.session.compute_float()
    plain, layer = Reader("LSTM", num_layers=2, bidirectional=True).steps, on_arrays.steps
    x, state = torch.tensor(SEQUENCES).transpose(0, 1), tuple(torch.rand(2, 4, 6, 5))
    single = (x[:, 0], tuple(each[:, 0] for each in state))
    with torch.no_grad():
        for given in ((x,), (x, state), single):
            (found, (hidden, cells)), (expected, (plain_hidden, plain_cells)) = layer(*given), plain(*given)
            for one, other in ((found, expected), (hidden, plain_hidden), (cells, plain_cells)):
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match="give packed sequences padded"):
        layer(nn.utils.rnn.pack_padded_sequence(x, [4] * 6))
    assert copy.deepcopy(on_arrays).steps.parts[0].module is not layer


@pytest.mark.slow
def test_recurrent_layers_that_are_exported_step_by_step_are_refused():
    with pytest.raises(ConfigError, match="is no module of Linear, Conv1d") as caught:
        xs.nn.convert(Reader("RNN", batch_first=True), "reference", SEQUENCES)
    assert len(str(caught.value)) <= 400
