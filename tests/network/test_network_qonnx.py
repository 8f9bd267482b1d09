"""Quantisers of QONNX against plain NumPy: ONNX Runtime does not know them."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import load_onnx, quantize_network, run_integer, run_network

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

QONNX, FINN = "qonnx.custom_op.general", "finn.custom_op.general"
ROUNDINGS = {
    "ROUND": np.round, "CEIL": np.ceil, "FLOOR": np.floor, "DOWN": np.fix,
    "UP": lambda x: np.where(x < 0, np.floor(x), np.ceil(x)),
    "HALF_UP": lambda x: np.where(x < 0, np.ceil(x - 0.5), np.floor(x + 0.5)),
    "HALF_DOWN": lambda x: np.where(x < 0, np.floor(x + 0.5), np.ceil(x - 0.5)),
}  # fmt: skip


def quant(x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"):
    """Return what qonnx computes for a Quant, in real values."""
    steps = x.astype(np.float32) / np.float32(scale) + np.float32(zero)
    if signed and bits == 1:
        codes = np.where(steps >= 0, 1, -1)
    else:
        low = -(2 ** (bits - 1)) + narrow if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        codes = ROUNDINGS[rounding_mode](np.clip(steps, low, high))
    return ((codes - np.float32(zero)) * np.float32(scale)).astype(np.float32)


def trunc(x, scale, wide, bits, rounding_mode="FLOOR"):
    whole = np.round(x / np.float32(scale))
    return (ROUNDINGS[rounding_mode](whole / 2.0 ** (wide - bits)) * np.float32(scale)).astype(np.float32)


def write_model(path, nodes, constants, shape):
    inputs = [helper.make_tensor_value_info("x", 1, ("N", *shape))]
    kept = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", 1, None)], kept)
    versions = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1), helper.make_opsetid(FINN, 1)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), str(path))
    return path


def node(kind, inputs, output="y", domain=QONNX, **attributes):
    domain = domain if kind in ("Quant", "IntQuant", "BipolarQuant", "Trunc") else ""
    return helper.make_node(kind, inputs.split(" "), [output], name=output, domain=domain, **attributes)


def draw(*shape, seed=0):
    """Return values of which many lie halfway between two codes of a step of 1/4."""
    return (np.random.default_rng(seed).integers(-40, 41, shape) / 8).astype(np.float32)


@pytest.mark.parametrize("domain", [QONNX, FINN])
@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "zero"),
    [(4, 1, 0, 0), (4, 1, 1, 0), (3, 0, 0, 0), (3, 0, 1, 0), (8, 1, 1, 4), (8, 0, 0, 6), (1, 1, 0, 0), (1, 0, 0, 0),
     (2, 1, 0, 0)],
)  # fmt: skip
def test_a_quantiser_with_one_scale_becomes_a_grid(domain, bits, signed, narrow, zero, tmp_path):
    given = node("Quant", "x s z b", domain=domain, signed=signed, narrow=narrow, rounding_mode="ROUND")
    path = write_model(tmp_path / "m.onnx", [given], {"s": 0.25, "z": zero, "b": bits}, (3, 9))
    network, x = load_onnx(path), draw(4, 3, 9)
    assert network.nodes[-1].kind in ("quantize", "bipolar")
    np.testing.assert_array_equal(run_network(network, x), quant(x, 0.25, zero, bits, signed, narrow))


@pytest.mark.parametrize("mode", sorted(ROUNDINGS))
@pytest.mark.parametrize(("scale", "zero"), [(0.25, 0.0), (0.25, 3.0), ([[0.25], [0.5], [1.0]], 0.5)])
def test_every_other_quantiser_is_computed_too(mode, scale, zero, tmp_path):
    pytest.importorskip("onnxruntime")
    given = node("IntQuant", "x s z b", signed=1, narrow=0, rounding_mode=mode)
    path = write_model(tmp_path / "m.onnx", [given], {"s": scale, "z": zero, "b": 4}, (3, 9))
    x = draw(4, 3, 9)
    np.testing.assert_array_equal(run_network(load_onnx(path), x), quant(x, scale, zero, 4, 1, 0, mode))


@pytest.mark.parametrize("scale", [0.5, [[0.5], [2.0], [1.0]]])
def test_two_values(scale, tmp_path):
    path = write_model(tmp_path / "m.onnx", [node("BipolarQuant", "x s")], {"s": scale}, (3, 9))
    x = draw(4, 3, 9)
    np.testing.assert_array_equal(run_network(load_onnx(path), x), np.where(x >= 0, 1, -1) * np.float32(scale))


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "ROUND"])
@pytest.mark.parametrize("sign", [0, 1])
def test_last_bits_are_cut_off(mode, sign, tmp_path):
    pytest.importorskip("onnxruntime")
    nodes = [
        node("Quant", "x s z b", "q", signed=sign, narrow=0, rounding_mode="ROUND"),
        node("Mul", "q four", "m"), node("Trunc", "m s z wide out", rounding_mode=mode),
    ]  # fmt: skip
    constants = {"s": 0.125, "z": 0, "b": 6, "four": 3, "wide": 8, "out": 6}
    network, x = load_onnx(write_model(tmp_path / "m.onnx", nodes, constants, (3, 9))), draw(4, 3, 9)
    expected = trunc(quant(x, 0.125, 0, 6, sign) * np.float32(3), 0.125, 8, 6, mode)
    np.testing.assert_array_equal(run_network(network, x), expected)
    if mode != "ROUND":
        bits = 7 if mode == "CEIL" else 6  # a largest code that is rounded up needs one more
        assert (network.nodes[-1].attributes["bits"], network.nodes[-1].attributes["signed"]) == (bits, bool(sign))


@pytest.mark.parametrize("shift", [0, 100])
@pytest.mark.parametrize("mode", ["FLOOR", "CEIL"])
def test_an_older_trunc_of_codes_of_unknown_sign_clips_none(mode, shift, tmp_path):
    nodes = [node("Quant", "x s z b", "q", signed=1, narrow=0, rounding_mode="ROUND"), node("Add", "q more", "m")]
    last = node("Trunc", "m s z b out" if shift else "x s z b out", rounding_mode=mode)
    constants = {"s": 1, "z": 0, "b": 8, "out": 4, **({"more": shift} if shift else {})}
    path = write_model(tmp_path / "m.onnx", [*nodes, last] if shift else [last], constants, (1, 4))
    codes = np.array([[[0, 100, 200, 255]], [[-128, -100, -1, 17]]], np.float32)
    given = (np.clip(codes, -128, 127) + np.float32(shift)) if shift else codes
    np.testing.assert_array_equal(run_network(load_onnx(path), codes), trunc(given, 1, 8, 4, mode))


@pytest.mark.parametrize("mode", ["FLOOR", "HALF_UP"])
def test_the_newer_trunc_has_a_scale_of_its_result_and_clips(mode, tmp_path):
    pytest.importorskip("onnxruntime")
    given = node("Trunc", "x s z wide so zo out", rounding_mode=mode, signed=1, narrow=0)
    constants = {"s": 0.125, "z": 0, "wide": 8, "so": 0.55, "zo": 0, "out": 3}
    x = draw(4, 3, 9)
    codes = ROUNDINGS[mode](np.clip(np.round(x / np.float32(0.125)) / 4, -4, 3))
    found = run_network(load_onnx(write_model(tmp_path / "m.onnx", [given], constants, (3, 9))), x)
    np.testing.assert_array_equal(found, (codes * np.float32(0.55)).astype(np.float32))


def few_bits(tmp_path):
    rng = np.random.default_rng(1)
    nodes = [
        node("Quant", "x si z b8", "xq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "w sw z b4", "wq", signed=1, narrow=1, rounding_mode="ROUND"),
        node("Conv", "xq wq", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
        node("Quant", "r sr z b4", "rq", signed=0, narrow=0, rounding_mode="ROUND"),
        node("GlobalAveragePool", "rq", "g"), node("Flatten", "g", "f"), node("BipolarQuant", "f one", "fb"),
        node("BipolarQuant", "v sv", "vq"), node("Transpose", "vq", "vt", perm=[1, 0]), node("MatMul", "fb vt"),
    ]  # fmt: skip
    constants = {
        "si": 0.0625, "sr": 0.5, "sw": [[[[0.25]]], [[[0.5]]], [[[0.125]]], [[[0.25]]]], "one": 1.0, "sv": 0.5,
        "z": 0, "b4": 4, "b8": 8, "w": rng.standard_normal((4, 3, 3, 3)), "v": rng.standard_normal((5, 4)),
    }  # fmt: skip
    return write_model(tmp_path / "m.onnx", nodes, constants, (3, 6, 6)), constants


def test_layers_take_the_grids_and_widths_of_the_file(tmp_path):
    path, given = few_bits(tmp_path)
    network, x = xs.load_network(path), draw(5, 3, 6, 6, seed=2)
    assert network.file_bits == {
        "w": {"weight_bits": 4, "activation_bits": 8}, "v": {"weight_bits": 2, "activation_bits": 2}
    }  # fmt: skip
    quantized = quantize_network(network, None, weight_bits=8, activation_bits=8, layers=network.file_bits)
    codes = np.round(np.clip(given["w"] / np.float32(given["sw"]), -7, 7))
    np.testing.assert_array_equal(quantized.layers["w"].weight, codes)
    np.testing.assert_array_equal(quantized.layers["w"].weight_scale, np.ravel(given["sw"]))
    np.testing.assert_array_equal(quantized.layers["v"].weight, np.where(given["v"] >= 0, 1, -1))
    np.testing.assert_array_equal(run_integer(quantized, x), run_network(network, x))
    report = xs.simulate(network, "reference", x, layers=network.file_bits)
    assert report.outputs.shape == (1, 5, 5)


def test_widths_that_differ_from_the_file_are_refused_with_a_way_out(tmp_path):
    network = xs.load_network(few_bits(tmp_path)[0])
    with pytest.raises(
        ConfigError, match=r"w: weight_bits: 8 bits are asked for, .* to 4; try: layers=network.file_bits"
    ):
        quantize_network(network, None, weight_bits=8, activation_bits=8)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"b": 3.5}, "a bit width that is no whole number"), ({"mode": "DICE"}, "rounding_mode 'DICE'; it is one of")],
)
def test_a_quantiser_that_cannot_be_read_says_why(change, message, tmp_path):
    given = node("Quant", "x s z b", signed=1, narrow=0, rounding_mode=change.get("mode", "ROUND"))
    path = write_model(tmp_path / "m.onnx", [given], {"s": 1, "z": 0, "b": change.get("b", 4)}, (3,))
    with pytest.raises(ConfigError, match=message):
        load_onnx(path)


def test_a_weight_code_that_has_no_opposite_takes_one_bit_more_where_bits_are_few(tmp_path):
    nodes = [node("Quant", "w s z b", "q", signed=1, narrow=0, rounding_mode="ROUND"), node("MatMul", "x q")]
    network = load_onnx(write_model(tmp_path / "m.onnx", nodes, {"w": [[-2], [1]], "s": 1, "z": 0, "b": 2}, (2,)))
    layer = quantize_network(network, np.ones((1, 2)), weight_bits=3, activation_bits=8).layers["w"]
    assert layer.weight.tolist() == [[-2, 1]]
