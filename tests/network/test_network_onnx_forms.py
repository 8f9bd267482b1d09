"""Forms of operators that other tools write: operands left out or repeated, blocks of scales, other opsets."""

import numpy as np
import pytest
from onnx_samples import TYPES, VECTOR, codes, floats, helper, ints, node, open_session, write_model

import xbarsim as xs
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import load_onnx, run_network
from xbarsim.network.write_onnx import write_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
IMAGE = ("N", 3, 8, 7)
LAYERED = [node("LayerNormalization", "x g b", "a m i"), node("Sub", "x m", "c"), node("Mul", "c i", "d"),
           node("Add", "a d")]  # fmt: skip
NEW = {18: 8, 19: 9, 21: 10, 23: 11}
"""Opset -> version of the format."""


def write_form(path, nodes, constants, shape, opset=17):
    write_model(path, nodes, constants, shape, opset=opset)
    model = onnx.load(path)
    model.ir_version = NEW.get(opset, 8)
    onnx.save(model, path)
    return path


def run_both(path, shape, outputs=None):
    x = np.random.default_rng(5).normal(size=(3, *shape[1:])).astype(np.float32)
    session = open_session(path)
    (name,) = [each.name for each in session.get_inputs()]
    parts = [x] if shape[0] == "N" else [x[i : i + 1] for i in range(3)]
    expected = np.concatenate([session.run(["y"], {name: part})[0].reshape(len(part), -1) for part in parts])
    network = load_onnx(path)
    return network, run_network(network, x).reshape(3, -1), expected


FORMS = {
    "results of a normalisation beside its values": (LAYERED, {"g": floats(5), "b": floats(5)}, ("N", 4, 5), 17),
    "sums of a vendor's normalisation": (
        [node("SkipLayerNormalization", "x x g b", "a", domain="com.microsoft"), node("MatMul", "a w", "m"),
         helper.make_node("SkipLayerNormalization", ["m", "x", "g"], ["n", "", "", "s"], domain="com.microsoft"),
         node("Add", "n s")], {"g": floats(5), "b": floats(5), "w": floats(5, 5)}, ("N", 4, 5), 17),
    "an operator that its opset has given up": (
        [node("Conv", "x w", "a"), node("GroupNormalization", "a g b", num_groups=2)],
        {"w": floats(4, 3, 1, 1), "g": floats(2), "b": floats(2)}, IMAGE, 18),
    "a mean over no axes that does nothing": (
        [node("ReduceMean", "x k", "a", noop_with_empty_axes=1), node("MatMul", "a w")],
        {"k": ints(), "w": floats(5, 3)}, VECTOR, 18),
    "a mean over no axes that is one over all": (
        [node("ReduceMean", "x k", "a"), node("Add", "a x")], {"k": ints()}, (1, 5, 3), 18),
    "weights with a scale for each block": (
        [node("DequantizeLinear", "q s z", "w", axis=0, block_size=4), node("MatMul", "x w")],
        {"q": codes(10, 4), "s": np.abs(floats(3, 4)), "z": codes(3, 4)}, ("N", 10), 21),
    "an attention of one operand": (
        [node("Attention", "x x x", "a", q_num_heads=2, kv_num_heads=2), node("MatMul", "a w")],
        {"w": floats(6, 3)}, ("N", 4, 6), 23),
    "a mean under a dilated kernel": (
        [node("AveragePool", kernel_shape=[2, 2], dilations=[2, 1], pads=[1, 0, 0, 1])], {}, IMAGE, 19),
    "a transposed convolution to a given size": (
        [node("ConvTranspose", "x w", strides=[2, 2], output_shape=[16, 14])], {"w": floats(3, 2, 3, 3)}, IMAGE, 17),
    "a transposed convolution to a multiple of its input": (
        [node("ConvTranspose", "x w", strides=[2, 3], auto_pad="SAME_UPPER")], {"w": floats(3, 2, 4, 4)}, IMAGE, 17),
    "a dilated transposed convolution of a volume": (
        [node("ConvTranspose", "x w b", strides=[2, 1, 2], output_padding=[1, 0, 1], dilations=[1, 2, 1])],
        {"w": floats(2, 3, 2, 2, 3), "b": floats(3)}, ("N", 2, 3, 4, 3), 17),
    "a dilated transposed convolution along a line": (
        [node("ConvTranspose", "x w b", strides=[2], pads=[1, 0], dilations=[3])],
        {"w": floats(2, 3, 3), "b": floats(3)}, ("N", 2, 6), 17),
    "a convolution of a volume in groups": (
        [node("Conv", "x w b", group=2, strides=[1, 2, 1], pads=[1, 0, 1, 0, 0, 1], dilations=[2, 1, 1])],
        {"w": floats(6, 2, 2, 3, 2), "b": floats(6)}, ("N", 4, 5, 6, 4), 17),
    "a depthwise convolution of a volume and its normalisation": (
        [node("Conv", "x w", "a", group=3, pads=[1] * 6), node("BatchNormalization", "a g b m v")],
        {"w": floats(3, 1, 3, 3, 3), "g": floats(3), "b": floats(3), "m": floats(3), "v": floats(3) ** 2 + 0.1},
        ("N", 3, 4, 3, 3), 17),
    "a transposed convolution in groups": (
        [node("ConvTranspose", "x w b", group=2, strides=[2, 1], pads=[1, 0, 0, 1], output_padding=[1, 0])],
        {"w": floats(4, 3, 3, 2), "b": floats(6)}, ("N", 4, 5, 6), 17),
    "a depthwise transposed convolution along a line": (
        [node("ConvTranspose", "x w", group=4, strides=[3], dilations=[2])], {"w": floats(4, 1, 2)}, ("N", 4, 5), 17),
    "codes of a type without a zero point": (
        [node("QuantizeLinear", "x s", "q", output_dtype=TYPES.INT8), node("DequantizeLinear", "q s", "d"),
         node("MatMul", "d w")], {"s": np.float32(0.05), "w": floats(5, 4)}, VECTOR, 21),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form_computes_what_onnx_runtime_computes_and_survives_a_file(form, tmp_path):
    nodes, constants, shape, opset = FORMS[form]
    if opset == 23 and tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 23):
        pytest.skip("ONNX Runtime has no Attention before 1.23")
    network, found, expected = run_both(write_form(tmp_path / "m.onnx", nodes, constants, shape, opset), shape)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    if "given up" in form:
        with pytest.raises(ConfigError, match="GroupNormalization is deprecated"):
            write_onnx(network, tmp_path / "again.onnx")
        return
    again = write_onnx(network, tmp_path / "again.onnx")
    _, found, written = run_both(again, ("N", *shape[1:])) if "y" in _outputs(again) else (0, found, expected)
    np.testing.assert_allclose(written, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def _outputs(path):
    return [each.name for each in onnx.load(path).graph.output]


ON_ARRAYS = {
    "a transposed convolution to a given size": "linear", "weights with a scale for each block": "linear",
    "a convolution of a volume in groups": "conv2d", "a transposed convolution in groups": "conv2d",
    "a depthwise convolution of a volume and its normalisation": "conv2d",
    "a depthwise transposed convolution along a line": "conv2d",
}  # fmt: skip


@pytest.mark.parametrize("form", ON_ARRAYS)
def test_weights_of_such_forms_run_on_arrays(form, tmp_path):
    network = load_onnx(write_form(tmp_path / "m.onnx", *FORMS[form]))
    assert [layer.kind for layer in network.layers] == [ON_ARRAYS[form]]
    assert not any(each.kind == "opaque" for each in network.nodes)
    xs.estimate(network, "reference")


def test_a_quantiser_that_names_its_type_stays_a_grid(tmp_path):
    network = load_onnx(write_form(tmp_path / "m.onnx", *FORMS["codes of a type without a zero point"]))
    (grid,) = [each for each in network.nodes if each.kind == "quantize"]
    assert (grid.attributes["bits"], grid.attributes["signed"]) == (8, True)


def test_operands_that_are_read_twice_are_counted_at_each_place(tmp_path):
    counts = []
    for place, operands in enumerate(("x x x", "x a b")):
        turned = [node("Neg", "x", "a"), node("Abs", "x", "b")] if place else []
        nodes = [*turned, node("Attention", operands, q_num_heads=2, kv_num_heads=2)]
        network = load_onnx(write_form(tmp_path / f"{place}.onnx", nodes, {}, ("N", 4, 6), 23))
        counts += [
            each.attributes["operations"] for each in network.nodes if each.attributes["operator"] == "Attention"
        ]
    assert counts == [192, 192]  # two products of 4 x 4 tokens and 6 channels


@pytest.mark.parametrize(
    ("nodes", "constants", "shape", "opset", "reason"),
    [
        ([node("Gather", "x i", axis=1)], {"i": np.int64(5)}, ("N", 5, 3), 17, "entry 5 of an axis of 5"),
        ([node("Gather", "x i", axis=1)], {"i": np.int64(-6)}, ("N", 5, 3), 17, "entry -6 of an axis of 5"),
        ([node("Identity", "x")], {}, VECTOR, 17, "it is constant, or the input itself; try: outputs="),
        ([node("Cast", "x", "a", to=TYPES.FLOAT8E4M3FN), node("Cast", "a", to=1)], {}, VECTOR, 19,
         "values of type float8_e4m3fn, which ONNX Runtime does not exchange"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_with_its_reason(nodes, constants, shape, opset, reason, tmp_path):
    path = write_form(tmp_path / "m.onnx", nodes, constants, shape, opset)
    with pytest.raises(ConfigError, match=reason) as info:
        load_onnx(path, self_check=False)
    assert len(str(info.value)) <= 400
    assert "\n" not in str(info.value)


def test_whole_numbers_that_images_cannot_hold_are_refused(tmp_path):
    nodes = [node("Mod", "x m", "a"), node("Cast", "a", to=1)]
    path = write_model(tmp_path / "m.onnx", nodes, {"m": np.int64(997)}, VECTOR, kind=TYPES.INT64)
    network, tokens = load_onnx(path), np.array([[1, 2, 3, 4, 2**24]], np.int64)
    np.testing.assert_array_equal(run_network(network, tokens), tokens % 997)
    with pytest.raises(ShapeError, match="the whole number 16777217"):
        run_network(network, tokens + 1)


def test_functions_of_a_file_are_written_out(tmp_path):
    path = write_form(tmp_path / "m.onnx", [node("Block", "x w", domain="local")], {"w": floats(5, 3)}, VECTOR)
    model = onnx.load(path)
    body = [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("Relu", ["m"], ["c"])]
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(
        helper.make_function("local", "Block", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)])
    )
    onnx.save(model, path)
    network, found, expected = run_both(path, VECTOR)
    assert [each.kind for each in network.nodes] == ["linear", "relu"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("places", [[0, 4, 14], [[0, 0], [1, 1], [4, 2]]])
def test_sparse_weights_are_read(places, tmp_path):
    path = write_form(tmp_path / "m.onnx", [node("MatMul", "x w")], {}, VECTOR)
    model = onnx.load(path)
    values = helper.make_tensor("w", TYPES.FLOAT, [3], [1.0, 2.0, 3.0])
    flat = np.array(places, np.int64)
    indices = helper.make_tensor("w_places", TYPES.INT64, flat.shape, flat.reshape(-1))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [5, 3]))
    onnx.save(model, path)
    network, found, expected = run_both(path, VECTOR)
    assert len(network.layers) == 1
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((5, 3), r"sparse initializer w cannot be read: its places do not lie in \(5, 3\)"),
        ((10**6, 10**6), r"sparse initializer w: 1,000,000,000,000 entries of a sparse tensor, .* divide the tensor"),
        ((-1, 3), r"sparse initializer w cannot be read"),
    ],
)
def test_sparse_weights_outside_their_shape_or_beyond_memory_are_refused(shape, reason, tmp_path):
    path = write_form(tmp_path / "m.onnx", [node("MatMul", "x w")], {}, VECTOR)
    model = onnx.load(path)
    values, indices = helper.make_tensor("w", TYPES.FLOAT, [1], [1.0]), helper.make_tensor("i", TYPES.INT64, [1], [15])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, shape))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match=reason):
        load_onnx(path)


def test_a_mask_of_minus_infinity_behind_a_layer_is_no_bias(tmp_path):
    nodes = [node("MatMul", "x w", "a"), node("Add", "a m", "b"), node("Softmax", "b", axis=-1)]
    mask = np.array([0, -np.inf, 0], np.float32)
    network, found, expected = run_both(
        write_form(tmp_path / "m.onnx", nodes, {"w": floats(5, 3), "m": mask}, VECTOR), VECTOR
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert network.layers[0].bias is None
