"""Input scales for every token: the same network in floats, smaller steps for small tokens, honest counts."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import Network, Node, make_linear, quantize_network, run_integer, run_network

RNG = np.random.default_rng(4)
IDEAL = {
    "device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": "auto",
    "adc.full_scale": "whole",
}  # fmt: skip


def layer(name, inputs, outputs, source=None, bias=True):
    return make_linear(
        name, inputs, outputs, inputs=() if source is None else (source,),
        weight=RNG.standard_normal((outputs, inputs)), bias=RNG.standard_normal(outputs) if bias else None,
    )  # fmt: skip


def make_network(bias=True):
    nodes = (
        layer("q", 12, 6, "input", bias=bias), layer("k", 12, 6, "input", bias=False),
        Node(name="sum", kind="add", inputs=("q", "k")), Node(name="act", kind="relu", inputs=("sum",)),
        layer("out", 6, 5, "act", bias=bias),
    )  # fmt: skip
    return Network(name="tokens", nodes=nodes, input_shape=(7, 12))


def draw_tokens(count, spread):
    """Return images of 7 tokens whose sizes lie apart by powers of ``spread``."""
    x = RNG.standard_normal((count, 7, 12)).astype(np.float32)
    return x * spread ** -np.arange(7, dtype=np.float32).reshape(1, 7, 1)


def test_the_network_is_the_same_in_floats_and_layers_keep_their_names():
    network = make_network()
    scaled = network.with_token_scales()
    assert [each.name for each in scaled.layers] == [each.name for each in network.layers]
    assert sum(node.kind == "peak" for node in scaled.nodes) == 2
    x = draw_tokens(5, 10.0)
    x[0, 3] = 0
    np.testing.assert_allclose(run_network(scaled, x), run_network(network, x), rtol=1e-5, atol=1e-5)


def test_a_small_token_keeps_its_levels():
    network, x = make_network(bias=False), draw_tokens(40, 10.0)
    reference = run_network(network, x)
    sizes = np.abs(reference).max(axis=(0, 2))
    plain, scaled = (
        np.abs(run_integer(quantize_network(each, x, weight_bits=12, activation_bits=8), x) - reference).max((0, 2))
        for each in (network, network.with_token_scales())
    )
    # with one scale of 8 bits nothing is left of tokens that are 1,000 times smaller than the largest
    assert (plain[3:] > 0.3 * sizes[3:]).all()
    assert (scaled < 0.05 * sizes).all()


def test_arrays_compute_the_integers():
    network, x = make_network().with_token_scales(), draw_tokens(6, 3.0)
    hardware = xs.load_hardware("reference").override(IDEAL)
    report = xs.simulate(network, hardware, x, calibration=x)
    quantized = quantize_network(network, x, weight_bits=hardware.weight_bits, activation_bits=hardware.activation_bits)
    np.testing.assert_array_equal(report.outputs[0], run_integer(quantized, x))


def test_its_operations_are_counted():
    network = make_network()
    plain, scaled = (xs.estimate(each, "reference").activity.totals for each in (network, network.with_token_scales()))
    peaks = 7 * (2 * 12 - 1) + 7 * (2 * 6 - 1)
    quotients, products = 7 * (12 + 6), 7 * (6 + 6 + 5)
    biases = 7 * (6 + 5)
    assert scaled["vector"] - plain["vector"] == peaks + quotients + products
    assert scaled["activation"] - plain["activation"] == biases


def test_what_takes_no_scales_by_token_is_refused():
    with pytest.raises(ConfigError, match="none of the layers takes scales by token"):
        xs.load_network("resnet20").with_token_scales("conv1")
    with pytest.raises(ConfigError, match="layers"):
        make_network().with_token_scales("nothing*")


@pytest.mark.parametrize("method", ["nearest", "least_squares", "learned"])
def test_quantize_takes_scales_by_token(method):
    if method == "learned":
        pytest.importorskip("torch")
    network, x = make_network(), draw_tokens(40, 10.0)
    settings = {"weight_bits": 8, "activation_bits": 8, "method": method, "iterations": 20}
    found = xs.quantize(network, x, **settings, token_scales=True)
    assert found.hash == xs.quantize(network.with_token_scales(), x, **settings).hash
    assert sum(node.kind == "peak" for node in found.nodes) == 2
    reference = run_network(network, x)
    # the last tokens are 10^6 times smaller than the first: without own scales nothing is left of them but biases
    errors = [
        np.abs(run_network(each, x) - reference)[:, -1].max() for each in (found, xs.quantize(network, x, **settings))
    ]
    assert errors[0] < 0.5 * errors[1]
    some = xs.quantize(network, x, **settings, token_scales="out")
    assert [node.name for node in some.nodes if node.kind == "peak"] == ["act.peak"]
    with pytest.raises(ConfigError, match="layers"):
        xs.quantize(network, x, **settings, token_scales=["nothing*"])
