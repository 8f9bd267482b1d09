"""Recurrent PyTorch layers on arrays against ``simulate`` and against the plain modules."""

import copy

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("onnxscript", reason="the extra torch is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

import xbarsim as xs
from xbarsim.errors import ConfigError, ShapeError
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
        ("RNN", {"batch_first": True, "nonlinearity": "relu"}),
        pytest.param("RNN", {"batch_first": False, "num_layers": 2, "bidirectional": True}, marks=pytest.mark.slow),
        pytest.param("RNN", {"batch_first": True, "bias": False}, marks=pytest.mark.slow),
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
    assert copy.deepcopy(on_arrays).steps.parts[0].module is not layer


LENGTHS = torch.tensor([2, 4, 1, 3, 4, 2])
PACKED = {
    "lstm": ("LSTM", {"batch_first": True, "num_layers": 2, "bidirectional": True}),
    "gru": ("GRU", {"bidirectional": True}),
    "tanh": ("RNN", {"batch_first": True, "num_layers": 2, "bidirectional": True}),
    "relu": ("RNN", {"batch_first": True, "nonlinearity": "relu"}),
}


@pytest.mark.parametrize(
    "name", ["lstm", "relu", *(pytest.param(each, marks=pytest.mark.slow) for each in ("gru", "tanh"))]
)
def test_packed_sequences_are_those_of_the_plain_module_on_ideal_layers(name):
    kind, settings = PACKED[name]
    on_arrays = xs.nn.convert(Reader(kind, **settings), "reference", SEQUENCES, threads=1).eval()
    on_arrays.steps.session.compute_float()
    plain, layer, is_first = Reader(kind, **settings).steps, on_arrays.steps, settings.get("batch_first", False)
    x = torch.tensor(SEQUENCES) if is_first else torch.tensor(SEQUENCES).transpose(0, 1)
    parts = plain.num_layers * (1 + plain.bidirectional)
    state = tuple(torch.rand(2, parts, 6, 5)) if kind == "LSTM" else torch.rand(parts, 6, 5)
    order = LENGTHS.argsort(descending=True)
    ordered = x[order] if is_first else x[:, order]
    pack = nn.utils.rnn.pack_padded_sequence
    packed = pack(x, LENGTHS, is_first, enforce_sorted=False), pack(ordered, LENGTHS[order], is_first)
    short = pack(x[:3] if is_first else x[:, :3], LENGTHS[:3] - 1 + (LENGTHS[:3] == 1), is_first, enforce_sorted=False)
    with torch.no_grad():
        for given in (packed[0], packed[1], (packed[0], state), short):
            arguments = given if type(given) is tuple else (given,)
            (found, ends), (expected, plain_ends) = layer(*arguments), plain(*arguments)
            assert torch.equal(found.batch_sizes, expected.batch_sizes)
            for one, other in ((found.sorted_indices, expected.sorted_indices),
                               (found.unsorted_indices, expected.unsorted_indices)):  # fmt: skip
                assert one is other or torch.equal(one, other)
            torch.testing.assert_close(found.data, expected.data, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(ends, plain_ends, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="up to 7 steps, those of the calibration have 4"):
        layer(nn.utils.rnn.pack_sequence([torch.zeros(7, 3)]))


def test_packed_sequences_give_gradients_to_every_parameter():
    on_arrays = xs.nn.convert(Reader("RNN", batch_first=True), "reference", SEQUENCES, threads=1).train()
    packed = nn.utils.rnn.pack_padded_sequence(torch.tensor(SEQUENCES), LENGTHS, True, enforce_sorted=False)
    found, end = on_arrays.steps(packed)
    (found.data.square().sum() + end.sum()).backward()
    assert all(float(each.grad.abs().max()) > 0 for each in on_arrays.steps.parameters())


ONNX_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""PyTorch's gates in the order of ONNX."""


def write_with_lengths(path, module, kind):
    """Write the recurrent layer of a module and its last layer on every step, with lengths as a second input."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def stack(*names):
        ways = ("", "_reverse") if module.steps.bidirectional else ("",)
        found = []
        for way in ways:
            parts = []
            for label in names:
                gates = getattr(module.steps, f"{label}_l0{way}").detach().numpy()
                parts += [np.split(gates, len(ONNX_GATES[kind]))[place] for place in ONNX_GATES[kind]]
            found.append(np.concatenate(parts))
        return np.stack(found)

    constants = {
        "w": stack("weight_ih"), "r": stack("weight_hh"), "b": stack("bias_ih", "bias_hh"), "one": np.array([1]),
        "shape": np.array([0, 4, -1]), "fc": module.fc.weight.detach().numpy().T,
        "bias": module.fc.bias.detach().numpy(),
    }  # fmt: skip
    settings = {"linear_before_reset": 1} if kind == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("Squeeze", ["lengths", "one"], ["each"]),
        helper.make_node(kind, ["steps", "w", "r", "b", "each"], ["ys"], hidden_size=5,
                         direction="bidirectional" if module.steps.bidirectional else "forward", **settings),
        helper.make_node("Transpose", ["ys"], ["images"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["images", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4, 3]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["b", 1]),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 4, 2])
    initializers = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "lengths", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


class Labeller(Reader):
    """A recurrent layer with a layer on the output of every step."""

    def forward(self, x):
        """Return two numbers a step, of a tensor or of packed sequences."""
        y = self.steps(x)[0]
        return self.fc(y if isinstance(y, torch.Tensor) else nn.utils.rnn.pad_packed_sequence(y, True)[0])


@pytest.mark.parametrize("kind", ["RNN", *(pytest.param(each, marks=pytest.mark.slow) for each in ("LSTM", "GRU"))])
def test_packed_sequences_are_those_of_simulate_with_lengths(kind, tmp_path):
    module = Labeller(kind, batch_first=True, bidirectional=True).eval()
    hardware = xs.load_hardware("reference", {"crossbar.rows": 32, "crossbar.cols": 32, "crossbar.r_bl_ohm": 5.0})
    hardware = hardware.override({"device.programming.sigma": 0.0})
    assert not hardware.is_random
    write_with_lengths(tmp_path / "lengths.onnx", module, kind)
    network = xs.load_network(tmp_path / "lengths.onnx")
    assert [len(layer.weight) for layer in network.layers][-1] == 2
    assert len(network.layers) == 2, "input weights run on arrays"

    def join(lengths):
        given = np.asarray(lengths, np.float32).reshape(-1, 1)
        return np.concatenate([SEQUENCES.reshape(len(SEQUENCES), -1), given], axis=1)

    report = xs.simulate(network, hardware, join(LENGTHS), calibration=join([4] * 6), seed=3, threads=1)
    on_arrays = xs.nn.convert(module, hardware, SEQUENCES, seed=3, threads=1).eval()
    packed = nn.utils.rnn.pack_padded_sequence(torch.tensor(SEQUENCES), LENGTHS, True, enforce_sorted=False)
    with torch.no_grad():
        found = on_arrays(packed).numpy()
    np.testing.assert_allclose(found.reshape(report.outputs[0].shape), report.outputs[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_recurrent_layers_of_other_kinds_are_refused():
    class Cells(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.fc = nn.RNNCell(3, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.fc(self.cell(x[:, 1], self.cell(x[:, 0])))

    with pytest.raises(ConfigError, match="is no module of Linear, Conv1d") as caught:
        xs.nn.convert(Cells(), "reference", SEQUENCES)
    assert len(str(caught.value)) <= 400


def test_modules_that_pack_inside_say_why_they_are_not_exported():
    class Packs(Reader):
        def forward(self, x):
            lengths = (x != 0).any(-1).sum(1)
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
            return self.fc(self.steps(packed)[1][0][-1])

    with pytest.raises(ConfigError, match=r"cannot be exported: zeros\(\).*sizes that depend on values") as caught:
        xs.from_torch(Packs("LSTM", batch_first=True), (4, 3))
    assert len(str(caught.value)) <= 400
