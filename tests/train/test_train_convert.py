"""PyTorch modules whose layers run on arrays."""

import copy
import functools

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("onnxscript", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference.simulate import program_network
from xbarsim.mapping import plan_network
from xbarsim.network import Network, Node, quantize_input, quantize_network, run_network
from xbarsim.network.integer import dequantize_output
from xbarsim.network.kinds.windows import count_windows
from xbarsim.train.law import NoiseSource, NoisyLayers, measure_law
from xbarsim.train.torch_network import OPERATIONS, TorchNetwork, functional, nn, torch, use_threads

RNG = np.random.default_rng(5)
IMAGES = RNG.random((6, 1, 8, 8), dtype=np.float32)
CALIBRATION = RNG.random((8, 1, 8, 8), dtype=np.float32)
LINES = RNG.standard_normal((6, 2, 10)).astype(np.float32)
NOISY = {"crossbar.rows": 32, "crossbar.cols": 32, "device.read_noise.sigma": 0.05}


class ResidualNet(nn.Module):
    """Convolutions with and without bias and normalisation, a residual sum, a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.plain = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(64, 3)

    def forward(self, x):
        """Return three numbers an image."""
        first = torch.relu(self.bn1(self.conv1(x)))
        second = torch.relu(self.bn2(self.conv2(first)) + first)
        return self.fc(functional.max_pool2d(torch.relu(self.plain(second)), 2).flatten(1))


class LineNet(nn.Module):
    """A convolution along one axis, and a linear layer on every place of a line."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm1d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        """Return three numbers for every place."""
        return self.fc(torch.relu(self.norm(self.conv(x))).transpose(1, 2))


class VolumeNet(nn.Module):
    """Convolutions along three axes, with normalisation, and a transposed one that leaves a rest."""

    images = (2, 4, 6, 5)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 3, (2, 3, 3), stride=(1, 2, 1), padding=(0, 1, 1), dilation=(2, 1, 1))
        self.norm = nn.BatchNorm3d(3)
        self.up = nn.ConvTranspose3d(3, 2, (2, 3, 2), stride=(2, 2, 1), padding=(0, 1, 0), output_padding=(1, 1, 0))

    def forward(self, x):
        """Return a volume of two channels."""
        return self.up(torch.relu(self.norm(self.conv(x))))


class DepthwiseVolumeNet(nn.Module):
    """Convolutions along three axes in groups: depthwise with normalisation, then transposed."""

    images = (4, 3, 6, 5)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(4, 8, (2, 3, 3), stride=(1, 2, 1), padding=(0, 1, 1), groups=4, bias=False)
        self.norm = nn.BatchNorm3d(8)
        self.up = nn.ConvTranspose3d(8, 6, 2, stride=2, groups=2)

    def forward(self, x):
        """Return a volume of six channels."""
        return self.up(torch.relu(self.norm(self.conv(x))))


class UpNet(nn.Module):
    """A decoder: a convolution with mirrored sides, transposed ones with and without bias, normalisation between."""

    images = (2, 5, 6)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.last = nn.ConvTranspose2d(3, 2, 2, dilation=2)

    def forward(self, x):
        """Return an image of two channels."""
        return self.last(torch.relu(self.norm(self.up(torch.relu(self.conv(x))))))


class LineUpNet(nn.Module):
    """A transposed convolution along one axis behind a grouped one."""

    images = (4, 7)

    def __init__(self):
        super().__init__()
        self.apart = nn.ConvTranspose1d(4, 4, 3, stride=2, groups=2)
        self.up = nn.ConvTranspose1d(4, 3, 4, stride=3, padding=1)

    def forward(self, x):
        """Return lines of three channels."""
        return self.up(torch.relu(self.apart(x)))


def made(kind):
    """Return a module with statistics that are not those of a new one."""
    torch.manual_seed(1)
    module = kind()
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.1, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            part.weight.data[0] *= -1
    return module.eval()


@pytest.fixture(autouse=True)
def one_thread():
    """Keep PyTorch off the other cores."""
    with use_threads(1):
        yield


@pytest.fixture(scope="module")
def hardware():
    """Small arrays with wires, variation and noise of reads."""
    return xs.load_hardware("reference", NOISY)


@pytest.fixture(scope="module")
def converted(hardware):
    """A converted module; tests that change it take a copy."""
    return xs.nn.convert(made(ResidualNet), hardware, CALIBRATION, seed=3, threads=1)


def run_simulator(module, hardware, images, calibration):
    """Return outputs, and layer by layer the machine, input codes and integer results of what ``simulate`` runs."""
    network = xs.from_torch(module, images.shape[1:])
    plan = plan_network(network, hardware)
    quantized = quantize_network(
        network, calibration, weight_bits=hardware.weight_bits, activation_bits=hardware.activation_bits,
        layers={part.name: part.quantization for part in plan.layers},
    )  # fmt: skip
    machines, _ = program_network(quantized, plan, calibration, seed=3, trial=0)
    seen = {}

    def compute(node, x):
        machine = machines[node.name]
        codes = quantize_input(machine.quantized, x)
        sums = machine.accumulate(codes)
        seen[node.name] = (machine, codes, sums)
        return dequantize_output(machine.quantized, sums, machine.lsb)

    return run_network(network, images, compute, block=len(images)), seen


@pytest.mark.parametrize(
    ("kind", "images", "calibration"), [(ResidualNet, IMAGES, CALIBRATION), (LineNet, LINES, LINES)]
)
def test_every_layers_integers_are_those_of_simulate(hardware, kind, images, calibration):
    module = made(kind)
    on_arrays = xs.nn.convert(module, hardware, calibration, seed=3, threads=1).eval()
    felt = {}

    def keep(part, given, result):
        felt[part.array_name] = (given[0].numpy(), result.numpy())

    names = [name for name, part in module.named_modules() if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear))]
    for name in names:
        on_arrays.get_submodule(name).register_forward_hook(keep)
    with torch.no_grad():
        found = on_arrays(torch.tensor(images)).numpy()
    expected, seen = run_simulator(module, hardware, images, calibration)
    assert len(names) == len(seen)
    assert set(seen) == set(felt)
    for name, (machine, codes, sums) in seen.items():
        given, result = felt[name]
        np.testing.assert_array_equal(quantize_input(machine.quantized, given).reshape(codes.shape), codes)
        real = dequantize_output(machine.quantized, sums, machine.lsb)
        np.testing.assert_array_equal(result.reshape(real.shape), real)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_windows_and_sums_of_pixels_have_the_same_bits_in_torch_and_let_gradients_through(axes):
    size, kernel, stride, dilation = (6, 5, 7)[:axes], (2, 3, 2)[:axes], (1, 2, 3)[:axes], (2, 1, 1)[:axes]
    a = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": (1, 0, 1)[:axes] + (0, 2, 1)[:axes]}
    unfold = Node(name="unfold", kind="unfold", attributes=a)
    windows = count_windows(size, a)
    fold = Node(
        name="fold", kind="fold", inputs=("unfold",),
        attributes={**a, "padding": a["padding"][:axes], "windows": windows, "size": tuple(n + 1 for n in size)},
    )  # fmt: skip
    network = Network(name="there and back", nodes=(unfold, fold), input_shape=(3, *size))
    x = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, *size)).astype(np.float32), requires_grad=True)
    y = OPERATIONS["fold"](network.node("fold"), [OPERATIONS["unfold"](network.node("unfold"), [x])])
    np.testing.assert_array_equal(y.detach().numpy(), run_network(network, x.detach().numpy()))
    y.sum().backward()
    assert x.grad.max() > 1  # values that several windows hold


@pytest.mark.parametrize(
    "kind", [pytest.param(VolumeNet, marks=pytest.mark.slow), DepthwiseVolumeNet, UpNet, LineUpNet]
)
def test_volumes_and_transposed_convolutions_are_those_of_simulate_and_train(hardware, kind):
    module = made(kind)
    images = np.random.default_rng(3).normal(size=(5, *kind.images)).astype(np.float32)
    on_arrays = xs.nn.convert(module, hardware, images, seed=3, threads=1)
    expected, seen = run_simulator(module, hardware, images, images)
    layers = [name for name, part in on_arrays.named_modules() if hasattr(part, "array_name")]
    assert layers == list(seen)
    assert layers == [name for name, part in module.named_modules() if "conv" in type(part).__name__.lower()]
    with torch.no_grad():
        found = torch.cat([on_arrays.eval()(torch.tensor(part)) for part in (images[:2], images[2:])])
        plain = module(torch.tensor(images))
        one = on_arrays(torch.tensor(images[0]))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    assert found.shape == plain.shape
    assert one.shape == plain.shape[1:]
    assert float((found - plain).abs().mean()) < 0.2 * float(plain.std())
    on_arrays.train()
    for part in on_arrays.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm3d)):
            part.eval()  # running statistics, as in the plain module
    result = on_arrays(torch.tensor(images))
    assert float((result - plain).detach().abs().mean()) < 0.5 * float(plain.std())
    result.square().sum().backward()
    for name in layers:
        gradient = on_arrays.get_submodule(name).weight.grad
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


def test_signs_as_inputs_are_those_of_simulate_and_let_gradients_through(hardware):
    module, signs = made(LineNet), hardware.override({"activation_bits": 1})
    on_arrays = xs.nn.convert(module, signs, LINES, seed=3, threads=1)
    expected, seen = run_simulator(module, signs, LINES, LINES)
    assert any(machine.quantized.signed for machine, _, _ in seen.values())
    with torch.no_grad():
        np.testing.assert_allclose(on_arrays.eval()(torch.tensor(LINES)).numpy(), expected, rtol=1e-6)
    given = torch.tensor(LINES, requires_grad=True)
    on_arrays.train()(given).sum().backward()
    assert float(given.grad.abs().max()) > 0


def test_outputs_are_those_of_simulate_in_batches_and_after_a_refresh(converted, hardware):
    network = xs.from_torch(made(ResidualNet), (1, 8, 8))
    expected = xs.simulate(network, hardware, IMAGES, calibration=CALIBRATION, seed=3, threads=1).outputs[0]
    converted.eval()
    for _ in range(2):
        converted.refresh()
        with torch.inference_mode():
            found = np.concatenate([converted(torch.tensor(part)).numpy() for part in (IMAGES[:2], IMAGES[2:])])
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    with torch.no_grad():
        again = converted(torch.tensor(IMAGES)).numpy()
    assert not np.array_equal(again, expected)  # later images of the same chip: other noise of reads


def test_training_lowers_the_loss_and_moves_normalisation(converted):
    module = copy.deepcopy(converted).train()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    statistics = module.bn1.running_mean.clone()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    for step in range(40):
        if step == 20:
            module.refresh()
        loss = functional.cross_entropy(module(torch.tensor(IMAGES)), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(torch.isfinite(part.grad).all() for part in module.parameters())
        assert all(part.grad.abs().max() > 0 for part in (module.conv1.weight, module.bn1.weight, module.fc.bias))
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert not torch.equal(statistics, module.bn1.running_mean)


def test_the_model_in_training_is_what_ideal_arrays_compute():
    """Without noise and with normalisation held, training mode gives what evaluation gives."""
    ideal = xs.load_hardware(
        "reference", {"crossbar.method": "ideal", "device.programming.distribution": "none", "adc.bits": "ideal"}
    )
    module = xs.nn.convert(made(ResidualNet), ideal, CALIBRATION, threads=1)
    with torch.no_grad():
        read = module.eval()(torch.tensor(IMAGES))
        module.train()
        for norm in (module.bn1, module.bn2):
            norm.eval()
        modelled = module(torch.tensor(IMAGES))
    # codes at the edge between two steps may fall to either side
    torch.testing.assert_close(modelled, read, rtol=0, atol=0.02 * float(read.abs().max()))


def test_the_noise_of_training_is_that_of_finetuning_apart_from_chance(monkeypatch):
    """With normalisation held and no random part, both compute the errors of the same measured chip."""
    steady = functools.partial(NoiseSource, strength=0.0)
    monkeypatch.setattr("xbarsim.train.session.NoiseSource", steady)
    hardware = xs.load_hardware("reference", {"device.programming.distribution": "none", "crossbar.r_wl_ohm": 50})
    module = made(ResidualNet)
    network = xs.from_torch(module, (1, 8, 8))
    law = measure_law(network, [hardware], CALIBRATION, trials=range(1, 2), seed=3)
    assert all(float(errors.fixed.abs().max()) > 0 for errors in law.times[0].values())
    on_arrays = xs.nn.convert(module, hardware, CALIBRATION, seed=3, threads=1).train()
    for norm in (on_arrays.bn1, on_arrays.bn2):
        norm.eval()
    twin = TorchNetwork(network)
    with torch.no_grad():
        expected = twin(torch.tensor(IMAGES), NoisyLayers(twin, law, steady(generator=torch.Generator())))
        plain, found = twin(torch.tensor(IMAGES)), on_arrays(torch.tensor(IMAGES))
    size = float((expected - plain).abs().max())
    # codes at the edge between two steps may fall to either side
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05 * size)


def test_every_forward_pass_in_training_draws_another_chip(converted):
    module = copy.deepcopy(converted).train()
    for norm in (module.bn1, module.bn2):
        norm.eval()
    with torch.no_grad():
        found = torch.stack([module(torch.tensor(IMAGES[:1]))[0] for _ in range(8)])
    assert (found.std(dim=0) > 0).all()


def test_the_largest_weights_are_cut_off_output_by_output():
    volume = xs.nn.convert(made(UpNet), "reference", RNG.random((2, *UpNet.images), dtype=np.float32), threads=1)
    before = {name: part.detach().clone() for name, part in volume.named_parameters()}
    xs.nn.clip_weights(volume, 1.5)
    after = dict(volume.named_parameters())
    for name, axes in (("conv.weight", (1, 2, 3)), ("up.weight", (0,)), ("last.weight", (0,))):
        bound = 1.5 * before[name].square().mean(dim=axes, keepdim=True).sqrt()
        assert (before[name].abs() > bound).any()
        torch.testing.assert_close(after[name], before[name].clamp(-bound, bound))
    assert all(torch.equal(after[name], before[name]) for name in before if not name.endswith("weight"))
    with pytest.raises(ConfigError, match=r"clip: 0\.5 is not"):
        xs.nn.clip_weights(volume, 0.5)
    with pytest.raises(ConfigError, match="no layer on arrays"):
        xs.nn.clip_weights(made(UpNet))


def test_the_loss_follows_labels_and_the_float_network():
    outputs, wanted = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).unbind()
    outputs.requires_grad_()
    labels = torch.tensor([0, 1, 2, 0, 1])
    plain = functional.cross_entropy(outputs, labels)
    torch.testing.assert_close(xs.nn.mix_loss(outputs, labels, wanted, soft=0.0), plain)
    same = xs.nn.mix_loss(outputs, labels, outputs.detach(), soft=1.0)
    (gradient,) = torch.autograd.grad(same, outputs)
    torch.testing.assert_close(same, torch.zeros(()), atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-6, rtol=0)
    given, goal = (torch.log_softmax(part / 2, dim=1) for part in (outputs, wanted))
    expected = 4 * (goal.exp() * (goal - given)).sum(dim=1).mean()
    torch.testing.assert_close(xs.nn.mix_loss(outputs, labels, wanted), 0.5 * plain + 0.5 * expected)


def test_weights_are_averaged_over_the_last_steps():
    module = nn.Linear(1, 1, bias=False)
    average = xs.nn.average_weights(module, 200)  # the mean reaches over 10 of them
    with torch.no_grad():
        for step in range(200):
            module.weight.fill_(float(step))
            average.update()
        assert module.weight.item() == 199.0
        average.apply()
    # a running mean that keeps 9 tenths lags 9 steps behind a line
    assert abs(module.weight.item() - 190.0) < 1e-3
    with pytest.raises(ConfigError, match="steps"):
        xs.nn.average_weights(module, 0)


def test_state_dicts_go_both_ways(converted, hardware):
    module = made(ResidualNet)
    state = converted.state_dict()
    assert list(state) == list(module.state_dict())
    other = copy.deepcopy(converted).eval()
    with torch.no_grad():
        first = other(torch.tensor(IMAGES))
        changed = {key: value * 1.5 if value.is_floating_point() else value for key, value in state.items()}
        other.load_state_dict(changed)
        second = other(torch.tensor(IMAGES))
    module.load_state_dict(changed)
    expected, _ = run_simulator(module, hardware, IMAGES, CALIBRATION)
    assert not torch.equal(first, second)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-6)


def test_the_module_given_stays_as_it_was(hardware):
    module = made(ResidualNet).train()
    state = copy.deepcopy(module.state_dict())
    converted = xs.nn.convert(module, hardware, torch.tensor(CALIBRATION))
    assert module.training
    assert converted.training
    assert type(module.conv1) is nn.Conv2d
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in state.items())
    assert all(torch.equal(value, converted.state_dict()[key]) for key, value in state.items())


class Twice(nn.Module):
    """One layer that is called two times."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        """Return four numbers."""
        return self.fc(torch.relu(self.fc(x)))


class Loose(nn.Module):
    """A layer that is a function."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.ones(3, 4))

    def forward(self, x):
        """Return three numbers."""
        return functional.linear(self.fc(x), self.weight)


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (nn.Sequential(nn.ReLU()), (4,), "has nothing inside that could run on arrays: Linear, Conv1d"),
        (Loose(), (4,), "is no module of Linear, Conv1d"),
        (Twice(), (4,), "called once"),
        ("resnet20", (4,), "is not a torch.nn.Module"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_line(module, shape, words):
    with pytest.raises(ConfigError, match=words) as caught:
        xs.nn.convert(module, "reference", np.ones((2, *shape), np.float32))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("wrong", [np.full((2, 4), 9, np.uint8), [np.ones(4), np.ones(3)]])
def test_calibration_images_are_checked_as_those_of_simulate(wrong):
    with pytest.raises(ShapeError, match=r"^calibration: "):
        xs.nn.convert(nn.Sequential(nn.Linear(4, 3)), "reference", wrong)


def test_images_of_another_size_are_refused(converted):
    with torch.no_grad(), pytest.raises(ShapeError, match="size of the calibration images"):
        converted.eval()(torch.ones(2, 1, 8, 10))
