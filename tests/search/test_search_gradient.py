"""The differentiable search: candidates, gates, expected costs, and a whole search on the digits."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, Interrupted
from xbarsim.network import run_network
from xbarsim.network.reshape import describe_context
from xbarsim.search import CostOracle, make_search, make_space, run_search
from xbarsim.search.evaluate import load_images
from xbarsim.search.gradient import GradientSearch
from xbarsim.search.supernet import SuperNetwork
from xbarsim.search.table import tabulate_options
from xbarsim.train.torch_network import OPERATIONS, functional, run_layer, torch, use_threads

DIGITS = {
    "network": "digits", "hardware": "nax", "method": "differentiable", "data": "digits", "train": "digits",
    "images": 60, "train_images": 300, "space": {"*": {"kernel": [3, 5], "array": [16, 64]}},
    "differentiable": {"epochs": 2, "warmup": 1, "finetune": 1, "batch": 50},
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Keep PyTorch off the other cores."""
    with use_threads(1):
        yield


@pytest.fixture(scope="module")
def oracle():
    """Prices on NAX's hardware."""
    return CostOracle("nax", cache=None)


@pytest.fixture
def task(oracle):
    """A search that has not begun, with arrays for its first architecture steps."""
    search = make_search(DIGITS)
    data = load_data("digits-train").take(300)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    task = GradientSearch(search, space, oracle, normalize_images(data.images), data.labels)
    task.program_arrays(trial=0)
    return task


def test_an_option_next_to_certain_leaves_another_to_draw(task):
    with torch.no_grad():
        for alpha in task.net.alphas:
            alpha.zero_()[0] = 200
    assert float(task.net.alphas[0].detach().softmax(0)[1]) == 0
    assert np.isfinite(task.step_gates(*(torch.tensor(part[:20]) for part in task.held)))
    assert all(torch.isfinite(alpha).all() for alpha in task.net.alphas)


def test_the_table_holds_what_the_oracle_says_and_nothing_for_zero(oracle):
    content = {"*": {"kernel": [3, 5, 7], "array": [16, 32, 64, 128]}, "layer*": {"zero": True}}
    space = make_space(content, xs.load_network("resnet20"), oracle.hardware)
    table = tabulate_options(space, oracle)
    assert [len(row) for row in table["delay_s"]] == [12, *[13] * 18, 4]
    assert all(row[-1] == 0 for row in table["energy_joule"][1:-1])
    index = space.slots[1].index({"kernel": 5, "array": 32})
    shape = {"in_channels": 16, "out_channels": 16, "kernel": 5, "padding": 2, "height": 32, "width": 32}
    around = describe_context(space.network, "layer1.0.conv1")
    cost = oracle.layer("conv2d", shape, {"crossbar.rows": 32, "crossbar.cols": 32}, **around)
    assert table["delay_s"][1][index] == cost.delay_s
    assert table["energy_joule"][1][index] == cost.energy_joule


def test_at_the_start_every_larger_kernel_is_the_backbone(task):
    """Kernels embedded in zeros compute what the trained network does."""
    images = normalize_images(load_data("digits").take(4).images)
    expected = run_network(task.space.network, images)
    for point in ((0, 0, 0), (2, 2, 1)):
        paths = {number: (index,) for number, index in enumerate(point)}
        with torch.no_grad():
            found = task.net.eval()(torch.tensor(images), paths).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)
        design = task.space.design(point)
        network = task.net.weights_of(design.network, point)
        np.testing.assert_allclose(run_network(network, images), expected, atol=1e-4)


def test_normalisation_folds_into_the_weights(oracle):
    space = make_space({"conv1": {"kernel": [3, 5]}}, xs.load_network("resnet20"), oracle.hardware)
    net = SuperNetwork(space)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(3):
            net.train()(images, {0: (1,)})
        expected = net.eval()(images, {0: (1,)}).numpy()
    network = net.weights_of(space.design((1,)).network, (1,))
    np.testing.assert_allclose(run_network(network, images.numpy()), expected, atol=1e-3 * np.abs(expected).max())


def test_a_step_trains_the_active_path_alone(task):
    before = {name: value.clone() for name, value in task.net.state_dict().items()}
    task.step_weights(torch.tensor(task.train[0][:20]), torch.tensor(task.train[1][:20]))
    changed = {name for name, value in task.net.state_dict().items() if not torch.equal(value, before[name])}
    layers = [name.rsplit(":", 1)[0] for name in changed if name.endswith("weight")]
    assert sorted(layers) == ["candidates.conv1", "candidates.conv2", "candidates.fc"]
    assert not any(name.startswith("alphas") for name in changed)


def test_a_gate_step_moves_probabilities_alone(task):
    before = {name: value.clone() for name, value in task.net.state_dict().items()}
    task.step_gates(torch.tensor(task.held[0][:20]), torch.tensor(task.held[1][:20]))
    changed = {name for name, value in task.net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"alphas.0", "alphas.1", "alphas.2"}


def test_expected_costs_have_the_gradient_of_finite_differences(task):
    with torch.no_grad():
        for alpha in task.net.alphas:
            alpha.copy_(torch.linspace(-0.5, 0.7, len(alpha)))
    (slope,) = torch.autograd.grad(task.expect("energy_joule"), [task.net.alphas[1]])
    step = 1e-2
    for index in range(len(slope)):
        with torch.no_grad():
            values = []
            for sign in (1, -1):
                task.net.alphas[1][index] += sign * step
                values.append(task.expect("energy_joule").item())
                task.net.alphas[1][index] -= sign * step
        assert slope[index].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.02)


def test_without_a_price_gates_leave_an_option_that_is_clearly_worse(oracle):
    """One of two options is made to compute nonsense: its probability falls."""
    settings = {"epochs": 1, "warmup": 0, "latency": 0, "energy": 0, "mode": "ideal", "gate_rate": 0.1}
    search = make_search({**DIGITS, "space": {"conv2": {"kernel": [3, 5]}}, "differentiable": settings})
    data = load_data("digits-train").take(300)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    task = GradientSearch(search, space, oracle, normalize_images(data.images), data.labels)
    with torch.no_grad():
        task.net.candidates["conv2:5"].weight.normal_(generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        task.step_gates(torch.tensor(task.held[0]), torch.tensor(task.held[1]))
    assert task.net.best() == (0,)
    assert float(task.net.alphas[0].detach().softmax(0)[0]) > 0.8


def test_a_high_price_drives_the_search_to_the_cheapest_options(oracle):
    settings = {"epochs": 1, "warmup": 0, "latency": 0.0, "energy": 100.0, "mode": "ideal", "gate_rate": 0.1}
    search = make_search({**DIGITS, "differentiable": settings})
    data = load_data("digits-train").take(100)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    task = GradientSearch(search, space, oracle, normalize_images(data.images), data.labels)
    for _ in range(30):
        task.step_gates(torch.tensor(task.held[0][:10]), torch.tensor(task.held[1][:10]))
    assert task.net.best() == tuple(int(row.argmin()) for row in task.table["energy_joule"])


def test_non_ideal_arrays_change_what_gates_see(task):
    images, labels = (torch.tensor(part[:20]) for part in task.held)
    paths = dict.fromkeys(range(3), (0, 1))
    gates = {number: torch.tensor([1.0, 0.0], requires_grad=True) for number in range(3)}
    losses = [
        functional.cross_entropy(task.net.eval()(images, paths, gates, arrays), labels)
        for arrays in (None, task.arrays)
    ]
    assert losses[0].item() != losses[1].item()
    slopes = torch.autograd.grad(losses[1], list(gates.values()))
    assert all(torch.isfinite(slope).all() and slope.abs().max() > 0 for slope in slopes)


def test_a_search_goes_on_where_it_stopped(oracle):
    """Bit for bit, also between two draws of arrays, whose weights and inputs are then those of an earlier epoch."""
    settings = {**DIGITS["differentiable"], "warmup": 1, "refresh": 2}
    search = make_search({**DIGITS, "differentiable": settings})
    data = load_data("digits-train").take(120)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    straight, resumed = (
        GradientSearch(search, space, oracle, normalize_images(data.images), data.labels) for _ in range(2)
    )
    for _ in range(2):
        straight.run_epoch()
    saved = straight.save()
    straight.run_epoch()
    resumed.load(saved)
    resumed.run_epoch()
    assert len(resumed.history) == 3
    for name, value in straight.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_arrays_do_not_depend_on_the_step_that_needs_them_first(task):
    images, labels = (torch.tensor(part[:20]) for part in task.held)
    candidate = task.net.candidate("conv2:3")
    option = {"kernel": 3, "array": 16}
    x = images[:, :1].expand(-1, candidate.weight.shape[1], -1, -1).relu()

    def compute():
        task.arrays.generator.manual_seed(0)
        with torch.no_grad():
            return task.arrays(candidate, x, *candidate.fold(), option)

    first = compute()
    task.arrays.load(task.arrays.save())
    for _ in range(2):
        task.step_gates(images, labels)
    assert torch.equal(compute(), first)


def test_gate_steps_follow_the_gradient_of_the_expected_loss(oracle):
    """Mean step over many draws against the exact gradient, for chances far apart.

    The loss is made quadratic in the layer's output, where the mean of both ends' slopes is exact.
    """
    settings = {"epochs": 1, "warmup": 0, "latency": 0, "energy": 0, "mode": "ideal", "gate_rate": 1.0}
    search = make_search({**DIGITS, "space": {"fc": {"array": [16, 32, 64]}}, "differentiable": settings})
    data = load_data("digits-train").take(40)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    task = GradientSearch(search, space, oracle, normalize_images(data.images), data.labels)
    factors = {16: 1.0, 32: 0.4, 64: -0.3}
    task.arrays = lambda candidate, x, weight, bias, option: (
        factors.get(option.get("array"), 1.0) * run_layer(candidate.node, x, weight, bias)
    )
    images, labels = (torch.tensor(part[:20]) for part in task.held)
    start = torch.log(torch.tensor([0.8, 0.02, 0.18]))
    with torch.no_grad():
        (alpha,) = task.net.alphas
        alpha.copy_(start)
        outputs = task.net.eval()(images, {0: (0,)})
        square = [0.01 * (factor * outputs - 1).square().mean() for factor in factors.values()]
    losses = torch.stack(square)
    chances = start.softmax(0)
    exact = chances * (losses - (chances * losses).sum())
    total = torch.zeros(3)
    draws = 4000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "cross_entropy", lambda y, _: 0.01 * (y - 1).square().mean())
        for _ in range(draws):
            with torch.no_grad():
                alpha.copy_(start)
            task.step_gates(images, labels)
            total += (start - alpha.detach()) / draws
    torch.testing.assert_close(total, exact, rtol=0.1, atol=0.05 * float(exact.abs().max()))


def test_compiled_kernels_leave_pytorch_its_number_of_threads():
    """In a process of its own, since Numba's threads start once."""
    code = (
        "import numba; from xbarsim.train.torch_network import torch, use_threads\n"
        "with use_threads(1):\n    numba.set_num_threads(1); print(torch.get_num_threads())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"1"


@pytest.fixture(scope="module")
def residual_task(oracle):
    """A search on ResNet-20 with zero operators, none of them likely at first."""
    settings = {"warmup": 1, "mode": "ideal", "zero_chance": 0.01}
    space = {"layer*": {"kernel": [3, 5], "zero": True}}
    search = make_search({**DIGITS, "network": "resnet20", "space": space, "differentiable": settings})
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((6, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 6)
    return GradientSearch(
        search, make_space(space, xs.load_network("resnet20"), oracle.hardware), oracle, images, labels
    )


def test_zero_operators_start_as_unlikely_as_asked(residual_task):
    chances = [alpha.detach().softmax(0) for alpha in residual_task.net.alphas]
    assert all(float(chance[-1]) == pytest.approx(0.01) for chance in chances)
    assert all(float(chance[0]) == pytest.approx(float(chance[1])) for chance in chances)


def test_warm_up_takes_no_zero_operator(residual_task, monkeypatch):
    seen = []
    forward = residual_task.net.forward
    monkeypatch.setattr(residual_task.net, "forward", lambda x, paths: seen.append(paths) or forward(x, paths))
    residual_task.net.start_zeros(0.9)
    images, labels = torch.tensor(residual_task.train[0]), torch.tensor(residual_task.train[1])
    residual_task.step_weights(images, labels)
    monkeypatch.setattr(residual_task, "history", [{}])
    residual_task.step_weights(images, labels)
    assert all(index < 2 for (index,) in seen[0].values())
    assert sum(index == 2 for (index,) in seen[1].values()) > 9
    residual_task.net.start_zeros(0.01)


def test_gates_before_an_active_zero_operator_get_no_slope_and_cost_no_crash(residual_task):
    """Behind the zero operator nothing depends on the layer before it, in the active path or the other."""
    net, first, second = residual_task.net, 0, 1  # both convolutions of the first block
    paths = dict.fromkeys(range(len(net.alphas)), (0, 1)) | {second: (2, 0)}
    gates = {number: torch.tensor([1.0, 0.0], requires_grad=True) for number in paths}
    images, labels = torch.tensor(residual_task.held[0]), torch.tensor(residual_task.held[1])
    loss = functional.cross_entropy(net.eval()(images, paths, gates), labels)
    slopes = torch.autograd.grad(loss, list(gates.values()), allow_unused=True, materialize_grads=True)
    assert slopes[first].abs().max() == 0
    assert slopes[second][1].abs() > 0
    for _ in range(3):
        residual_task.net.start_zeros(0.5)
        assert np.isfinite(residual_task.step_gates(images, labels))
    residual_task.net.start_zeros(0.01)


def test_gates_have_the_slopes_of_the_sum_they_stand_for(task):
    """Loss with gates moved by hand equals loss plus slope times move."""
    images, labels = (torch.tensor(part[:20]) for part in task.held)
    paths = dict.fromkeys(range(3), (0, 1))
    with torch.no_grad():
        for number, candidate in enumerate(task.net.candidates.values()):
            noise = torch.randn(candidate.weight.shape, generator=torch.Generator().manual_seed(number))
            candidate.weight.add_(0.05 * noise)
    gates = {number: torch.tensor([1.0, 0.0], requires_grad=True) for number in range(3)}
    values = {}
    loss = functional.cross_entropy(task.net.eval()(images, paths, gates), labels)
    slopes = torch.autograd.grad(loss, list(gates.values()))

    def mixed(candidate, x, weight, bias, option):
        node = candidate.node
        y = run_layer(node, x, weight, bias)
        return y if node.name != "conv2" else values.setdefault(repr(option), y)

    with torch.no_grad():
        task.net(images, paths, gates, mixed)
        active, other = values.values()
        rest = list(task.space.network.nodes)
        start = [node.name for node in rest].index("conv2")
        losses = []
        for move in (1e-2, -1e-2):
            found = {"conv2": active + move * other}
            for node in rest[start + 1 :]:
                inputs = [found[source] for source in node.inputs]
                if node.is_layer:
                    weight, bias = task.net.candidates["fc:"].fold()
                    found[node.name] = run_layer(node, inputs[0], weight, bias)
                else:
                    found[node.name] = OPERATIONS[node.kind](node, inputs)
            losses.append(functional.cross_entropy(found[task.space.network.output], labels).item())
    assert slopes[1][1].item() == pytest.approx((losses[0] - losses[1]) / 2e-2, rel=0.02)


def test_without_comparison_only_the_found_design_is_trained(tmp_path):
    content = {**DIGITS, "train_images": 120, "calibration": "digits", "calibration_images": 16}
    settings = {**DIGITS["differentiable"], "epochs": 1, "mode": "ideal", "compare": False, "finetune_rate": 1e-3}
    result = run_search(make_search({**content, "differentiable": settings}), tmp_path, cache=None)
    assert [entry.label for entry in result.entries] == ["searched"]
    assert load_images(result.search).calibration.shape[0] == 16


def test_a_search_that_is_stopped_while_it_trains_goes_on_from_there(tmp_path, monkeypatch):
    settings = {**DIGITS["differentiable"], "epochs": 1, "mode": "ideal", "compare": False, "finetune_rate": 1e-3}
    search = make_search({**DIGITS, "train_images": 120, "differentiable": settings})

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xbarsim.search.gradient_run.write_onnx", stop)
        with pytest.raises(Interrupted):
            run_search(search, tmp_path / "stopped", cache=None)
    assert (tmp_path / "stopped" / "training-searched").is_dir()
    for name in ("stopped", "whole"):
        run_search(search, tmp_path / name, cache=None)
        assert not (tmp_path / name / "training-searched").exists()
    files = [(tmp_path / name / "network-searched.onnx").read_bytes() for name in ("stopped", "whole")]
    assert files[0] == files[1]


def test_widths_are_no_axis_of_a_differentiable_search(oracle):
    space = make_space({"conv1": {"width": [0.5, 1.0]}}, xs.load_network("digits"), oracle.hardware)
    with pytest.raises(ConfigError, match="width"):
        SuperNetwork(space)


def test_a_search_on_the_digits_chooses_trains_and_resumes(tmp_path):
    search = make_search({**DIGITS, "images": 200, "train_images": None})
    result = run_search(search, tmp_path, cache=None)
    labels = [entry.label for entry in result.entries]
    assert labels == ["array 16", "array 64", "searched"]
    assert all(entry.metrics["accuracy.hardware"] > 0.9 for entry in result.entries)
    found = json.loads((tmp_path / "architecture.json").read_text())
    assert len(found["history"]) == 3
    assert sum(found["probabilities"]["conv1"]) == pytest.approx(1.0, abs=1e-4)
    network = xs.load_network(str(tmp_path / "network-searched.onnx"))
    assert len(network.layers) == 3
    lines = (tmp_path / "points.log").read_text().splitlines(keepends=True)
    (tmp_path / "points.log").write_text("".join(lines[:2]))
    again = run_search(search, tmp_path, cache=None)
    assert again.entries == result.entries
    images = load_images(search)
    outputs = run_network(network, images.images)
    assert np.mean(outputs.argmax(axis=1) == images.labels) > 0.9


def test_prices_of_the_chip_rise_and_open_choices_cost_more_at_the_end(oracle):
    settings = {"epochs": 1, "warmup": 0, "price": 2.0, "sharpen": 3.0, "mode": "ideal", "objective": "edap_core"}
    search = make_search({**DIGITS, "differentiable": settings})
    data = load_data("digits-train").take(100)
    space = make_space(search.space, xs.load_network("digits"), oracle.hardware)
    task = GradientSearch(search, space, oracle, normalize_images(data.images), data.labels)
    whole = task.weigh_price().item()
    assert whole == pytest.approx(2.0 * np.log(task.predict()["edap_core"]))
    for done, weight in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0)):
        task.done = done
        assert task.weigh_price().item() == pytest.approx(weight * whole)
    task.done = 1.0
    assert task.weigh_price().item() == pytest.approx(whole + 3.0)  # even chances


def test_without_a_rate_weights_stay_and_the_exact_search_keeps_the_best_design(tmp_path):
    settings = {"epochs": 1, "warmup": 0, "rate": 0, "finetune": 0, "compare": False, "polish": 12, "batch": 50}
    content = {**DIGITS, "train_images": 120, "images": 50, "differentiable": settings}
    result = run_search(make_search(content), tmp_path, cache=None)
    assert result.extra["polish"]["designs"] == 12
    assert result.extra["polish"]["loss"] <= result.extra["polish"]["first_loss"]
    assert set(result.extra["undecided"]) == {"conv1", "conv2", "fc"}  # five steps decide nothing
    trained, found = xs.load_network("digits"), xs.load_network(str(tmp_path / "network-searched.onnx"))
    images = normalize_images(load_data("digits").take(4).images)
    np.testing.assert_allclose(run_network(found, images), run_network(trained, images), atol=1e-4)
    lines = (tmp_path / "points.log").read_text()
    (tmp_path / "points.log").write_text(lines.splitlines(keepends=True)[0])
    assert run_search(make_search(content), tmp_path, cache=None).entries == result.entries
