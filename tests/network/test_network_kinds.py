"""Every kind has one whole record, and what the records say of timing is what the machine counts."""

import dataclasses
import math

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import Network, Node, make_linear
from xbarsim.network.kinds import KINDS, LAYER_KINDS, OPERATORS, Kind, TimingClass, collect_kinds, collect_readers
from xbarsim.timing import trace_dataflow

SINGLE_VALUES = {
    "relu", "clip", "leaky_relu", "sigmoid", "hard_sigmoid", "tanh", "hard_swish", "erf", "sqrt", "gelu", "scale",
}  # fmt: skip


def write_network(folder, kind, shape=(256,)):
    path = folder / f"{kind}.yaml"
    path.write_text(
        f"input_shape: {list(shape)}\nlayers:\n  - {{name: a, kind: linear, features: 256}}\n  - {{name: op, {kind}}}\n"
        "  - {name: b, kind: linear, features: 16}\n"
    )
    return path


def test_every_kind_says_which_part_of_the_machine_computes_it():
    classes = {timing: {name for name, kind in KINDS.items() if kind.timing is timing} for timing in TimingClass}
    assert classes[TimingClass.LAYER] == set(LAYER_KINDS) == {"conv2d", "linear", "array_matmul"}
    assert classes[TimingClass.WRITE] == {"array_write"}
    assert classes[TimingClass.VALUES] == SINGLE_VALUES
    assert classes[TimingClass.VECTOR] == {"softmax", "layer_norm", "peak", "opaque", "fold"}
    assert classes[TimingClass.PRODUCT] == {"matmul"}
    assert classes[TimingClass.BINARY] == {"add", "sub", "mul", "div"}


def test_two_records_of_one_kind_or_of_one_onnx_operator_are_refused():
    relu = KINDS["relu"]
    with pytest.raises(ValueError, match="kind 'relu': has two records"):
        collect_kinds([relu, relu])
    with pytest.raises(ValueError, match="kind 'other': onnx_read: Relu"):
        collect_readers([relu, dataclasses.replace(relu, name="other")])
    assert len(OPERATORS) == sum(len(kind.onnx_read) for kind in KINDS.values()) + 4


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Kind)])
def test_a_field_without_a_fitting_value_is_named(field):
    with pytest.raises(TypeError, match=field):
        dataclasses.replace(KINDS["conv2d"], **{field: 3})


def test_no_field_of_a_record_has_a_default():
    for record in (Kind, type(KINDS["conv2d"].layer), type(KINDS["softmax"].settings["axis"])):
        for field in dataclasses.fields(record):
            assert field.default is dataclasses.MISSING
            assert field.default_factory is dataclasses.MISSING


@pytest.mark.parametrize(("kind", "count"), [("softmax", 5 * 256 - 2), ("layer_norm", 7 * 256 + 3)])
def test_passes_over_a_vector_are_a_step_of_the_vector_unit(kind, count, tmp_path):
    report = xs.estimate(write_network(tmp_path, f"kind: {kind}"), "isaac")
    relu = xs.estimate(write_network(tmp_path, "kind: relu"), "isaac")
    step = next(step for step in report.activity.steps if step.name == "op")
    assert step.counts["vector"] == count
    assert "activation" not in report.activity.totals
    assert relu.activity.totals["activation"] == 256
    assert "vector" not in relu.activity.totals
    assert report.activity.cycles > relu.activity.cycles
    assert report.energy_joule > relu.energy_joule


def operations_of(kind, shape, **attributes):
    """Return operations of all windows of a node behind a network's input, and whether a window needs all."""
    network = Network(name="one", nodes=(Node(name="op", kind=kind, attributes=attributes),), input_shape=shape)
    step = trace_dataflow(network).steps[1]
    return step.windows * step.operations, len(set(step.edges[0][1].tolist())) == 1


def test_softmax_counts_every_vector_along_its_axis():
    assert operations_of("softmax", (8, 6), axis=2) == (8 * (5 * 6 - 2), False)
    assert operations_of("softmax", (8, 6), axis=1) == (8 * math.ceil(6 * (5 * 8 - 2) / 8), True)
    assert operations_of("softmax", (4, 3, 2), axis=1) == (6 * (5 * 4 - 2), False)


def test_layer_norm_counts_all_axes_behind_its_own():
    assert operations_of("layer_norm", (8, 6), axis=2, epsilon=1e-5) == (8 * (7 * 6 + 3), False)
    assert operations_of("layer_norm", (4, 3, 2), axis=1, epsilon=1e-5) == (6 * math.ceil((7 * 24 + 3) / 6), True)


def test_a_peak_counts_magnitudes_and_comparisons_of_every_vector():
    assert operations_of("peak", (8, 6)) == (8 * (2 * 6 - 1), False)


def test_a_binary_operation_with_a_constant_works_on_single_values():
    constant = np.ones(8, np.float32)
    nodes = (make_linear("a", 8, 8), Node(name="op", kind="mul", inputs=("a",), attributes={"constant": constant}))
    steps = trace_dataflow(Network(name="one", nodes=nodes, input_shape=(8,))).steps
    assert [step.name for step in steps] == ["input", "a", "output"]
    assert steps[1].activated == 8


def test_an_operand_that_serves_several_values_counts_an_operation_for_each():
    gate = Node(name="g", kind="global_avg_pool", attributes={"keepdims": True})
    nodes = (gate, Node(name="op", kind="mul", inputs=("input", "g")))
    step = trace_dataflow(Network(name="one", nodes=nodes, input_shape=(8, 5, 5))).steps[2]
    assert (step.windows, step.operations) == (25, 8)


def test_a_product_takes_two_inputs():
    with pytest.raises(ConfigError, match="matmul takes two inputs, not 1"):
        Network(name="one", nodes=(Node(name="op", kind="matmul"),), input_shape=(4, 4))


@pytest.mark.parametrize("name", sorted(SINGLE_VALUES - {"scale"} | {"softmax", "layer_norm", "peak"}))
def test_tensors_are_computed_as_arrays_are(name):
    torch = pytest.importorskip("torch")
    kind = KINDS[name]
    given = {key: setting.default for key, setting in kind.settings.items()}
    attributes = kind.attributes({**given, **({"min": -0.5, "max": 1.0} if name == "clip" else {})}, (4, 6))
    node = Node(name="op", kind=name, attributes=attributes, shape=(4, 6))
    x = np.abs(np.random.default_rng(0).normal(size=(3, 4, 6))).astype(np.float32) - np.float32(name != "sqrt")
    found = kind.torch(torch, node, [torch.tensor(x)]).numpy()
    np.testing.assert_allclose(found, kind.run(node, [x]), rtol=1e-4, atol=1e-6)
