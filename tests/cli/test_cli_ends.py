"""``--outputs`` and ``--input-shape``, and the same keys of sweep and search files: what an .onnx file leaves open."""

import io
import json

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.cli._ends import parse_ends
from xbarsim.errors import ConfigError
from xbarsim.search import make_search, open_space
from xbarsim.search.epitome import make_epitome_search, open_epitome_search
from xbarsim.sweep import make_sweep, plan_sweep

RNG = np.random.default_rng(8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of free height and width that gives a map of two classes and five logits, and images of 6 x 6."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from onnx import helper, numpy_helper

    weights = {"w1": (6, 3, 3, 3), "w2": (2, 6, 1, 1), "w3": (5, 6)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w2"], ["map"], kernel_shape=[1, 1]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "w3"], ["logits"], transB=1),
        ],
        "two",
        [helper.make_tensor_value_info("x", 1, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(name, 1, None) for name in ("map", "logits")],
        [numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), key) for key, shape in weights.items()],
    )
    place = tmp_path_factory.mktemp("ends")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(place / "two.onnx"))
    images = RNG.normal(size=(8, 3, 6, 6)).astype(np.float32)
    np.savez(place / "images.npz", images=images, labels=RNG.integers(0, 5, 8))
    return place


@pytest.mark.parametrize(
    ("outputs", "shapes", "found"),
    [
        (None, [], {}),
        ("logits", [], {"outputs": "logits"}),
        ("score, box*", ["3,224,224"], {"outputs": ["score", "box*"], "input_shape": (3, 224, 224)}),
        (None, ["ids=128", "a=b=1,2"], {"input_shape": {"ids": (128,), "a=b": (1, 2)}}),
    ],
)
def test_options_are_arguments_of_load_network(outputs, shapes, found):
    assert parse_ends(outputs, shapes) == found


@pytest.mark.parametrize(
    ("outputs", "shapes", "message"),
    [
        ("a,,b", [], "--outputs a,,b: should be names"),
        (None, ["3,x"], "--input-shape 3,x: should be whole numbers"),
        (None, ["3,0"], "at least 1"),
        (None, ["=3"], "INPUT=SIZES"),
        (None, ["3", "4"], "INPUT=SIZES"),
        (None, ["a=3", "a=4"], "INPUT=SIZES"),
    ],
)
def test_wrong_options_are_named(outputs, shapes, message):
    with pytest.raises(ConfigError, match=message):
        parse_ends(outputs, shapes)


def test_commands_simulate_estimate_and_explain_the_output_that_is_chosen(xbarsim_command, folder, tmp_path):
    ends = (folder / "two.onnx", "--outputs", "logits", "--input-shape", "3,6,6")
    network = xs.load_network(folder / "two.onnx", outputs="logits", input_shape=(3, 6, 6))
    hashes = []
    for command, options in (
        ("simulate", ("--data", folder / "images.npz", "--threads", "1", "--reference", folder / "two.onnx")),
        ("estimate", ()),
        ("explain", ("--data", folder / "images.npz", "--threads", "1", "--parts", "causes", "--trials", "1")),
    ):
        code, _, err = xbarsim_command(command, *ends, *options, "--quiet", "--json", tmp_path / "out.json")
        assert (code, err) == (0, "")
        hashes.append(json.loads((tmp_path / "out.json").read_text())["provenance"]["network_hash"])
    assert hashes == [network.hash] * 3
    code, out, _ = xbarsim_command("network", "show", folder / "two.onnx", "--outputs", "*", "--input-shape", "x=3,6,6")
    assert code == 0
    assert "3 layers" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("estimate", "lenet5", "--outputs", "logits"), "input_shape, outputs: only for .onnx files"),
        (("estimate", "two.onnx"), "give it: input_shape=(3, ?, ?)"),
        (("estimate", "two.onnx", "--input-shape", "3,6,6", "--outputs", "mask"), "'mask' is no output of the file"),
    ],
)
def test_what_does_not_fit_the_file_is_refused_in_one_line(xbarsim_command, folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    code, _, err = xbarsim_command(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_sweeps_and_searches_choose_outputs_of_the_files_that_they_name(folder):
    ends = {"outputs": "logits", "input_shape": [3, 6, 6]}
    network = xs.load_network(folder / "two.onnx", outputs="logits", input_shape=(3, 6, 6))
    file = str(folder / "two.onnx")
    plan = plan_sweep(make_sweep({"network": [file, "lenet5"], **ends, "axes": {"adc.bits": [4, 6]}}))
    assert plan.workload.networks[file].hash == network.hash
    space, _ = open_space(make_search({"network": file, **ends, "space": {"w1": {"array": [32, 64]}}}))
    assert space.network.hash == network.hash
    shape = {"rows": 27, "channels": 3}
    task = open_epitome_search(make_epitome_search({"network": file, **ends, "shapes": [shape], "uniform": shape}))
    assert task.space.network.hash == network.hash
    with pytest.raises(ConfigError, match="only for"):
        plan_sweep(make_sweep({"network": "lenet5", **ends}))
    by_name = {"outputs": ["map", "logits"], "input_shape": {"x": [3, 6, 6]}}
    both = plan_sweep(make_sweep({"network": file, **by_name})).workload.networks[file]
    assert list(both.output_shapes) == ["map", "logits"]
    with pytest.raises(ConfigError, match="input_shape"):
        make_sweep({"network": file, "input_shape": [3, 0]})


def test_hardware_and_networks_come_from_standard_input(xbarsim_command, tmp_path, monkeypatch):
    """The files of a pipe give the costs of the same content in a file; a second file is refused in one line."""

    def pipe(text, *arguments):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return xbarsim_command(*arguments)

    hardware = "base: reference\nname: mine\nadc: {bits: 6}\n"
    network = "input_shape: [1, 8, 8]\nlayers:\n  - {name: conv, kind: conv2d, channels: 4, kernel: 3}\n"
    (tmp_path / "mine.yaml").write_text(hardware)
    costs = []
    for name in ("-", str(tmp_path / "mine.yaml")):
        code, _, error = pipe(hardware, "estimate", "digits", "--hardware", name, "--json", tmp_path / "cost.json")
        assert code == 0, error
        costs.append(json.loads((tmp_path / "cost.json").read_text())["cost"])
    assert costs[0] == costs[1]
    assert pipe(hardware, "hardware", "check", "-")[1].startswith("given: ok (mine")
    assert pipe(network, "network", "show", "-")[0] == 0
    for arguments, part in (
        (("estimate", "-", "--hardware", "-"), "read already"),
        (("oracle", "--hardware", "-"), "standard input carries the queries"),
    ):
        code, _, error = pipe(network, *arguments)
        assert code == 2
        assert part in error
        assert error.count("\n") == 1
    code, _, error = pipe("base: reference\nadc: {bit: 6}", "hardware", "check", "-")
    assert code == 2
    assert "adc.bit: unknown key" in error
