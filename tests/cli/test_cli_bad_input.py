"""Wrong input, through the real command and the real rooms: exit code 2, one line that names what and where.

Nothing may have run by then: the functions that compute are replaced by ones that fail the test.
"""

import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

import xbarsim as xs
from xbarsim import api
from xbarsim.api import cost, run
from xbarsim.network import executor, quantize

onnx = pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """Fail a test in which anything is computed."""

    def work(*_, **__):
        raise AssertionError("something ran before the input was found wrong")

    monkeypatch.setattr(quantize, "calibrate_activations", work)
    monkeypatch.setattr(executor, "run_network", work)
    for module, names in ((run, ("run_integer", "simulate_network")), (cost, ("simulate_plan", "price"))):
        for name in names:
            monkeypatch.setattr(module, name, work)


@pytest.fixture
def refuse(xbarsim_command):
    """Run a command that must be refused; check its line for texts that must stand in it."""

    def run(*arguments, names=()):
        code, out, err = xbarsim_command(*arguments)
        assert code == 2, err
        assert out == ""
        assert err.startswith("xbarsim: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        missing = [text for text in map(str, names) if text not in err]
        assert not missing, err
        return err

    return run


def write_hardware(folder, text):
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def make_model(nodes, weights, channels=3):
    """Return an ONNX model of images (1, channels, 8, 8)."""
    helper = onnx.helper
    image = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, channels, 8, 8])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    constants = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **node[3]) for node in nodes], "g", [image], [result], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def model(tmp_path):
    """A sound network of ten classes for RGB images of 8 x 8, and its weights, to be spoilt."""
    draw = np.random.default_rng(0)
    weights = {
        "conv1.weight": draw.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "fc.weight": draw.normal(size=(10, 256)).astype(np.float32),
    }

    def write(operator="Relu", name="net.onnx", **changes):
        nodes = [
            ("Conv", ["x", "conv1.weight"], ["a"], {"name": "first", "pads": [1, 1, 1, 1]}),
            (operator, ["a"], ["b"], {"name": "second"}),
            ("Flatten", ["b"], ["c"], {"name": "third"}),
            ("Gemm", ["c", "fc.weight"], ["y"], {"name": "last", "transB": 1}),
        ]
        path = tmp_path / name
        onnx.save(make_model(nodes, weights | changes), path)
        return path

    write.weights = weights
    return write


@pytest.fixture
def pictures(tmp_path):
    """Write images and labels that fit the network, or do not."""

    def write(images=None, labels=None, name="data.npz", **arrays):
        path = tmp_path / name
        given = {"images": np.zeros((4, 3, 8, 8), np.uint8) if images is None else images}
        if labels is None:
            labels = np.arange(len(given["images"])) % 10
        np.savez(path, **given, **({} if labels is False else {"labels": labels}), **arrays)
        return path

    return write


HARDWARE = [
    ("adc: {bits: 0}", ("adc.bits", "0")),
    ("crossbar: {rows: 0}", ("crossbar.rows", "0")),
    ("crossbar: {cols: -4}", ("crossbar.cols", "-4")),
    ("device: {g_off_siemens: -1e-6}", ("device.g_off_siemens", "-1e-06")),
    ("device: {g_on_siemens: .nan}", ("device.g_on_siemens", "nan")),
    ("device: {g_on_siemens: 1e-6, g_off_siemens: 1e-5}", ("device.g_off_siemens", "1e-05", "g_on_siemens")),
    ("device: {g_on_siemens: 1e-5, g_off_siemens: 1e-5}", ("device.g_off_siemens", "1e-05", "g_on_siemens")),
    ("adcs: {bits: 3}", ("adcs",)),
    ("adc: {bitz: 3}", ("adc.bitz",)),
    ("adc: [1, 2", ("YAML",)),
    ("adc: {bits: 8, bits: 4}", ("bits",)),
    ("- 1\n- 2", ()),
    ("base: referense", ("referense",)),
]


@pytest.mark.parametrize("command", ["estimate", "simulate", "hardware check"])
@pytest.mark.parametrize(("text", "names"), HARDWARE)
def test_hardware_file_is_refused_by_key_value_and_file(refuse, tmp_path, command, text, names):
    path = write_hardware(tmp_path, text if text.startswith(("base", "-", "adc: [")) else f"base: reference\n{text}\n")
    place = [path] if command == "hardware check" else ["digits", "--hardware", path]
    refuse(*command.split(), *place, names=("mine.yaml", *names))


@pytest.mark.parametrize("command", ["estimate", "simulate"])
@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("adc.bits=0", ("adc.bits", "0")),
        ("adc.bitz=4", ("adc.bitz",)),
        ("adc=4", ("adc",)),
        ("crossbar.rows=many", ("crossbar.rows", "many")),
        ("device.g_on_siemens=nan", ("device.g_on_siemens", "nan")),
        ("adc.bits", ("adc.bits", "KEY=VALUE")),
        ("device.g_on_siemens=", ("device.g_on_siemens",)),
    ],
)
def test_a_bad_set_option_is_refused_by_key_and_value(refuse, command, option, names):
    refuse(command, "digits", "--set", option, names=names)


@pytest.mark.parametrize("command", ["estimate", "simulate"])
@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("conv9*:adc.bits=4", ("conv9*", "digits")),
        ("conv1:adc.bits=0", ("adc.bits", "0", "conv1")),
        ("conv1:adc.bitz=4", ("adc.bitz", "conv1")),
        ("conv1:weight_bits=0", ("weight_bits", "0", "conv1")),
    ],
)
def test_a_bad_layer_option_is_refused_by_glob_key_and_value(refuse, command, option, names):
    refuse(command, "digits", "--layer", option, names=names)


@pytest.mark.parametrize("command", ["estimate", "simulate"])
@pytest.mark.parametrize(
    ("file", "names"),
    [("nets/none.onnx", ("nets/none.onnx",)), ("resnet21", ("resnet21",)), ("none.yaml", ("none.yaml",))],
)
def test_a_missing_network_is_named(refuse, command, file, names):
    refuse(command, file, names=names)


@pytest.mark.parametrize("hardware", ["no/such.yaml", "referense"])
def test_missing_hardware_is_named(refuse, hardware):
    refuse("simulate", "digits", "--hardware", hardware, names=(hardware,))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_onnx_file_is_named(refuse, model, share):
    path = model()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse("estimate", path, names=(path, "damaged"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("command", ["estimate", "simulate"])
def test_weights_that_are_not_finite_are_named_by_layer_and_file(refuse, model, command, value):
    spoilt = model.weights["conv1.weight"].copy()
    spoilt[1, 2, 0, 0] = value
    path = model(**{"conv1.weight": spoilt})
    refuse(command, path, names=(path, "conv1", "NaN or inf"))


def test_an_unsupported_operator_is_named_with_its_node(refuse, model):
    path = model("Determinant")  # not one of ONNX's
    refuse("simulate", path, names=(path, "Determinant", "second"))


def test_an_operator_that_gets_a_wrong_shape_is_named_with_its_node(refuse, model):
    path = model("Det")  # one number for every channel
    refuse("simulate", path, names=(path, "Gemm", "last", "(1, 4), (10, 256)"))


def test_a_network_without_weights_cannot_be_simulated(refuse):
    refuse("simulate", "lenet5", "--data", "digits", names=("lenet5", "weights"))


@pytest.mark.parametrize(
    ("option", "key"),
    [
        (("--weight-bits", 32), "weight_bits"),
        (("--set", "weight_bits=32"), "weight_bits"),
        (("--layer", "conv1:weight_bits=32"), "weight_bits"),
    ],
)
def test_float_weights_serve_cost_only(refuse, option, key):
    refuse("simulate", "digits", *option, names=(key, "32"))


@pytest.mark.parametrize("bits", [0, -3, 17, 33])
def test_bits_that_no_array_holds_are_refused(refuse, bits):
    refuse("simulate", "digits", "--weight-bits", bits, names=(bits,))


def test_missing_images_are_named(refuse, model, tmp_path):
    refuse("simulate", model(), "--data", tmp_path / "none.npz", names=("none.npz",))


def test_images_of_the_wrong_shape_are_named_with_both_shapes(refuse, model, pictures):
    path = pictures(np.zeros((4, 3, 9, 9), np.uint8))
    refuse("simulate", model(), "--data", path, names=(path, "(3, 9, 9)", "(3, 8, 8)"))


def test_calibration_images_of_the_wrong_shape_are_named_with_both_shapes(refuse, model, pictures):
    path = pictures(np.zeros((4, 1, 8, 8), np.uint8), name="calibration.npz")
    refuse("simulate", model(), "--data", pictures(), "--calibration", path, names=(path, "(1, 8, 8)", "(3, 8, 8)"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_named(refuse, model, pictures, value):
    images = np.zeros((4, 3, 8, 8), np.float32)
    images[2, 1, 3, 3] = value
    path = pictures(images)
    refuse("simulate", model(), "--data", path, names=(path, "NaN or inf"))


@pytest.mark.parametrize("label", [10, -1])
def test_labels_outside_the_classes_are_named(refuse, model, pictures, label):
    path = pictures(labels=np.array([0, 1, 2, label]))
    refuse("simulate", model(), "--data", path, names=(path, "labels", label))


@pytest.mark.parametrize("labels", [np.arange(3), np.arange(4.0), np.zeros((4, 1), int)])
def test_labels_of_the_wrong_shape_or_type_are_named(refuse, model, pictures, labels):
    path = pictures(labels=labels)
    refuse("simulate", model(), "--data", path, names=(path, "labels"))


def test_images_without_labels_are_named(refuse, model, pictures):
    path = pictures(labels=False)
    refuse("simulate", model(), "--data", path, names=(path, "labels"))


def test_an_unknown_executor_is_named(refuse):
    refuse("simulate", "digits", "--executor", "tensorflow", names=["executor", "tensorflow", "own", "onnxruntime"])


def test_calibration_images_need_no_labels(model, pictures, xbarsim_command, monkeypatch):
    seen = []
    monkeypatch.setattr(api, "simulate", lambda *_, **given: seen.append(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        xbarsim_command(
            "simulate", model(), "--data", pictures(), "--calibration", pictures(labels=False, name="more.npz")
        )
    assert seen[0]["calibration"].shape == (4, 3, 8, 8)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_npz_file_is_named(refuse, model, pictures, share):
    path = pictures()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse("simulate", model(), "--data", path, names=(path, "damaged"))


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("place", ["images", "labels"])
def test_an_npz_file_of_pickled_objects_is_never_unpickled(refuse, model, pictures, tmp_path, place):
    path = pictures(**{place: np.array([Trap(tmp_path / "opened")] * 4, dtype=object)})
    refuse("simulate", model(), "--data", path, names=(path, "not unpickled"))
    assert not (tmp_path / "opened").exists()


def test_a_pickle_called_npz_is_never_unpickled(refuse, model, tmp_path):
    path = tmp_path / "data.npz"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    refuse("simulate", model(), "--data", path, names=(path,))
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--images", 5), ("5", "4")),
        (("--normalize", "mars"), ("mars", "imagenet")),
        (("--mean", "0.1,0.2", "--std", "1"), ("mean", "3 channels")),
        (("--mean", "0", "--std", "0"), ("std",)),
    ],
)
def test_options_that_do_not_fit_the_images_are_named(refuse, model, pictures, options, names):
    refuse("simulate", model(), "--data", pictures(), *options, names=names)


@pytest.mark.parametrize("command", ["simulate", "estimate"])
def test_places_that_cannot_be_written_are_refused_before_the_work(refuse, tmp_path, command):
    file = tmp_path / "file"
    file.touch()
    refuse(command, "digits", "--json", tmp_path / "none" / "a.json", names=("--json", "none"))
    refuse(command, "digits", "--json", tmp_path, names=("--json", tmp_path))
    refuse(command, "digits", "--report", file, names=("--report", file))
    refuse(command, "digits", "--report", file / "below", names=("--report", file))
    refuse(command, "digits", "--json", "/proc/none.json", names=("--json", "/proc"))
    refuse(command, "digits", "--report", "/proc/none", names=("--report", "/proc"))


def test_the_installed_command_refuses_within_seconds_and_without_a_traceback(model, tmp_path):
    path = write_hardware(tmp_path, "base: reference\nadc: {bits: 0}\n")
    started = time.perf_counter()
    code = "import sys; from xbarsim.cli import main; sys.argv[0] = 'xbarsim'; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "simulate", str(model()), "--hardware", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert time.perf_counter() - started < 10


def test_the_library_raises_what_the_command_prints(refuse):
    with pytest.raises(xs.ConfigError) as raised:
        xs.load_hardware("reference", {"adc.bits": 0})
    assert refuse("estimate", "digits", "--set", "adc.bits=0") == f"xbarsim: {raised.value}\n"
