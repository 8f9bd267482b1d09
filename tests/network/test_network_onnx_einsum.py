"""Einsum: weight layers and products of activations, where an equation is one; operations where it is not."""

import numpy as np
import pytest
from onnx_samples import floats, node, open_session, write_model

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import load_onnx, run_network
from xbarsim.network.onnx_einsum import count_products, parse_equation
from xbarsim.network.write_onnx import write_onnx

pytest.importorskip("onnxruntime")

LAYERS = {
    "a linear layer": ("bi,io->bo", (6,), (6, 4)),
    "tokens, without a result": ("asi,io", (3, 6), (6, 4)),
    "heads of an attention": ("bsd,dhe->bhse", (3, 6), (6, 2, 5)),
    "heads that are summed": ("bhse,hed->bsd", (2, 3, 5), (2, 5, 6)),
    "any axes before": ("...i,oi->...o", (2, 3, 6), (4, 6)),
    "channels of an image": ("bchw,oc->bohw", (3, 4, 5), (7, 3)),
    "an axis in the middle": ("bijk,jm->bmik", (2, 3, 4), (3, 5)),
    "a constant first": ("oc,bcn->bon", (3, 4), (5, 3)),
}
PRODUCTS = {
    "scores": ("bqhd,bkhd->bhqk", (3, 2, 5)),
    "a stack of two axes": ("bghqd,bghkd->bqghk", (2, 2, 3, 4)),
    "no stack": ("bqd,bkd->bqk", (3, 5)),
    "any axes": ("...qd,...kd->...qk", (2, 3, 5)),
    "sums over two axes": ("bqde,bkde->bqk", (3, 2, 4)),
}
OTHERS = {
    "a diagonal": ("bii->bi", (3, 3), None),
    "a weight for each head": ("bhi,hij->bhj", (2, 3), (2, 3, 4)),
    "sums over one operand": ("bij,jk->bk", (2, 3), (3, 4)),
    "no sum": ("bij,jk->bijk", (2, 3), (3, 4)),
    "three operands": ("bi,bi,bi->bi", (3,), None),
}


def run_both(path, equation, shape, constant):
    """Write a model of one Einsum and run it; return the network, its inputs, its result and ONNX Runtime's."""
    count = equation.count(",") + 1
    order = " ".join(["x"] * count) if constant is None else ("w x" if equation.startswith("oc,") else "x w")
    constants = {} if constant is None else {"w": floats(*constant)}
    write_model(path, [node("Einsum", order, equation=equation)], constants, ("N", *shape))
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    (expected,) = open_session(path).run(["y"], {"x": x})
    network = load_onnx(path)
    return network, x, run_network(network, x), expected


@pytest.mark.parametrize("name", LAYERS)
def test_an_equation_with_a_constant_is_a_layer_on_arrays(name, tmp_path):
    network, x, found, expected = run_both(tmp_path / "m.onnx", *LAYERS[name])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [(each.kind, each.weight_count) for each in network.layers] == [("linear", np.prod(LAYERS[name][2]))]
    again = load_onnx(write_onnx(network, tmp_path / "again.onnx"))
    np.testing.assert_allclose(run_network(again, x), expected, rtol=1e-5, atol=1e-5)
    assert xs.estimate(network, "reference").crossbars >= 1


@pytest.mark.parametrize("name", PRODUCTS)
def test_an_equation_of_activations_is_a_product(name, tmp_path):
    network, _, found, expected = run_both(tmp_path / "m.onnx", *PRODUCTS[name], None)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [each.kind for each in network.nodes if each.kind not in ("transpose", "reshape")] == ["matmul"]


@pytest.mark.parametrize("name", OTHERS)
def test_other_equations_run_in_onnx_runtime(name, tmp_path):
    network, _, found, expected = run_both(tmp_path / "m.onnx", *OTHERS[name])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [each.kind for each in network.nodes] == ["opaque"]


def test_a_sum_over_images_is_refused(tmp_path):
    write_model(tmp_path / "m.onnx", [node("Einsum", "x x", equation="bi,bj->ij")], {}, ("N", 3))
    with pytest.raises(ConfigError, match="batch"):
        load_onnx(tmp_path / "m.onnx")


def test_operations_are_those_of_all_axes():
    assert count_products("bsd,dhe->bhse", [(1, 3, 6), (6, 2, 5)]) == 3 * 6 * 2 * 5
    assert count_products("bii->bi", [(2, 3, 3)]) == 6
    assert count_products("...i,ij", [(2, 4, 3), (3, 5)]) == 2 * 4 * 3 * 5
    assert parse_equation("...ij, jk", [4, 2]) == (["10ij", "jk"], "10ik")
    assert parse_equation("ba,a", [2, 1]) == (["ba", "a"], "b")
